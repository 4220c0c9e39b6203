"""The upper cost of a part at single points, from the lower level's solution there.

What a search needs that does not know all critical regions.
"""

from __future__ import annotations

import numpy as np

from pyomo_dlmp.parametric.active_sets import Affine, repair
from pyomo_dlmp.parametric.condensed import NotExplicit, width
from pyomo_dlmp.parametric.critical_regions import Region
from pyomo_dlmp.parametric.region_costs import Quadratic, cost_on
from pyomo_dlmp.parametric.states import solve_at
from pyomo_dlmp.parametric.upper_terms import RegionObjective
from pyomo_dlmp.tolerances import POLISHED, SAME_MONEY


class PartCost:
    """A part, and what the upper level pays for it.

    Parameters
    ----------
    worth
        Its terms in the upper objective.
    sigma
        +1 for a minimising, -1 for a maximising lower level.

    Attributes
    ----------
    part, span
        The condensed part, and the width of its range.
    factor
        The duals' terms are this times u'(derivative of the optimal cost).
    middle
        The solution in the middle of the range.
    beside
        The cost without the duals' terms, in v.

    Raises
    ------
    NotExplicit
        The terms are of another kind, or the part has no solution in the middle of its range.
    """

    def __init__(self, worth: RegionObjective, sigma: int):
        self.worth, self.sigma, self.part = worth, sigma, worth.part
        self.span = width(self.part)
        if not worth.complete or worth.uses_x or not worth.uses_duals:
            raise NotExplicit("the upper level uses more of it than a whole price", too_large=True)
        duals = RegionObjective(self.part, list(worth.quantities), [
            term for term in worth.terms if any(
                i >= 0 and worth.quantities[i][0] == "y" for i in term[1:])])
        middle = self.solve(np.full(self.part.m, 0.5))
        if middle is None:
            raise NotExplicit("its optimality conditions could not be solved at a point of the "
                              "range (infeasible there, or degenerate)")
        self.middle: Affine = middle
        self.factor = self._factor(duals)
        rest = RegionObjective(self.part, list(worth.quantities),
                               [term for term in worth.terms if term not in duals.terms])
        self.beside = cost_on(rest, Region(self.middle, None), sigma)  # type: ignore[arg-type]

    def _factor(self, duals: RegionObjective) -> float:
        """`factor`, from the solution in the middle (an affine function: from its values)."""
        q = cost_on(duals, Region(self.middle, None), self.sigma)  # type: ignore[arg-type]
        points = np.vstack([np.full(self.part.m, 0.5), np.eye(self.part.m)])
        mine = np.array([q(v) for v in points])
        whole = np.array([self.gradient(v, self.middle) @ self.u(v) for v in points])
        k = int(np.argmax(np.abs(whole)))
        factor = mine[k] / whole[k] if whole[k] else 0.0
        if factor <= 0.0 or np.abs(mine - factor * whole).max() > SAME_MONEY * np.abs(mine).max():
            raise NotExplicit("the upper level does not pay the derivative of its cost",
                              too_large=True)
        return float(factor)

    def u(self, v: np.ndarray) -> np.ndarray:
        """Upper decisions of v."""
        return self.part.lo + self.span * v

    def solve(self, v: np.ndarray, near: np.ndarray | None = None) -> Affine | None:
        """The solution at v, shape (m,), from a state nearby if there is one; None without one."""
        u = self.u(v)
        found = None if near is None else repair(self.part, near, u, POLISHED)
        return solve_at(self.part, u, POLISHED) if found is None else found

    def quadratic(self, a: Affine) -> Quadratic:
        """The cost where an affine solution is optimal, in v."""
        return cost_on(self.worth, Region(a, None), self.sigma)  # type: ignore[arg-type]

    def rows_of(self, a: Affine) -> tuple[np.ndarray, np.ndarray]:
        """(slopes in v, starts) of all rows g under an affine solution."""
        part = self.part
        slope = part.A @ a.W + part.T[:, :part.m]
        return slope * self.span, part.A @ a.w0 + part.s + slope @ part.lo

    def value(self, v: np.ndarray, a: Affine) -> float:
        """Optimal cost V of the part at v, without its constant."""
        part, m, u = self.part, self.part.m, self.u(v)
        w = a.W @ u + a.w0
        g = part.A @ w + part.T[:, :m] @ u + part.s
        soft = np.isfinite(part.cap)
        return float(0.5 * w @ part.H @ w + (part.g + part.E[:, :m] @ u) @ w
                     + 0.5 * u @ part.R[:m, :m] @ u + part.r[:m] @ u
                     + part.cap[soft] @ np.maximum(0.0, -g[soft]))

    def gradient(self, v: np.ndarray, a: Affine) -> np.ndarray:
        """Derivative of V by u at v, by an affine solution, shape (m,)."""
        part, m, u = self.part, self.part.m, self.u(v)
        w = a.W @ u + a.w0
        return (part.E[:, :m].T @ w + part.R[:m, :m] @ u + part.r[:m]
                - part.T[:, :m].T @ (a.U @ u + a.u0) - part.F[:, :m].T @ (a.Y @ u + a.y0))
