"""`solve_stochastic`: a leader that decides before it knows which scenario comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from pyomo_dlmp.errors import all_at_once
from pyomo_dlmp.market import Market
from pyomo_dlmp.market.dso import in_ac
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.parametric import Atlas
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ENTRY, GAP
from pyomo_dlmp.uncertainty.ac_rounds import solve_in_rounds
from pyomo_dlmp.uncertainty.audit import audit_scenarios
from pyomo_dlmp.uncertainty.checks import check_stochastic
from pyomo_dlmp.uncertainty.diagnosis import refuse_infeasible
from pyomo_dlmp.uncertainty.first_stage import first_stage_of, recourse_of
from pyomo_dlmp.uncertainty.measure import Measure
from pyomo_dlmp.uncertainty.result import (
    StochasticResult,
    empty_tables,
    prices_of,
    tables_of,
)
from pyomo_dlmp.uncertainty.risk import CVaR, Wasserstein, check_risk, measure_of
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.searches import search
from pyomo_dlmp.uncertainty.settled import check_settlement, solve_settled
from pyomo_dlmp.uncertainty.settlements import two_settlements
from pyomo_dlmp.uncertainty.two_stage import TwoStage

FAILED = "failed"
Progress = Callable[[str, float, float], None]


def solve_stochastic(  # noqa: PLR0913  # keywords of a call, for people
    market: Market, scenarios: Scenarios, *, first_stage: str | Iterable[str] = "schedule",
    flexibility: float | Mapping[str, float] = 0.2, deviation_price: float = 5.0,
    capacity_price: float = 0.0, risk: CVaR | Wasserstein | Measure | None = None, gap: float = GAP,
    time_limit: float | None = None, progress: Progress | None = None,
    atlas: Atlas | None = None, audit: bool = True, buses: Iterable[str] = (),
    settlement: str = "one",
) -> StochasticResult:
    """Decide before the scenario is known, at least expected cost, with a proven bound.

    In each scenario the leader foresees the DLMPs that its power causes, as in
    the strategic market; what is decided first is the same in all of them.

    Parameters
    ----------
    market : Market
        What scenarios have no column for is as it is there. In the AC form each scenario has an
        operating point of its own, found in rounds (`uncertainty.ac_rounds`); at most
        `Market.ac_rounds`, and the bound is of the last linear problem.
    scenarios : Scenarios
        As many periods as the market has.
    first_stage : str or iterable of str
        Some of "schedule" (kW by site and period, day ahead), "jobs" (starts of jobs without
        pause), "capacity" (subscribed kW by site).
    flexibility : float or mapping of str to float
        Greatest deviation from the schedule, a share of each site's capacity.
    deviation_price : float
        $/MWh of a deviation, up or down.
    capacity_price : float
        $ for a kW of subscribed capacity over the horizon.
    risk : CVaR, Wasserstein or Measure, optional
        Of the costs by scenario (`uncertainty.risk`); None: their expectation.
    gap : float
        Relative gap to prove.
    time_limit : float, optional
        Seconds.
    progress : callable, optional
        progress(stage, objective, bound), called as it advances.
    atlas : Atlas, optional
        States known so far, and learned.
    audit : bool
        Whether each scenario's DSO is checked at the decisions, and its prices are read.
    buses : iterable of str
        Whose prices are read beside those of the datacenters' buses.
    settlement : "one" or "two"
        One: powers are paid at the scenario's prices. Two: the schedule is paid at the day-ahead
        prices of the expected scenario, and what differs from it at the scenario's
        (`uncertainty.settlements`).

    Returns
    -------
    StochasticResult
        Also after a time limit or Ctrl-C: what is known then.

    Raises
    ------
    ModelError
        The data are wrong (all faults at once), a scenario's work cannot be served, or no first
        stage leaves every scenario an answer: which, by how much, what to change.
    """
    kinds = (first_stage,) if isinstance(first_stage, str) else tuple(first_stage)
    terms, *_ = all_at_once(
        lambda: check_stochastic(market, scenarios, kinds, flexibility, deviation_price,
                                 capacity_price, gap, ac=True),
        lambda: check_risk(risk, scenarios),
        lambda: check_settlement(settlement, market, kinds))
    tell = progress or (lambda *_: None)
    if in_ac(market):
        linear = replace(market, opf={**market.opf, "form": "lindist"})
        with limits.call(time_limit):
            start = solve_stochastic(
                linear, scenarios, first_stage=kinds, flexibility=flexibility,
                deviation_price=deviation_price, capacity_price=capacity_price, risk=risk,
                gap=gap, time_limit=time_limit, progress=progress, atlas=atlas, audit=False)
            return solve_in_rounds(market, start, gap, audit, lambda problem, models, x, last: (
                solve_prepared(problem, models, gap, None if time_limit is None else limits.left(),
                               tell, last, start=x)), buses)
    clock = Clock()
    with limits.call(time_limit):
        models = ScenarioModels(market, scenarios, atlas, list(buses))
        parts = []
        for k, name in enumerate(scenarios.names):
            tell(f"scenario {k + 1} of {scenarios.count}", np.inf, -np.inf)
            if (ended := limits.stopped()) is not None:
                return _nothing(ended, clock)
            try:
                parts.append(models.parts(name))
            except limits.Stopped as end:
                return _nothing(end.status, clock)
        clock.stage("search")
        limits.enter("search")
        first = first_stage_of(parts, terms)
        recourses = [recourse_of(one, first, terms) for one in parts]
        measure = measure_of(risk, scenarios)
        left = None if time_limit is None else limits.left()
        if settlement == "two":
            expected = ScenarioModels(market, scenarios.mean(), models.atlas)
            settled = two_settlements(expected.parts("mean"), recourses, first, terms, measure)
            return solve_settled(settled, models, expected, gap, left, tell, audit, clock)
        problem = TwoStage(first, recourses, measure, terms)
        return solve_prepared(problem, models, gap, left, tell, audit, clock=clock)


def solve_prepared(
    problem: TwoStage, models: ScenarioModels, gap: float, time_limit: float | None = None,
    tell: Progress = lambda *_: None, audit: bool = True, *, clock: Clock | None = None,
    start: np.ndarray | None = None,
) -> StochasticResult:
    """Solve a two-stage problem whose scenarios are arrays already, as `solve_stochastic` does.

    Parameters
    ----------
    problem
        The problem.
    models
        Of its scenarios.
    gap, time_limit, tell, audit
        As of `solve_stochastic`.
    clock
        That measures the stages.
    start
        A first stage to begin from, shape (n,).

    Returns
    -------
    StochasticResult

    Raises
    ------
    ModelError
        As of `solve_stochastic`, where no first stage leaves every scenario an answer.
    """
    clock = clock or Clock("search")
    found = search(problem, gap, time_limit, tell, start)
    parts = [r.scenario for r in problem.recourses]
    size = {"scenarios": len(parts), "parts": sum(len(one.parts) for one in parts),
            "regions": sum(one.regions for one in parts)}
    if found.x is None:
        if found.status == Status.INFEASIBLE:
            refuse_infeasible(problem, models)
        result = _nothing(found.status, clock)
        result.bound, result.size = found.bound, size
        return result
    result = StochasticResult(
        found.status, found.objective, found.bound,
        max(0.0, found.objective - found.bound) / max(abs(found.objective), ENTRY),
        **tables_of(problem, found, models.labels), size=size, problem=problem, found=found,
        models=models, times=clock.times)
    if audit:
        clock.stage("audit")
        limits.enter("audit")
        result.audit, points = audit_scenarios(problem, found, models)
        result.prices = prices_of(problem, points)
        if not result.audit.passed:
            result.status = FAILED
            result.notes.append("the audit of a scenario fails: see result.audit.table")
    clock.stage("")
    return result


def _nothing(status: str, clock: Clock) -> StochasticResult:
    clock.stage("")
    return StochasticResult(status, np.nan, -np.inf, np.inf, **empty_tables(), times=clock.times)


class Clock:
    """Seconds by stage.

    Parameters
    ----------
    first
        Name of the first stage.
    """

    def __init__(self, first: str = "scenarios") -> None:
        self.times: dict[str, float] = {}
        self._now, self._since = first, time.monotonic()

    def stage(self, name: str) -> None:
        """End the present stage, and begin one."""
        now = time.monotonic()
        self.times[self._now] = self.times.get(self._now, 0.0) + now - self._since
        self._now, self._since = name, now
