"""Numbers that several pictures need, taken from the tidy tables."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from pyomo_dlmp.tolerances import ROUNDING


def cases_of(table: pd.DataFrame) -> list[str]:
    """Cases that have rows in `table`, in the order of the study.

    Parameters
    ----------
    table : DataFrame
        A table of the results.

    Returns
    -------
    list of str
    """
    present = list(dict.fromkeys(table["case"].tolist()))
    return [case for case in all_cases(table) if case in present]


def all_cases(table: pd.DataFrame) -> list[str]:
    """Every case of the study, also those without a row in `table`.

    Parameters
    ----------
    table : DataFrame
        A table of the results.

    Returns
    -------
    list of str
    """
    case = table["case"]
    if isinstance(case.dtype, pd.CategoricalDtype):
        return [str(name) for name in case.cat.categories]
    return list(dict.fromkeys(case.tolist()))


def periods_of(table: pd.DataFrame) -> list[Hashable]:
    """Periods in `table`, ascending.

    Parameters
    ----------
    table : DataFrame
        A table of the results.

    Returns
    -------
    list
    """
    return sorted(table["period"].unique().tolist())


def phases_of(table: pd.DataFrame) -> list[str]:
    """Phases or legs in `table`, alphabetical but for ``ca``, which comes after ``bc``.

    Parameters
    ----------
    table : DataFrame
        A table of the results.

    Returns
    -------
    list of str
    """
    order = ["a", "b", "c", "ab", "bc", "ca"]
    present = {str(phase) for phase in table["phase"].tolist()} - {""}
    rest = sorted(present - set(order))
    return [phase for phase in order if phase in present] + rest


def pick(table: pd.DataFrame, **equals: object) -> pd.DataFrame:
    """Rows of a table whose columns equal the given values.

    Parameters
    ----------
    table : DataFrame
        A table of the results.
    **equals : object
        Column -> the value that it must have.

    Returns
    -------
    DataFrame
        The rows with their index.
    """
    for column, value in equals.items():
        table = table[table[column] == value]
    return table


def grid(
    table: pd.DataFrame, rows: str, columns: str, *, order: list[str] | None = None
) -> pd.DataFrame:
    """`value` as a matrix over two columns of a table.

    Parameters
    ----------
    table : DataFrame
        A table of the results.
    rows, columns : str
        Names of the columns that become its index and its columns.
    order : list of str, optional
        Rows of the matrix in this order.

    Returns
    -------
    DataFrame, shape (rows, columns)
        Means where several rows fall together, NaN where there is none.
    """
    wide = table.pivot_table(index=rows, columns=columns, values="value", aggfunc="mean")
    return wide if order is None else wide.reindex(order)


def bus_order(buses: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Buses of a table from the substation outwards, by distance.

    Parameters
    ----------
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    table : DataFrame
        A table of the results.

    Returns
    -------
    list of str
        Buses that `buses` lacks stand last.
    """
    present = set(table["bus"].tolist())
    known = buses.sort_values("distance_km", kind="stable")["bus"].tolist()
    ordered = [bus for bus in known if bus in present]
    return ordered + sorted(present - set(ordered))


def totals(dispatch: pd.DataFrame, kind: str, quantity: str = "active") -> pd.DataFrame:
    """Total of each element by period.

    A row with an empty phase is the total as written; where there is none, legs are added up.

    Parameters
    ----------
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    kind : str
        Such as "datacenter" or "substation".
    quantity : str
        "active" or "reactive".

    Returns
    -------
    DataFrame
        Columns case, element, bus, period, value (MW or Mvar).
    """
    rows = pick(dispatch, kind=kind, quantity=quantity)
    keys = ["case", "element", "bus", "period"]
    whole = rows[rows["phase"] == ""]
    split = rows[rows["phase"] != ""]
    written = set(zip(whole["case"], whole["element"], strict=True))
    known = [pair in written for pair in zip(split["case"], split["element"], strict=True)]
    split = split[[not k for k in known]]
    both = pd.concat([whole, split]) if len(split) else whole
    return both.groupby(keys, observed=True, sort=True)["value"].sum().reset_index()


def sites_of(dispatch: pd.DataFrame, kind: str = "datacenter") -> dict[str, str]:
    """Elements of one kind and the bus each is at.

    Parameters
    ----------
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    kind : str
        Such as "datacenter" or "svg".

    Returns
    -------
    dict of str to str
        Name -> bus, in the order of the table: figures take colours in this order.
    """
    rows = dispatch[dispatch["kind"] == kind].drop_duplicates("element")
    return dict(zip(rows["element"].tolist(), rows["bus"].tolist(), strict=True))


