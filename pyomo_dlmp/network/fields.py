"""Range and table column of an element's field, annotated beside its type.

    kw_max: Annotated[float, Range(0, unit="kW")]
    cost: Annotated[float, Column("cost_per_mwh")] = 0.0

Checks, feeder tables and study files all read these annotations, so that a field is described in
one place.
"""

from __future__ import annotations

import math
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np

from pyomo_dlmp.errors import listed, nearest, shown
from pyomo_dlmp.network.series import Finding, is_number, is_whole, plain_number

_LARGEST = int(sys.float_info.max)
_OTHER_UNITS = {"pu": "95 % is 0.95 pu", "kV": "4160 V is 4.16 kV"}


class Range(NamedTuple):
    """The range of a number.

    Attributes
    ----------
    low, high : float
        Its ends, in `unit`.
    unit : str
        Unit of the number in messages.
    above : bool
        Whether `low` itself is excluded.
    """

    low: float
    high: float = math.inf
    unit: str = ""
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number is within the range.

        Parameters
        ----------
        value : float
            In the unit of the range.

        Returns
        -------
        bool
        """
        return (value > self.low if self.above else value >= self.low) and value <= self.high

    def finding(self, value: Any, whole: bool = False, none: str = "") -> Finding | None:
        """What is wrong with a value that should be a number of this range.

        Parameters
        ----------
        value : object
            As given.
        whole : bool
            Whether it must be a whole number.
        none : str
            What None means; "" if it is not allowed.

        Returns
        -------
        (str, str) or None
            What is wrong, and its cure; None: nothing.
        """
        if value is None and none:
            return None
        fits = is_whole(value) if whole else is_number(value)
        if fits and math.isfinite(number := plain_number(value)) and self.holds(number):
            return None
        kind = "a whole number" if whole else "a number"
        other = f", or None: {none}" if none else ""
        return f"is {shown(value)}", f"Give {kind} {self}{other}.{self.mistaken(value)}"

    def mistaken(self, value: Any) -> str:
        """What a number that is too large may have been meant as.

        Parameters
        ----------
        value : object
            As given.

        Returns
        -------
        str
            A sentence with a space before it; "" if nothing is known.
        """
        if self.unit not in _OTHER_UNITS or not is_number(value) or value <= self.high:
            return ""
        return f" ({_OTHER_UNITS[self.unit]}.)"

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        high = "" if math.isinf(self.high) else f" and at most {self.high:g}"
        return f"{low}{high} {self.unit}".rstrip()


PU = Range(0, 2, unit="pu", above=True)  # a voltage above is one in percent or in kV
KV = Range(0, 1200, unit="kV", above=True)  # the highest in use; above is one in V


class Column(NamedTuple):
    """The column of a field in a feeder table.

    Attributes
    ----------
    name : str
        Of the column; "" for that of the field.
    always : bool
        Whether it is written even if every row has the default (it is left out otherwise).
    by_leg : bool
        Whether the field holds one value for each leg, and the table one row for each.
    """

    name: str = ""
    always: bool = False
    by_leg: bool = False


@dataclass(frozen=True)
class FieldSpec:
    """A field of an element, as its annotations describe it.

    Attributes
    ----------
    name : str
    hint : type
        The annotated type.
    range : Range or None
        None: any finite number.
    column : Column
    required : bool
        Whether the field has no default.
    default : object
        None if the field is required.
    """

    name: str
    hint: Any
    range: Range | None
    column: Column
    required: bool
    default: Any = None


def field_specs(cls: type) -> tuple[FieldSpec, ...]:
    """The fields of an element's class, in their order.

    Parameters
    ----------
    cls : type
        A dataclass of the network.

    Returns
    -------
    tuple of FieldSpec
    """
    return _specs(cls)


@cache
def _specs(cls: Any) -> tuple[FieldSpec, ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    found = []
    for field in fields(cls):
        hint = hints[field.name]
        notes = getattr(hint, "__metadata__", ())
        required = field.default is MISSING and field.default_factory is MISSING
        found.append(FieldSpec(
            field.name, hint.__origin__ if notes else hint,
            next((note for note in notes if isinstance(note, Range)), None),
            next((note for note in notes if isinstance(note, Column)), Column()),
            required, None if field.default is MISSING else field.default))
    return tuple(found)


# ---------------------------------------------------------------------- values against their field


def fits(value: object, hint: Any) -> bool:
    """Whether a value is of an annotated type; any real number is a float, a bool is not.

    Parameters
    ----------
    value : object
        Any value.
    hint : type
        As annotations of fields are.

    Returns
    -------
    bool
    """
    if type(value) is hint or hint is Any:  # most of them: a large feeder has many thousands
        return True
    origin, args = _parts(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin is tuple:
        return isinstance(value, tuple | list) and (
            all(fits(v, args[0]) for v in value) if args[-1] is Ellipsis else
            len(value) == len(args) and all(map(fits, value, args)))
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(k, args[0]) and fits(v, args[1]) for k, v in value.items()
        )
    if hint is float or hint is int:
        return is_number(value) if hint is float else is_whole(value)
    return isinstance(value, bool | np.bool_ if hint is bool else origin or hint)


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def _words(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "one of " + listed(args)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("None" if arg is types.NoneType else _words(arg) for arg in args)
    if origin is tuple:
        if typing.get_origin(args[0]) is tuple:
            row = typing.get_args(args[0])
            if row[-1] is Ellipsis:
                return "a matrix (a tuple of rows of numbers)"
            return "a tuple of " + ("pairs of numbers" if len(row) == 2 else
                                    f"rows of {len(row)} numbers")
        return "a tuple of strings" if args[0] is str else "a tuple of numbers"
    if origin is dict:
        return "a dict of whole numbers by phase or pair of phases"
    plain = {float: "a number", int: "a whole number", str: "a string", bool: "True or False"}
    return plain.get(hint, f"a {getattr(hint, '__name__', hint)}")


def type_finding(spec: FieldSpec, value: object) -> Finding | None:
    """What is wrong with the type of a field's value.

    Parameters
    ----------
    spec : FieldSpec
        Of the field.
    value : object
        As given.

    Returns
    -------
    (str, str) or None
        What is wrong, and its cure; None: nothing.
    """
    if fits(value, spec.hint):
        return None
    near = ""
    if typing.get_origin(spec.hint) is Literal and isinstance(value, str):
        hint = nearest(value, typing.get_args(spec.hint))
        near = f" {hint}" if hint.startswith("Did") else ""
    return f"{spec.name} is {shown(value)}", f"It must be {_words(spec.hint)}.{near}"


def word_findings(element: Any) -> Iterator[Finding]:
    """Fields of an element that hold none of the words that they may hold.

    Parameters
    ----------
    element : dataclass
        Annotated as elements are.

    Yields
    ------
    (str, str)
        What is wrong, and its cure.
    """
    for spec in field_specs(type(element)):
        if typing.get_origin(spec.hint) is Literal and (
                found := type_finding(spec, getattr(element, spec.name))):
            yield found


def number_findings(spec: FieldSpec, value: object) -> Iterator[Finding]:
    """Numbers inside a (well typed) value that are not finite, or out of the field's range.

    Parameters
    ----------
    spec : FieldSpec
        Of the field.
    value : object
        A number, or a tuple or dict of some.

    Yields
    ------
    (str, str)
        What is wrong, and its cure.
    """
    for path, number in _numbers(value, spec.name):
        if not math.isfinite(number):
            optional = not spec.required and spec.default is None
            leave = ", or leave it out for none" if optional else ""
            yield f"{path} is {number}", f"Give a finite number{leave}."
        elif spec.range and not spec.range.holds(number):
            yield f"{path} is {number:g}", f"It must be {spec.range}.{spec.range.mistaken(number)}"


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """Every number inside a field, with the path to it: ``kw[1]``, ``taps['ab']``."""
    if is_number(value):
        yield name, plain_number(value)
    elif isinstance(value, tuple | list):
        for i, inner in enumerate(value):
            yield from _numbers(inner, f"{name}[{i}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}[{key!r}]")


def field_findings(element: Any) -> list[Finding]:
    """What is wrong with the fields of a dataclass, each by itself: types, numbers, ranges.

    Parameters
    ----------
    element : dataclass
        Annotated as elements are.

    Returns
    -------
    list of (str, str)
        What is wrong, with cures.
    """
    found: list[Finding] = []
    for spec in field_specs(type(element)):
        value = getattr(element, spec.name)
        wrong = type_finding(spec, value)
        found += [wrong] if wrong else number_findings(spec, value)
    return found


def settled(element: Any) -> Any:
    """A dataclass whose lists and arrays are tuples, and whose dicts are its own.

    Whole numbers beyond all floats are infinite.

    What the user does to a list afterwards does not change it then.

    Parameters
    ----------
    element : dataclass
        Its types need not be right.

    Returns
    -------
    dataclass
        The same object if it has none of these.
    """
    new = {}
    for field in fields(element):
        value = getattr(element, field.name)
        if type(value) in _PLAIN:  # most of them: a large feeder has many thousands
            continue
        kept = _settled(value)
        if kept is not value and field.init:
            new[field.name] = kept
    return replace(element, **new) if new else element


_PLAIN = frozenset((str, float, bool, type(None)))


def _settled(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _settled(value.tolist())
    if isinstance(value, list):
        return tuple(map(_settled, value))
    if isinstance(value, tuple):
        if _PLAIN.issuperset(map(type, value)):
            return value
        inner = tuple(map(_settled, value))
        return value if all(a is b for a, b in zip(inner, value, strict=True)) else inner
    if is_dataclass(value) and not isinstance(value, type):  # the code of a line
        return settled(value)
    if type(value) is int and not -_LARGEST <= value <= _LARGEST:
        return plain_number(value)
    return {key: _settled(inner) for key, inner in value.items()} if isinstance(
        value, dict) else value
