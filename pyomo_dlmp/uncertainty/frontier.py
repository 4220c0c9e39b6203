"""Expected cost against risk: the decision at several weights, prepared once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.market import Market
from pyomo_dlmp.market.dso import in_ac
from pyomo_dlmp.network.series import items_of
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.tolerances import GAP
from pyomo_dlmp.uncertainty.result import StochasticResult
from pyomo_dlmp.uncertainty.risk import CVaR, check_risk, measure_of
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.solve import solve_prepared, solve_stochastic

COLUMNS = ["weight", "level", "status", "expected", "cvar", "worst", "objective", "bound", "gap",
           "energy_mwh", "deviation_mwh"]


@dataclass(repr=False)
class RiskFrontier:
    """Decisions at several weights of risk.

    Attributes
    ----------
    table : DataFrame
        One row for each weight: weight, level, status, expected (cost, $), cvar (at the level, $),
        worst (scenario, $), objective and its proven bound ($), gap, and the expected energy and
        deviations (MWh). Each holds the first stage's own cost.
    results : list of StochasticResult
        In the same order.
    """

    table: pd.DataFrame
    results: list[StochasticResult]

    def __repr__(self) -> str:
        return f"<RiskFrontier>\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


def risk_frontier(market: Market, scenarios: Scenarios, *,
                  weights: Iterable[float] = (0.0, 0.25, 0.5, 0.75, 1.0), level: float = 0.9,
                  gap: float = GAP, time_limit: float | None = None,
                  **options: Any) -> RiskFrontier:
    """Solve at several weights of the conditional value at risk.

    The scenarios are made arrays once, and each weight begins from the first stage of the one
    before.

    Parameters
    ----------
    market, scenarios, gap
        As of `solve_stochastic`.
    weights : iterable of float
        Of `CVaR`, 0 to 1.
    level : float
        Of `CVaR`.
    time_limit : float, optional
        Seconds, of each weight.
    **options
        Further keywords of `solve_stochastic`, but for `risk`.

    Returns
    -------
    RiskFrontier

    Raises
    ------
    ModelError
        As of `solve_stochastic`; a weight or level is wrong.
    """
    given = items_of(weights)
    if not given:
        raise ModelError.at("risk_frontier, weights", f"is {shown(weights)}",
                            "Give numbers from 0 to 1: weights=[0, 0.5, 1].")
    if "risk" in options:
        raise ModelError([Fault("risk_frontier", "was given risk", "Give weights and level.")])
    if options.get("settlement", "one") != "one":
        raise ModelError.at("risk_frontier, settlement", f"is {shown(options['settlement'])}",
                            "Leave it out: solve_stochastic(..., settlement='two', "
                            "risk=CVaR(...)) solves one weight.")
    if in_ac(market):
        raise ModelError.at("risk_frontier, market", "is of the AC form",
                            "Leave form out; check_ac(result) tells what a decision is in AC.")
    risks = [CVaR(weight, level) for weight in given]
    for risk in risks:
        check_risk(risk, scenarios)
    first = solve_stochastic(market, scenarios, risk=risks[0], gap=gap, time_limit=time_limit,
                             **options)
    results = [first]
    tell = options.get("progress") or (lambda *_: None)
    for risk in risks[1:]:
        if first.problem is None:  # ended before there was a point
            break
        problem = replace(first.problem, measure=measure_of(risk, scenarios))
        start = next((r.found.x for r in reversed(results) if r.found is not None), None)
        with limits.call(time_limit):
            results.append(solve_prepared(
                problem, first.models, gap, time_limit, tell, options.get("audit", True),
                start=start))
    rows = [_row(risk, one) for risk, one in zip(risks, results, strict=False)]
    return RiskFrontier(pd.DataFrame(rows, columns=COLUMNS), results)


def _row(risk: CVaR, result: StochasticResult) -> tuple:
    if result.problem is None or result.found is None:
        nothing = [np.nan] * 3
        return (risk.weight, risk.level, result.status, *nothing, result.objective, result.bound,
                result.gap, np.nan, np.nan)
    p, table = result.problem.probabilities, result.by_scenario
    costs = result.found.costs + float(result.problem.first.c @ result.found.x)
    return (risk.weight, risk.level, result.status, float(p @ costs), risk.tail_mean(costs, p),
            float(costs[p > 0].max()), result.objective, result.bound, result.gap,
            float(p @ table["energy_mwh"]), float(p @ table["deviation_mwh"]))
