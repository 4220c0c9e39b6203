"""Which pair, integer column or product a node is divided by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.branching.lifted import Lifted
from pyomo_dlmp.branching.node import Node, opposite_sides
from pyomo_dlmp.branching.relaxation import Relaxed
from pyomo_dlmp.numerics.pairs import FREE, OFF, TIGHT
from pyomo_dlmp.tolerances import EXACT_FEASIBILITY, INTEGRALITY, PRODUCT_HOLDS, ROUNDING


@dataclass
class PairValues:
    """Slacks and multipliers at a point, or along a direction; shapes (K,)."""

    slack: np.ndarray
    mu: np.ndarray


class Chooser:
    """Reads points of relaxations: what is violated, how a node is divided.

    Parameters
    ----------
    lifted
        The program.
    """

    def __init__(self, lifted: Lifted):
        self.lifted, problem = lifted, lifted.problem
        self.S, self.s0 = problem.slack_rows()
        program, pairs = problem.program, problem.pairs
        low, high = np.empty(len(pairs)), np.empty(len(pairs))
        for of_row, lo, hi in ((True, program.lo, program.hi), (False, program.lb, program.ub)):
            mine = pairs.of_row == of_row
            low[mine], high[mine] = lo[pairs.index[mine]], hi[pairs.index[mine]]
        self.opposite = opposite_sides(pairs, low, high)
        self.integer = np.flatnonzero(program.integer)

    def values(self, z: np.ndarray) -> PairValues:
        """Slacks and multipliers at a point."""
        return PairValues(self.S @ z + self.s0, z[self.lifted.problem.pairs.mu])

    def along(self, d: np.ndarray) -> PairValues:
        """How they change along a direction."""
        return PairValues(self.S @ d, d[self.lifted.problem.pairs.mu])

    def pattern(self, node: Node, z: np.ndarray) -> np.ndarray:
        """Every free pair fixed by its smaller member."""
        at = self.values(z)
        return np.where(node.state != FREE, node.state,
                        np.where(at.slack <= at.mu, TIGHT, OFF)).astype(np.int8)

    def fractional(self, z: np.ndarray) -> int | None:
        """The integer column farthest from a whole number; None where all are whole."""
        if not len(self.integer):
            return None
        off = np.abs(z[self.integer] - np.round(z[self.integer]))
        k = int(np.argmax(off))
        return int(self.integer[k]) if off[k] > INTEGRALITY else None

    def divide(self, node: Node, relaxed: Relaxed) -> list[Node] | None:
        """The children of a node, the one to be visited first at the end.

        Parameters
        ----------
        node, relaxed
            The node and its relaxation, which has a point.

        Returns
        -------
        list of Node or None
            None where its point obeys all that the relaxation left out, to tolerance.
        """
        z = relaxed.z
        assert z is not None
        column = self.fractional(z)
        if column is not None:
            return self._by_integer(node, column, z[column], relaxed.bound)
        free = node.state == FREE
        k = self._pair_along(free, z, relaxed.ray) if relaxed.ray is not None else self._pair_at(
            free, z)
        if k is not None:
            return self._by_pair(node, k, z, relaxed)
        return None if relaxed.ray is not None else self._by_product(node, z, relaxed.bound)

    def any_pair(self, node: Node, relaxed: Relaxed) -> list[Node] | None:
        """Children by the free pair that is least closed, however small; None without one."""
        free = np.flatnonzero(node.state == FREE)
        if not len(free):
            return None
        k = int(free[0])
        if relaxed.z is not None:
            at = self.values(relaxed.z)
            k = int(free[np.argmax(np.minimum(at.slack, at.mu)[free])])
            return self._by_pair(node, k, relaxed.z, relaxed)
        return [node.with_pair(k, what, relaxed.bound, self.opposite) for what in (TIGHT, OFF)]

    def _pair_at(self, free: np.ndarray, z: np.ndarray) -> int | None:
        """The free pair with the greatest product; None where all are closed to tolerance."""
        at = self.values(z)
        open_ = free & (np.minimum(at.slack, at.mu) > EXACT_FEASIBILITY * 10)
        if not open_.any():
            return None
        product = np.where(open_, at.slack * at.mu, -1.0)
        return int(np.argmax(product))

    def _pair_along(self, free: np.ndarray, z: np.ndarray, ray: np.ndarray) -> int | None:
        """A free pair that the ray violates in the end; None where it keeps all of them."""
        at, d = self.values(z), self.along(ray)
        scale = np.abs(ray).max(initial=0.0) or 1.0
        ds, dmu = d.slack / scale, d.mu / scale
        for value in (ds * dmu * ((ds > ROUNDING) & (dmu > ROUNDING)),
                      (ds > ROUNDING) * at.mu, (dmu > ROUNDING) * at.slack,
                      np.minimum(at.slack, at.mu)):
            value = np.where(free, value, 0.0)
            k = int(np.argmax(value)) if len(value) else 0
            if len(value) and value[k] > ROUNDING:
                return k
        return None

    def _by_pair(self, node: Node, k: int, z: np.ndarray, relaxed: Relaxed) -> list[Node]:
        at = self.values(z)
        order = (OFF, TIGHT) if at.slack[k] <= at.mu[k] else (TIGHT, OFF)
        return [node.with_pair(k, what, relaxed.bound, self.opposite) for what in order]

    def _by_integer(self, node: Node, column: int, value: float, bound: float) -> list[Node]:
        low = node.with_range(column, -np.inf, np.floor(value), bound)
        high = node.with_range(column, np.ceil(value), np.inf, bound)
        return [high, low] if value - np.floor(value) < 0.5 else [low, high]

    def _by_product(self, node: Node, z: np.ndarray, bound: float) -> list[Node] | None:
        """Parts of the range of a factor of the product that errs most."""
        lifted = self.lifted
        if not len(lifted.w):
            return None
        error = lifted.error(z)
        error[error <= PRODUCT_HOLDS * lifted.size(z)] = 0.0
        k = int(np.argmax(error * lifted.weight))
        if not error[k]:
            return None
        ranges = [(column, *node.box.get(column, self._limits(column)))
                  for column in {int(lifted.a[k]), int(lifted.b[k])}]
        column, low, high = max(ranges, key=lambda r: (np.isfinite(r[2] - r[1]), self._inside(
            z[r[0]], r[1], r[2]), -r[0]))
        if not low < high:
            return None
        v = z[column]
        if lifted.problem.program.integer[column]:
            v = min(max(round(v), low), high - 1)
            return [node.with_range(column, v + 1, high, bound),
                    node.with_range(column, low, v, bound)]
        if np.isfinite(low) and np.isfinite(high):
            v = min(max(v, low + 0.25 * (high - low)), high - 0.25 * (high - low))
        elif np.isfinite(low) or np.isfinite(high):  # a step away from the one end
            end, away = (low, 1.0) if np.isfinite(low) else (high, -1.0)
            v = end + away * max(abs(v - end), 1.0 + abs(end))
        return [node.with_range(column, v, high, bound), node.with_range(column, low, v, bound)]

    def _limits(self, column: int) -> tuple[float, float]:
        program = self.lifted.problem.program
        return program.lb[column], program.ub[column]

    @staticmethod
    def _inside(value: float, low: float, high: float) -> float:
        """How far inside its range a value is, from 0 at an end to 1/2."""
        if not np.isfinite(high - low) or high <= low:
            return 0.0
        return min(value - low, high - value) / (high - low)
