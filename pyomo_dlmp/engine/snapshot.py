"""A solved OpenDSS circuit as plain data, so that nothing that reads it needs the engine."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

FULL = 1  # DSSJSONFlags.Full
STATED = 0  # only properties that the script has set
DEFAULT_AMPS = 400.0, 600.0  # normal and emergency, of lines that say nothing
POSITIVE = 1  # DSSModels: the engine then gives three times the powers of its elements


@dataclass
class EngineElement:
    """One element of the circuit.

    Attributes
    ----------
    full : str
        Class and name as the engine writes them, such as ``"Line.l1"``.
    record : dict of str to object
        Every property by its name in lower case, in the units of OpenDSS.
    ends : list of (str, tuple of int)
        Bus (lower case) and node of each conductor, terminal by terminal; 0 is ground.
    y : ndarray, shape (n, n), complex
        Primitive admittance matrix (S), n its conductors at all terminals.
    volts : ndarray, shape (n,), complex
        Voltage of each conductor to ground (V), at the solution.
    kva : ndarray, shape (n,), complex
        Power into each conductor (kW and kvar), at the solution.
    shut : ndarray of bool, shape (n,)
        Which conductors are closed at their terminal.
    """

    full: str
    record: dict[str, Any]
    ends: list[tuple[str, tuple[int, ...]]]
    y: np.ndarray
    volts: np.ndarray
    kva: np.ndarray
    shut: np.ndarray

    @cached_property
    def kind(self) -> str:
        """Class in lower case."""
        return self.full.split(".", 1)[0].lower()

    @cached_property
    def name(self) -> str:
        """Name in lower case, without its class."""
        return self.full.split(".", 1)[1].lower()

    @cached_property
    def nodes(self) -> list[tuple[str, int]]:
        """Bus and node of each conductor, terminal by terminal."""
        places = [(bus, node) for bus, nodes in self.ends for node in nodes]
        if self.kind == "autotrans" and len(self.ends) > 1:
            half = len(self.ends[0][1]) // 2  # the other end of a series winding is at the next bus
            if self.record.get("conns", [""])[0].lower().startswith("s"):
                places[half:2 * half] = [(self.ends[1][0], node) for _, node in
                                         places[half:2 * half]]
        return places


@dataclass
class EngineBus:
    """A bus of the circuit.

    Attributes
    ----------
    name : str
        In lower case.
    kv_base : float
        The engine's base, line to neutral (kV); 0 if it has none.
    volts : dict of int to complex
        [node]: voltage to ground (V).
    x, y : float or None
        Coordinates.
    """

    name: str
    kv_base: float
    volts: dict[int, complex]
    x: float | None = None
    y: float | None = None


@dataclass
class Snapshot:
    """A circuit after its last solution.

    Attributes
    ----------
    name : str
    frequency : float
        Of the solution (Hz).
    load_mult : float
        The circuit's multiplier of loads (1).
    elements : dict of str to EngineElement
        Enabled elements that carry power, by their full name in lower case, in the engine's order.
    disabled : list of str
        Full names of elements that are disabled.
    controls : dict of str to list of dict
        [class]: records of enabled elements that carry no power (controls, meters).
    buses : dict of str to EngineBus
    shapes : dict of str to dict
        [load shape]: its record.
    places : dict of str to str
        File and line where an element was made, by its full name in lower case.
    amps : dict of str to float
        Normal rating (A) of lines and reactors that state one, or whose code or conductors do, by
        their full name in lower case.
    """

    name: str
    frequency: float
    load_mult: float
    elements: dict[str, EngineElement] = field(default_factory=dict)
    disabled: list[str] = field(default_factory=list)
    controls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    buses: dict[str, EngineBus] = field(default_factory=dict)
    shapes: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    amps: dict[str, float] = field(default_factory=dict)

    def of(self, *kinds: str) -> list[EngineElement]:
        """The enabled elements of some classes.

        Parameters
        ----------
        *kinds : str
            Classes in lower case.

        Returns
        -------
        list of EngineElement
            In the engine's order.
        """
        return [element for element in self.elements.values() if element.kind in kinds]


def take(engine: Any, places: dict[str, str], records: Records | None = None) -> Snapshot:
    """The snapshot of a solved engine.

    Parameters
    ----------
    engine : object
        Of `engine.new_engine`, solved.
    places : dict of str to str
        File and line of elements, as of `Script`.
    records : Records, optional
        Where properties come from; by default from the engine.

    Returns
    -------
    Snapshot
    """
    circuit = engine.ActiveCircuit
    solution = circuit.Solution
    taken = Snapshot(circuit.Name.lower(), float(solution.Frequency), float(solution.LoadMult),
                     places=places)
    _buses(circuit, taken)
    records = records or Records(circuit)
    scale = 1.0 / 3.0 if int(circuit.Settings.CktModel) == POSITIVE else 1.0
    element = circuit.ActiveCktElement
    for full in circuit.AllElementNames:
        circuit.SetActiveElement(full)
        if not element.Enabled:
            taken.disabled.append(full)
            continue
        record = records.of(full)
        nodes = _nodes(element)
        if nodes is None or full.split(".")[0].lower() in records.without_power:
            taken.controls.setdefault(full.split(".")[0].lower(), []).append(record)
            continue
        taken.elements[full.lower()] = _element(element, full, record, nodes)
        taken.elements[full.lower()].kva *= scale
    for name, record in records.every("loadshape").items():
        taken.shapes[name] = record
    taken.amps = stated_amps(circuit)
    return taken


def stated_amps(circuit: Any) -> dict[str, float]:
    """See `Snapshot.amps`.

    A line with a code has its rating, stated or not: there the engine's default counts as stated
    only if the code states it.

    Parameters
    ----------
    circuit : object
        The engine's active circuit.

    Returns
    -------
    dict of str to float
    """
    def of(kind: str) -> dict[str, dict[str, Any]]:
        circuit.SetActiveClass(kind)
        known = circuit.ActiveClass.ActiveClassName.lower() == kind
        return by_name(circuit.ActiveClass.ToJSON(STATED)) if known else {}

    codes, found = of("linecode"), {}
    for kind in ("line", "reactor"):
        for name, record in of(kind).items():
            amps, code = record.get("normamps"), codes.get(str(record.get("linecode")).lower())
            default = (amps, record.get("emergamps")) == DEFAULT_AMPS
            if amps and 0 < amps < math.inf and not (
                    default and code is not None and "normamps" not in code):
                found[f"{kind}.{name}"] = float(amps)
    return found


class Records:
    """Properties of all elements, asked of the engine one class at a time.

    Parameters
    ----------
    circuit : object
        The engine's active circuit.
    """

    without_power = frozenset((
        "regcontrol", "capcontrol", "swtcontrol", "relay", "recloser", "fuse", "monitor",
        "energymeter", "sensor", "invcontrol", "expcontrol", "storagecontroller", "gendispatcher",
        "espvlcontrol", "upfccontrol",
    ))

    def __init__(self, circuit: Any):
        self.circuit = circuit
        self.known: dict[str, dict[str, dict[str, Any]]] = {}

    def every(self, kind: str) -> dict[str, dict[str, Any]]:
        """Records of a class by name.

        Parameters
        ----------
        kind : str
            In lower case.

        Returns
        -------
        dict of str to dict
        """
        if kind not in self.known:
            self.known[kind] = by_name(self.text(kind))
        return self.known[kind]

    def text(self, kind: str) -> str:
        """Records of a class as the engine writes them.

        Parameters
        ----------
        kind : str
            In lower case.

        Returns
        -------
        str
            JSON.
        """
        self.circuit.SetActiveClass(kind)
        if self.circuit.ActiveClass.ActiveClassName.lower() != kind:
            return "[]"
        return self.circuit.ActiveClass.ToJSON(FULL)

    def of(self, full: str) -> dict[str, Any]:
        """The record of an element.

        Parameters
        ----------
        full : str
            Class and name.

        Returns
        -------
        dict
        """
        kind, name = full.lower().split(".", 1)
        if kind not in self.known:
            self.every(kind)
            self.circuit.SetActiveElement(full)  # asking for a class changed the active element
        return self.known[kind].get(name, {"name": name})


def by_name(text: str) -> dict[str, dict[str, Any]]:
    """Records by their name, properties in lower case.

    Parameters
    ----------
    text : str
        As of `Records.text`.

    Returns
    -------
    dict of str to dict
    """
    return {record["Name"].lower(): {key.lower(): value for key, value in record.items()}
            for record in json.loads(text, parse_constant=float)}


def _nodes(element: Any) -> list[int] | None:
    try:
        return [int(node) for node in element.NodeOrder]
    except Exception:  # the engine's own class: a control has no nodes
        return None


def _element(element: Any, full: str, record: dict[str, Any], nodes: list[int]) -> EngineElement:
    buses = [bus.split(".", 1)[0].lower() for bus in element.BusNames]
    n = len(nodes) // max(len(buses), 1)
    ends = [(bus, tuple(nodes[i * n:(i + 1) * n])) for i, bus in enumerate(buses)]
    flat = np.asarray(element.Yprim, dtype=float).view(complex)
    width = math.isqrt(len(flat))
    shut = np.ones(len(nodes), dtype=bool)
    for terminal in range(len(buses)):
        if element.IsOpen(terminal + 1, 0):
            shut[terminal * n:(terminal + 1) * n] = [
                not element.IsOpen(terminal + 1, k + 1) for k in range(n)]
    return EngineElement(
        full, record, ends, flat.reshape(width, width).T.copy(),
        np.array(element.Voltages, dtype=float).view(complex),
        np.array(element.Powers, dtype=float).view(complex), shut)


def _buses(circuit: Any, taken: Snapshot) -> None:
    values = np.asarray(circuit.YNodeVarray, dtype=float).view(complex)
    volts: dict[str, dict[int, complex]] = {}
    for name, value in zip(circuit.YNodeOrder, values.tolist(), strict=True):
        bus, node = name.lower().rsplit(".", 1)
        volts.setdefault(bus, {})[int(node)] = value
    for i in range(circuit.NumBuses):
        bus = circuit.Buses(i)
        name = bus.Name.lower()
        place = (float(bus.x), float(bus.y)) if bus.Coorddefined else (None, None)
        taken.buses[name] = EngineBus(name, float(bus.kVBase), volts.get(name, {}), *place)
