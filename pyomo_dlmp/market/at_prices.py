"""What the leader pays at the prices of a DSO's problem that it is a part of."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.market.data import Market
from pyomo_dlmp.network.series import by_period
from pyomo_dlmp.opf.prices import price_of


def payment_at_prices(dso: Any, market: Market) -> float:
    """Payment of the leader's sites at the DLMPs, by the market's `pays`.

    Parameters
    ----------
    dso : Block
        An OPF alone, solved.
    market : Market

    Returns
    -------
    float
        In $; sites of price takers are not the leader's.
    """
    theirs = {site for sites, _ in market.takers.values() for site in sites}
    mine = {name: dc for name, dc in dso.datacenter.items() if name not in theirs}
    labels = list(dso.periods)
    if market.pays == "tariff":
        rate = by_period(market.tariff, labels, "tariff")
        return dso.period_hours * sum(
            rate[t] * pyo.value(dc.p[t]) for dc in mine.values() for t in labels)
    at = {dc.bus_name for dc in mine.values()}
    own = [svg for svg in dso.svg.values() if svg.owner == "datacenter" and svg.bus_name in at]
    total = 0.0
    for device in [*mine.values(), *own]:
        for t in labels:
            for leg, p, q in device.units(t):
                total += price_of(dso, device, leg, t) * pyo.value(p)
                if market.pays == "active and reactive":
                    total += price_of(dso, device, leg, t, "reactive") * pyo.value(q)
    return float(total)
