"""The elements of a network from what `write_opendss` made of them, by the comments in its file.

Names come back, and elements that were written in several parts (a load leg by leg, a regulator
unit by unit, an admittance as reactors) are one again, as far as the parts are still what was
written. A file without such comments is left as it is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from pyomo_dlmp.network import Generator, Load, Profile, Regulator, Substation, Transformer
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.device import Device
from pyomo_dlmp.network.elements import Bus
from pyomo_dlmp.network.kinds import BRANCHES
from pyomo_dlmp.network.phases import NEUTRAL, PHASES, between_phases
from pyomo_dlmp.opendss.names import Original
from pyomo_dlmp.opendss.reading.circuit import Draft
from pyomo_dlmp.tolerances import PRINTED

STEP = 0.00625
_BUS_FIELDS = ("bus", "from_bus", "to_bus")
Part = tuple[str, str, Any]  # the engine's class and name, our part, and the element


def restore(draft: Draft, originals: Mapping[str, Original]) -> None:
    """Give the elements of a draft their original names, and join their parts.

    Parameters
    ----------
    draft : Draft
        With all elements and buses; they are replaced.
    originals : mapping of str to Original
        Of `names.original_elements`; names that are taken, empty or unprintable do not count.
    """
    if not originals:
        return
    known = {(isinstance(e, Device), e.name): e for e in draft.elements if not isinstance(e, Bus)}
    groups: dict[tuple[str, str], list[Part]] = {}
    for full, original in originals.items():
        if full not in draft.made or original.kind == "ground":
            continue
        name = next(iter(draft.made[full]), "")
        device = full.startswith(("load.", "capacitor."))
        element = known.get((device, name)) or known.get((not device, name))
        if element is not None or original.kind == "admittance":  # or taken for a grounding
            groups.setdefault(original[:2], []).append((full, original.part, element))
    wanted: dict[int, Any] = {}  # by identity of the element that is replaced
    for (kind, name), parts in groups.items():
        join = _JOIN.get(kind, _loads)
        whole = join(draft, parts) if any(part for _, part, _ in parts) else None
        if whole is None:
            for full, _, element in parts:
                wanted[id(element)] = replace(element, name=originals[full].own)
            continue
        for _, _, element in parts:
            wanted[id(element)] = None
        wanted[id(parts[0][2])] = replace(whole, name=name)
        if parts[0][2] is None:
            draft.elements.append(wanted.pop(id(None)))
        wanted.pop(id(None), None)
        _forget_notes(draft, [full for full, _, _ in parts])
    _substation(draft, originals, wanted)
    _grounds(draft, originals, wanted)
    elements = [wanted.get(id(e), e) for e in draft.elements]
    draft.elements[:] = _with_buses(_unique([e for e in elements if e is not None],
                                            draft.elements), originals)


def restore_profiles(draft: Draft, profiles: list[Profile],
                     originals: Mapping[str, Original]) -> list[Profile]:
    """Give profiles their original names, also in what follows them.

    Parameters
    ----------
    draft : Draft
        With its loads and generators; they are replaced.
    profiles : list of Profile
        As read.
    originals : mapping of str to Original
        As of `restore`.

    Returns
    -------
    list of Profile
    """
    new = {p.name: originals[f"loadshape.{p.name}"].name for p in profiles
           if originals.get(f"loadshape.{p.name}", ("",))[0] == "profile"}
    names = [new.get(p.name, p.name) for p in profiles]
    if len(set(names)) < len(names):
        return profiles
    draft.elements[:] = [
        replace(e, profile=new[e.profile])
        if isinstance(e, Load | Generator) and e.profile in new else e
        for e in draft.elements]
    return [replace(p, name=name) for p, name in zip(profiles, names, strict=True)]


def _forget_notes(draft: Draft, parts: Sequence[str]) -> None:
    """What was odd about a part is not odd about the whole, such as a negative resistance."""
    draft.notes[:] = [note for note in draft.notes
                      if note.where.split(" (")[0].lower() not in parts]


def _substation(draft: Draft, originals: Mapping[str, Original], wanted: dict[int, Any]) -> None:
    """Its name, and its impedance, where that was written as a reactor behind ideal sources."""
    element = next(e for e in draft.elements if isinstance(e, Substation))
    names = {original.name for full, original in originals.items() if full in draft.sources
             and original.kind == "substation"}
    if len(names) != 1:
        return
    (name,) = names
    wanted[id(element)] = replace(element, name=name)
    for full, original in originals.items():
        reactor = draft.snapshot.elements.get(full)
        if original == ("substation", name, "z") and reactor is not None and (
                full in draft.made and reactor.ends[0][0] == element.bus):
            n = len(reactor.ends[0][1])
            z = np.linalg.inv(reactor.y[:n, :n])
            wanted[id(element)] = replace(element, name=name, bus=reactor.ends[1][0],
                                          r=_rows(z.real), x=_rows(z.imag))
            gone = {element.bus, *draft.made[full]}
            wanted.update({id(e): None for e in draft.elements
                           if e.name in gone and isinstance(e, (Bus, *BRANCHES))})


def _grounds(draft: Draft, originals: Mapping[str, Original], wanted: dict[int, Any]) -> None:
    """The grounding of each bus: the reactor that was written for it, and no other shunt."""
    buses = {e.name: e for e in draft.elements if isinstance(e, Bus)}
    shunts = {e.name: e for e in draft.elements if isinstance(e, NodalAdmittance)}
    z: dict[str, complex | None] = {}
    for full, original in originals.items():
        if full in draft.made and original.kind in ("ground", "admittance"):
            bus, reactor = draft.snapshot.elements[full].ends[0][0], draft.snapshot.elements[full]
            if original.kind == "ground":
                z[bus] = complex(1.0 / reactor.y[0, 0])
                wanted.update({id(shunts[name]): None for name in draft.made[full]
                               if name in shunts})
            elif not draft.made[full]:
                z.setdefault(bus, None)
    for bus, ohm in z.items():
        if bus in buses and NEUTRAL in buses[bus].neutrals:
            wanted[id(buses[bus])] = replace(
                buses[bus], ground_r=None if ohm is None else ohm.real,
                ground_x=None if ohm is None else ohm.imag)


def _rows(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, values.tolist()))


def _unique(elements: list[Any], before: list[Any]) -> list[Any]:
    """Names that two elements of a family would have are taken back."""
    taken: set[tuple[bool, str]] = set()
    own = {e.name for e in before}
    found = []
    for element in elements:
        key = isinstance(element, Device), element.name
        if isinstance(element, Bus | Substation):
            found.append(element)
            continue
        n = 1
        while key in taken or not key[1].isprintable() or key[1] != key[1].strip():
            n += 1
            key = key[0], f"element_{n}" if f"element_{n}" not in own else key[1] + "_"
        taken.add(key)
        found.append(element if element.name == key[1] else replace(element, name=key[1]))
    return found


def _with_buses(elements: list[Any], originals: Mapping[str, Original]) -> list[Any]:
    """All elements with the original names of buses."""
    buses = [e.name for e in elements if isinstance(e, Bus)]
    names: dict[str, str] = {}
    for bus in buses:
        original = originals.get(f"bus.{bus}")
        name = original.name if original else bus
        good = name.isprintable() and name == name.strip() and name
        free = name not in names.values() and (name == bus or name not in buses or (
            f"bus.{name}" in originals))
        names[bus] = name if good and free else bus
    if len(set(names.values())) < len(names):
        return elements
    return [_moved(element, names) for element in elements]


def _moved(element: Any, names: Mapping[str, str]) -> Any:
    if isinstance(element, Bus):
        new: dict[str, Any] = {"name": names[element.name]}
    elif isinstance(element, NodalAdmittance):
        new = {"buses": tuple(names.get(bus, bus) for bus in element.buses)}
    else:
        held = {f.name for f in fields(element)}
        new = {key: names.get(getattr(element, key), getattr(element, key))
               for key in _BUS_FIELDS if key in held}
    same = all(getattr(element, key) == value for key, value in new.items())
    return element if same else replace(element, **new)


# --------------------------------------------------------------------------- parts made one


def _loads(_: Draft, parts: Sequence[Part]) -> Load | None:
    """Legs of one load."""
    loads = [element for _, _, element in parts]
    if not all(isinstance(load, Load) and len(load.legs) == 1 for load in loads):
        return None
    first = loads[0]
    alike = {"name": first.name, "legs": first.legs, "kw": first.kw, "kvar": first.kvar}
    legs = tuple(load.legs[0] for load in loads)
    if any(replace(load, **alike) != first for load in loads) or len(set(legs)) < len(legs):
        return None
    return replace(first, legs=legs, kw=tuple(load.kw[0] for load in loads),
                   kvar=tuple(load.kvar[0] for load in loads))


def _generator(draft: Draft, parts: Sequence[Part]) -> Device | None:
    """A generator of equal legs, with what it makes as its limit, as any other that is read."""
    load = _loads(draft, parts)
    if load is None or load.model != "power" or max(load.kw) - min(load.kw) > PRINTED * (
            abs(load.kw[0])) or max(load.kvar) - min(load.kvar) > PRINTED * abs(load.kvar[0]):
        return load
    kw, kvar = -math.fsum(load.kw), -math.fsum(load.kvar)
    delta = load.connection == "delta"
    phases = "".join(dict.fromkeys(leg[0] for leg in load.legs))
    made = Generator(
        name=load.name, bus=load.bus, kw=kw, kvar=kvar, kw_max=max(kw, 0.0), cost=0.0,
        kvar_min=min(kvar, 0.0), kvar_max=max(kvar, 0.0), connection=load.connection,
        profile=load.profile,
        phases=load.legs[0] if delta and len(load.legs) == 1 else phases,
        neutral="" if delta else load.legs[0][1:])
    return made if made.legs == load.legs else load


def _capacitors(_: Draft, parts: Sequence[Part]) -> Any:
    """Legs of one capacitor, whatever their signs."""
    held = [element for _, _, element in parts]
    if not all(hasattr(c, "kvar") and hasattr(c, "legs") and len(c.legs) == 1 for c in held):
        return None
    first = held[0]
    legs = tuple(c.legs[0] for c in held)
    alike = {"name": first.name, "legs": first.legs, "kvar": first.kvar}
    if any(type(c) is not type(first) or replace(c, **alike) != first for c in held) or (
            len(set(legs)) < len(legs)):
        return None
    return replace(first, legs=legs, kvar=tuple(c.kvar[0] for c in held))


def _transformer(_: Draft, parts: Sequence[Part]) -> Transformer | None:
    """Units of one bank."""
    units = [element for _, _, element in parts]
    if not all(isinstance(t, Transformer) and len(t.legs[0]) == 1 for t in units):
        return None
    first = units[0]
    alike = {"name": first.name, "phases": first.phases, "from_legs": first.from_legs,
             "to_legs": first.to_legs}
    if any(replace(t, **alike) != first for t in units):
        return None
    legs = [tuple(t.legs[side][0] for t in units) for side in (0, 1)]
    kvs = [kv if kv is None or between_phases(group[0]) else kv * math.sqrt(3.0)
           for kv, group in zip((first.from_kv, first.to_kv), legs, strict=True)]
    phases = "".join(sorted({leg[0] for group in legs for leg in group}))
    return replace(first, kva=first.kva * len(units), from_kv=kvs[0], to_kv=kvs[1], phases=phases,
                   from_legs=legs[0], to_legs=legs[1])


def _regulator(_: Draft, parts: Sequence[Part]) -> Regulator | None:
    """Units of one regulator, with whole taps; ideal ones are known by their shunt."""
    units = {part: t for _, part, t in parts if part != "through"}
    if not all(isinstance(t, Transformer) and t.legs == ((leg,), (leg,))
               for leg, t in units.items()):
        return None
    first = next(iter(units.values()))
    turned = any(t.from_tap != 1.0 for t in units.values())
    steps = {leg: ((1.0 - t.from_tap) if turned else (t.tap - 1.0)) / STEP
             for leg, t in units.items()}
    if any(abs(step - round(step)) > PRINTED for step in steps.values()):
        return None
    delta = len(units) < len(parts)
    own = {} if first.antifloat_ppm != 1.0 else {
        "kva": first.kva, "r_percent": first.r_percent, "x_percent": first.x_percent}
    return Regulator(
        name=first.name, from_bus=first.from_bus, to_bus=first.to_bus,
        taps={leg: round(step) for leg, step in steps.items()},
        phases=PHASES if delta else "".join(units), kind="A" if turned else "B",
        connection="open_delta" if delta else "wye", **own)


def _admittance(draft: Draft, parts: Sequence[Part]) -> NodalAdmittance | None:
    """Reactors of one admittance: their primitive matrices add up."""
    ends: dict[int, tuple[str, int]] = {}
    for full, part, _ in parts:
        numbers = [int(k) for k in part.split("_") if k.isdecimal()]
        nodes = draft.snapshot.elements[full].nodes
        if part == "z":
            numbers = [k for k, (_, node) in enumerate(nodes) if node]
            nodes = [place for place in nodes if place[1]]
        ends |= dict(zip(numbers, nodes, strict=False))
    places = [ends[k] for k in sorted(ends)]
    at = {place: i for i, place in enumerate(places)}
    y = np.zeros((len(at),) * 2, dtype=complex)
    for full, _, _ in parts:
        element = draft.snapshot.elements[full]
        kept = [k for k, place in enumerate(element.nodes) if place in at]
        where = [at[element.nodes[k]] for k in kept]
        np.add.at(y, np.ix_(where, where), element.y[np.ix_(kept, kept)])
    buses = list(dict.fromkeys(bus for bus, _ in places))
    order = [i for bus in buses for i, place in enumerate(places) if place[0] == bus]
    y = y[np.ix_(order, order)]
    return NodalAdmittance(
        name="", buses=tuple(buses), g=_rows(y.real), b=_rows(y.imag),
        conductors=tuple("".join(draft.letter(bus, places[i][1]) for i in order
                                 if places[i][0] == bus) for bus in buses))


_JOIN: dict[str, Callable[[Draft, Sequence[Part]], Any]] = {
    "load": _loads, "capacitor": _capacitors, "transformer": _transformer,
    "regulator": _regulator, "admittance": _admittance, "generator": _generator}
