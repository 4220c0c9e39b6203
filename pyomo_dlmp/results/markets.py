"""Markets side by side: what coordination is worth, and to whom."""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.market import MARKETS
from pyomo_dlmp.results import schema
from pyomo_dlmp.tolerances import SAME_OBJECTIVE

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


def below_one(markets: pd.DataFrame) -> str:
    """What there is to say of prices of anarchy below 1, in a sentence; "" where there are none.

    Parameters
    ----------
    markets : DataFrame
        A `markets_table`.

    Returns
    -------
    str
    """
    rows = markets[markets["quantity"] == "price_of_anarchy"]
    rows = rows[rows["value"].astype(float) < 1.0 - SAME_OBJECTIVE]
    if not len(rows):
        return ""
    worst = rows.iloc[int(rows["value"].astype(float).argmin())]
    return (f"A price of anarchy is below 1 ({float(worst['value']):.6g}, {worst['market']!r}, "
            f"loading {worst['loading']:g}): no market costs less than the optimum, so the "
            "cooperative market's answer is a local optimum (AC), within its gap, or of limits "
            "that the other one does not keep; it is no measure of what coordination is worth.")
