"""Where the buses of a one-line diagram stand: by their coordinates, or laid out as a tree."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd

Positions = dict[str, tuple[float, float]]

_KNOWN = 0.5  # share of buses with coordinates from which these are used
_STEP = 0.4  # how far a bus without any stands from its neighbours, in lengths of a branch
_TURN = 2.4  # radians (about the golden angle) from one such bus to the next


def positions(buses: pd.DataFrame, branches: pd.DataFrame) -> Positions:
    """Drawing coordinates of each bus.

    Buses without coordinates stand near their neighbours that have some. Where most buses have
    none, or one is joined to no bus that has, the feeder is laid out as a tree.

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
    graph = nx.Graph()
    graph.add_nodes_from(buses["bus"].tolist())
    graph.add_edges_from(zip(branches["from_bus"], branches["to_bus"], strict=True))
    known = {bus: (float(x), float(y))
             for bus, x, y in buses[["bus", "x", "y"]].itertuples(index=False)
             if np.isfinite(x) and np.isfinite(y)}
    lost = [bus for bus in graph if bus not in known]
    if not lost:
        return known
    reached = all(known.keys() & part for part in nx.connected_components(graph))
    if not reached or len(known) < _KNOWN * len(graph):
        return _tree_layout(buses, graph)
    found = known | _beside_neighbours(graph, known, lost)
    return {bus: found[bus] for bus in graph}


def _beside_neighbours(graph: nx.Graph, known: Positions, lost: list[str]) -> Positions:
    """Each lost bus in the middle of its neighbours, and a step aside, so that none coincide."""
    lengths = [np.hypot(*np.subtract(known[i], known[j]))
               for i, j in graph.edges if i in known and j in known]
    step = _STEP * (float(np.median(lengths)) if lengths else 1.0)
    number = {bus: k for k, bus in enumerate(lost)}
    matrix, right = np.eye(len(lost)), np.zeros((len(lost), 2))
    for bus, k in number.items():
        near = list(graph.adj[bus])
        right[k] = step * np.array([np.cos(_TURN * k), np.sin(_TURN * k)])
        for other in near:
            if other in known:
                right[k] += np.array(known[other]) / len(near)
            else:
                matrix[k, number[other]] -= 1.0 / len(near)
    return dict(zip(lost, map(tuple, np.linalg.solve(matrix, right).tolist()), strict=True))


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
