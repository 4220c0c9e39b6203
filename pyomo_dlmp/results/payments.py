"""What the datacenters pay, recomputed from the price table: price x quantity x hours."""

from __future__ import annotations

import pandas as pd

COLUMNS = ["element", "bus", "period", "quantity", "value", "unit"]


def payments_table(
    prices: pd.DataFrame, dispatch: pd.DataFrame, net, hours: float,
    pays: str = "active and reactive",
) -> pd.DataFrame:
    """$ of each datacenter and period, quantity active or reactive (only what is paid for).

    prices, dispatch: tables of `prices_table` and `dispatch_table`; a balanced site pays the mean
    over its phases. This does not read the model's objective: it is the check of it.
    """
    wanted = ["active", "reactive"] if pays == "active and reactive" else ["active"]
    sites = dispatch[(dispatch["kind"] == "datacenter") & dispatch["quantity"].isin(wanted)]
    phases = {name: set(dc.phases) for name, dc in net.datacenters.items()}
    parts = []
    for name, mine in sites.groupby("element", sort=False):
        at = net.datacenters[name].bus
        here = prices[(prices["bus"] == at) & prices["phase"].isin(phases[name])]
        mean = here.groupby(["period", "quantity"])["value"].mean().rename("price")
        joined = mine.join(mean, on=["period", "quantity"])
        parts.append(joined.assign(value=joined["price"] * joined["value"] * hours, unit="$"))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts)[COLUMNS].reset_index(drop=True)
