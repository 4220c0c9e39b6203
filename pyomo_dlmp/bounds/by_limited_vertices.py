"""Vertices of the optimal duals where upper rows limit them, for small parts of a lower level.

An upper row may need a dual that is no mean of vertices (a price cap cuts the optimal duals). Then
the vertices are those of the optimal duals *and* of these rows,

    { (y, mu):  G (y, mu) = gradient,   mu >= 0,   lo <= R (y, mu) + (terms of u, x, others) <= hi }

and a vertex has some of the rows at a limit: they join G as equalities. Rows are linear in the
duals and have none of another part.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.bounds.dual_rays import limited_rays_harmless
from pyomo_dlmp.bounds.upper_view import UpperView
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.bases import DualFace, independent_rows
from pyomo_dlmp.numerics.effort import Effort

_MOST_ROWS = 4


def limited_vertex_ranges(kkt: KktSystem, bounds: Any, view: UpperView, rows: np.ndarray,
                          face: DualFace, effort: Effort):
    """Ranges of a part's duals over the vertices that upper rows leave.

    Parameters
    ----------
    kkt, bounds, view
        The lower level, what is known of it, and how the upper level uses its duals.
    rows, face
        Columns of x of the part, and its duals.
    effort
        Work that may be done.

    Returns
    -------
    tuple or None
        (least, greatest) over `face.cols`; None where nothing is proved.
    """
    outside = np.ones(len(view.slope), bool)
    outside[face.cols] = False
    of_duals = view.of_duals
    mine = np.flatnonzero((np.diff(of_duals[:, face.cols].indptr) > 0)
                          & (view.has_lo | view.has_hi))
    if (len(face.lines) or not face.small or not 0 < len(mine) <= _MOST_ROWS
            or of_duals[mine][:, outside].nnz
            or not limited_rays_harmless(kkt, view, face, bounds)):
        return None
    m, n = len(kkt.form.u), len(kkt.form.x)
    R, xu = of_duals[mine][:, face.cols].toarray(), view.R[mine][:, :m + n]
    z_lo = np.concatenate([bounds.x_lo, bounds.u_lo, np.zeros(len(mine))])
    z_hi = np.concatenate([bounds.x_hi, bounds.u_hi, view.spread[mine]])
    gradient = sp.hstack([kkt.form.Q, kkt.form.D, sp.csr_matrix((n, len(mine)))], format="csr")
    gradient, c = gradient[rows][face.rows], kkt.form.c[rows][face.rows]
    found = []
    for at, right, constant in _active_rows(view, mine, xu, m):
        matrix = np.vstack([face.matrix, R[at][:, face.at]])
        if len(independent_rows(matrix)) < len(matrix):
            continue
        ranges = face.with_rows(matrix).vertex_ranges_of(
            sp.vstack([gradient, right], format="csr"), np.concatenate([c, constant]), z_lo, z_hi,
            effort)
        if ranges is None:
            return None
        found.append(ranges)
    return np.min([low for low, _ in found], axis=0), np.max([high for _, high in found], axis=0)


def _active_rows(view: UpperView, mine, xu, m: int):
    """(positions in `mine`, right-hand side of z = (x, u, others), constant) of each choice."""
    sides = [(i, side) for i, row in enumerate(mine)
             for side, there in ((0, view.has_lo[row]), (1, view.has_hi[row])) if there]
    turned = sp.hstack([-xu[:, m:], -xu[:, :m]], format="csr")
    for size in range(len(mine) + 1):
        for chosen in combinations(sides, size):
            at = [i for i, _ in chosen]
            if len(set(at)) < size:
                continue
            # lo <= R w + rest: the limit of R w is somewhere in `spread` from the relaxed one
            others = sp.coo_matrix(
                ([-1.0 if side else 1.0 for _, side in chosen], (range(size), at)),
                shape=(size, len(mine)))
            ends = np.array([(view.hi if side else view.lo)[mine[i]] for i, side in chosen])
            yield at, sp.hstack([turned[at], others], format="csr"), ends
