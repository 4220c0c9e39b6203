"""Markets side by side: what coordination is worth, and to whom."""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.market import MARKETS
from pyomo_dlmp.results import schema

QUANTITIES = (
    "datacenters_pay", "datacenters_would_pay_at_DLMPs", "cost_of_the_DSO", "losses",
    "lowest_voltage", "greatest_VUF", "greatest_PVUR", "thermal_limits_at_their_rating",
    "greatest_price_spread_between_phases", "mean_active_price_at_datacenters")
# of what the datacenters pay: a transfer that the DSO's cost holds, and a cost that it does not
_BESIDE = ("datacenters_pay_for_compensation", "datacenters_pay_for_backup")


def markets_table(summary: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Markets side by side, with the price of anarchy.

    The price of anarchy is the DSO's cost over that of the market of least cost (the cooperative
    one) at the same base and loading: the work done is the same, payments are transfers. Where the
    DSO curtails, compensation is taken out of its cost, and the sites' own energy is added.

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
    cost = rows[rows["quantity"] == "cost_of_the_DSO"].set_index("case")
    apart = summary[summary["quantity"].isin(_BESIDE)]
    beside = apart.assign(value=apart["value"].astype(float)).groupby("case")["value"].sum()
    cost = cost.assign(value=cost["value"].add(beside, fill_value=0.0)).reset_index()
    least = [name for name, row in MARKETS.items() if row.least_cost]
    best = cost[cost["market"].isin(least)].set_index(["base", "loading"])["value"]
    ratio = cost.join(best.rename("best"), on=["base", "loading"], how="inner")
    ratio = ratio.assign(quantity="price_of_anarchy", value=ratio["value"] / ratio["best"],
                         unit="ratio")
    return pd.concat([rows[schema.MARKETS.names], ratio[schema.MARKETS.names]], ignore_index=True)
