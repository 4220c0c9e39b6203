"""Runs against each other: markets side by side, and what grows with the datacenters' size."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import pandas as pd

from pyomo_dlmp.report.figures.compare import SWEPT, by_run, side_by_side
from pyomo_dlmp.report.figures.style import CASE_COLORS
from pyomo_dlmp.report.live.panels import Chart, Panels, plain

_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "triangle-down", "cross",
            "x", "star")


def sweep_chart(summary: pd.DataFrame, cases: pd.DataFrame) -> Chart:
    """Key figures over the datacenters' loading; a line for each case (and market).

    Parameters
    ----------
    summary, cases : DataFrame
        As of `figures.compare.sweep`.

    Returns
    -------
    Chart
    """
    runs = by_run(summary, cases)
    shown = [(q, " ".join(name.split())) for q, name in SWEPT if q in runs.columns]
    several = runs["market"].nunique() > 1
    panels = Panels([name for _, name in shown], each=130)
    for row, (quantity, _) in enumerate(shown):
        groups = runs.groupby(["base", "market"], sort=False, observed=True)
        for k, ((base, market), mine) in enumerate(groups):
            mine = mine.sort_values("loading")
            panels.add(row, f"{base}, {market}" if several else str(base), mine["loading"],
                       mine[quantity], mode="lines+markers", **_look(k))
    return panels.chart(
        [""] * len(shown),
        "Key figures over the size of the datacenters (multiples of the file's), by case.",
        "Lines of payment, price, voltage and unbalance over the datacenters' loading.",
        over="loading of the datacenters (1: as in the file)")


def market_chart(markets: pd.DataFrame) -> Chart:
    """Markets side by side: a panel for each figure, in groups by case and loading.

    Parameters
    ----------
    markets : DataFrame
        Columns base, loading, market, quantity, value, unit.

    Returns
    -------
    Chart
    """
    shown = side_by_side(markets)
    kinds, count, names = shown.kinds, len(shown.groups), shown.names(", ")
    panels, width = Panels([name for name, _, _ in shown.panels], each=120), 0.8 / len(kinds)
    for row, (_, values, alike) in enumerate(shown.panels):
        for k, kind in enumerate(kinds):
            color = _look(k)["marker"]["color"]
            look = ({"mode": "markers", **_look(k)} if alike else
                    {"type": "bar", "width": 0.92 * width, "marker": {"color": color}})
            panels.add(row, str(kind), np.arange(count) + (k - (len(kinds) - 1) / 2) * width,
                       pd.Series(values[k]), hoverinfo="text+y",
                       hovertext=[f"{plain(name)}, {plain(str(kind))}" for name in names], **look)
    chart = panels.chart(
        [""] * len(shown.panels),
        "Markets side by side. Bars stand on zero; dots, where values lie close together, have "
        "axes that do not start there.",
        "Bars of payment, cost, losses, voltage and unbalance by market.",
        over="", barmode="overlay", hovermode="closest")
    chart.figure["layout"]["xaxis"] |= {
        "tickvals": list(range(count)), "ticktext": ["<br>".join(map(plain, wrap(
            name, max(8, 60 // count)))) for name in names],
        "range": [-0.6, count - 0.4]}
    return chart


def _look(k: int) -> dict[str, dict]:
    color = CASE_COLORS[k % len(CASE_COLORS)]
    return {"line": {"color": color, "width": 2},
            "marker": {"symbol": _SYMBOLS[k % len(_SYMBOLS)], "size": 8, "color": color}}
