"""Which buses are grounded: elsewhere the zero-sequence voltage is undefined."""

from __future__ import annotations

import networkx as nx
import numpy as np

from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.elements import Line
from pyomo_dlmp.network.kinds import Branch
from pyomo_dlmp.network.network import Network
from pyomo_dlmp.network.phases import NEUTRAL
from pyomo_dlmp.network.topology import end_legs
from pyomo_dlmp.network.transformers import Transformer
from pyomo_dlmp.tolerances import RANK


def grounded_buses(network: Network) -> set[str]:
    """Buses whose voltage to ground is held: by the source, a wye winding, or a wye device.

    A zone is a set of buses joined by lines; it is grounded if any of its elements is. A wye to a
    neutral holds its zone if that neutral is grounded somewhere in the zone.

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
        if isinstance(branch, NodalAdmittance):
            held |= _held_by(branch, zones)
        else:
            beside.setdefault((branch.from_bus, branch.to_bus), []).append(branch)
    for ends, group in beside.items():
        if _joins(group):
            zones.add_edge(*ends)
        elif _holds_its_to_bus(group):
            held.add(ends[1])
        held |= {branch.from_bus for branch in group if _holds_its_from_bus(branch)}
    held |= {device.bus for device in network.devices.values() if device.grounds()}
    for shunt in network.shunts.values():
        held |= _held_by(shunt, zones)
    neutral = _at_neutrals(network)
    found = set()
    for zone in nx.connected_components(zones):
        wired = bool(zone & neutral) and any(network.buses[b].ground_z is not None for b in zone)
        if zone & held or wired:
            found |= zone
    return found


def _at_neutrals(network: Network) -> set[str]:
    """Buses with a wye, of a device or a winding, whose star point is at the neutral."""
    found = {device.bus for device in network.devices.values()
             if any(leg[1:] == NEUTRAL for leg in leg_names(device))}
    for branch in network.transformers.values():
        for bus, legs in zip((branch.from_bus, branch.to_bus), branch.legs, strict=True):
            if any(leg[1:] == NEUTRAL for leg in legs):
                found.add(bus)
    return found


def _held_by(element: NodalAdmittance, zones: nx.Graph) -> set[str]:
    """Buses that a linear element holds; those that it only joins become neighbours in `zones`.

    All conductors of a bus at one voltage, the others at 0: the current that then enters the bus
    goes to ground, or to the other buses.
    """
    places = np.array([bus for bus, _ in element.terminals])
    y, size = element.y, np.abs(element.y).max()
    own = {bus: np.abs(y[np.ix_(places == bus, places == bus)].sum()) for bus in element.buses}
    if np.abs(y.sum(axis=1)).max() > RANK * size:
        return {bus for bus in element.buses if own[bus] > RANK * size}
    coupled = [bus for bus in element.buses if own[bus] > RANK * size]
    nx.add_path(zones, coupled)
    return set()


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
        branch, "floating", "") and not (
        isinstance(branch, Transformer) and any(len(leg) == 2 for leg in branch.legs[0]))
