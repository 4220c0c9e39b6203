"""What a decision comes to in scenarios that it was not made with, and two decisions beside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.status import Status
from pyomo_dlmp.uncertainty.ac_check import AcCheck, Decided, check_ac
from pyomo_dlmp.uncertainty.decision import Decision
from pyomo_dlmp.uncertainty.one_by_one import OneByOne, Outcome
from pyomo_dlmp.uncertainty.risk import CVaR
from pyomo_dlmp.uncertainty.statistics import bootstrap_interval, mean_interval, share_interval

BY_SCENARIO = ["scenario", "probability", "status", "cost", "bound", "payment", "deviation_cost",
               "deviation_mwh", "energy_mwh", "missing", "missing_mwh", "missing_kw", "judged"]
SCHEDULE = ["scenario", "site", "period", "kw", "up_kw", "down_kw"]
SUMMARY = ["quantity", "value", "low", "high", "unit"]
_QUANTILES = (0.05, 0.5, 0.95)


@dataclass(repr=False)
class Evaluation:
    """A decision in new scenarios.

    Attributes
    ----------
    by_scenario : DataFrame
        Columns scenario, probability, status, cost ($, without what the decision itself costs),
        bound (proven, of the best answer), payment, deviation_cost ($), deviation_mwh, energy_mwh;
        where there is no answer missing (in words), missing_mwh and missing_kw (least room beyond
        the decision that would do, and its greatest power); judged ("passed": payment and
        optimality were also read from the DSO's own point).
    schedule : DataFrame
        Columns scenario, site, period, kw, up_kw, down_kw.
    summary : DataFrame
        Columns quantity, value, low, high (ends of the interval), unit. Of the scenarios with an
        answer, what the decision itself costs included: "mean_cost", "mean_bound", quantiles
        ("cost_q0.95" ...), "CVaR_0.95"; "infeasible_share" of all.
    decision : Decision
    level : float
        Of the intervals.
    total : int
        Number of scenarios; fewer rows where a limit of time or Ctrl-C ended it.
    cpu : float
        Seconds of all processes.
    notes : list of str
    decided : Decided
        What the leader does in the scenarios.
    """

    by_scenario: pd.DataFrame
    schedule: pd.DataFrame
    summary: pd.DataFrame
    decision: Decision
    level: float
    total: int
    cpu: float = 0.0
    notes: list[str] = field(default_factory=list)
    decided: Decided = None  # type: ignore[assignment]

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

    def _value(self, quantity: str, column: str = "value") -> float:
        return float(self.summary.set_index("quantity")[column].to_dict()[quantity])

    @property
    def mean_cost(self) -> float:
        """Of the scenarios with an answer ($)."""
        return self._value("mean_cost")

    @property
    def interval(self) -> tuple[float, float]:
        """Of the mean cost ($)."""
        return self._value("mean_cost", "low"), self._value("mean_cost", "high")

    @property
    def infeasible(self) -> pd.DataFrame:
        """The scenarios without an answer, and what is missing in each."""
        rows = self.by_scenario[self.by_scenario["status"] == str(Status.INFEASIBLE)]
        return rows[["scenario", "probability", "missing", "missing_mwh", "missing_kw"]]

    def compare(self, other: Evaluation, level: float | None = None) -> Comparison:
        """This decision less another in the scenarios that both have an answer in, pair by pair.

        What both scenarios share is no noise of the difference: its interval is much narrower
        than those of the two means (common random numbers).

        Parameters
        ----------
        other : Evaluation
            Of scenarios of the same names.
        level : float, optional
            Of the intervals; None: that of this evaluation.

        Returns
        -------
        Comparison

        Raises
        ------
        ModelError
            They have no scenario in common.
        """
        return compared(self, other, self.level if level is None else level)

    def __repr__(self) -> str:
        low, high = self.interval
        none = len(self.infeasible)
        failed = int((self.by_scenario["judged"] == "failed").sum())
        return (f"<Evaluation of {len(self.by_scenario)} of {self.total} scenarios: mean cost "
                f"{self.mean_cost:.6g} $ ({low:.6g} to {high:.6g} with {100 * self.level:g} %), "
                f"{none} without an answer" + (f", {failed} checks FAILED" if failed else "") + ">")

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>{self.summary.to_html(index=False)}"


@dataclass(repr=False)
class Comparison:
    """Two decisions on common scenarios.

    Attributes
    ----------
    by_scenario : DataFrame
        Columns scenario, probability, one, other, difference ($, with what the decisions cost
        themselves).
    summary : DataFrame
        Columns quantity, value, low, high, unit: "mean_difference", "share_cheaper" (of the first
        one), "only_one_infeasible" and "only_other_infeasible" (numbers of scenarios).
    """

    by_scenario: pd.DataFrame
    summary: pd.DataFrame

    def __repr__(self) -> str:
        row = self.summary.iloc[0]
        return (f"<Comparison on {len(self.by_scenario)} scenarios: {row['value']:.4g} $ "
                f"({row['low']:.4g} to {row['high']:.4g})>")


def evaluation_of(outcomes: list[Outcome], schedule: list[tuple], solver: OneByOne,
                  level: float, tail: float) -> Evaluation:
    """Tables of outcomes.

    Parameters
    ----------
    outcomes
        Those that are there, in any order.
    schedule
        Their powers, rows of `SCHEDULE`.
    solver
        Whose outcomes they are.
    level
        Of the intervals.
    tail
        Of CVaR.

    Returns
    -------
    Evaluation
    """
    rows = []
    scenarios, decision = solver.scenarios, solver.decision
    hours = float(solver.market.opf.get("hours", 1.0))
    for o in sorted(outcomes, key=lambda o: o.number):
        found = o.cost == o.cost
        rows.append((
            scenarios.names[o.number], scenarios.probabilities[o.number], o.status, o.cost, o.bound,
            o.cost - o.deviation_cost, o.deviation_cost,
            hours * float((o.up_mw + o.down_mw).sum()) if found else np.nan,
            hours * float(o.mw.sum()) if found else np.nan,
            o.missing, o.missing_mwh, o.missing_kw, o.judged))
    table = pd.DataFrame(rows, columns=BY_SCENARIO)
    order = {name: k for k, name in enumerate(scenarios.names)}
    powers = pd.DataFrame(schedule, columns=SCHEDULE).sort_values(
        "scenario", key=lambda c: c.map(order), kind="stable", ignore_index=True)
    notes = []
    if len(table) < scenarios.count:
        notes.append(f"{len(table)} of {scenarios.count} scenarios: the means are of these")
    for word, column in (("failed", "status"), ("failed", "judged")):
        names = table.loc[table[column] == word, "scenario"]
        if len(names):
            notes.append(f"{column} is {word} in {len(names)} ({', '.join(names[:3])} ...)")
    decided = Decided(
        solver.market, scenarios, {scenarios.names[o.number]: o.values for o in sorted(
            outcomes, key=lambda o: o.number) if o.values}, table, decision.cost,
        decision.settlement == "one")
    return Evaluation(table, powers, summary_of(table, decision.cost, level, tail), decision,
                      level, scenarios.count, sum(o.cpu for o in outcomes), notes, decided)


def summary_of(table: pd.DataFrame, own: float, level: float, tail: float) -> pd.DataFrame:
    """The summary of a table by scenario.

    Parameters
    ----------
    table
        Columns `BY_SCENARIO`.
    own
        What the decision itself costs ($).
    level
        Of the intervals.
    tail
        Of CVaR.

    Returns
    -------
    DataFrame
    """
    there = table[table["cost"].notna() & (table["probability"] > 0)]
    rows: list[tuple] = []
    if len(there):
        p = there["probability"].to_numpy(float)
        p = p / p.sum()
        cost, bound = (own + there[key].to_numpy(float) for key in ("cost", "bound"))
        rows += [("mean_cost", *mean_interval(cost, p, level), "$"),
                 ("mean_bound", *mean_interval(bound, p, level), "$")]
        of = {f"cost_q{share:g}": CVaR(level=share).quantile for share in _QUANTILES}
        of[f"CVaR_{tail:g}"] = CVaR(level=tail).tail_mean
        rows += [(name, f(cost, p), *bootstrap_interval(f, cost, p, level), "$")
                 for name, f in of.items()]
    else:
        rows += [(name, np.nan, np.nan, np.nan, "$") for name in ("mean_cost", "mean_bound")]
    weights = table["probability"].to_numpy(float)
    weights = weights / weights.sum() if weights.sum() > 0 else weights
    none = float(weights[(table["status"] == str(Status.INFEASIBLE)).to_numpy()].sum())
    draws = 1.0 / max(float(weights @ weights), np.finfo(float).tiny)
    rows.append(("infeasible_share", none, *share_interval(none * draws, draws, level), "1"))
    return pd.DataFrame(rows, columns=SUMMARY)


def compared(one: Evaluation, other: Evaluation, level: float) -> Comparison:
    """As of `Evaluation.compare`.

    Parameters
    ----------
    one, other
        On common scenarios.
    level
        Of the intervals.

    Returns
    -------
    Comparison
    """
    both = one.by_scenario.merge(other.by_scenario, on="scenario", suffixes=("", "_other"))
    none = [(both[key] == str(Status.INFEASIBLE)).to_numpy(bool)
            for key in ("status", "status_other")]
    pairs = both[both["cost"].notna() & both["cost_other"].notna() & (both["probability"] > 0)]
    if pairs.empty:
        raise ModelError.at("Evaluation.compare", "the evaluations have no scenario in common in "
                            "which both have an answer", "Evaluate both on the same scenarios.")
    table = pd.DataFrame({
        "scenario": pairs["scenario"], "probability": pairs["probability"],
        "one": pairs["cost"] + one.decision.cost,
        "other": pairs["cost_other"] + other.decision.cost}).reset_index(drop=True)
    table["difference"] = table["one"] - table["other"]
    p = table["probability"].to_numpy(float)
    p = p / p.sum()
    apart = table["difference"].to_numpy(float)
    cheaper, draws = float(p[apart < 0].sum()), 1.0 / float(p @ p)
    rows = [("mean_difference", *mean_interval(apart, p, level), "$"),
            ("share_cheaper", cheaper, *share_interval(cheaper * draws, draws, level), "1"),
            *((f"only_{word}_infeasible", float((none[k] & ~none[1 - k]).sum()), np.nan, np.nan,
               "1") for k, word in enumerate(("one", "other")))]
    return Comparison(table, pd.DataFrame(rows, columns=SUMMARY))
