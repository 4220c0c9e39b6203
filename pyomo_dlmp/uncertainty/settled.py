"""The answer of a problem with two settlements: who pays what in each, priced apart and audited."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.market import Market
from pyomo_dlmp.market.dso import in_ac
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.parametric.master import HullMaster
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import AUDITED_ROW, ENTRY, GAP, KKT_RESIDUAL, SAME_OBJECTIVE
from pyomo_dlmp.uncertainty.audit import COLUMNS, StochasticAudit, deviation_cost
from pyomo_dlmp.uncertainty.diagnosis import refuse_infeasible
from pyomo_dlmp.uncertainty.result import StochasticResult, empty_tables, prices_of, tables_of
from pyomo_dlmp.uncertainty.route import Found, Progress, reply, search
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels, ScenarioPoint
from pyomo_dlmp.uncertainty.settlement_bound import convex_bound
from pyomo_dlmp.uncertainty.settlements import (
    DAY_AHEAD,
    AfterDayAhead,
    TwoSettlements,
    site_price,
)
from pyomo_dlmp.uncertainty.two_stage import TwoStage

SETTLEMENTS = ["settlement", "scenario", "site", "period", "mw", "price", "value", "unit"]
REAL_TIME = "real time"
_EARLY, _MOST = 0.2, 0.6  # of the time limit: for a first schedule and bound, for a large bound
_LARGE = 100  # pieces of a bounding problem from which its MILP is worth more than the search
_CUTS, _GAIN = 20, 0.1  # most rounds of cuts; the least gain of the bound in one, of the gap


def check_settlement(settlement: Any, market: Any, kinds: tuple) -> None:
    """Raise an error with what two settlements cannot have.

    Parameters
    ----------
    settlement, market
        As of `solve_stochastic`.
    kinds : tuple of str
        Of the first stage.

    Raises
    ------
    ModelError
    """
    where = "solve_stochastic, settlement"
    if not (isinstance(settlement, str) and settlement in ("one", "two")):
        raise ModelError.at(where, f"is {shown(settlement)}", "Give 'one' or 'two'.")
    if settlement == "one" or not isinstance(market, Market):
        return
    found = []
    if in_ac(market):
        found.append(Fault(where, "is 'two', and the market is of the AC form",
                           "Leave form out, or give 'one': a decision of the linear form is "
                           "checked by result.check_ac()."))
    if "schedule" not in kinds:
        found.append(Fault(where, "is 'two', and no schedule is decided day ahead",
                           "Give first_stage='schedule'."))
    if market.pays != "active and reactive":
        found.append(Fault(where, f"is 'two', and the market pays {market.pays!r}",
                           "Give Market(pays='active and reactive'): prices are then the slope of "
                           "the DSO's cost."))
    found += [Fault(where, f"is 'two', and '{name}' decides more than its power",
                    "Give a balanced datacenter at a power factor.")
              for name, dc in getattr(market.network, "datacenters", {}).items()
              if not dc.balanced or dc.reactive != "power factor"]
    if found:
        raise ModelError(found)


def solve_settled(
    problem: TwoSettlements, models: ScenarioModels, expected: ScenarioModels, gap: float,
    time_limit: float | None, tell: Progress, audit: bool, clock: Any,
) -> StochasticResult:
    """Solve a problem with two settlements.

    Parameters
    ----------
    problem
        The problem.
    models, expected
        Of its scenarios, and of the expected one.
    gap, time_limit, tell, audit, clock
        As of `solve_prepared`.

    Returns
    -------
    StochasticResult
        With `settlements`, as far as it is audited.
    """
    assert isinstance(problem.measure, AfterDayAhead)
    plain = TwoStage(problem.first, problem.recourses[1:], problem.measure.inner, problem.terms)
    found = _searched(problem, gap, time_limit, tell)
    size = {"scenarios": len(plain.recourses),
            "parts": sum(len(r.scenario.parts) for r in problem.recourses),
            "regions": sum(r.scenario.regions for r in problem.recourses)}
    if found.x is None:
        if found.status == Status.INFEASIBLE:
            refuse_infeasible(plain, models)
        clock.stage("")
        return StochasticResult(found.status, np.nan, found.bound, np.inf, **empty_tables(),
                                times=clock.times, size=size)
    own = Found(found.status, found.x, found.decisions[1:], found.costs[1:] + found.costs[0],
                found.objective, found.bound)
    result = StochasticResult(
        found.status, found.objective, found.bound,
        max(0.0, found.objective - found.bound) / max(abs(found.objective), ENTRY),
        **tables_of(plain, own, models.labels), size=size, problem=plain, found=own,
        models=models, times=clock.times, settlements=pd.DataFrame(columns=SETTLEMENTS),
        day_ahead=float(found.costs[0]))
    if audit:
        clock.stage("audit")
        limits.enter("audit")
        _judge(result, problem, found, expected)
    clock.stage("")
    return result


def _searched(problem: TwoSettlements, gap: float, time_limit: float | None,
              tell: Progress) -> Found:
    """The best of: the schedule with one settlement, that of the bound by convexity, a search."""
    deadline = None if time_limit is None else time.monotonic() + time_limit

    def left(share: float = 1.0) -> float | None:
        return None if deadline is None else share * max(0.0, deadline - time.monotonic())

    assert isinstance(problem.measure, AfterDayAhead)
    one = TwoStage(problem.first, problem.one, problem.measure.inner, problem.terms)
    plain = search(one, max(gap, GAP), left(_EARLY))
    best = _replies(problem, plain.x, gap, left())
    if best is not None:
        tell("schedule of one settlement", best.objective, -np.inf)
    weights = problem.measure.weights(plain.costs if best is None else best.costs[1:],
                                      problem.probabilities)
    bounding, bound = convex_bound(problem, weights), -np.inf
    if bounding is not None:
        bound, x = _bound(bounding, gap, left, tell)
        other = _replies(problem, x, gap, left())
        if other is not None and (best is None or other.objective < best.objective):
            best = other
        tell("bound by convexity", np.inf if best is None else best.objective, bound)
    if best is not None and best.objective - bound <= gap * max(abs(best.objective), ENTRY):
        return replace(best, status=Status.OPTIMAL, bound=min(bound, best.objective))
    found = search(problem, gap, left(), tell, None if best is None else best.x)
    if best is not None and (found.x is None or best.objective < found.objective):
        best = replace(best, status=found.status, bound=found.bound)
    else:
        best = found
    bound = min(max(bound, best.bound), best.objective)
    closed = best.objective - bound <= gap * max(abs(best.objective), ENTRY)
    return replace(best, bound=bound, status=Status.OPTIMAL if closed else best.status)


def _bound(bounding: TwoStage, gap: float, left: Callable[[float], float | None],
           tell: Progress) -> tuple[float, np.ndarray | None]:
    """(bound, first stage) of a bounding problem: its relaxation; of a large one its MILP, too."""
    hull = bounding.master()
    master = HullMaster(hull, 0.5 * gap, left(_EARLY), 0, tell, {})
    for _ in range(_CUTS):
        before = master.outcome.bound
        if limits.stopped() or not master.refine() or (
                master.outcome.bound - before < _GAIN * gap * abs(before)):
            break
    out = master.outcome
    if sum(r.scenario.regions for r in bounding.recourses) > _LARGE:
        seconds = left(_MOST)
        master.deadline = None if seconds is None else time.monotonic() + seconds
        out = master.run()
    return out.bound, None if out.z is None else out.z[:bounding.first.size]


def _replies(problem: TwoSettlements, x: np.ndarray | None, gap: float,
             time_limit: float | None) -> Found | None:
    """The best that the scenarios can do at a first stage; None where one has no answer."""
    if x is None:
        return None
    ahead = problem.recourses[0].program
    x, at = x.copy(), [j for j, label in enumerate(problem.first.labels) if label[0] == "schedule"]
    x[at] = np.clip(x[at], ahead.lb, ahead.ub)
    decisions, costs = [x[at]], []
    for s in range(len(problem.recourses)):
        answer = reply(problem.recourse_hull(s, x), 0.1 * gap, time_limit)
        if answer.z is None:
            return None
        decisions[s:] = [answer.z]
        costs.append(answer.cost)
    return Found(Status.GAP_NOT_REACHED, x, decisions, np.array(costs),
                 problem.value(x, np.array(costs)), -np.inf)


def _judge(result: StochasticResult, problem: TwoSettlements, found: Found,
           expected: ScenarioModels) -> None:
    """Prices at the decisions, what each settlement comes to by them, and the audit."""
    assert found.x is not None
    models, schedule = result.models, problem.schedule(found.x)
    planned = schedule.reshape(problem.plain[0].power.shape)
    # the expected scenario's other columns do not matter to its DSO
    day = expected.point("mean", dict(zip(
        problem.recourses[0].scenario.program.columns, schedule.tolist(), strict=True)))
    table = _settled(DAY_AHEAD, "", problem.plain[0], planned, day, expected.market)
    rows = [_checked(DAY_AHEAD, day, found.costs[0], table, True)]
    tables, points = [table], []
    for recourse, one, z, cost in zip(problem.recourses[1:], problem.plain, found.decisions[1:],
                                      found.costs[1:], strict=True):
        point = models.point(one.name, one.named(z))
        table = _settled(REAL_TIME, one.name, one, z[one.power] - planned, point, models.market)
        rows.append(_checked(one.name, point, cost - deviation_cost(recourse, z), table,
                             recourse.at(found.x).holds(z, AUDITED_ROW)))
        tables.append(table)
        points.append(point)
    judged = pd.DataFrame(rows, columns=COLUMNS)
    costs = found.costs + (judged["repriced"] - judged["payment"]).to_numpy()
    result.audit = StochasticAudit(judged, problem.value(found.x, costs))
    result.settlements = pd.concat(tables, ignore_index=True)
    result.prices = prices_of(TwoStage(problem.first, problem.recourses[1:]), points)
    real = judged["payment"].to_numpy()[1:]
    by = result.by_scenario
    by.insert(3, "day_ahead_payment", judged["payment"].iloc[0])
    by.insert(4, "real_time_payment", real)
    if not result.audit.passed:
        result.status = "failed"
        result.notes.append("the audit of a scenario fails: see result.audit.table")


def _settled(settlement: str, scenario: str, one: Any, mw: np.ndarray, point: ScenarioPoint,
             market: Market) -> pd.DataFrame:
    """Rows of a settlement: power, price ($/MWh, with the reactive power of the power factor)."""
    rows = []
    for k, site in enumerate(one.sites):
        price = site_price(point, market.network.datacenters[site])
        rows += [(settlement, scenario, site, t, float(p), float(rate), one.hours * p * rate, "$")
                 for t, p, rate in zip(point.periods, mw[k], price, strict=True)]
    return pd.DataFrame(rows, columns=SETTLEMENTS)


def _checked(name: str, point: ScenarioPoint, paid: float, table: pd.DataFrame,
             feasible: bool) -> tuple:
    """A row of the audit."""
    residual = max((lower.residual for lower in point.arrays.lowers), default=0.0)
    repriced = float(table["value"].sum())
    apart = abs(repriced - paid)
    size = 1.0 + float(table["value"].abs().sum())  # real-time payments may cancel
    notes = [text for bad, text in (
        (residual > KKT_RESIDUAL, "the DSO's optimality conditions do not hold"),
        (apart > SAME_OBJECTIVE * size, "prices and powers give another payment"),
        (not feasible, "its rows do not hold")) if bad]
    return (name, residual, paid, repriced, apart, not notes, "; ".join(notes))
