"""Reads a results folder: tidy CSV tables, one row per value, each with its unit.

Nothing here knows the model; whoever writes these tables gets the same report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from pyomo_dlmp.errors import Fault, ResultsFileError, path_of
from pyomo_dlmp.results import schema
from pyomo_dlmp.results.packed import unpack
from pyomo_dlmp.results.statistics import statistics_table

TABLES = {table.name: table for table in (*schema.OF_A_RUN, *schema.OF_THE_STUDY)}
"""The tables that are read. Their columns must be there; more may be there and are ignored."""


@dataclass(frozen=True)
class Results:
    """The tables of one results folder; `study` is its key-value table as a dict of strings.

    `case` columns are ordered categoricals over all cases, so that a case keeps its place and its
    colour in every picture, also where a table has no row of another case.
    """

    folder: Path
    summary: pd.DataFrame
    prices: pd.DataFrame
    voltages: pd.DataFrame
    unbalance: pd.DataFrame
    line_loading: pd.DataFrame
    tokens: pd.DataFrame
    dispatch: pd.DataFrame
    payments: pd.DataFrame
    audit: pd.DataFrame
    buses: pd.DataFrame
    branches: pd.DataFrame
    cases_table: pd.DataFrame
    decomposition: pd.DataFrame
    emissions: pd.DataFrame
    regimes: pd.DataFrame
    markets: pd.DataFrame
    neutrals: pd.DataFrame
    ac_rounds: pd.DataFrame
    ac_certificate: pd.DataFrame
    ac_deviations: pd.DataFrame
    ac_cliff: pd.DataFrame
    series_steps: pd.DataFrame
    series_dispatch: pd.DataFrame
    series_prices: pd.DataFrame
    scenarios: pd.DataFrame
    first_stage: pd.DataFrame
    scenario_costs: pd.DataFrame
    scenario_schedule: pd.DataFrame
    scenario_prices: pd.DataFrame
    settlements: pd.DataFrame
    uncertainty: pd.DataFrame
    risk_frontier: pd.DataFrame
    regret: pd.DataFrame
    equilibria: pd.DataFrame
    best_responses: pd.DataFrame
    study: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (f"<Results of {self.folder}: {len(self.cases)} cases ({'; '.join(self.cases)}), "
                f"{len(self.buses)} buses, {self.prices['period'].nunique()} periods>")

    def only(self, cases: Sequence[str]) -> Results:
        """These results of some cases alone.

        Parameters
        ----------
        cases : sequence of str
            In the order in which they are to stand.

        Returns
        -------
        Results

        Raises
        ------
        ResultsFileError
            For a case that is not there.
        """
        for case in cases:
            if case not in self.cases:
                raise ResultsFileError.at(str(self.folder), f"has no case {case!r}",
                                          f"It has {'; '.join(self.cases)}.")
        kept: dict[str, Any] = {}
        for name in (*TABLES, "cases_table"):
            table = getattr(self, name, None)
            if isinstance(table, pd.DataFrame) and "case" in table.columns and len(table):
                mine = table[table["case"].isin(list(cases))].copy()
                mine["case"] = pd.Categorical(
                    mine["case"].astype(str), categories=list(cases), ordered=True)
                kept[name] = mine
        return replace(self, **kept)

    @property
    def cases(self) -> list[str]:
        """The cases in the order of the files."""
        return [str(case) for case in self.summary["case"].cat.categories]

    def number(self, key: str) -> float | None:
        """A value of the study as a number.

        Parameters
        ----------
        key : str
            Its key in ``study.csv``.

        Returns
        -------
        float or None
            None when it is absent or not a number.
        """
        try:
            return float(self.study[key])
        except (KeyError, ValueError):
            return None

    def statistics(self, by: Sequence[str] = ("case", "element", "bus", "phase")) -> pd.DataFrame:
        """Means, extremes and durations of prices, voltages, unbalance, powers and payments.

        Parameters
        ----------
        by : sequence of str
            What they are told apart by, any of "case", "element", "bus", "phase".

        Returns
        -------
        DataFrame
            As of `results.statistics_table`; hours beyond the limits that the study states.
        """
        limits = {key: self.number(key) for key in ("v_min", "v_max", "vuf_max")}
        return statistics_table(
            {name: getattr(self, name) for name in TABLES if hasattr(self, name)}, by=by,
            hours=self.number("period_hours") or 1.0,
            **{key: limit for key, limit in limits.items() if limit is not None})


def read_results(folder: str | Path) -> Results:
    """Read every table of a results folder.

    Parameters
    ----------
    folder : str or Path
        A folder that a study has written, or a file of `save_results`.

    Returns
    -------
    Results

    Raises
    ------
    ResultsFileError
        With all faults at once: files, columns and numbers that are missing or wrong.
    """
    folder = path_of(folder, "results folder")
    if folder.is_file():
        with TemporaryDirectory() as place:
            unpack(folder, Path(place))
            return replace(read_results(place), folder=folder)
    if not folder.is_dir():
        raise ResultsFileError.at(str(folder), "is not a folder", "Give a results folder.")
    faults: list[Fault] = []
    tables = {name: _read_table(folder, name, faults) for name in TABLES}
    if faults:
        raise ResultsFileError(faults)
    _check_buses(tables)
    _order_cases(tables)
    study = tables.pop("study")
    keys = dict(zip(study["key"].tolist(), study["value"].tolist(), strict=True))
    tables["cases_table"] = tables.pop("cases")
    if tables["cases_table"].empty:  # written by others: each case is a base of its own
        order = list(tables["summary"]["case"].cat.categories)
        tables["cases_table"] = pd.DataFrame(
            {"case": order, "base": order, "loading": 1.0, "market": ""})
    return Results(folder=folder, study=keys, **tables)


def _read_table(folder: Path, name: str, faults: list[Fault]) -> pd.DataFrame:
    path, columns = folder / f"{name}.csv", TABLES[name].in_file
    wanted = [column.name for column in columns]
    empty = pd.DataFrame({column: pd.Series(dtype=object) for column in wanted})
    if not path.exists():
        if not TABLES[name].optional:
            faults.append(Fault(path.name, "is missing", f"Write it with {_listed(wanted)}."))
        return empty
    try:
        # Everything is read as text: bus "08" must not become the number 8.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        faults.append(Fault(path.name, f"is no CSV table ({error})", "Write it again."))
        return empty
    missing = [column.name for column in columns
               if column.name not in table.columns and not column.added]
    cure = f"It needs {_listed(wanted)}; it has {_listed(table.columns.tolist())}."
    faults += [Fault(path.name, f"has no column '{column}'", cure) for column in missing]
    if missing:
        return empty
    for column in (c for c in columns if c.name in table.columns):
        table[column.name] = _typed(table[column.name], column, path.name, faults)
    return table


def _typed(text: pd.Series, column: schema.Column, file: str, faults: list[Fault]) -> pd.Series:
    """A column of texts as what its schema says."""
    if column.kind is schema.Kind.NUMBER:
        return _numbers(text, file, column.name, faults)
    if column.kind is schema.Kind.TRUTH:
        return text.str.strip().str.lower().isin(["true", "1", "yes"])
    if column.kind is schema.Kind.PERIOD:
        numbers = pd.to_numeric(text, errors="coerce")
        return text if numbers.isna().any() else numbers
    return text


def _numbers(column: pd.Series, file: str, name: str, faults: list[Fault]) -> pd.Series:
    """The column as floats, blank = NaN; a fault at the first word."""
    values = pd.to_numeric(column, errors="coerce")
    blank = column.str.strip().str.lower().isin(["", "nan", "none"])
    wrong = column[values.isna() & ~blank]
    if len(wrong):
        row = int(wrong.index[0]) + 2  # the header is row 1
        what = f"column '{name}', row {row}: '{wrong.iloc[0]}' is not a number"
        faults.append(Fault(file, what, "Write a number, or nothing."))
    return values


def _check_buses(tables: dict[str, pd.DataFrame]) -> None:
    buses, branches = tables["buses"]["bus"], tables["branches"]
    known = set(buses)
    twice = sorted(set(buses[buses.duplicated()]))
    faults = [
        Fault("buses.csv", f"column 'bus': '{bus}' is there twice", "Keep one row.")
        for bus in twice
    ]
    faults += [
        Fault("branches.csv", f"column '{end}': bus '{bus}' is not in buses.csv", "Add it there.")
        for end in ("from_bus", "to_bus")
        for bus in sorted(set(branches[end]) - known)
    ]
    if faults:
        raise ResultsFileError(faults)


def _order_cases(tables: dict[str, pd.DataFrame]) -> None:
    with_cases = [table for name, table in tables.items() if TABLES[name].by_case]
    order = list(dict.fromkeys(case for table in with_cases for case in table["case"].tolist()))
    for table in with_cases:
        table["case"] = pd.Categorical(table["case"], categories=order, ordered=True)


def _listed(columns: list[str]) -> str:
    return "columns " + ", ".join(columns)
