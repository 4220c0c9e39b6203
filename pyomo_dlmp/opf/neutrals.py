"""Neutral conductors that a model of phases alone can leave out, exactly.

The conductors n, d ... of all buses, joined by joints without impedance, are *nodes*. A node is

    held    at ground: solidly grounded somewhere; or all that one galvanic zone refers to, while
            nothing else of that zone touches ground (then no current has a way back by ground)
    idle    in a tree of lines that meets ground at most once and that nothing else is connected to:
            no current flows in it, whatever its voltage
    else    its voltage depends on currents: not a model of phases, refused by name

With V_n = 0 at both ends of a line its rows and columns leave the *admittance* (Schur complement of
the impedance); with I_n = 0 those of the *impedance*. Legs to a held node are legs to ground. A
star point that only one winding is connected to is `floating`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx
import numpy as np

from pyomo_dlmp.errors import Fault, ModelError, listed
from pyomo_dlmp.network import Line, Network
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.elements import LineCode, Regulator
from pyomo_dlmp.network.kinds import buses_of, label
from pyomo_dlmp.network.phases import NEUTRALS
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer
from pyomo_dlmp.tolerances import RANK

Place = tuple[str, str]  # bus and conductor
MOST_LISTED = 20


@dataclass
class Neutrals:
    """What is known of the neutral nodes of a network.

    Attributes
    ----------
    node : dict
        [bus, conductor]: number of its node.
    held, idle : set of int
        Nodes; see the module's text.
    stars : dict
        [transformer, side]: node of star points that float.
    faults : list of Fault
        Nodes that are neither.
    """

    node: dict[Place, int]
    held: set[int] = field(default_factory=set)
    idle: set[int] = field(default_factory=set)
    stars: dict[tuple[str, int], int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def is_held(self, bus: str, conductor: str) -> bool:
        """Whether a conductor of a bus is at ground."""
        return self.node.get((bus, conductor)) in self.held


def without_neutrals(network: Network, cure: str) -> Network:
    """The same network of phases alone; devices keep their legs.

    Parameters
    ----------
    network : Network
        Any feeder.
    cure : str
        What takes a network that is refused.

    Returns
    -------
    Network
        Itself if it has no neutrals.

    Raises
    ------
    ModelError
        With every neutral that cannot be left out.
    """
    if not any(bus.neutrals for bus in network.buses.values()):
        return network
    found = _judge(network, cure)
    faults = [*found.faults, *_odd_legs(network, found, cure)]
    if faults:
        raise ModelError(faults)
    codes: dict[tuple, LineCode] = {}
    elements: list[Any] = []
    for element in network.elements:
        if isinstance(element, Line):
            line = _line(element, found, codes)
            elements += [] if line is None else [line]
        elif isinstance(element, Transformer):
            elements.append(_transformer(element, found))
        elif isinstance(element, CenterTappedTransformer):
            elements.append(replace(element, leg=_leg(element.leg)))
        elif isinstance(element, NodalAdmittance):
            elements.append(_admittance(element))
        else:
            elements.append(element)
    for i, element in enumerate(elements):
        if getattr(element, "neutrals", ""):
            kept = "".join(k for k in element.neutrals if found.is_held(element.name, k))
            ground = 0.0 if kept else None
            elements[i] = replace(element, neutrals=kept, ground_r=ground, ground_x=ground)
    return Network(network.name, elements, network.description, network.source,
                   network.profiles.values(), network.frequency)


# ------------------------------------------------------------------------------ judging nodes


def _wires(line: Line) -> Iterator[tuple[Place, Place]]:
    """Both ends of each conductor of a line."""
    for k, other in zip(line.phases, line.to_phases, strict=True):
        yield (line.from_bus, k), (line.to_bus, other)


def _judge(network: Network, cure: str) -> Neutrals:
    found = _nodes(network, cure)
    users = _users(network, found)
    edges, ways = _series(network, found)
    zone, grounded = _zones(network, found)
    at = {i: bus for (bus, _), i in found.node.items()}
    refused: list[int] = []
    for part in list(nx.connected_components(edges)):
        used = [use for i in part for use in users.get(i, ())]
        tree = edges.subgraph(part).number_of_edges() == len(part) - 1
        if not used and tree and sum(ways[i] for i in part) <= 1:
            found.idle |= part
            continue
        i = next(iter(part)) if len(part) == 1 else None
        if i is not None and [kind for kind, _ in used] == ["star"] and not ways[i]:
            found.idle.add(i)
            branch, side = used[0][1]
            found.stars[branch.name, side] = i
        elif i is not None and zone[at[i]] not in grounded:
            found.held.add(i)
        else:
            refused += sorted(part)
    found.faults += _faults(network, found, refused, cure)
    return found


def _nodes(network: Network, cure: str) -> Neutrals:
    joined = nx.Graph()
    joined.add_nodes_from((bus.name, k) for bus in network.buses.values() for k in bus.conductors)
    for line in network.branches.values():
        if isinstance(line, Line) and line.joins:
            joined.add_edges_from(_wires(line))
    node: dict[Place, int] = {}
    faults = []
    for i, places in enumerate(nx.connected_components(joined)):
        wires = sorted(place for place in places if place[1] in NEUTRALS)
        node |= dict.fromkeys(wires, i)
        if 0 < len(wires) < len(places):
            bus, k = wires[0]
            faults.append(Fault(f"bus {bus!r}", f"its conductor {k!r} is joined with a phase",
                                f"{cure}; or correct the conductors of the joint."))
    held = {node[bus.name, "n"] for bus in network.buses.values()
            if "n" in bus.neutrals and bus.ground_z == 0}
    return Neutrals(node, held, faults=faults)


def _series(network: Network, found: Neutrals) -> tuple[nx.MultiGraph, Counter[int]]:
    """Impedances between nodes that are not held, and how many lead from each to ground."""
    node, edges = found.node, nx.MultiGraph()
    ways = Counter(node[bus.name, "n"] for bus in network.buses.values()
                   if "n" in bus.neutrals and bus.ground_z is not None)
    edges.add_nodes_from(i for i in set(node.values()) if i not in found.held)
    for line in network.branches.values():
        if not isinstance(line, Line) or line.joins:
            continue
        for ends in _wires(line):
            first, second = (node.get(place) for place in ends)
            if (first is None) != (second is None):
                found.faults.append(Fault(
                    label(line), f"it leads conductor {ends[0][1]!r} on as {ends[1][1]!r}",
                    "A phase stays a phase, a neutral a neutral: correct its conductors."))
            elif first is None or second is None or {first, second} <= found.held:
                continue
            elif first in found.held or second in found.held:
                ways[second if first in found.held else first] += 1
            else:
                edges.add_edge(first, second)
    return edges, ways


def _users(network: Network, found: Neutrals) -> dict[int, list[tuple[str, Any]]]:
    """Everything but series impedances that may bring a current into a node that is not held."""
    users: dict[int, list[tuple[str, Any]]] = {}

    def add(bus: str, conductors: Iterable[str], kind: str, what: Any = None) -> None:
        for k in dict.fromkeys(conductors):
            number = found.node.get((bus, k))
            if number is not None and number not in found.held:
                users.setdefault(number, []).append((kind, what))

    for device in network.devices.values():
        add(device.bus, "".join(leg_names(device)), "device")
    for branch in network.branches.values():
        if isinstance(branch, Transformer):
            for side, bus in enumerate((branch.from_bus, branch.to_bus)):
                legs = branch.legs[side]
                star = all(leg[1:] == legs[0][1:] != "" for leg in legs) and len(legs) > 1
                add(bus, "".join(legs), "star" if star else "winding", (branch, side))
        elif isinstance(branch, CenterTappedTransformer | Regulator):
            add(branch.from_bus, branch.from_phases, "branch")
            add(branch.to_bus, branch.to_phases, "branch")
        elif isinstance(branch, Line) and branch.code.b is not None:
            charged = np.abs(np.array(branch.code.b)).max(axis=1) > 0
            for places, live in zip(_wires(branch), charged, strict=True):
                for bus, k in places if live else ():
                    add(bus, k, "charging")
    for element in network.admittances.values():
        live = np.abs(element.y).max(axis=1) > RANK * np.abs(element.y).max()
        for (bus, k), row in zip(element.terminals, live, strict=True):
            add(bus, k if row else "", "branch")
    return users


def _zones(network: Network, found: Neutrals) -> tuple[dict[str, int], set[int]]:
    """Galvanic zones, and those that touch ground or have several neutral nodes.

    A zone is a set of buses that lines join.

    Returns
    -------
    (dict of str to int, set of int)
        Number of each bus's zone; zones in which no neutral can be called ground.
    """
    joined = nx.Graph()
    joined.add_nodes_from(network.buses)
    joined.add_edges_from((line.from_bus, line.to_bus) for line in network.branches.values()
                          if isinstance(line, Line))
    zone = {bus: i for i, part in enumerate(nx.connected_components(joined)) for bus in part}
    touching = {network.substation.bus}
    for device in network.devices.values():
        if device.grounds() or any(len(leg) == 1 for leg in leg_names(device)):
            touching.add(device.bus)
    for element in network.admittances.values():
        touching.update(element.buses)
    for branch in network.branches.values():
        if isinstance(branch, Line):
            touching.update(buses_of(branch) if branch.code.b is not None else ())
            continue
        for side, bus in enumerate(buses_of(branch)):
            floats = isinstance(branch, Transformer) and (
                branch.floating in (("from", "to")[side], "both")
                or all(len(leg) == 2 for leg in branch.legs[side]))
            if not floats:
                touching.add(bus)
    nodes: dict[int, set[int]] = {}
    for (bus, _), i in found.node.items():
        nodes.setdefault(zone[bus], set()).add(i)
    several = {i for i, held in nodes.items() if len(held) > 1}
    return zone, {zone[bus] for bus in touching} | several


def _faults(network: Network, found: Neutrals, refused: list[int], cure: str) -> Iterator[Fault]:
    """Nodes with a voltage of their own; where they are many, those in the same state at once."""
    cure = f"{cure}; or ground it solidly (ground_r=0, ground_x=0)."
    states: dict[tuple[str, str], list[str]] = {}
    places: dict[int, list[Place]] = {}
    for place, i in found.node.items():
        places.setdefault(i, []).append(place)
    for i in refused:
        grounds = [network.buses[bus].ground_z for bus, k in places[i] if k == "n"]
        z = next((g for g in grounds if g is not None), None)
        state = "not grounded" if z is None else f"grounded through {z.real:g} + j{z.imag:g} ohm"
        bus, k = places[i][0]
        states.setdefault((k, state), []).append(bus)
    for (k, state), buses in states.items():
        if len(buses) <= MOST_LISTED:
            for bus in buses:
                yield Fault(f"bus {bus!r}", f"its conductor {k!r} is {state} and carries current, "
                            "so that it has a voltage of its own", cure)
        else:
            yield Fault(f"network {network.name!r}",
                        f"conductor {k!r} of {len(buses)} buses is {state} and carries current, so "
                        f"that it has a voltage of its own: {listed(buses, MOST_LISTED)}", cure)


# --------------------------------------------------------------------------- leaving them out


def _odd_legs(network: Network, found: Neutrals, cure: str) -> Iterator[Fault]:
    """Legs that begin at a neutral: to ground, or between neutrals."""
    for device in network.devices.values():
        for leg in leg_names(device):
            if leg[0] in NEUTRALS:
                yield Fault(label(device), f"its leg {leg!r} has no phase", f"{cure}.")
    for branch in network.branches.values():
        if isinstance(branch, Transformer):
            for leg in (*branch.legs[0], *branch.legs[1]):
                if leg[0] in NEUTRALS:
                    yield Fault(label(branch), f"its leg {leg!r} has no phase", f"{cure}.")
        elif isinstance(branch, Regulator) and set(branch.phases) & set(NEUTRALS):
            yield Fault(label(branch), f"it regulates conductors {branch.phases!r}", f"{cure}.")


def _line(line: Line, found: Neutrals, codes: dict[tuple, LineCode]) -> Line | None:
    """The line of its phases; None if it has none."""
    first, second = line.phases, line.to_phases
    kept = [i for i, k in enumerate(first) if k not in NEUTRALS]
    if len(kept) == len(first):
        return line
    if not kept:
        return None
    held = [i for i, k in enumerate(first) if k in NEUTRALS
            and found.is_held(line.from_bus, k) and found.is_held(line.to_bus, second[i])]
    if not line.closed:
        held = []
    key = (line.code, tuple(kept), tuple(held))
    if key not in codes:
        codes[key] = _code(line.code, kept, held)
    phases, there = ("".join(names[i] for i in kept) for names in (first, second))
    return replace(line, code=codes[key], phases=phases,
                   to_conductors=None if there == phases else there)


def _code(code: LineCode, kept: list[int], held: list[int]) -> LineCode:
    """Schur complement over the conductors `kept`; those neither kept nor held carry nothing."""
    z = np.array(code.r) + 1j * np.array(code.x)
    short = z[np.ix_(kept, kept)]
    if held and np.any(z):
        across = z[np.ix_(kept, held)]
        short = short - across @ np.linalg.solve(z[np.ix_(held, held)], across.T)
    b = None if code.b is None else np.array(code.b)[np.ix_(kept, kept)]
    return LineCode(
        name=f"{code.name} ({len(held)} neutral(s) at ground, "
        f"{len(code.r) - len(kept) - len(held)} without current)",
        r=_rows(short.real), x=_rows(short.imag), b=None if b is None else _rows(b))


def _rows(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def _leg(leg: str) -> str:
    return leg[0] if leg[1:] and leg[1] in NEUTRALS else leg


def _transformer(t: Transformer, found: Neutrals) -> Transformer:
    legs = t.legs
    if not any(leg[1:] and leg[1] in NEUTRALS for leg in (*legs[0], *legs[1])):
        return t
    short = [tuple(map(_leg, side)) for side in legs]
    floats = {name for side, name in enumerate(("from", "to"))
              if (t.name, side) in found.stars or t.floating in (name, "both")}
    floating = "both" if len(floats) == 2 else "".join(floats)
    return replace(t, from_legs=short[0], to_legs=short[1], floating=floating)  # type: ignore


def _admittance(element: NodalAdmittance) -> NodalAdmittance:
    kept = [i for i, (_, k) in enumerate(element.terminals) if k not in NEUTRALS]
    if len(kept) == len(element.terminals):
        return element
    y = element.y[np.ix_(kept, kept)]
    return element.with_admittance(y, element.buses, tuple(
        "".join(k for k in names if k not in NEUTRALS) for names in element.conductors))
