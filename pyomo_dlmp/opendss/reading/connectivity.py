"""Which source feeds the circuit, which nodes it feeds, and how far they are from it."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.opendss.reading.circuit import RISEN, Draft, Place
from pyomo_dlmp.tolerances import RANK

LINEAR = frozenset(("line", "transformer", "reactor", "capacitor", "autotrans", "gictransformer",
                    "fault"))

WINDINGS = frozenset(("transformer", "autotrans"))


class Sets:
    """Disjoint sets of nodes."""

    def __init__(self) -> None:
        self.over: dict[Place, Place] = {}

    def root(self, place: Place) -> Place:
        """The one that stands for its set."""
        over = self.over
        while (above := over.setdefault(place, place)) != place:
            over[place] = over.setdefault(above, above)
            place = above
        return place

    def join(self, first: Place, second: Place) -> None:
        """Unite two sets."""
        first, second = self.root(first), self.root(second)
        if first != second:
            self.over[second] = first


def explore(draft: Draft, sources: list[EngineElement]) -> EngineElement | None:
    """Find the main source, and note what it feeds.

    Lines connect conductor with conductor, other branches what their admittance couples. Neutrals
    live with the phases that they accompany. Where the coupling of a line energises a conductor
    that nothing feeds, the line connects all of its conductors.

    Parameters
    ----------
    draft : Draft
        Its `users`, `live`, `coupled` and `depth` are filled.
    sources : list of EngineElement
        All that have a voltage.

    Returns
    -------
    EngineElement or None
        The source that feeds most; None if there is none.
    """
    sets = Sets()
    elements = list(draft.snapshot.elements.values())
    users: Counter[Place] = Counter()
    for element in elements:
        for place in set(element.nodes):
            if place[1]:
                users[place] += 1
    join_all(sets, [element for element in elements if element.kind in LINEAR])
    draft.users = dict(users)
    if not element_places(sources):
        return None
    size = Counter(sets.root(place) for place in users)
    main = max(sources, key=lambda s: max(
        (size[sets.root(p)] for p in s.nodes if p[1]), default=0))
    beside = [s for s in sources if s.ends[0][0] == main.ends[0][0]]  # one for each phase
    alive = {sets.root(place) for place in element_places(beside)}
    alive |= _beside(draft, elements, sets, alive)
    draft.live = {place for place in users if sets.root(place) in alive}
    _measure(draft, main, [e for e in elements if e.kind in LINEAR])
    return main


def element_places(elements: list[EngineElement]) -> list[Place]:
    """All nodes of some elements, without ground."""
    return [place for element in elements for place in element.nodes if place[1]]


def join_all(sets: Sets, elements: list[EngineElement]) -> None:
    """Join the nodes that linear elements connect, many elements at a time.

    A line connects conductor with conductor, any other element what its admittance couples; a
    shunt feeds nothing.

    Parameters
    ----------
    sets : Sets
        To be joined.
    elements : list of EngineElement
        Linear ones.
    """
    groups: dict[tuple[bool, int], list[EngineElement]] = {}
    for element in elements:
        alone = len({bus for bus, node in element.nodes if node}) < 2
        if not alone or element.kind in WINDINGS:
            groups.setdefault((element.kind == "line", len(element.nodes)), []).append(element)
    for (is_line, n), group in groups.items():
        y = np.abs(np.array([element.y for element in group]))
        own = np.sqrt(np.diagonal(y, axis1=1, axis2=2))
        strong = y > RANK * own[:, :, None] * own[:, None, :]
        pick = np.triu(np.ones((n, n), dtype=bool), 1)
        if is_line:
            pick &= np.eye(n, k=n // 2, dtype=bool)
        for k, i, j in zip(*(a.tolist() for a in np.nonzero(strong & pick)), strict=True):
            places = group[k].nodes
            if places[i][1] and places[j][1]:
                sets.join(places[i], places[j])


def _beside(draft: Draft, elements: list[EngineElement], sets: Sets, alive: set[Place],
            ) -> set[Place]:
    """Neutrals of what lives, and conductors that a line's coupling energises."""
    found = set(alive)
    waiting = [e for e in elements if e.kind not in ("vsource",) and not all(
        sets.root(p) in found for p in e.nodes if p[1])]
    changed = True
    while changed:
        changed = False
        still = []
        for element in waiting:
            places = [p for p in element.nodes if p[1]]
            dead = [p for p in places if sets.root(p) not in found]
            if not dead:
                continue
            if len(dead) == len(places):
                still.append(element)
                continue
            high = max(abs(draft.volts(p)) for p in places)
            first = 3 if dead[0][0] in draft.split else 4
            new = {sets.root(p) for p in dead if p[1] >= first}
            if element.kind == "line" and _charged(element, set(dead)) and any(
                    abs(draft.volts(p)) > RISEN * high for p in dead if p[1] < first):
                new |= {sets.root(p) for p in dead}
                draft.coupled.add(element.full.lower())
            if new:
                found |= new
                changed = True
            if len(new) < len({sets.root(p) for p in dead}):
                still.append(element)
        waiting = still
    return found


def _charged(element: EngineElement, dead: set[Place]) -> bool:
    """Whether capacitance couples a line's dead conductors with others."""
    n = len(element.nodes) // 2
    shunt = np.abs(element.y[:n, :n] + element.y[:n, n:])
    rows = np.array([place in dead for place in element.nodes[:n]])
    return bool((shunt[np.ix_(rows, ~rows)] > RANK * np.abs(element.y).max()).any())


def _measure(draft: Draft, main: EngineElement, linear: list[EngineElement]) -> None:
    """Branches between the source and each bus that it feeds."""
    beside: dict[str, list[str]] = {}
    for element in linear:
        buses = list(dict.fromkeys(p[0] for p in element.nodes if p in draft.live))
        for bus in buses[1:]:
            beside.setdefault(buses[0], []).append(bus)
            beside.setdefault(bus, []).append(buses[0])
    root = main.ends[0][0]
    draft.depth = {root: 0}
    queue = deque([root])
    while queue:
        here = queue.popleft()
        for bus in beside.get(here, ()):
            if bus not in draft.depth:
                draft.depth[bus] = draft.depth[here] + 1
                queue.append(bus)
