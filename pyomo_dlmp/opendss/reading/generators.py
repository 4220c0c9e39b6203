"""Generators, PV systems and storages of a circuit, and other sources as what they deliver."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.network import Generator, Load, Storage
from pyomo_dlmp.network.device import pair_name
from pyomo_dlmp.network.phases import PHASES
from pyomo_dlmp.opendss.reading.circuit import Draft, Unsupported, tidy
from pyomo_dlmp.opendss.reading.legs import (
    STILL,
    Ends,
    add_up,
    apart,
    ends_of_legs,
    engine_powers,
    is_star,
    leg_volts,
    solved_legs,
)


def read_generator(draft: Draft, element: EngineElement) -> list[Any]:
    """A generator, PV system or storage with its present power.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Of class generator, pvsystem or storage.

    Returns
    -------
    list of Generator, Storage or Load
        One where all legs are equal, else one for each leg.
    """
    legs = [leg for leg in ends_of_legs(element) if leg[0] != leg[1]]
    total = -complex(element.kva.sum())
    if not element.shut.all() and abs(total) < STILL:
        draft.leave_out(element.full, "it is open")
        return []
    if element.kind == "generator" and int(element.record.get("model", 1)) == 3:
        draft.note(element.full, "it holds a voltage in OpenDSS (model=3): it is read as its P and "
                   "Q of the solution")
    place = _one(draft, legs)
    if place is not None and not apart(
            draft, element, legs, np.full(len(legs), -total / len(legs))):
        return [_made(draft, element, draft.name(element.full), place, total, 1.0)]
    powers = add_up(draft, legs, solved_legs(draft, element, legs))
    draft.note(element.full, "its legs are unequal: it becomes one for each of them")
    return [_made(draft, element, draft.further(element.full, f"_{leg}"),
                  _leg_place(leg), -power, 1.0 / len(powers))
            for leg, power in powers.items()]


def _one(draft: Draft, legs: list[Ends]) -> dict[str, Any] | None:
    """Phases, connection and neutral of equal legs, if one device of ours has them."""
    names = [draft.leg(a[0], a[1], b[1]) for a, b in legs]
    if len(set(names)) < len(names) or not names:
        return None
    if len(names) == 1:
        return _leg_place(names[0])
    if all(map(is_star, names)):
        ends = {name[1:] for name in names}
        phases = "".join(name[0] for name in names)
        if len(ends) > 1 or not set(phases) <= {*PHASES, "1", "2"}:
            return None
        return {"phases": "".join(sorted(phases)), "connection": "wye", "neutral": ends.pop()}
    if set(names) == {"ab", "bc", "ca"}:
        return {"phases": "abc", "connection": "delta"}
    return None


def _leg_place(leg: str) -> dict[str, Any]:
    if is_star(leg):
        if leg[0] not in (*PHASES, "1", "2"):
            raise Unsupported(f"its leg is {leg!r}", "Connect it to a phase.")
        return {"phases": leg[0], "connection": "wye", "neutral": leg[1:]}
    return {"phases": pair_name(leg), "connection": "delta"}


def _made(draft: Draft, element: EngineElement, name: str, place: dict[str, Any], made: complex,
          share: float) -> Any:
    fields = {"name": name, "bus": element.ends[0][0], **place,
              "kw": tidy(made.real, 12), "kvar": tidy(made.imag, 12)}
    return _KINDS[element.kind](element.record, fields, share)


def _generator(record: dict[str, Any], fields: dict[str, Any], share: float) -> Generator:
    kw, kvar = fields["kw"], fields["kvar"]
    return Generator(**fields, kw_max=max(kw, 0.0), kw_min=0.0, cost=0.0,
                     kvar_min=min(record["minkvar"] * share, kvar, 0.0),
                     kvar_max=max(record["maxkvar"] * share, kvar, 0.0))


def _pv(record: dict[str, Any], fields: dict[str, Any], share: float) -> Generator:
    kw, kvar, most = fields["kw"], fields["kvar"], float(record["kvarmax"]) * share
    return Generator(**fields, kw_max=max(kw, 0.0), cost=0.0, kva=record["kva"] * share,
                     kvar_min=min(-most, kvar), kvar_max=max(most, kvar))


def _storage(record: dict[str, Any], fields: dict[str, Any], share: float) -> Storage:
    rated = float(record["kwhrated"]) * share
    low = rated * float(record["pctreserve"]) / 100.0
    return Storage(
        **fields, kw_max=record["kwrated"] * share, kwh_max=rated, kwh_min=low,
        kwh_start=min(max(float(record["kwhstored"]) * share, low), rated),
        efficiency_charge=record["pcteffcharge"] / 100.0,
        efficiency_discharge=record["pcteffdischarge"] / 100.0,
        kvar_max=float(record["kvarmax"]) * share, kva=record["kva"] * share)


_KINDS = {"generator": _generator, "pvsystem": _pv, "storage": _storage}


def read_as_power(draft: Draft, element: EngineElement) -> list[Load]:
    """Anything else with a power, as that power at the solution, constant.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Such as a second source or a current source.

    Returns
    -------
    list of Load
        Negative where it delivers; one for each bus.
    """
    if len({bus for bus, node in element.nodes if node}) > 1:
        raise Unsupported(f"elements of class {element.kind} between two buses are not modeled",
                          "Remove it, or replace it by what is modeled.")
    powers = engine_powers(element)
    moving = {place: s for place, s in powers.items() if abs(s) > STILL}
    if not moving:
        draft.leave_out(element.full, "it delivers nothing")
        return []
    if any(np.isnan(s) for s in moving.values()):
        raise Unsupported("its power is not a number", "Correct its properties.")
    legs = [(place, (place[0], 0)) for place in moving]
    bus = legs[0][0][0]
    assert np.abs(leg_volts(draft, legs)).min() > 0
    found = add_up(draft, legs, np.array(list(moving.values())))
    draft.note(element.full, "it is read as the constant power that it has at the solution: "
               f"{-sum(moving.values()).real:.6g} kW, {-sum(moving.values()).imag:.6g} kvar made")
    return [Load(name=draft.name(element.full), bus=bus, legs=tuple(found),
                 kw=tuple(tidy(s.real, 12) for s in found.values()),
                 kvar=tuple(tidy(s.imag, 12) for s in found.values()), v_low=0.01, v_high=10.0)]
