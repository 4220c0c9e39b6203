"""Where the buses of a one-line diagram stand: by their coordinates, or laid out as a tree."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import splu

from pyomo_dlmp.tolerances import ROUNDING

Positions = dict[str, tuple[float, float]]

_STEP = 0.6  # how far a bus without any stands from the last one with some, in lengths of a branch
_FAN = 0.7  # radians between the branches that leave a bus towards buses without any


def positions(buses: pd.DataFrame, branches: pd.DataFrame) -> Positions:
    """Drawing coordinates of each bus.

    Buses without coordinates are filled in from their neighbours: between two that have some they
    lie on the way from one to the other, beyond the last one they go on outwards. Where fewer than
    two places are known, or a part of the feeder has none, it is laid out as a tree.

    Parameters
    ----------
    buses : DataFrame
        Columns bus, x, y (drawing units, NaN where unknown), distance_km.
    branches : DataFrame
        Columns from_bus, to_bus.

    Returns
    -------
    dict of str to (float, float)
        In the order of `buses`.
    """
    graph = _graph(buses, branches)
    known = _known(buses)
    if len(known) == len(graph):
        return known
    if not _fills(graph, known):
        return _tree_layout(buses, graph)
    found = known | _between(graph, known)
    found |= _outwards(graph, found, known)
    return {bus: found[bus] for bus in graph}


def filled_in(buses: pd.DataFrame, branches: pd.DataFrame) -> int | None:
    """How many buses are drawn at places filled in from their neighbours.

    Parameters
    ----------
    buses : DataFrame
        Columns bus, x, y (drawing units, NaN where unknown), distance_km.
    branches : DataFrame
        Columns from_bus, to_bus.

    Returns
    -------
    int or None
        None where the feeder is laid out as a tree.
    """
    graph, known = _graph(buses, branches), _known(buses)
    lost = len(graph) - len(known)
    return None if lost and not _fills(graph, known) else lost


def _graph(buses: pd.DataFrame, branches: pd.DataFrame) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(buses["bus"].tolist())
    graph.add_edges_from(zip(branches["from_bus"], branches["to_bus"], strict=True))
    return graph


def _known(buses: pd.DataFrame) -> Positions:
    return {bus: (float(x), float(y))
            for bus, x, y in buses[["bus", "x", "y"]].itertuples(index=False)
            if np.isfinite(x) and np.isfinite(y)}


def _fills(graph: nx.Graph, known: Positions) -> bool:
    """Whether there is enough to fill in the rest."""
    return len(set(known.values())) > 1 and all(
        known.keys() & part for part in nx.connected_components(graph))


def _between(graph: nx.Graph, known: Positions) -> Positions:
    """Lost buses that lie on a way between two known ones: each in the middle of its neighbours."""
    rest = graph.copy()
    ends = [bus for bus in graph if bus not in known and graph.degree(bus) <= 1]
    while ends:
        bus = ends.pop()
        near = list(rest.adj[bus])
        rest.remove_node(bus)
        ends += [other for other in near if other not in known and rest.degree(other) <= 1]
    lost = {bus: k for k, bus in enumerate(bus for bus in rest if bus not in known)}
    if not lost:
        return {}
    rows, columns, right = [], [], np.zeros((len(lost), 2))
    for bus, k in lost.items():
        for other in rest.adj[bus]:
            if other in known:
                right[k] += known[other]
            else:
                rows.append(k)
                columns.append(lost[other])
    matrix = coo_array((-np.ones(len(rows)), (rows, columns)), shape=(len(lost), len(lost))).tocsc()
    matrix += diags_array([rest.degree(bus) for bus in lost], dtype=float).tocsc()
    place = dict(zip(lost, map(tuple, splu(matrix).solve(right).tolist()), strict=True))
    spread = ROUNDING * float(np.ptp(np.array(list(known.values())), axis=0).max())
    all_places = known | place
    return {bus: here for bus, here in place.items()  # but those of a loop that hangs on one bus
            if any(np.hypot(*np.subtract(here, all_places[other])) > spread
                   for other in rest.adj[bus])}


def _outwards(graph: nx.Graph, found: Positions, known: Positions) -> Positions:
    """The other lost buses: each a step from its neighbour, away from where that comes from."""
    lengths = [length for i, j in graph.edges if i in known and j in known
               and (length := float(np.hypot(*np.subtract(known[i], known[j])))) > 0]
    spread = float(np.max(np.ptp(np.array(list(known.values())), axis=0)))
    step = _STEP * float(np.median(lengths)) if lengths else spread / np.sqrt(len(graph))
    middle = np.mean(list(known.values()), axis=0)
    place, queue = dict(found), list(found)
    for bus in queue:  # grows while it is walked: breadth first
        here = np.array(place[bus])
        near = [np.array(place[other]) for other in graph.adj[bus] if other in place]
        away = here - (np.mean(near, axis=0) if near else middle)
        first = float(np.arctan2(away[1], away[0])) if away.any() else 0.0
        children = [other for other in graph.adj[bus] if other not in place]
        for k, child in enumerate(children):
            turn = first + _FAN * (k - (len(children) - 1) / 2)
            place[child] = (float(here[0] + step * np.cos(turn)),
                            float(here[1] + step * np.sin(turn)))
            queue.append(child)
    return place


def _tree_layout(buses: pd.DataFrame, graph: nx.Graph) -> Positions:
    """Depth to the right, leaves one below the other, parents in the middle of their children."""
    place: Positions = {}
    leaves = 0
    for root in buses.sort_values("distance_km", kind="stable")["bus"].tolist():
        if root in place:
            continue
        tree = nx.dfs_tree(graph, root)
        depth = nx.shortest_path_length(tree, root)
        height: dict[str, float] = {}
        for bus in nx.dfs_postorder_nodes(tree, root):
            below = [height[child] for child in tree.adj[bus]]
            if below:
                height[bus] = float(np.mean(below))
            else:
                height[bus], leaves = float(-leaves), leaves + 1
        place |= {bus: (float(depth[bus]), height[bus]) for bus in tree}
    return place
