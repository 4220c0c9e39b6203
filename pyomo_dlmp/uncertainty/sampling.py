"""Scenarios from what has been: days of a history, clustered, and what that loses."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.network.series import is_whole
from pyomo_dlmp.series.columns import DATA, TIME, column_faults, number_faults
from pyomo_dlmp.series.reading import frame_of, numbers_of, renamed, row_names
from pyomo_dlmp.series.stamps import read_stamps, step_of
from pyomo_dlmp.tolerances import ROUNDING

_DAY = 24.0  # h
_STARTS = 10  # of KMeans, of which the best counts


def parts_of_history(given: Any, count: int | None, seed: int, periods: int | None,
                     keep_means: bool, columns: Mapping[str, str | None] | None,
                     ) -> dict[str, Any]:
    """The parts of a `Scenarios`, from a history.

    Parameters
    ----------
    given, count, seed, periods, keep_means, columns
        As of `Scenarios.from_history`.

    Returns
    -------
    dict
        names, probabilities, numbers, hours, about.

    Raises
    ------
    ModelError
        With every fault of the table and of these numbers at once.
    """
    faults = [Fault(f"from_history, {word}", f"is {shown(value)}",
                    "Give a whole number, at least 1.")
              for word, value in (("count", count), ("periods", periods))
              if value is not None and not (is_whole(value) and value >= 1)]
    if not (is_whole(seed) and seed >= 0):
        faults.append(Fault("from_history, seed", f"is {shown(seed)}", "Give a whole number."))
    where, frame = frame_of(given)
    frame = renamed(frame, columns, where)
    days = _Days(frame, where, None if faults else periods, faults)
    total = len(days.names)
    if count is not None and total < count:
        raise ModelError.at(where, f"has {total} days, and {count} scenarios are asked for",
                            f"Give count={total}, or a longer history.")
    if count is None:
        return {"names": days.names, "probabilities": np.full(total, 1.0 / total),
                "numbers": days.numbers, "hours": days.hours,
                "about": f"{days.words}, each a scenario"}
    groups, chosen = _groups(days.numbers, count, seed)
    weights = np.array([len(group) / total for group in groups])
    numbers = {column: np.stack([
        _moved(values[day], values[group]) if keep_means else values[day]
        for day, group in zip(chosen, groups, strict=True)])
        for column, values in days.numbers.items()}
    lost = "; ".join(_lost(column, values, numbers[column], weights)
                     for column, values in days.numbers.items())
    kept = "means are kept" if keep_means else "days are as they were, so that means may differ"
    return {"names": tuple(days.names[day] for day in chosen), "probabilities": weights,
            "numbers": numbers, "hours": days.hours,
            "about": f"{len(chosen)} groups of {days.words}; {kept}; {lost}"}


class _Days:
    """The days of a history.

    Attributes
    ----------
    names : tuple of str
    numbers : dict of str to ndarray
        By column, shape (days, periods).
    hours : float or None
        Length of a period (h).
    words : str
        How many days there are.
    """

    def __init__(self, frame: pd.DataFrame, where: str, periods: int | None, faults: list[Fault]):
        times = frame[TIME] if TIME in frame else (
            frame.index if isinstance(frame.index, pd.DatetimeIndex) else None)
        frame = frame.drop(columns=TIME, errors="ignore").reset_index(drop=True)
        if not len(frame):
            raise ModelError([*faults, Fault(where, "has no rows", "Give one for each step.")])
        stamps, hours = None, float("nan")
        if times is not None:
            stamps, wrong = read_stamps(times, where)
            faults += wrong
            if stamps is not None:
                hours, wrong = step_of(stamps, where)
                faults += wrong
        faults += column_faults(frame.columns, None, where)
        if not len(frame.columns):
            faults.append(Fault(where, "has no column of numbers",
                                f"Give some of {', '.join(DATA)}."))
        row = row_names(stamps)
        read = {str(c): numbers_of(frame[c], f"{where}, column {str(c)!r}", row, faults)
                for c in frame.columns}
        known = {c: v for c, v in read.items() if v is not None and c.partition(".")[0] in DATA}
        if not faults:
            faults += number_faults(known, where, row)
        self.hours = None if hours != hours else hours
        length = periods or (24 if self.hours is None else round(_DAY / self.hours))
        if not faults and self.hours and not periods and (
                abs(length * self.hours - _DAY) > ROUNDING * _DAY or not length):
            faults.append(Fault(where, f"has a row every {self.hours:g} h, and no whole number of "
                                "them is a day", "Give periods=: rows of a scenario."))
        if faults:
            raise ModelError(faults)
        first = _midnight(stamps) if stamps is not None and not periods else 0
        total = (len(frame) - first) // length
        if not total:
            raise ModelError.at(where, f"has {len(frame)} rows, and a scenario {length}",
                                "Give a longer history, or fewer periods.")
        rows = slice(first, first + total * length)
        self.numbers = {c: v[rows].reshape(total, length) for c, v in known.items()}
        starts = None if stamps is None else stamps[rows][::length]
        self.names = tuple(f"day {k + 1}" for k in range(total)) if starts is None else tuple(
            starts.strftime("%Y-%m-%d" if not periods else "%Y-%m-%d %H:%M"))
        left = len(frame) - total * length
        self.words = f"{total} days" + (f" ({left} rows at the ends left out)" if left else "")


def _midnight(stamps: pd.DatetimeIndex) -> int:
    """The first row that begins a day."""
    found = np.flatnonzero(stamps == stamps.normalize())
    return int(found[0]) if len(found) else 0


def _groups(numbers: Mapping[str, np.ndarray], count: int, seed: int,
            ) -> tuple[list[np.ndarray], list[int]]:
    """Days of each group, and the day nearest to its centre; in the order of these days."""
    if not find_spec("sklearn"):
        raise ModelError.at("from_history", "needs scikit-learn, which is not installed",
                            'Install it (pip install "pyomo-dlmp[scenarios]"), or give count=None '
                            "to take every day.")
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]

    parts = []
    for values in numbers.values():
        spread = float(values.std())
        if spread > ROUNDING * (1.0 + abs(values).max()):
            parts.append((values - values.mean()) / spread)
    total = len(next(iter(numbers.values())))
    points = np.hstack(parts) if parts else np.zeros((total, 1))
    count = min(count, len(np.unique(points, axis=0)))  # equal days are one group
    found = KMeans(n_clusters=count, random_state=int(seed), n_init=_STARTS).fit(points)
    groups = [np.flatnonzero(found.labels_ == k) for k in range(count)]
    groups = [group for group in groups if len(group)]
    chosen = [int(group[np.argmin(((points[group] - points[group].mean(axis=0)) ** 2).sum(axis=1))])
              for group in groups]
    order = np.argsort(chosen)
    return [groups[k] for k in order], [chosen[k] for k in order]


def _moved(day: np.ndarray, group: np.ndarray) -> np.ndarray:
    """A day with the mean of its group, each hour within what the group has in it.

    All hours go the same share of their way to the group's greatest (or least) number, so that an
    hour in which all days have the same number, as the sun's at night, keeps it.
    """
    aim = float(group.mean())
    end = group.max(axis=0) if aim > day.mean() else group.min(axis=0)
    room = float(end.mean() - day.mean())
    if abs(room) <= ROUNDING * (1.0 + abs(aim)):
        return day
    return day + (aim - float(day.mean())) / room * (end - day)


def _lost(column: str, before: np.ndarray, after: np.ndarray, weights: np.ndarray) -> str:
    """What of a column's spread the scenarios keep, in words."""
    usual = before.mean(axis=0)
    whole = float(((before - usual) ** 2).mean())
    kept = float(weights @ ((after - weights @ after) ** 2).mean(axis=1))
    share = "" if whole <= 0 else f" keeps {100 * min(kept / whole, 9.99):.0f} % of its variance"
    said = f"{column}{share}"
    if (before.min(), before.max()) != (after.min(), after.max()):
        said += (f", {after.min():.4g} to {after.max():.4g} of {before.min():.4g} to "
                 f"{before.max():.4g}")
    return said
