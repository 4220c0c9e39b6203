"""Whether rays of the optimal duals can help the upper level.

The rays of { (y, mu): G (y, mu) = gradient, mu >= 0 } are the same for all u and x; a ray d belongs
to the optimal duals only where  v(u) = sum_p d_p s_p  (which does not depend on x) is zero. A ray
is harmless where it is absent over the whole box (v > 0), or where going back along it keeps every
upper row and does not worsen the upper objective.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.bounds.upper_view import UpperView
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.boxes import row_ranges
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ENTRY, MULTIPLIER, RANK, ROUNDING, ROW_HOLDS

_MOST_SETS = 40_000


def rays_harmless(kkt: KktSystem, view: UpperView, face: Any, bounds: Any) -> bool:
    """Whether no line and no ray of a part's duals can help the upper level anywhere in the box.

    Parameters
    ----------
    kkt, view
        The lower level, and how the upper level uses its duals.
    face
        The part's `DualFace`.
    bounds
        A `PairBounds` with the box of u.

    Returns
    -------
    bool
        False where it is not known.
    """
    use = _Use(view, face.cols)
    if not use.any:
        return True
    if any(use.moved_by(line) for line in face.lines):
        return False
    return _cone_untouched(face, use) or _each_harmless(kkt, face, use, bounds)


def limited_rays_harmless(kkt: KktSystem, view: UpperView, face: Any, bounds: Any) -> bool:
    """`rays_harmless` for the rays that keep all upper rows, however far one goes along them."""
    use = _Use(view, face.cols)
    limits = np.vstack([use.rows[use.at_most], -use.rows[use.at_least]])
    use.rows = use.rows[:0]
    use.at_least = use.at_most = np.zeros(0, bool)
    return _cone_untouched(face, use, limits) or _each_harmless(kkt, face, use, bounds)


class _Use:
    """How the upper level uses the duals of one part, over its columns."""

    def __init__(self, view: UpperView, cols: np.ndarray):
        limited = view.has_lo | view.has_hi
        self.rows = view.of_duals[limited][:, cols].toarray()
        self.at_least, self.at_most = view.has_lo[limited], view.has_hi[limited]
        used = (self.rows != 0).any(axis=1)
        self.rows, self.at_least = self.rows[used], self.at_least[used]
        self.at_most = self.at_most[used]
        self.slope, self.unknown = view.slope[cols], view.slope_unknown[cols]
        self.slope_u = view.slope_u[cols]
        self.any = bool(view.used_duals[cols].any())

    def moved_by(self, line: np.ndarray) -> bool:
        """Whether the upper level notices a move along a line."""
        return bool((np.abs(self.rows @ line) > ROUNDING).any()
                    or abs(self.slope @ line) > ROUNDING
                    or (np.abs(line @ self.slope_u) > ROUNDING).any()
                    or (np.abs(line[self.unknown]) > ENTRY).any())

    def forms(self) -> np.ndarray:
        """Linear forms that no ray may make negative, one a row."""
        odd = self.unknown | (np.diff(self.slope_u.indptr) > 0)
        unit = np.eye(len(odd))[odd]
        slope = self.slope * ~odd
        return np.vstack([
            self.rows[self.at_most], -self.rows[self.at_least], unit, -unit, slope[None]])

    def row_broken_by_return(self, ray: np.ndarray) -> bool:
        """Whether a row may break when a ray is taken off."""
        change = self.rows @ ray
        return bool((self.at_most & (change < -ROUNDING)).any()
                    or (self.at_least & (change > ROUNDING)).any()
                    or (np.abs(ray[self.unknown]) > ENTRY).any())


def _cone_untouched(face, use: _Use, limits: np.ndarray | None = None) -> bool:
    """Whether the forms that matter are zero or more on all rays, present or absent.

    `limits`: forms that are zero or less on the rays in question.
    """
    at, free = face.at, np.arange(len(face.at)) < face.free
    forms = use.forms()[:, at]
    forms = forms[(forms != 0).any(axis=1)]
    extra = np.zeros((0, len(at))) if limits is None else limits[:, at]
    G = sp.csr_matrix(np.vstack([face.matrix, extra]))
    zero = np.zeros(G.shape[0])
    least = np.where(np.arange(len(zero)) < len(face.matrix), 0.0, -np.inf)
    lp = Highs(np.zeros(len(at)), G, least, zero, np.where(free, -1.0, 0.0), np.ones(len(at)))
    for form in forms:
        lp.set_cost(np.arange(len(at)), form / np.abs(form).max())
        answer = lp.solve_lp()
        if answer.objective is None or answer.status != Status.OPTIMAL:
            return False
        if answer.objective < -ROW_HOLDS:
            return False
    return True


def _each_harmless(kkt: KktSystem, face, use: _Use, bounds) -> bool:
    """Whether each extreme ray is absent, or is of no use."""
    rays = _extreme_rays(face)
    if rays is None:
        return False
    e, cols = len(kkt.equality_rows), face.cols
    for ray in rays:
        y, mu = np.zeros(e), np.zeros(kkt.pairs)
        y[cols[cols < e]] = ray[cols < e]
        mu[cols[cols >= e] - e] = ray[cols >= e]
        v_u = sp.csr_matrix(mu @ kkt.T + kkt.sigma * (y @ kkt.B_eq))
        v_0 = np.array([mu @ kkt.s0 - kkt.sigma * (y @ kkt.b_eq)])
        if row_ranges(v_u, v_0, bounds.u_lo, bounds.u_hi)[0][0] > ROUNDING:
            continue  # absent: where the lower level is feasible, the sum stays above zero
        if use.row_broken_by_return(ray):
            return False
        if _least_change(ray, use, v_u, v_0, bounds) < -MULTIPLIER:
            return False
    return True


def _extreme_rays(face) -> np.ndarray | None:
    """Extreme rays, one a row: null vectors of rank + 1 columns, mu >= 0; None: too many."""
    if not face.small or face.sets_of(extra=1) > _MOST_SETS:
        return None
    matrix = face.matrix[:, face.up]
    two = face.other >= 0
    found = [np.zeros((int(two.sum()), len(face.cols)))]  # both sides of a row or Var alike
    for columns in (face.up[two], face.other[two]):
        found[0][np.arange(len(columns)), face.at[columns]] = 1.0
    for sets in face.column_sets(extra=1):
        _, s, vt = np.linalg.svd(matrix[:, sets].transpose(1, 0, 2))
        # circuits of dependent sets are found in sets where independent columns complete them
        regular = (s > RANK * np.maximum(1.0, s[:, :1])).all(axis=1)
        ray, sets = vt[regular, -1], sets[regular]
        one_sided = (sets >= face.free) & ~two[sets]
        for sign in (1.0, -1.0):
            mine = ~(one_sided & (sign * ray < -ROUNDING)).any(axis=1)
            along = np.zeros((int(mine.sum()), len(face.up)))
            np.put_along_axis(along, sets[mine], sign * ray[mine], axis=1)
            full = np.zeros((len(along), len(face.cols)))
            is_y = np.arange(len(face.up)) < face.free
            full[:, face.at[face.up]] = np.where(is_y, along, np.maximum(along, 0.0))
            full[:, face.at[face.other[two]]] = np.maximum(-along[:, two], 0.0)
            found.append(full)
    rays = np.vstack(found)
    return rays[np.unique(np.round(rays, 9), axis=0, return_index=True)[1]]


def _least_change(ray, use: _Use, v_u, v_0, bounds) -> float:
    """Least derivative of the upper objective along a ray, over the u where the ray is there."""
    slope = np.asarray(ray @ use.slope_u).ravel()
    answer = Highs(slope, v_u, [-np.inf], [ROUNDING - v_0[0]], bounds.u_lo, bounds.u_hi).solve()
    if answer.status == Status.INFEASIBLE:
        return 0.0
    constant = float(ray @ use.slope)
    return -np.inf if answer.objective is None else answer.objective + constant
