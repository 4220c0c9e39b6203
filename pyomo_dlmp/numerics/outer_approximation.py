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
import scipy.sparse as sp

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.numerics.boxes import row_ranges
from pyomo_dlmp.numerics.components import blocks_of
from pyomo_dlmp.numerics.highs import Highs, HighsResult
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.status import STOPPED, Status
from pyomo_dlmp.tolerances import (
    ABSOLUTE_GAP,
    CONVEX,
    ENTRY,
    EXACT_FEASIBILITY,
    GAP,
    INTEGRALITY,
    MILP_FEASIBILITY,
    ROUNDING,
    ROW_HOLDS,
    SAME_OBJECTIVE,
)

Progress = Callable[[str, float | None, float | None], None]
_MAX_POINTS = 48
_MAX_ROUNDS = 30


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


@dataclass
class _Squares:
    """1/2 z'Qz = sum 1/2 weight_k (forms[k] z)^2, each form within [lo, hi]."""

    forms: sp.csr_matrix
    weight: np.ndarray
    lo: np.ndarray
    hi: np.ndarray


def split_squares(program: Program) -> _Squares:
    """The quadratic objective as a sum of squares, by eigendecomposition of its connected blocks.

    Parameters
    ----------
    program
        Its Q is split; ranges of the squares' forms are those over the columns' bounds.

    Returns
    -------
    _Squares
        ``1/2 z'Qz = sum_k 1/2 weight_k (forms[k] z)^2``, with k squares and forms of shape (k, n).

    Raises
    ------
    ModelError
        Q is not positive semidefinite.
    """
    rows: list[np.ndarray] = []
    cols: list[np.ndarray] = []
    values: list[np.ndarray] = []
    weight: list[float] = []
    for members in blocks_of(program.Q):
        d, v = np.linalg.eigh(program.Q[members][:, members].toarray())
        if d[0] < -CONVEX * max(1.0, d[-1]):
            names = ", ".join(str(program.columns[j]) for j in members[:3])
            raise ModelError.at(
                "objective", f"is not convex in {names} (least eigenvalue {d[0]:.3g})",
                "HiGHS takes convex quadratics: linearise products, or use solver='scip'.")
        for k in np.flatnonzero(d > ENTRY * max(d.max(), ENTRY)):
            rows.append(np.full(len(members), len(weight)))
            cols.append(members)
            values.append(v[:, k])
            weight.append(d[k])
    n = len(program.columns)
    if not weight:
        return _Squares(sp.csr_matrix((0, n)), np.empty(0), np.empty(0), np.empty(0))
    forms = sp.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))),
        shape=(len(weight), n)).tocsr()
    forms.data[np.abs(forms.data) < ENTRY] = 0.0
    forms.eliminate_zeros()
    lo, hi = row_ranges(forms, np.zeros(len(weight)), program.lb, program.ub)
    return _Squares(forms, np.array(weight), lo, hi)


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
        Seconds; None: no limit.
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
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    squares = split_squares(program)
    begin = program.value(start) if start is not None else None
    master = _TangentMaster(program, squares, _first_error(gap, begin), threads, mip_options or {})
    outcome = SearchResult(Status.TIME_LIMIT)
    if start is not None:
        outcome.z, outcome.objective = start, program.value(start)
        master.start_from(start)
    on_progress, on_incumbent = progress or (lambda *_: None), on_incumbent or (lambda *_: None)

    def found(z):
        value = program.value(z[: len(program.columns)])
        if value < outcome.objective:
            on_incumbent(z[: len(program.columns)], value, outcome.bound)

    for round_ in range(1, _MAX_ROUNDS + 1):
        outcome.rounds = round_
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            outcome.status = Status.TIME_LIMIT
            break
        master.highs.set("mip_rel_gap", gap * (0.5 if len(squares.weight) else 1.0))
        answer = master.solve(remaining, lambda inc, low: on_progress(
            "branch and bound", min(outcome.objective, _point_value(inc)),
            max(outcome.bound, low)), found)
        if answer.z is None and answer.status not in STOPPED:
            outcome.status = answer.status
            if outcome.z is not None:  # a point is known, so it is not infeasible
                outcome.status = (Status.UNBOUNDED if "unbounded" in answer.status
                                  else Status.GAP_NOT_REACHED)
                outcome.bound = -np.inf
            break
        if answer.bound is not None:
            outcome.bound = max(outcome.bound, min(answer.bound, outcome.objective))
        if answer.z is not None:
            _take(program, outcome, answer)
            on_incumbent(outcome.z, outcome.objective, outcome.bound)
        on_progress(f"round {round_}", outcome.objective, outcome.bound)
        outcome.history.append((time.monotonic(), outcome.objective, outcome.bound))
        outcome.status = answer.status
        done = answer.status != Status.OPTIMAL or outcome.within(gap) or not len(squares.weight)
        if done or answer.z is None or outcome.z is None:
            break
        new = master.add_tangents(answer.z[: len(program.columns)])
        if not new:
            break
        master.start_from(outcome.z)
    if outcome.status == Status.OPTIMAL and not outcome.within(max(gap, ROUNDING) * 1.0001):
        outcome.status = Status.GAP_NOT_REACHED
    return outcome


