"""What is wrong with the data of a market: all of it at once, before a model is begun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pyomo_dlmp.errors import Fault, ModelError, nearest, shown
from pyomo_dlmp.market.aggregator import PAYS
from pyomo_dlmp.market.contracts import CapacityCharge, DemandCharge
from pyomo_dlmp.market.curtailment import Curtailable
from pyomo_dlmp.market.workload import Workload
from pyomo_dlmp.market.workload_checks import workload_findings
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.series import names_findings, period_labels, series_findings
from pyomo_dlmp.opf import OpfOptions
from pyomo_dlmp.opf.option_checks import OWN_POINT

_ROUNDS = Range(1, unit="round")
_STARTS = Range(1, unit="start")
_COUNT = Range(0, unit="")
CONTRACTS: dict[str, tuple[type, str]] = {
    "demand_charge": (DemandCharge, "DemandCharge(price=12.0, peak_kw=800.0)"),
    "capacity_charge": (CapacityCharge, "CapacityCharge(price=3.0, excess_price=9.0)"),
    "curtailable": (Curtailable, "Curtailable(share=0.3, price=10.0, compensation=100.0, "
                    "backup_cost=250.0)")}
"""Fields of a Market with what is paid beside energy: their class, and an example."""
_OWN = ("into", "network", "price_takers")  # of `build_opf`, which a market gives it


def check_market(market: Any, needs: str | None = None) -> None:
    """Raise an error with every fault of a market's data.

    Parameters
    ----------
    market : Market
        To be solved.
    needs : str, optional
        Field with a contract that it cannot do without.

    Raises
    ------
    ModelError
        If anything is wrong: the options of its OPF, its workloads, its sites ...
    """
    faults = [*_faults(market), *_missing(market, needs)]
    if faults:
        raise ModelError(faults)


def _faults(market: Any) -> Iterator[Fault]:
    network = market.network if isinstance(market.network, Network) else None
    if network is None:
        yield Fault("market, network", f"is {shown(market.network)}", "Give a Network.")
    labels: list = []
    if isinstance(market.opf, Mapping):
        labels, _ = period_labels(market.opf.get("periods", 1))
        for key in _OWN:
            if key in market.opf:
                yield Fault("market, opf", f"has {key!r}, which the market itself sets",
                            "Name price takers in `takers`; leave out the others.")
        in_ac = market.opf.get("form") == "ac"
        if in_ac and "operating_point" in market.opf:
            yield Fault("market, opf", "has 'operating_point', which the market's loop finds",
                        "Leave it out.")
        options = {k: v for k, v in market.opf.items() if k not in _OWN}
        try:
            OpfOptions.of({**options, "operating_point": OWN_POINT} if in_ac else options, network)
        except ModelError as err:
            yield from err.faults
    else:
        yield Fault("market, opf", f"is {shown(market.opf)}",
                    "Give keywords of build_opf: opf={'periods': 24}.")
    if not (isinstance(market.pays, str) and market.pays in PAYS):
        near = nearest(market.pays, PAYS)
        yield Fault("market, pays", f"is {shown(market.pays)}", near)
    for what, cure in series_findings(market.tariff, labels)[1] if labels else ():
        yield Fault("market, tariff", what, cure)
    if not isinstance(market.averaged, bool | np.bool_):
        yield Fault("market, averaged", f"is {shown(market.averaged)}", "Give True or False.")
    for name, limits in (("max_rounds", _ROUNDS), ("ac_rounds", _ROUNDS),
                         ("starts", _STARTS), ("deviations", _COUNT), ("seed", _COUNT)):
        if finding := limits.finding(getattr(market, name), whole=True):
            yield Fault(f"market, {name}", *finding)
    theirs: list[str] = []
    yield from _aggregators("taker", market.takers, network, labels, theirs)
    yield from _aggregators("owner", market.owners, network, labels, theirs)
    if network is not None:
        yield from _leader(market, [n for n in network.datacenters if n not in theirs], labels)
        yield from _limits(market.limits_kw, network, labels)


def _leader(market: Any, mine: list[str], labels: list) -> Iterator[Fault]:
    """Faults of what the leader is, or the owners in its place; `mine`: nobody else's sites."""
    if not market.owners:
        if not mine:
            yield Fault("market", "has no datacenter that the leader decides",
                        "Add one: network.with_devices(Datacenter(...)).")
        yield from _work("market, workload", market.workload, mine, labels)
        yield from _contracts(market, mine)
        return
    if market.workload is not None:
        yield Fault("market, workload", f"is {shown(market.workload)}, and there are owners",
                    "Each owner has its own: leave out `workload`, or name the leader an owner.")
    for name in mine:
        yield Fault(f"market, datacenter {name!r}", "has no owner",
                    "Name it among the sites of an owner, or of a price taker.")
    for field in CONTRACTS:
        if getattr(market, field) is not None:
            yield Fault(f"market, {field}", "is given, and there are owners",
                        "A contract is of a single leader: leave out one of them.")


