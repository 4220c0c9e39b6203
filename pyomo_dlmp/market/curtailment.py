"""A subscription with a curtailable share: the DSO may deliver less than is scheduled.

    interruptible or curtailable service: a firm share is subscribed at a price, the rest at a lower
    one, and may be taken away against a compensation

The leader schedules p (site, period), knowing that the DSO will then choose

    0 <= y <= share p        at the compensation, $/MWh, beside its other costs
    h sum_t y <= hours x share x kW       (where the contract limits the hours)

so it is a bilevel problem: y is the lower level's. The work goes on: what is not delivered comes
from the site's backup sets (or is bought elsewhere), at a cost. Energy is paid for at the tariff as
far as it is delivered. The DSO's cost holds the compensation, a transfer, and the backup's cost is
the leader's: the social cost is the first without the one and with the other.

A schedule is the baseline of its own curtailment. Where tariff and compensation exceed the backup's
cost, a leader moves work into hours in which it will be curtailed: known of such contracts.

Sources: priority service, Chao and Wilson, American Economic Review 77 (1987) 899-916; capacity
subscription, Doorman, IEEE Transactions on Power Systems 20 (2005) 239-245; inflated baselines,
Chen and Kleit, The Energy Journal 37 (2016) 201-221.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import NPV_MaxExpression, NPV_MinExpression

from pyomo_dlmp.market.contracts import MONEY, Charge, Contract, Found, Power, add_charge
from pyomo_dlmp.network import Datacenter, Generator, Network
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.tolerances import WIDENED

_SHARE = Range(0, 1, unit="of the power")
_AMPLE = 2.0  # of a site's capacity
_LEAST = 10 * WIDENED  # of its capacity, that a site draws: regions are looked for around it, too


@dataclass(frozen=True, kw_only=True)
class Curtailable(Contract):
    """A subscription of the sites' capacity, a share of which the DSO may curtail.

    Parameters
    ----------
    share : float
        Of the scheduled power, which may be curtailed.
    price : float
        $ per kW of the firm share of the sites' capacity, for the horizon.
    backup_cost : float
        $ per MWh that the site makes itself while it is curtailed (fuel of its backup sets), or
        that lost work is worth.
    curtailable_price : float
        $ per kW of the curtailable share.
    compensation : float
        $ per MWh curtailed, paid by the DSO, for which the tariff is not paid either.
    hours : float or None
        Hours of full curtailment that may be used in the horizon, by each site's energy; None: no
        limit. It joins the hours of the DSO's problem, which takes much longer.
    """

    share: float
    price: float
    compensation: float
    backup_cost: float
    curtailable_price: float = 0.0
    hours: float | None = None

    def findings(self, sites: Iterable[str]) -> Iterator[Found]:
        """See `Contract.findings`."""
        for field, limits in (("share", _SHARE), ("price", MONEY), ("compensation", MONEY),
                              ("backup_cost", MONEY), ("curtailable_price", MONEY)):
            if finding := limits.finding(getattr(self, field)):
                yield field, *finding
        if self.hours is not None and (finding := Range(0, unit="h").finding(self.hours)):
            yield "hours", *finding

    def extended(self, market: Any) -> Any:
        """The market with a source at each of the leader's sites: what is not delivered."""
        theirs = {site for sites, _ in market.takers.values() for site in sites}
        mine = [dc for name, dc in market.network.datacenters.items() if name not in theirs]
        return replace(market, network=market.network.with_devices(
            *(source for dc in mine for source in self._sources(dc).values())))

    def _sources(self, dc: Datacenter) -> dict[str, Generator]:
        """A source for each unit of a datacenter that has a price of its own: legs, or all."""
        at: dict[str, Any] = {"bus": dc.bus, "neutral": dc.neutral, "cost": self.compensation,
              "connection": dc.connection}
        # limits of their own that are never reached: those of the contract stand in rows
        most, name = _AMPLE * dc.kw, f"{dc.name} curtailed"
        q = most * math.tan(math.acos(dc.power_factor)) if dc.reactive == "power factor" else 0.0
        at |= {"kw_max": most, "kvar_min": -q, "kvar_max": q}
        if dc.balanced:
            return {"": Generator(name=name, phases=dc.phases, **at)}
        return {leg: Generator(
            name=f"{name} {leg}", phases=leg if dc.connection == "delta" else leg[0], **at)
            for leg in dc.legs}

    def limit(self, dso: Any, network: Network) -> None:
        """Write on the DSO's block what it may curtail; ``curtailed[site, t]``, MW, is the sum."""
        labels, rows, total = list(dso.periods), {}, {}
        budget: dict[str, Any] = {}
        for name, dc in dso.datacenter.items():
            device = network.datacenters[name]
            sources = {leg: dso.generator[source.name] for leg, source in self._sources(
                device).items() if source.name in dso.generator}
            if not sources:  # of a price taker
                continue
            for t in labels:
                var = dc.p[t]
                var.setlb(NPV_MinExpression((var.upper, NPV_MaxExpression((
                    var.lower, _LEAST * dc.capacity[t])))))
                for leg, source in sources.items():
                    scheduled = dc.leg_p[leg, t] if leg else dc.p[t]
                    rows[name, leg, t, "share"] = source.p[t] - self.share * scheduled <= 0.0
                    if dc.rating_mva is None:
                        rows[name, leg, t, "reactive"] = (
                            source.q[t] - dc.tan_phi * source.p[t] == 0.0)
                total[name, t] = sum(source.p[t] for source in sources.values())
            if self.hours is not None:
                budget[name] = dso.period_hours * sum(total[name, t] for t in labels) <= (
                    self.hours * self.share * mega(device.kw))
        dso.curtailable = pyo.Constraint(list(rows), rule=rows)
        dso.curtailable_energy = pyo.Constraint(list(budget), rule=budget)
        dso.curtailed = pyo.Expression(list(total), initialize=total)

    def write(self, m: Any, sites: Mapping[str, Any]) -> None:
        """See `Contract.write`: the subscription, and the compensation that is had."""
        m.contract = pyo.Block()
        hours, tariff = m.dso.period_hours, m.dca.tariff
        add_charge(m, self, sum(self._subscription(sites[s].device.kw) for s in sites) + sum(
            hours * (self.backup_cost - self.compensation - tariff[t])
            * m.dso.curtailed[s, t] for s in sites for t in m.dso.periods))

    def _subscription(self, kw: float) -> float:
        return kw * ((1.0 - self.share) * self.price + self.share * self.curtailable_price)

    def charges(self, power: Power) -> Iterator[Charge]:
        """See `Contract.charges`: tariff and compensation of what is curtailed, in their hours."""
        for site, curtailed in power.curtailed_kw.items():
            for t, kw in enumerate(curtailed):
                money = power.hours * mega(kw)
                yield site, t, "not delivered", -money * power.tariff[t]
                yield site, t, "compensation", -money * self.compensation
                yield site, t, "backup", money * self.backup_cost
        for site, kw in power.capacity_kw.items():
            for t in range(len(power.tariff)):
                yield site, t, "subscription", self._subscription(kw) / len(power.tariff)
