"""Markets side by side: what coordination is worth, and to whom."""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.market import MARKETS
from pyomo_dlmp.results import schema

QUANTITIES = (
    "datacenters_pay", "datacenters_would_pay_at_DLMPs", "cost_of_the_DSO", "losses",
    "lowest_voltage", "greatest_VUF", "greatest_PVUR", "thermal_limits_at_their_rating",
    "greatest_price_spread_between_phases", "mean_active_price_at_datacenters")


def markets_table(summary: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Markets side by side, with the price of anarchy.

    The price of anarchy is the DSO's cost over that of the market of least cost (the cooperative
    one) at the same base and loading: the work done is the same, payments are transfers.

    Parameters
    ----------
    summary : DataFrame
        `summary_table` of several runs with a column `case`.
    cases : DataFrame
        Columns case, base, loading (1), market.

    Returns
    -------
    DataFrame
        Columns base, loading, market, quantity, value, unit.
    """
    rows = summary[summary["quantity"].isin(QUANTITIES)].merge(cases, on="case")
    rows = rows.assign(value=rows["value"].astype(float))
    cost = rows[rows["quantity"] == "cost_of_the_DSO"]
    least = [name for name, row in MARKETS.items() if row.least_cost]
    best = cost[cost["market"].isin(least)].set_index(["base", "loading"])["value"]
    ratio = cost.join(best.rename("best"), on=["base", "loading"], how="inner")
    ratio = ratio.assign(quantity="price_of_anarchy", value=ratio["value"] / ratio["best"],
                         unit="ratio")
    return pd.concat([rows[schema.MARKETS.names], ratio[schema.MARKETS.names]], ignore_index=True)
