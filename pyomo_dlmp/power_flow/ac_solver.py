"""An OpenDSS engine that holds a network: powers in, the AC state of every conductor out."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pyomo_dlmp.engine import running as engine
from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.network import Line, Network, OperatingPoint
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.kinds import Branch, kind, label
from pyomo_dlmp.network.units import KILO, mega
from pyomo_dlmp.opendss.writing.controls import Controls, switched, together
from pyomo_dlmp.opendss.writing.devices import default_injections
from pyomo_dlmp.opendss.writing.wording import Wording, node_of
from pyomo_dlmp.opendss.writing.write import script
from pyomo_dlmp.power_flow.dispatch import Dispatch
from pyomo_dlmp.tolerances import SAME_MONEY

Node = tuple[str, int]  # bus in the engine (lower case) and node


class AcSolver:
    """An OpenDSS engine with a network; each solve sets loads and device powers.

    The engine works in a temporary folder of its own.

    Parameters
    ----------
    network : Network
        The feeder.
    controls : bool
        Whether its controls act, each time from the taps and switches of the network on.

    Attributes
    ----------
    controls : Controls or None
    unsettled : bool
        Whether controls still acted in the last solution when it was taken.

    Raises
    ------
    OpenDssError
        If the extra ``opendss`` is missing, or the engine rejects the network.
    """

    def __init__(self, network: Network, controls: bool = False):
        self.network = network
        self.engine = engine.new_engine()
        folder = tempfile.mkdtemp(prefix="pyomo_dlmp_")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.engine.DataPath = folder
        self.words = Wording(network, together(network), switched(network)) if controls else (
            Wording(network))
        self.base = default_injections(network, self.words.grounded)
        self._run(script(self.words, self.base))
        self.controls, self.unsettled = None, False
        if controls:
            self.controls = Controls(self.words)
            self._run(self.controls.commands)
        self.grounded = self.words.grounded
        self._loads = self._load_parts()
        self._ends: dict[str, list[Node]] = {}
        self._nominal: dict[str, tuple[float, float]] | None = None

    def _run(self, commands: Iterable[str]) -> None:
        for command in commands:
            try:
                self.engine.Text.Command = command
            except Exception as error:  # the engine's own class
                raise OpenDssError.at(
                    f"network {self.network.name!r}", "OpenDSS reports: "
                    f"{' '.join(str(error).split())[:300]}", "Correct its figures.") from None

    def _load_parts(self) -> dict[str, tuple[str, int | None]]:
        """[engine's load]: device and number of its leg; of a load None."""
        found: dict[str, tuple[str, int | None]] = {}
        for (word, name), parts in self.words.names.parts.items():
            for k, full in enumerate(parts):
                if full.startswith("load."):
                    found[full.removeprefix("load.")] = (name, None if word == "load" else k)
        return found

    def refuse_stars(self, by_period: Dispatch) -> None:
        """Raise OpenDssError for unequal legs to ground at a bus that is not grounded."""
        for t, injections in by_period.items():
            for name, powers in injections.items():
                device = self.network.devices[name]
                star = all(len(leg) == 1 for leg in leg_names(device))
                if not star or device.bus in self.grounded:
                    continue
                for made, unit in zip(powers, ("kW", "kvar"), strict=True):
                    if max(made) - min(made) > SAME_MONEY * (1.0 + max(map(abs, made))):
                        raise OpenDssError.at(
                            label(device), "its legs generate "
                            f"{', '.join(f'{x:.4g}' for x in made)} {unit} to neutral in period "
                            f"{t!r} at bus {device.bus!r}, which nothing grounds",
                            "Connect it in delta.")

    def solve(self, injections: Mapping[str, tuple], scale: Mapping[str, float] | None = None,
              q_scale: Mapping[str, float] | None = None, *, carry: bool = False) -> None:
        """Set the powers of devices and loads, and solve.

        Parameters
        ----------
        injections : mapping
            [device]: (kW by leg, kvar by leg), generated.
        scale : mapping of str to float, optional
            Multiplier (1) of each load; 1 for those that it leaves out.
        q_scale : mapping of str to float, optional
            Of the reactive power, where it has one of its own.
        carry : bool
            Whether controls go on from where they are, not from the network's taps and switches.
        """
        loads = self.engine.ActiveCircuit.Loads
        if self._nominal is None:
            self._nominal = {}
            i = loads.First
            while i:
                self._nominal[loads.Name] = (loads.kW, loads.kvar)
                i = loads.Next
        scale, q_scale = scale or {}, q_scale or {}
        i = loads.First
        while i:
            p, q = self._nominal[loads.Name]
            name, leg = self._loads[loads.Name.lower()]
            if leg is None:
                factor = scale.get(name, 1.0)
                p, q = p * factor, q * q_scale.get(name, factor)
            elif name in injections:
                p, q = (-made[leg] for made in injections[name])
            if (loads.kW, loads.kvar) != (p, q):
                loads.kW, loads.kvar = p, q
            i = loads.Next
        if self.controls is not None:
            if not carry:
                self.rest()
            self.unsettled = not engine.act(self.engine)
        engine.refine(self.engine)

    def rest(self) -> None:
        """Put taps and switches that controls move where they are in the network."""
        if self.controls is not None:
            self._run(["reset controls", *self.controls.at_rest])

    def tap(self, control: str) -> float:
        """Steps from neutral at which a control has its taps now; of an A-type those that raise."""
        assert self.controls is not None
        transformers = self.engine.ActiveCircuit.Transformers
        transformers.Name, transformers.Wdg = self.controls.taps[control]
        width = (transformers.MaxTap - transformers.MinTap) / transformers.NumTaps
        steps = (transformers.Tap - 1.0) / width
        return round(-steps if transformers.Wdg == 1 else steps, 6) + 0.0

    def closed(self, control: str) -> float:
        """Share (1) of the bank of a control that is closed now."""
        assert self.controls is not None
        states = []
        for name in self.controls.banks[control]:
            self.engine.ActiveCircuit.Capacitors.Name = name
            states += [float(x) for x in self.engine.ActiveCircuit.Capacitors.States]
        return sum(states) / len(states)

    def read(self, point: OperatingPoint, t: Hashable) -> None:
        """Add the solved state to an operating point, as period `t`."""
        circuit = self.engine.ActiveCircuit
        point.settled[t] = bool(circuit.Solution.Converged)
        currents, losses = self._currents(circuit, self._voltages(circuit, point, t))
        self._flows(point, t, currents)
        for branch in self.network.branches.values():
            entering = currents.get((str(kind(branch)), branch.name), {})
            for end, k in terminals(branch):
                point.currents[branch.name, end, k, t] = entering.get(self._node(end, k), 0j)
        place = self.network.substation
        bus = self.network.buses[place.bus]
        fed = currents[("substation", place.name)]
        for k in bus.phases:
            total = fed.get(self._node(bus.name, k), 0.0)
            v = point.voltages[bus.name, k, t]
            point.source[k, t] = complex(v * np.conj(-total) * mega(bus.kv_ln))
        point.losses[t] = losses

    def bought_kw(self) -> float:
        """Active power that the source delivers to its bus, in the last solution.

        Returns
        -------
        float
            In kW.
        """
        place = self.network.substation
        circuit = self.engine.ActiveCircuit
        into: dict[Node, complex] = {}
        for full in self.words.names.parts["substation", place.name]:
            circuit.SetActiveElement(full)
            element = circuit.ActiveCktElement
            flat = np.asarray(element.Currents, dtype=float).view(complex).tolist()
            for node, current in zip(_ends(element), flat, strict=True):
                into[node] = into.get(node, 0j) + current
        circuit.SetActiveBus(self.words.names.bus(place.bus))
        flat = np.asarray(circuit.ActiveBus.Voltages, dtype=float).view(complex).tolist()
        volts = dict(zip(map(int, circuit.ActiveBus.Nodes), flat, strict=True))
        nodes = [self._node(place.bus, k) for k in self.network.buses[place.bus].phases]
        return -sum((volts[node[1]] * into[node].conjugate()).real for node in nodes) / KILO

    def _node(self, bus: str, conductor: str) -> Node:
        return (self.words.names.bus(bus).lower(), node_of(self.network.buses[bus], conductor))

    def _voltages(self, circuit, point: OperatingPoint, t: Hashable) -> dict[Node, complex]:
        """Of every conductor (pu of the phase's nominal); ungrounded parts without zero sequence.
        """
        values = np.asarray(circuit.YNodeVarray, dtype=float).view(complex)
        names = [name.lower().rsplit(".", 1) for name in circuit.YNodeOrder]
        volts = {(bus, int(node)): v for (bus, node), v in zip(names, values.tolist(), strict=True)}
        for name, bus in self.network.buses.items():
            nodes = [self._node(name, k) for k in bus.conductors]
            # ground, or a neutral that nothing connects, is no node of the engine
            phasors = np.array([volts.get(node, 0.0) if k not in bus.phases else volts[node]
                                for k, node in zip(bus.conductors, nodes, strict=True)]
                               ) / (KILO * bus.kv_ln)
            if bus.phases == "abc" and name not in self.grounded:
                phasors = phasors - phasors[:3].mean()
            for k, value in zip(bus.conductors, phasors.tolist(), strict=True):
                point.voltages[name, k, t] = value
        return volts

    def _flows(self, point: OperatingPoint, t: Hashable, currents: dict) -> None:
        """Power that reaches the to-bus of each branch."""
        for branch in self.network.branches.values():
            bus = self.network.buses[branch.to_bus]
            entering = currents.get((str(kind(branch)), branch.name), {})
            for k in branch.to_phases:
                i = entering.get(self._node(bus.name, k), 0.0)
                s = complex(point.voltages[bus.name, k, t] * np.conj(-i) * mega(bus.kv_ln))
                if isinstance(branch, Line) and branch.code.b is not None:
                    s += self._charging(branch, k, t, point)
                point.flows[branch.name, k, t] = s

    def _charging(self, line: Line, conductor: str, t, point: OperatingPoint) -> complex:
        """Power of half the line's charging at the to-bus; its current is in the engine's."""
        at = line.to_phases.index(conductor)
        b = np.array(line.code.b)[at] / 1e6 * line.length / 2
        kv = self.network.buses[line.to_bus].kv_ln
        v = np.array([point.voltages[line.to_bus, k, t] for k in line.to_phases]) * kv
        return complex(v[at] * np.conj(1j * b @ v))

    def _currents(self, circuit, volts: Mapping[Node, complex]
                  ) -> tuple[dict[tuple[str, str], dict[Node, complex]], float]:
        """Currents (A) into each of our branches, shunts and the source, and all losses (MW).

        Losses are the active power into lines, transformers and reactors, shunts and groundings
        among them, and into nodal admittances.
        """
        found: dict[tuple[str, str], dict[Node, complex]] = {}
        lost = 0.0
        originals = self.words.names.originals
        element = circuit.ActiveCktElement
        for collection, word in ((circuit.Lines, "line"), (circuit.Transformers, "transformer"),
                                 (circuit.Reactors, "reactor"), (circuit.Vsources, "vsource")):
            i = collection.First
            while i:
                full = f"{word}.{collection.Name.lower()}"
                original = originals[full]
                if original.kind != "capacitor":
                    if full not in self._ends:
                        self._ends[full] = _ends(element)
                    flat = np.asarray(element.Currents, dtype=float).view(complex).tolist()
                    into = found.setdefault(original[:2], {})
                    for node, current in zip(self._ends[full], flat, strict=True):
                        into[node] = into.get(node, 0j) + current
                        if original.kind != "substation" and node[1]:
                            lost += (volts[node] * current.conjugate()).real
                i = collection.Next
        return found, lost / 1e6


def _ends(element: Any) -> list[Node]:
    """Bus and node of each conductor of an element, terminal by terminal."""
    nodes = element.NodeOrder
    buses = [name.split(".", 1)[0].lower() for name in element.BusNames]
    width = len(nodes) // len(buses)
    return [(buses[place // width], int(node)) for place, node in enumerate(nodes)]


def terminals(branch: Branch) -> Iterator[tuple[str, str]]:
    """Bus and conductor of each end of a branch.

    Parameters
    ----------
    branch : Branch

    Yields
    ------
    (str, str)
    """
    if isinstance(branch, NodalAdmittance):
        yield from branch.terminals
        return
    yield from ((branch.from_bus, k) for k in branch.from_phases)
    yield from ((branch.to_bus, k) for k in branch.to_phases)
