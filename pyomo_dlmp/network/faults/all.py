"""Every fault of a feeder at once, each naming the element, the value and the cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import is_dataclass
from typing import Any

from pyomo_dlmp.errors import Fault, NetworkError, listed, nearest, shown
from pyomo_dlmp.network.controls import Control, control_faults
from pyomo_dlmp.network.device import Device
from pyomo_dlmp.network.elements import Bus, Line, LineCode, Substation
from pyomo_dlmp.network.faults.fields import (
    code_faults,
    name_faults,
    number_faults,
    phase_faults,
    type_faults,
)
from pyomo_dlmp.network.faults.relations import relation_faults
from pyomo_dlmp.network.fields import Range, settled
from pyomo_dlmp.network.kinds import BRANCHES, element_classes, kind, label
from pyomo_dlmp.network.profiles import Profile
from pyomo_dlmp.network.series import fault_list, items_of
from pyomo_dlmp.network.topology import reference_faults, tree_faults

_FREQUENCY = Range(0, 1000, "Hz", above=True)
FAMILIES: tuple[tuple[str, Any], ...] = (
    ("bus", (Bus,)), ("substation", (Substation,)), ("branch", BRANCHES), ("device", (Device,)),
)


def checked(name: Any, elements: Any, profiles: Any, texts: Mapping[str, Any], frequency: Any,
            sound: Iterable[Any] = (), controls: Any = (),
            ) -> tuple[tuple[Any, ...], tuple[Profile, ...], tuple[Control, ...]]:
    """Elements and profiles of a network to be, or an error with every fault.

    Parameters
    ----------
    name, elements, profiles, frequency
        As a `Network` is given them.
    texts : mapping
        Its further texts by argument.
    sound : iterable of Element
        Of another network: these objects are not judged by themselves again.
    controls
        As a `Network` is given them.

    Returns
    -------
    (tuple of Element, tuple of Profile, tuple of Control)
        Their lists and dicts are their own.

    Raises
    ------
    NetworkError
        If anything is wrong.
    """
    faults = []
    before = {id(element) for element in sound}
    lists: dict[str, list] = {}
    for key, values in (("elements", elements), ("profiles", profiles),
                        ("controls", controls)):
        items = sorted(values, key=label) if isinstance(values, Set) else items_of(values)
        lists[key] = [item if id(item) in before else _settled(item) for item in items or ()]
        if items is None:
            faults.append(Fault("network", f"its {key} are {shown(values)}", "Give a list."))
    if finding := _FREQUENCY.finding(frequency):
        faults.append(Fault("network", f"its frequency {finding[0]}", finding[1]))
    faults += _profile_faults(lists["profiles"])
    known = [p.name for p in lists["profiles"]
             if isinstance(p, Profile) and isinstance(p.name, str)]
    faults += _all_faults({"name": name, **texts}, lists["elements"], known, before)
    if not faults:
        faults += control_faults(lists["controls"], lists["elements"])
    if faults:
        raise NetworkError(faults)
    return tuple(lists["elements"]), tuple(lists["profiles"]), tuple(lists["controls"])


def _profile_faults(profiles: list) -> Iterator[Fault]:
    seen: set[str] = set()
    for profile in profiles:
        if not isinstance(profile, Profile):
            yield Fault("network", f"its profiles hold {shown(profile)}",
                        "Give a Profile(name=..., values=...).")
            continue
        where = f"profile {shown(profile.name)}"
        yield from fault_list(where, profile.findings())
        if isinstance(profile.name, str):
            yield from name_faults(profile, where)
            if profile.name in seen:
                yield Fault(where, "is there twice", "Give each profile its own name.")
            seen.add(profile.name)


def find_faults(name: str, elements: Iterable[Any], profiles: Iterable[str] = (),
                description: str = "", source: str = "") -> list[Fault]:
    """All faults of a network, in the order types, names, single elements, relations.

    What depends on a broken value is not judged: the tree, for one, only if every bus and branch is
    well typed.

    Parameters
    ----------
    name, description, source : str
        Texts of the network.
    elements : iterable
        Everything that is to be in it.
    profiles : iterable of str
        Names of its load profiles.

    Returns
    -------
    list of Fault
        Empty if nothing is wrong.
    """
    texts = {"name": name, "description": description, "source": source}
    return _all_faults(texts, [_settled(element) for element in elements], profiles)


def _settled(item: Any) -> Any:
    return settled(item) if is_dataclass(item) and not isinstance(item, type) else item


def _all_faults(texts: Mapping[str, Any], elements: list[Any],
                profiles: Iterable[str], before: Set[int] = frozenset()) -> list[Fault]:
    """As `find_faults`, of elements that are settled; those whose ids are `before` are sound."""
    name = texts["name"]
    faults = [Fault("network", f"its {key} is {shown(text)}", "It must be a string.")
              for key, text in texts.items() if not isinstance(text, str)]
    sound, broken = _by_type(name, elements, faults, before)
    faults += _repeated_names([*sound, *broken])
    faults += _code_faults(element.code for element in sound if isinstance(element, Line))
    for element in sound:
        faults += () if id(element) in before else _value_faults(element)
    faults += _meeting_faults(name, sound, broken, set(profiles))
    return faults


def element_faults(element: Any) -> list[Fault]:
    """Faults of one element by itself: types, names, numbers, phases, relations between fields.

    Parameters
    ----------
    element : element of a network
        Of any kind, registered or not.

    Returns
    -------
    list of Fault
        Empty if nothing is wrong. Relations are judged only if all types are right.
    """
    element = _settled(element)
    faults = type_faults(element, label(element))
    if faults:
        return faults
    codes = code_faults(element.code) if isinstance(element, Line) else []
    return [*_value_faults(element), *codes]


def _value_faults(element: Any) -> list[Fault]:
    checks = (name_faults, number_faults, phase_faults, relation_faults)
    return [fault for check in checks for fault in check(element, label(element))]


def _by_type(name: str, elements: Iterable[Any], faults: list[Fault],
             before: Set[int]) -> tuple[list, list]:
    """Elements whose values are of their types, and those where some are not."""
    sound: list[Any] = []
    broken: list[Any] = []
    for element in elements:
        if kind(element) is None:
            known = ", ".join(cls.__name__ for cls in element_classes())
            faults.append(Fault(
                f"network {shown(name)}", f"{shown(element)} is not an element",
                "Register its class with its block: dlmp.extend.register_device(...)."
                if isinstance(element, Device) else f"Elements are {known}."))
        elif id(element) not in before and (typed := type_faults(element, label(element))):
            faults += typed
            broken.append(element)
        else:
            sound.append(element)
    return sound, broken


def _meeting_faults(name: str, sound: list, broken: list, profiles: set[str]) -> Iterator[Fault]:
    """Buses, phases and profiles that do not exist, and the tree."""
    def of(classes: Any) -> list[Any]:
        return [element for element in sound if isinstance(element, classes)]

    buses: dict[str, Bus] = {}
    for bus in of(Bus):
        buses.setdefault(bus.name, bus)
    known = {e.name for e in [*sound, *broken] if isinstance(e, Bus) and isinstance(e.name, str)}
    substations, branches, devices = of(Substation), of(BRANCHES), of(Device)
    yield from reference_faults(buses, known, substations, branches, devices)
    yield from _substation_count(
        name, [*substations, *(e for e in broken if isinstance(e, Substation))])
    for device in devices:
        profile = getattr(device, "profile", None)
        if profile is not None and profile not in profiles:
            yield Fault(label(device), f"its profile {profile!r} is not known",
                        nearest(profile, profiles) or "Give the network that profile.")
    if not any(isinstance(e, (Bus, *BRANCHES)) for e in broken):
        roots = [s.bus for s in substations if s.bus in buses]
        yield from tree_faults(buses, roots, branches)


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
                        "Give them different names.")
    for code in by_name.values():
        if all(_square(matrix) for matrix in (code.r, code.x, code.b)):
            yield from code_faults(code)


def _square(matrix: Any) -> bool:
    return matrix is None or (
        len(matrix) > 0 and all(len(row) == len(matrix) for row in matrix))


def _substation_count(network: str, substations: list[Substation]) -> Iterator[Fault]:
    if not substations:
        yield Fault(f"network {shown(network)}", "it has no substation",
                    "Add one: Substation(name=..., bus=...).")
    elif len(substations) > 1:
        yield Fault(
            f"network {shown(network)}",
            f"it has {len(substations)} substations: {listed(s.name for s in substations)}",
            "Keep exactly one.")
