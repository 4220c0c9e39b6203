"""Decisions before the scenario is known, in AC: a point for each scenario, found in rounds.

At its operating point each scenario's market is that of the linear form, and all of them are solved
at once, with a bound. The answer's AC power flows are the next points. It is settled where the
answer costs at the new points what it did at the old ones, and no other is better there, both up to
the gap. That is a fixed point and no proof of a global optimum in AC: the bound is of the last
linear problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from pyomo_dlmp.market import Market
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.uncertainty.ac_check import check_ac
from pyomo_dlmp.uncertainty.ac_models import AcModels
from pyomo_dlmp.uncertainty.first_stage import recourse_of
from pyomo_dlmp.uncertainty.result import StochasticResult
from pyomo_dlmp.uncertainty.two_stage import TwoStage

ROUNDS = ["round", "objective", "bound", "cost_of_the_last", "voltage_change", "schedule_change"]
Solve = Callable[[TwoStage, AcModels, np.ndarray, bool], StochasticResult]


def solve_in_rounds(market: Market, start: StochasticResult, gap: float, audit: bool,
                    solve: Solve, buses: Iterable[str] = ()) -> StochasticResult:
    """Rounds from a decision of the linear form.

    Parameters
    ----------
    market : Market
        Of the AC form, with `ac_rounds`.
    start : StochasticResult
        Of the same market in the linear form.
    gap : float
        Relative.
    audit : bool
        Whether the last answer is audited, and checked by the AC OPF of each scenario.
    solve : callable
        solve(problem, models, first stage to begin from, whether it is audited).
    buses : iterable of str
        Whose prices are read beside those of the datacenters' buses.

    Returns
    -------
    StochasticResult
        With `rounds` and, where it was audited, `ac`; the start where that has no decision.
    """
    if start.problem is None or start.found is None or start.found.x is None:
        return start
    if limits.stopped():
        start.notes.append("AC: no round was finished; this is the answer of the linear form")
        return start
    scenarios = start.models.scenarios
    models = AcModels(market, scenarios, start.decided.values)
    result, problem, rows = start, start.problem, []
    settled, volts = False, np.nan
    for number in range(1, market.ac_rounds + 1):
        before = result
        problem = replace(problem, recourses=[
            recourse_of(models.parts(name), problem.first, problem.terms)
            for name in scenarios.names])
        again = _cost_of(before, problem)
        result = solve(problem, models, _first_of(before), False)
        if result.found is None:
            result.notes.append(f"AC: ended in round {number}")
            return result
        room = gap * abs(result.objective)
        settled = number > 1 and max(abs(again - before.objective),
                                     abs(again - result.objective)) <= room
        rows.append((number, result.objective, result.bound, again, volts,
                     _moved(before, result)))
        if settled or number == market.ac_rounds or limits.stopped():
            break
        volts = max(models.follow(r.scenario.name, r.scenario.named(z)) for r, z in zip(
            problem.recourses, result.found.decisions, strict=True))
    if audit:
        result = solve(problem, models, _first_of(result), True)
    result.rounds = pd.DataFrame(rows, columns=ROUNDS)
    result.notes.append(
        f"AC: settled in {len(rows)} rounds" if settled else
        f"AC: did not settle in {len(rows)} rounds (the schedule moves by "
        f"{rows[-1][-1]:.2g} kW, the objective by {abs(rows[-1][1] - rows[-1][3]):.2g} $)")
    if audit and result.found is not None:
        result.ac = check_ac(result, buses=buses)
        result.prices = result.ac.prices
    return result


def _first_of(result: StochasticResult) -> np.ndarray:
    """The first stage of a result that has one."""
    assert result.found is not None and result.found.x is not None
    return result.found.x


def _cost_of(result: StochasticResult, problem: TwoStage) -> float:
    """What the decisions of a result cost in another problem ($)."""
    x = _first_of(result)
    assert result.found is not None
    costs = [problem.recourse_hull(s, x).cost_at(z)[0]
             for s, z in enumerate(result.found.decisions)]
    return problem.value(x, np.array(costs))


def _moved(before: StochasticResult, after: StochasticResult) -> float:
    """Greatest change of a power (kW)."""
    assert before.problem is not None and after.problem is not None
    assert before.found is not None and after.found is not None
    return KILO * max(
        float(np.abs(a.scenario.mw(x) - b.scenario.mw(z)).max(initial=0.0))
        for a, x, b, z in zip(before.problem.recourses, before.found.decisions,
                              after.problem.recourses, after.found.decisions, strict=True))
