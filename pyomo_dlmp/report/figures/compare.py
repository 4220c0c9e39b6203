"""Runs against each other: markets side by side, and what grows with the datacenters' size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pyomo_dlmp.report.figures.style import CASE_COLORS, CASE_MARKERS, panels, styled

SWEPT = (
    ("datacenters_pay", "datacenters pay ($)"),
    ("mean_active_price_at_datacenters", "mean DLMP at the\ndatacenters ($/MWh)"),
    ("lowest_voltage", "lowest voltage (pu)"),
    ("greatest_VUF", "greatest VUF (%)"),
    ("mean_VUF_at_datacenters", "mean VUF at the\ndatacenters (%)"),
    ("losses", "losses (MWh)"),
)
SIDE_BY_SIDE = (
    ("datacenters_pay", "datacenters pay ($)"), ("cost_of_the_DSO", "cost of the DSO ($)"),
    ("losses", "losses (MWh)"), ("lowest_voltage", "lowest voltage (pu)"),
    ("greatest_VUF", "greatest VUF (%)"), ("price_of_anarchy", "price of anarchy"),
)

ALIKE = 0.7  # least over greatest value from which bars would look alike


def by_run(summary: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """One row for each run: base, loading, market, and its summary's numbers as columns.

    Parameters
    ----------
    summary : DataFrame
        Columns case, quantity, value, unit.
    cases : DataFrame
        Columns case, base, loading (1), market.

    Returns
    -------
    DataFrame
        Columns case, base, loading, market and a column of numbers for each quantity.
    """
    wide = summary.assign(value=pd.to_numeric(summary["value"], errors="coerce")).pivot_table(
        index="case", columns="quantity", values="value", observed=True)
    return cases.merge(wide, on="case", how="left")


@styled
def sweep(summary: pd.DataFrame, cases: pd.DataFrame) -> Figure:
    """Key figures over the datacenters' loading; a line for each case (and market).

    Parameters
    ----------
    summary : DataFrame
        Columns case, quantity, value, unit.
    cases : DataFrame
        Columns case, base, loading (1), market.

    Returns
    -------
    Figure
    """
    runs = by_run(summary, cases)
    shown = [(q, name) for q, name in SWEPT if q in runs.columns]
    columns = 3
    figure, axes = panels(math.ceil(len(shown) / columns), columns, 2.5, sharex=True)
    markets = runs["market"].unique().tolist()
    lines = list(dict.fromkeys(zip(runs["base"], runs["market"], strict=True)))
    for ax, (quantity, name) in zip(axes.flat, shown, strict=False):
        for k, (base, market) in enumerate(lines):
            mine = runs[(runs["base"] == base) & (runs["market"] == market)].sort_values("loading")
            ax.plot(mine["loading"], mine[quantity], marker=CASE_MARKERS[k % len(CASE_MARKERS)],
                    color=CASE_COLORS[k % len(CASE_COLORS)], ms=5, lw=1.6,
                    label=f"{base}, {market}" if len(markets) > 1 else base)
        ax.set_ylabel(name)
    for ax in axes.flat[len(shown):]:
        ax.remove()
    for ax in axes[-1]:
        ax.set_xlabel("loading of the datacenters (1: as in the file)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


@dataclass(frozen=True)
class SideBySide:
    """Markets on the same data, as their pictures need them.

    Attributes
    ----------
    kinds : list of str
        Markets, in the order of the table.
    groups : list of (str, float)
        Case and loading of each group.
    panels : list of (str, ndarray of shape (kinds, groups), bool)
        Title, values (nan: not there), and whether bars would look alike.
    """

    kinds: list[str]
    groups: list[tuple[str, float]]
    panels: list[tuple[str, np.ndarray, bool]]

    def names(self, between: str) -> list[str]:
        """Names of the groups; with their loading where there are several."""
        several = len({loading for _, loading in self.groups}) > 1
        return [f"{base}{between}x{loading:g}" if several else str(base)
                for base, loading in self.groups]


def side_by_side(markets: pd.DataFrame) -> SideBySide:
    """The figures of markets, group by group.

    Parameters
    ----------
    markets : DataFrame
        Columns base, loading, market, quantity, value, unit.

    Returns
    -------
    SideBySide
    """
    kinds = list(dict.fromkeys(markets["market"]))
    groups = list(dict.fromkeys(zip(markets["base"], markets["loading"], strict=True)))
    found = []
    for quantity, name in SIDE_BY_SIDE:
        rows = markets[markets["quantity"] == quantity].set_index(["base", "loading", "market"])
        if len(rows):
            values = rows["value"].astype(float)
            at = [[values.get((*group, kind), np.nan) for group in groups] for kind in kinds]
            found.append((name, np.array(at, dtype=float), values.min() > ALIKE * values.max()))
    return SideBySide(kinds, groups, found)


@styled
def market_bars(markets: pd.DataFrame) -> Figure:
    """Markets side by side: a panel for each figure, in groups by case and loading.

    Bars stand on zero. Where the values lie so close together that bars would look alike, dots on
    an axis of their own are drawn instead.

    Parameters
    ----------
    markets : DataFrame
        Columns base, loading, market, quantity, value, unit.

    Returns
    -------
    Figure
    """
    shown = side_by_side(markets)
    figure, axes = panels(math.ceil(len(shown.panels) / 3), 3, 2.5)
    for ax, (name, values, alike) in zip(axes.flat, shown.panels, strict=False):
        for k, y in enumerate(values):
            _draw_market(ax, y, k, len(values), as_dots=alike)
        ax.margins(y=0.12 if alike else 0.06)
        ax.set_title(name)
        ax.set_xlim(-0.6, len(shown.groups) - 0.4)
        ax.set_xticks(range(len(shown.groups)), shown.names("\n"))
        ax.grid(axis="x", visible=False)
    for ax in axes.flat[len(shown.panels):]:
        ax.remove()
    handles = [Patch(color=CASE_COLORS[k % len(CASE_COLORS)], label=kind)
               for k, kind in enumerate(shown.kinds)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw_market(ax: Axes, y: np.ndarray, k: int, kinds: int, *, as_dots: bool) -> None:
    """The values of the k-th market, each in its place within its group."""
    width = 0.8 / kinds
    x = np.arange(len(y)) + (k - (kinds - 1) / 2) * width
    color = CASE_COLORS[k % len(CASE_COLORS)]
    if as_dots:
        ax.plot(x, y, CASE_MARKERS[k % len(CASE_MARKERS)], color=color, ms=7)
    else:
        ax.bar(x, y, 0.92 * width, color=color)
