"""Checks of one element by itself: types, phases, figures, and how its fields go together."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np

from pyomo_dlmp.errors import Fault
from pyomo_dlmp.network.elements import (
    Bus,
    Datacenter,
    Element,
    Generator,
    Line,
    LineCode,
    Load,
    Matrix,
    Regulator,
    StaticVarGenerator,
    Substation,
    Transformer,
)
from pyomo_dlmp.network.names import listed
from pyomo_dlmp.network.phases import DELTA_PAIRS, PHASES

MAX_TAP = 32  # twice the 16 steps of common regulators; far below the 160 where the ratio is 0


class Range(NamedTuple):
    """Where a figure may lie; `above` excludes the lower end."""

    low: float
    high: float = math.inf
    unit: str = ""
    above: bool = False

    def holds(self, value: float) -> bool:
        return (value > self.low if self.above else value >= self.low) and value <= self.high

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        high = "" if math.isinf(self.high) else f" and at most {self.high:g}"
        return f"{low}{high} {self.unit}".rstrip()


RANGES: dict[type, dict[str, Range]] = {
    Bus: {
        "kv": Range(0, unit="kV", above=True),
        "v_min": Range(0, unit="pu"),
        "v_max": Range(0, unit="pu", above=True),
    },
    Substation: {"v_pu": Range(0, unit="pu", above=True)},
    Line: {
        "length": Range(0, unit="km", above=True),
        "rating_kva": Range(0, unit="kVA", above=True),
    },
    Regulator: {"taps": Range(-MAX_TAP, MAX_TAP, unit="steps of 0.625 %")},
    Transformer: {
        "kva": Range(0, unit="kVA", above=True),
        "r_percent": Range(0, unit="%"),
        "x_percent": Range(0, unit="%"),
        "tap": Range(0, above=True),
    },
    Load: {},
    Generator: {
        "kw_max": Range(0, unit="kW"),
        "kw_min": Range(0, unit="kW"),
        "cost2": Range(0, unit="$/MW^2h, or the cost is not convex"),
    },
    Datacenter: {
        "kw": Range(0, unit="kW"),
        "floor": Range(0, 1, unit="of its kw"),
        "power_factor": Range(0, 1, above=True),
    },
    StaticVarGenerator: {"kvar": Range(0, unit="kvar")},
}


# ---------------------------------------------------------------------------------------- types


@cache
def _hints(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _fits(value: object, hint: Any) -> bool:
    """Is `value` of the annotated type? Any real number is a float, a bool is no number."""
    if type(value) is hint:  # most of them: a large feeder has many thousands
        return True
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, arg) for arg in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin is tuple:
        return isinstance(value, tuple | list) and all(_fits(v, args[0]) for v in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(k, args[0]) and _fits(v, args[1]) for k, v in value.items()
        )
    number = {float: Real, int: Integral}.get(hint)
    if number:
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    args = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return "one of " + listed(args)
    if hint == Matrix:
        return "a matrix (a tuple of rows of numbers)"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join("None" if arg is types.NoneType else _words(arg) for arg in args)
    if typing.get_origin(hint) is tuple:
        return "a tuple of strings" if args[0] is str else "a tuple of numbers"
    if typing.get_origin(hint) is dict:
        return "a dict of whole numbers by phase or pair of phases"
    plain = {float: "a number", int: "a whole number", str: "a string", bool: "True or False"}
    return plain.get(hint, f"a {getattr(hint, '__name__', hint)}")


def type_faults(element: Element | LineCode, where: str) -> list[Fault]:
    """One fault per field whose value is not of the type that the field is annotated with."""
    cls: Any = type(element)
    found = [
        Fault(where, f"{name} is {_short(value)}", f"It must be {_words(hint)}.")
        for name, hint in _hints(cls).items()
        if not _fits(value := getattr(element, name), hint)
    ]
    if isinstance(element, Line) and isinstance(element.code, LineCode):
        found += type_faults(element.code, f"{where}, code {element.code.name!r}")
    return found


def name_faults(element: Element, where: str) -> list[Fault]:
    """Names end up in files and messages: they must be visible and have no space around."""
    names = [element.name] + ([element.code.name] if isinstance(element, Line) else [])
    return [
        Fault(where, f"the name {name!r} is empty or has spaces around or unprintable characters",
              "Give a plain name.")
        for name in names
        if not name or not name.isprintable() or name != name.strip()
    ]


def _short(value: object, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


# -------------------------------------------------------------------------------------- figures


def _figures(value: object, name: str) -> Iterator[tuple[str, float]]:
    """Every number inside a field, with the path to it: ``kw[1]``, ``taps['ab']``."""
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            yield name, float(value)
        except OverflowError:  # a whole number beyond all floats
            yield name, math.inf
    elif isinstance(value, tuple | list):
        for i, inner in enumerate(value):
            yield from _figures(inner, f"{name}[{i}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _figures(inner, f"{name}[{key!r}]")


def figure_faults(element: Element, where: str) -> list[Fault]:
    """Figures that are not finite, or out of the range in `RANGES`."""
    found = []
    ranges = next(r for cls, r in RANGES.items() if isinstance(element, cls))
    for field in fields(element):
        allowed = ranges.get(field.name)
        for path, value in _figures(getattr(element, field.name), field.name):
            if not math.isfinite(value):
                leave = ", or leave it out for none" if field.default is None else ""
                found.append(Fault(where, f"{path} is {value}", f"Give a finite figure{leave}."))
            elif allowed and not allowed.holds(value):
                found.append(Fault(where, f"{path} is {value:g}", f"It must be {allowed}."))
    return found


def phase_faults(element: Element, where: str) -> list[Fault]:
    """Phases must be some of a, b, c, each once."""
    phases = getattr(element, "phases", "a")
    if phases and set(phases) <= set(PHASES) and len(set(phases)) == len(phases):
        return []
    return [Fault(where, f"phases is {phases!r}", "Give some of a, b, c, each once, e.g. 'abc'.")]


# ------------------------------------------------------------------------------------ relations


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
    if "delta" in transformer.connection and set(transformer.phases) != set(PHASES):
        yield (f"connection {transformer.connection!r} with phases {transformer.phases!r}",
               "A delta winding needs phases 'abc'.")


def _load(load: Load) -> Iterator[Finding]:
    if not (len(load.legs) == len(load.kw) == len(load.kvar) > 0):
        yield (f"{len(load.legs)} legs, {len(load.kw)} kw and {len(load.kvar)} kvar",
               "Give one kw and one kvar for each leg, and at least one leg.")
    allowed = DELTA_PAIRS if load.connection == "delta" else tuple(PHASES)
    for leg in load.legs:
        if leg not in allowed:
            turned = f"Write it as {leg[::-1]!r}." if leg[::-1] in allowed else ""
            yield (f"leg {leg!r} of a {load.connection} load",
                   turned or f"Legs are {listed(allowed)}.")
    if len(set(load.legs)) < len(load.legs):
        yield f"legs {listed(load.legs)} repeat", "Add up the kw and kvar of the same leg."


def _generator(gen: Generator) -> Iterator[Finding]:
    for low, high, unit in (("kw_min", "kw_max", "kW"), ("kvar_min", "kvar_max", "kvar")):
        least, most = getattr(gen, low), getattr(gen, high)
        if least > most:
            yield (f"{low} {least:g} {unit} exceeds {high} {most:g} {unit}",
                   f"Give {low} <= {high}.")


def _svg(svg: StaticVarGenerator) -> Iterator[Finding]:
    if svg.connection == "delta" and set(svg.phases) != set(PHASES):
        yield f"delta with phases {svg.phases!r}", "A delta svg needs phases 'abc'."


_RELATIONS: dict[type, Any] = {
    Bus: _bus, Line: _line, Regulator: _regulator, Transformer: _transformer, Load: _load,
    Generator: _generator, StaticVarGenerator: _svg,
}


def code_faults(code: LineCode) -> list[Fault]:
    """Matrices of a line code: finite, symmetric, some impedance, no negative resistance.

    Expects square matrices; tolerances are 1e-6 of the largest entry, since codes are printed
    with few digits.
    """
    where = f"line code {code.name!r}"
    found = []
    for key in ("r", "x", "b"):
        matrix = np.array(getattr(code, key) or [[0.0]], dtype=float)
        worst = float(np.abs(matrix).max())
        if not np.isfinite(matrix).all():
            found.append(Fault(where, f"{key} holds {worst}", "Give finite figures."))
        elif (skew := float(np.abs(matrix - matrix.T).max())) > 1e-6 * worst:
            i, j = np.unravel_index(np.abs(matrix - matrix.T).argmax(), matrix.shape)
            found.append(Fault(
                where, f"{key} is not symmetric: [{i}][{j}] and [{j}][{i}] differ by {skew:g}",
                "Give a symmetric matrix."))
        elif key == "r" and (low := float(np.linalg.eigvalsh(matrix)[0])) < -1e-6 * worst:
            found.append(Fault(
                where, f"r has a negative eigenvalue, {low:g} ohm/km",
                "A line cannot produce power: check its r matrix."))
    if not found and not np.any(code.r) and not np.any(code.x):
        found.append(Fault(where, "r and x are 0 ohm/km",
                           "Give its impedance, or join the two buses into one."))
    return found
