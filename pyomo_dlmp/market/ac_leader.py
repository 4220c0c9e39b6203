"""Rounds of the leader in the AC form: its problem at a point, AC power flow of the answer, again.

The first round and the last one solve the whole problem to its gap. Rounds between them keep to the
critical regions of the last answer: that is one small QP, and where schedules stand still in it,
the whole problem must have the same end, or the rounds go on from what it has. Steps shrink about
tenfold a round, nearly all along one direction, which two rounds show: the next point is taken
where they lead (Anderson 1965, depth `_MEMORY`). Where steps do not shrink, the schedule is held in
a box around the last one (a trust region), which is then said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.auditing import BilevelResult
from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.errors import AuditError, SolverError
from pyomo_dlmp.lower.solver import LowerSolution, kkt_residual
from pyomo_dlmp.market.deadline import Deadline
from pyomo_dlmp.market.dso import AcDso
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.parametric import Atlas, Instance
from pyomo_dlmp.parametric.condensed import NotExplicit
from pyomo_dlmp.solve import solve_bilevel
from pyomo_dlmp.tolerances import GAP, ROW_HOLDS, SAME_OBJECTIVE, SAME_PRICE, SAME_VOLTAGE

_STEADY = 0.7  # a step that is longer than this share of the last one does not shrink
_FEW = 4  # decisions of a period with which a small gap costs little
_FREE = 3  # rounds without a trust region
_MEMORY = 2  # earlier rounds that the next point is taken from
_FAR = 0.5  # greatest weight of an earlier round
_NEAR = 20.0  # steps so near to none that the whole problem is asked


class Leader:
    """The rounds of the leader's loop.

    Parameters
    ----------
    m : ConcreteModel
        The bilevel model.
    dso : AcDso
        Its DSO.
    progress : callable or None
        progress(stage, payment, bound).
    options : dict
        Of `solve_bilevel`.

    Attributes
    ----------
    rounds : list of dict
        As `AcMarket.rounds`.
    settled : bool
        Whether the last round moved nothing.
    cleared : bool
        Whether the DSO has the leader's own prices, at the point where it settled.
    out_of_time : bool
        Whether the time limit, which holds for all rounds together, ended them; the answer is that
        of the last one.
    note : str
        How the rounds ended.
    solution : BilevelResult
        Of the last whole problem.
    """

    def __init__(self, m: Any, dso: AcDso, progress: Callable | None, options: dict):
        self.m, self.dso, self.progress = m, dso, progress
        self.options = dict(options)
        self.atlas = self.options.pop("atlas", None) or Atlas()
        self.instance = Instance(m, self.atlas)
        self.decisions = [v for v in m.dso.declared_upper() if not v.fixed]
        self.bounds = [v.bounds for v in self.decisions]
        self.given = [(v.lower, v.upper) for v in self.decisions]  # they may be of Params
        self.rounds: list[dict] = []
        self.settled, self.radius, self.note = False, np.inf, ""
        self.cleared = self.out_of_time = False
        self.solution: BilevelResult
        self.deadline = Deadline(self.options.get("time_limit"))
        self.past = _Past()

    def schedule(self) -> np.ndarray:
        """Values of the leader's decisions in the DSO's problem (MW, Mvar)."""
        return np.array([v.value for v in self.decisions], dtype=float)

    def run(self, most: int) -> None:
        """Rounds until nothing moves.

        Parameters
        ----------
        most : int
            Greatest number of rounds.
        """
        if self.progress is not None:
            self.progress("AC power flow", None, None)
        self.dso.step()
        paid, gap, whole = np.inf, self.options.get("gap", GAP), True
        try:
            for number in range(1, most + 1):
                before = self.schedule()
                near = None if whole or number == most else self._solve_near(gap)
                if near is None:
                    if not self._solve(gap):
                        if not self.rounds:
                            return
                        self.out_of_time = True
                        break
                    assert self.solution.objective is not None  # it has an answer
                    now, bound = self.solution.objective, self.solution.bound
                else:
                    now, bound = near[0], None
                after = self.schedule()
                volts, price = self.dso.follow(None if near is None else near[1])
                moved = float(np.abs(after - before).max(initial=0.0))
                self.rounds.append({
                    "loop": "leader", "round": number, "voltage_change": volts,
                    "price_change": price, "schedule_change": moved,
                    "gap": self.solution.gap if near is None else np.nan,
                    "cost": float(pyo.value(self.m.dso.cost)), "payment": now})
                if self.progress is not None:
                    self.progress(f"AC round {number}", now, bound)
                still = (moved <= ROW_HOLDS and volts <= SAME_VOLTAGE
                         and abs(now - paid) <= SAME_PRICE)
                if still and near is None:
                    self._end(volts, price)
                    break
                if self.deadline.passed():
                    self.out_of_time = True
                    break
                whole, paid = moved <= _NEAR * ROW_HOLDS, now
                few = len(self.decisions) <= _FEW * len(self.m.dso.periods)
                if few and "regions" in self.solution.size:  # exact where it is cheap
                    gap = min(gap, 0.1 * SAME_OBJECTIVE)
                self._hold(after)
                self._next_point(before, after)
        finally:
            for var, (low, high) in zip(self.decisions, self.given, strict=True):
                var.setlb(low)
                var.setub(high)
        self._tell(most)

    def _solve(self, gap: float) -> bool:
        """The leader's problem at the present point; whether there is an answer, which is kept."""
        self.atlas.give(self.m.dso, self.dso.compiled(), self.dso.solver())
        solution = solve_bilevel(self.m, **{
            **self.options, "gap": gap, "atlas": self.atlas, "time_limit": self.deadline.left()})
        found = solution.objective is not None
        if found or not self.rounds:
            self.solution = solution
        return found

    def _solve_near(self, gap: float) -> tuple[float, LowerSolution] | None:
        """(payment, the DSO's part) of the best answer in the last one's regions; it is loaded.

        None where these have none: nothing is loaded then.
        """
        if "regions" not in self.solution.size:
            return None
        kkt = self.dso.compiled()
        self.atlas.give(self.m.dso, kkt)
        try:
            with self.atlas.near_the_answer():
                found = self.instance.solve(gap, self.deadline.left())
        except (NotExplicit, SolverError, AuditError):
            return None
        if found.decisions is None:
            return None
        load_values(found.columns, found.decisions)
        (own,) = found.lowers
        return found.objective, LowerSolution(
            own.x, own.y, own.mu, kkt.form.cost(own.x, own.u),
            kkt_residual(kkt, own.x, own.u, own.y, own.mu), kkt)

    def _end(self, volts: float, price: float) -> None:
        """Nothing moved in the whole problem: the DSO has the prices that its payment is of.

        Exactly at a limit prices are an interval. A clearing of the DSO's alone takes any of it,
        the leader's problem the one that its payment is of.
        """
        self.settled = self.cleared = self.dso.loop.settled = True
        self.dso.take(self.dso.loop.solution)
        self.dso.rounds = [(1, volts, price, float(pyo.value(self.m.dso.cost)))]

    def _next_point(self, before: np.ndarray, after: np.ndarray) -> None:
        """The model at the present power flow, or at one nearer to where the rounds lead."""
        solution = self.dso.loop.solution
        assert solution is not None
        weights = self.past.weights(before, after, solution)
        if weights is not None:
            shifted = self.past.combined(weights)
            load_values(self.decisions, np.clip(
                self.past.schedule(weights), *np.array(self.bounds, dtype=float).T))
            self.dso.follow(shifted)
        self.dso.linearise()

    def _hold(self, around: np.ndarray) -> None:
        """A trust region around the schedule where steps do not shrink."""
        steps = [row["schedule_change"] for row in self.rounds]
        if len(steps) < _FREE or steps[-1] <= _STEADY * steps[-2]:
            return
        self.radius = 0.5 * min(self.radius, steps[-1])
        for var, (low, high), at in zip(self.decisions, self.bounds, around, strict=True):
            var.setlb(max(low, at - self.radius))
            var.setub(min(high, at + self.radius))

    def _tell(self, most: int) -> None:
        last = KILO * self.rounds[-1]["schedule_change"]
        ended = (f"the time limit ended it after round {len(self.rounds)}" if self.out_of_time else
                 f"did not settle in {most} rounds")
        self.note = (f"AC: settled in {len(self.rounds)} rounds" if self.settled else
                     f"AC: {ended} (the schedule moves by {last:.2g} kW)")
        if np.isfinite(self.radius):
            self.note += (f"; schedules alternated and were held within {KILO * self.radius:.3g} "
                          "kW of the last one, where alone the last bound holds")


