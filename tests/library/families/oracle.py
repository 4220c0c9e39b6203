"""The optimistic optimum by brute force: every way in which rows and bounds can be tight.

Integers are enumerated first. A tree over the choices drops what an LP proves impossible; nothing
is bounded, guessed or scaled. Each leaf is an LP or a QP over decisions, answers and duals, so that
ties and duals that are not unique are the leader's to choose.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.library.families.arrays import Bilevel
from tests.library.families.leaves import LinearProgram, QuadraticProgram
from tests.library.families.system import System, system_of


@dataclass
class Answer:
    """optimal | infeasible | unbounded; the optimum, the upper decisions, and how many leaves."""

    status: str
    optimum: float | None = None
    u: np.ndarray | None = None
    leaves: int = 0
    largest_dual: float = 0.0  # at the optimum; not the least one that would do


def brute_force(drawn: Bilevel, most: float = np.inf) -> Answer:
    """The optimistic optimum of a bilevel given as arrays.

    Parameters
    ----------
    drawn
        The model.
    most
        A bound of |dual| that is imposed: what a guessed big-M of that size would find.
    """
    system = system_of(drawn)
    if np.isfinite(most):
        _impose(system, most)
    feasible = LinearProgram(system, np.zeros(len(system.cost)))
    best = QuadraticProgram(system) if system.H.any() else LinearProgram(system, system.cost)
    value, point, leaves = np.inf, None, 0
    for least, greatest in _integers(drawn, system):
        for lo, hi in _leaves(system, feasible, least, greatest):
            leaves += 1
            status, found, z = best.solve(lo, hi)
            if status == "unbounded":
                return Answer("unbounded", leaves=leaves)
            if status == "optimal" and found < value:
                value, point = found, z
    if point is None:
        return Answer("infeasible", leaves=leaves)
    duals = [abs(point[k]) for label, k in system.column.items()
             if label[0] in ("row", "lower", "upper")]
    return Answer("optimal", drawn.sense * (value + system.constant), point[:len(drawn.u_lo)],
                  leaves, max(duals, default=0.0))


def _impose(system: System, most: float) -> None:
    """|dual| <= most, in the columns' own boxes and in those of the choices."""
    duals = {k for label, k in system.column.items() if label[0] in ("row", "lower", "upper")}
    for k in duals:
        system.least[k], system.greatest[k] = -most, most
    for options in system.choices:
        for option in options:
            option[:] = [(k, max(lo, -most), min(hi, most)) if k in duals else (k, lo, hi)
                         for k, lo, hi in option]


def _integers(drawn: Bilevel, system: System) -> Iterator:
    """Boxes in which each integer upper Var has one value."""
    ranges = [range(int(np.ceil(drawn.u_lo[j])), int(np.floor(drawn.u_hi[j])) + 1)
              for j in drawn.integer]
    for values in itertools.product(*ranges):
        least, greatest = system.least.copy(), system.greatest.copy()
        for j, value in zip(drawn.integer, values, strict=True):
            least[j] = greatest[j] = value
        yield least, greatest


def _leaves(system: System, feasible: LinearProgram, least, greatest, depth=0) -> Iterator:
    """Boxes of all possible ways of being tight."""
    if feasible.solve(least, greatest)[0] == "infeasible":
        return
    if depth == len(system.choices):
        yield least, greatest
        return
    for option in system.choices[depth]:
        lo, hi = least.copy(), greatest.copy()
        for k, low, high in option:
            lo[k], hi[k] = low, high
        yield from _leaves(system, feasible, lo, hi, depth + 1)
