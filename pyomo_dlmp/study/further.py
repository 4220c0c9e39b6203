"""What a study file says of further pictures: [emissions], and [report] with its regimes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyomo_dlmp.errors import nearest, shown
from pyomo_dlmp.network import Network
from pyomo_dlmp.results.emissions import GRID, emission_faults
from pyomo_dlmp.study.contracts import contracts_of
from pyomo_dlmp.study.entries import Found


def emission_findings(data: Mapping[str, Any], networks: Sequence[Network | None],
                      periods: int) -> Iterator[Found]:
    """What is wrong with these tables.

    Parameters
    ----------
    data : mapping
        The file's.
    networks : sequence of Network or None
        Of the cases: a source may be in some only.
    periods : int
        Number of periods; 0: not known.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    known = [network for network in networks if network is not None]
    yield from _regime_findings(data.get("report"), known)
    if "emissions" not in data or not known:
        return
    names = dict.fromkeys(name for network in known for name in sources_of(network))
    for fault in emission_faults(data["emissions"], list(names), periods):
        where, _, name = fault.where.partition(", ")
        yield f"[{where}] {name}".rstrip(), fault.what, fault.cure


def further_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a study keeps of these tables of its file."""
    return {"emissions": data.get("emissions", {}),
            "regimes": data.get("report", {}).get("regimes"),
            "without_datacenters": data.get("report", {}).get("without_datacenters", False),
            "contracts": contracts_of(data.get("market", {}))}


def _regime_findings(report: Any, networks: Sequence[Network]) -> Iterator[Found]:
    given = report.get("regimes") if isinstance(report, Mapping) else None
    if given is None or given == []:
        return
    if not (isinstance(given, list) and len(given) == 2 and given[0] != given[1]
            and all(isinstance(site, str) for site in given)):
        yield ("[report] regimes", f"is {shown(given)}",
               'Name two datacenters, ["dc1", "dc2"], or none: [].')
        return
    sites = list(dict.fromkeys(site for network in networks for site in network.datacenters))
    for site in given:
        if networks and site not in sites:
            yield ("[report] regimes", f"names {site!r}, which is no datacenter",
                   nearest(site, sites))


def regime_sites(given: Sequence[str] | None, network: Network) -> list[str]:
    """The two datacenters whose regimes are drawn; none where a case lacks one of them.

    Parameters
    ----------
    given : sequence of str or None
        Of the study file; None: the two largest whose power is their decision.
    network : Network
        Of the case.

    Returns
    -------
    list of str
        Two names, or none.
    """
    there = network.datacenters
    if given is None:
        whole = [dc for dc in there.values() if dc.balanced]
        ranked = sorted(whole, key=lambda dc: -dc.kw)[:2]
        return [dc.name for dc in ranked] if len(ranked) == 2 else []
    return list(given) if all(site in there for site in given) else []


def sources_of(network: Network) -> list[str]:
    """Names of substations and generators of a feeder."""
    return [*network.substations, *network.generators]


def factors_of(given: Mapping[str, Any], network: Network) -> dict[str, Any]:
    """The factors of the sources that a case has."""
    there = {GRID, *sources_of(network)}
    return {name: value for name, value in given.items() if name in there}
