"""Reads tables of users: DataFrames, CSV and Parquet files, their columns as numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, listed, shown
from pyomo_dlmp.network.series import is_number

WIDE = re.compile(r"^(.*)\[(\d+)\]$")
"""A column of one period of a row that is a whole problem: ``price[0]``."""


def frame_of(given: Any) -> tuple[str, pd.DataFrame]:
    """The table's name in messages, and what it holds.

    Parameters
    ----------
    given : DataFrame, mapping or path
        Of a CSV file, or of a Parquet file by its ending.

    Returns
    -------
    (str, DataFrame)

    Raises
    ------
    ModelError
        It is something else, or cannot be read.
    """
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
                            "Save it with commas between cells and points in numbers, or give what "
                            f"pandas.read_csv(path, sep={mark!r}, decimal=',') reads.")
    return where, frame


def renamed(frame: pd.DataFrame, columns: Mapping[str, str | None] | None,
            where: str) -> pd.DataFrame:
    """A table with the columns' names here.

    Parameters
    ----------
    frame : DataFrame
    columns : mapping of str to str or None, or None
        Names here, by those of the table; None: left out.
    where : str
        The table, in messages.

    Returns
    -------
    DataFrame

    Raises
    ------
    ModelError
        A column is not there, or two have one name.
    """
    if columns is not None and not isinstance(columns, Mapping):
        raise ModelError.at("columns", f"is {shown(columns)}",
                            "Give {name in the table: name here, or None to leave it out}.")
    given = dict(columns or {})
    if wrong := [own for own in given.values() if not isinstance(own, str | None)]:
        raise ModelError.at("columns", f"gives {listed(wrong, 3)} as a name",
                            "Give texts, or None.")
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


def bare(column: Any) -> str:
    """A column's name without the number of a period.

    Parameters
    ----------
    column : object

    Returns
    -------
    str
    """
    found = WIDE.match(str(column))
    return found[1] if found else str(column)


def row_names(stamps: pd.Index | None) -> Callable[[int], str]:
    """Names of rows in messages.

    Parameters
    ----------
    stamps : Index or None
        Times of the rows.

    Returns
    -------
    callable
        f(i): "in row 1 (2025-01-01 00:00:00)" of i = 0.
    """
    def name(i: int) -> str:
        return f"in row {i + 1}" + ("" if stamps is None else f" ({stamps[i]})")
    return name


def numbers_of(values: pd.Series, place: str, row: Callable[[int], str],
               faults: list[Fault]) -> np.ndarray | None:
    """A column as floats.

    Parameters
    ----------
    values : Series
    place : str
        The column, in messages.
    row : callable
        row(i): name of a row.
    faults : list of Fault
        What is no finite number is added, with its row.

    Returns
    -------
    ndarray or None
        None: true and false.
    """
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
