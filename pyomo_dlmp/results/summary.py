"""A case in a few numbers: payments, cost, energy, losses, voltages, unbalance, prices."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.blocks.parallel import branch_blocks
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.opf.soft_limits import broken_limits, soft_limits
from pyomo_dlmp.results.ac_elements import ac_losses
from pyomo_dlmp.results.loading import high_loading
from pyomo_dlmp.results.schema import SUMMARY
from pyomo_dlmp.results.voltages import exact
from pyomo_dlmp.tolerances import ACTIVE, SAME_MONEY


@renamed_arguments(net="network")
def summary_table(dso, network, tables: dict[str, pd.DataFrame],
                  busy: Collection | None = None) -> pd.DataFrame:
    """A solved DSO in a few numbers.

    Parameters
    ----------
    dso : block
        Filled by `build_opf` and solved by `solve_bilevel` or `solve_opf`.
    network : Network
        The network that the DSO's block was built from.
    tables : dict of str to DataFrame
        prices, voltages, unbalance, dispatch and payments, without `case`.
    busy : collection of periods, optional
        Hours of high loading, for which voltage and unbalance at the datacenters are told apart
        from those of all hours; by default those of this dispatch (`high_loading`).

    Returns
    -------
    DataFrame
        Columns quantity, value, unit.
    """
    sites = sorted({dc.bus for dc in network.datacenters.values()})
    rows = [
        *_money(dso, tables), *_energy(dso, tables["dispatch"]),
        *_prices(tables["prices"], sites), *_voltages(dso, tables["voltages"], sites),
        *_unbalance(tables["unbalance"], sites), *_congestion(dso),
    ]
    if sites:
        busy = high_loading(tables["dispatch"]) if busy is None else busy
        rows += _busy(tables, sites, list(busy), dso.period_hours)
    return SUMMARY.frame(rows)


def _money(dso, tables) -> Iterable[tuple]:
    paid = tables["payments"].groupby("quantity")["value"].sum()
    if len(paid):
        yield "datacenters_pay", paid.sum(), "$"
        yield from ((_paid_for(q), paid[q], "$") for q in paid.index)
    yield "cost_of_the_DSO", value(dso.cost), "$"
    for what, kinds in (("voltage", (dso.bus,)), ("thermal", (dso.line, dso.transformer))):
        soft = [value(b.cost) for kind in kinds for b in kind.values()
                if b.component("cost") is not None]
        if soft:
            yield f"penalty_for_{what}_violations", sum(soft), "$"


def _paid_for(quantity: str) -> str:
    words = quantity.replace(" ", "_")
    return f"datacenters_pay_for_{words}" + ("_power" if quantity in ("active", "reactive") else "")


def _energy(dso, dispatch) -> Iterable[tuple]:
    hours = dso.period_hours
    active = dispatch[dispatch["quantity"] == "active"].groupby("kind")["value"].sum() * hours
    names = {"substation": "energy_from_the_substation", "generator": "energy_of_generators",
             "datacenter": "energy_of_datacenters"}
    yield from ((names[k], active[k], "MWh") for k in names if k in active.index)
    losses = ac_losses(dso) if exact(dso) else [
        value(b.loss[t]) for _, b in branch_blocks(dso) if b.component("loss") is not None
        for t in dso.periods]
    if len(losses):
        yield "losses", hours * sum(losses), "MWh"


def _prices(prices, sites) -> Iterable[tuple]:
    for quantity, unit in (("active", "$/MWh"), ("reactive", "$/Mvarh")):
        rows = prices[prices["quantity"] == quantity]
        here = rows[rows["bus"].isin(sites)]["value"]
        yield f"mean_{quantity}_price", rows["value"].mean(), unit
        if len(here):
            yield f"mean_{quantity}_price_at_datacenters", here.mean(), unit
        if quantity == "active":
            yield "highest_active_price", rows["value"].max(), unit
            phases = rows.groupby(["bus", "period"])["value"]
            yield "greatest_price_spread_between_phases", (phases.max() - phases.min()).max(), unit


def _voltages(dso, voltages, sites) -> Iterable[tuple]:
    neutral = voltages[voltages["quantity"] == "line_to_neutral"]
    here = neutral[neutral["bus"].isin(sites)]["value"]
    if len(here):
        yield "lowest_voltage_at_datacenters", here.min(), "pu"
    yield "lowest_voltage", neutral["value"].min(), "pu"
    yield "highest_voltage", neutral["value"].max(), "pu"
    yield "voltages_at_a_limit", _binding(dso), "count"
    if soft_limits(dso):
        broken = broken_limits(dso)
        yield "voltages_beyond_a_limit", 0 if broken is None else broken.count, "count"
        if broken is not None:
            yield "voltage_furthest_beyond_its_limit", broken.worst, ""


def _binding(dso) -> int:
    """Bus voltages (by phase and period) at their lower or upper limit."""
    count = 0
    for bus in dso.bus.values():
        for row, sign in (("v_low", 1), ("v_high", -1)):
            if bus.component(row) is None:
                continue
            for k, con in bus.component(row).items():
                limit = value(con.lower if sign > 0 else con.upper)
                count += sign * (value(bus.w[k]) - limit) <= 2 * ACTIVE
    return count


def _congestion(dso) -> Iterable[tuple]:
    """Rated branch phases (by period) whose limit has a price."""
    duals, limited, binding = dso.component("dual"), 0, set()
    for branch in (*dso.line.values(), *dso.transformer.values()):
        if branch.component("thermal") is not None:
            limited += 1
            binding |= {(branch.name, phase, t) for (phase, t, _), row in branch.thermal.items()
                        if abs(duals.get(row, 0.0)) > SAME_MONEY}
    if limited:
        yield "thermal_limits_at_their_rating", len(binding), "count"


def _unbalance(unbalance, sites) -> Iterable[tuple]:
    for quantity, rows in unbalance.groupby("quantity", sort=False):
        here = rows[rows["bus"].isin(sites)]["value"]
        yield f"greatest_{quantity}", rows["value"].max(), "%"
        if len(here):
            yield f"greatest_{quantity}_at_datacenters", here.max(), "%"
            yield f"mean_{quantity}_at_datacenters", here.mean(), "%"


def _busy(tables, sites, busy: list, hours: float) -> Iterable[tuple]:
    """Voltage and unbalance at the datacenters in the hours of high loading."""
    yield "hours_of_high_loading", hours * len(busy), "h"
    voltages, unbalance = (rows[rows["bus"].isin(sites) & rows["period"].isin(busy)]
                           for rows in (tables["voltages"], tables["unbalance"]))
    neutral = voltages[voltages["quantity"] == "line_to_neutral"]["value"]
    if len(neutral):
        yield "lowest_voltage_at_datacenters_at_high_loading", neutral.min(), "pu"
    for quantity, rows in unbalance.groupby("quantity", sort=False):
        yield f"mean_{quantity}_at_datacenters_at_high_loading", rows["value"].mean(), "%"
