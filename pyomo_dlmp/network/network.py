"""`Network`: one feeder as immutable, checked data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import networkx as nx

from pyomo_dlmp.errors import Fault, NetworkError, nearest, shown
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.controls import Control, kept_controls
from pyomo_dlmp.network.device import Device
from pyomo_dlmp.network.devices import (
    Capacitor,
    Datacenter,
    Generator,
    Load,
    StaticVarGenerator,
    Storage,
)
from pyomo_dlmp.network.elements import Bus, Line, Regulator, Substation
from pyomo_dlmp.network.faults.all import checked
from pyomo_dlmp.network.kinds import BRANCHES, Branch, Element, buses_of, carries, kind, label
from pyomo_dlmp.network.profiles import Profile
from pyomo_dlmp.network.registry import device_class, device_classes
from pyomo_dlmp.network.topology import Forest
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer

E = TypeVar("E")


class Network:
    """A feeder: elements by name, checked as a whole, never changed.

    It may have loops, parallel branches and neutral conductors; the AC power flow takes all of it,
    the linear OPF what it can reduce exactly. A line is turned, if need be, to lead away from the
    substation, so every branch's `from_bus` is the side of the substation (in a loop: along the
    shortest path in branches; the branch that closes it stays as it is). Units as in
    `pyomo_dlmp.network.elements`.

    Parameters
    ----------
    name : str
    elements : iterable of Element
        In any order, with exactly one substation.
    description, source : str
        Free texts; `source` is the origin of the data.
    profiles : iterable of Profile
        For loads that follow one.
    frequency : float
        Of the source (Hz).
    controls : iterable of RegulatorControl, CapacitorControl or FixedControl
        Settings, for power flows in which controls act.

    Attributes
    ----------
    buses, substations, lines, regulators, transformers, center_tapped, admittances : mapping
        Elements by name, read-only, in the order given; so are the following.
    loads, generators, storages, capacitors, datacenters, svgs : mapping
        Devices of the package's kinds; `devices_of` has those of other registered kinds, too.
    branches : mapping
        Everything that joins buses, without open switches.
    shunts : mapping
        Those of `admittances` that stand at one bus.
    open_lines : mapping
        Open switches; they are in `lines`, too.
    devices : mapping
        Everything that stands at one bus.
    profiles : mapping
    controls : tuple of RegulatorControl, CapacitorControl or FixedControl

    Raises
    ------
    NetworkError
        With every fault of the data at once.

    Examples
    --------
    >>> net = Network("tiny", [Bus(name="s", kv=4.8), Substation(name="grid", bus="s")])
    >>> net
    Network('tiny': 1 bus, 0 branches, 0 loads of 0 kW)
    """

    name: str
    description: str
    source: str
    elements: tuple[Element, ...]
    buses: Mapping[str, Bus]
    substations: Mapping[str, Substation]
    lines: Mapping[str, Line]
    regulators: Mapping[str, Regulator]
    transformers: Mapping[str, Transformer]
    center_tapped: Mapping[str, CenterTappedTransformer]
    admittances: Mapping[str, NodalAdmittance]
    shunts: Mapping[str, NodalAdmittance]
    open_lines: Mapping[str, Line]
    storages: Mapping[str, Storage]
    capacitors: Mapping[str, Capacitor]
    profiles: Mapping[str, Profile]
    frequency: float
    controls: tuple[Control, ...]
    loads: Mapping[str, Load]
    generators: Mapping[str, Generator]
    datacenters: Mapping[str, Datacenter]
    svgs: Mapping[str, StaticVarGenerator]
    branches: Mapping[str, Branch]
    devices: Mapping[str, Device]

    def __init__(
        self, name: str, elements: Iterable[Element], description: str = "", source: str = "",
        profiles: Iterable[Profile] = (), frequency: float = 60.0,
        controls: Iterable[Control] = (),
    ):
        self._fill(name, elements, description, source, profiles, frequency, controls=controls)

    def _fill(self, name, elements, description, source, profiles, frequency, sound=(),
              controls=()) -> None:
        """As `__init__`; `sound` elements are those of another network."""
        found, shapes, settings = checked(name, elements, profiles, {
            "description": description, "source": source}, frequency, sound, controls)
        self._set(name=name, description=description, source=source, elements=found,
                  profiles=MappingProxyType({p.name: p for p in shapes}), frequency=frequency,
                  controls=settings)
        self._set(elements=tuple(self._led_away()))
        self._set(
            buses=self._by_name(Bus),
            substations=self._by_name(Substation),
            lines=self._by_name(Line),
            regulators=self._by_name(Regulator),
            transformers=self._by_name(Transformer),
            center_tapped=self._by_name(CenterTappedTransformer),
            admittances=self._by_name(NodalAdmittance),
            **{cls.plural: self._by_name(cls) for cls in device_classes()},
            open_lines=MappingProxyType({
                e.name: e for e in self.elements if isinstance(e, Line) and not e.closed}),
            branches=MappingProxyType({e.name: e for e in self.elements if carries(e)}),
            shunts=MappingProxyType({
                e.name: e for e in self.elements
                if isinstance(e, NodalAdmittance) and not carries(e)}),
            devices=self._by_name(Device),
        )

    def _set(self, **values: Any) -> None:
        self.__dict__.update(values)

    def _by_name(self, *classes: type[E]) -> Mapping[str, E]:
        return MappingProxyType({e.name: e for e in self.elements if isinstance(e, classes)})

    def _led_away(self) -> Iterator[Element]:
        """The elements, each line turned to lead away from the substation."""
        root = next(e.bus for e in self.elements if isinstance(e, Substation))
        buses = [e.name for e in self.elements if isinstance(e, Bus)]
        branches = [e for e in self.elements if isinstance(e, BRANCHES) and carries(e)]
        forest = Forest.grow([root], buses, branches)
        for element in self.elements:
            if isinstance(element, Line) and carries(element) and forest.backward(element):
                element = element.turned()
            yield element

    def __setattr__(self, key: str, value: object) -> NoReturn:
        raise AttributeError(
            f"network {self.name!r}: {key} cannot be set, a Network never changes. "
            "with_devices(...) and without(...) give a changed copy."
        )

    # ------------------------------------------------------------------------ changed copies

    def with_devices(self, *devices: Device) -> Network:
        """A copy of this network with more devices: loads, generators, datacenters ...

        Parameters
        ----------
        *devices : Device
            To be added.

        Returns
        -------
        Network

        Raises
        ------
        NetworkError
            If a name is taken, a bus is unknown, or an argument is not a device.
        """
        wrong = [
            Fault(f"network {self.name!r}", f"{shown(device)} is not a device",
                  f"Devices are {', '.join(cls.__name__ for cls in device_classes())}.")
            for device in devices if not isinstance(device, Device)
        ]
        if not wrong:
            return self._with((*self.elements, *devices))
        try:
            self._with((*self.elements, *(d for d in devices if isinstance(d, Device))))
        except NetworkError as error:
            wrong += error.faults
        raise NetworkError(wrong)

    def without(self, *names: str) -> Network:
        """A copy of this network without some devices.

        Parameters
        ----------
        *names : str
            Of the devices.

        Returns
        -------
        Network

        Raises
        ------
        NetworkError
            If a name is unknown.
        """
        unknown = [
            Fault(f"network {self.name!r}", f"it has no device {shown(name)}",
                  nearest(name, self.devices) or "Nothing to leave out.")
            for name in names if not (isinstance(name, str) and name in self.devices)
        ]
        if unknown:
            raise NetworkError(unknown)
        kept = [e for e in self.elements if not (isinstance(e, Device) and e.name in names)]
        return self._with(kept)

    def replacing(self, *elements: Element) -> Network:
        """A copy of this network with elements of the same kind and name replaced by others.

        Parameters
        ----------
        *elements : Element
            Each takes the place of one in the network.

        Returns
        -------
        Network

        Raises
        ------
        NetworkError
            If there is no element of that kind and name, or the changed data are wrong.
        """
        new = {label(element): element for element in elements}
        known = {label(element) for element in self.elements}
        if unknown := sorted(set(new) - known):
            raise NetworkError([
                Fault(f"network {self.name!r}", f"it has no {name}", nearest(name, known))
                for name in unknown])
        return self._with([new.get(label(element), element) for element in self.elements])

    def _with(self, elements: Iterable[Element]) -> Network:
        copy, elements = Network.__new__(Network), list(elements)
        copy._fill(self.name, elements, self.description, self.source, self.profiles.values(),
                   self.frequency, self.elements, kept_controls(self.controls, elements))
        return copy

    # ------------------------------------------------------------------------------- reading

    def devices_of(self, kind: str) -> Mapping[str, Any]:
        """The devices of a kind by name.

        Parameters
        ----------
        kind : str
            Such as ``"storage"``.

        Returns
        -------
        mapping of str to Device

        Raises
        ------
        NetworkError
            If the kind is not registered.
        """
        cls = device_class(kind) if isinstance(kind, str) else None
        if cls is None:
            words = [other.word for other in device_classes()]
            raise NetworkError.at(f"network {self.name!r}",
                                  f"{shown(kind)} is not a kind of device", nearest(kind, words))
        return self._by_name(cls)

    @property
    def substation(self) -> Substation:
        """The one substation."""
        return next(iter(self.substations.values()))

    @property
    def total_kw(self) -> float:
        """Sum of all loads at nominal voltage (kW)."""
        return math.fsum(kw for load in self.loads.values() for kw in load.kw)

    @property
    def total_kvar(self) -> float:
        """Sum of all loads at nominal voltage (kvar)."""
        return math.fsum(kvar for load in self.loads.values() for kvar in load.kvar)

    def kv_ln(self, bus: str) -> float:
        """Nominal line-to-neutral voltage of a bus.

        Parameters
        ----------
        bus : str
            Name of the bus.

        Returns
        -------
        float
            In kV.

        Raises
        ------
        NetworkError
            If the bus is unknown.
        """
        if not (isinstance(bus, str) and bus in self.buses):
            raise NetworkError.at(
                f"network {self.name!r}", f"it has no bus {shown(bus)}", nearest(bus, self.buses))
        return self.buses[bus].kv_ln

    def graph(self) -> nx.DiGraph:
        """A tree of buses, with edges away from the substation; of a meshed feeder a spanning one.

        Returns
        -------
        networkx.DiGraph
            Buses in breadth-first order from the substation; ``edge["branch"]`` is the branch's
            name. A new graph on every call.
        """
        joined = nx.Graph()
        joined.add_node(self.substation.bus)
        for branch in self.branches.values():
            first, *others = buses_of(branch)
            for other in others:
                if not joined.has_edge(first, other):  # a bank has its first one
                    joined.add_edge(first, other, branch=branch.name)
        graph = nx.DiGraph()
        graph.add_node(self.substation.bus)
        for first, second in nx.bfs_edges(joined, self.substation.bus):
            graph.add_edge(first, second, branch=joined.edges[first, second]["branch"])
        return graph

    def distance_km(self) -> dict[str, float]:
        """Length of line from the substation to each bus; other branches count 0.

        Returns
        -------
        dict of str to float
            In km.
        """
        distance = {self.substation.bus: 0.0}
        for first, second, name in self.graph().edges(data="branch"):
            line = self.lines.get(name)
            distance[second] = distance[first] + (line.length if line else 0.0)
        return distance

    # ---------------------------------------------------------------------- Python's protocols

    def __repr__(self) -> str:
        counts = [(len(self.buses), "bus", "buses"), (len(self.branches), "branch", "branches")]
        words = [f"{n} {one if n == 1 else many}" for n, one, many in counts]
        loads = f"{len(self.loads)} load{'' if len(self.loads) == 1 else 's'}"
        words.append(f"{loads} of {self.total_kw:g} kW")
        for devices in (self.generators, self.storages, self.datacenters, self.svgs):
            if devices:
                word = kind(next(iter(devices.values())))
                words.append(f"{len(devices)} {word}{'' if len(devices) == 1 else 's'}")
        return f"Network({self.name!r}: {', '.join(words)})"

    def _content(self) -> tuple[object, ...]:
        by_label = {label(element): element for element in self.elements}
        return (self.name, self.description, self.source, self.frequency, dict(self.profiles),
                {control.name: control for control in self.controls}, by_label)

    def __eq__(self, other: object) -> bool:
        """Same name, texts and elements; their order does not count."""
        return self._content() == other._content() if isinstance(other, Network) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.buses), frozenset(self.devices)))

    def __deepcopy__(self, memo: dict) -> Network:
        return self  # it never changes, so a model's clone may share it

    def __reduce__(self):
        return Network, (self.name, self.elements, self.description, self.source,
                         tuple(self.profiles.values()), self.frequency, self.controls)
