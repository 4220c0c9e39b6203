"""Series from CSV files in a study file: ``price = {csv = "prices.csv", column = "price"}``.

They may stand wherever a list of numbers may. A path is looked for beside the study file, then in
the folder in which the command runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import ModelError, nearest, shown
from pyomo_dlmp.network.series import is_whole
from pyomo_dlmp.series.one_column import meant

Found = tuple[str, str, str]  # where, what, cure
_KEYS = ("csv", "column", "rows")


def found_file(name: str, study: Path) -> Path:
    """The file that a path in a study file means.

    Parameters
    ----------
    name : str
        As written.
    study : Path
        The study file.

    Returns
    -------
    Path
        Beside the study file if there is one, else from the present folder on.
    """
    beside = study.parent / name
    return beside if beside.is_file() else Path(name)


def content_of(file: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read.

    Parameters
    ----------
    file : Path

    Returns
    -------
    str
    """
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


class CsvSeries:
    """Reads the series of one study file.

    Parameters
    ----------
    study : Path
        The study file.

    Attributes
    ----------
    found : list of (str, str, str)
        What is wrong, by key.
    inputs : dict of str to str
        SHA-256 of the files, by name.
    """

    def __init__(self, study: Path):
        self.study = study
        self.found: list[Found] = []
        self.inputs: dict[str, str] = {}
        self._tables: dict[Path, pd.DataFrame | str] = {}

    def filled(self, data: Any, where: str = "") -> Any:
        """Data of a study file with lists of numbers where it names columns of files.

        Parameters
        ----------
        data : object
            Any value of the file.
        where : str
            Its key, in messages.

        Returns
        -------
        object
        """
        if isinstance(data, list):
            return [self.filled(x, where) for x in data]
        if not isinstance(data, Mapping):
            return data
        if isinstance(data.get("csv"), str):
            return self._numbers(data, where)
        name = data.get("name", data.get("site")) if where else None
        place = f"{where} {shown(name)}" if isinstance(name, str) else where
        return {key: self.filled(x, f"{place}, {key}" if place else key)
                for key, x in data.items()}

    def of_table(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The table [series] with its file where it is; the file counts as input.

        Parameters
        ----------
        given : mapping

        Returns
        -------
        dict
        """
        if given["file"] is None:
            return {}
        file = found_file(given["file"], self.study)
        self.inputs[given["file"]] = content_of(file)
        return {**given, "file": str(file),
                "columns": {name: own or None for name, own in given["columns"].items()}}

    def of_scenarios(self, tables: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """The tables [scenarios] and [stochastic] with the file where it is, as `Study` keeps them.

        Parameters
        ----------
        tables : mapping
            Of the study file.

        Returns
        -------
        dict
            Empty: there is no file of scenarios.
        """
        given = dict(tables["scenarios"])
        for key in ("file", "history"):
            if given[key] is not None:
                file = found_file(given[key], self.study)
                self.inputs[given[key]] = content_of(file)
                given[key] = str(file)
        if given["file"] is None and given["history"] is None:
            return {}
        given["columns"] = {name: own or None for name, own in given["columns"].items()}
        return {"scenarios": given, "terms": tables["stochastic"]}

    def _numbers(self, given: Mapping[str, Any], where: str) -> list[float] | float:
        """The numbers of a column; 1, which fits nearly all, where something is wrong with it."""
        for key in given:
            if key not in _KEYS:
                self.found.append((where, f"unknown key {key!r}", nearest(key, _KEYS)))
        file = found_file(given["csv"], self.study)
        table = self._table(file, given["csv"])
        if isinstance(table, str):
            self.found.append((where, f"file {given['csv']!r} {table}",
                               "Give a CSV file with commas and one line of names."))
            return 1.0
        place = f"{where}, file {given['csv']!r}"
        column = given.get("column")
        if "column" not in given:
            try:  # that named as the key, or the only one that does not number the rows
                column = meant(list(table.columns), (where.rpartition(", ")[2],), place)
            except ModelError:
                column = None
        if not isinstance(column, str) or column not in table.columns:
            said = "names no column" if column is None else f"has no column {shown(column)}"
            self.found.append((place, said, nearest(column, table.columns) if column is not None
                               else f'Write column = "{table.columns[-1]}".'))
            return 1.0
        first, last = self._rows(given.get("rows"), len(table), place)
        values = table[column].iloc[first:last]
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
        for i in np.flatnonzero(~np.isfinite(numbers)):
            cell = values.iloc[i]
            said = "is empty" if cell == "" else f"holds {shown(cell)}"
            self.found.append((f"{place}, column {column!r}, row {first + i + 1}", said,
                               "Give a number, with a point for the decimal sign."))
            return 1.0  # one of a column stands for all
        return numbers.tolist()

    def _rows(self, rows: Any, count: int, place: str) -> tuple[int, int]:
        """First row and the one after the last, from 0."""
        if rows is None:
            return 0, count
        if isinstance(rows, list) and len(rows) == 2 and all(map(is_whole, rows)) and (
                1 <= rows[0] <= rows[1] <= count):
            return rows[0] - 1, rows[1]
        self.found.append((place, f"has rows {shown(rows)}",
                           f"Write rows = [first, last], within 1 to {count}."))
        return 0, count

    def _table(self, file: Path, name: str) -> pd.DataFrame | str:
        """A file as texts, or why it cannot be read."""
        if file not in self._tables:
            self.inputs[name] = content_of(file)
            try:
                self._tables[file] = pd.read_csv(
                    file, dtype=str, keep_default_na=False, skipinitialspace=True, comment="#",
                    encoding="utf-8-sig").rename(columns=str.strip)
            except FileNotFoundError:
                self._tables[file] = "is neither beside the study file nor in this folder"
            except (OSError, ValueError) as err:
                self._tables[file] = f"cannot be read ({' '.join(str(err).split())})"
        return self._tables[file]
