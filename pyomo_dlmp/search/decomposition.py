"""Decomposition over periods: bounds from the multipliers of the rows that couple them.

Without the upper rows that join them, a single level decomposes into small problems X_k (a period
each). Dantzig-Wolfe: a master LP chooses among their points under the coupling rows
lo <= sum_k R_k z_k + R_0 z_0 <= hi (z_0: columns of the coupling rows alone); at its duals pi

    L(pi) = sum_k min_{X_k} (f_k - pi'R_k z) + min_{z_0} (c_0 - R_0'pi)'z_0 + pi'(lo or hi)

is a bound of the whole, whatever pi is and however early the search stops. Points: the master's
average decisions with the lower levels solved there, and the whole problem with binaries fixed in
every period whose master weights are integral.

References: Dantzig and Wolfe (1960), Operations Research 8; Wentges (1997), ITOR 4 (smoothing).
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.boxes import least_over_box
from pyomo_dlmp.numerics.components import component_labels
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.outer_approximation import SearchResult, solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import GAP, INTEGRALITY, ROUNDING

FEWEST = 3  # parts with integers below which decomposition is not worthwhile
_ROUNDS = 60
_SMOOTH = 0.5
_ELASTIC = 1e3  # cost of a violated coupling row per unit, over the greatest cost per unit
_SETTLED = 0.1  # share of the gap between master and bound at which the multipliers are good
_THREADS = 2
# units of work: for the first multipliers, a part of a round, a master, the whole with parts fixed
_FIRST, _PART, _MASTER, _WHOLE = 100_000.0, 60_000.0, 60_000.0, 30_000.0


@dataclass
class Periods:
    """A program decomposed by its coupling rows.

    Attributes
    ----------
    program
        The whole.
    coupling
        Numbers of the coupling rows.
    parts
        (columns, rows) of each independent part (a period), as numbers.
    rest
        Numbers of the columns that stand in coupling rows only.
    """

    program: Program
    coupling: np.ndarray
    parts: list[tuple[np.ndarray, np.ndarray]]
    rest: np.ndarray


def take_apart(program: Program, coupling: np.ndarray) -> Periods | None:
    """Decompose a program into the parts that its coupling rows join.

    Parameters
    ----------
    program
        A program with integer columns.
    coupling
        Mask of the coupling rows, shape (m,).

    Returns
    -------
    Periods or None
        None where fewer than `FEWEST` parts have integer columns.
    """
    inner = np.flatnonzero(~coupling)
    column, row = component_labels(program.A[inner], program.Q)
    inside = np.unique(np.concatenate([row, column[np.diff(program.Q.indptr) > 0]]))
    whole = np.intersect1d(inside, column[program.integer])
    if len(whole) < FEWEST:
        return None
    parts = [(np.flatnonzero(column == k), inner[row == k]) for k in inside]
    return Periods(program, np.flatnonzero(coupling), parts,
                   np.flatnonzero(~np.isin(column, inside)))


def solve_periods(periods: Periods, gap: float, time_limit: float | None,
                  best: SearchResult, complete_point: Callable, on_progress: Callable,
                  on_incumbent: Callable) -> SearchResult:
    """Bounds and points by Dantzig-Wolfe decomposition; see the module's text.

    Parameters
    ----------
    periods
        The decomposed program.
    gap
        Relative gap to reach.
    time_limit
        Seconds; None: to the end of the call's search.
    best
        What is known; improved and returned.
    complete_point
        complete_point(z): a feasible point with the lower levels solved at z's upper decisions, or
        None.
    on_progress
        on_progress(stage, objective, bound), called in each round.
    on_incumbent
        on_incumbent(z, objective, bound), called after each round with a point.

    Returns
    -------
    SearchResult
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    return _Search(periods, gap, deadline, best, complete_point, on_progress, on_incumbent).run()


