"""Numbers as users give them: a plain number, and one number or one per period."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from typing import Any

from pyomo_dlmp.errors import DlmpError, ModelError


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


def by_period(values: Any, labels: Sequence[Hashable], what: str,
              error: type[DlmpError] = ModelError) -> dict[Hashable, float]:
    """One number for each period, from one for all of them or one for each.

    Parameters
    ----------
    values : float, sequence of float, or mapping
        A number; or one per period in their order; or a mapping from period to number.
    labels : sequence
        The periods.
    what : str
        Name of the values in messages.
    error : type of DlmpError
        Type of the error that is raised.

    Returns
    -------
    dict
        {period: number}.

    Raises
    ------
    DlmpError
        Of type `error`, if there are not as many numbers as periods, or a value is not a number.
    """
    if is_number(values):
        return dict.fromkeys(labels, float(values))
    if isinstance(values, Mapping):
        values = [values[t] for t in labels if t in values]
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise error.at(what, f"is {values!r}", "Give a number, or one for each period.")
    given = list(values)
    if len(given) != len(labels):
        raise error.at(what, f"has {len(given)} values for {len(labels)} periods",
                       "Give one number, or one for each period.")
    for value in given:
        if not is_number(value):
            raise error.at(what, f"holds {value!r}", "Give numbers.")
    return dict(zip(labels, map(float, given), strict=True))
