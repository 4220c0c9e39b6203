"""One series from a file of several columns: which column is meant, and its numbers.

A column is meant by its name; where none has it, it is the only one that does not number or date
the rows. What its cells hold never decides: a cell that is no number is a fault of its row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, listed, shown
from pyomo_dlmp.series.reading import frame_of, numbers_of, renamed

_ROWS = frozenset(("", "t", "time", "hour", "hours", "date", "day", "datetime", "timestamp",
                   "period", "periods", "step", "index", "month", "year", "weekday", "hour_of_day",
                   "hour_of_year"))
"""Names of columns that number or date the rows."""


def series_of_file(given: Any, words: Sequence[str], least: float = -np.inf,
                   ) -> tuple[str, list[float]]:
    """The numbers of a series in a file.

    Parameters
    ----------
    given : DataFrame or path
        Of a CSV or Parquet file with one line of names, or one column without.
    words : sequence of str
        Names that the column may have, the first the best; upper and lower case are the same.
    least : float
        No number may be below.

    Returns
    -------
    (str, list of float)
        The column's name, and its numbers.

    Raises
    ------
    ModelError
        It cannot be read, it does not tell which column is meant, or cells are no numbers, each
        with its column and row.
    """
    where, frame = frame_of(given)
    frame = _with_names(renamed(frame, None, where), words)
    if not len(frame):
        raise ModelError.at(where, "has no rows", "Give one for each hour.")
    name = meant(list(frame.columns), words, where)
    faults: list[Fault] = []
    place = f"{where}, column {shown(name)}"
    row = _row_names(frame, name)
    numbers = numbers_of(frame[name], place, row, faults)
    if numbers is not None and (low := numbers < least).any():
        first = int(low.argmax())
        more = f" ({int(low.sum())} such rows)" if low.sum() > 1 else ""
        faults.append(Fault(place, f"is {numbers[first]:g} {row(first)}{more}",
                            f"Give numbers of at least {least:g}."))
    if faults or numbers is None:
        raise ModelError(faults)
    return name, numbers.tolist()


def meant(columns: Sequence[str], words: Sequence[str], where: str) -> str:
    """The column that is meant.

    Parameters
    ----------
    columns : sequence of str
        Names of a table.
    words : sequence of str
        As of `series_of_file`.
    where : str
        The table, in messages.

    Returns
    -------
    str

    Raises
    ------
    ModelError
        If it is not clear.
    """
    lower = {name.lower(): name for name in columns}
    for word in words:
        if word in lower:
            return lower[word]
    others = [name for name in columns if not _numbers_rows(name)]
    if len(others) == 1:
        return others[0]
    said = f"columns {listed(others, 6)}" if others else (
        f"no column but {listed(columns, 6)}" if columns else "no column")
    raise ModelError.at(where, f"has {said}, none of them named {words[0]!r}",
                        f"Name the one that is meant {words[0]!r}.")


def _numbers_rows(name: str) -> bool:
    return name.lower() in _ROWS or name.startswith("Unnamed:")


def _with_names(frame: pd.DataFrame, words: Sequence[str]) -> pd.DataFrame:
    """A single column without a line of names, whose first number was read as its name."""
    if len(frame.columns) != 1:
        return frame
    name = str(frame.columns[0])
    if not np.isfinite(pd.to_numeric(name, errors="coerce")):
        return frame
    values = [float(name), *frame.iloc[:, 0].tolist()]
    return pd.DataFrame({words[0]: pd.Series(values)})


def _row_names(frame: pd.DataFrame, name: str) -> Callable[[int], str]:
    """Names of rows: their number, and what the table calls them."""
    stamp = next((c for c in frame.columns if c != name and _numbers_rows(c)), None)

    def row(i: int) -> str:
        called = "" if stamp is None else f" ({stamp or 'number'} {frame[stamp].iloc[i]})"
        return f"in row {i + 1}{called}"
    return row