class _Search:
    def __init__(self, periods, gap, deadline, best, complete_point, on_progress, on_incumbent):
        self.on_incumbent = on_incumbent
        self.weights: list[np.ndarray] | None = None  # of the last master
        self.periods, self.gap, self.deadline = periods, gap, deadline
        self.best, self.complete_point, self.on_progress = best, complete_point, on_progress
        self.R = periods.program.A[periods.coupling]
        self.points: list[list[np.ndarray]] = [[] for _ in periods.parts]
        self.pieces = [periods.program.restrict(*part) for part in periods.parts]
        if best.z is not None:
            self._add([best.z[columns] for columns, _ in periods.parts])

    def run(self) -> SearchResult:
        """Rounds of master and periods until the gap is reached or the multipliers are good."""
        try:
            self._rounds()
        except limits.Stopped as err:  # what is known stays
            self.best.status = err.status
        return self.best

    def _rounds(self) -> None:
        best = self.best
        at, smooth = self._relaxed_duals(), 0.0
        for round_ in range(_ROUNDS):
            value, pi, weights = self._master() if round_ and all(self.points) else (
                -np.inf, at, None)
            price = smooth * at + (1.0 - smooth) * pi
            bound = self._periods(price)
            if bound is None:
                break
            if bound > best.bound:
                best.bound, at = bound, price
            smooth = _SMOOTH if bound >= best.bound else 0.0
            best.rounds += 1
            if weights is not None:
                self._take(self.complete_point(self._average(weights)))
            self.on_progress(f"periods, round {round_ + 1}", best.objective, best.bound)
            settled = np.isfinite(value) and (
                value - best.bound <= _SETTLED * self.gap * abs(value))
            if settled or round_ % 5 == 4:
                self._take(self._agreed())
            if best.z is not None:
                self.on_incumbent(best.z, best.objective, best.bound)
            if best.within(self.gap) or settled or time.monotonic() > self.deadline:
                break
            ended = limits.stopped()
            if ended:
                best.status = ended
                return
        best.status = Status.OPTIMAL if best.within(self.gap) else Status.GAP_NOT_REACHED

    def _relaxed_duals(self) -> np.ndarray:
        """Duals of the coupling rows at the optimum without integers: the first multipliers."""
        p = self.periods.program.relaxed()
        with limits.work(_FIRST):
            point = solve_outer(p, GAP)
            if point.z is None:
                return np.zeros(len(self.periods.coupling))
            self.best.bound = max(self.best.bound, point.bound)
            answer = Highs(p.c + p.Q @ point.z, p.A, p.lo, p.hi, p.lb, p.ub).solve()
        return (np.zeros(len(self.periods.coupling)) if answer.row_dual is None
                else answer.row_dual[self.periods.coupling])

    def _periods(self, pi: np.ndarray) -> float | None:
        """L(pi), and a new point of each period; None where time ran out before any bound."""
        shift = self.R.T @ pi
        limit = self.deadline - time.monotonic()
        if limit <= 0:
            return None

        def solve(k):
            columns, _ = self.periods.parts[k]
            piece = replace(self.pieces[k], c=self.pieces[k].c - shift[columns])
            with limits.work(_PART, apart=True):
                return solve_outer(piece, 0.2 * self.gap, limit if np.isfinite(limit) else None,
                                   threads=1)

        with ThreadPoolExecutor(_THREADS) as pool:  # threads see the limits of this call, too
            found = list(pool.map(lambda task: task[0].run(solve, task[1]), [
                (contextvars.copy_context(), k) for k in range(len(self.pieces))]))
        self._add([outcome.z for outcome in found])
        p, rest = self.periods.program, self.periods.rest
        cost = p.c[rest] - shift[rest]
        cost[np.abs(cost) < ROUNDING * (1.0 + np.abs(p.c[rest]))] = 0.0
        lo, hi = p.lo[self.periods.coupling], p.hi[self.periods.coupling]
        return p.constant + float(
            sum(outcome.bound for outcome in found)
            + least_over_box(cost, p.lb[rest], p.ub[rest]) + least_over_box(pi, lo, hi))

    def _add(self, points) -> None:
        for mine, z in zip(self.points, points, strict=True):
            if z is not None and not any(np.allclose(z, y, atol=ROUNDING) for y in mine):
                mine.append(z)

    def _master(self):
        """(value, duals of the coupling rows, weights of each part's points)."""
        p, rest = self.periods.program, self.periods.rest
        values, columns, owner = [], [], []
        for k, (mine, (at, _)) in enumerate(zip(self.points, self.periods.parts, strict=True)):
            for z in mine:
                values.append(self.pieces[k].value(z))
                columns.append(self.R[:, at] @ z)
                owner.append(k)
        rows, count = len(self.periods.coupling), len(owner)
        convex = sp.csr_matrix((np.ones(count), (owner, range(count))),
                               shape=(len(self.points), count))
        # a coupling row may be violated at a cost, so that the first masters have a solution
        price = _ELASTIC * (1.0 + np.abs(p.c).max(initial=0.0))
        A = sp.bmat([[sp.csr_matrix(np.array(columns).T), self.R[:, rest], sp.identity(rows),
                      -sp.identity(rows)], [convex, None, None, None]], format="csr")
        one = np.ones(len(self.points))
        lp = Highs(
            np.concatenate([values, p.c[rest], np.full(2 * rows, price)]), A,
            np.concatenate([p.lo[self.periods.coupling], one]),
            np.concatenate([p.hi[self.periods.coupling], one]),
            np.concatenate([np.zeros(count), p.lb[rest], np.zeros(2 * rows)]),
            np.concatenate([np.full(count, np.inf), p.ub[rest], np.full(2 * rows, np.inf)]))
        with limits.work(_MASTER):
            answer = lp.solve()
        if answer.status != Status.OPTIMAL or answer.row_dual is None or answer.z is None:
            return -np.inf, np.zeros(rows), None
        self.weights = np.split(answer.z[:count], np.cumsum([len(x) for x in self.points])[:-1])
        self.z_rest = answer.z[count:count + len(rest)]
        return answer.objective + p.constant, answer.row_dual[:rows], self.weights

    def _average(self, weights) -> np.ndarray:
        z = np.zeros(len(self.periods.program.c))
        z[self.periods.rest] = self.z_rest
        for (at, _), mine, share in zip(self.periods.parts, self.points, weights, strict=True):
            z[at] = share @ np.array(mine)[:len(share)]
        return z

    def _agreed(self) -> np.ndarray | None:
        """The whole problem, binaries fixed in every period whose master weights are integral."""
        p = self.periods.program
        if self.weights is None:
            return None
        lb, ub = p.lb.copy(), p.ub.copy()
        for (at, _), mine, share in zip(self.periods.parts, self.points, self.weights,
                                        strict=True):
            if share.max() > 0.99:
                whole = at[p.integer[at]]
                value = np.round(mine[int(share.argmax())][p.integer[at]])
                lb[whole], ub[whole] = value, value
        start = self.best.z if self.best.z is not None and (
            (self.best.z >= lb - INTEGRALITY) & (self.best.z <= ub + INTEGRALITY)).all() else None
        with limits.work(_WHOLE):
            return solve_outer(replace(p, lb=lb, ub=ub), 0.3 * self.gap, None, start).z

    def _take(self, z) -> None:
        if z is None:
            return
        value = self.periods.program.value(z)
        if self.best.z is None or value < self.best.objective:
            self.best.z, self.best.objective = z, value
        self._add([z[columns] for columns, _ in self.periods.parts])
