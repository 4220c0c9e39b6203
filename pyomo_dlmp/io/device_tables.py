"""Feeder tables of devices, made from the fields of their classes.

The columns of a device are its fields in their order, named and written as the annotation `Column`
of `network.fields` says. A device whose fields hold a value for each leg has a row for each leg.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal

from pyomo_dlmp.errors import Fault, ModelError
from pyomo_dlmp.io.csv_table import (
    NUMBER,
    NUMBERS,
    TEXT,
    WHOLE,
    WORDS,
    YES_NO,
    Cell,
    Column,
    Row,
    Table,
)
from pyomo_dlmp.network import Device
from pyomo_dlmp.network.fields import FieldSpec, field_specs

_CELLS: dict[Any, Cell] = {
    float: NUMBER, int: WHOLE, bool: YES_NO, str: TEXT,
    tuple[float, ...]: NUMBERS, tuple[str, ...]: WORDS,
}


def device_table(cls: type[Device]) -> Table:
    """The table of a kind of devices.

    Parameters
    ----------
    cls : type of Device
        Its fields are the columns.

    Returns
    -------
    Table

    Raises
    ------
    ModelError
        If a field has a type that no cell can hold.
    """
    whole: Any = cls
    return _table(whole)


@cache
def _table(cls: Any) -> Table:
    return Table(f"{cls.plural}.csv", tuple(_column(cls, spec) for spec in field_specs(cls)),
                 optional=not cls.table_needed)


def _column(cls: type[Device], spec: FieldSpec) -> Column:
    name = spec.column.name or spec.name
    hint = typing.get_args(spec.hint)[0] if spec.column.by_leg else spec.hint
    return Column(name, spec.name, _cell(cls, spec.name, hint), required=spec.required,
                  rare=not (spec.required or spec.column.always), default=spec.default)


def _cell(cls: type[Device], name: str, hint: Any) -> Cell:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (hint,) = (arg for arg in typing.get_args(hint) if arg is not types.NoneType)
        origin = typing.get_origin(hint)
    if origin is Literal:
        return TEXT
    if hint not in _CELLS:
        raise ModelError.at(
            f"device class {cls.__name__!r}", f"its field {name!r} is a {hint}",
            "Fields of tables are str, float, int, bool, tuple[float, ...] or tuple[str, ...].")
    return _CELLS[hint]


def device_rows(devices: Iterable[Device], cls: type[Device]) -> Iterator[dict[str, Any]]:
    """The rows of devices of a kind, one for each, or for each of its legs.

    Parameters
    ----------
    devices : iterable of Device
        Of class `cls`.
    cls : type of Device
        The kind.

    Yields
    ------
    dict
        Values by field.
    """
    names, by_leg = _names(cls)
    for device in devices:
        whole = {name: getattr(device, name) for name in names}
        if not by_leg:
            yield whole
            continue
        for values in zip(*(getattr(device, name) for name in by_leg), strict=True):
            yield {**whole, **dict(zip(by_leg, values, strict=True))}


def read_devices(cls: type[Device], rows: Iterable[Row], faults: list[Fault]) -> Iterator[Device]:
    """The devices of a table.

    Parameters
    ----------
    cls : type of Device
        The kind.
    rows : iterable of Row
        Of its table.
    faults : list of Fault
        Contradicting rows of a device are appended.

    Yields
    ------
    Device
    """
    names, by_leg = _names(cls)
    if not by_leg:
        for row in rows:
            if row.complete:
                yield cls(**row.values)
        return
    shared = [name for name in names if name != "name"]
    legs: dict[str, list[Row]] = {}
    for row in rows:
        if "name" in row.values:
            legs.setdefault(row.values["name"], []).append(row)
    for name, same in legs.items():
        first = same[0].values
        for row in same[1:]:
            faults += _differences(cls, name, row, same[0], shared)
        if all(row.complete for row in same):
            values: dict[str, Any] = {key: first[key] for key in shared if key in first}
            values |= {key: tuple(row.values[key] for row in same) for key in by_leg}
            yield cls(name=name, **values)


def _differences(cls: type[Device], name: str, row: Row, first: Row,
                 shared: list[str]) -> Iterator[Fault]:
    for key in shared:
        if row.values.get(key) != first.values.get(key):
            yield row.fault(
                key, f"{row.values.get(key)!r} differs from {first.values.get(key)!r} of "
                f"{cls.word} {name!r} in row {first.line}",
                f"Make them equal, or give the {cls.word}s two names.")


def _names(cls: type[Device]) -> tuple[list[str], list[str]]:
    """Fields of a whole device, and those with a value for each leg."""
    specs = field_specs(cls)
    return ([spec.name for spec in specs if not spec.column.by_leg],
            [spec.name for spec in specs if spec.column.by_leg])
