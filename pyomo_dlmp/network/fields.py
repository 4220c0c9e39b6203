"""What a field of an element says of itself, beside its type: its range, and its column in a table.

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
    """Where a number may lie; `above` excludes the lower end."""

    low: float
    high: float = math.inf
    unit: str = ""
    above: bool = False

    def holds(self, value: float) -> bool:
        """Is `value` within the range?"""
        return (value > self.low if self.above else value >= self.low) and value <= self.high

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        high = "" if math.isinf(self.high) else f" and at most {self.high:g}"
        return f"{low}{high} {self.unit}".rstrip()


class Column(NamedTuple):
    """How a field stands in a feeder table.

    `name`: of the column, "" for the field's own. `always`: written even where every row has the
    default (others are left out then). `by_leg`: the field holds one value for each leg, and the
    table one row for each.
    """

    name: str = ""
    always: bool = False
    by_leg: bool = False


@dataclass(frozen=True)
class FieldSpec:
    """A field of an element: type, range (None: any finite number), column and default."""

    name: str
    hint: Any
    range: Range | None
    column: Column
    required: bool
    default: Any = None


def field_specs(cls: type) -> tuple[FieldSpec, ...]:
    """The fields of a dataclass of the network, in their order."""
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
