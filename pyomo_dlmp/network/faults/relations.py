"""How the fields of one element go together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pyomo_dlmp.errors import Fault
from pyomo_dlmp.network.devices import (
    FRONT_END,
    Capacitor,
    Datacenter,
    Generator,
    Load,
    StaticVarGenerator,
    Storage,
)
from pyomo_dlmp.network.elements import Bus, Line, Regulator, Substation
from pyomo_dlmp.network.names import Element, listed
from pyomo_dlmp.network.phases import DELTA_PAIRS, PHASES, SPLIT
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer
from pyomo_dlmp.tolerances import PRINTED


def relation_faults(element: Element, where: str) -> list[Fault]:
    """How the fields of one (well typed) element go together."""
    for cls, check in _RELATIONS.items():
        if isinstance(element, cls):
            return [Fault(where, what, cure) for what, cure in check(element)]
    return []


Finding = tuple[str, str]


def _bus(bus: Bus) -> Iterator[Finding]:
    if bus.v_min is not None and bus.v_max is not None and bus.v_min >= bus.v_max:
        yield (f"v_min {bus.v_min:g} pu is not below v_max {bus.v_max:g} pu",
               "Give v_min < v_max, or None for the study's default.")


def _line(line: Line) -> Iterator[Finding]:
    n = len(line.phases)
    code = f"code {line.code.name!r}"
    for key in ("r", "x", "b"):
        matrix = getattr(line.code, key)
        if matrix is not None and not (len(matrix) == n and all(len(row) == n for row in matrix)):
            rows = "/".join(str(len(row)) for row in matrix)
            yield (f"{code}: {key} has {len(matrix)} rows of {rows} for phases {line.phases!r}",
                   f"Give a {n} x {n} matrix, or the phases that the code is made for.")


def _regulator(reg: Regulator) -> Iterator[Finding]:
    if reg.connection == "wye":
        if set(reg.taps) != set(reg.phases):
            yield (f"taps are for {listed(reg.taps)}, phases are {reg.phases!r}",
                   "Give one tap for each phase, e.g. taps={'a': 8, 'b': 5, 'c': 5}.")
        return
    if set(reg.phases) != set(PHASES):
        yield f"open delta with phases {reg.phases!r}", "An open delta needs phases 'abc'."
    pairs = {frozenset(pair) for pair in reg.taps if len(pair) == 2}
    valid = all(len(pair) == 2 and pair <= set(PHASES) for pair in pairs)
    if not (len(reg.taps) == len(pairs) == 2 and valid):
        yield (f"open delta taps are for {listed(reg.taps)}",
               "Give two different pairs of phases, e.g. taps={'ab': 7, 'cb': 4}.")


def _transformer(transformer: Transformer) -> Iterator[Finding]:
    first, second = transformer.connection.split("-")
    given = (transformer.from_legs, transformer.to_legs)
    short = len(transformer.phases) != 3 and not (
        first == second == "delta" and len(transformer.phases) == 2)
    for side, winding, legs in zip(("from", "to"), (first, second), given, strict=True):
        if legs is None and winding == "delta" and short:
            yield (f"connection {transformer.connection!r} with phases {transformer.phases!r}",
                   f"A delta winding needs phases 'abc', or {side}_legs such as ('ab',).")
            return
        letters = 1 if winding == "wye" else 2
        for leg in legs or ():
            if len(leg) != letters or len(set(leg)) != letters or not (
                    set(leg) <= set(PHASES) or set(leg) <= set(SPLIT)):
                yield (f"{side}_legs holds {leg!r}, its {side} winding is {winding}",
                       "Legs of a wye are phases such as 'a', of a delta pairs such as 'ab'.")
    if None not in given and len(given[0] or ()) != len(given[1] or ()):
        yield (f"{len(given[0] or ())} from_legs and {len(given[1] or ())} to_legs",
               "Give one pair of legs for each unit.")
    elif not transformer.legs[0] or len(transformer.legs[0]) != len(transformer.legs[1]):
        yield (f"its windings have {len(transformer.legs[0])} and {len(transformer.legs[1])} legs",
               "Give from_legs and to_legs of the same number.")
    if transformer.r_percent == 0 and transformer.x_percent == 0:
        yield "r_percent and x_percent are 0", "Give its impedance; an ideal one is a Regulator."


def _center_tapped(transformer: CenterTappedTransformer) -> Iterator[Finding]:
    leg = transformer.leg
    if not (0 < len(leg) < 3 and set(leg) <= set(PHASES) and len(set(leg)) == len(leg)):
        yield f"leg is {leg!r}", "Give a phase such as 'a' or a pair such as 'ab'."
    for key in ("r_percent", "x_percent"):
        if len(getattr(transformer, key)) != 3:
            yield (f"{key} has {len(getattr(transformer, key))} figures",
                   "Give three: of the windings, or of the pairs primary-1, primary-2, 1-2.")


def _source(source: Substation) -> Iterator[Finding]:
    if (source.r is None) != (source.x is None):
        yield "it has only one of r and x", "Give both (ohm), or none for an ideal source."
    n = len(source.v_pu)
    for key in ("r", "x"):
        matrix = getattr(source, key)
        if matrix is not None and not (len(matrix) == n and all(len(row) == n for row in matrix)):
            yield f"{key} is not {n} x {n}", "Give one row and column for each voltage of v_pu."


def _load(load: Load) -> Iterator[Finding]:
    if not (len(load.legs) == len(load.kw) == len(load.kvar) > 0):
        yield (f"{len(load.legs)} legs, {len(load.kw)} kw and {len(load.kvar)} kvar",
               "Give one kw and one kvar for each leg, and at least one leg.")
    yield from _device_legs(load, "load", load.legs, "the kw and kvar")
    if load.v_low >= load.v_high:
        yield f"v_low {load.v_low:g} is not below v_high {load.v_high:g}", "Give v_low < v_high."
    size = {"exponential": 2, "zip": 6}.get(load.model, 0)
    if len(load.coefficients) != size:
        yield (f"model {load.model!r} has {len(load.coefficients)} coefficients",
               f"Give {size}: exponents of P and Q, or shares Z, I, P of P and then of Q."
               if size else "Leave them out.")
    elif load.model == "zip":
        for part, shares in (("P", load.coefficients[:3]), ("Q", load.coefficients[3:])):
            if abs(math.fsum(shares) - 1) > PRINTED:
                yield (f"the shares of {part} add up to {math.fsum(shares):g}",
                       "They must add up to 1.")


def _capacitor(cap: Capacitor) -> Iterator[Finding]:
    if not len(cap.legs) == len(cap.kvar) > 0:
        yield (f"{len(cap.legs)} legs and {len(cap.kvar)} kvar",
               "Give one kvar for each leg, and at least one leg.")
    yield from _device_legs(cap, "capacitor", cap.legs, "the kvar")


def _device_legs(device: Any, what: str, legs: tuple[str, ...], add: str) -> Iterator[Finding]:
    """Legs of a wye are phases, of a delta pairs in their usual order, each once."""
    allowed = (*DELTA_PAIRS, SPLIT) if device.connection == "delta" else (*PHASES, *SPLIT)
    for leg in legs:
        if leg not in allowed:
            turned = f"Write it as {leg[::-1]!r}." if leg[::-1] in allowed else ""
            usual = DELTA_PAIRS if device.connection == "delta" else tuple(PHASES)
            yield (f"leg {leg!r} of a {device.connection} {what}",
                   turned or f"Legs are {listed(usual)}.")
    if len(set(legs)) < len(legs):
        yield f"legs {listed(legs)} repeat", f"Add up {add} of the same leg."


def _generator(gen: Generator) -> Iterator[Finding]:
    for low, high, unit in (("kw_min", "kw_max", "kW"), ("kvar_min", "kvar_max", "kvar")):
        least, most = getattr(gen, low), getattr(gen, high)
        if least > most:
            yield (f"{low} {least:g} {unit} exceeds {high} {most:g} {unit}",
                   f"Give {low} <= {high}.")
    yield from _balanced(gen, "generator")


def _storage(store: Storage) -> Iterator[Finding]:
    if not store.kwh_min <= store.kwh_start <= store.kwh_max:
        yield (f"kwh_start {store.kwh_start:g} is not within kwh_min {store.kwh_min:g} .. "
               f"kwh_max {store.kwh_max:g}", "Give kwh_min <= kwh_start <= kwh_max.")
    yield from _balanced(store, "storage")


def _balanced(device: Any, what: str) -> Iterator[Finding]:
    if device.connection == "delta" and len(device.phases) < 2:
        yield (f"delta {what} with phases {device.phases!r}",
               "A delta needs two phases (one leg) or three.")


def _datacenter(dc: Datacenter) -> Iterator[Finding]:
    yield from _balanced(dc, "datacenter")
    if (dc.reactive == "power factor") != (dc.kva is None):
        yield (f"reactive is {dc.reactive!r} and kva is {dc.kva}",
               "A front end (reactive 'aggregator' or 'dso') needs kva, a power factor none.")
    elif dc.kva is not None and dc.kw > dc.kva * FRONT_END:
        yield (f"kw {dc.kw:g} does not fit into the polygon inside {dc.kva:g} kVA",
               f"Give kva of at least {dc.kw / FRONT_END:.6g}.")


def _svg(svg: StaticVarGenerator) -> Iterator[Finding]:
    if svg.connection == "delta" and set(svg.phases) != set(PHASES):
        yield f"delta with phases {svg.phases!r}", "A delta svg needs phases 'abc'."


_RELATIONS: dict[type, Any] = {
    Bus: _bus, Substation: _source, Line: _line, Regulator: _regulator,
    Transformer: _transformer, CenterTappedTransformer: _center_tapped, Load: _load,
    Capacitor: _capacitor, Datacenter: _datacenter, Generator: _generator, Storage: _storage,
    StaticVarGenerator: _svg,
}
