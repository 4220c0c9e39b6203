"""What `solve_stochastic` returns: the decision, and what it comes to in each scenario."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.uncertainty.ac_check import AcCheck, Decided, check_ac
from pyomo_dlmp.uncertainty.audit import StochasticAudit, deviation_cost
from pyomo_dlmp.uncertainty.decision import Decision
from pyomo_dlmp.uncertainty.evaluation import Evaluation
from pyomo_dlmp.uncertainty.out_of_sample import evaluate
from pyomo_dlmp.uncertainty.route import Found
from pyomo_dlmp.uncertainty.scenario_models import ScenarioPoint
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.two_stage import TwoStage
from pyomo_dlmp.uncertainty.value import Value, value_of

FIRST = ["kind", "site", "period", "kw"]
STARTS = ["job", "site", "period"]
BY_SCENARIO = ["scenario", "probability", "cost", "payment", "deviation_cost", "deviation_mwh",
               "energy_mwh"]
SCHEDULE = ["scenario", "site", "period", "kw", "up_kw", "down_kw"]
PRICES = ["scenario", "bus", "phase", "period", "quantity", "value", "unit"]
_UNITS = {"active": "$/MWh", "reactive": "$/Mvarh"}


@dataclass(repr=False)
class StochasticResult:
    """A decision under uncertainty.

    Attributes
    ----------
    status : str
        One of `Status`; "failed" where the audit of a scenario fails.
    objective, bound, gap : float
        Expected cost ($; the measure of risk, where one was given), its proven bound, and their
        relative distance. nan and infinite where there is no decision.
    first_stage : DataFrame
        Columns kind ("schedule", "capacity"), site, period (None of a capacity), kw.
    starts : DataFrame
        Columns job, site, period: where and when jobs without pause start, if that is decided in
        the first stage.
    by_scenario : DataFrame
        Columns scenario, probability, cost ($), payment ($), deviation_cost ($), deviation_mwh,
        energy_mwh.
    schedule : DataFrame
        Columns scenario, site, period, kw, and up_kw, down_kw (deviations from the schedule).
    prices : DataFrame or None
        Columns scenario, bus, phase, period, quantity, value, unit, of the datacenters' buses and
        those that were asked for; None without an audit.
    audit : StochasticAudit or None
    times : dict of str to float
        Seconds by stage.
    size : dict of str to int
        Scenarios, parts, regions, columns and rows of the master.
    notes : list of str
    settlements : DataFrame or None
        With two settlements: columns settlement ("day ahead", "real time"), scenario, site, period,
        mw (scheduled; beyond the schedule), price ($/MWh, with the reactive power of the power
        factor), value ($ that the site pays), unit; without rows if it was not audited.
    day_ahead : float or None
        With two settlements: what the schedule pays day ahead ($).
    rounds : DataFrame or None
        Of the AC form: columns round, objective, bound, cost_of_the_last ($, of the last round's
        decisions at this round's points), voltage_change (pu), schedule_change (kW).
    ac : AcCheck or None
        Of the AC form: the AC OPF of each scenario at the answer.
    """

    status: str
    objective: float
    bound: float
    gap: float
    first_stage: pd.DataFrame
    starts: pd.DataFrame
    by_scenario: pd.DataFrame
    schedule: pd.DataFrame
    prices: pd.DataFrame | None = None
    audit: StochasticAudit | None = None
    times: dict[str, float] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problem: TwoStage | None = None
    found: Found | None = None
    models: Any = None
    settlements: pd.DataFrame | None = None
    day_ahead: float | None = None
    rounds: pd.DataFrame | None = None
    ac: AcCheck | None = None
    _value: Value | None = None

    def value(self, gap: float | None = None, time_limit: float | None = None) -> Value:
        """What knowing the scenario, and planning with all of them, is worth; solved once.

        Parameters
        ----------
        gap : float, optional
            Relative, of each problem; None: that of the solve.
        time_limit : float, optional
            Seconds.

        Returns
        -------
        Value

        Raises
        ------
        ModelError
            Of the AC form, and of two settlements.
        """
        if self.rounds is not None:
            raise ModelError.at("StochasticResult.value", "is not known to the AC form",
                                'Ask it of the linear form: opf["form"]="lindist".')
        if self.day_ahead is not None:
            raise ModelError.at("StochasticResult.value", "is of two settlements, and would count "
                                "one", "Solve with settlement='one'.")
        if self._value is None:
            self._value = value_of(self, gap, time_limit)
        return self._value

    @property
    def decision(self) -> Decision:
        """What is decided first, by itself.

        Raises
        ------
        ModelError
            There is none.
        """
        if self.problem is None or self.found is None or self.found.x is None:
            raise ModelError.at("StochasticResult", f"has no decision ({self.status})",
                                "Give it more time, or see its notes.")
        return Decision(self.problem.first, self.found.x, self.problem.terms,
                        "one" if self.day_ahead is None else "two", self.day_ahead or 0.0)

    def evaluate(self, scenarios: Scenarios, **options: Any) -> Evaluation:
        """What the decision comes to in scenarios that it was not made with.

        Parameters
        ----------
        scenarios : Scenarios
        **options
            Of `evaluate`.

        Returns
        -------
        Evaluation
        """
        return evaluate(self, self.models.market, scenarios,
                        **{"atlas": self.models.atlas, **options})

    def check_ac(self, scenarios: Iterable[str] | None = None, **options: Any) -> AcCheck:
        """What the decision comes to in AC: the DSO's AC OPF of each scenario at its powers.

        Parameters
        ----------
        scenarios : iterable of str, optional
            Names; None: all that have an answer.
        **options
            Of `uncertainty.check_ac`.

        Returns
        -------
        AcCheck
        """
        return check_ac(self, scenarios, **options)

    @property
    def decided(self) -> Decided:
        """What the leader does in the scenarios.

        Raises
        ------
        ModelError
            There is no decision.
        """
        own = self.decision.cost - self.decision.day_ahead  # which costs by scenario hold
        assert self.problem is not None and self.found is not None
        values = {r.scenario.name: r.scenario.named(z) for r, z in zip(
            self.problem.recourses, self.found.decisions, strict=True)}
        return Decided(self.models.market, self.models.scenarios, values, self.by_scenario, own,
                       self.day_ahead is None)

    @property
    def evpi(self) -> tuple[float, float]:
        """Expected value of perfect information ($): proven least and greatest."""
        return self.value().evpi

    @property
    def vss(self) -> tuple[float, float]:
        """Value of the stochastic solution ($): proven least and greatest."""
        return self.value().vss

    def __repr__(self) -> str:
        audit = "no audit" if self.audit is None else (
            "audit passed" if self.audit.passed else "audit FAILED")
        return (f"<StochasticResult {self.status}: objective {self.objective:.6g} $, bound "
                f"{self.bound:.6g} $, {len(self.by_scenario)} scenarios, {audit}>")

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>{self.by_scenario.to_html(index=False)}"


def tables_of(problem: TwoStage, found: Found, labels: list) -> dict[str, Any]:
    """First stage, starts, costs by scenario and schedules of a search that has a point.

    Parameters
    ----------
    problem
        The two-stage problem.
    found
        Its solution.
    labels
        Of the periods.

    Returns
    -------
    dict of str to DataFrame
    """
    assert found.x is not None
    first, starts = [], []
    for label, x in zip(problem.first.labels, found.x.tolist(), strict=True):
        if label[0] == "schedule":
            first.append(("schedule", label[1], labels[label[2]], KILO * x))
        elif label[0] == "capacity":
            first.append(("capacity", label[1], None, KILO * x))
        elif x > 0.5:
            starts.append(label[1])
    rows, schedule = [], []
    for r, z, cost in zip(problem.recourses, found.decisions, found.costs, strict=True):
        one, apart = r.scenario, deviation_cost(r, z)
        mw = one.mw(z)
        up, down = np.zeros((2, *mw.shape)) if r.deviations is None else z[r.deviations]
        rows.append((one.name, one.probability, cost, cost - apart, apart,
                     one.hours * float((up + down).sum()), one.hours * float(mw.sum())))
        schedule += [
            (one.name, site, t, KILO * p, KILO * a, KILO * b)
            for site, *lines in zip(one.sites, mw.tolist(), up.tolist(), down.tolist(), strict=True)
            for t, p, a, b in zip(labels, *lines, strict=True)]
    return {"first_stage": pd.DataFrame(first, columns=FIRST),
            "starts": pd.DataFrame(starts, columns=STARTS),
            "by_scenario": pd.DataFrame(rows, columns=BY_SCENARIO),
            "schedule": pd.DataFrame(schedule, columns=SCHEDULE)}


def prices_of(problem: TwoStage, points: list[ScenarioPoint]) -> pd.DataFrame:
    """Prices by scenario.

    Parameters
    ----------
    problem
        The two-stage problem.
    points
        Of its scenarios.

    Returns
    -------
    DataFrame
    """
    rows = [(r.scenario.name, bus, phase, t, quantity, x, _UNITS[quantity])
            for r, point in zip(problem.recourses, points, strict=True)
            for bus, phase, quantity, values in point.read.prices
            for t, x in zip(point.periods, values, strict=True)]
    return pd.DataFrame(rows, columns=PRICES)


def empty_tables() -> dict[str, Any]:
    """Tables of a search without a point."""
    return {"first_stage": pd.DataFrame(columns=FIRST), "starts": pd.DataFrame(columns=STARTS),
            "by_scenario": pd.DataFrame(columns=BY_SCENARIO),
            "schedule": pd.DataFrame(columns=SCHEDULE)}
