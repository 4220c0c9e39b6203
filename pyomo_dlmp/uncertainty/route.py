"""The search: a bound from all hulls at once, a first stage from it, then each scenario alone.

1. The relaxation of the master (`two_stage`) by rounds of tangents: a bound, and a first stage x.
   It is the convex hull of each part's cost, so what is lost grows with the rows that link parts
   and not with their number (Shapley and Folkman; Aubin and Ekeland 1976).
2. x fixed, the scenarios are independent small MILPs: an incumbent.
3. The scenarios without what binds them, at the multipliers of the linking rows (Lagrange): a
   bound that is no worse than the relaxation's, from as many small MILPs.
4. Only if the gap is still open: the whole MILP, from the incumbent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.outer_approximation import SearchResult
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.parametric.master import HullMaster, solve_master
from pyomo_dlmp.parametric.polish import polished
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.uncertainty.two_stage import StochasticHull, TwoStage

_CUTS, _GAIN = 20, 0.01  # most rounds of cuts; the least share of the gap that one must close
_FINER = 0.2  # of the gap asked for, of a scenario alone
Progress = Callable[[str, float, float], None]


@dataclass
class Found:
    """What a search found.

    Attributes
    ----------
    status
        A `Status`.
    x
        First stage, shape (n,); None without a point.
    decisions
        Of each scenario: its columns, then deviations.
    costs
        Exact cost of each scenario ($), shape (S,).
    objective, bound
        $; infinite where there is none.
    """

    status: str
    x: np.ndarray | None
    decisions: list[np.ndarray]
    costs: np.ndarray
    objective: float
    bound: float


@dataclass
class Reply:
    """The best a scenario can do at a first stage.

    Attributes
    ----------
    z
        Its decisions; None where it has none.
    cost, bound
        $, infinite without decisions; and proven bound of it.
    status
        A `Status`.
    """

    z: np.ndarray | None
    cost: float
    bound: float
    status: str


def search(problem: TwoStage, gap: float, time_limit: float | None = None,
           progress: Progress | None = None, start: np.ndarray | None = None) -> Found:
    """Solve a two-stage problem to a proven gap; see the module's text.

    Parameters
    ----------
    problem
        The problem.
    gap
        Relative gap to reach.
    time_limit
        Seconds; None: no limit.
    progress
        progress(stage, objective, bound).
    start
        A first stage to begin from, shape (n,).

    Returns
    -------
    Found
    """
    route = _Route(problem, gap, time_limit, progress or (lambda *_: None))
    return route.run(start)


def reply(hull: Hull, gap: float, time_limit: float | None = None,
          start: np.ndarray | None = None) -> Reply:
    """Solve a scenario alone.

    Parameters
    ----------
    hull
        Its master (`TwoStage.recourse_hull`).
    gap, time_limit
        As of `search`.
    start
        Decisions to begin from.

    Returns
    -------
    Reply
    """
    if not hull.parts:
        return _without_parts(hull)
    out = solve_master(hull, gap, time_limit, start=start)
    if out.z is None:
        bound = np.inf if out.status == Status.INFEASIBLE else out.bound
        return Reply(None, np.inf, bound, str(out.status))
    z = polished(hull, out.z)
    cost = hull.cost_at(z)[0]
    return Reply(z, cost, min(out.bound, cost), str(out.status))


def _without_parts(hull: Hull) -> Reply:
    """Of a scenario that pays no prices: one LP or MILP."""
    answer = Highs.of(hull.linear).solve()
    if answer.z is None or answer.objective is None:
        return Reply(None, np.inf, np.inf, str(answer.status))
    bound = answer.objective if answer.bound is None else answer.bound
    return Reply(answer.z, answer.objective, bound, str(answer.status))


class _Route:
    def __init__(self, problem: TwoStage, gap: float, time_limit: float | None, tell: Progress):
        self.problem, self.gap, self.tell = problem, gap, tell
        self.deadline = None if time_limit is None else time.monotonic() + time_limit
        self.stage = ""

    def run(self, start: np.ndarray | None) -> Found:
        hull = self.problem.master()
        begin = None if start is None else self.complete(hull, start, None)
        master = HullMaster(hull, self.gap, self.left(), 0, self.tell, {})
        master.between = self.improve
        if begin is not None:
            master.take(begin)
        return self._found(hull, master.run())

    def left(self) -> float | None:
        """Seconds left of the search, None without a limit."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def _found(self, hull: StochasticHull, out: SearchResult) -> Found:
        status = out.status
        if status == Status.GAP_NOT_REACHED and out.within(self.gap):
            status = Status.OPTIMAL
        if out.z is None:
            return Found(status, None, [], np.zeros(0), np.inf, out.bound)
        costs, _ = hull.costs_at(out.z)
        parts = [out.z[a:b] for a, b in pairwise(hull.starts)]
        x = out.z[:self.problem.first.size]
        value = self.problem.value(x, costs)
        return Found(status, x, parts, costs, value, min(out.bound, value))

    # ------------------------------------------------------------------------------- two stages

    def improve(self, master: HullMaster) -> None:
        """Between the relaxation and the MILP of the whole: scenarios alone."""
        for _ in range(_CUTS):  # where costs are not convex on their pieces
            out, before = master.outcome, master.outcome.bound
            if self.left() == 0.0 or limits.stopped() or not master.refine():
                break
            if out.bound - before < _GAIN * (out.objective - out.bound):
                break
        hull = master.hull
        assert isinstance(hull, StochasticHull) and master.last is not None
        n, last, dual = self.problem.first.size, master.last, master.row_dual
        if master.upper_integers:
            whole = self._with_upper_integers(master)
            if whole is None:
                return
            last = whole
        u = self.complete(hull, last[:n], last)
        if u is not None:
            master.take(u)
            self.tell("scenarios", master.outcome.objective, master.outcome.bound)
        if not master.outcome.within(self.gap) and dual is not None and getattr(
                self.problem.measure, "linear", False):
            bound = self.bound_at(dual)
            master.outcome.bound = max(master.outcome.bound, bound)
            self.tell("multipliers", master.outcome.objective, master.outcome.bound)

    def _with_upper_integers(self, master: HullMaster) -> np.ndarray | None:
        """A point of the relaxation whose upper integers are whole, all of them feasible."""
        at = np.flatnonzero(master.hull.linear.integer[:master.n]).astype(np.int32)
        master.highs.set_integer(at, True)
        master.highs.set("mip_rel_gap", 0.3 * self.gap)
        answer = master.highs.solve(master.left())
        master.highs.set_integer(at, False)
        if answer.bound is not None:
            master.outcome.bound = max(master.outcome.bound, answer.bound)
        if answer.z is not None:
            master.take(answer.z)
        return answer.z

    def complete(self, hull: StochasticHull, x: np.ndarray,
                 near: np.ndarray | None) -> np.ndarray | None:
        """Decisions of all scenarios at a first stage, the best each can do; None if one has none.

        Parameters
        ----------
        hull
            The master.
        x
            The first stage, shape (n,).
        near
            A point of the master, whose decisions each scenario begins from.

        Returns
        -------
        ndarray or None
        """
        x = x.copy()
        whole = self.problem.first.integer
        x[whole] = np.round(x[whole])
        found = [x]
        for s, (a, b) in enumerate(pairwise(hull.starts)):
            if self.left() == 0.0 or limits.stopped():
                return None
            own = None if near is None else near[a:b]
            answer = reply(self.problem.recourse_hull(s, x), _FINER * self.gap, self.left(), own)
            if answer.z is None:
                return None
            found.append(answer.z)
        return np.concatenate(found)

    def bound_at(self, dual: np.ndarray) -> float:
        """The bound of multipliers of the linking rows, shape (rows of the master or more,).

        With y of the rows A z + B x: the terms y (A z + B x - limit) are at least zero at each
        feasible point, so  sum_s min (w_s cost_s - y_s A_s z_s) + min (c - sum_s B_s'y_s) x + y
        limit is a bound whatever y >= 0 (of lower limits) or <= 0 (of upper ones) is.
        """
        problem, first = self.problem, self.problem.first
        weights = problem.measure.rows(problem.probabilities).weights
        total, reduced, row = 0.0, first.c.copy(), 0
        for s, recourse in enumerate(problem.recourses):
            p, at = recourse.program, recourse.links
            y = dual[row + at]
            row += p.A.shape[0]
            y = np.where(y > 0, np.where(np.isfinite(p.lo[at]), y, 0.0),
                         np.where(np.isfinite(p.hi[at]), y, 0.0))
            limit = np.where(y > 0, np.where(np.isfinite(p.lo[at]), p.lo[at], 0.0),
                             np.where(np.isfinite(p.hi[at]), p.hi[at], 0.0))
            total += float(y @ limit)
            reduced = reduced - recourse.B[at].T @ y
            if weights[s] <= 0.0 or limits.stopped() or self.left() == 0.0:
                return -np.inf
            c = p.c - p.A[at].T @ y / weights[s]
            free = problem.recourse_hull(s)
            one = recourse.scenario
            hull = build_hull(replace(free.upper, c=c), one.parts, one.pieces,  # type: ignore[arg-type]
                              one.u)
            answer = reply(hull, _FINER * self.gap, self.left())
            total += weights[s] * answer.bound
        ends = np.where(reduced > 0, first.lb, first.ub)
        return total + float(reduced @ ends)


def holds(problem: TwoStage, found: Found) -> bool:
    """Whether the decisions of all scenarios hold their rows at the first stage."""
    assert found.x is not None
    return all(r.at(found.x).holds(z, ROW_HOLDS)
               for r, z in zip(problem.recourses, found.decisions, strict=True))
