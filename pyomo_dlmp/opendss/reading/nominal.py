"""Nominal voltages of buses, and buses behind centre-tapped transformers."""

from __future__ import annotations

import math
from collections import Counter

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.opendss.reading.circuit import Draft, in_delta, tidy

FITS = 0.25  # calcvoltagebases goes by voltages to ground: on a floating section they are anything
BETWEEN = ("line", "reactor", "capacitor", "fault")  # both ends have one nominal voltage
ANY = frozenset(("reactor", "capacitor"))  # may stand for a transformer


def find_split_buses(draft: Draft) -> None:
    """Note buses behind centre-tapped transformers: their secondary, and those that lines reach.

    Parameters
    ----------
    draft : Draft
        Its `split` is filled.
    """
    snapshot = draft.snapshot
    for element in snapshot.of("transformer"):
        if tapped_at(element) is not None:
            draft.split.add(element.ends[1][0])
    if not draft.split:
        return
    beside: dict[str, list[str]] = {}
    for line in snapshot.of("line"):
        (first, _), (second, _) = line.ends
        beside.setdefault(first, []).append(second)
        beside.setdefault(second, []).append(first)
    queue = sorted(draft.split)
    while queue:
        for bus in beside.get(queue.pop(), ()):
            if bus not in draft.split:
                draft.split.add(bus)
                queue.append(bus)


def tapped_at(element: EngineElement) -> int | None:
    """The node of a centre-tapped secondary's middle.

    Parameters
    ----------
    element : EngineElement
        A transformer.

    Returns
    -------
    int or None
        0 if it is grounded; None if the transformer is not centre-tapped.
    """
    if len(element.ends) != 3 or element.record["phases"] != 1:
        return None
    (_, _), (second, one), (third, two) = element.ends
    if second != third or len(one) != 2 or len(two) != 2:
        return None
    if {one[0], two[1]} != {1, 2} or one[1] != two[0] or one[1] in (1, 2):
        return None
    return one[1]


def find_voltages(draft: Draft, source: tuple[str, float]) -> None:
    """Note the nominal kV of every bus: the engine's voltage base if it fits the windings' ratings.

    Ratings are passed on from the source, winding by winding. Buses joined by lines have one
    nominal voltage; so do those that reactors join, but for those between different voltage bases:
    they stand for a transformer.

    Parameters
    ----------
    draft : Draft
        Its `bus_kv` is filled.
    source : (str, float)
        Bus of the source and its voltage (kV, line to line).
    """
    zones = _zones(draft)
    rated = _rated(draft, zones, source)
    members: dict[str, list[str]] = {}
    for bus in draft.snapshot.buses:
        members.setdefault(zones[bus], []).append(bus)
    for zone, buses in members.items():
        bases = Counter(
            tidy(draft.snapshot.buses[bus].kv_base
                 * (2.0 if bus in draft.split else math.sqrt(3.0)), 9) for bus in buses)
        known = rated.get(zone)
        fitting = {base: count for base, count in bases.items() if base > 0 and (
            known is None or abs(base / known - 1.0) < FITS)}
        kv = max(fitting, key=lambda b: fitting[b]) if fitting else known or _seen(draft, buses)
        for bus in buses:
            draft.bus_kv[bus] = tidy(kv, 9)


def _zones(draft: Draft) -> dict[str, str]:
    """[bus]: one of the buses that are joined with it by lines."""
    zones = {bus: bus for bus in draft.snapshot.buses}

    def root(bus: str) -> str:
        while zones[bus] != bus:
            zones[bus] = zones[zones[bus]]
            bus = zones[bus]
        return bus

    for element in draft.snapshot.of(*BETWEEN):
        if len(element.ends) > 1 and any(element.ends[1][1]) and not (
                element.kind in ANY and _apart(draft, element)):
            first, second = root(element.ends[0][0]), root(element.ends[1][0])
            zones[second] = first
    return {bus: root(bus) for bus in zones}


def _apart(draft: Draft, element: EngineElement) -> bool:
    """Whether the engine's voltage bases of both ends differ."""
    first, second = (draft.snapshot.buses[bus].kv_base for bus, _ in element.ends[:2])
    return min(first, second) > 0 and abs(first / second - 1.0) > FITS


def _rated(draft: Draft, zones: dict[str, str], source: tuple[str, float]) -> dict[str, float]:
    """[zone]: voltage (kV) that the ratings of windings give it."""
    links: dict[str, list[tuple[str, float]]] = {}
    for element in draft.snapshot.of("transformer", "autotrans"):
        record = element.record
        ends = []
        for (bus, _), kv, connection in zip(
                element.ends, record["kvs"], record["conns"], strict=False):
            pair = in_delta(connection)
            root = math.sqrt(3.0)
            line = kv if pair or record["phases"] > 1 else kv * (2 if bus in draft.split else root)
            ends.append((zones[bus], line))
        for first, _ in ends:
            links.setdefault(first, []).extend(ends)
    reached = {zones[source[0]]: source[1]}
    queue = [zones[source[0]]]
    while queue:
        for other, kv in links.get(queue.pop(), ()):
            if other not in reached:
                reached[other] = kv
                queue.append(other)
    return reached


def _seen(draft: Draft, buses: list[str]) -> float:
    """Voltage (kV) of the solution, where nothing rates it."""
    volts = [abs(v) for bus in buses for v in draft.snapshot.buses[bus].volts.values()]
    return max(volts, default=0.0) * math.sqrt(3.0) / 1e3 or 1.0
