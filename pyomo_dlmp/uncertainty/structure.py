"""What a set of scenarios must be by itself, whatever market it is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from pyomo_dlmp.errors import Fault, ModelError, listed, nearest, shown
from pyomo_dlmp.network.series import items_of, names_findings
from pyomo_dlmp.series.columns import SUMS, column_faults, number_faults
from pyomo_dlmp.tolerances import PRINTED

WHERE = "scenarios"


def structure_faults(names: Sequence[Any], probabilities: Any, numbers: Any, outages: Any,
                     where: str = WHERE) -> list[Fault]:
    """Everything that is wrong with the parts of a `Scenarios`.

    Parameters
    ----------
    names, probabilities, numbers, outages
        As of `Scenarios`, before they are one.
    where : str
        What they are, in messages.

    Returns
    -------
    list of Fault
    """
    found = [*_names(names, where), *_probabilities(names, probabilities, where)]
    found += _outages(names, outages, where)
    if not isinstance(numbers, Mapping):
        return [*found, Fault(f"{where}, numbers", f"is {shown(numbers)}",
                              'Give arrays by column: {"price": array}.')]
    found += column_faults(numbers, None, where)
    shapes = {column: _shape(column, values, names, where) for column, values in numbers.items()}
    found += [fault for faults in shapes.values() for fault in faults]
    sound = {column: numbers[column] for column, faults in shapes.items() if not faults}
    lengths = {column: values.shape[1] for column, values in sound.items()}
    if len(set(lengths.values())) > 1:
        first, *others = lengths
        odd = next(column for column in others if lengths[column] != lengths[first])
        found.append(Fault(where, f"has {lengths[first]} periods in column {first!r} and "
                           f"{lengths[odd]} in {odd!r}", "Give all columns the same periods."))
    known = {c: v for c, v in sound.items() if not column_faults([c], None, where)}
    for column, values in known.items():
        found += number_faults({column: values.ravel()}, where,
                               cell_names(names, values.shape[1]))
    return found


def cell_names(names: Sequence[Any], periods: int) -> Callable[[int], str]:
    """Names, in messages, of the cells of an array of scenarios x periods, row by row.

    Parameters
    ----------
    names : sequence of str
        Of the scenarios.
    periods : int

    Returns
    -------
    callable
        f(i): "in scenario 's1', period 3" of the i-th number.
    """
    def name(i: int) -> str:
        return f"in scenario {str(names[i // periods])!r}, period {i % periods}"
    return name


def _names(names: Sequence[Any], where: str) -> Iterator[Fault]:
    if not len(names):
        yield Fault(where, "has no scenario", "Give at least one.")
    wrong = [name for name in names if not (isinstance(name, str) and name.strip())]
    if wrong:
        yield Fault(f"{where}, names", f"holds {listed(wrong, 3)}", "Names are texts.")
    twice = [name for name, count in Counter(map(str, names)).items() if count > 1]
    if twice:
        yield Fault(f"{where}, names", f"holds {listed(twice, 3)} twice",
                    "Give each scenario its own name.")


def _probabilities(names: Sequence[Any], given: Any, where: str) -> Iterator[Fault]:
    place = f"{where}, probabilities"
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        yield Fault(place, f"is {shown(given)}", "Give numbers, one for each scenario.")
        return
    if values.shape != (len(names),):
        count = f"{len(values)} numbers" if values.ndim == 1 else f"the shape {values.shape}"
        yield Fault(place, f"has {count} for {len(names)} scenarios", "Give one for each.")
        return
    for wrong, what in ((~np.isfinite(values), "no finite number"), (values < 0, "below 0")):
        if wrong.any():
            first = int(wrong.argmax())
            yield Fault(place, f"is {values[first]:g}, {what}, of scenario "
                        f"{str(names[first])!r}", "Give shares of 1.")
            return
    if len(values) and abs(values.sum() - 1.0) > PRINTED:
        total = float(values.sum())
        cure = "Divide percent by 100." if abs(total - 100.0) <= 1.0 else (
            "Divide each by their sum, or leave them out: then all are the same.")
        yield Fault(place, f"add to {total:.7g}, not to 1", cure)


def _outages(names: Sequence[Any], given: Any, where: str) -> Iterator[Fault]:
    place = f"{where}, outages"
    if not isinstance(given, Mapping):
        yield Fault(place, f"is {shown(given)}", 'Give {"s1": ["line 1"]}: elements by scenario.')
        return
    for name, elements in given.items():
        if name not in names:
            yield Fault(place, f"names {shown(name)}, which is no scenario",
                        nearest(name, map(str, names)))
        for what, cure in names_findings(elements, '["line 1"]')[1]:
            yield Fault(f"{place} of {shown(name)}", what, cure)


def _shape(column: Any, values: Any, names: Sequence[Any], where: str) -> list[Fault]:
    """Whether a column is an array of scenarios x periods of finite numbers."""
    place = f"{where}, column {shown(column)}"
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind != "f":
        return [Fault(place, f"is {shown(values)}", "Give an array of scenarios x periods.")]
    if values.shape[0] != len(names) or not values.shape[1]:
        return [Fault(place, f"has the shape {values.shape}, and there are {len(names)} scenarios",
                      "Give a row for each scenario, a column for each period.")]
    wrong = ~np.isfinite(values)
    if wrong.any():
        first = int(wrong.argmax())
        said = "is empty" if np.isnan(values.ravel()[first]) else "is infinite"
        more = f" ({int(wrong.sum())} such)" if wrong.sum() > 1 else ""
        return [Fault(place, f"{said} {cell_names(names, values.shape[1])(first)}{more}",
                      "Give a number.")]
    return []


def as_array(column: str, given: Any, periods: int | None) -> np.ndarray:
    """A column of scenarios as an array, from what a user may give.

    Parameters
    ----------
    column : str
        Its name.
    given : array-like
        Scenarios x periods; or one number for each scenario, which is the same in all its periods,
        and of energy the sum over them.
    periods : int or None
        For one number a scenario; None: not known.

    Returns
    -------
    ndarray
        Of floats where it can be; else as numpy makes it, to be judged.
    """
    rows = items_of(given)
    try:
        values = np.array(given if rows is None else rows, dtype=float)
    except (TypeError, ValueError):
        return np.asarray(given, dtype=object)
    if values.ndim == 1 and periods:
        share = periods if column.partition(".")[0] in SUMS else 1
        return np.repeat(values[:, None] / share, periods, axis=1)
    return values


def refuse_ragged(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise an error where scenarios of a column have different numbers of periods.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Columns, as of `as_array`.

    Raises
    ------
    ModelError
        For each such column which scenario it is.
    """
    faults = []
    for column, values in arrays.items():
        if values.dtype != object or values.ndim != 1:
            continue
        sizes = [len(row) if isinstance(row, Sized) and not isinstance(row, str) else 1
                 for row in values]
        common = max(set(sizes), key=lambda size: (sizes.count(size), size))
        faults += [Fault(f"{WHERE}, column {column!r}", f"has {size} numbers in scenario {k + 1}, "
                         f"and {common} in others", f"Give {common} numbers.")
                   for k, size in enumerate(sizes) if size != common]
    if faults:
        raise ModelError(faults)
