"""The table of a series: from a DataFrame or a file to arrays by column, all faults at once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, listed, shown
from pyomo_dlmp.market import Market
from pyomo_dlmp.network.series import is_number, period_labels
from pyomo_dlmp.series.columns import DATA, TIME, column_faults, number_faults
from pyomo_dlmp.series.stamps import read_stamps, step_of, year_faults
from pyomo_dlmp.tolerances import PRINTED

_WIDE = re.compile(r"^(.*)\[(\d+)\]$")
_SUMS = ("energy_mwh",)  # of a day: its periods have equal shares


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
    where, frame = _frame(given)
    frame = _renamed(frame, columns, where)
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
    row = _row_names(stamps)
    faults += column_faults(dict.fromkeys(_bare(c) for c in frame.columns), market, where)
    if not len(frame.columns):
        faults.append(Fault(where, "has no column of numbers",
                            f"Give some of {', '.join(DATA)}."))
    known = {str(c): _numbers(frame[c], f"{where}, column {shown(c)}", row, faults)
             for c in frame.columns}
    numbers = {c: v for c, v in known.items() if v is not None and _bare(c).split(".")[0] in DATA}
    table = None
    if not faults:
        table = _fitted(Table(where, pd.RangeIndex(len(frame)) if stamps is None else stamps,
                              hours, numbers), market, faults)
        faults += year_faults(stamps, len(frame), table.hours, where)
        faults += number_faults(table.numbers, where, _row_names(
            table.stamps if stamps is not None else None))
    if faults:
        raise ModelError(faults)
    assert table is not None
    return table


def _frame(given: Any) -> tuple[str, pd.DataFrame]:
    """The table's name and what it holds."""
    if isinstance(given, pd.DataFrame):
        return "table", given
    if isinstance(given, Mapping):
        try:
            return "table", pd.DataFrame(given)
        except ValueError as err:
            raise ModelError.at("table", f"is no table ({err})", "Give equal columns.") from None
    if not isinstance(given, str | os.PathLike):
        raise ModelError.at("table", f"is {shown(given)}",
                            "Give a DataFrame, or the path of a CSV or Parquet file.")
    path = Path(given)
    where = f"table '{path.name}'"
    if path.suffix.lower() in (".parquet", ".pq") and not (
            find_spec("pyarrow") or find_spec("fastparquet")):
        raise ModelError.at(where, "is Parquet, which needs pyarrow",
                            "Install it (pip install pyarrow), or give a CSV file.")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return where, pd.read_parquet(path)
        frame = pd.read_csv(path, skipinitialspace=True, encoding="utf-8-sig", comment="#")
    except FileNotFoundError:
        raise ModelError.at(where, f"there is no file {str(path)!r}", "Give its path.") from None
    except (OSError, ValueError) as err:
        raise ModelError.at(where, f"cannot be read ({' '.join(str(err).split())})",
                            "Give a CSV file with commas and one line of names.") from None
    if len(frame.columns) == 1 and (mark := next(
            (m for m in ";\t|" if m in str(frame.columns[0])), None)):
        raise ModelError.at(where, f"is separated by {mark!r}, not by commas",
                            "Save it with commas between cells and points in numbers, or give "
                            f"solve_series pandas.read_csv(path, sep={mark!r}, decimal=',').")
    return where, frame


def _renamed(frame: pd.DataFrame, columns: Mapping[str, str | None] | None,
             where: str) -> pd.DataFrame:
    given = dict(columns or {})
    lost = [name for name in given if name not in frame.columns]
    if lost:
        raise ModelError.at("columns", f"names {listed(lost, 5)}, which {where} does not have",
                            f"It has {listed(frame.columns)}.")
    out = [name for name, own in given.items() if own is None]
    frame = frame.drop(columns=out).rename(columns={k: v for k, v in given.items() if v})
    own = [str(name).strip() for name in frame.columns]
    frame = frame.set_axis(own, axis=1)
    twice = [name for name in dict.fromkeys(own) if own.count(name) > 1]
    if twice:
        raise ModelError.at(where, f"has column {listed(twice, 3)} twice", "Keep one of each.")
    return frame


def _bare(column: Any) -> str:
    """A column's name without the number of a period."""
    found = _WIDE.match(str(column))
    return found[1] if found else str(column)


def _row_names(stamps: pd.Index | None) -> Any:
    def name(i: int) -> str:
        return f"in row {i + 1}" + ("" if stamps is None else f" ({stamps[i]})")
    return name


def _numbers(values: pd.Series, place: str, row: Any, faults: list[Fault]) -> np.ndarray | None:
    """A column as floats; what is no finite number is told with its row."""
    empty = values.isna().to_numpy()
    found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
    if values.dtype == bool:
        faults.append(Fault(place, "holds true and false", "Give numbers."))
        return None
    for wrong, what in ((empty, "is empty"), (~empty & np.isnan(found), "holds "),
                        (np.isinf(found), "is infinite")):
        if wrong.any():
            first = int(wrong.argmax())
            said = what + (shown(values.iloc[first]) if what == "holds " else "")
            more = f" ({int(wrong.sum())} such rows)" if wrong.sum() > 1 else ""
            cure = "Give numbers." if what != "is empty" else "Fill it in, or leave the row out."
            if what == "holds " and _comma(values.iloc[first]):
                cure = "Write a point for the decimal sign."
            faults.append(Fault(place, f"{said} {row(first)}{more}", cure))
    return found


def _comma(value: Any) -> bool:
    return isinstance(value, str) and is_number(
        pd.to_numeric(value.replace(",", "."), errors="coerce")) and "," in value


def _fitted(table: Table, market: Market, faults: list[Fault]) -> Table:
    """With the market's periods: rows that are whole problems are taken apart."""
    periods = len(period_labels(market.opf.get("periods", 1))[0])
    own = market.opf.get("hours")
    hours = table.hours
    if np.isnan(hours):
        hours = 1.0 if own is None else float(own)
    wide = any(_WIDE.match(column) for column in table.numbers)
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
    for column in dict.fromkeys(map(_bare, table.numbers)):
        wanted = [f"{column}[{k}]" for k in range(periods)]
        there = [c for c in table.numbers if c != column and _bare(c) == column]
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
            share = periods if column.split(".")[0] in _SUMS else 1
            numbers[column] = np.repeat(table.numbers[column] / share, periods)
    stamps: pd.Index = pd.RangeIndex(table.rows * periods)
    if isinstance(table.stamps, pd.DatetimeIndex):
        steps = pd.to_timedelta(np.tile(np.arange(periods) * hours, table.rows), unit="h")
        stamps = table.stamps.repeat(periods) + steps
    return Table(table.where, stamps, hours, numbers)
