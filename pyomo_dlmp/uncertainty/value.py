"""What information and planning are worth, each as an interval that is proven.

With z* the optimum, known to lie in [bound, objective]:

    wait and see  W = F(cost of each scenario solved alone)          EVPI = z* - W
    mean          E = F(cost of each scenario at the schedule of the mean scenario)   VSS = E - z*

Birge and Louveaux, Introduction to Stochastic Programming (2011), chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.tolerances import GAP
from pyomo_dlmp.uncertainty.first_stage import recourse_of
from pyomo_dlmp.uncertainty.route import reply, search
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels
from pyomo_dlmp.uncertainty.two_stage import TwoStage


@dataclass(repr=False)
class Value:
    """Values of information and of planning ($).

    Attributes
    ----------
    evpi, vss
        (least, greatest), proven. VSS is infinite where the schedule of the mean scenario leaves a
        scenario without an answer.
    wait_and_see, mean
        (least, greatest) of W and E of the module's text.
    by_scenario : DataFrame
        Columns scenario, probability, alone_low and alone (of the scenario solved alone), decision
        (cost at the decision), mean (at the mean scenario's schedule; infinite without an answer),
        regret and regret_mean (beyond `alone`).
    schedule : ndarray
        The first stage of the mean scenario.
    notes : list of str
    """

    evpi: tuple[float, float]
    vss: tuple[float, float]
    wait_and_see: tuple[float, float]
    mean: tuple[float, float]
    by_scenario: pd.DataFrame
    schedule: np.ndarray | None
    notes: list[str]

    def __repr__(self) -> str:
        return (f"<Value: perfect information is worth {_interval(self.evpi)}, planning with all "
                f"scenarios instead of their mean {_interval(self.vss)}>")


def _interval(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{low:.4g} to {high:.4g} $"


def value_of(result: Any, gap: float | None = None, time_limit: float | None = None) -> Value:
    """Solve each scenario alone, and all of them at the mean scenario's first stage.

    Parameters
    ----------
    result : StochasticResult
        With a decision.
    gap
        Relative; None: `GAP`.
    time_limit
        Seconds of each problem.

    Returns
    -------
    Value
    """
    problem, found = result.problem, result.found
    gap = GAP if gap is None else gap
    alone = [search(single(problem, s), gap, time_limit) for s in range(len(problem.recourses))]
    low, high = (np.array([getattr(a, key) for a in alone]) for key in ("bound", "objective"))
    measure = problem.measure
    p = problem.probabilities
    seen = measure.value(low, p), measure.value(high, p)
    evpi = max(0.0, result.bound - seen[1]), max(0.0, result.objective - seen[0])
    x, notes = _mean_schedule(result, gap, time_limit)
    costs = np.full(len(p), np.inf)
    least = costs.copy()
    if x is not None:
        for s, recourse in enumerate(problem.recourses):
            answer = reply(problem.recourse_hull(s, x), gap, time_limit)
            costs[s], least[s] = answer.cost, answer.bound
            if answer.z is None:
                notes.append(f"the mean scenario's first stage leaves scenario "
                             f"{recourse.scenario.name!r} without an answer")
    mean = (np.inf, np.inf) if x is None or not np.isfinite(costs).all() else (
        problem.value(x, least), problem.value(x, costs))
    vss = (max(0.0, mean[0] - result.objective), max(0.0, mean[1] - result.bound))
    if x is None:
        vss = (np.nan, np.nan)
    paid = float(problem.first.c @ found.x)
    at_mean = costs + (0.0 if x is None else float(problem.first.c @ x))
    table = pd.DataFrame({
        "scenario": [r.scenario.name for r in problem.recourses], "probability": p,
        "alone_low": low, "alone": high, "decision": found.costs + paid, "mean": at_mean,
        "regret": found.costs + paid - high, "regret_mean": at_mean - high})
    return Value(evpi, vss, seen, mean, table, x, notes)


def single(problem: TwoStage, s: int) -> TwoStage:
    """A scenario alone, as if it were certain."""
    one = problem.recourses[s]
    return TwoStage(problem.first, [replace(one, scenario=replace(one.scenario, probability=1.0))])


def _mean_schedule(result: Any, gap: float, time_limit: float | None,
                   ) -> tuple[np.ndarray | None, list[str]]:
    """(first stage of the scenario of expected numbers, notes)."""
    models = result.models
    try:
        mean = ScenarioModels(models.market, models.scenarios.mean(), models.atlas)
        parts = mean.parts("mean")
        problem = TwoStage(result.problem.first,
                           [recourse_of(parts, result.problem.first, result.problem.terms)])
        found = search(problem, gap, time_limit)
    except DlmpError as err:
        return None, [f"the mean scenario has no solution: {err}"]
    if found.x is None:
        return None, [f"the mean scenario has no solution ({found.status})"]
    return found.x, []
