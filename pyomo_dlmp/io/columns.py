"""The usual kinds of columns of a table."""

from __future__ import annotations

from typing import Any

from pyomo_dlmp.io.csv_table import NUMBER, TEXT, Cell, Column


def texts(*names: str) -> tuple[Column, ...]:
    """Columns of texts that every row must have.

    Parameters
    ----------
    *names : str
        In the header; the fields are called so, too.

    Returns
    -------
    tuple of Column
    """
    return tuple(Column(name, name) for name in names)


def number(name: str, field: str = "") -> Column:
    """A column of numbers that every row must have.

    Parameters
    ----------
    name : str
        In the header, with its unit.
    field : str
        That it fills; "": of the same name.

    Returns
    -------
    Column
    """
    return Column(name, field or name, NUMBER)


def optional(name: str, field: str = "", cell: Cell = TEXT) -> Column:
    """A column whose cells may be empty, so that the field keeps its default.

    Parameters
    ----------
    name, field
        As of `number`.
    cell : Cell
        What it holds.

    Returns
    -------
    Column
    """
    return Column(name, field or name, cell, required=False)


def rare(name: str, default: Any = None, cell: Cell = NUMBER, field: str = "") -> Column:
    """A column that is written only if some row needs it.

    Parameters
    ----------
    name, field, cell
        As of `optional`.
    default : object
        What most rows have.

    Returns
    -------
    Column
    """
    return Column(name, field or name, cell, required=False, rare=True, default=default)
