"""Solve the hull master: tangents in rounds on the relaxation, then on the MILP, to a proven gap.

The relaxation's decisions satisfy the upper rows, so where no upper Var is integer they are a
feasible point of the bilevel problem: a search that is stopped has a bound and a point.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.highs import AT_LOWER, BASIC, Highs
from pyomo_dlmp.numerics.outer_approximation import SearchResult
from pyomo_dlmp.parametric.hull import Ended, Hull
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, EXACT_FEASIBILITY, MILP_FEASIBILITY, ROUNDING

_ROUNDS = 40
_POLISH = 6


def solve_master(hull: Hull, gap: float, time_limit: float | None = None, threads: int = 0,
                 on_progress: Callable | None = None, options: dict | None = None,
                 on_incumbent: Callable | None = None, start: np.ndarray | None = None,
                 ) -> SearchResult:
    """Minimise over the hull to a proven gap; see the module's text.

    Parameters
    ----------
    hull
        The master problem.
    gap
        Relative gap to reach.
    time_limit
        Seconds; None: no limit.
    threads
        Of HiGHS; 0: its own choice.
    on_progress
        on_progress(stage, objective, bound), called as the search advances.
    options
        Further options of HiGHS by name.
    on_incumbent
        on_incumbent(u, objective, bound), called with better upper decisions.
    start
        Upper decisions to begin from, shape (upper Vars,); with them `hull.before` is used, too.

    Returns
    -------
    SearchResult
        Its z are the upper decisions.
    """
    master = HullMaster(hull, gap, time_limit, threads, on_progress, options or {}, on_incumbent)
    if start is not None and len(start) == len(hull.upper.c) and hull.upper.holds(
            start, EXACT_FEASIBILITY):
        master.take(start)
        master._begin_warm(hull.before)
    return master.run()


class HullMaster:
    """The master as a program of HiGHS that grows; `solve_master` runs it.

    Attributes
    ----------
    hull
        The master problem.
    n
        Number of upper Vars, the first columns.
    highs
        The program: the relaxation, but while a MILP is solved.
    outcome
        Best point and bound so far.
    last, row_dual
        Latest point of the master itself, and multipliers of the relaxation's rows at its optimum.
    between
        between(this), called when the relaxation is solved and the gap is not closed: it may give
        better upper decisions (`take`) or a better bound (``outcome.bound``).
    """

    def __init__(self, hull, gap, time_limit, threads, on_progress, options, on_incumbent=None):
        self.gap, self.on_progress = gap, on_progress or (lambda *_: None)
        self.on_incumbent = on_incumbent or (lambda *_: None)
        self.deadline = None if time_limit is None else time.monotonic() + time_limit
        self.threads, self.options = threads, options
        self.outcome = SearchResult(Status.OPTIMAL)
        self.last: np.ndarray | None = None
        self.row_dual: np.ndarray | None = None
        self.between: Callable[[HullMaster], None] | None = None
        self._load(hull)

    def _load(self, hull: Hull) -> None:
        p = hull.linear
        self.hull = hull
        self.n = len(hull.upper.c)
        self.highs = Highs.of(p.relaxed(), threads=self.threads,
                           primal_feasibility_tolerance=EXACT_FEASIBILITY,
                           dual_feasibility_tolerance=EXACT_FEASIBILITY,
                           mip_feasibility_tolerance=MILP_FEASIBILITY,
                           mip_abs_gap=0.2 * ABSOLUTE_GAP, **self.options)
        A, self.first = hull.first_tangents()
        self.highs.add_rows(np.zeros(A.shape[0]), np.full(A.shape[0], np.inf), A)
        self.cuts: list[tuple[int, int, np.ndarray]] = []
        self.index = np.flatnonzero(p.integer).astype(np.int32)
        self.upper_integers = bool(p.integer[:self.n].any())

    # ------------------------------------------------- from one solve of a series to the next

    def _sizes(self) -> list[tuple[int, int, int]]:
        rows, first = self.hull.rows, self.first
        return [(len(pieces), rows[k + 1] - rows[k], first[k + 1] - first[k])
                for k, pieces in enumerate(self.hull.pieces)]

    def _ended(self) -> Ended | None:
        """Where the relaxation has ended."""
        hull = self.hull
        if not hull.rows:  # a master with further rows, which is no part of a series
            return None
        basis = self.highs.basis()
        if not basis.valid:
            return None
        columns, status = list(basis.col_status), list(basis.row_status)
        below = len(hull.linear.lo)
        rows = [status[i:j] for i, j in pairwise([0, *hull.rows])]
        first = [status[below + i:below + j] for i, j in pairwise(self.first)]
        cuts = [cut for cut, found in zip(
            self.cuts, status[below + self.first[-1]:], strict=True) if found != BASIC]
        return Ended(self._sizes(), columns, rows, first, cuts)

    def _begin_warm(self, before: Ended | None) -> None:
        """Tangents and basis of the last master's end; of parts that have changed only what fits.

        Tangents are valid wherever they touch, and a basis is only where the simplex method begins:
        bound and answer are proved as without them.
        """
        hull = self.hull
        if before is None or len(before.sizes) != len(hull.pieces) or (
                len(before.rows[0]) != hull.rows[0]):
            return
        sizes = self._sizes()
        alike = [a[0] == b[0] for a, b in zip(before.sizes, sizes, strict=True)]
        self._add([cut for cut in before.cuts if alike[cut[0]]])
        columns, rows = before.columns[:self.n], [*before.rows[0]]
        first: list = []
        at = self.n
        for k, (old, new) in enumerate(zip(before.sizes, sizes, strict=True)):
            wide = hull.parts[k].m + 2
            mine = before.columns[at:at + old[0] * wide]
            at += old[0] * wide
            columns += mine if old[0] == new[0] else [AT_LOWER] * (new[0] * wide)
            rows += before.rows[k + 1] if old[:2] == new[:2] else [BASIC] * new[1]
            first += before.tangents[k] if old == new else [BASIC] * new[2]
        self.highs.begin_at(columns, [*rows, *first, *[AT_LOWER] * len(self.cuts)])

    # ------------------------------------------------------------------------------ the search

    def run(self) -> SearchResult:
        """Relaxation, MILP, MILP with more tangents, ...; then the same with pieces cut."""
        out = self.outcome
        while self._relaxation():
            if not out.rounds:  # what comes later has other pieces, or binaries
                self.hull.ended = self._ended()
            if self.between is not None and not out.within(self.gap):
                self.between(self)
            while len(self.index) and not out.within(self.gap) and out.rounds < _ROUNDS:
                if not self._milp():
                    return self._judged()
                if self._chords() > 0.5 * self._aim():
                    break
            if (out.within(self.gap) or out.rounds >= _ROUNDS or self.last is None
                    or self._chords() == 0.0):
                break
            hull = self.hull.cut(self.last, 0.1 * self._aim())
            if hull is None:
                break
            out.rounds += not len(self.index)
            self._load(hull)
        return self._judged()

    def refine(self) -> bool:
        """Cut pieces in two where chords err at the relaxation's point, and solve it again; at
        first solve the relaxation.

        Returns
        -------
        bool
            False where little is to be gained, or the search ends here.
        """
        if self.last is None:
            return self._relaxation()
        if self.outcome.within(self.gap) or self._chords() <= 0.1 * self._aim():
            return False
        hull = self.hull.cut(self.last, 0.1 * self._aim())
        if hull is None:
            return False
        self._load(hull)
        return self._relaxation()

    def _judged(self) -> SearchResult:
        out = self.outcome
        if out.status == Status.OPTIMAL and not out.within(max(self.gap, ROUNDING) * 1.0001):
            out.status = Status.GAP_NOT_REACHED
        return out

    def _aim(self) -> float:
        """The relative gap in the objective's unit."""
        scale = abs(self.outcome.objective) if self.outcome.z is not None else 1.0
        return max(self.gap * scale, ABSOLUTE_GAP)

    def _chords(self) -> float:
        """How far chords lie below the cost at the latest point."""
        return 0.0 if self.last is None else sum(e for e, *_ in self.hull.chord_errors(self.last))

    def left(self) -> float | None:
        """Remaining time (s); to the last end of the call until an incumbent exists."""
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        return left if self.outcome.z is not None else max(left, limits.last_left())

    def _add(self, at) -> None:
        if at:
            A, lo = self.hull.tangents(at)
            self.highs.add_rows(lo, np.full(len(lo), np.inf), A)
            self.cuts += at

    def _cut(self, z) -> float:
        """Tangents where costs are too low; how much they were in total."""
        found = self.hull.missing(z)
        self._add([(k, r, v) for short, k, r, v in found if short > 0.1 * ROUNDING])
        return sum(max(0.0, short) for short, *_ in found)

    def take(self, z: Any) -> None:
        """Keep a point of the master if it is the best so far; its first n columns count."""
        u = z[:self.n].copy()
        whole = self.hull.linear.integer[:self.n]
        u[whole] = np.round(u[whole])
        value, _ = self.hull.cost_at(u)
        if self.outcome.z is None or value < self.outcome.objective:
            self.outcome.z, self.outcome.objective = u, value
            self.on_incumbent(u, value, self.outcome.bound)

    def _relaxation(self) -> bool:
        """Kelley's rounds on the linear relaxation; False where the search ends here."""
        out = self.outcome
        for _ in range(_ROUNDS):
            answer = self.highs.solve(self.left())
            if answer.status != Status.OPTIMAL or answer.objective is None:
                known = out.z is not None and "infeasible" in answer.status  # by rounding only
                out.status = Status.GAP_NOT_REACHED if known else answer.status
                return False
            if not len(self.index) or not self.upper_integers:
                self.take(answer.z)
            out.bound, self.last = max(out.bound, answer.objective), answer.z
            self.row_dual = answer.row_dual
            self.on_progress("relaxation", out.objective, out.bound)
            if out.within(self.gap) or self._cut(answer.z) <= 0.1 * self._aim():
                break
        return True

    def _milp(self) -> bool:
        """One MILP, then more tangents with its pieces fixed; False where the search ends."""
        out = self.outcome
        self.highs.set_integer(self.index, True)
        self.highs.set("mip_rel_gap", 0.3 * self.gap)
        if out.z is not None:
            start = self._start()
            if start is not None:
                self.highs.start_from(start)
        answer = self.highs.solve(
            self.left(), lambda incumbent, bound: self.on_progress(
                "search", out.objective, max(out.bound, bound)))
        out.rounds += 1
        if answer.bound is not None:
            out.bound = max(out.bound, answer.bound)
        if answer.status == Status.INFEASIBLE and out.z is None:
            out.status = Status.INFEASIBLE
            return False
        if answer.z is not None:
            self.last = answer.z
            self.take(answer.z)
            self._cut(answer.z)
            self._polish(answer.z)
        self.on_progress(f"round {out.rounds}", out.objective, out.bound)
        out.status = answer.status
        return answer.status == Status.OPTIMAL and answer.z is not None

    def _polish(self, z) -> None:
        """With the binaries fixed the rest is an LP with tangents: a few cheap rounds."""
        p, fixed = self.hull.linear, np.round(z[self.index])
        self.highs.set_integer(self.index, False)
        self.highs.set_bounds(self.index, fixed, fixed)
        for _ in range(_POLISH):
            answer = self.highs.solve(self.left())
            if answer.status != Status.OPTIMAL:
                break
            self.take(answer.z)
            if self._cut(answer.z) <= 0.03 * self._aim():
                break
        self.highs.set_bounds(self.index, p.lb[self.index], p.ub[self.index])

    def _start(self):
        """A MIP start from the best point."""
        hull, p = self.hull, self.hull.linear
        u = self.outcome.z
        assert u is not None
        z = np.zeros(len(p.c))
        z[:self.n] = u
        for k, part in enumerate(hull.parts):
            v = hull.unit(k, u)
            depth = [float((q.polytope.A @ v - q.polytope.b).max(initial=-np.inf))
                     for q in hull.pieces[k]]
            r = int(np.argmin(depth))
            base = hull.first[k][r]
            z[base:base + part.m] = np.clip(v, 0.0, 1.0)
            z[base + part.m] = 1.0
            z[base + part.m + 1] = hull.pieces[k][r].below(v)
        return hull.completed(z)
