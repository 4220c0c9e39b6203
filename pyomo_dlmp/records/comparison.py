"""Two results side by side: what differs, by how much, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import ModelError, ResultsFileError, nearest, shown
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.records.networks import network_rows
from pyomo_dlmp.records.saved import load_results
from pyomo_dlmp.report import Results
from pyomo_dlmp.tolerances import SAME_MONEY

TABLES = ("prices", "voltages", "unbalance", "dispatch", "payments")
"""Tables that are compared value by value."""
_EFFORT = ("s", "MB", "count")  # units of what a run has taken
_PLACE = ("kind", "element", "bus", "phase", "period")


@dataclass(frozen=True)
class Comparison:
    """What differs between two results.

    Attributes
    ----------
    first, second : Results
    pairs : dict of str to str
        Cases of the first and those of the second that they were compared with.
    only_first, only_second : list of str
        Cases that only one of them has.
    data : DataFrame
        What was solved: columns key, first, second; elements of the networks that differ (devices
        added, removed and changed), then rows of ``study.csv``.
    numbers : DataFrame
        The cases in a few numbers: columns case, quantity, unit, first, second, difference
        (second - first), relative (of the first). All rows, also those that are the same.
    values : DataFrame
        Value by value: columns case, table, quantity, unit, first_mean, second_mean, first_max,
        second_max, differ (how many differ), of (how many both have), greatest (difference),
        where, only_first, only_second (how many values one of them has alone).
    tolerance : float
        Relative difference up to which two numbers are the same.
    """

    first: Results
    second: Results
    pairs: dict[str, str]
    only_first: list[str]
    only_second: list[str]
    data: pd.DataFrame
    numbers: pd.DataFrame
    values: pd.DataFrame
    tolerance: float

    @property
    def same(self) -> bool:
        """Whether both have the same cases, and no number differs beyond the tolerance."""
        lone = self.values[["differ", "only_first", "only_second"]].to_numpy().any()
        return not (self.only_first or self.only_second or lone or len(self.differing()))

    def differing(self) -> pd.DataFrame:
        """Rows of `numbers` that differ beyond the tolerance."""
        numbers = self.numbers
        return numbers[[_differ(a, b, self.tolerance)
                        for a, b in zip(numbers["first"], numbers["second"], strict=True)]]

    def __repr__(self) -> str:
        if self.same:
            return f"<Comparison: the same to {self.tolerance:g}>"
        return (f"<Comparison: {len(self.differing())} of {len(self.numbers)} numbers and "
                f"{int(self.values['differ'].sum())} of {int(self.values['of'].sum())} values "
                "differ>")


def compare_results(first: Results | str | Path, second: Results | str | Path, *,
                    cases: Mapping[str, str] | None = None,
                    tolerance: float = SAME_MONEY) -> Comparison:
    """Compare two results.

    Parameters
    ----------
    first, second : Results, str or Path
        Results folders, or files of `save_results`.
    cases : mapping of str to str, optional
        Cases of the first and those of the second that they are compared with; by default those of
        the same name, and where each has one case alone, these. With the same results twice, two
        cases of one study are compared.
    tolerance : float
        Relative difference up to which two numbers are the same.

    Returns
    -------
    Comparison

    Raises
    ------
    ResultsFileError
        For results that cannot be read, a case that is not there, or no case to compare.
    """
    if finding := Range(0).finding(tolerance):
        raise ModelError.at("tolerance", *finding)
    one, other = (given if isinstance(given, Results) else load_results(given)
                  for given in (first, second))
    pairs = _pairs(one, other, cases)
    numbers = pd.concat([_numbers(one, other, *pair) for pair in pairs.items()], ignore_index=True)
    values = [row for pair in pairs.items() for table in TABLES
              for row in _values(one, other, *pair, table, tolerance)]
    keys = dict.fromkeys([*one.study, *other.study])
    data = network_rows(one, other, pairs)
    data += [(key, one.study.get(key, ""), other.study.get(key, "")) for key in keys
            if one.study.get(key, "") != other.study.get(key, "")]
    return Comparison(
        one, other, pairs,
        [case for case in one.cases if case not in pairs and cases is None],
        [case for case in other.cases if case not in pairs.values() and cases is None],
        pd.DataFrame(data, columns=["key", "first", "second"]), numbers,
        pd.DataFrame(values, columns=[
            "case", "table", "quantity", "unit", "first_mean", "second_mean", "first_max",
            "second_max", "differ", "of", "greatest", "where", "only_first", "only_second"]),
        tolerance)


def _pairs(one: Results, other: Results, cases: Mapping[str, str] | None) -> dict[str, str]:
    if cases is not None:
        if not (isinstance(cases, Mapping) and all(
                isinstance(case, str) for pair in cases.items() for case in pair)):
            raise ModelError.at("cases", f"is {shown(cases)}",
                                "Give {case of the first: case of the second}.")
        for results, wanted in ((one, cases.keys()), (other, cases.values())):
            results.only(list(wanted))  # refuses one that is not there
        pairs = dict(cases)
    elif len(one.cases) == len(other.cases) == 1:
        pairs = {one.cases[0]: other.cases[0]}
    else:
        pairs = {case: case for case in one.cases if case in other.cases}
    if not pairs:
        raise ResultsFileError.at(
            f"{one.folder} and {other.folder}", "have no case of the same name",
            f"{nearest(one.cases[0], other.cases)} Say which is to be compared with which "
            "(cases=, --case A=B).")
    return pairs


def _of(table: pd.DataFrame, case: str) -> pd.DataFrame:
    return table[table["case"] == case].drop(columns="case")


def _numbers(one: Results, other: Results, a: str, b: str) -> pd.DataFrame:
    """The summaries of two cases, row by row."""
    first, second = (
        _of(results.summary, case).drop_duplicates("quantity").set_index("quantity")
        for results, case in ((one, a), (other, b)))
    effort = _effort(first) | _effort(second)
    names = [name for name in dict.fromkeys([*first.index, *second.index]) if name not in effort]
    rows = []
    for name in names:
        x, y = (_cell(table["value"].get(name, "")) for table in (first, second))
        unit = first["unit"].get(name) or second["unit"].get(name, "")
        change = y - x if isinstance(x, float) and isinstance(y, float) else np.nan
        rows.append((a if a == b else f"{a} / {b}", name, unit, x, y, change,
                     change / abs(x) if isinstance(x, float) and x else np.nan))
    return pd.DataFrame(rows, columns=["case", "quantity", "unit", "first", "second", "difference",
                                       "relative"])


def _effort(table: pd.DataFrame) -> set[str]:
    """Rows that say what a run has taken: its time, and sizes of its model right after it."""
    names, units = list(table.index), list(table["unit"])
    if "wall_time" not in names:
        return set()
    first = names.index("wall_time")
    last = next((k for k in range(first, len(names)) if units[k] not in _EFFORT), len(names))
    return set(names[first:last])


def _cell(text: object) -> object:
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(text)


def _differ(x: object, y: object, tolerance: float) -> bool:
    if isinstance(x, float) and isinstance(y, float):
        return not (abs(x - y) <= tolerance * max(1.0, abs(x), abs(y)) or (x != x and y != y))
    return x != y


def _values(one: Results, other: Results, a: str, b: str, name: str, tolerance: float):
    """A row for each quantity of a table."""
    first, second = (_named(_of(getattr(results, name), case))
                     for results, case in ((one, a), (other, b)))
    place = [key for key in (*_PLACE, "again") if key in first.columns]
    both = first.merge(second, on=[*place, "quantity", "unit"], how="outer", sort=False,
                       suffixes=("_1", "_2"), indicator=True)
    for (quantity, unit), rows in both.groupby(["quantity", "unit"], sort=False):
        x, y = rows["value_1"].astype(float), rows["value_2"].astype(float)
        there = rows["_merge"] == "both"
        gap = (y - x).abs()[there]
        size = np.maximum(1.0, np.maximum(x.abs(), y.abs()))[there]
        far = (gap > tolerance * size) | (x.isna() != y.isna())[there]
        at = rows[there].iloc[int(gap.fillna(-1.0).argmax())] if far.any() else None
        where = "" if at is None else ", ".join(
            f"{key} {at[key]}" for key in place if at[key] not in ("", 0))
        yield (a if a == b else f"{a} / {b}", name, quantity, unit, x.mean(), y.mean(), x.max(),
               y.max(), int(far.sum()), int(there.sum()), gap.max(), where,
               int((rows["_merge"] == "left_only").sum()),
               int((rows["_merge"] == "right_only").sum()))


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Its places as text (periods may be numbers in one and names in the other), each once."""
    place = [key for key in _PLACE if key in table.columns]
    table = table.astype(dict.fromkeys(place, str))
    return table.assign(again=table.groupby([*place, "quantity", "unit"]).cumcount())
