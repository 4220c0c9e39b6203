"""What is wrong with the arguments of `solve_stochastic`: all of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyomo_dlmp.errors import Fault, ModelError, nearest, require_kind, shown
from pyomo_dlmp.market import Market, Workload
from pyomo_dlmp.market.market_checks import check_market
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.uncertainty.checking import check_scenarios
from pyomo_dlmp.uncertainty.first_stage import KINDS, Terms
from pyomo_dlmp.uncertainty.scenarios import Scenarios

_SHARE, _PRICE, _GAP = Range(0, 1), Range(0, unit="$/MWh"), Range(0, 1)
_WHERE = "solve_stochastic"


def check_stochastic(
    market: Any, scenarios: Any, kinds: tuple, flexibility: Any, deviation_price: Any,
    capacity_price: Any, gap: Any, ac: bool = False) -> Terms:
    """The terms of a first stage, or an error with every fault.

    Parameters
    ----------
    market, scenarios, flexibility, deviation_price, capacity_price, gap
        As of `solve_stochastic`.
    kinds
        Its `first_stage`, as a tuple.
    ac
        Whether the market may be of the AC form.

    Returns
    -------
    Terms

    Raises
    ------
    ModelError
    """
    require_kind(market, Market, _WHERE)
    require_kind(scenarios, Scenarios, _WHERE)
    check_market(market)
    faults = list(market_faults(market, ac))
    try:
        check_scenarios(scenarios, market)
    except ModelError as err:
        faults += err.faults
    for kind in kinds:
        if not (isinstance(kind, str) and kind in KINDS):
            faults.append(Fault(f"{_WHERE}, first_stage", f"{shown(kind)} is unknown",
                                nearest(kind, KINDS)))
    if not kinds:
        faults.append(Fault(f"{_WHERE}, first_stage", "is empty", f"Give some of {KINDS}."))
    jobs = market.workload.jobs if isinstance(market.workload, Workload) else ()
    if "jobs" in kinds and all(job.interruptible for job in jobs):
        faults.append(Fault(f"{_WHERE}, first_stage", "is 'jobs', and the workload has no job "
                            "without pause", "Give Job(interruptible=False), or 'schedule'."))
    dcs = market.network.datacenters
    shares = flexibility if isinstance(flexibility, Mapping) else dict.fromkeys(dcs, flexibility)
    for site, share in shares.items():
        if site not in dcs:
            faults.append(Fault(f"{_WHERE}, flexibility", f"names {shown(site)}, which is no "
                                "datacenter", nearest(site, dcs)))
        elif finding := _SHARE.finding(share):
            faults.append(Fault(f"{_WHERE}, flexibility", *finding))
    for word, value, kind in (("deviation_price", deviation_price, _PRICE),
                              ("capacity_price", capacity_price, _PRICE), ("gap", gap, _GAP)):
        if finding := kind.finding(value):
            faults.append(Fault(f"{_WHERE}, {word}", *finding))
    if faults:
        raise ModelError(list(dict.fromkeys(faults)))
    return Terms(tuple(dict.fromkeys(kinds)), {n: mega(dc.kw) for n, dc in dcs.items()},
                 {n: float(shares.get(n, 0.0)) for n in dcs}, float(deviation_price),
                 float(capacity_price))


def market_faults(market: Market, ac: bool = False) -> Iterator[Fault]:
    """What of a market scenarios cannot have.

    Parameters
    ----------
    market : Market
    ac : bool
        Whether it may be of the AC form.

    Yields
    ------
    Fault
    """
    if market.opf.get("form", "lindist") not in (("lindist", "ac") if ac else ("lindist",)):
        yield Fault("market, opf", "is of the AC form", "Leave form out: the answer of the linear "
                    "form can be checked in AC.")
    if market.takers:
        yield Fault("market, takers", "are not known to scenarios", "Leave them out.")
    if not market.network.datacenters:
        yield Fault(f"network {market.network.name!r}", "has no datacenter",
                    "Add one: network.with_devices(Datacenter(...)).")
