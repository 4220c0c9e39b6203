"""Numbers and texts as users give them: one number, one per period, periods, lists of names."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from numbers import Integral, Real
from typing import Any

from pyomo_dlmp.errors import DlmpError, Fault, ModelError, listed, shown

Finding = tuple[str, str]  # what is wrong, and its cure
MOST_PERIODS = 100_000  # eleven years of hours: more is a slip, and its list alone fills the memory


def is_number(value: object) -> bool:
    """Whether a value is a real number; True and False are not.

    Parameters
    ----------
    value : object
        Any value.

    Returns
    -------
    bool
    """
    if type(value) is float:  # nearly always
        return True
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number by its type (2.0 is not, nor is True).

    Parameters
    ----------
    value : object
        Any value.

    Returns
    -------
    bool
    """
    return isinstance(value, Integral) and not isinstance(value, bool)


def plain_number(value: Any) -> float:
    """A number as a float; infinite if it is beyond all floats.

    Parameters
    ----------
    value : number
        As `is_number` accepts it.

    Returns
    -------
    float
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def items_of(values: Any) -> list | None:
    """The items of a list, tuple, array, generator ... in their order.

    Parameters
    ----------
    values : object
        Any value.

    Returns
    -------
    list or None
        None if it is no such thing: a text, a mapping, a set (which has no order), a number.
    """
    if isinstance(values, str | bytes | bytearray | Mapping | Set):
        return None
    if isinstance(getattr(values, "shape", None), tuple) and not values.shape:
        return None  # an array without an axis
    try:
        return list(values)
    except Exception:  # not iterable, or an iterator of the user's that fails
        return None


def names_findings(values: Any, example: str) -> tuple[tuple, list[Finding]]:
    """A list of names, and what is wrong with it.

    Parameters
    ----------
    values : object
        As given; one text is not a list of names.
    example : str
        How to write it, for the cure.

    Returns
    -------
    (tuple, list of (str, str))
        The texts among its items; what is wrong, with cures.
    """
    items = sorted(values, key=shown) if isinstance(values, Set) else items_of(values)
    cure = f"Give a list of names: {example}."
    if items is None:
        return (), [(f"is {shown(values)}", cure)]
    wrong = [item for item in items if not isinstance(item, str)]
    return (tuple(item for item in items if isinstance(item, str)),
            [(f"holds {listed(wrong, 3)}", cure)] if wrong else [])


def period_labels(periods: Any) -> tuple[list, list[Finding]]:
    """Labels of periods, from their number or the labels themselves.

    Parameters
    ----------
    periods : int or sequence
        As given.

    Returns
    -------
    (list, list of (str, str))
        The labels, and what is wrong, with cures; no labels if something is.
    """
    if is_whole(periods):
        if 0 < periods <= MOST_PERIODS:
            return list(range(int(periods))), []
        return [], [(f"is {shown(periods)}", f"Give a whole number from 1 to {MOST_PERIODS}.")]
    labels = items_of(periods)
    if labels is None:
        return [], [(f"is {shown(periods)}", "Give their number (a whole number above 0), or a "
                     "list of their labels.")]
    if not labels:
        return [], [("is empty", "Give at least one period.")]
    wrong = [label for label in labels if not _may_label(label)]
    if wrong:
        return [], [(f"holds {listed(wrong, 3)}", "Labels are texts, numbers or times.")]
    seen: set = set()
    twice = [label for label in labels if label in seen or seen.add(label)]  # type: ignore[func-returns-value]
    if twice:
        return [], [(f"holds {shown(twice[0])} twice", "Give each period its own label.")]
    return labels, []


def _may_label(label: Any) -> bool:
    """Whether an index of a model may hold it: tuples would be taken apart, nan is not itself."""
    if label is None or isinstance(label, tuple | bool) or not isinstance(label, Hashable):
        return False
    try:
        hash(label)
        return bool(label == label)
    except Exception:
        return False


def series_findings(values: Any, labels: Sequence[Hashable],
                    least: float = -math.inf) -> tuple[dict[Hashable, float], list[Finding]]:
    """One number for each period, from one for all of them or one for each, and what is wrong.

    Parameters
    ----------
    values : float, sequence of float, or mapping
        A number; or one per period in their order; or a mapping from period to number, which may
        have further periods.
    labels : sequence
        The periods.
    least : float
        No number may be below.

    Returns
    -------
    (dict, list of (str, str))
        {period: number}, and what is wrong, with cures; no numbers if something is.
    """
    if hasattr(values, "item") and getattr(values, "shape", None) == ():
        values = values.item()  # an array without an axis is a number
    if is_number(values):
        number = plain_number(values)
        found = _number_findings([number], least, "is")
        return ({}, found) if found else (dict.fromkeys(labels, number), [])
    if isinstance(values, Mapping):
        missing = [t for t in labels if t not in values]
        if missing:
            return {}, [(f"has no value for period {listed(missing, 3)}: {shown(values)}",
                         "Give one number, or one for each period.")]
        given: list | None = [values[t] for t in labels]
    else:
        given = items_of(values)
    if given is None:
        return {}, [(f"is {shown(values)}", "Give a number, or one for each period.")]
    found = []
    if len(given) != len(labels):
        found.append((f"has {len(given)} values for {len(labels)} periods",
                      "Give one number, or one for each period."))
    other = [value for value in given if not is_number(value)]
    if other:
        found.append((f"holds {listed(other, 3)}", "Give numbers."))
    numbers = [plain_number(value) for value in given if is_number(value)]
    found += _number_findings(numbers, least, "holds")
    return ({}, found) if found else (dict(zip(labels, numbers, strict=True)), [])


def _number_findings(numbers: list[float], least: float, verb: str) -> list[Finding]:
    found = []
    if endless := [x for x in numbers if not math.isfinite(x)]:
        found.append((f"{verb} {listed(endless, 3)}", "Give finite numbers."))
    if low := [x for x in numbers if math.isfinite(x) and x < least]:
        found.append((f"{verb} {', '.join(f'{x:g}' for x in low[:3])}",
                      f"Give numbers of at least {least:g}."))
    return found


def by_period(values: Any, labels: Sequence[Hashable], what: str,
              error: type[DlmpError] = ModelError, least: float = -math.inf,
              ) -> dict[Hashable, float]:
    """One number for each period, from one for all of them or one for each.

    Parameters
    ----------
    values : float, sequence of float, or mapping
        As of `series_findings`.
    labels : sequence
        The periods.
    what : str
        Name of the values in messages.
    error : type of DlmpError
        Type of the error that is raised.
    least : float
        No number may be below.

    Returns
    -------
    dict
        {period: number}.

    Raises
    ------
    DlmpError
        Of type `error`, if there are not as many numbers as periods, or a value is not a finite
        number of at least `least`.
    """
    found, wrong = series_findings(values, labels, least)
    if wrong:
        raise error([Fault(what, said, cure) for said, cure in wrong])
    return found


def fault_list(where: str, findings: Iterable[Finding]) -> list[Fault]:
    """Findings as faults of one place.

    Parameters
    ----------
    where : str
        The place.
    findings : iterable of (str, str)
        What is wrong, and its cure.

    Returns
    -------
    list of Fault
    """
    return [Fault(where, what, cure) for what, cure in findings]
