"""Relations between the fields of one element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyomo_dlmp.errors import Fault, listed
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.device import Device, Finding
from pyomo_dlmp.network.elements import Bus, Line, Regulator, Substation
from pyomo_dlmp.network.kinds import Element
from pyomo_dlmp.network.phases import NEUTRAL, NEUTRALS, PHASES, SPLIT
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer
from pyomo_dlmp.tolerances import SINGULAR

_WIRES = {*PHASES, *SPLIT, *NEUTRALS}


def relation_faults(element: Element, where: str) -> list[Fault]:
    """Relations between the fields of one element that do not hold; a device states its own.

    Parameters
    ----------
    element : Element
        Well typed.
    where : str
        Its name in messages.

    Returns
    -------
    list of Fault
    """
    if isinstance(element, Device):
        return [Fault(where, what, cure) for what, cure in element.findings()]
    check = next(check for cls, check in _RELATIONS.items() if isinstance(element, cls))
    return [Fault(where, what, cure) for what, cure in check(element)]


def _bus(bus: Bus) -> Iterator[Finding]:
    if not (set(bus.neutrals) <= set(NEUTRALS) and len(set(bus.neutrals)) == len(bus.neutrals)):
        yield (f"neutrals is {bus.neutrals!r}",
               "Give 'n', or further conductors d to z and A to Z, each once.")
    if bus.ground_z is not None and NEUTRAL not in bus.neutrals:
        yield (f"ground_r is {bus.ground_r}, ground_x is {bus.ground_x} and it has no neutral 'n'",
               "Give neutrals='n', or leave the grounding out.")
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
    there = line.to_conductors
    if there is not None and not (len(there) == n == len(set(there)) and set(there) <= _WIRES):
        yield (f"to_conductors is {there!r} for phases {line.phases!r}",
               "Give as many conductors of the to-bus, each once, in the order of phases.")


def _regulator(reg: Regulator) -> Iterator[Finding]:
    if reg.kva is not None and reg.r_percent == 0 and reg.x_percent == 0:
        yield (f"kva is {reg.kva:g}, r_percent and x_percent are 0",
               "Give its impedance, or leave out kva: it is ideal then.")
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
    windings = transformer.connection.split("-")
    given = (transformer.from_legs, transformer.to_legs)
    short = len(transformer.phases) != 3 and not (
        transformer.connection == "delta-delta" and len(transformer.phases) == 2)
    for side, winding, legs in zip(("from", "to"), windings, given, strict=True):
        if legs is None and winding == "delta" and short:
            yield (f"connection {transformer.connection!r} with phases {transformer.phases!r}",
                   f"A delta winding needs phases 'abc', or {side}_legs such as ('ab',).")
            return
        yield from _winding_legs(side, winding, legs or ())
    yield from _units(transformer)
    if transformer.r_percent == 0 and transformer.x_percent == 0:
        yield "r_percent and x_percent are 0", "Give its impedance; an ideal one is a Regulator."


def _winding_legs(side: str, winding: str, legs: tuple[str, ...]) -> Iterator[Finding]:
    letters = 1 if winding == "wye" else 2
    for leg in legs:
        to_neutral = letters == 1 and len(leg) == 2 and leg[1] in NEUTRALS
        core = leg[0] if to_neutral else leg
        known = set(core) <= set(PHASES) or set(core) <= set(SPLIT)
        if not (len(core) == len(set(core)) == letters and known):
            yield (f"{side}_legs holds {leg!r}, its {side} winding is {winding}",
                   "Legs of a wye are phases such as 'a' (to ground) or 'an' (to a neutral), of a "
                   "delta pairs such as 'ab'.")


def _units(transformer: Transformer) -> Iterator[Finding]:
    """Each unit joins one leg of the from-bus to one of the to-bus."""
    first, second = transformer.from_legs, transformer.to_legs
    if first is not None and second is not None and len(first) != len(second):
        yield (f"{len(first)} from_legs and {len(second)} to_legs",
               "Give one pair of legs for each unit.")
        return
    before, behind = (len(legs) for legs in transformer.legs)
    if not before or before != behind:
        yield (f"its windings have {before} and {behind} legs",
               "Give from_legs and to_legs of the same number.")


def _center_tapped(transformer: CenterTappedTransformer) -> Iterator[Finding]:
    leg = transformer.leg
    if not (0 < len(leg) < 3 and set(leg) <= set(PHASES) and len(set(leg)) == len(leg)):
        yield f"leg is {leg!r}", "Give a phase such as 'a' or a pair such as 'ab'."
    for key in ("r_percent", "x_percent"):
        if len(getattr(transformer, key)) != 3:
            yield (f"{key} has {len(getattr(transformer, key))} numbers",
                   "Give three: of the windings, or of the pairs primary-1, primary-2, 1-2.")
            return
    r, x = transformer.r_percent, transformer.x_percent
    first, second = complex(r[0] + r[1], x[0]), complex(r[0] + r[2], x[1])
    shared = complex(r[0], (x[0] + x[1] - x[2]) / 2)
    sizes = abs(first * second) + abs(shared) ** 2
    if abs(first * second - shared**2) <= SINGULAR * sizes:
        yield (f"r_percent {r} and x_percent {x} leave windings without impedance between them",
               "Give each winding a resistance, or each pair of windings a reactance.")


def _source(source: Substation) -> Iterator[Finding]:
    if (source.r is None) != (source.x is None):
        yield "it has only one of r and x", "Give both (ohm), or none for an ideal source."
    n = len(source.v_pu)
    if source.angles is not None and len(source.angles) != n:
        yield f"angles has {len(source.angles)} numbers, v_pu {n}", "Give one angle for each phase."
    for key in ("r", "x"):
        matrix = getattr(source, key)
        if matrix is not None and not (len(matrix) == n and all(len(row) == n for row in matrix)):
            yield f"{key} is not {n} x {n}", "Give one row and column for each voltage of v_pu."


def _admittance(element: NodalAdmittance) -> Iterator[Finding]:
    if len(element.buses) != len(element.conductors) or not element.buses:
        yield (f"{len(element.buses)} buses and {len(element.conductors)} groups of conductors",
               "Give the conductors at each of its buses, and at least one bus.")
        return
    for bus, wires in zip(element.buses, element.conductors, strict=True):
        if not wires or len(set(wires)) < len(wires) or not set(wires) <= _WIRES:
            yield (f"its conductors at bus {bus!r} are {wires!r}",
                   "Give some of a, b, c (or 1, 2), n, d to z, A to Z, each once.")
    n = sum(map(len, element.conductors))
    for key in ("g", "b"):
        matrix = getattr(element, key)
        if not (len(matrix) == n and all(len(row) == n for row in matrix)):
            yield f"{key} is not {n} x {n}", "Give one row and column for each conductor."


_RELATIONS: dict[type, Any] = {
    Bus: _bus, Substation: _source, Line: _line, Regulator: _regulator,
    Transformer: _transformer, CenterTappedTransformer: _center_tapped,
    NodalAdmittance: _admittance,
}
