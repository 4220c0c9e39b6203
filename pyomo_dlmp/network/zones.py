"""Which buses are grounded: elsewhere the zero-sequence voltage is undefined."""

from __future__ import annotations

import networkx as nx

from pyomo_dlmp.network.elements import Line
from pyomo_dlmp.network.kinds import Branch
from pyomo_dlmp.network.network import Network
from pyomo_dlmp.network.topology import end_legs


def grounded_buses(network: Network) -> set[str]:
    """Buses whose voltage to ground is held: by the source, a wye winding, or a wye device.

    A zone is a set of buses joined by lines; it is grounded if any of its elements is.

    Parameters
    ----------
    network : Network
        The feeder.

    Returns
    -------
    set of str
    """
    zones = nx.Graph()
    zones.add_nodes_from(network.buses)
    held = {network.substation.bus}
    beside: dict[tuple[str, str], list[Branch]] = {}
    for branch in network.branches.values():
        beside.setdefault((branch.from_bus, branch.to_bus), []).append(branch)
    for ends, group in beside.items():
        if _joins(group):
            zones.add_edge(*ends)
        elif _holds_its_to_bus(group):
            held.add(ends[1])
        held |= {branch.from_bus for branch in group if _holds_its_from_bus(branch)}
    held |= {device.bus for device in network.devices.values() if device.grounds()}
    return {bus for zone in nx.connected_components(zones) if zone & held for bus in zone}


def _couples(group: list[Branch]) -> bool:
    """Whether one of the branches acts on pairs of phases."""
    return any(len(leg) == 2 for branch in group for leg in end_legs(branch))


def _joins(group: list[Branch]) -> bool:
    """Lines, by which both ends are in one zone."""
    return any(isinstance(branch, Line) for branch in group) and not _couples(group)


def _holds_its_to_bus(group: list[Branch]) -> bool:
    """A wye winding, or a regulator to neutral."""
    open_delta = any(getattr(branch, "connection", "") == "open_delta" for branch in group)
    return not _couples(group) and not open_delta


def _holds_its_from_bus(branch: Branch) -> bool:
    """A wye winding whose star point is grounded."""
    return getattr(branch, "connection", "").startswith("wye") and not getattr(
        branch, "floating", "")
