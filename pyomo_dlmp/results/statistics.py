"""Results in a few numbers by bus, phase and case: mean, extremes, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import ModelError, nearest
from pyomo_dlmp.tolerances import ROW_HOLDS

PLACES = ("case", "element", "bus", "phase")
TABLES = ("prices", "voltages", "unbalance", "dispatch", "payments")
COLUMNS = ["table", *PLACES, "quantity", "unit", "mean", "min", "max", "at_min", "at_max",
           "p5", "median", "p95", "hours", "hours_below", "hours_above"]


def statistics_table(tables: Mapping[str, pd.DataFrame], *, by: Sequence[str] = PLACES,
                     hours: float = 1.0, v_min: float = np.nan, v_max: float = np.nan,
                     vuf_max: float = np.nan) -> pd.DataFrame:
    """Mean, extremes and durations of what a solved model says hour by hour.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By name: `prices`, `voltages`, `unbalance`, `dispatch`, `payments`, as far as they are
        there; others are left out. With or without the column `case`.
    by : sequence of str
        What the numbers are told apart by, any of "case", "element", "bus", "phase"; over the
        others they are taken together.
    hours : float
        Length of a period (h).
    v_min, v_max : float
        Limits of voltages line to neutral (pu).
    vuf_max : float
        Limit of the VUF (%).

    Returns
    -------
    DataFrame
        A row for each table, place, quantity and unit; columns `table`, `case`, `element`, `bus`,
        `phase` (empty where taken together), `quantity`, `unit`, `mean`, `min`, `max`, `at_min`,
        `at_max` (the periods of these), `p5`, `median`, `p95` (of the values: what is below in 5,
        50 and 95 % of them), `hours` (that there are values for), `hours_below`, `hours_above` (in
        which at least one value is beyond its limit; nan where there is none).

    Raises
    ------
    ModelError
        For another word in `by`.
    """
    by = [by] if isinstance(by, str) else list(by)
    wrong = [word for word in by if word not in PLACES]
    if wrong:
        raise ModelError.at("statistics", f"cannot be told apart by {wrong[0]!r}",
                            nearest(wrong[0], PLACES))
    limits = {("voltages", "line_to_neutral"): (v_min, v_max),
              ("unbalance", "VUF"): (np.nan, vuf_max)}
    parts = [_of_table(name, tables[name], by, hours, limits)
             for name in TABLES if name in tables and len(tables[name])]
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS))


def _of_table(name: str, table: pd.DataFrame, by: list[str], hours: float, limits) -> pd.DataFrame:
    rows = table.copy()
    for place in PLACES:
        told = place in by and place in rows.columns
        rows[place] = rows[place].astype(str) if told else ""
    keys = [*PLACES, "quantity", "unit"]
    low = rows["quantity"].map({q: one for (t, q), (one, _) in limits.items() if t == name})
    high = rows["quantity"].map({q: one for (t, q), (_, one) in limits.items() if t == name})
    rows = rows.assign(table=name, low=low.astype(float), high=high.astype(float))
    rows = rows.dropna(subset=["value"]).reset_index(drop=True)
    groups = rows.groupby(keys, sort=False)
    value = groups["value"]
    found = value.agg(["mean", "min", "max", "median"])
    found["p5"], found["p95"] = value.quantile(0.05), value.quantile(0.95)
    for which, at in (("at_min", value.idxmin()), ("at_max", value.idxmax())):
        found[which] = rows["period"].to_numpy()[at.to_numpy()]
    found["hours"] = hours * groups["period"].nunique()
    slack = ROW_HOLDS * (1 + rows["value"].abs())
    for which, beyond in (("below", rows["value"] < rows["low"] - slack),
                          ("above", rows["value"] > rows["high"] + slack)):
        count = rows[beyond].groupby(keys, sort=False)["period"].nunique()
        held = groups["low" if which == "below" else "high"].first()
        found[f"hours_{which}"] = (hours * count.reindex(found.index, fill_value=0)).where(
            held.notna())
    return found.reset_index().assign(table=name)[COLUMNS]
