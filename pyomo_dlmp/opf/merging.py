"""A tree of banks out of branches: parallel ones merged, buses without impedance between joined.

Buses that joints connect in all their phases are one *cluster* and share their voltages; the joints
of a cluster are a tree, so that Kirchhoff's law settles their flows. Branches between the same two
clusters are a *group*; those of a group that meet the same conductors are a bank. The groups must
be a tree of clusters. What lies within a cluster has the same voltage at both ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx
import numpy as np

from pyomo_dlmp.errors import Fault, listed
from pyomo_dlmp.network import Branch, Line, Network, Regulator
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.kinds import buses_of, label
from pyomo_dlmp.network.ratings import limit_kva
from pyomo_dlmp.network.topology import end_legs

MOST_LOOPS = 20  # that are listed branch by branch


@dataclass
class Arrangement:
    """How the blocks of a model hold the branches of a network.

    Attributes
    ----------
    single : list of Branch
        Branches by themselves.
    banks : list of list of (Branch, bool)
        Parallel branches, and whether each is led from the far side.
    idle : list of Line
        Lines of which both ends are one node.
    faults : list of Fault
        What cannot be arranged.
    """

    single: list[Branch] = field(default_factory=list)
    banks: list[list[tuple[Branch, bool]]] = field(default_factory=list)
    idle: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def arranged(network: Network, cure: str) -> Arrangement:
    """The branches of a network as a tree of single ones and banks.

    Parameters
    ----------
    network : Network
        Of phases alone.
    cure : str
        What takes a network that is refused.

    Returns
    -------
    Arrangement
    """
    branches = list(network.branches.values())
    if sum(len(buses_of(b)) - 1 for b in branches) == len(network.buses) - 1:
        return Arrangement(single=branches)  # a tree
    return _Arranger(network, cure).run()


class _Arranger:
    def __init__(self, network: Network, cure: str):
        self.network, self.cure, self.found = network, cure, Arrangement()
        self.groups: dict[tuple[str, ...], list[Branch]] = {}
        self.joints: dict[tuple[str, str], list[Line]] = {}
        self.joints_at: dict[str, list[tuple[str, str]]] = {}
        self.of: dict[str, str] = {}  # [bus]: its cluster
        self.closing: list[Branch] = []  # of loops

    def run(self) -> Arrangement:
        self._clusters()
        joints = {line.name for lines in self.joints.values() for line in lines}
        for branch in self.network.branches.values():
            ends = tuple(dict.fromkeys(self.of[bus] for bus in buses_of(branch)))
            if len(ends) < len(buses_of(branch)):
                if branch.name not in joints:
                    self._within(branch)
                continue
            key = tuple(sorted(ends)) if len(ends) == 2 else (*ends, branch.name)
            self.groups.setdefault(key, []).append(branch)
        entries = self._walk()
        for bus in entries:
            self._join(bus)
        self.found.faults += self._loops()
        return self.found

    def _clusters(self) -> None:
        """Joints that make one node of two buses, conductor by conductor."""
        buses = self.network.buses
        beside: dict[tuple[str, str], list[Line]] = {}
        for line in self.network.branches.values():
            if isinstance(line, Line) and line.joins and line.to_phases == line.phases:
                beside.setdefault(_pair(line), []).append(line)
        joined = nx.Graph()
        joined.add_nodes_from(buses)
        for ends, lines in beside.items():
            wires = {k for line in lines for k in line.phases}
            if all(set(buses[bus].phases) == wires for bus in ends):
                self.joints[ends] = lines
                joined.add_edge(*ends)
                for bus in ends:
                    self.joints_at.setdefault(bus, []).append(ends)
        for part in nx.connected_components(joined):
            self.of.update(dict.fromkeys(part, min(part)))

    def _within(self, branch: Branch) -> None:
        """A branch of which both ends are one node: a line carries nothing, others are shorted."""
        ratio_one = isinstance(branch, Regulator) and set(branch.ratio.values()) == {1.0}
        if ratio_one or (isinstance(branch, Line) and branch.phases == branch.to_phases):
            self.found.idle.append(branch)  # type: ignore[arg-type]
            return
        self.found.faults.append(Fault(
            label(branch), "joints without impedance connect its ends, so that a current circulates"
            " in it", f"{self.cure}; or open one of them."))

    def _walk(self) -> list[str]:
        """Groups breadth first; the bus at which each cluster is reached first."""
        start = self.of[self.network.substation.bus]
        meeting: dict[str, list[tuple[str, ...]]] = {}
        for key in self.groups:
            for end in self._ends(key):
                meeting.setdefault(end, []).append(key)
        seen, used = {start}, set()
        entries = [self.network.substation.bus]
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for key in meeting.get(here, ()):
                if key in used:
                    continue
                used.add(key)
                others = [end for end in self._ends(key) if end != here]
                known = [end for end in others if end in seen]
                if known:
                    self.closing.append(self.groups[key][0])
                    continue
                seen.update(others)
                queue.extend(others)
                entries += self._take(self.groups[key], here)
        return entries

    def _ends(self, key: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.of[bus] for bus in buses_of(self.groups[key][0])))

    def _take(self, branches: list[Branch], here: str) -> list[str]:
        """Place a group; the buses at which it reaches new clusters."""
        group = [(branch, self.of[branch.from_bus] != here) for branch in (
            self._led(branch, here) for branch in branches)]
        group.sort(key=lambda pair: isinstance(pair[0], Line))  # a bank has a transformer's name
        for branch, turned in group:
            if turned and not isinstance(branch, Line):
                self.found.faults.append(Fault(
                    label(branch), f"from_bus {branch.from_bus!r} is farther from the substation "
                    f"than to_bus {branch.to_bus!r}",
                    "Swap its ends (and what belongs to them: taps, connection)."))
        for bank in _overlapping(group):
            if len(bank) == 1:
                self.found.single.append(bank[0][0])
                continue
            for branch, _ in bank:
                if isinstance(branch, Regulator) and branch.kva is None:
                    self.found.faults.append(Fault(
                        label(branch), "it is ideal and parallel to other branches",
                        "Give its kva, r_percent and x_percent."))
            self.found.banks.append(bank)
        return [bus for bus in buses_of(group[0][0]) if self.of[bus] != here]

    def _led(self, branch: Branch, here: str) -> Branch:
        """An admittance with the bus on the side of the substation first."""
        if not isinstance(branch, NodalAdmittance) or self.of[branch.from_bus] == here:
            return branch
        order = sorted(range(len(branch.buses)), key=lambda i: self.of[branch.buses[i]] != here)
        starts = np.cumsum([0, *map(len, branch.conductors)])
        places = [k for i in order for k in range(starts[i], starts[i + 1])]
        y = branch.y[np.ix_(places, places)]
        return branch.with_admittance(
            y, tuple(branch.buses[i] for i in order), tuple(branch.conductors[i] for i in order))

    def _join(self, entry: str) -> None:
        """The joints of a cluster as a tree from the bus at which it is reached."""
        seen, used, queue = {entry}, set(), deque([entry])
        while queue:
            here = queue.popleft()
            for ends in self.joints_at.get(here, ()):
                if ends in used:
                    continue
                used.add(ends)
                there = ends[1] if ends[0] == here else ends[0]
                lines = self.joints[ends]
                if there in seen:
                    self._closing(lines)
                    continue
                seen.add(there)
                queue.append(there)
                for bank in _overlapping([(line, line.from_bus != here) for line in lines]):
                    if len(bank) == 1:
                        self.found.single.append(bank[0][0])
                    else:
                        self.found.banks.append(bank)

    def _closing(self, lines: list[Line]) -> None:
        """Joints that close a loop of joints: how they share the current is not determined."""
        for line in lines:
            if limit_kva(line) is None:
                self.found.idle.append(line)
                continue
            self.found.faults.append(Fault(
                label(line), "it is rated, and closes a loop of joints without impedance, so that "
                "its share of the current is not determined",
                "Give them impedances, or leave its rating out."))

    def _loops(self) -> Iterator[Fault]:
        cure = f"{self.cure}; or remove one of them, or open a switch."
        for closing in self.closing[:MOST_LOOPS]:
            names = _loop_names(self.network, closing)
            yield Fault(label(closing), f"it closes a loop of branches {listed(names, 30)}", cure)
        rest = [branch.name for branch in self.closing[MOST_LOOPS:]]
        if rest:
            yield Fault(f"network {self.network.name!r}",
                        f"{len(rest)} more branches close loops: {listed(rest, 30)}", cure)


def _pair(line: Line) -> tuple[str, str]:
    first, second = sorted((line.from_bus, line.to_bus))
    return first, second


def _loop_names(network: Network, closing: Branch) -> list[str]:
    """The shortest loop through a branch, in order from it on; other branches beside it apart."""
    graph = nx.Graph()
    ends = set(buses_of(closing))
    for branch in network.branches.values():
        first, *others = buses_of(branch)
        if ends <= {first, *others}:
            continue
        for other in others:
            if not graph.has_edge(first, other):
                graph.add_edge(first, other, branch=branch.name)
    graph.add_nodes_from(ends)
    if not nx.has_path(graph, closing.to_bus, closing.from_bus):
        return [closing.name]
    steps = nx.shortest_path(graph, closing.to_bus, closing.from_bus)
    found = [graph.edges[pair]["branch"] for pair in pairwise(steps)]
    return [closing.name, *dict.fromkeys(found)]


def _overlapping(group: list[tuple[Branch, bool]]) -> Iterator[list[tuple[Branch, bool]]]:
    """Branches of a group that meet the same conductors; all of them if one couples phases."""
    if len(group) == 1 or any(len(leg) > 1 for branch, _ in group for leg in end_legs(branch)):
        yield group
        return
    graph = nx.Graph()
    for i, (branch, turned) in enumerate(group):
        graph.add_node(i)
        graph.add_edges_from((i, k) for k in (
            branch.from_phases if turned else branch.to_phases))
    for part in nx.connected_components(graph):
        places = sorted(i for i in part if isinstance(i, int))
        yield [group[i] for i in places]


