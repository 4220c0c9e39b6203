"""Prices that are to a large part the penalty of a broken soft limit, and the limit that makes it.

The rule is `opf.flagged`': a share above `LARGE_SHARE`. Here it is applied to the tables
of a results folder.
"""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.results.flags import LARGE_SHARE, penalty_share
from pyomo_dlmp.tolerances import SAME_VOLTAGE

COLUMNS = ["case", "bus", "period", "price", "penalty", "share", "limit"]


def flagged_prices(results: Results) -> pd.DataFrame:
    """Prices of buses that are to a large part penalty.

    Parameters
    ----------
    results : Results

    Returns
    -------
    DataFrame
        Columns case, bus, period, price and penalty ($/MWh, mean of the phases), share (1), limit
        (that is broken furthest in the period, in words); greatest share first.
    """
    limits = _broken(results)
    parts = results.decomposition
    if not len(limits) or not len(parts):
        return pd.DataFrame(columns=COLUMNS)
    keys = ["case", "bus", "period"]
    prices, parts = (_plain(table[table["quantity"] == "active"])
                     for table in (results.prices, parts))
    price = prices.groupby(keys)["value"].mean()
    penalty = parts[parts["part"].astype(str) == "voltage"].groupby(keys)["value"].mean()
    table = pd.DataFrame({"price": price, "penalty": penalty}).dropna().reset_index()
    table = table.merge(limits, on=["case", "period"])
    table["share"] = [penalty_share(part, whole)
                      for part, whole in zip(table["penalty"], table["price"], strict=True)]
    found = table[table["share"] > LARGE_SHARE].sort_values("share", ascending=False)
    return found[COLUMNS].reset_index(drop=True)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Its keys as texts, its values as numbers."""
    keys = {key: table[key].astype(str) for key in ("case", "bus", "period")}
    return table.assign(**keys, value=table["value"].astype(float))


def _broken(results: Results) -> pd.DataFrame:
    """The soft voltage limit that is broken furthest, by case and period."""
    rows = results.voltages[results.voltages["quantity"] == "line_to_neutral"]
    low, high = results.number("v_min"), results.number("v_max")
    if results.study.get("voltage_limits") != "soft" or not len(rows) or (
            low is None and high is None):
        return pd.DataFrame(columns=["case", "period", "limit"])
    rows = _plain(rows)
    v = rows["value"]
    below = v * 0.0 if low is None else low - v
    above = v * 0.0 if high is None else v - high
    rows["beyond"] = pd.concat([below, above], axis=1).max(axis=1)
    rows["limit"] = [
        f"{bus}.{phase} {x:.4f} pu {'<' if under > over else '>'} "
        f"{low if under > over else high:g} pu" for bus, phase, x, under, over in zip(
            rows["bus"], rows["phase"], v, below, above, strict=True)]
    rows = rows[rows["beyond"] > SAME_VOLTAGE]
    return rows.sort_values("beyond", ascending=False).drop_duplicates(["case", "period"])[
        ["case", "period", "limit"]]


def flag_sentence(results: Results) -> str:
    """What there is to say of such prices, in a sentence; "" without any.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str
    """
    table = flagged_prices(results)
    if not len(table):
        return ""
    worst = table.iloc[0]
    count = results.prices[results.prices["quantity"] == "active"].drop_duplicates(
        ["case", "bus", "period"]).shape[0]
    return (f"{len(table):,} of {count:,} prices (by case, bus and hour) are to more than "
            f"{100 * LARGE_SHARE:.0f} % the penalty of a broken limit, not a cost of power; most "
            f"of all {100 * worst['share']:.0f} % of {worst['price']:.2f} $/MWh in "
            f"“{worst['case']}” at bus {worst['bus']}, hour {worst['period']} (broken "
            f"furthest then: {worst['limit']}).")
