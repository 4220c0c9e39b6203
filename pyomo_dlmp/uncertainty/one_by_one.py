"""Scenarios one after another at a decision that stands: the best answer of each, proven.

Each is a small MILP over the regions of its hours (`route.reply`). Since the decision binds the
sites' powers, regions are only looked for where it lets them be. Nothing of one scenario is needed
for another but the states that the atlas knows, which only save time: scenarios may be solved in
any order and by several processes, with the same answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from pyomo_dlmp.errors import DlmpError, SolverError
from pyomo_dlmp.market import Market
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.parametric import Atlas, NotExplicit
from pyomo_dlmp.parametric.hull import Hull
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import KKT_RESIDUAL, SAME_OBJECTIVE
from pyomo_dlmp.uncertainty.audit import deviation_cost
from pyomo_dlmp.uncertainty.decision import Decision
from pyomo_dlmp.uncertainty.first_stage import Recourse, recourse_of
from pyomo_dlmp.uncertainty.missing import missing_of
from pyomo_dlmp.uncertainty.route import reply
from pyomo_dlmp.uncertainty.scenario_models import NoRoom, ScenarioModels
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.settlements import (
    prices_on,
    real_time_pieces,
    scheduled,
    site_price,
)
from pyomo_dlmp.uncertainty.two_stage import TwoStage

FAILED = "failed"
_TOGETHER = 4  # scenarios that a process solves before it sends them


@dataclass
class Outcome:
    """What a scenario comes to at a decision.

    Attributes
    ----------
    number
        Of the scenario.
    status
        A `Status`; "infeasible" where it has no answer, "failed" where it was not found.
    cost, bound, deviation_cost
        $ without what the decision itself costs; proven bound of the cost.
    up_mw, down_mw, mw
        Deviations from the schedule and powers, shape (sites, periods).
    values
        Of the leader's Vars by name.
    judged
        "passed" or "failed" where prices and powers were read from the DSO's own point.
    missing, missing_mwh, missing_kw
        As of `missing.Missing`; of a failed one, why.
    cpu
        Seconds.
    """

    number: int
    status: str
    cost: float = float("nan")
    bound: float = float("nan")
    deviation_cost: float = float("nan")
    mw: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    up_mw: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    down_mw: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    values: dict[str, float] = field(default_factory=dict)
    judged: str = ""
    missing: str = ""
    missing_mwh: float = float("nan")
    missing_kw: float = float("nan")
    cpu: float = 0.0


class OneByOne:
    """Solves scenarios at a decision; it can be sent to another process.

    Parameters
    ----------
    market : Market
    scenarios : Scenarios
    decision : Decision
    gap : float
        Relative, of each scenario.
    judge : float
        Share of the scenarios whose answer is also read from the DSO's own point.
    atlas : Atlas, optional
        Whose states are known at first.
    """

    def __init__(self, market: Market, scenarios: Scenarios, decision: Decision, gap: float,
                 judge: float, atlas: Atlas | None = None):
        self.market, self.scenarios, self.decision = market, scenarios, decision
        self.gap, self.judge = gap, judge
        self.atlas = Atlas() if atlas is None else atlas
        self.labels = list(period_labels(market.opf.get("periods", 1))[0])
        self._models: ScenarioModels | None = None

    def __getstate__(self) -> dict:
        """Without models, which each process builds; with the states alone of the atlas."""
        states = Atlas()
        states.update(self.atlas)
        return {**self.__dict__, "atlas": states, "_models": None}

    @property
    def models(self) -> ScenarioModels:
        """The models, built when they are first needed."""
        if self._models is None:
            self._models = ScenarioModels(self.market, self.scenarios, self.atlas)
        return self._models

    def groups(self, numbers: Iterable[int]) -> list[list[int]]:
        """Numbers of scenarios that are solved by one process, one after another."""
        numbers = list(numbers)
        return [numbers[k:k + _TOGETHER] for k in range(0, len(numbers), _TOGETHER)]

    def solve_group(self, numbers: Iterable[int]) -> list[Outcome]:
        """The outcomes of a group."""
        return [self.solve(number) for number in numbers]

    def solve(self, number: int, time_limit: float | None = None) -> Outcome:
        """The outcome of a scenario.

        Parameters
        ----------
        number : int
        time_limit : float, optional
            Seconds of the search.

        Returns
        -------
        Outcome
        """
        begin = time.process_time()
        outcome = self._solved(number, time_limit)
        outcome.cpu = time.process_time() - begin
        return outcome

    def _solved(self, number: int, time_limit: float | None) -> Outcome:
        name, decision = self.scenarios.names[number], self.decision
        within = decision.range_mw(self.scenarios.periods or len(self.labels))
        try:
            one = self.models.parts(name, within)
        except (NoRoom, DlmpError) as err:
            return self._none(number, str(err))
        recourse = recourse_of(one, decision.first, decision.terms)
        try:
            answer = reply(self._hull(recourse), self.gap, time_limit)
        except DlmpError as err:
            return self._none(number, str(err))
        if answer.z is None:
            return self._none(number) if answer.status == Status.INFEASIBLE else Outcome(
                number, answer.status)
        z, mw = answer.z, one.mw(answer.z)
        up, down = (np.zeros((2, *mw.shape)) if recourse.deviations is None
                    else z[recourse.deviations])
        apart = deviation_cost(recourse, z)
        status = answer.status
        if status == Status.GAP_NOT_REACHED and answer.cost - answer.bound <= self.gap * abs(
                answer.cost):
            status = str(Status.OPTIMAL)
        found = Outcome(number, status, answer.cost, answer.bound, apart, mw, up, down,
                        one.named(z))
        if int((number + 1) * self.judge) > int(number * self.judge):
            found.judged = self._judged(recourse, z, answer.cost - apart)
        return found

    def _hull(self, recourse: Recourse) -> Hull:
        """The master of a scenario at the decision, as it is settled."""
        one, decision = recourse.scenario, self.decision
        if decision.settlement == "two":
            recourse = replace(recourse, scenario=replace(one, pieces=real_time_pieces(
                one, prices_on(one), scheduled(decision.first, decision.x))))
        return TwoStage(decision.first, [recourse], terms=decision.terms).recourse_hull(
            0, decision.x)

    def _none(self, number: int, why: str = "") -> Outcome:
        """Without an answer, by what the decision lacks; failed where it lacks nothing."""
        name = self.scenarios.names[number]
        lacks = missing_of(self.models, name, self.decision, self.labels)
        if not lacks:
            return Outcome(number, FAILED, missing=why or "its regions have no answer")
        return Outcome(number, str(Status.INFEASIBLE), missing=lacks.what,
                       missing_mwh=lacks.mwh, missing_kw=lacks.kw)

    def _judged(self, recourse: Recourse, z: np.ndarray, paid: float) -> str:
        """Whether the DSO's point at the powers has the payment, and obeys its conditions."""
        one = recourse.scenario
        try:
            point = self.models.point(one.name, one.named(z))
        except (SolverError, NotExplicit):
            return "failed"
        residual = max((lower.residual for lower in point.arrays.lowers), default=0.0)
        repriced = point.arrays.repriced
        if self.decision.settlement == "two":
            apart_mw = one.mw(z) - scheduled(self.decision.first, self.decision.x).reshape(
                one.power.shape)
            repriced = one.hours * sum(
                float(site_price(point, self.market.network.datacenters[site]) @ mw)
                for site, mw in zip(one.sites, apart_mw, strict=True))
        apart = abs(repriced - paid)
        return "passed" if residual <= KKT_RESIDUAL and apart <= SAME_OBJECTIVE * (
            1.0 + abs(paid)) else "failed"

    def schedule(self, outcome: Outcome) -> list[tuple]:
        """Rows (scenario, site, period, kw, up_kw, down_kw) of an outcome."""
        name, labels = self.scenarios.names[outcome.number], self.labels
        return [(name, site, t, *(KILO * x[i, k] for x in (
                    outcome.mw, outcome.up_mw, outcome.down_mw)))
                for i, site in enumerate(self.decision.terms.capacity_mw)
                for k, t in enumerate(labels)] if len(outcome.mw) else []
