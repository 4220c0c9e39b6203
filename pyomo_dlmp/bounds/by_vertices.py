"""Bounds of multipliers from the vertices of the dual polyhedron, part by part of a lower level.

At an optimum of the lower level the optimal duals are a face of

    { (y, mu):  A_eq' y + sigma S' mu = Q x + c + D u,   mu >= 0 }

Rows that depend on others give it lines: directions in which y alone moves. Where the upper level
does not use that direction, the duals of the dependent rows are zero without loss, and the rest has
no line. Each optimal dual is then a mean of vertices plus a ray, and the support of a vertex is a
set of independent columns. Rays are `dual_rays`' question: where none of them can help the upper
level, a bilevel optimum exists whose duals are a mean of vertices, so that the greatest multiplier
over all bases is a valid bound. It is *not* a bound of every optimal dual.

Three ways to it: all bases of a small part; all active sets of a small part with a strictly convex
objective (`by_active_sets`); and where every basis has the determinant 1, -1 or 0 (flows in a
network, unit rows) the entries of its inverse are 1, -1 or 0, too, whatever the size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.bounds.by_active_sets import active_set_ranges
from pyomo_dlmp.bounds.by_limited_vertices import limited_vertex_ranges
from pyomo_dlmp.bounds.dual_rays import rays_harmless
from pyomo_dlmp.bounds.upper_view import UpperView
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.bases import DualFace
from pyomo_dlmp.numerics.components import component_labels, groups_by_label
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.tolerances import ROUNDING

_EFFORT = 10_000.0  # units of work for one lower level, about 10 s


def vertex_bounds(kkt: KktSystem, bounds: Any, view: UpperView) -> tuple[np.ndarray, np.ndarray]:
    """Ranges of the duals over the vertices of the dual polyhedron.

    Parameters
    ----------
    kkt
        The lower level.
    bounds
        A `PairBounds`, whose ranges of u, x and proved-zero multipliers are used; ranges of x are
        tightened where the lower level has one answer and all active sets are looked at.
    view
        How the upper level uses the duals.

    Returns
    -------
    tuple
        (least, greatest) of (y, mu), shapes (e + pairs,); infinite where nothing is proved.
    """
    e = len(kkt.equality_rows)
    least = np.full(e + kkt.pairs, -np.inf)
    greatest = -least
    G = sp.hstack([kkt.A_eq.T, kkt.sigma * kkt.S.T], format="csc")
    usable = np.concatenate([np.ones(e, bool), bounds.mu > 0.0])
    gradient = sp.hstack([kkt.form.Q, kkt.form.D], format="csr")
    effort = Effort(_EFFORT)
    for rows, all_cols in _parts(kkt, G):
        cols = all_cols[usable[all_cols]]
        if not len(cols) or not _is_missing(bounds, cols[cols >= e] - e):
            continue
        face = DualFace(G[rows][:, cols], cols, e)
        if not face.rank:
            continue
        if rays_harmless(kkt, view, face, bounds):
            found = [active_set_ranges(kkt, bounds, rows, face, effort)]
            box = (np.concatenate([bounds.x_lo, bounds.u_lo]),
                   np.concatenate([bounds.x_hi, bounds.u_hi]))
            found.append(face.vertex_ranges(gradient[rows], kkt.form.c[rows], *box, effort))
        else:
            found = [limited_vertex_ranges(kkt, bounds, view, rows, face, effort)]
        for low, high in filter(None, found):
            least[cols] = np.maximum(least[cols], low)
            greatest[cols] = np.minimum(greatest[cols], high)
    return least, greatest


def _is_missing(bounds, pairs) -> bool:
    """Whether some open pair of a part has no bound of its own yet."""
    return bool((~np.isfinite(bounds.mu[pairs]) & (bounds.slack[pairs] > ROUNDING)).any()
                or (~np.isfinite(bounds.slack[pairs]) & (bounds.mu[pairs] > 0)).any())


def _parts(kkt: KktSystem, G):
    """(columns of x, columns of G) of the parts that neither a row nor Q connects."""
    of_x, of_dual = component_labels(G.T, kkt.form.Q)
    duals = groups_by_label(of_dual)
    for label, members in groups_by_label(of_x).items():
        yield members, duals.get(label, np.empty(0, int))
