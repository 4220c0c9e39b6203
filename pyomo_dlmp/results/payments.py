"""What the datacenters pay, recomputed from the price table: price x quantity x hours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.market import MARKETS, Market, MarketResult
from pyomo_dlmp.market.contracts import Power
from pyomo_dlmp.network.series import by_period
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.results.dispatch import dispatch_table
from pyomo_dlmp.results.prices import balance_duals, customer_prices
from pyomo_dlmp.results.schema import PAYMENTS
from pyomo_dlmp.results.voltages import exact

QUANTITIES = {"active and reactive": ("active", "reactive"), "active": ("active",),
              "tariff": ("active",)}


@renamed_arguments(net="network")
def payments_table(
    prices: Any, dispatch: pd.DataFrame | None = None, network: Any = None,
    hours: float | None = None, pays: str = "active and reactive", tariff: Any = 0.0,
    of_devices: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What each datacenter pays in each period.

    A balanced site pays the mean over its phases, one with legs of its own the price of each leg;
    an SVG that a datacenter owns is paid for what it makes. This does not read the model's
    objective: it is the check of it.

    Parameters
    ----------
    prices : DataFrame or MarketResult
        A `prices_table` ($/MWh, $/Mvarh). What `solve_market` returned needs no other argument, and
        gives what is paid by its market's own rule.
    dispatch : DataFrame
        A `dispatch_table` (MW, Mvar).
    network : Network
        The network that the DSO's block was built from.
    hours : float
        Length of a period (h).
    pays : str
        "active and reactive", "active", or "tariff": `tariff` x active power.
    tariff : float or sequence of float
        $/MWh, one number or one per period.
    of_devices : DataFrame, optional
        Prices of the devices' legs themselves (`device_prices`): in the AC form a leg's price
        depends on the voltages at the operating point.

    Returns
    -------
    DataFrame
        Columns element, bus, period, quantity (only what is paid for), value ($), unit.
    """
    if isinstance(prices, MarketResult):
        return _of_an_outcome(prices)
    if dispatch is None or network is None or hours is None:
        raise ModelError.at("payments_table", "was given no outcome, and not all of prices, "
                            "dispatch, network and hours", "Give it what solve_market returned, or "
                            "these four.")
    owned = {name for name, svg in network.svgs.items() if svg.owner == "datacenter"}
    mine = dispatch[(dispatch["kind"] == "datacenter") | dispatch["element"].isin(owned)]
    parts = [_tariff(mine, hours, tariff)] if pays == "tariff" else [
        _payment(prices, rows, network, hours, QUANTITIES[pays], of_devices)
        for _, rows in mine.groupby("element", sort=False)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return PAYMENTS.frame([])
    return pd.concat(parts)[PAYMENTS.names].reset_index(drop=True)


def _of_an_outcome(outcome: MarketResult) -> pd.DataFrame:
    if outcome.of is None or outcome.dso is None:
        raise ModelError.at(f"market {outcome.market!r}", "has no model any more, or was not "
                            "solved by solve_market", "Make its tables before release().")
    dso, network = outcome.dso, outcome.network or outcome.of.network
    return market_payments(outcome, outcome.of, balance_duals(dso), dispatch_table(dso, network),
                           device_prices(dso, network) if exact(dso) else None)


def market_payments(
    outcome: MarketResult, market: Market, prices: pd.DataFrame, dispatch: pd.DataFrame,
    of_devices: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What each datacenter pays in each period of a market, by its own rule.

    Parameters
    ----------
    outcome : MarketResult
        Solved.
    market : Market
        That was solved.
    prices, dispatch : DataFrame
        As of `payments_table`.
    of_devices : DataFrame, optional
        As of `payments_table`.

    Returns
    -------
    DataFrame
        As of `payments_table`, and what a contract charges: a demand charge at the hour of the
        peak, what is paid for the whole horizon by equal parts of its hours.
    """
    row, hours = MARKETS[outcome.market], outcome.dso.period_hours
    tariff = market.tariff if outcome.tariff is None else outcome.tariff
    paid = payments_table(prices, dispatch, outcome.network or market.network, hours,
                          row.pays or market.pays, tariff, of_devices)
    if row.contract is None:
        return paid
    periods = list(outcome.dso.periods)
    power = _power_of(market, dispatch, periods, hours, tariff)
    bus = {name: dc.bus for name, dc in market.network.datacenters.items()}
    charges = [(site, bus[site], periods[t], quantity, money, "$") for site, t, quantity, money
               in getattr(market, row.contract).charges(power)]
    return pd.concat([paid, PAYMENTS.frame(charges)], ignore_index=True)


def _power_of(market: Market, dispatch: pd.DataFrame, periods: list, hours: float,
              tariff: object) -> Power:
    """Powers of the leader's sites from a dispatch table (kW)."""
    theirs = {site for sites, _ in market.takers.values() for site in sites}
    mine = [name for name in market.network.datacenters if name not in theirs]
    rows = dispatch[(dispatch["quantity"] == "active") & (dispatch["phase"] == "")]
    kw = KILO * rows.pivot_table(index="period", columns="element", values="value",
                                 sort=False).reindex(periods)
    sources = {name: [c for c in kw.columns if c.startswith(f"{name} curtailed")] for name in mine}
    return Power(
        kw={name: kw[name].to_numpy() for name in mine}, hours=hours,
        curtailed_kw={n: kw[found].sum(axis=1).to_numpy() for n, found in sources.items() if found},
        capacity_kw={name: market.network.datacenters[name].kw for name in mine},
        tariff=np.array(list(by_period(tariff, periods, "tariff").values())))


def _tariff(mine: pd.DataFrame, hours: float, tariff) -> pd.DataFrame:
    used = mine[(mine["kind"] == "datacenter") & (mine["quantity"] == "active")
                & (mine["phase"] == "")]
    periods = list(dict.fromkeys(used["period"]))
    rate = by_period(tariff, periods, "tariff")
    return used.assign(value=used["value"] * hours * used["period"].map(rate), unit="$")


def _payment(prices: pd.DataFrame, rows: pd.DataFrame, network, hours: float,
             wanted, of_devices: pd.DataFrame | None) -> pd.DataFrame:
    name = rows["element"].iloc[0]
    device = network.devices[name]
    balanced = getattr(device, "balanced", False)
    if of_devices is not None:
        price = of_devices[of_devices["element"] == name]
    else:
        legs, connection = (tuple(device.phases), "wye") if balanced else (
            device.legs, device.connection)
        price = customer_prices(prices, network, device.bus, legs, connection)
    if balanced:
        used = rows[rows["phase"] == ""].drop(columns="phase")
        at = price.groupby(["period", "quantity"], observed=True)["value"].mean()
        on = ["period", "quantity"]
    else:
        used = rows[rows["phase"] != ""]
        at = price.set_index(["period", "quantity", "phase"])["value"]
        on = ["period", "quantity", "phase"]
    used = used[used["quantity"].isin(wanted)]
    sign = 1.0 if name in network.datacenters else -1.0
    joined = used.join(at.rename("price"), on=on)
    paid = joined.assign(value=sign * joined["price"] * joined["value"] * hours, unit="$")
    return paid.groupby(["element", "bus", "period", "quantity", "unit"], sort=False)[
        "value"].sum().reset_index()


def device_prices(dso, network) -> pd.DataFrame:
    """Prices of the power of what pays or is paid: datacenters and the SVGs that they own.

    Parameters
    ----------
    dso : Block
        Filled by `build_opf`, with its method `price_of`, and solved.
    network : Network
        Its feeder.

    Returns
    -------
    DataFrame
        Columns element, phase (a leg; empty: of all legs together), period, quantity, value
        ($/MWh, $/Mvarh).
    """
    hours, rows = dso.period_hours, []
    mine = [*network.datacenters.values(),
            *(svg for svg in network.svgs.values() if svg.owner == "datacenter")]
    for device in mine:
        legs = [None] if getattr(device, "balanced", False) else list(device.legs)
        rows += [(device.name, leg or "", t, quantity,
                  float(value(dso.price_of(device.name, leg, t, quantity))) / hours)
                 for leg in legs for t in dso.periods for quantity in ("active", "reactive")]
    return pd.DataFrame(rows, columns=["element", "phase", "period", "quantity", "value"])
