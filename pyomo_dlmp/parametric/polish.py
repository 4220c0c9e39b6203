"""From the master's point to the exact optimum over the pieces that it uses.

Tangents end where the bound is near enough; the decisions may then still be far off, since an
optimum is flat. Over fixed pieces the cost is one convex quadratic of the upper decisions:

    min  c'u + sum_k cost_k(v_k)   s.t.  upper rows,  A_k v_k <= b_k,   v_k = (u_k - lo_k) / width_k

solved to a KKT point, again over the pieces on the other side where it ends at a facet.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.qp import ConvexQp
from pyomo_dlmp.parametric.condensed import width
from pyomo_dlmp.parametric.hull import Hull
from pyomo_dlmp.tolerances import EXACT_FEASIBILITY, ROUNDING

_ROUNDS = 4
_MOST = 2000  # upper decisions


def polished(hull: Hull, u: np.ndarray) -> np.ndarray:
    """Upper decisions of no greater cost, optimal over the pieces that contain them.

    Parameters
    ----------
    hull
        The master problem.
    u
        Upper decisions that hold its rows, shape (upper Vars,).

    Returns
    -------
    ndarray
        `u` itself where a piece is not convex, or nothing better was found.
    """
    if len(u) > _MOST:
        return u
    value, chosen = hull.cost_at(u), hull.pieces_at(u)
    for _ in range(_ROUNDS):
        found = _over(hull, u, chosen)
        if found is None:
            return u
        better = hull.cost_at(found)
        if better[0] > value[0] + ROUNDING * (1.0 + abs(value[0])):
            return u
        u, value, before = found, better, chosen
        chosen = hull.pieces_at(u)
        if chosen == before:
            return u
    return u


def _over(hull: Hull, u: np.ndarray, chosen: list[int]) -> np.ndarray | None:
    """The optimum over chosen pieces; None where they are not convex or no solver finds it."""
    upper, n = hull.upper, len(u)
    c, curves, rows, right = upper.c.copy(), _Entries(), _Entries(), []
    for part, pieces, at, r in zip(hull.parts, hull.pieces, hull.u, chosen, strict=True):
        piece, span = pieces[r], width(part)
        if piece.concave.shape[1]:
            return None
        P = piece.cost.P / np.outer(span, span)
        curves.add(0.5 * (P + P.T), at, at)
        c[at] += piece.cost.p / span - P @ part.lo
        slope = piece.polytope.A / span
        rows.add(-slope, rows.count + np.arange(len(slope)), at)
        right.append(-(piece.polytope.b + slope @ part.lo))
    lb, ub = upper.lb.copy(), upper.ub.copy()
    lb[upper.integer] = ub[upper.integer] = np.round(u[upper.integer])
    same = upper.lo == upper.hi
    low, high = np.isfinite(upper.lo) & ~same, np.isfinite(upper.hi) & ~same
    A = sp.vstack([upper.A[same], upper.A[low], -upper.A[high], rows.matrix(rows.count, n)],
                  format="csr")
    b = np.concatenate([upper.lo[same], upper.lo[low], -upper.hi[high], *right])
    try:
        v, *_ = ConvexQp(curves.matrix(n, n), c, A, b, int(same.sum()), lb, ub).solve()
    except (SolverError, limits.Stopped):  # what the search has found stays
        return None
    v = np.clip(v, lb, ub)
    return v if upper.holds(v, EXACT_FEASIBILITY) else None


class _Entries:
    """Dense blocks of a sparse matrix, collected; those in the same place add up."""

    def __init__(self):
        self.count = 0
        self.found: list[tuple] = [(np.empty(0), np.empty(0, int), np.empty(0, int))]

    def add(self, block: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
        i, j = np.nonzero(block)
        self.found.append((block[i, j], rows[i], columns[j]))
        self.count += len(block)

    def matrix(self, m: int, n: int) -> sp.csr_matrix:
        data, rows, columns = map(np.concatenate, zip(*self.found, strict=True))
        return sp.csr_matrix((data, (rows, columns)), shape=(m, n))
