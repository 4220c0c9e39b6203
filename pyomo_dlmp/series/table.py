"""The table of a series: from a DataFrame or a file to arrays by column, all faults at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, listed, shown
from pyomo_dlmp.market import Market
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.series.columns import DATA, SUMS, TIME, column_faults, number_faults
from pyomo_dlmp.series.reading import WIDE, bare, frame_of, numbers_of, renamed, row_names
from pyomo_dlmp.series.stamps import read_stamps, step_of, year_faults
from pyomo_dlmp.tolerances import PRINTED


@dataclass(frozen=True)
class Table:
    """A series as numbers: one row for each step.

    Attributes
    ----------
    where : str
        Its name in messages.
    stamps : Index
        Times of the rows (in UTC where they had an offset), or their numbers.
    hours : float
        Length of a step (h).
    numbers : dict of str to ndarray
        By column, shape (rows,).
    """

    where: str
    stamps: pd.Index
    hours: float
    numbers: dict[str, np.ndarray]

    @property
    def rows(self) -> int:
        """Number of steps."""
        return len(self.stamps)

    def content(self) -> str:
        """SHA-256 of its stamps and numbers."""
        text = hashlib.sha256(repr((self.hours, list(self.numbers))).encode())
        text.update(np.ascontiguousarray(self.stamps.asi8 if isinstance(
            self.stamps, pd.DatetimeIndex) else self.stamps.to_numpy(dtype=float)).tobytes())
        for values in self.numbers.values():
            text.update(np.ascontiguousarray(values).tobytes())
        return text.hexdigest()


def read_table(given: Any, market: Market, columns: Mapping[str, str | None] | None = None,
               ) -> Table:
    """A table, read and checked.

    Parameters
    ----------
    given : DataFrame or path
        Rows with a column ``time`` (or an index of times; without either, rows are steps of the
        market's `hours`) and columns of `DATA`. A file is CSV, or Parquet by its ending. Where
        stamps are as far apart as the market's problem is long, a row is a whole problem: a column
        ``price`` is then the same in all its periods, and ``price[0]``, ``price[1]`` ... are those
        of each.
    market : Market
        Whose loads, generators, datacenters the columns name; its periods.
    columns : mapping of str to str or None, optional
        Names of the table's columns here; None: left out.

    Returns
    -------
    Table

    Raises
    ------
    ModelError
        With every fault at once: a file that cannot be read; unknown columns; text for a number;
        cells that are empty; stamps that are missing, twice, out of order, or set by daylight
        saving; numbers beyond their range, or probably in another unit.
    """
    where, frame = frame_of(given)
    frame = renamed(frame, columns, where)
    faults: list[Fault] = []
    stamps, hours = None, float("nan")
    times = frame[TIME] if TIME in frame else (
        frame.index if isinstance(frame.index, pd.DatetimeIndex) else None)
    frame = frame.drop(columns=TIME, errors="ignore")
    if not len(frame):
        raise ModelError.at(where, "has no rows", "Give one row for each step.")
    if times is not None:
        stamps, faults = read_stamps(times, where)
        if stamps is not None:
            hours, wrong = step_of(stamps, where)
            faults += wrong
    row = row_names(stamps)
    faults += column_faults(dict.fromkeys(bare(c) for c in frame.columns), market, where)
    if not len(frame.columns):
        faults.append(Fault(where, "has no column of numbers",
                            f"Give some of {', '.join(DATA)}."))
    known = {str(c): numbers_of(frame[c], f"{where}, column {shown(c)}", row, faults)
             for c in frame.columns}
    numbers = {c: v for c, v in known.items() if v is not None and bare(c).split(".")[0] in DATA}
    table = None
    if not faults:
        table = _fitted(Table(where, pd.RangeIndex(len(frame)) if stamps is None else stamps,
                              hours, numbers), market, faults)
        faults += year_faults(stamps, len(frame), table.hours, where)
        faults += number_faults(table.numbers, where, row_names(
            table.stamps if stamps is not None else None))
    if faults:
        raise ModelError(faults)
    assert table is not None
    return table


def _fitted(table: Table, market: Market, faults: list[Fault]) -> Table:
    """With the market's periods: rows that are whole problems are taken apart."""
    periods = len(period_labels(market.opf.get("periods", 1))[0])
    own = market.opf.get("hours")
    hours = table.hours
    if np.isnan(hours):
        hours = 1.0 if own is None else float(own)
    wide = any(WIDE.match(column) for column in table.numbers)
    day = periods * (hours / periods if own is None else float(own))
    whole = periods > 1 and (wide or (own is not None and abs(hours - day) <= PRINTED * day
                                      and isinstance(table.stamps, pd.DatetimeIndex)))
    if whole:
        step = day / periods if own is not None else hours / periods
        return _taken_apart(table, periods, step, faults)
    if own is not None and abs(hours - float(own)) > PRINTED * hours:
        faults.append(Fault(
            table.where, f"has a row every {hours:g} h, and the market's periods last "
            f"{float(own):g} h", f"Give opf['hours']={hours:g}, or a row for each period (or one "
            f"for each problem of {periods} periods)."))
    return Table(table.where, table.stamps, hours, table.numbers)


def _taken_apart(table: Table, periods: int, hours: float, faults: list[Fault]) -> Table:
    """A table of whole problems as one of steps."""
    numbers: dict[str, np.ndarray] = {}
    for column in dict.fromkeys(map(bare, table.numbers)):
        wanted = [f"{column}[{k}]" for k in range(periods)]
        there = [c for c in table.numbers if c != column and bare(c) == column]
        if there:
            lost = [c for c in wanted if c not in there]
            more = [c for c in there if c not in wanted]
            if lost or more or column in table.numbers:
                said = f"lacks {listed(lost, 3)}" if lost else f"has {listed(more or [column], 3)}"
                faults.append(Fault(table.where, f"{said}, and a problem has {periods} periods",
                                    f"Give {column}[0] to {column}[{periods - 1}]."))
                continue
            numbers[column] = np.column_stack([table.numbers[c] for c in wanted]).ravel()
        else:
            share = periods if column.split(".")[0] in SUMS else 1
            numbers[column] = np.repeat(table.numbers[column] / share, periods)
    stamps: pd.Index = pd.RangeIndex(table.rows * periods)
    if isinstance(table.stamps, pd.DatetimeIndex):
        steps = pd.to_timedelta(np.tile(np.arange(periods) * hours, table.rows), unit="h")
        stamps = table.stamps.repeat(periods) + steps
    return Table(table.where, stamps, hours, numbers)
