"""The table [emissions] of a study file: kg of CO2 per MWh of each source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyomo_dlmp.network import Network
from pyomo_dlmp.results.emissions import GRID, emission_faults
from pyomo_dlmp.study.entries import Found


def emission_findings(data: Mapping[str, Any], networks: Sequence[Network | None],
                      periods: int) -> Iterator[Found]:
    """What is wrong with the table.

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
    if "emissions" not in data or not known:
        return
    names = dict.fromkeys(name for network in known for name in sources_of(network))
    for fault in emission_faults(data["emissions"], list(names), periods):
        where, _, name = fault.where.partition(", ")
        yield f"[{where}] {name}".rstrip(), fault.what, fault.cure


def sources_of(network: Network) -> list[str]:
    """Names of substations and generators of a feeder."""
    return [*network.substations, *network.generators]


def factors_of(given: Mapping[str, Any], network: Network) -> dict[str, Any]:
    """The factors of the sources that a case has."""
    there = {GRID, *sources_of(network)}
    return {name: value for name, value in given.items() if name in there}