def _missing(market: Any, needs: str | None) -> Iterator[Fault]:
    if needs is not None and getattr(market, needs) is None:
        yield Fault(f"market, {needs}", "is None, and this market is of it",
                    f"Give {CONTRACTS[needs][1]}.")


def _contracts(market: Any, mine: list[str]) -> Iterator[Fault]:
    """Faults of what is paid beside energy."""
    for field, (cls, example) in CONTRACTS.items():
        contract = getattr(market, field)
        if contract is None:
            continue
        if not isinstance(contract, cls):
            yield Fault(f"market, {field}", f"is {shown(contract)}", f"Give {example}.")
            continue
        for place, what, cure in contract.findings(mine):
            yield Fault(f"market, {field}, {place}", what, cure)


def _limits(limits: Any, network: Network, labels: list) -> Iterator[Fault]:
    """Faults of further limits of datacenters."""
    cure = "Give limits_kw={'dc1': (0.0, 500.0)}: least and most, numbers or one per period."
    if not isinstance(limits, Mapping):
        yield Fault("market, limits_kw", f"is {shown(limits)}", cure)
        return
    for name, pair in limits.items():
        where = f"market, limits_kw of {shown(name)}"
        if not (isinstance(name, str) and name in network.datacenters):
            yield Fault(where, "is not of a datacenter", nearest(name, network.datacenters))
        elif not (isinstance(pair, tuple | list) and len(pair) == 2):
            yield Fault(where, f"is {shown(pair)}", cure)
        else:
            for values in pair if labels else ():
                for what, how in series_findings(values, labels)[1]:
                    yield Fault(where, what, how)


def _aggregators(word: str, given: Any, network: Network | None, labels: list,
                 theirs: list[str]) -> Iterator[Fault]:
    """Faults of the price takers, or the owners; `theirs` is filled with their sites."""
    if not isinstance(given, Mapping):
        yield Fault(f"market, {word}s", f"is {shown(given)}",
                    f"Give a mapping: {word}s={{'name': (('dc1',), Workload(...))}}.")
        return
    for name, one in given.items():
        where = f"market, {word} {shown(name)}"
        if not (isinstance(one, tuple | list) and len(one) == 2):
            yield Fault(where, f"is {shown(one)}", "Give (sites, Workload).")
            continue
        sites, wrong = names_findings(one[0], "('dc1',)")
        yield from (Fault(where, f"its list of sites {what}", cure) for what, cure in wrong)
        if not sites and not wrong:
            yield Fault(where, "names no sites", "Give the names of its datacenters.")
        for site in sites:
            if network is not None and site not in network.datacenters:
                yield Fault(where, f"names the site {site!r}, which is not a datacenter",
                            nearest(site, network.datacenters) or "There is no datacenter.")
            elif site in theirs:
                yield Fault(where, f"names the site {site!r}, which is named before",
                            "Each datacenter has one aggregator.")
            theirs.append(site)
        yield from _work(where, one[1], list(sites), labels)


def _work(where: str, work: Any, sites: list[str], labels: list) -> Iterator[Fault]:
    whole = work if isinstance(work, Workload) else Workload(energy_mwh=work)
    if work is None:
        yield Fault(where, "is None", "Give a Workload(...), or MWh.")
    elif labels:
        for place, what, cure in workload_findings(whole, sites, labels):
            yield Fault(f"{where}, {place}" if place != "workload" else where, what, cure)
