"""Checks of how elements meet: buses, phases, voltages, and the tree of branches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from pyomo_dlmp.errors import Fault, listed, nearest
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.device import Device
from pyomo_dlmp.network.elements import Bus, Line, Regulator, Substation
from pyomo_dlmp.network.kinds import Branch, buses_of, carries, label
from pyomo_dlmp.network.phases import legs_matrix
from pyomo_dlmp.network.transformers import Transformer
from pyomo_dlmp.tolerances import NOMINAL


@dataclass
class Forest:
    """Trees of branches, grown breadth first.

    Attributes
    ----------
    parent : dict
        [bus]: (branch, bus on the side of the root); None for a root.
    root : dict
        [bus]: root of its tree.
    closing : list of Branch
        Branches that close a loop.
    beside : dict
        [bus]: more branches from the same parent that together with the first determine the bus's
        voltages, such as the regulators of a bank.
    """

    parent: dict[str, tuple[Branch, str] | None] = field(default_factory=dict)
    root: dict[str, str] = field(default_factory=dict)
    closing: list[Branch] = field(default_factory=list)
    beside: dict[str, list[Branch]] = field(default_factory=dict)

    def feeds(self, bus: str) -> list[Branch]:
        """The branches that lead to a bus from the side of its root.

        Parameters
        ----------
        bus : str
            Name of the bus.

        Returns
        -------
        list of Branch
            Empty for a root.
        """
        step = self.parent[bus]
        return [] if step is None else [step[0], *self.beside.get(bus, ())]

    @classmethod
    def grow(cls, roots: Iterable[str], buses: Iterable[str], branches: Iterable[Branch]) -> Forest:
        """From the given roots first, then from every bus not reached yet.

        Parameters
        ----------
        roots, buses : iterable of str
            Names of buses, roots among them.
        branches : iterable of Branch
            Their ends are among `buses`.

        Returns
        -------
        Forest
        """
        forest = cls()
        meeting: dict[str, list[Branch]] = {bus: [] for bus in buses}
        for branch in branches:
            for bus in buses_of(branch):
                meeting[bus].append(branch)
        used: set[int] = set()  # by identity: names may be wrong
        for root in [*roots, *meeting]:
            if root in forest.parent:
                continue
            forest.parent[root], forest.root[root] = None, root
            queue = deque([root])
            while queue:
                here = queue.popleft()
                for branch in meeting[here]:
                    if id(branch) in used:
                        continue
                    used.add(id(branch))
                    queue.extend(forest._step(branch, here))
        return forest

    def _step(self, branch: Branch, here: str) -> list[str]:
        """Take a branch in; the buses that it reaches for the first time."""
        others = [bus for bus in buses_of(branch) if bus != here]
        known = [bus for bus in others if bus in self.parent]
        new = [bus for bus in others if bus not in self.parent]
        for there in new:
            self.parent[there] = (branch, here)
            self.root[there] = self.root[here]
        if known:
            step = self.parent[known[0]]
            beside = len(others) == 1 and step is not None and step[1] == here and _together(
                [*self.feeds(known[0]), branch])
            if beside:
                self.beside.setdefault(known[0], []).append(branch)
            else:
                self.closing.append(branch)
        return new

    def backward(self, branch: Branch) -> bool:
        """Whether a branch of two buses leads towards the root: its to-bus feeds its from-bus.

        Parameters
        ----------
        branch : Branch
            One of those that the forest was grown of.

        Returns
        -------
        bool
        """
        step = self.parent[branch.from_bus]
        return step is not None and step[1] == branch.to_bus

    def _upward(self, bus: str) -> list[tuple[Branch, str]]:
        steps = []
        while (step := self.parent[bus]) is not None:
            steps.append(step)
            bus = step[1]
        return steps

    def loop(self, closing: Branch) -> list[str]:
        """The loop that a branch closes.

        Parameters
        ----------
        closing : Branch
            One of `closing`.

        Returns
        -------
        list of str
            Names of its branches in order, `closing` first.
        """
        first, second = self._upward(closing.from_bus), self._upward(closing.to_bus)
        while first and second and first[-1][0] is second[-1][0]:
            first.pop()
            second.pop()
        return [closing.name, *(branch.name for branch, _ in [*second, *reversed(first)])]


def end_legs(branch: Branch) -> tuple[str, ...]:
    """Legs whose voltages at the to-bus a branch determines.

    Parameters
    ----------
    branch : Branch
        Any branch.

    Returns
    -------
    tuple of str
    """
    if isinstance(branch, Transformer):
        return branch.legs[1]
    if isinstance(branch, Regulator) and branch.connection == "open_delta":
        return tuple(branch.phases)
    return tuple(branch.to_phases)


def _together(branches: list[Branch]) -> bool:
    """Whether parallel branches determine different voltages, so that none closes a loop."""
    legs = [end_legs(branch) for branch in branches]
    phases = "".join(sorted(set("".join(leg for group in legs for leg in group))))
    ranks = [np.linalg.matrix_rank(legs_matrix(group, phases)) for group in legs]
    every = tuple(leg for group in legs for leg in group)
    return sum(ranks) == np.linalg.matrix_rank(legs_matrix(every, phases))


def ends(branch: Branch) -> tuple[tuple[str, str, str], ...]:
    """All ends of a branch.

    Parameters
    ----------
    branch : Branch
        Any branch.

    Returns
    -------
    tuple of (str, str, str)
        (field, bus, conductors) of each end.
    """
    if isinstance(branch, NodalAdmittance):
        return tuple(("buses", bus, names) for bus, names in zip(
            branch.buses, branch.conductors, strict=False))
    return (("from_bus", branch.from_bus, branch.from_phases),
            ("to_bus", branch.to_bus, branch.to_phases))


def reference_faults(
    buses: Mapping[str, Bus],
    known: Iterable[str],
    substations: Iterable[Substation],
    branches: Iterable[Branch],
    devices: Iterable[Device],
) -> Iterator[Fault]:
    """Unknown buses, phases that a bus lacks, and unequal voltages along a line or regulator.

    Parameters
    ----------
    buses : mapping of str to Bus
        The well-typed ones.
    known : iterable of str
        Names of all buses.
    substations : iterable of Substation
        All well-typed ones.
    branches : iterable of Branch
        All well-typed ones.
    devices : iterable of Device
        All well-typed ones.

    Yields
    ------
    Fault
    """
    known = set(known)

    def unknown(element: object, key: str, bus: str) -> Iterator[Fault]:
        if bus not in known:
            yield Fault(label(element), f"{key} {bus!r} is not a bus", nearest(bus, known))

    def lacking(element: object, bus: str, phases: Iterable[str]) -> Iterator[Fault]:
        if bus in buses:
            at = buses[bus]
            missing = sorted(set(phases) - set(at.conductors))
            extra = f", neutrals {at.neutrals!r}" if at.neutrals else ""
            if missing:
                yield Fault(
                    label(element),
                    f"phase {listed(missing)} is not at bus {bus!r} (phases {at.phases!r}{extra})",
                    f"Use the phases of the bus{example(element, at.phases)}, or add the phase to "
                    f"{bus!r} and its feed.")

    def example(element: object, phases: str) -> str:
        wye = hasattr(element, "phases") and getattr(element, "connection", "wye") == "wye"
        return f' (phases = "{phases}")' if wye else ""

    for substation in substations:
        yield from unknown(substation, "bus", substation.bus)
        bus = buses.get(substation.bus)
        if bus and len(substation.v_pu) != len(bus.phases):
            yield Fault(
                label(substation),
                f"v_pu has {len(substation.v_pu)} numbers, bus {bus.name!r} phases {bus.phases!r}",
                f"Give one voltage (pu) for each phase of the bus: {len(bus.phases)}.")
    for device in devices:
        yield from unknown(device, "bus", device.bus)
        yield from lacking(device, device.bus, device.touched())
    for branch in branches:
        for key, end, wires in ends(branch):
            yield from unknown(branch, key, end)
            yield from lacking(branch, end, wires)
        if len(set(buses_of(branch))) < len(buses_of(branch)):
            yield Fault(label(branch), f"both ends are at bus {branch.to_bus!r}",
                        "Give two different buses, or remove it.")
        first, second = buses.get(branch.from_bus), buses.get(branch.to_bus)
        if (first and second and isinstance(branch, Line | Regulator)
                and abs(first.kv - second.kv) > NOMINAL * max(abs(first.kv), abs(second.kv))):
            yield Fault(
                label(branch),
                f"its ends are at {first.kv:g} kV ({first.name!r}) and {second.kv:g} kV "
                f"({second.name!r})",
                "Only a transformer changes the nominal voltage: correct kv of one bus.")


def tree_faults(
    buses: Mapping[str, Bus], roots: list[str], branches: Iterable[Branch]
) -> Iterator[Fault]:
    """Islands; reversed branches, and phases without a feed.

    Parameters
    ----------
    buses : mapping of str to Bus
        The well-typed ones, by name.
    roots : list of str
        Buses of substations.
    branches : iterable of Branch
        Open lines and unknown buses do not count.

    Yields
    ------
    Fault
    """
    branches = list(branches)
    joining = [
        branch for branch in branches
        if carries(branch) and all(bus in buses for bus in buses_of(branch))
        and branch.from_bus != branch.to_bus
    ]
    forest = Forest.grow(roots, buses, joining)
    if not roots:
        return
    islands: dict[str, list[str]] = {}
    for name, root in forest.root.items():
        if root not in roots:
            islands.setdefault(root, []).append(name)
    for names in islands.values():
        yield Fault(
            f"bus {names[0]!r}",
            f"no branch leads from the substation to {len(names)} bus(es): {listed(names, 20)}",
            "Connect them by a branch (close a switch), or remove them and their devices.")
    shunts = [b for b in branches if isinstance(b, NodalAdmittance) and len(buses_of(b)) == 1
              and b.buses[0] in buses]
    fed = conductors_fed(roots, buses, [*joining, *shunts])
    for name, bus in buses.items():
        if name in roots or forest.root.get(name) not in roots:
            continue
        if not forest.closing:
            yield from _reversed(bus, forest.feeds(name))
        step = forest.parent[name]
        above = buses[step[1]] if step else bus  # what its feed lacks is reported there, once
        lacking = [k for k in bus.phases if (name, k) not in fed
                   and (k not in above.phases or (above.name, k) in fed)]
        if lacking:
            by = [b for b in joining if name in buses_of(b)]
            feeders = " and ".join(label(feed) for feed in (forest.feeds(name) or by))
            wires = "".join(dict.fromkeys(k for b in by for _, place, held in ends(b)
                                          if place == name for k in held))
            yield Fault(
                label(bus),
                f"phase {listed(lacking)} is not fed by {feeders} (phases {wires!r})",
                "Remove the phase from the bus, or add it to the branch.")


def _reversed(bus: Bus, feeds: list[Branch]) -> Iterator[Fault]:
    for feed in feeds:
        if bus.name in buses_of(feed)[1:] or isinstance(feed, Line):
            continue
        yield Fault(
            label(feed),
            f"from_bus {feed.from_bus!r} is farther from the substation than to_bus "
            f"{feed.to_bus!r}",
            "Swap its ends (and what belongs to them: taps, connection).")


def conductors_fed(roots: Iterable[str], buses: Mapping[str, Bus],
                   branches: Iterable[Branch]) -> set[tuple[str, str]]:
    """Bus and conductor of everything that branches connect with a substation's phases.

    A line connects conductor with conductor, any other branch all of its conductors; so does a
    general admittance at one bus, such as an autotransformer.

    Parameters
    ----------
    roots : iterable of str
        Buses of substations.
    buses : mapping of str to Bus
        By name.
    branches : iterable of Branch
        Those that carry, between `buses`.

    Returns
    -------
    set of (str, str)
    """
    joined = nx.Graph()
    for root in roots:
        nx.add_path(joined, [("", ""), *((root, k) for k in buses[root].phases)])
    for branch in branches:
        first, *others = ([(bus, k) for k in wires] for _, bus, wires in ends(branch))
        if isinstance(branch, Line):
            joined.add_edges_from(zip(first, others[0], strict=False))
        else:
            nx.add_path(joined, [*first, *(place for other in others for place in other)])
    source = ("", "")  # joins the substations
    return set(nx.node_connected_component(joined, source)) if source in joined else set()
