"""What each scenario comes to at its decisions, apart from the regions that the search used.

The scenario's numbers are set again, its DSO's full primal-dual point is computed from the maps of
the lower level, its optimality conditions are evaluated, and the payment is taken from prices and
powers alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pyomo_dlmp.tolerances import AUDITED_ROW, KKT_RESIDUAL, SAME_OBJECTIVE
from pyomo_dlmp.uncertainty.route import Found
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels, ScenarioPoint
from pyomo_dlmp.uncertainty.two_stage import TwoStage

COLUMNS = ["scenario", "residual", "payment", "repriced", "apart", "passed", "note"]


@dataclass(repr=False)
class StochasticAudit:
    """The checks of all scenarios.

    Attributes
    ----------
    table : DataFrame
        One row for each scenario: residual (KKT, relative), payment ($, by the search), repriced
        ($, by prices and powers alone), apart ($), passed, note.
    objective : float
        $, from the repriced payments.
    """

    table: pd.DataFrame
    objective: float

    @property
    def passed(self) -> bool:
        """Whether all scenarios are what the search says."""
        return bool(self.table["passed"].all())

    def __repr__(self) -> str:
        failed = self.table.loc[~self.table["passed"], "scenario"]
        word = "passed" if self.passed else f"FAILED in {len(failed)} ({', '.join(failed[:3])})"
        return (f"<StochasticAudit of {len(self.table)} scenarios: {word}, greatest KKT residual "
                f"{self.table['residual'].max():.1g}>")


def audit_scenarios(problem: TwoStage, found: Found, models: ScenarioModels,
                    ) -> tuple[StochasticAudit, list[ScenarioPoint]]:
    """Check the decisions of all scenarios.

    Parameters
    ----------
    problem
        The two-stage problem.
    found
        With a point.
    models
        Of its scenarios.

    Returns
    -------
    tuple
        The audit, and the point of each scenario.
    """
    assert found.x is not None
    rows, points, costs = [], [], []
    for recourse, z, cost in zip(problem.recourses, found.decisions, found.costs, strict=True):
        one = recourse.scenario
        point = models.point(one.name, one.named(z))
        paid = cost - deviation_cost(recourse, z)
        residual = max((lower.residual for lower in point.arrays.lowers), default=0.0)
        apart = abs(point.arrays.repriced - paid)
        feasible = recourse.at(found.x).holds(z, AUDITED_ROW)
        notes = [text for bad, text in (
            (residual > KKT_RESIDUAL, "the DSO's optimality conditions do not hold"),
            (apart > SAME_OBJECTIVE * (1.0 + abs(paid)), "prices and powers give another payment"),
            (not feasible, "its rows do not hold")) if bad]
        rows.append((one.name, residual, paid, point.arrays.repriced, apart, not notes,
                     "; ".join(notes)))
        points.append(point)
        costs.append(point.arrays.repriced + cost - paid)
    table = pd.DataFrame(rows, columns=COLUMNS)
    return StochasticAudit(table, problem.value(found.x, np.array(costs))), points


def deviation_cost(recourse, z: np.ndarray) -> float:
    """What deviations from the schedule cost in a scenario ($)."""
    if recourse.deviations is None:
        return 0.0
    at = recourse.deviations.ravel()
    return float(recourse.program.c[at] @ z[at])