class _Past:
    """Steps of the last rounds, and answers that they led to."""

    def __init__(self) -> None:
        self.steps: list[np.ndarray] = []
        self.answers: list[tuple[np.ndarray, LowerSolution]] = []

    def weights(self, before: np.ndarray, after: np.ndarray,
                solution: LowerSolution) -> np.ndarray | None:
        """Weights of the last answers, shape (k,), that sum to 1; None: the last one is the best.

        Those that leave the least step where steps are an affine function of the schedule.
        """
        self.steps = [*self.steps, after - before][-1 - _MEMORY:]
        self.answers = [*self.answers, (after, solution)][-1 - _MEMORY:]
        if len(self.steps) < 2:
            return None
        changes = np.diff(np.array(self.steps), axis=0).T
        found = np.linalg.lstsq(changes, self.steps[-1], rcond=None)[0]
        if not (np.abs(found) <= _FAR).all() or not found.any():
            return None
        found = np.concatenate([[0.0], found, [0.0]])
        weights = np.diff(found)  # of each answer: its own difference less the next one's
        weights[-1] += 1.0
        return weights

    def schedule(self, weights: np.ndarray) -> np.ndarray:
        """The schedule with these weights."""
        return sum(w * after for w, (after, _) in zip(weights, self.answers, strict=True))

    def combined(self, weights: np.ndarray) -> LowerSolution:
        """The DSO's part with these weights."""
        parts = [solution for _, solution in self.answers]
        return replace(parts[-1], **{
            name: sum(w * getattr(part, name) for w, part in zip(weights, parts, strict=True))
            for name in ("x", "y", "mu")})
