"""Every fault of a feeder at once, each naming the element, the value and the cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pyomo_dlmp.errors import Fault
from pyomo_dlmp.network.devices import Load
from pyomo_dlmp.network.elements import Bus, Line, LineCode, Substation
from pyomo_dlmp.network.faults.fields import (
    code_faults,
    figure_faults,
    name_faults,
    phase_faults,
    type_faults,
)
from pyomo_dlmp.network.faults.relations import relation_faults
from pyomo_dlmp.network.names import BRANCHES, DEVICES, KINDS, kind, label, listed, nearest
from pyomo_dlmp.network.topology import reference_faults, tree_faults

FAMILIES: tuple[tuple[str, Any], ...] = (
    ("bus", (Bus,)), ("substation", (Substation,)), ("branch", BRANCHES), ("device", DEVICES),
)


def find_faults(name: str, elements: Iterable[Any], profiles: Iterable[str] = (),
                description: str = "", source: str = "") -> list[Fault]:
    """All faults of a network, in the order types, names, single elements, how they meet.

    profiles: names of the network's load profiles. What depends on a broken value is not judged:
    the tree, for one, only when every bus and branch is well typed.
    """
    faults = [
        Fault("network", f"its {key} is {text!r}", "It must be a string.")
        for key, text in (("name", name), ("description", description), ("source", source))
        if not isinstance(text, str)
    ]
    sound: list[Any] = []
    broken: list[Any] = []
    for element in elements:
        if kind(element) is None:
            faults.append(Fault(f"network {name!r}", f"{element!r} is not an element",
                                f"Elements are {', '.join(cls.__name__ for cls in KINDS)}."))
        elif typed := type_faults(element, label(element)):
            faults += typed
            broken.append(element)
        else:
            sound.append(element)

    faults += _repeated_names([*sound, *broken])
    faults += _code_faults(element.code for element in sound if isinstance(element, Line))
    for element in sound:
        for check in (name_faults, figure_faults, phase_faults, relation_faults):
            faults += check(element, label(element))

    buses: dict[str, Bus] = {}
    for element in sound:
        if isinstance(element, Bus):
            buses.setdefault(element.name, element)
    known = {e.name for e in [*sound, *broken] if isinstance(e, Bus) and isinstance(e.name, str)}
    substations = [e for e in sound if isinstance(e, Substation)]
    branches = [e for e in sound if isinstance(e, BRANCHES)]
    devices = [e for e in sound if isinstance(e, DEVICES)]
    faults += reference_faults(buses, known, substations, branches, devices)
    faults += _substation_count(
        name, [e for e in [*sound, *broken] if isinstance(e, Substation)])
    profiles = set(profiles)
    faults += [
        Fault(label(load), f"its profile {load.profile!r} is not known",
              nearest(load.profile, profiles) or "Give the network that profile.")
        for load in devices
        if isinstance(load, Load) and load.profile is not None and load.profile not in profiles
    ]
    if not any(isinstance(e, (Bus, *BRANCHES)) for e in broken):
        roots = [s.bus for s in substations if s.bus in buses]
        faults += tree_faults(buses, roots, branches)
    return faults


def _repeated_names(elements: list[Any]) -> Iterator[Fault]:
    for family, classes in FAMILIES:
        first: dict[str, Any] = {}
        for element in elements:
            if not isinstance(element, classes) or not isinstance(element.name, str):
                continue
            if element.name in first:
                yield Fault(
                    label(element),
                    f"the name {element.name!r} is taken by a {kind(first[element.name])}",
                    f"Each {family} needs a name of its own: rename one of them.")
            first.setdefault(element.name, element)


def _code_faults(codes: Iterable[LineCode]) -> Iterator[Fault]:
    by_name: dict[str, LineCode] = {}
    for code in codes:
        known = by_name.setdefault(code.name, code)
        if known is code:
            continue
        if known != code:
            yield Fault(f"line code {code.name!r}", "two codes of this name have other matrices",
                        "Name them apart.")
    for code in by_name.values():
        if all(_square(matrix) for matrix in (code.r, code.x, code.b)):
            yield from code_faults(code)


def _square(matrix: Any) -> bool:
    return matrix is None or (
        len(matrix) > 0 and all(len(row) == len(matrix) for row in matrix))


def _substation_count(network: str, substations: list[Substation]) -> Iterator[Fault]:
    if not substations:
        yield Fault(f"network {network!r}", "it has no substation",
                    "Add one: Substation(name=..., bus=...).")
    elif len(substations) > 1:
        yield Fault(
            f"network {network!r}",
            f"it has {len(substations)} substations: {listed(s.name for s in substations)}",
            "Keep exactly one.")
