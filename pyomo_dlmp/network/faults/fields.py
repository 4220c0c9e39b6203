"""Checks of one element by itself: types, phases, numbers, line codes."""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from pyomo_dlmp.errors import Fault, listed
from pyomo_dlmp.network.elements import Line, LineCode, Matrix
from pyomo_dlmp.network.fields import field_specs
from pyomo_dlmp.network.kinds import Element
from pyomo_dlmp.network.phases import NEUTRALS, PHASES, SPLIT
from pyomo_dlmp.network.series import is_number
from pyomo_dlmp.tolerances import PRINTED

# ---------------------------------------------------------------------------------------- types


def _fits(value: object, hint: Any) -> bool:
    """Whether `value` is of the annotated type; any real number is a float, a bool is not."""
    if type(value) is hint:  # most of them: a large feeder has many thousands
        return True
    origin, args = _parts(hint)
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
    if hint in (float, int):
        return is_number(value) and isinstance(value, Real if hint is float else Integral)
    return isinstance(value, hint)


@functools.cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


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
    """Fields whose value is not of the annotated type.

    Parameters
    ----------
    element : Element or LineCode
        An element or a line code.
    where : str
        Its name in messages.

    Returns
    -------
    list of Fault
        One for each field.
    """
    found = [
        Fault(where, f"{spec.name} is {_short(value)}", f"It must be {_words(spec.hint)}.")
        for spec in field_specs(type(element))
        if not _fits(value := getattr(element, spec.name), spec.hint)
    ]
    if isinstance(element, Line) and isinstance(element.code, LineCode):
        found += type_faults(element.code, f"{where}, code {element.code.name!r}")
    return found


def name_faults(element: Element, where: str) -> list[Fault]:
    """Names that are empty, unprintable or have spaces around: they appear in files and messages.

    Parameters
    ----------
    element : Element
        Any element of a network.
    where : str
        Its name in messages.

    Returns
    -------
    list of Fault
    """
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


# -------------------------------------------------------------------------------------- numbers


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """Every number inside a field, with the path to it: ``kw[1]``, ``taps['ab']``."""
    if is_number(value):
        try:
            yield name, float(value)
        except OverflowError:  # a whole number beyond all floats
            yield name, math.inf
    elif isinstance(value, tuple | list):
        for i, inner in enumerate(value):
            yield from _numbers(inner, f"{name}[{i}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}[{key!r}]")


def number_faults(element: Element, where: str) -> list[Fault]:
    """Numbers that are not finite, or out of the range of their field.

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
    found = []
    for spec in field_specs(type(element)):
        given = getattr(element, spec.name)
        if given is None or type(given) is str:
            continue
        plain = type(given) is float
        for path, value in ((spec.name, given),) if plain else _numbers(given, spec.name):
            if not math.isfinite(value):
                optional = not spec.required and spec.default is None
                leave = ", or leave it out for none" if optional else ""
                found.append(Fault(where, f"{path} is {value}", f"Give a finite number{leave}."))
            elif spec.range and not spec.range.holds(value):
                found.append(Fault(where, f"{path} is {value:g}", f"It must be {spec.range}."))
    return found


def phase_faults(element: Element, where: str) -> list[Fault]:
    """Phases that are not some of a, b, c, each once, nor the split-phase legs "12".

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
    phases = getattr(element, "phases", "a")
    further = set(NEUTRALS) if isinstance(element, Line) else set()
    known = any(set(phases) <= set(kind) | further for kind in (PHASES, SPLIT))
    if phases and known and len(set(phases)) == len(phases):
        return []
    return [Fault(where, f"phases is {phases!r}", "Give some of a, b, c, each once, e.g. 'abc'; "
                  "or '12' behind a centre-tapped transformer.")]


def code_faults(code: LineCode) -> list[Fault]:
    """Matrices that are not finite or not symmetric.

    Negative resistances are for whoever costs losses to refuse, r = x = 0 is an ideal joint.

    Parameters
    ----------
    code : LineCode
        With square matrices; tolerances are relative to the largest entry, since codes are printed
        with few digits.

    Returns
    -------
    list of Fault
    """
    where = f"line code {code.name!r}"
    found = []
    for key in ("r", "x", "b"):
        matrix = np.array(getattr(code, key) or [[0.0]], dtype=float)
        worst = float(np.abs(matrix).max())
        if not np.isfinite(matrix).all():
            found.append(Fault(where, f"{key} holds {worst}", "Give finite numbers."))
        elif (skew := float(np.abs(matrix - matrix.T).max())) > PRINTED * worst:
            i, j = np.unravel_index(np.abs(matrix - matrix.T).argmax(), matrix.shape)
            found.append(Fault(
                where, f"{key} is not symmetric: [{i}][{j}] and [{j}][{i}] differ by {skew:g}",
                "Give a symmetric matrix."))
    return found
