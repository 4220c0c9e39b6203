"""Parts of a circuit that nothing grounds: their zero sequence needs a reference.

The current of a reference is 0, since all other currents of the part add up to 0; so the row that
sets the mean voltage of one bus changes nothing but the voltages to ground, which are arbitrary.
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np

from pyomo_dlmp.ac.elements import Element, IdealRow
from pyomo_dlmp.tolerances import SINGULAR


def zone_rows(circuit: Any) -> list[IdealRow]:
    """A row for each part of a circuit that nothing grounds.

    Parameters
    ----------
    circuit : Circuit
        With its elements, legs and ideal rows.

    Returns
    -------
    list of IdealRow
        Of kind ``"zone"``.
    """
    parts = _parts(circuit)
    label = np.empty(circuit.n, dtype=int)
    for number, part in enumerate(parts):
        label[list(part)] = number
    held = _held(circuit, label, len(parts))
    rows = []
    for number, part in enumerate(parts):
        if not held[number]:
            first = circuit.nodes[min(part)][0]
            members = [circuit.at[first, k] for k in circuit.network.buses[first].conductors
                       if circuit.at[first, k] in part]
            ends = tuple(circuit.nodes[i] for i in members)
            rows.append(IdealRow("zone", first, ends, np.ones(len(ends))))
    return rows


def _parts(circuit: Any) -> list[set[int]]:
    """Nodes that conduct to each other, other than by induction."""
    graph = nx.Graph()
    graph.add_nodes_from(range(circuit.n))
    for element in circuit.elements:
        for group in _conducting(element):
            nx.add_path(graph, [circuit.at[element.terminals[i]] for i in group])
    for row in circuit.ideal:
        by_bus: dict[str, list[int]] = {}
        for end in row.terminals:
            by_bus.setdefault(end[0], []).append(circuit.at[end])
        if row.kind == "line" or len(row.coefs) == 2:  # a joint, or a ratio of two voltages
            nx.add_path(graph, [circuit.at[end] for end in row.terminals])
        else:
            for nodes in by_bus.values():
                nx.add_path(graph, nodes)
    legs = circuit.legs
    both = (legs.a >= 0) & (legs.b >= 0)
    graph.add_edges_from(zip(legs.a[both].tolist(), legs.b[both].tolist(), strict=True))
    return list(nx.connected_components(graph))


def _conducting(element: Element) -> list[list[int]]:
    """Terminals of an element by sides, if a common voltage of a side drives no current.

    Those of a line by conductors, between which it only induces.
    """
    y, size = element.y, np.abs(element.y)
    if element.kind == "line" and _by_conductors(element):
        return [[i, i + len(y) // 2] for i in range(len(y) // 2)]
    sides: dict[str, list[int]] = {}
    for i, (bus, _) in enumerate(element.terminals):
        if size[i].max(initial=0.0) > 0:
            sides.setdefault(bus, []).append(i)
    for side in sides.values():
        if (np.abs(y[:, side].sum(axis=1)) > SINGULAR * size[:, side].sum(axis=1)).any():
            return [sorted(i for group in sides.values() for i in group)]
    return list(sides.values())


def _by_conductors(element: Element) -> bool:
    """Whether no terminal of a line is at ground: each conductor is then at both of its ends."""
    half, odd = divmod(len(element.y), 2)
    first = {bus for bus, _ in element.terminals[:half]}
    second = {bus for bus, _ in element.terminals[half:]}
    return not odd and len(first) == len(second) == 1 and not first & second


def _held(circuit: Any, label: np.ndarray, count: int) -> np.ndarray:
    """Whether a common voltage of each part drives a current, or is set by a row or a leg."""
    held = np.zeros(count, dtype=bool)
    for element in circuit.elements:
        parts = label[[circuit.at[end] for end in element.terminals]]
        for part in set(parts.tolist()):
            mine = parts == part
            total = np.abs(element.y[:, mine].sum(axis=1))
            if (total > SINGULAR * np.abs(element.y[:, mine]).sum(axis=1)).any():
                held[part] = True
    for row in circuit.ideal:
        parts = label[[circuit.at[end] for end in row.terminals]]
        for part in set(parts.tolist()):
            held[part] |= bool(abs(row.coefs[parts == part].sum()) > SINGULAR)
    held[label[[circuit.at[end] for end in circuit.source.terminals]]] = True
    legs = circuit.legs
    held[label[legs.a[(legs.b < 0) & (legs.a >= 0)]]] = True
    held[label[legs.b[(legs.a < 0) & (legs.b >= 0)]]] = True
    return held
