"""Numbers that several pictures need, taken from the tidy tables."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import pandas as pd

from pyomo_dlmp.tolerances import ROUNDING


def cases_of(table: pd.DataFrame) -> list[str]:
    """Cases that have rows in `table`, in the order of the study."""
    present = list(dict.fromkeys(table["case"].tolist()))
    return [case for case in all_cases(table) if case in present]


def all_cases(table: pd.DataFrame) -> list[str]:
    """Every case of the study, also those without a row in `table`."""
    case = table["case"]
    if isinstance(case.dtype, pd.CategoricalDtype):
        return [str(name) for name in case.cat.categories]
    return list(dict.fromkeys(case.tolist()))


def periods_of(table: pd.DataFrame) -> list[Hashable]:
    """Periods in `table`, ascending."""
    return sorted(table["period"].unique().tolist())


def phases_of(table: pd.DataFrame) -> list[str]:
    """Phases or legs in `table`, alphabetical but for ``ca``, which comes after ``bc``."""
    order = ["a", "b", "c", "ab", "bc", "ca"]
    present = {str(phase) for phase in table["phase"].tolist()} - {""}
    rest = sorted(present - set(order))
    return [phase for phase in order if phase in present] + rest


def pick(table: pd.DataFrame, **equals: object) -> pd.DataFrame:
    """Rows of `table` whose columns equal the given values."""
    for column, value in equals.items():
        table = table[table[column] == value]
    return table


def grid(
    table: pd.DataFrame, rows: str, columns: str, *, order: list[str] | None = None
) -> pd.DataFrame:
    """`value` as a matrix over two columns of `table`; NaN where a row is missing."""
    wide = table.pivot_table(index=rows, columns=columns, values="value", aggfunc="mean")
    return wide if order is None else wide.reindex(order)


def bus_order(buses: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Buses of `table` from the substation outwards, by distance."""
    present = set(table["bus"].tolist())
    known = buses.sort_values("distance_km", kind="stable")["bus"].tolist()
    ordered = [bus for bus in known if bus in present]
    return ordered + sorted(present - set(ordered))


def totals(dispatch: pd.DataFrame, kind: str, quantity: str = "active") -> pd.DataFrame:
    """Total of each element (MW or Mvar): columns case, element, bus, period, value.

    A row with an empty phase is the total as written; where there is none, legs are added up.
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
    """Elements of one kind and the bus each is at."""
    rows = dispatch[dispatch["kind"] == kind].drop_duplicates("element")
    return dict(zip(rows["element"].tolist(), rows["bus"].tolist(), strict=True))


def peak_period(dispatch: pd.DataFrame, prices: pd.DataFrame) -> Hashable | None:
    """The hour of the feeder's greatest import (MW) in the first case.

    Without substation rows: the hour of the highest mean active price. None without any row.
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
    """Average active price of all datacenters ($/MWh): columns case, period, value.

    Payment for active power over energy; `hours` is the length of a period.
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
    """What energy costs at the head of the feeder ($/MWh by period), and what to call it.

    Sought in the dispatch (kind substation, quantity price), then in the study's
    `substation_price` (a list, one number per period), then as the DLMP of the substation's bus.
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
