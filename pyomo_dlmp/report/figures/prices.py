"""DLMPs by hour: their spread over the buses, and bus by bus as heat maps."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pyomo_dlmp.report.derived import bus_order, cases_of, grid, periods_of, phases_of, pick
from pyomo_dlmp.report.figures.style import (
    INK,
    colormap,
    colour_bar,
    hour_axis,
    norm_of,
    panels,
    phase_title,
    site_colors,
    steps,
    styled,
)

NAMES = {"active": "active DLMP ($/MWh)", "reactive": "reactive DLMP ($/Mvarh)"}
_BAND, _MEDIAN = "#ccd6e0", "#52606d"


def price_name(prices: pd.DataFrame, quantity: str) -> str:
    """What a price is called on an axis, with its unit.

    Parameters
    ----------
    prices : DataFrame
        Columns case, bus, phase, period, quantity, value ($/MWh, $/Mvarh), unit.
    quantity : str
        "active" or "reactive".

    Returns
    -------
    str
    """
    units = pick(prices, quantity=quantity)["unit"].unique().tolist()
    return NAMES.get(quantity, f"{quantity} ({', '.join(units)})")


@styled
def price_by_hour(
    prices: pd.DataFrame,
    sites: Mapping[str, str],
    *,
    quantity: str = "active",
    substation: tuple[str, Mapping[Hashable, float]] | None = None,
) -> Figure:
    """Spread of the DLMP over the buses by hour; rows are cases, columns phases, one scale.

    Parameters
    ----------
    prices : DataFrame
        Columns case, bus, phase, period, quantity, value ($/MWh, $/Mvarh), unit.
    sites : mapping of str to str
        Name of a datacenter -> its bus; each is drawn as a line.
    quantity : str
        "active" or "reactive".
    substation : (str, mapping), optional
        A name, and the price at the substation ($/MWh) by period.

    Returns
    -------
    Figure
    """
    rows = pick(prices, quantity=quantity)
    periods, phases, cases = periods_of(rows), phases_of(rows), cases_of(rows)
    colors = site_colors(list(sites))
    figure, axes = panels(len(cases), len(phases), 2.5, sharex=True, sharey=True)
    for i, case in enumerate(cases):
        for j, phase in enumerate(phases):
            ax = axes[i, j]
            phase_title(ax, phase, case)
            hour_axis(ax, periods, label=i == len(cases) - 1)
            ax.use_sticky_edges = False
            ax.margins(y=0.06)
            table = pick(rows, case=case, phase=phase)
            if len(table):
                _draw_spread(ax, grid(table, "period", "bus"), periods, sites, colors)
            if substation is not None:
                series = pd.Series(dict(substation[1]))
                steps(ax, series, periods, color=INK, lw=1.2, ls=(0, (2, 1.5)))
        axes[i, 0].set_ylabel(price_name(prices, quantity))
    handles: list[Any] = [
        Patch(color=_BAND, label="lowest to highest bus"),
        Line2D([], [], color=_MEDIAN, lw=1.6, label="median bus"),
    ]
    handles += [
        Line2D([], [], color=colors[site], lw=1.8, label=f"{site} (bus {bus})")
        for site, bus in sites.items()
    ]
    if substation is not None:
        handles.append(Line2D([], [], color=INK, lw=1.2, ls=(0, (2, 1.5)), label=substation[0]))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw_spread(
    ax: Axes,
    by_bus: pd.DataFrame,
    periods: list[Hashable],
    sites: Mapping[str, str],
    colors: Mapping[str, str],
) -> None:
    by_bus = by_bus.reindex(periods)
    edges = np.arange(len(periods) + 1)
    low, high = by_bus.min(axis=1).to_numpy(), by_bus.max(axis=1).to_numpy()
    ax.stairs(high, edges, baseline=low, fill=True, color=_BAND)
    steps(ax, by_bus.median(axis=1), periods, color=_MEDIAN, lw=1.6)
    for site, bus in sites.items():
        if bus in by_bus.columns:
            steps(ax, by_bus[bus], periods, color=colors[site], lw=1.8)


@styled
def price_heat_map(
    prices: pd.DataFrame,
    buses: pd.DataFrame,
    *,
    quantity: str = "active",
    sites: Mapping[str, str] | None = None,
) -> Figure:
    """DLMP of every bus and hour; rows are cases, columns phases; grey where a phase is absent.

    Buses run from the substation (top) outwards; those of `sites` are marked by a triangle.

    Parameters
    ----------
    prices : DataFrame
        Columns case, bus, phase, period, quantity, value ($/MWh, $/Mvarh), unit.
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    quantity : str
        "active" or "reactive".
    sites : mapping of str to str
        Name of a datacenter -> its bus.

    Returns
    -------
    Figure
    """
    rows = pick(prices, quantity=quantity)
    norm, extend = norm_of(rows["value"].to_numpy(dtype=float))
    cases = [(case, pick(rows, case=case)) for case in cases_of(rows)]
    return _heat_map(
        cases, rows, buses, sites or {}, norm, "viridis", price_name(prices, quantity), extend
    )


@styled
def price_difference(
    prices: pd.DataFrame,
    buses: pd.DataFrame,
    *,
    quantity: str = "active",
    sites: Mapping[str, str] | None = None,
) -> Figure:
    """DLMP of each later case minus that of the first, every bus and hour; blue is cheaper.

    Parameters
    ----------
    prices : DataFrame
        Columns case, bus, phase, period, quantity, value ($/MWh, $/Mvarh), unit.
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    quantity : str
        "active" or "reactive".
    sites : mapping of str to str
        Name of a datacenter -> its bus.

    Returns
    -------
    Figure
    """
    rows = pick(prices, quantity=quantity)
    keys = ["bus", "phase", "period"]
    first, *others = cases_of(rows)
    base = pick(rows, case=first).set_index(keys)["value"]
    pairs = []
    for case in others:
        change = (pick(rows, case=case).set_index(keys)["value"] - base).reset_index()
        pairs.append((f"{case} minus {first}", change))
    values = np.concatenate([table["value"].to_numpy(dtype=float) for _, table in pairs])
    norm, extend = norm_of(values, centred=True)
    name = "change of " + price_name(prices, quantity)
    return _heat_map(pairs, rows, buses, sites or {}, norm, "RdBu_r", name, extend)


def _heat_map(
    cases: list[tuple[str, pd.DataFrame]],
    rows: pd.DataFrame,
    buses: pd.DataFrame,
    sites: Mapping[str, str],
    norm: Any,
    palette: str,
    label: str,
    extend: str,
) -> Figure:
    order, periods, phases = bus_order(buses, rows), periods_of(rows), phases_of(rows)
    cmap = colormap(palette)
    # A bus needs about 0.12 inch for its name; larger feeders show every second, third ... name.
    height = float(np.clip(0.122 * len(order), 1.6, 5.2)) + 0.4
    every = max(1, int(np.ceil(len(order) * 0.115 / 5.2)))
    figure, axes = panels(len(cases), len(phases), height, sharex=True, sharey=True)
    for i, (case, table) in enumerate(cases):
        for j, phase in enumerate(phases):
            ax = axes[i, j]
            ax.grid(False)
            cells = grid(pick(table, phase=phase), "bus", "period", order=order)
            cells = cells.reindex(columns=periods).astype(float)
            ax.imshow(
                np.ma.masked_invalid(cells.to_numpy()), aspect="auto", norm=norm, cmap=cmap,
                extent=(0, len(periods), len(order), 0), interpolation="nearest",
            )  # fmt: skip
            phase_title(ax, phase, case)
            hour_axis(ax, periods, label=i == len(cases) - 1)
            for bus in sites.values():
                if bus in order:
                    y = order.index(bus) + 0.5
                    ax.plot([len(periods)], [y], "<", color=INK, ms=5, clip_on=False)
        axes[i, 0].set_yticks(np.arange(0, len(order), every) + 0.5, order[::every])
        axes[i, 0].tick_params(axis="y", labelsize=7, length=0)
        axes[i, 0].set_ylabel("bus, by distance from the substation")
    for ax in axes[:, 1:].flat:
        ax.yaxis.set_visible(False)  # a tick for each bus, without name or mark, takes its time
    colour_bar(figure, axes, norm, cmap, label, extend)
    return figure
