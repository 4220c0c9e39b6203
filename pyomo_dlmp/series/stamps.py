"""Stamps of a table's rows: one length of step, nothing missing, nothing twice.

A clock that is set forward and back has an hour that is missing and one that is there twice; such
gaps are named as what they are. Stamps with an offset or a time zone have neither.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, listed, shown

_OFFSET = re.compile(r"(?:Z|[+-]\d\d:?\d\d)\s*$")
_YEARS = (8760, 8784)
_MONTHS_OF_CHANGE = (3, 4, 9, 10, 11)
_UTC = ("Give stamps in UTC or with their offset (2025-03-30T03:00+02:00), or standard time all "
        "year.")


def read_stamps(given: Any, where: str) -> tuple[pd.DatetimeIndex | None, list[Fault]]:
    """Stamps as times, in UTC where they have an offset.

    Parameters
    ----------
    given : Series or Index
        Times or texts.
    where : str
        The table, in messages.

    Returns
    -------
    (DatetimeIndex or None, list of Fault)
        None where one cannot be read.
    """
    place, values = f"{where}, column 'time'", list(given)
    empty = [i for i, x in enumerate(values) if pd.isna(x)]
    if empty:
        return None, [Fault(place, f"is empty in row {listed(_rows(empty), 5)}",
                            "Give every row its time.")]
    if any(isinstance(x, int | float | np.number) for x in values):
        return None, [Fault(place, f"holds {shown(values[0])}, not a time",
                            "Write 2025-01-01 00:00, say.")]
    aware = [bool(_OFFSET.search(x)) if isinstance(x, str) else
             getattr(x, "tzinfo", None) is not None for x in values]
    if any(aware) and not all(aware):
        i = aware.index(not aware[0])
        return None, [Fault(place, f"has an offset in some rows and none in others, such as row "
                            f"{i + 1}: {shown(str(values[i]))}", "Give all an offset, or none.")]
    try:
        times = pd.to_datetime(pd.Series(values), utc=any(aware), format="ISO8601" if all(
            isinstance(x, str) for x in values) else None)
    except (ValueError, TypeError, OverflowError):
        bad = [i for i, x in enumerate(values) if not _readable(x)]
        said = f"row {bad[0] + 1}: {shown(str(values[bad[0]]))}" if bad else "them all"
        return None, [Fault(place, f"cannot be read in {said}",
                            "Write times as 2025-01-31 13:00 (year first).")]
    return pd.DatetimeIndex(times), []


def _readable(value: Any) -> bool:
    try:
        pd.to_datetime(value, format="ISO8601" if isinstance(value, str) else None)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def step_of(stamps: pd.DatetimeIndex, where: str) -> tuple[float, list[Fault]]:
    """Hours between stamps, and what is wrong with them.

    Parameters
    ----------
    stamps : DatetimeIndex
        At least one.
    where : str
        The table, in messages.

    Returns
    -------
    (float, list of Fault)
        Length of a step (h; nan of a single row); stamps twice, out of order, missing.
    """
    if len(stamps) < 2:
        return float("nan"), []
    place = f"{where}, column 'time'"
    apart = stamps[1:] - stamps[:-1]
    forward = apart[apart > pd.Timedelta(0)]
    if not len(forward):
        return float("nan"), [Fault(place, "does not increase", "Sort the rows by time.")]
    step = pd.Series(forward).mode().iloc[0]
    found = _doubled(stamps, step, place)
    back = [i + 1 for i, d in enumerate(apart) if d < pd.Timedelta(0)]
    if found and found[0].what.startswith("is set back"):
        back = [i for i in back if not _is_change(stamps[i])]
    if back:
        found.append(Fault(place, f"goes back from {stamps[back[0] - 1]} to {stamps[back[0]]} in "
                           f"row {back[0] + 1}" + (f" ({len(back)} such)" if len(back) > 1 else ""),
                           "Sort the rows by time."))
    found += _missing(stamps, step, place)
    return step / pd.Timedelta(hours=1), found


def _doubled(stamps: pd.DatetimeIndex, step: pd.Timedelta, place: str) -> list[Fault]:
    twice = stamps[stamps.duplicated()].unique()
    if not len(twice):
        return []
    if stamps.tz is None and all(_is_change(t) for t in twice) and (
            len(twice) * step <= len({t.year for t in twice}) * pd.Timedelta(hours=1)):
        return [Fault(place, f"is set back by daylight saving: {listed(map(str, twice), 3)} is "
                      "there twice", _UTC)]
    return [Fault(place, f"has {listed(map(str, twice), 3)} more than once", "Keep one row each.")]


def _missing(stamps: pd.DatetimeIndex, step: pd.Timedelta, place: str) -> list[Fault]:
    own = pd.DatetimeIndex(stamps.unique()).sort_values()
    whole = pd.date_range(own[0], own[-1], freq=step)
    lost, odd = whole.difference(own), own.difference(whole)
    found = []
    if len(odd):
        found.append(Fault(place, f"has {listed(map(str, odd), 3)}, not a whole number of steps of "
                           f"{_length(step)} after the first", "Give rows at equal intervals."))
        return found
    change = [t for t in lost if stamps.tz is None and _is_change(t)]
    if len(lost) and len(change) == len(lost) and (
            len(lost) * step <= len({t.year for t in lost}) * pd.Timedelta(hours=1)):
        found.append(Fault(place, f"is set forward by daylight saving: {listed(map(str, lost), 3)} "
                           "is missing", _UTC))
    elif len(lost):
        found.append(Fault(place, f"lacks {listed(map(str, lost), 5)} ({len(lost)} of "
                           f"{len(whole)} steps of {_length(step)})",
                           "Fill the rows in, or solve the stretches between them apart."))
    return found


def _is_change(t: pd.Timestamp) -> bool:
    """Whether clocks are set about then somewhere: a weekend's first hours in spring or autumn."""
    return t.month in _MONTHS_OF_CHANGE and t.hour <= 3 and t.weekday() in (4, 5, 6)


def year_faults(stamps: pd.DatetimeIndex | None, rows: int, hours: float, where: str,
                ) -> list[Fault]:
    """Tables that are nearly a year of hours, by a slip at its end.

    Parameters
    ----------
    stamps : DatetimeIndex or None
        Sound ones.
    rows : int
    hours : float
        Length of a step (h).
    where : str
        The table, in messages.

    Returns
    -------
    list of Fault
    """
    if hours != 1.0 or rows in _YEARS or not 8700 < rows < 8810:
        return []
    if stamps is None:
        return [Fault(where, f"has {rows:,} rows without times; a year has 8,760 hours, a leap "
                      "year 8,784", "Give a column 'time', so that what is missing can be named.")]
    first, last = stamps[0], stamps[-1]
    if (first.month, first.day, first.hour) != (1, 1, 0):
        return []
    end = pd.Timestamp(first.year + 1, 1, 1, tz=stamps.tz) - pd.Timedelta(hours=1)
    if last == end:
        return []
    said = f"has {rows:,} rows and ends at {last}; the year {first.year} has "
    said += f"{(end - first) // pd.Timedelta(hours=1) + 1:,} hours and ends at {end}"
    return [Fault(where, said, "End it there, or begin it on another day.")]


def _rows(places: list[int]) -> list[int]:
    return [i + 1 for i in places]


def _length(step: pd.Timedelta) -> str:
    minutes = step / pd.Timedelta(minutes=1)
    return f"{minutes / 60:g} h" if minutes % 60 == 0 else f"{minutes:g} min"
