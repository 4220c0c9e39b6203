"""A solved engine as a `Draft`: the elements read so far, and those that could not be."""

from __future__ import annotations

import json
import math
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyomo_dlmp.errors import Fault
from pyomo_dlmp.network import Element
from pyomo_dlmp.network.device import pair_name

LETTERS = {1: "a", 2: "b", 3: "c"}
SPLIT_LETTERS = {1: "1", 2: "2"}
NODE = {letter: node for known in (LETTERS, SPLIT_LETTERS) for node, letter in known.items()}
FULL = 1  # DSSJSONFlags.Full
CONTROLS = frozenset((  # what they did is in the solved circuit
    "regcontrol", "capcontrol", "swtcontrol", "relay", "recloser", "fuse", "monitor",
    "energymeter", "sensor", "invcontrol", "expcontrol", "storagecontroller", "gendispatcher",
    "espvlcontrol", "upfccontrol",
))


class Unsupported(Exception):
    """An element that a network cannot represent.

    Parameters
    ----------
    what, cure : str
        What is not supported, and its cure.
    """

    def __init__(self, what: str, cure: str = "Remove it, or replace it by what is modeled."):
        super().__init__(what)
        self.what, self.cure = what, cure


@dataclass
class Draft:
    """The network while it is read.

    Attributes
    ----------
    engine : object
        With the solved circuit.
    places : dict of str to str
        File and line of elements.
    elements : list of Element
        Read so far.
    faults, unsupported : list of Fault
        What is wrong, and what cannot be represented.
    split : set of str
        Buses behind centre-tapped transformers.
    bus_kv : dict of str to float
        Nominal voltage of buses (kV, line to line).
    phases : dict of str to set of str
        Phases of buses that elements use.
    floating : set of (str, int)
        Bus and node of open star points.
    loadmult : float
        Multiplier (1) of all loads.
    """

    engine: Any
    places: dict[str, str]
    elements: list[Element] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unsupported: list[Fault] = field(default_factory=list)
    split: set[str] = field(default_factory=set)
    bus_kv: dict[str, float] = field(default_factory=dict)
    phases: dict[str, set[str]] = field(default_factory=dict)
    floating: set[tuple[str, int]] = field(default_factory=set)
    loadmult: float = 1.0

    def where(self, full: str) -> str:
        """Name of an element in messages: its OpenDSS name, and file and line where it was made."""
        place = self.places.get(full.lower())
        return f"{full} ({place})" if place else full

    def refuse(self, full: str, what: str, cure: str) -> None:
        """Note an element that cannot be represented, by its OpenDSS name."""
        self.unsupported.append(Fault(self.where(full), what, cure))

    @contextmanager
    def reading(self, full: str) -> Iterator[None]:
        """Within, note what keeps an element from being read, so that the next one is read."""
        try:
            yield
        except Unsupported as why:
            self.refuse(full, why.what, why.cure)
        except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError,
                np.linalg.LinAlgError) as error:  # null, NaN, too few numbers
            self.faults.append(Fault(self.where(full), f"its numbers cannot be read ({error})",
                                     "Correct its properties."))

    def name(self, full: str) -> str:
        """Name of an element in the network.

        Parameters
        ----------
        full : str
            Its OpenDSS name.

        Returns
        -------
        str
            The name without its class, unless another class of its family has the same.
        """
        kind, bare = full.lower().split(".", 1)
        family = "branch" if kind in ("line", "transformer", "reactor") else "device"
        taken = self._taken.setdefault((family, bare), kind)
        return bare if taken == kind else f"{kind}.{bare}"

    _taken: dict[tuple[str, str], str] = field(default_factory=dict)

    def letter(self, bus: str, node: int) -> str:
        """The phase of a node.

        Parameters
        ----------
        bus : str
            Name of the bus.
        node : int
            1, 2 or 3.

        Returns
        -------
        str
            Such as ``"a"``.

        Raises
        ------
        Unsupported
            For neutrals and further conductors.
        """
        known = SPLIT_LETTERS if bus in self.split else LETTERS
        if node not in known:
            raise Unsupported(
                f"it is connected to node {node} of bus {bus!r}",
                "Phases are nodes 1, 2, 3 (1, 2 behind a centre-tapped transformer); a fourth "
                "wire must be reduced, and a neutral grounded (node 0).")
        self.phases.setdefault(bus, set()).add(known[node])
        return known[node]

    def kv_ln(self, bus: str) -> float:
        """Nominal voltage of a phase to neutral (kV)."""
        return self.bus_kv[bus] / (2.0 if bus in self.split else math.sqrt(3.0))

    def leg(self, bus: str, first: int, second: int) -> str:
        """The leg between two nodes of a bus.

        Parameters
        ----------
        bus : str
            Name of the bus.
        first, second : int
            Nodes; 0 is ground.

        Returns
        -------
        str
            A phase, or a pair in its usual order.

        Raises
        ------
        Unsupported
            As `letter`.
        """
        if second == 0:
            return self.letter(bus, first)
        if first == 0:
            return self.letter(bus, second)
        return pair_name(self.letter(bus, first) + self.letter(bus, second))


def bus_of(text: str) -> str:
    """The bus of a terminal such as ``671.1.2.3``, in lower case."""
    return text.split(".", 1)[0].lower()


