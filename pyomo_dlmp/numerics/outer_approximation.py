"""Outer approximation of a convex quadratic objective on a MILP solver, to a proven gap.

The quadratic splits into squares along the eigenvectors of its connected blocks,
``1/2 z'Qz = sum_k 1/2 d_k (v_k'z)^2``; each square gets a column eta_k above its tangents

    eta_k >= d_k a (v_k'z) - 1/2 d_k a^2

at a first grid over the proved range of v_k'z, then at every incumbent. The MILP's dual bound is a
bound of the MIQP, and the quadratic at any MILP solution is a value of it: the gap between the two
is proven whatever the tangents are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.highs import HighsResult
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.tangents import TangentMaster, split_squares
from pyomo_dlmp.status import ENDED, Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, GAP, ROUNDING

Progress = Callable[[str, float | None, float | None], None]
_MAX_ROUNDS = 30
_EARLIER = 12  # last points of a search that is stopped, whose continuous columns are made the best


@dataclass
class SearchResult:
    """What a search found; objective and bound are those of a minimisation.

    Attributes
    ----------
    status
        A `Status`, or the solver's own text.
    z, objective
        Best point, shape (n,), and its cost; None and infinite without one.
    bound
        Proven lower bound of the optimum.
    rounds
        MILPs that were solved.
    history
        (time of ``time.monotonic``, objective, bound) after each round.
    """

    status: str
    z: np.ndarray | None = None
    objective: float = np.inf
    bound: float = -np.inf
    rounds: int = 0
    history: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def gap(self) -> float:
        """(objective - bound) / max(|objective|, 1e-9); infinite without a point."""
        if self.z is None:
            return np.inf
        return max(0.0, self.objective - self.bound) / max(abs(self.objective), ROUNDING)

    def within(self, gap: float) -> bool:
        """Whether the gap is closed: to the relative `gap`, or to 2e-6 absolute."""
        return self.gap <= gap or self.objective - self.bound <= 2 * ABSOLUTE_GAP


def solve_outer(
    program: Program, gap: float = GAP, time_limit: float | None = None,
    start: np.ndarray | None = None, progress: Progress | None = None, threads: int = 0,
    mip_options: dict | None = None, on_incumbent: Callable | None = None,
) -> SearchResult:
    """Minimise a convex MIQP by outer approximation; see the module's text.

    Parameters
    ----------
    program
        Linear rows, a convex quadratic objective, some integer columns.
    gap
        Relative gap to reach; 2e-6 absolute is enough, too.
    time_limit
        Seconds, to the last end of the call at most; None: to the end of its search (`limits`).
    start
        A feasible point to begin from, shape (n,).
    progress
        progress(stage, incumbent, bound), called as the search advances.
    threads
        Of HiGHS; 0: its own choice.
    mip_options
        Further options of HiGHS by name.
    on_incumbent
        on_incumbent(z, objective, bound), called with better points as they are found.

    Returns
    -------
    SearchResult

    Raises
    ------
    ModelError
        The objective is not convex.
    SolverError
        HiGHS failed, and no point is known.
    """
    deadline = None if time_limit is None else time.monotonic() + time_limit
    begin = program.value(start) if start is not None else None
    ended = limits.stopped(last=time_limit is not None)
    if ended:  # without the seconds that a large program takes to be handed over
        return SearchResult(ended, start, np.inf if begin is None else begin)
    squares = split_squares(program)
    master = TangentMaster(program, squares, _first_error(gap, begin), threads, mip_options or {})
    outcome = SearchResult(Status.TIME_LIMIT)
    if start is not None:
        outcome.z, outcome.objective = start, program.value(start)
        master.start_from(start)
    on_progress, on_incumbent = progress or (lambda *_: None), on_incumbent or (lambda *_: None)

    # points of the search: with its integers fixed, an earlier one may be better than the last
    earlier: list[np.ndarray] = []

    def found(z):
        earlier.append(z.copy())
        value = program.value(z[: len(program.columns)])
        if value < outcome.objective:
            on_incumbent(z[: len(program.columns)], value, outcome.bound)

    def advance(incumbent, low):
        on_progress("branch and bound", min(outcome.objective, _point_value(incumbent)),
                    max(outcome.bound, low))

    for round_ in range(1, _MAX_ROUNDS + 1):
        outcome.rounds = round_
        master.highs.set("mip_rel_gap", gap * (0.5 if len(squares.weight) else 1.0))
        answer = _answer(master, outcome, deadline, advance, found)
        if answer is None:
            break
        if answer.bound is not None:
            outcome.bound = max(outcome.bound, min(answer.bound, outcome.objective))
        if answer.z is not None:
            _take(program, outcome, answer.z)
            on_incumbent(outcome.z, outcome.objective, outcome.bound)
        on_progress(f"round {round_}", outcome.objective, outcome.bound)
        outcome.history.append((time.monotonic(), outcome.objective, outcome.bound))
        if answer.status != Status.OPTIMAL and program.integer.any():
            for z in earlier[-_EARLIER:]:
                _take(program, outcome, master.with_integers_fixed(z))
        earlier.clear()
        outcome.status = answer.status
        done = answer.status != Status.OPTIMAL or outcome.within(gap) or not len(squares.weight)
        if done or answer.z is None or outcome.z is None:
            break
        for z in master.points_of(answer.z[: len(program.columns)]):
            _take(program, outcome, z)
            master.add_tangents(z)
        master.start_from(outcome.z)
    if outcome.status == Status.OPTIMAL and not outcome.within(max(gap, ROUNDING) * 1.0001):
        outcome.status = Status.GAP_NOT_REACHED
    return outcome


def _point_value(incumbent: float) -> float:
    return np.inf if not np.isfinite(incumbent) else incumbent


def _answer(master: TangentMaster, outcome: SearchResult, deadline: float | None,
            advance: Callable, found: Callable) -> HighsResult | None:
    """The master's, None where the search ends without one; `outcome` then says how."""
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        outcome.status = Status.TIME_LIMIT
        return None
    try:
        answer = master.bounded(left, advance, found)
    except SolverError:
        if outcome.z is None:
            raise
        outcome.status = Status.GAP_NOT_REACHED
        return None
    if answer.z is None and answer.status not in ENDED:
        _end_without_point(outcome, answer.status)
        return None
    return answer


def _end_without_point(outcome: SearchResult, status: str) -> None:
    """How a search ends whose master has no point."""
    outcome.status = status
    if outcome.z is not None:  # a point is known, so it is not infeasible
        outcome.bound = -np.inf
        if status != Status.UNBOUNDED:
            outcome.status = Status.GAP_NOT_REACHED


def _take(program: Program, outcome: SearchResult, z: np.ndarray) -> None:
    z = z[: len(program.columns)]
    value = program.value(z)
    if outcome.z is None or value < outcome.objective:
        outcome.z, outcome.objective = z, value


def _first_error(gap: float, value: float | None) -> float | None:
    """Absolute error that the first grid may have in total, None when no value is known."""
    return None if value is None or value == 0 else 0.3 * gap * abs(value)
