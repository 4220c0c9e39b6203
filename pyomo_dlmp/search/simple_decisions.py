"""Simple upper decisions, for a search that would begin without a point.

A MILP solver may look for a long time for a point of a single level with many pairs, although any
decision of the leader that its own rows allow gives one: the lower levels are solved there, and
their solution tells which side of every pair is active. What then remains is a linear program.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.elimination import Elimination
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.search.completing import completed, with_lower_levels
from pyomo_dlmp.tolerances import FIRST_POINT_GAP, ROW_HOLDS
from pyomo_dlmp.transform.record import SingleLevel

_WORK = 10_000.0  # units for all of them


def at_simple_decisions(record: SingleLevel, program: Program, small: Program,
                        elimination: Elimination, relaxed: np.ndarray) -> np.ndarray | None:
    """The best bilevel-feasible point at simple decisions of the leader.

    These are: the relaxation's, rounded and rounded down; zero; lower bounds; upper bounds.

    Parameters
    ----------
    record, program, small, elimination
        As of `first_point`.
    relaxed
        Point of the relaxation, of the reduced program.

    Returns
    -------
    np.ndarray or None
        Of the reduced program; None where none of them gives one.
    """
    single = _Single(record, program, small, elimination)
    decided = single.decided()
    best, least = None, np.inf
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    with limits.work(_WORK):
        for columns, values in _simple(small, decided, relaxed):
            if any(np.array_equal(columns, c) and np.array_equal(values, v) for c, v in seen):
                continue
            seen.append((columns, values))
            if limits.stopped() or limits.work_left() <= 0:
                break
            point = single.at(columns, values)
            if point is not None and small.value(point) < least:
                best, least = point, small.value(point)
    return best


def _simple(small: Program, decided: np.ndarray,
            relaxed: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(columns, their values) of simple decisions."""
    whole = np.flatnonzero(decided & small.integer)
    if len(whole):
        lb, ub = small.lb[whole], small.ub[whole]
        for values in (np.round(relaxed[whole]), np.floor(relaxed[whole] + ROW_HOLDS)):
            yield whole, np.clip(values, lb, ub)
    columns = np.flatnonzero(decided)
    if len(columns):
        yield columns, np.clip(0.0, small.lb[columns], small.ub[columns])
    for bound in (small.lb, small.ub):
        columns = np.flatnonzero(decided & np.isfinite(bound))
        if len(columns):
            yield columns, bound[columns]


@dataclass
class _Single:
    """A single level, its reduced program and the map between them."""

    record: SingleLevel
    program: Program
    small: Program
    elimination: Elimination

    def decided(self) -> np.ndarray:
        """Mask of the reduced program's columns that the leader decides and a follower sees, and
        of the leader's whole numbers."""
        own = {id(var) for lower in self.record.lowers for pairs in lower.own.values()
               for var in pairs.values()}
        seen = {id(var) for lower in self.record.lowers for var in lower.kkt.form.u}
        answers = {id(var) for lower in self.record.lowers for var in lower.kkt.form.x}
        return np.array([
            id(var) not in own and id(var) not in answers and (bool(whole) or id(var) in seen)
            for var, whole in zip(self.small.columns, self.small.integer, strict=True)], dtype=bool)

    def at(self, columns: np.ndarray, values: np.ndarray) -> np.ndarray | None:
        """The best point that is found with these decisions."""
        near = self._solved(columns, values)
        if near is None:
            return None
        point = with_lower_levels(self.record, self.program, self.elimination, near)
        if point is None or self.small.holds(point, ROW_HOLDS):
            return point
        # what else the leader decides does not fit the answer yet: pairs as they are there
        whole = np.union1d(columns, np.flatnonzero(self.small.integer))
        point[columns] = values
        point = self._solved(whole, point[whole])
        if point is None or not self.record.relaxed:
            return point
        return completed(self.record, self.program, self.small, self.elimination, point)

    def _solved(self, columns: np.ndarray, values: np.ndarray) -> np.ndarray | None:
        """The relaxation with some columns fixed."""
        lb, ub = self.small.lb.copy(), self.small.ub.copy()
        lb[columns] = ub[columns] = values
        return solve_outer(replace(self.small, lb=lb, ub=ub).relaxed(), FIRST_POINT_GAP).z
