"""Datacenter aggregator (DCA): serves its workload at least payment, and pays the DLMPs.

Symbols, for site s and period t: p = active power (MW), q = p tan phi (Mvar), lamP, lamQ = duals of
the DSO's balances ($ per MW, Mvar of the period, so $/MWh x hours), n = phases of the site.

    min  sum_{s,t}  (sum_phase lamP + [tan phi sum_phase lamQ]) p / n     (the second if paid for)
    s.t. sum_{s,t}  hours p == energy          floor <= p <= capacity: bounds of the datacenters

Energy may move between sites and hours. Source of the setting: Stackelberg games of price-making
demand; the payment with both parts is exact by strong duality (see `transform.products.identity`).
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.errors import ModelError

PAYS = ("active and reactive", "active")


@declare_custom_block(name="AggregatorBlock")
class AggregatorBlockData(BlockData):
    """A DCA above a DSO; see the module's text.

    Expressions `pay_active[site, t]`, `pay_reactive[site, t]` ($), Constraint `energy`, Objective
    `cost`.
    """

    def build(self, dso, energy_mwh: float, pays: str = "active and reactive") -> None:
        """Above a LowerLevel filled by `build_opf`, for all its datacenters.

        energy_mwh: what they use together over all periods. ModelError: no datacenter, a workload
        that cannot be served (capacity) or lies below the floors, an unknown `pays`.
        """
        if pays not in PAYS:
            raise ModelError.at(self.name, f"pays={pays!r}", f"Use one of {', '.join(PAYS)}.")
        sites = dso.datacenter
        if not len(sites):
            raise ModelError.at(dso.name, "has no datacenter",
                                "Add one: net.with_devices(Datacenter(...)).")
        hours = next(iter(dso.bus.values())).hours
        _can_be_served(self.name, sites, dso.periods, hours, energy_mwh)
        index = [(s, t) for s in sites for t in dso.periods]
        price_p = {s: dso.dual_of(dso.bus[sites[s].bus_name].balance_p) for s in sites}
        price_q = {s: dso.dual_of(dso.bus[sites[s].bus_name].balance_q) for s in sites}
        self.pay_active = pyo.Expression(index, initialize={
            (s, t): _mean(price_p[s], sites[s], t) * sites[s].p[t] for s, t in index})
        self.pay_reactive = pyo.Expression(index, initialize={
            (s, t): sites[s].tan_phi * _mean(price_q[s], sites[s], t) * sites[s].p[t]
            if pays == "active and reactive" else 0.0 for s, t in index})
        self.energy = pyo.Constraint(expr=hours * sum(
            sites[s].p[t] for s, t in index) == energy_mwh)
        self.cost = pyo.Objective(expr=sum(
            self.pay_active[k] + self.pay_reactive[k] for k in index))


def _mean(price, site, t):
    """Mean of a price over the site's phases: what a balanced MW there costs."""
    return sum(price[phase, t] for phase in site.phases) / len(site.phases)


def _can_be_served(name, sites, periods, hours, energy_mwh) -> None:
    most = hours * sum(dc.p[t].ub for dc in sites.values() for t in periods)
    least = hours * sum(dc.p[t].lb for dc in sites.values() for t in periods)
    if energy_mwh > most * (1 + 1e-9):
        raise ModelError.at(
            name, f"needs {energy_mwh:.6g} MWh, and {', '.join(map(str, sites))} can use "
            f"{most:.6g} MWh in {len(periods)} periods",
            "Lower the energy, or give the datacenters more capacity.")
    if energy_mwh < least * (1 - 1e-9):
        raise ModelError.at(
            name, f"needs {energy_mwh:.6g} MWh, less than the {least:.6g} MWh of the sites' floors",
            "Raise the energy, or lower the floors.")
