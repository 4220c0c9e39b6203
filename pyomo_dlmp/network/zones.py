"""Which buses have a ground: the rest have no zero-sequence voltage that means anything."""

from __future__ import annotations

import networkx as nx

from pyomo_dlmp.network.elements import Line
from pyomo_dlmp.network.network import Network
from pyomo_dlmp.network.topology import end_legs


def grounded_buses(network: Network) -> set[str]:
    """Buses whose voltage to ground is held: by the source, a wye winding, or a wye device.

    A zone is what lines join; it is grounded if any of its parts is.
    """
    zones = nx.Graph()
    zones.add_nodes_from(network.buses)
    held = {network.substation.bus}
    beside: dict[tuple[str, str], list] = {}
    for branch in network.branches.values():
        beside.setdefault((branch.from_bus, branch.to_bus), []).append(branch)
    for (first, second), group in beside.items():
        pairs = [leg for branch in group for leg in end_legs(branch) if len(leg) == 2]
        lines = [branch for branch in group if isinstance(branch, Line)]
        open_delta = any(getattr(branch, "connection", "") == "open_delta" for branch in group)
        if lines and not pairs:
            zones.add_edge(first, second)
        elif not pairs and not open_delta:
            held.add(second)  # a wye winding, or a regulator to neutral
        for branch in group:
            if getattr(branch, "connection", "").startswith("wye") and not getattr(
                    branch, "floating", ""):
                held.add(branch.from_bus)
    held |= {load.bus for load in network.loads.values() if load.connection == "wye"}
    held |= {cap.bus for cap in network.capacitors.values() if cap.connection == "wye"}
    return {bus for zone in nx.connected_components(zones) if zone & held for bus in zone}
