"""Decisions of the linear form, checked in AC scenario by scenario.

The leader's powers in a scenario stand; the DSO's AC OPF at them (`ac_opf`) says what they cost
there, which limits are broken, and at which prices. Nothing of the search is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.ac_opf.answer import answer_of
from pyomo_dlmp.errors import ModelError, SolverError, nearest
from pyomo_dlmp.market import Market
from pyomo_dlmp.market.ac_checks import BEYOND, voltages_beyond
from pyomo_dlmp.market.dso import AcDso, bilevel_of, charged_at
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.statistics import mean_interval, share_interval

TABLE = ["scenario", "probability", "settled", "dso_cost", "payment", "payment_ac",
         "deviation_cost", "cost_ac", "v_min", "v_max", "limits_broken", "beyond_pu",
         "engine_difference", "note"]
PRICES = ["scenario", "bus", "phase", "period", "quantity", "value", "unit"]
_OWN = ("losses", "operating_point")
Progress = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class Decided:
    """What a leader does in scenarios.

    Attributes
    ----------
    market, scenarios
        What they are of.
    values : dict of str to dict of str to float
        By scenario the values of the leader's Vars by name.
    costs : DataFrame
        Columns scenario, cost, payment, deviation_cost ($), of the linear form.
    own : float
        What the decision itself costs ($).
    one_settlement : bool
        Whether powers are paid at the scenario's prices; False: payments in AC are left out.
    """

    market: Market
    scenarios: Scenarios
    values: dict[str, dict[str, float]]
    costs: pd.DataFrame
    own: float = 0.0
    one_settlement: bool = True


@dataclass(repr=False)
class AcCheck:
    """Decisions in AC, by scenario.

    Attributes
    ----------
    table : DataFrame
        Columns scenario, probability, settled (whether the AC OPF has converged), dso_cost ($, of
        the AC OPF), payment and payment_ac ($, at linear and at AC prices), deviation_cost, cost_ac
        ($: payment in AC and deviations; both nan where it is paid in two settlements), v_min,
        v_max (pu, of all phases in all periods), limits_broken (voltages beyond their limits by
        more than 1e-5 pu), beyond_pu (the greatest of them), engine_difference (greatest difference
        of a voltage to the OpenDSS engine, pu; nan: not asked for), note (why there is no answer).
    prices : DataFrame
        Columns scenario, bus, phase, period, quantity, value, unit, in AC.
    summary : DataFrame
        Columns quantity, value, low, high, unit: "mean_cost", "mean_cost_linear",
        "mean_difference" (AC less linear), "broken_share" (of scenarios with a broken limit).
    """

    table: pd.DataFrame
    prices: pd.DataFrame
    summary: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether the AC OPF of every scenario settled."""
        return bool(self.table["settled"].all())

    def __repr__(self) -> str:
        rows = self.summary.set_index("quantity")["value"]
        broken = int((self.table["limits_broken"] > 0).sum())
        word = "" if self.settled else f", {int((~self.table['settled']).sum())} NOT settled"
        return (f"<AcCheck of {len(self.table)} scenarios: mean cost {rows['mean_cost']:.6g} $ "
                f"(linear {rows['mean_cost_linear']:.6g} $), {broken} with broken limits{word}>")


def check_ac(result: Any, scenarios: Iterable[str] | None = None, *, buses: Iterable[str] = (),
             engine: bool = True, level: float = 0.95, time_limit: float | None = None,
             progress: Progress | None = None) -> AcCheck:
    """Solve the DSO's AC OPF of each scenario at the leader's powers.

    Parameters
    ----------
    result : StochasticResult or Evaluation
        With a decision.
    scenarios : iterable of str, optional
        Names of those that are checked; None: all that have an answer.
    buses : iterable of str
        Whose prices are read beside those of the datacenters' buses.
    engine : bool
        Whether the OpenDSS engine confirms each power flow.
    level : float
        Of the intervals.
    time_limit : float, optional
        Seconds; what is finished by then is returned.
    progress : callable, optional
        progress("AC", done, total, seconds left).

    Returns
    -------
    AcCheck
        Also after a time limit or Ctrl-C: of the scenarios that are finished.

    Raises
    ------
    ModelError
        There is no decision, a scenario is unknown or has no answer, or the market has what the AC
        form does not.
    KeyboardInterrupt
        Ctrl-C before a scenario was finished.
    """
    decided = result.decided
    names = list(decided.values if scenarios is None else scenarios)
    for name in names:
        if name not in decided.values:
            raise ModelError.at("check_ac", f"names the scenario {name!r}, which has no answer",
                                nearest(name, decided.values))
    if not names:
        raise ModelError.at("check_ac", "has no scenario with an answer", "")
    check = _Check(decided, [*buses], engine)
    began, done = time.monotonic(), 0
    try:
        for name in names:
            check.add(name)
            done += 1
            used = time.monotonic() - began
            if progress is not None:
                progress("AC", done, len(names), used / done * (len(names) - done))
            if time_limit is not None and used >= time_limit:
                break
    except KeyboardInterrupt:
        if not done:
            raise
    return check.result(len(names), level)