def records(engine: Any, kind: str) -> list[dict[str, Any]]:
    """All enabled elements of a class.

    Parameters
    ----------
    engine : object
        With a circuit.
    kind : str
        The class, such as ``"load"``.

    Returns
    -------
    list of dict
        Every property by its name in lower case, in the units of OpenDSS.
    """
    circuit = engine.ActiveCircuit
    circuit.SetActiveClass(kind)
    if circuit.ActiveClass.ActiveClassName.lower() != kind:
        return []
    text = circuit.ActiveClass.ToJSON(FULL)
    found = json.loads(text, parse_constant=float)
    return [{key.lower(): value for key, value in record.items()}
            for record in found if record.get("Enabled", True)]


def activate(engine: Any, full: str) -> Any:
    """Make an element the active one.

    Parameters
    ----------
    engine : object
        With a circuit.
    full : str
        OpenDSS name of the element.

    Returns
    -------
    object
        The engine's active element.
    """
    engine.ActiveCircuit.SetActiveElement(full)
    return engine.ActiveCircuit.ActiveCktElement


def terminals(element: Any) -> list[tuple[str, list[int]]]:
    """Bus and nodes of each terminal.

    Parameters
    ----------
    element : object
        The engine's active element.

    Returns
    -------
    list of (str, list of int)
        Nodes conductor by conductor.
    """
    nodes = [int(node) for node in element.NodeOrder]
    buses = [bus_of(bus) for bus in element.BusNames]
    n = len(nodes) // len(buses)
    return [(bus, nodes[i * n:(i + 1) * n]) for i, bus in enumerate(buses)]


def primitive(element: Any) -> np.ndarray:
    """Admittance matrix of an element.

    Parameters
    ----------
    element : object
        The engine's active element.

    Returns
    -------
    ndarray, shape (n, n), complex
        In siemens, n its conductors at all terminals.
    """
    flat = np.asarray(element.Yprim, dtype=float).view(complex)
    n = math.isqrt(len(flat))
    return flat.reshape(n, n).T


def find_split_buses(draft: Draft, transformers: list[dict[str, Any]]) -> None:
    """Note buses behind centre-tapped transformers: second windings', and those that lines reach.

    Parameters
    ----------
    draft : Draft
        Its `split` is filled.
    transformers : list of dict
        Of `records`.
    """
    circuit = draft.engine.ActiveCircuit
    for record in transformers:
        if len(record["bus"]) == 3 and bus_of(record["bus"][1]) == bus_of(record["bus"][2]):
            draft.split.add(bus_of(record["bus"][1]))
    if not draft.split:
        return
    beside: dict[str, list[str]] = {}
    i = circuit.Lines.First
    while i:
        first, second = (bus_of(bus) for bus in circuit.ActiveCktElement.BusNames[:2])
        beside.setdefault(first, []).append(second)
        beside.setdefault(second, []).append(first)
        i = circuit.Lines.Next
    queue = sorted(draft.split)
    while queue:
        for bus in beside.get(queue.pop(), ()):
            if bus not in draft.split:
                draft.split.add(bus)
                queue.append(bus)


def find_voltages(draft: Draft, transformers: list[dict[str, Any]],
                  source: tuple[str, float]) -> None:
    """Note the nominal kV of every bus: the engine's voltage base if it fits the windings' ratings.

    Ratings are passed on from the source, winding by winding.

    Parameters
    ----------
    draft : Draft
        Its `bus_kv` is filled.
    transformers : list of dict
        Of `records`.
    source : (str, float)
        Bus of the source and its voltage (kV, line to line).
    """
    circuit = draft.engine.ActiveCircuit
    links: dict[str, list[tuple[str, float | None]]] = {}
    for element in ("Lines", "Reactors"):
        collection = getattr(circuit, element)
        i = collection.First
        while i:
            first, second = (bus_of(bus) for bus in circuit.ActiveCktElement.BusNames[:2])
            links.setdefault(first, []).append((second, None))
            links.setdefault(second, []).append((first, None))
            i = collection.Next
    for record in transformers:
        ends = []
        for text, kv, connection in zip(record["bus"], record["kv"], record["conn"], strict=True):
            bus = bus_of(text)
            pair = connection.lower().startswith(("d", "ll"))
            root = math.sqrt(3.0)
            line = kv if pair or record["phases"] > 1 else kv * (2 if bus in draft.split else root)
            ends.append((bus, line))
        for first, _ in ends:
            links.setdefault(first, []).extend(ends)
    reached = {source[0]: source[1]}
    queue = [source[0]]
    while queue:
        bus = queue.pop()
        for other, kv in links.get(bus, ()):
            if other not in reached:
                reached[other] = reached[bus] if kv is None else kv
                queue.append(other)
    for i in range(circuit.NumBuses):
        bus = circuit.Buses(i)
        name = bus.Name.lower()
        base = bus.kVBase * (2.0 if name in draft.split else math.sqrt(3.0))
        rated = reached.get(name, base or source[1])
        # calcvoltagebases goes by voltages to ground, which on a floating section are anything
        fits = base > 0 and abs(base / rated - 1.0) < 0.25
        draft.bus_kv[name] = tidy(base if fits else rated, 9)


def tidy(value: float, digits: int = 10) -> float:
    """A number with the digits that matter: not 4.159999999 from a product of two roots.

    Parameters
    ----------
    value : float
        In any unit.
    digits : int
        Significant digits.

    Returns
    -------
    float
    """
    return float(f"{value:.{digits}g}")


def plain_names(draft: Draft) -> None:
    """Note buses whose names could not be written back, as faults."""
    allowed = set(string.printable) - set(" \t\n\r\x0b\x0c.\"'!=,()[]{}|")
    for bus in draft.bus_kv:
        if not set(bus) <= allowed:
            draft.faults.append(Fault(f"bus {bus!r}", "its name has characters that OpenDSS splits",
                                      "Rename it."))