def peak_period(dispatch: pd.DataFrame, prices: pd.DataFrame) -> Hashable | None:
    """The hour of the feeder's greatest import (MW) in the first case.

    Without substation rows: the hour of the highest mean active price.

    Parameters
    ----------
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    prices : DataFrame
        Columns case, bus, phase, period, quantity, value ($/MWh, $/Mvarh), unit.

    Returns
    -------
    hashable or None
        None without any row.
    """
    power = totals(dispatch, "substation")
    if power.empty:
        power = prices[prices["quantity"] == "active"]
    if power.empty:
        return None
    first = pick(power, case=cases_of(power)[0])
    by_period = first.groupby("period")["value"].mean()
    return by_period.index.tolist()[int(by_period.to_numpy().argmax())]


def price_paid(payments: pd.DataFrame, dispatch: pd.DataFrame, hours: float = 1.0) -> pd.DataFrame:
    """Average active price of all datacenters: payment for active power over energy.

    Parameters
    ----------
    payments : DataFrame
        Columns case, element, bus, period, quantity, value ($), unit.
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    hours : float
        Length of a period (h).

    Returns
    -------
    DataFrame
        Columns case, period, value ($/MWh); periods in which nothing is used are left out.
    """
    paid = pick(payments, quantity="active").groupby(["case", "period"], observed=True)["value"]
    power = totals(dispatch, "datacenter").groupby(["case", "period"], observed=True)["value"]
    both = pd.concat([paid.sum(), hours * power.sum()], axis=1, keys=["paid", "energy"]).dropna()
    both = both[both["energy"] > ROUNDING]
    value = (both["paid"] / both["energy"]).rename("value")
    return value.reset_index()


def substation_price(
    dispatch: pd.DataFrame, prices: pd.DataFrame, study: Mapping[str, str]
) -> tuple[str, dict[Hashable, float]] | None:
    """What energy costs at the head of the feeder, and what to call it.

    Sought in the dispatch (kind substation, quantity price), then in the study's
    `substation_price` (a list, one number per period), then as the DLMP of the substation's bus.

    Parameters
    ----------
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    prices : DataFrame
        Columns case, bus, phase, period, quantity, value ($/MWh, $/Mvarh), unit.
    study : mapping of str to str
        Keys and values of ``study.csv``.

    Returns
    -------
    (str, dict) or None
        A name, and $/MWh by period; None where nothing says it.
    """
    rows = pick(dispatch, kind="substation", quantity="price")
    if len(rows):
        by_period = rows.groupby("period")["value"].mean()
        return "price at the substation", dict(by_period.items())
    periods = periods_of(prices)
    words = study.get("substation_price", "").replace(",", " ").replace(";", " ").split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if values and len(values) in (1, len(periods)):
        values = values * (len(periods) // len(values))
        return "price at the substation", dict(zip(periods, values, strict=True))
    head = set(sites_of(dispatch, "substation").values())
    rows = prices[prices["bus"].isin(head) & (prices["quantity"] == "active")]
    if rows.empty:
        return None
    by_period = rows.groupby("period")["value"].mean()
    return "DLMP at the substation (mean of phases)", dict(by_period.items())


def weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The least value that is not exceeded with a probability of `share`.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In the unit of the result.
    weights : ndarray, shape (n,)
        Probabilities.
    share : float
        From 0 to 1.

    Returns
    -------
    float
    """
    order = np.argsort(values)
    up = np.cumsum(weights[order])
    place = int(np.searchsorted(up, share * up[-1] - ROUNDING))
    return float(values[order][min(place, len(values) - 1)])


def cvar(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    """Mean of the worst part of a distribution (conditional value at risk).

    Rockafellar and Uryasev, Journal of Risk 2 (2000), for finitely many values: of a value that
    lies across the level only the part beyond it counts.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Costs.
    weights : ndarray, shape (n,)
        Their probabilities.
    level : float
        Share of the best that is left out, below 1; 0: the mean.

    Returns
    -------
    float
        In the unit of the values.
    """
    order = np.argsort(values)[::-1]
    taken = np.diff(np.minimum(np.cumsum(weights[order]), 1.0 - level), prepend=0.0)
    return float(taken @ values[order] / taken.sum())
