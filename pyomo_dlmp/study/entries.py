"""Tables of a study file that make elements ([[generator]], [[job]] ...), with all their faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyomo_dlmp.errors import DlmpError, NetworkError, nearest, shown
from pyomo_dlmp.market import Workload
from pyomo_dlmp.market.workload import FIELDS, WORK
from pyomo_dlmp.market.workload_checks import part_findings, workload_findings
from pyomo_dlmp.network import Datacenter, Device, Network
from pyomo_dlmp.network.faults.all import element_faults
from pyomo_dlmp.network.fields import FieldSpec, field_specs, number_findings, type_finding
from pyomo_dlmp.network.kinds import label

Found = tuple[str, str, str]  # where, what, cure


@dataclass
class Entry:
    """One table of the file.

    Attributes
    ----------
    place : str
        How messages call it.
    cls : type
        What it makes.
    given : dict
        Its keys and values.
    element : object or None
        What it makes; None if the table is wrong.
    """

    place: str
    cls: type
    given: dict[str, Any]
    element: Any = None

    @property
    def name(self) -> str | None:
        """Its name, if it is a text."""
        name = self.given.get("name")
        return name if isinstance(name, str) else None


def read_entry(place: str, cls: type, given: Mapping[str, Any], found: list[Found]) -> Entry:
    """An entry, and what is wrong with it by itself.

    Parameters
    ----------
    place : str
        How messages call it.
    cls : type
        A dataclass.
    given : mapping
        The table.
    found : list
        (where, what, cure) are added.

    Returns
    -------
    Entry
    """
    specs = {spec.name: spec for spec in field_specs(cls)}
    entry = Entry(place, cls, {key: _tuples(value) for key, value in given.items()})
    before = len(found)
    for key in given:
        if key not in specs:
            found.append((place, f"unknown key {key!r} (it is {shown(given[key])})",
                          nearest(key, specs)))
    found += [(place, f"has no {spec.name}", f"Write {spec.name} = {_example(spec)}.")
              for spec in specs.values() if spec.required and spec.name not in given]
    for key, value in entry.given.items():
        if key in specs:
            wrong = type_finding(specs[key], value)
            found += [(place, *finding) for finding in (
                [wrong] if wrong else number_findings(specs[key], value))]
    if len(found) == before:
        entry.element = _made(entry, found)
    return entry


def _made(entry: Entry, found: list[Found]) -> Any:
    """The element, if nothing is wrong with it by itself."""
    try:
        element = entry.cls(**entry.given)
    except DlmpError as err:
        found += [(entry.place, f"{fault.where}: {fault.what}", fault.cure) for fault in err.faults]
        return None
    except Exception as err:  # of a class from outside, which checks its own data
        found.append((entry.place, f"cannot be made ({err})", "Correct its values."))
        return None
    wrong: list[Found] = (
        [(entry.place, fault.what, fault.cure) for fault in element_faults(element)]
        if isinstance(element, Device) else
        [(entry.place, what, cure) for _, what, cure in part_findings(element, entry.cls)])
    found += wrong
    return None if wrong else element


def _example(spec: FieldSpec) -> str:
    hint = getattr(spec.hint, "__name__", str(spec.hint))
    words = {"str": '"..."', "float": "a number", "int": "a whole number", "bool": "true or false"}
    return words.get(hint, "a list" if "tuple" in str(spec.hint) else "its value")


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


# ------------------------------------------------------------------------------ with the feeder


def repeated_names(entries: Iterable[Entry], taken: Mapping[str, str]) -> Iterator[Found]:
    """Devices whose name another has.

    Parameters
    ----------
    entries : iterable of Entry
        In the order of the file.
    taken : mapping
        {name: kind} of devices before them.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    seen = dict(taken)
    for entry in entries:
        if entry.name is None:
            continue
        if entry.name in seen:
            yield (entry.place, f"the name {entry.name!r} is taken by a {seen[entry.name]}",
                   "Each device needs a name of its own: rename one of them.")
        seen.setdefault(entry.name, getattr(entry.cls, "word", "device"))


def with_entries(network: Network, entries: list[Entry], found: list[Found]) -> Network:
    """A network with the devices of entries that fit, and what is wrong with the others.

    Parameters
    ----------
    network : Network
        The feeder, perhaps with devices.
    entries : list of Entry
        Of devices; those with an element are judged as a whole, of the others the bus.
    found : list
        (where, what, cure) are added.

    Returns
    -------
    Network
        Without the entries if any of them does not fit.
    """
    places = {label(entry.element): entry.place for entry in entries if entry.element is not None}
    known = set(network.devices)
    sound = []
    for entry in entries:
        bus = entry.given.get("bus")
        if entry.element is None:
            if isinstance(bus, str) and bus not in network.buses:
                found.append((entry.place, f"bus {bus!r} is not a bus",
                              nearest(bus, network.buses)))
        elif entry.name not in known:  # a repeated name is a fault of its own
            sound.append(entry.element)
            known.add(str(entry.name))
    if not sound:
        return network
    try:
        return network.with_devices(*sound)
    except NetworkError as err:
        found += [(places.get(fault.where, fault.where), fault.what, fault.cure)
                  for fault in err.faults]
        return network


def site_names(network: Network, entries: Iterable[Entry]) -> list[str]:
    """Names of datacenters, each once: the feeder's, and those of entries (wrong ones too).

    Parameters
    ----------
    network : Network
        The feeder.
    entries : iterable of Entry
        Of devices.

    Returns
    -------
    list of str
    """
    names = [*network.datacenters, *(
        entry.name for entry in entries
        if issubclass(entry.cls, Datacenter) and entry.name is not None)]
    return list(dict.fromkeys(names))


def work_findings(parts: Mapping[str, list[Entry]], sites: list[str] | None, periods: int,
                  ) -> Iterator[Found]:
    """What is wrong with the aggregator's workload as a whole.

    Parameters
    ----------
    parts : mapping
        Entries by word: [[servers]], [[job]], [[llm]] ...
    sites : list of str or None
        Its datacenters; None: the feeder, which may have some, could not be read.
    periods : int
        Their number.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    made = {key: tuple(entry.element for entry in entries if entry.element is not None)
            for key, entries in parts.items()}
    partial = any(len(made[key]) < len(parts[key]) for key in parts)
    served = any(parts[word] for word in WORK)
    if parts["servers"] and not (parts["interactive"] or parts["job"]):
        yield ("[[servers]]", "are there without work for them",
               "Write [[interactive]] or [[job]], or leave them out.")
        return
    whole = Workload(energy_mwh=None if served else 0.0,
                     **{FIELDS[word]: found for word, found in made.items()})
    yield from workload_findings(whole, sites, list(range(periods)), partial)
