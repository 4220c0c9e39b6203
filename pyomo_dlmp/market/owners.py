"""Several owners of datacenters above one DSO: their blocks, and what each of them decides."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.market.aggregator import AggregatorBlock


def add_aggregators(m: Any, dso: Any, market: Any, pays: str | None = None,
                    price_taker: bool = False) -> None:
    """Add `m.dca`: the leader, or all owners with the sum of their payments as its cost.

    Parameters
    ----------
    m : ConcreteModel or Block
    dso : Block
        Filled by `build_opf`.
    market : Market
    pays : str, optional
        What they pay for; not of a price taker.
    price_taker : bool
        As of `AggregatorBlock.build`.

    Raises
    ------
    ModelError
        As of `AggregatorBlock.build`; an SVG would belong to two owners.
    """
    more: dict[str, Any] = {"price_taker": True} if price_taker else {
        "pays": pays, "tariff": market.tariff if pays == "tariff" else None}
    dca = m.dca = AggregatorBlock()
    if not market.owners:
        theirs = {site for sites, _ in market.takers.values() for site in sites}
        dca.build(dso, market.workload, **more,
                  sites=[site for site in market.network.datacenters if site not in theirs])
        return
    dca.owner = AggregatorBlock(list(market.owners))
    svgs: dict[str, str] = {}
    for name, (sites, workload) in market.owners.items():
        dca.owner[name].build(dso, workload, sites=sites, **more)
        for svg in dca.owner[name].own_svg:
            if svg in svgs:
                raise ModelError.at(
                    f"SVG '{svg}'", f"is owned by the datacenters of its bus, which are of "
                    f"{svgs[svg]!r} and of {name!r}", "Give it to the DSO: owner='dso'.")
            svgs[svg] = name
    blocks = list(dca.owner.values())
    dca.binaries = sum(block.binaries for block in blocks)
    if price_taker:
        return
    for part in ("pay_active", "pay_reactive"):
        dca.add_component(part, pyo.Expression([k for b in blocks for k in b.component(part)]))
        for block in blocks:
            block.cost.deactivate()
            for k, payment in block.component(part).items():
                dca.component(part)[k] = payment.expr
    dca.cost = pyo.Objective(expr=sum(
        dca.pay_active[k] + dca.pay_reactive[k] for k in dca.pay_active))


def owners_of(m: Any, market: Any) -> dict[str, Any]:
    """The AggregatorBlock of each owner; of a market without owners its one leader, "leader".

    Parameters
    ----------
    m : ConcreteModel
        Of `bilevel_of`.
    market : Market

    Returns
    -------
    dict
    """
    return {name: m.dca.owner[name] for name in market.owners} if market.owners else {
        LEADER: m.dca}


LEADER = "leader"


def decisions_of(m: Any, block: Any) -> list:
    """VarData that an owner decides: of its workload, its sites and its SVGs.

    Parameters
    ----------
    m : ConcreteModel
        With the LowerLevel `dso`.
    block : AggregatorBlock

    Returns
    -------
    list of VarData
    """
    names = {key[0] for key in block.pay_active}
    devices = [device for kind in (m.dso.datacenter, m.dso.svg)
               for name, device in kind.items() if name in names]
    found = [var for device in devices
             for var in device.component_data_objects(pyo.Var, descend_into=pyo.Block)
             if m.dso.is_upper(var)]
    return found + list(block.component_data_objects(pyo.Var, descend_into=pyo.Block))