class _Check:
    """Scenarios in AC, one after another."""

    def __init__(self, decided: Decided, buses: list[str], engine: bool):
        self.decided, self.engine = decided, engine
        self.models = ScenarioModels(decided.market, decided.scenarios)
        self.buses = {*(dc.bus for dc in decided.market.network.datacenters.values()), *buses}
        self.costs = decided.costs.set_index("scenario")
        self.of_linear = {key: self.costs[key].to_dict() for key in ("payment", "deviation_cost")}
        self.rows: list[tuple] = []
        self.prices: list[pd.DataFrame] = []

    def add(self, name: str) -> None:
        """Check a scenario."""
        values, apart = self.decided.values[name], float(self.of_linear["deviation_cost"][name])
        before = (name, self.decided.scenarios.probability(name))
        paid = float(self.of_linear["payment"][name])
        market, none = in_ac_form(self.models.market_of(name)), float("nan")
        try:
            m, dso = bilevel_of(market, start=schedule_of(market, values))
            assert isinstance(dso, AcDso)
            load_decided(m, values)
            dso.clear()
        except SolverError as err:
            self.rows.append((*before, False, none, paid, none, apart, *[none] * 6, str(err)))
            return
        answer = answer_of(dso.loop, dso.rounds, check=self.engine)
        over = [x for x in voltages_beyond(dso.model) if x > BEYOND]
        volts = np.abs(list(dso.loop.point.voltages.values()))
        in_ac = float(pyo.value(m.dca.cost)) + charged_at(m)
        if not self.decided.one_settlement:
            in_ac = none
        self.rows.append((
            *before, bool(answer.settled), answer.cost, paid, in_ac, apart, in_ac + apart,
            float(volts.min()), float(volts.max()), len(over), max(over, default=0.0),
            answer.engine_difference, "; ".join(dso.notes)))
        mine = answer.prices[answer.prices["bus"].isin(self.buses)].copy()
        mine.insert(0, "scenario", name)
        self.prices.append(mine[PRICES])

    def result(self, wanted: int, level: float) -> AcCheck:
        """What was checked, of as many as were wanted."""
        table = pd.DataFrame(self.rows, columns=TABLE)
        notes = [] if len(table) == wanted else [
            f"{len(table)} of {wanted} scenarios: the means are of these"]
        prices = pd.concat(self.prices, ignore_index=True) if self.prices else pd.DataFrame(
            columns=PRICES)
        return AcCheck(table, prices, _summary(table, self.costs, self.decided.own, level), notes)


def in_ac_form(market: Market) -> Market:
    """A market with its DSO in the AC form, which has losses and points of its own."""
    options = {key: x for key, x in market.opf.items() if key not in _OWN}
    return replace(market, opf={**options, "form": "ac"})


def load_decided(m: Any, values: Mapping[str, float]) -> None:
    """Give a bilevel model's Vars the values that are known by name."""
    for var in m.component_data_objects(pyo.Var, descend_into=True):
        value = values.get(var.name)
        if value is not None and not var.fixed:
            var.set_value(value, skip_validation=True)


def schedule_of(market: Market, values: Mapping[str, float]) -> dict[str, list[float]]:
    """kW of the datacenters of a market by period, where values name their Vars."""
    found: dict[str, list[float]] = {}
    for site in market.network.datacenters:
        kw = [KILO * x for name, x in values.items()
              if name.startswith(f"dso.datacenter[{site}].p[")]
        if kw:
            found[site] = kw
    return found


def _summary(table: pd.DataFrame, costs: pd.DataFrame, own: float, level: float) -> pd.DataFrame:
    rows: list[tuple] = []
    there = table[table["cost_ac"].notna()]
    p = there["probability"].to_numpy(float)
    if p.sum() > 0:
        p = p / p.sum()
        cost = there["cost_ac"].to_numpy(float)
        linear = costs.loc[there["scenario"], "cost"].to_numpy(float)
        rows += [(name, *mean_interval(x, p, level), "$") for name, x in (
            ("mean_cost", own + cost), ("mean_cost_linear", own + linear),
            ("mean_difference", cost - linear))]
    else:
        rows += [(name, np.nan, np.nan, np.nan, "$") for name in ("mean_cost", "mean_cost_linear")]
    flows = table[table["v_min"].notna()]
    p = flows["probability"].to_numpy(float)
    if p.sum() > 0:
        p = p / p.sum()
        broken, draws = float(p[flows["limits_broken"].to_numpy() > 0].sum()), 1.0 / float(p @ p)
        rows.append(("broken_share", broken, *share_interval(broken * draws, draws, level), "1"))
    return pd.DataFrame(rows, columns=["quantity", "value", "low", "high", "unit"])
