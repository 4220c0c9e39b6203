"""Datacenter aggregator (DCA): serves its workload at least payment, and pays the DLMPs.

Symbols, for site s and period t: p = active power (MW) and q = reactive power (Mvar) of each leg.
Prices ($ per MW, Mvar of the period, so $/MWh x hours) are `opf.prices.price_of`.

    min  sum (leg price_P) p + [sum (leg price_Q) q]           (the second if paid for)
    s.t. the rows of its workload (`market.workload_rows`)

and under a tariff, min sum h tariff p. With both parts the payment is exact by strong duality (see
`transform.products.identity`). Where the DSO runs a site's front end (rating rows, duals nu <= 0),

    leg price_Q q == sum_k nu_k (S cos(pi/K) - cos(t_k) p)  [- cost beyond a soft rating]

by stationarity in q and complementarity, so that this too is a price times an upper decision.

A *price taker* is a DCA inside the DSO's problem: the power that minimises the DSO's cost is also
what it would choose at the resulting prices (competitive equilibrium).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.datacenter import CIRCLE, SIDES, front_end, split
from pyomo_dlmp.blocks.svg import limit_total
from pyomo_dlmp.errors import Fault, ModelError, nearest, shown
from pyomo_dlmp.market.feasibility import require_servable
from pyomo_dlmp.market.workload import Workload
from pyomo_dlmp.market.workload_checks import check_workload
from pyomo_dlmp.market.workload_rows import Site, WorkloadRows
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.series import by_period, items_of, names_findings, series_findings
from pyomo_dlmp.opf.prices import price_of

_WORTH = Range(0, unit="$", above=True)
PAYS = ("active and reactive", "active", "tariff")


@declare_custom_block(name="AggregatorBlock")
class AggregatorBlockData(BlockData):
    """A DCA above a DSO, or inside it; see the module's text.

    Attributes
    ----------
    pay_active, pay_reactive : Expression
        [element, t]: payment ($); elements are its sites and the SVGs it owns.
    cost : Objective
        Sum of the payments ($).
    tariff : Param
        [t]: $/MWh, mutable, of ``pays="tariff"``. Params of the work: `market.workload_rows`.
    binaries : int
        Number of binaries of its non-interruptible jobs.
    """

    def build(self, dso: Any, workload: Workload | float, pays: str = "active and reactive", *,
              sites: Iterable[str] | None = None, tariff: Any = None, price_taker: bool = False,
              value_of_work: float = 1000.0) -> None:
        """Fill the block above (or, as a price taker, inside) a block filled by `build_opf`.

        Parameters
        ----------
        dso : Block
            Filled by `build_opf`: a LowerLevel, or a model of its own.
        workload : Workload or float
            A float: energy (MWh) that all sites use together, free in time and place.
        pays : str
            One of `PAYS`: what it pays for.
        sites : iterable of str, optional
            Its datacenters; by default all that are not decided by price takers.
        tariff : float or sequence of float, optional
            Of ``pays="tariff"`` ($/MWh), one number or one per period.
        price_taker : bool
            Whether this block is part of the DSO's problem, whose datacenters were left free
            (``build_opf(..., price_takers=...)``); in a model that is not a lower level that is the
            cooperative optimum.
        value_of_work : float
            Of a price taker in a lower level: $ per MWh (thousand server hours, thousand
            requests/s) that is not served. It bounds its multipliers and is far above any price
            that occurs.

        Raises
        ------
        ModelError
            If there is no datacenter, an argument is wrong, the workload cannot be served, or a
            price taker in a lower level has non-interruptible jobs.
        """
        if sites is not None and not isinstance(sites, str):
            items = items_of(sites)
            sites = sites if items is None else items
        faults = list(self._argument_faults(dso, pays, sites, tariff, value_of_work))
        if not isinstance(price_taker, bool | np.bool_):
            faults.append(Fault(self.name, f"price_taker={shown(price_taker)}",
                                "Give True or False."))
        if faults:
            raise ModelError(faults)
        mine = self._sites(dso, sites, price_taker)
        load = workload if isinstance(workload, Workload) else Workload(energy_mwh=workload)
        labels, hours = list(dso.periods), dso.period_hours
        check_workload(load, mine, labels, self.name)
        seen = {name: Site(dc.p, dc.p[labels[0]].lb, dc.ramp_mw) for name, dc in mine.items()}
        require_servable(self.name, seen, labels, hours, load)
        inside = price_taker and hasattr(dso, "declare_upper")
        serving = WorkloadRows(self, seen, labels, hours, load, elastic=inside)
        serving.write()
        if inside:
            dso.cost.set_value(dso.cost.expr + value_of_work * sum(self.unserved.values()))
        self.binaries = serving.binaries
        if inside and self.binaries:
            raise ModelError.at(
                self.name, "is a price taker with non-interruptible jobs",
                "These need binaries, and a lower level must be convex to have duals: make the "
                "jobs interruptible.")
        self._electrical(dso, mine, labels)
        if not price_taker:
            self._pay(dso, mine, labels, hours, pays, tariff)

    def _argument_faults(self, dso, pays, sites, tariff, value_of_work) -> Iterator[Fault]:
        """What is wrong with the arguments of `build` by themselves."""
        filled = isinstance(dso, BlockData) and None not in (
            dso.component("datacenter"), dso.component("periods"))
        if not filled:
            yield Fault(self.name, f"was given {shown(dso)}", "Give a block that build_opf filled.")
        if not (isinstance(pays, str) and pays in PAYS):
            near = nearest(pays, PAYS)
            yield Fault(self.name, f"pays={shown(pays)}", f"Use one of {', '.join(PAYS)}."
                        + (f" {near}" if near.startswith("Did") else ""))
        elif (pays == "tariff") != (tariff is not None):
            yield Fault(self.name, f"pays={pays!r} with tariff={shown(tariff)}",
                        "A tariff goes with pays='tariff'.")
        elif tariff is not None and filled:
            for finding in series_findings(tariff, list(dso.periods))[1]:
                yield Fault(f"{self.name}.tariff", *finding)
        if sites is not None:
            for what, cure in names_findings(sites, 'sites=["dc1"]')[1]:
                yield Fault(self.name, f"sites: {what}", cure)
        if wrong := _WORTH.finding(value_of_work):
            yield Fault(self.name, f"value_of_work: {wrong[0]}", wrong[1])

    def _sites(self, dso, sites, price_taker: bool) -> dict:
        if not len(dso.datacenter):
            raise ModelError.at(dso.name, "has no datacenter",
                                "Add one: network.with_devices(Datacenter(...)).")
        upper = getattr(dso, "is_upper", lambda var: not price_taker)
        free = {name: dc for name, dc in dso.datacenter.items()
                if not next(iter(dc.p.values())).fixed
                and upper(next(iter(dc.p.values()))) != price_taker}
        for name in sites or ():
            if name not in dso.datacenter:
                raise ModelError.at(self.name, f"names the site {name!r}",
                                    nearest(name, dso.datacenter))
            if name not in free:
                raise ModelError.at(
                    self.name, f"names the site {name!r}, whose power it does not decide",
                    "Price takers are named in build_opf(..., price_takers=[...]).")
        chosen = free if sites is None else {name: free[name] for name in sites}
        if not chosen:
            raise ModelError.at(self.name, "has no site that it decides",
                                "Build the OPF into a LowerLevel, or name price_takers.")
        return chosen

    def _electrical(self, dso, mine: dict, labels: list) -> None:
        """Rows of front ends, legs and SVGs that this aggregator decides."""
        ends = {n: dc for n, dc in mine.items() if dc.reactive == "aggregator"}
        self.front_end = pyo.Block(list(ends))
        for name, dc in ends.items():
            self.front_end[name].rating = front_end(dc, labels)
        uneven = {n: dc for n, dc in mine.items() if not dc.balanced}
        self.legs = pyo.Block(list(uneven))
        for name, dc in uneven.items():
            self.legs[name].split = split(dc, labels)
        at = {dc.bus_name for dc in mine.values()}
        self.own_svg = pyo.Block([n for n, s in dso.svg.items()
                                  if s.owner == "datacenter" and s.bus_name in at])
        for name in self.own_svg:
            if dso.svg[name].total_mvar is not None:
                self.own_svg[name].total = limit_total(dso.svg[name], labels)

    def _pay(self, dso, mine: dict, labels: list, hours: float, pays: str, tariff) -> None:
        if pays == "tariff":
            self.tariff = pyo.Param(labels, mutable=True, initialize=by_period(
                tariff, labels, f"{self.name}.tariff"))
        active, reactive = {}, {}
        for name, dc in mine.items():
            for t in labels:
                if pays == "tariff":
                    active[name, t] = hours * self.tariff[t] * dc.p[t]
                    reactive[name, t] = 0.0
                    continue
                units = list(dc.units(t))
                active[name, t] = sum(price_of(dso, dc, leg, t) * p for leg, p, _ in units)
                reactive[name, t] = 0.0 if pays == "active" else _reactive(dso, dc, t, units)
        for name in self.own_svg:
            svg = dso.svg[name]
            for t in labels:
                units = list(svg.units(t))
                active[name, t] = sum(
                    price_of(dso, svg, leg, t) * p for leg, p, _ in units
                ) if pays != "tariff" and svg.split else 0.0
                reactive[name, t] = sum(
                    price_of(dso, svg, leg, t, "reactive") * q for leg, _, q in units
                ) if pays == "active and reactive" else 0.0
        self.pay_active = pyo.Expression(list(active), initialize=active)
        self.pay_reactive = pyo.Expression(list(reactive), initialize=reactive)
        self.cost = pyo.Objective(expr=sum(
            self.pay_active[k] + self.pay_reactive[k] for k in active))


def _reactive(dso, dc, t, paid: list):
    """Payment for reactive power, of units (leg, p, q)."""
    if dc.reactive != "dso":
        return sum(price_of(dso, dc, leg, t, "reactive") * q for leg, _, q in paid)
    nu = dso.dual_of(dc.rating)
    n = 1 if dc.balanced else len(dc.legs)
    top = dc.rating_mva / n * CIRCLE.inscribed
    units = [((), dc.p[t])] if dc.balanced else [((leg,), dc.leg_p[leg, t]) for leg in dc.legs]
    beyond = dc.excess_cost[t] if dc.component("excess_cost") is not None else 0.0
    return sum(nu[(*unit, t, k)] * (top - CIRCLE.direction(k)[0] * p)
               for unit, p in units for k in SIDES) - beyond
