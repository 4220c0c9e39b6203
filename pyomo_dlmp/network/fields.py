"""Range and table column of an element's field, annotated beside its type.

    kw_max: Annotated[float, Range(0, unit="kW")]
    cost: Annotated[float, Column("cost_per_mwh")] = 0.0

Checks, feeder tables and study files all read these annotations, so that a field is described in
one place.
"""

from __future__ import annotations

import math
import typing
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, NamedTuple


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

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        high = "" if math.isinf(self.high) else f" and at most {self.high:g}"
        return f"{low}{high} {self.unit}".rstrip()


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
