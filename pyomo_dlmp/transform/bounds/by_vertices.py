"""Bounds of multipliers from the vertices of the dual polyhedron, for small lower levels.

At an optimum of the lower level the optimal duals are a face of

    { (y, mu):  A_eq' y + sigma S' mu = Q x + c + D u,   mu >= 0 }

Where it has no line, some optimal dual is a vertex: its support is a set of independent columns.
If the upper level does not use the duals, or uses them in its objective only (which is linear in
them at fixed u, x), a bilevel optimum with such a dual exists, so that the greatest multiplier over
all bases is a valid bound. It is *not* a bound of every optimal dual.

The second case needs the face to be bounded in every improving direction. Its rays are the same
for all u, x; a ray d is there only where  v(u) = sum_p d_p s_p  (which does not depend on x) is
zero. Every extreme ray must be absent over the whole box (v > 0), or worsen the upper objective.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.boxes import row_ranges
from pyomo_dlmp.numerics.components import component_labels, groups_by_label
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ENTRY, MULTIPLIER, RANK, ROUNDING
from pyomo_dlmp.transform.upper_view import UpperView

_MOST_BASES = 20_000
_MOST_COLUMNS, _MOST_PAIRS = 60, 200  # of a part that is enumerated


def vertex_bounds(kkt: KktSystem, bounds: Any, view: UpperView) -> tuple[np.ndarray, np.ndarray]:
    """Ranges of the duals over the vertices of the dual polyhedron.

    Parameters
    ----------
    kkt
        The lower level.
    bounds
        A `PairBounds`, whose ranges of x and proved-zero multipliers are used.
    view
        How the upper level uses the duals.

    Returns
    -------
    tuple
        (least, greatest) of (y, mu), shapes (e + pairs,); infinite where nothing is proved.
    """
    least = np.full(len(kkt.equality_rows) + kkt.pairs, -np.inf)
    greatest = -least
    if view.in_rows or view.squared:
        return least, greatest
    G = sp.hstack([kkt.A_eq.T, kkt.sigma * kkt.S.T], format="csc")
    e = len(kkt.equality_rows)
    usable = np.concatenate([np.ones(e, bool), bounds.mu > 0.0])
    u_lo, u_hi = kkt.form.u_box()
    for rows, cols in _parts(kkt, G):
        cols = cols[usable[cols]]
        if len(rows) > _MOST_COLUMNS or (cols >= e).sum() > _MOST_PAIRS:
            continue
        part = _DualFace(G[rows][:, cols].toarray(), cols, e)
        if not part.rank or not part.small():
            continue
        gradient = sp.hstack([kkt.form.Q, kkt.form.D], format="csr")[rows][part.rows]
        box = np.concatenate([bounds.x_lo, u_lo]), np.concatenate([bounds.x_hi, u_hi])
        if _duals_used(view, cols) and not _rays_harmless(kkt, view, part, u_lo, u_hi):
            continue
        least[cols], greatest[cols] = part.vertex_ranges(
            gradient, kkt.form.c[rows][part.rows], *box)
    return least, greatest


def _parts(kkt: KktSystem, G):
    """(columns of x, columns of G) of the parts that neither a row nor Q connects."""
    of_x, of_dual = component_labels(G.T, kkt.form.Q)
    duals = groups_by_label(of_dual)
    for label, members in groups_by_label(of_x).items():
        yield members, duals.get(label, np.empty(0, int))


def _duals_used(view: UpperView, cols) -> bool:
    slope_u = np.diff(view.slope_u.indptr)
    return bool((view.slope[cols] != 0).any() or slope_u[cols].any()
                or view.slope_unknown[cols].any())


class _DualFace:
    """Dense G of one part, reduced to independent rows; free columns (equality duals) first."""

    def __init__(self, G: np.ndarray, cols: np.ndarray, e: int):
        self.cols = cols
        self.free = int((cols < e).sum())
        self.rows = _independent_rows(G)
        self.G = G[self.rows]
        self.rank = len(self.rows)

    def small(self) -> bool:
        """Few enough bases, and no line in the polyhedron (independent free columns)."""
        spare = len(self.cols) - self.free
        if self.free > self.rank:
            return False
        if comb(spare, max(0, self.rank - self.free)) > _MOST_BASES:
            return False
        return self.free == 0 or np.linalg.matrix_rank(self.G[:, : self.free], RANK) == self.free

    def _bases(self, extra: int = 0) -> np.ndarray:
        """Column sets of rank + extra columns that hold all free ones, as an index array."""
        size = self.rank - self.free + extra
        chosen = list(combinations(range(self.free, len(self.cols)), size))
        free = np.tile(np.arange(self.free), (len(chosen), 1))
        return np.hstack([free, np.array(chosen, dtype=int).reshape(len(chosen), size)])

    def vertex_ranges(self, gradient, c, lo, hi):
        """(least, greatest) of each column over all bases that may be feasible in the box.

        Zero, the value outside the basis, is in the range of every multiplier.
        """
        free = np.arange(len(self.cols)) < self.free
        least, greatest = np.where(free, np.inf, 0.0), np.where(free, -np.inf, 0.0)
        for basis in self._bases():
            square = self.G[:, basis]
            if np.linalg.cond(square) > 1e9:
                continue
            inverse = sp.csr_matrix(np.linalg.inv(square))
            low, high = row_ranges(inverse @ gradient, inverse @ c, lo, hi)
            if (high[self.free:] < -ROUNDING).any():
                continue
            greatest[basis] = np.maximum(greatest[basis], high)
            least[basis] = np.minimum(least[basis], low)
        return least, greatest

    def rays(self) -> np.ndarray | None:
        """Extreme rays, one a row: null vectors of rank + 1 columns, mu >= 0; None: too many."""
        if comb(len(self.cols) - self.free, self.rank - self.free + 1) > 2 * _MOST_BASES:
            return None
        found = []
        for basis in self._bases(extra=1):
            _, s, vt = np.linalg.svd(self.G[:, basis])
            if (s < RANK * max(1.0, s[0])).any():
                continue  # its circuits are found in sets where independent columns complete them
            ray = vt[-1]
            mu = ray[self.free:]
            for sign in (1.0, -1.0):
                if (sign * mu >= -ROUNDING).all():
                    full = np.zeros(len(self.cols))
                    full[basis] = sign * ray
                    found.append(full)
        return np.array(found).reshape(len(found), len(self.cols))


def _independent_rows(G: np.ndarray) -> np.ndarray:
    """Indices of a maximal set of independent rows."""
    chosen: list[int] = []
    basis = np.empty((0, G.shape[1]))
    for i, row in enumerate(G):
        rest = row - basis.T @ (basis @ row) if len(basis) else row
        size = float(np.linalg.norm(rest))
        if size > RANK * max(1.0, float(np.linalg.norm(row))):
            chosen.append(i)
            basis = np.vstack([basis, rest / size])
    return np.array(chosen, dtype=int)


def _least_change(ray, view: UpperView, v_u, v_0, u_lo, u_hi) -> float:
    """Least derivative of the upper objective along a ray, over the u where the ray is there."""
    slope = np.asarray(ray @ view.slope_u).ravel()
    constant = float(ray @ view.slope)
    answer = Highs(slope, v_u, [-np.inf], [ROUNDING - v_0[0]], u_lo, u_hi).solve()
    if answer.status == Status.INFEASIBLE:
        return 0.0
    return -np.inf if answer.objective is None else answer.objective + constant


def _rays_harmless(kkt: KktSystem, view: UpperView, part: _DualFace, u_lo, u_hi) -> bool:
    """Whether no ray of the duals can improve the upper objective anywhere in the box of u."""
    rays = part.rays()
    if rays is None:
        return False
    e = len(kkt.equality_rows)
    cols = part.cols
    for ray in rays:
        y, mu = np.zeros(e), np.zeros(kkt.pairs)
        y[cols[cols < e]] = ray[cols < e]
        mu[cols[cols >= e] - e] = ray[cols >= e]
        v_u = sp.csr_matrix(mu @ kkt.T + kkt.sigma * (y @ kkt.B_eq))
        v_0 = np.array([mu @ kkt.s0 - kkt.sigma * (y @ kkt.b_eq)])
        if row_ranges(v_u, v_0, u_lo, u_hi)[0][0] > ROUNDING:
            continue  # absent: where the lower level is feasible, the sum stays above zero
        full = np.concatenate([y, mu])
        if (np.abs(full[view.slope_unknown]) > ENTRY).any():
            return False
        if _least_change(full, view, v_u, v_0, u_lo, u_hi) < -MULTIPLIER:
            return False
    return True
