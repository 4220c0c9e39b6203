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

TABLE = ["scenario", "probability", "settled", "dso_cost", "payment", "payment_linear",
         "deviation_cost", "cost", "limits_broken", "beyond_pu", "engine_difference", "note"]
PRICES = ["scenario", "bus", "phase", "period", "quantity", "value", "unit"]
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
    """

    market: Market
    scenarios: Scenarios
    values: dict[str, dict[str, float]]
    costs: pd.DataFrame
    own: float = 0.0


@dataclass(repr=False)
class AcCheck:
    """Decisions in AC, by scenario.

    Attributes
    ----------
    table : DataFrame
        Columns scenario, probability, settled, dso_cost ($, of the AC OPF), payment ($, at AC
        prices) and payment_linear, deviation_cost, cost ($: payment and deviations, in AC),
        limits_broken (voltages beyond their limits by more than 1e-5 pu), beyond_pu (the greatest
        of them), engine_difference (greatest difference of a voltage to the OpenDSS engine, pu;
        nan: not asked for), note.
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


def check_in_ac(decided: Decided, names: Iterable[str] | None = None, *,
                buses: Iterable[str] = (), engine: bool = False, level: float = 0.95,
                time_limit: float | None = None, progress: Progress | None = None) -> AcCheck:
    """Solve the DSO's AC OPF of each scenario at the leader's powers.

    Parameters
    ----------
    decided : Decided
    names : iterable of str, optional
        Of scenarios; None: all that have an answer.
    buses : iterable of str
        Whose prices are read beside those of the datacenters' buses.
    engine : bool
        Whether the voltages are compared with the OpenDSS engine's.
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
        A scenario is unknown or has no answer, or the market has what the AC form does not.
    KeyboardInterrupt
        Ctrl-C before a scenario was finished.
    """
    chosen = list(decided.values if names is None else names)
    for name in chosen:
        if name not in decided.values:
            raise ModelError.at("check in AC", f"names the scenario {name!r}, which has no answer",
                                nearest(name, decided.values))
    if not chosen:
        raise ModelError.at("check in AC", "has no scenario with an answer", "")
    models = ScenarioModels(decided.market, decided.scenarios)
    sites = [dc.bus for dc in decided.market.network.datacenters.values()]
    wanted = [*dict.fromkeys([*sites, *buses])]
    costs = decided.costs.set_index("scenario")
    rows: list[tuple] = []
    prices: list[pd.DataFrame] = []
    began = time.monotonic()
    try:
        for k, name in enumerate(chosen, 1):
            row, table = _checked(in_ac_form(models.market_of(name)), decided.values[name], engine)
            linear = costs.loc[name]
            paid, apart = row.pop("payment"), float(linear["deviation_cost"])
            rows.append((name, decided.scenarios.probability(name), row["settled"],
                         row["dso_cost"], paid, float(linear["payment"]), apart, paid + apart,
                         row["broken"], row["beyond"], row["engine"], row["note"]))
            if table is not None:
                mine = table[table["bus"].isin(wanted)].copy()
                mine.insert(0, "scenario", name)
                prices.append(mine[PRICES])
            used = time.monotonic() - began
            if progress is not None:
                progress("AC", k, len(chosen), used / k * (len(chosen) - k))
            if time_limit is not None and used >= time_limit:
                break
    except KeyboardInterrupt:
        if not rows:
            raise
    found = pd.DataFrame(rows, columns=TABLE)
    notes = [] if len(found) == len(chosen) else [
        f"{len(found)} of {len(chosen)} scenarios: the means are of these"]
    return AcCheck(found, pd.concat(prices, ignore_index=True) if prices else pd.DataFrame(
        columns=PRICES), _summary(found, costs, decided.own, level), notes)


def in_ac_form(market: Market) -> Market:
    """A market with its DSO in the AC form."""
    return replace(market, opf={**market.opf, "form": "ac"})


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


def _checked(market: Market, values: Mapping[str, float], engine: bool,
             ) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """(a scenario's row, its prices or None) in AC."""
    nothing: dict[str, Any] = dict.fromkeys(("dso_cost", "payment", "beyond", "engine"), np.nan)
    try:
        m, dso = bilevel_of(market, start=schedule_of(market, values))
        assert isinstance(dso, AcDso)
        load_decided(m, values)
        dso.clear()
    except SolverError as err:
        return {**nothing, "settled": False, "broken": np.nan, "note": str(err)}, None
    answer = answer_of(dso.loop, dso.rounds, check=engine)
    over = [x for x in voltages_beyond(dso.model) if x > BEYOND]
    return {"settled": bool(answer.settled), "dso_cost": answer.cost,
            "payment": float(pyo.value(m.dca.cost)) + charged_at(m), "broken": len(over),
            "beyond": max(over, default=0.0), "engine": answer.engine_difference,
            "note": "; ".join(dso.notes)}, answer.prices


def _summary(table: pd.DataFrame, costs: pd.DataFrame, own: float, level: float) -> pd.DataFrame:
    there = table[table["cost"].notna()]
    rows: list[tuple] = []
    linear = costs.loc[there["scenario"], "cost"].to_numpy(float)
    p = there["probability"].to_numpy(float)
    if p.sum() > 0:
        p = p / p.sum()
        cost = there["cost"].to_numpy(float)
        for name, x in (("mean_cost", own + cost), ("mean_cost_linear", own + linear),
                        ("mean_difference", cost - linear)):
            rows.append((name, *mean_interval(x, p, level), "$"))
        broken, draws = float(p[there["limits_broken"].to_numpy() > 0].sum()), 1.0 / float(p @ p)
        rows.append(("broken_share", broken, *share_interval(broken * draws, draws, level), "1"))
    else:
        rows += [(name, np.nan, np.nan, np.nan, "$") for name in ("mean_cost", "mean_cost_linear")]
    return pd.DataFrame(rows, columns=["quantity", "value", "low", "high", "unit"])