def _point_value(incumbent: float) -> float:
    return np.inf if not np.isfinite(incumbent) else incumbent


def _take(program: Program, outcome: SearchResult, answer: HighsResult) -> None:
    assert answer.z is not None
    z = answer.z[: len(program.columns)]
    value = program.value(z)
    if outcome.z is None or value < outcome.objective:
        outcome.z, outcome.objective = z, value


def _first_error(gap: float, value: float | None) -> float | None:
    """Absolute error that the first grid may have in total, None when no value is known."""
    return None if value is None or value == 0 else 0.3 * gap * abs(value)


class _TangentMaster:
    """The MILP over (z, form values, eta)."""

    def __init__(self, program: Program, squares: _Squares, error, threads, options):
        n, k = len(program.columns), len(squares.weight)
        self.program, self.squares, self.n, self.k = program, squares, n, k
        A = sp.bmat([
            [program.A, sp.csr_matrix((program.A.shape[0], 2 * k))],
            [squares.forms, sp.hstack([-sp.identity(k), sp.csr_matrix((k, k))])],
        ], format="csr") if k else program.A
        zero = np.zeros(k)
        margin = ROW_HOLDS * (1 + np.abs(squares.lo) + np.abs(squares.hi)) if k else zero
        self.cost = np.concatenate([program.c, zero, np.ones(k)])
        self.highs = Highs(
            self.cost, A,
            np.concatenate([program.lo, zero]), np.concatenate([program.hi, zero]),
            np.concatenate([program.lb, squares.lo - margin, zero]),
            np.concatenate([program.ub, squares.hi + margin, np.full(k, np.inf)]),
            np.concatenate([program.integer, np.zeros(2 * k, bool)]),
            **{"threads": threads, "primal_feasibility_tolerance": MILP_FEASIBILITY,
               "mip_feasibility_tolerance": INTEGRALITY, "mip_abs_gap": 0.2 * ABSOLUTE_GAP,
               **options})
        self.highs.set_offset(program.constant)
        if k:
            self._first_grid(error)

    def solve(self, time_limit, progress, found) -> HighsResult:
        """Solve the MILP; with integer columns, once more as LP with them fixed (exact values)."""
        limit = None if np.isinf(time_limit) else time_limit
        answer = self.highs.solve(limit, progress, found)
        if not self._is_the_point(answer):
            # HiGHS 1.16 may return its start with the objective of a better point that presolve
            # made of it: once more, without a start
            self.highs.forget()
            answer = self.highs.solve(limit, progress, found)
        if answer.z is not None and self.highs.is_mip:
            answer.z = self._with_integers_fixed(answer.z)
        return answer

    def _is_the_point(self, answer: HighsResult) -> bool:
        """Whether the reported objective is that of the reported point."""
        if answer.z is None or answer.objective is None:
            return True
        value = float(self.cost @ answer.z) + self.program.constant
        return abs(value - answer.objective) <= SAME_OBJECTIVE * (1.0 + abs(value))

    def _with_integers_fixed(self, z: np.ndarray) -> np.ndarray:
        """The LP optimum with the integers fixed at their rounded values; z if that fails."""
        index = np.flatnonzero(self.program.integer)
        exact = self.highs.with_fixed(index, np.round(z[index]), tolerance=EXACT_FEASIBILITY)
        return z if exact is None else exact

    def _first_grid(self, error: float | None) -> None:
        """Tangents spaced so that all squares together err by at most `error` (None: 9 each)."""
        s = self.squares
        for k in range(self.k):
            lo, hi = s.lo[k], s.hi[k]
            if not (np.isfinite(lo) and np.isfinite(hi)):
                self._tangents(k, np.array([0.0]))
                continue
            spacing = np.inf if error is None else np.sqrt(8.0 * error / (self.k * s.weight[k]))
            points = 9 if error is None else int(np.clip(
                np.ceil((hi - lo) / spacing) + 1, 2, _MAX_POINTS))
            self._tangents(k, np.linspace(lo, hi, points))

    def _tangents(self, k: int, at: np.ndarray) -> None:
        weight, count = self.squares.weight[k], len(at)
        row = np.repeat(np.arange(count), 2)
        col = np.tile([self.n + k, self.n + self.k + k], count)
        value = np.column_stack([-weight * at, np.ones(count)]).ravel()
        A = sp.csr_matrix((value, (row, col)), shape=(count, self.n + 2 * self.k))
        A.eliminate_zeros()
        self.highs.add_rows(-0.5 * weight * at**2, np.full(count, np.inf), A)

    def add_tangents(self, z: np.ndarray) -> int:
        """Tangents at a point where eta lies below the square; their number."""
        values = self.squares.forms @ z
        for k in range(self.k):
            self._tangents(k, values[k : k + 1])
        return self.k

    def start_from(self, z: np.ndarray) -> None:
        """MIP start from a point of the program."""
        values = self.squares.forms @ z
        eta = 0.5 * self.squares.weight * values**2
        self.highs.start_from(np.concatenate([z, values, eta]))
