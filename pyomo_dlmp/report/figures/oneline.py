"""The one-line diagram: as a key with names, and as a map of prices or unbalance."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pyomo_dlmp.report.derived import cases_of, phases_of, pick, sites_of
from pyomo_dlmp.report.figures.labels import place_labels
from pyomo_dlmp.report.figures.layout import Positions, positions
from pyomo_dlmp.report.figures.prices import price_name
from pyomo_dlmp.report.figures.style import (
    INK,
    MUTED,
    colormap,
    colour_bar,
    is_large,
    norm_of,
    panels,
    phase_title,
    site_colors,
    styled,
)
from pyomo_dlmp.tolerances import ROUNDING

KINDS = {
    "substation": ("s", "substation", 150),
    "datacenter": ("o", "datacenter", 170),
    "svg": ("^", "SVG", 150),
    "generator": ("D", "generator", 110),
}
"""Device kind -> marker, its name in the legend, its size (pt^2)."""

_MANY = 90  # above so many buses, only devices are named


@styled
def feeder_key(buses: pd.DataFrame, branches: pd.DataFrame, dispatch: pd.DataFrame) -> Figure:
    """The feeder with the names of its buses and its devices; not to scale.

    Parameters
    ----------
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    branches : DataFrame
        Columns branch, from_bus, to_bus.
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.

    Returns
    -------
    Figure
    """
    place = positions(buses, branches)
    marks = device_marks(dispatch)
    figure, axes = panels(1, 1, 6.3)
    ax = axes[0, 0]
    _draw_wires(ax, place, branches)
    points = np.array(list(place.values()), dtype=float)
    ax.scatter(points[:, 0], points[:, 1], s=_dot(len(place)) * 0.45, color=INK, zorder=3,
               rasterized=is_large(place))  # fmt: skip
    handles = _draw_devices(ax, place, marks, filled=True)
    devices = {bus: place[bus] for _, bus, _ in marks if bus in place}
    named = devices | place if len(place) <= _MANY else devices
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=6)
    figure.lay_out()
    place_labels(figure, ax, named, points, _along(place, branches), bold=frozenset(devices))
    return figure


@styled
def price_map(
    prices: pd.DataFrame,
    buses: pd.DataFrame,
    branches: pd.DataFrame,
    dispatch: pd.DataFrame,
    *,
    period: Hashable,
    quantity: str = "active",
) -> Figure:
    """DLMP of one hour on the one-line diagram; rows are cases, columns phases, one scale.

    Parameters
    ----------
    prices : DataFrame
        Columns case, bus, phase, period, quantity, value ($/MWh, $/Mvarh), unit.
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    branches : DataFrame
        Columns branch, from_bus, to_bus.
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    period : hashable
        The hour that is shown.
    quantity : str
        "active" or "reactive".

    Returns
    -------
    Figure
    """
    rows = pick(prices, quantity=quantity, period=period)
    cases, phases = cases_of(rows), phases_of(rows)
    panels_ = [[(case, phase, pick(rows, case=case, phase=phase)) for phase in phases]
               for case in cases]  # fmt: skip
    label = f"{price_name(prices, quantity)}, hour {period}"
    absent = "phase absent"
    return _maps(panels_, rows, buses, branches, dispatch, "viridis", label, absent)


@styled
def unbalance_map(
    unbalance: pd.DataFrame,
    buses: pd.DataFrame,
    branches: pd.DataFrame,
    dispatch: pd.DataFrame,
    *,
    quantity: str = "VUF",
) -> Figure:
    """Greatest unbalance (%) of the day at each bus on the one-line diagram, a panel per case.

    Parameters
    ----------
    unbalance : DataFrame
        Columns case, bus, period, quantity, value (%), unit.
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    branches : DataFrame
        Columns branch, from_bus, to_bus.
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    quantity : str
        "VUF", "PVUR" or "LVUR".

    Returns
    -------
    Figure
    """
    rows = pick(unbalance, quantity=quantity)
    worst = rows.groupby(["case", "bus"], observed=True)["value"].max().reset_index()
    row = [(f"{case} · {quantity}", "", pick(worst, case=case)) for case in cases_of(worst)]
    wrapped = [row[i : i + 3] for i in range(0, len(row), 3)]
    label = f"{quantity} (%), greatest of all hours"
    absent = "not three-phase"
    return _maps(wrapped, worst, buses, branches, dispatch, "YlOrRd", label, absent)


def _maps(
    rows: list[list[tuple[str, str, pd.DataFrame]]],
    values: pd.DataFrame,
    buses: pd.DataFrame,
    branches: pd.DataFrame,
    dispatch: pd.DataFrame,
    palette: str,
    label: str,
    absent: str,
) -> Figure:
    place = positions(buses, branches)
    points = np.array(list(place.values()), dtype=float)
    marks = [mark for mark in device_marks(dispatch) if mark[1] in place]
    norm, extend = norm_of(values["value"].to_numpy(dtype=float))
    cmap = colormap(palette)
    figure, axes = panels(len(rows), max(map(len, rows)), _map_height(points), sharex=True,
                          sharey=True)  # fmt: skip
    todo: list[Axes] = []
    handles: dict[Any, Line2D] = {}
    for i, row in enumerate(rows):
        for ax in axes[i, len(row) :]:
            ax.remove()
        for ax, (case, phase, table) in zip(axes[i], row, strict=False):
            value = dict(zip(table["bus"].tolist(), table["value"].tolist(), strict=True))
            colour = np.array([value.get(bus, np.nan) for bus in place], dtype=float)
            _draw_wires(ax, place, branches)
            here = np.isfinite(colour)
            dot = _dot(len(place))
            ax.scatter(*points[~here].T, s=dot * 0.3, facecolor="white", edgecolor="#aab4bf",
                       zorder=3, rasterized=is_large(place))  # fmt: skip
            ax.scatter(*points[here].T, c=colour[here], s=dot, norm=norm, cmap=cmap, zorder=4,
                       edgecolor=MUTED, linewidth=0.5, rasterized=is_large(place))  # fmt: skip
            here_too = device_marks(pick(dispatch, case=table["case"].iloc[0]))
            for handle in _draw_devices(ax, place, here_too, filled=False):
                handles.setdefault(handle.get_label(), handle)
            if phase:
                phase_title(ax, phase, case)
            else:
                ax.set_title(case)
            todo.append(ax)
    colour_bar(figure, todo, norm, cmap, label, extend)
    if handles:
        hollow = Line2D([], [], marker="o", color="white", mec="#aab4bf", ms=4, lw=0, label=absent)
        gaps = [hollow] if len(values) < len(place) * sum(map(len, rows)) else []
        figure.legend(handles=[*handles.values(), *gaps], loc="outside lower center", ncols=6)
    names = {bus: place[bus] for _, bus, _ in marks}
    figure.lay_out()
    for ax in todo:
        place_labels(figure, ax, names, points, _along(place, branches), bold=frozenset(names))
    return figure


def device_marks(dispatch: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Devices to mark, substation first.

    Parameters
    ----------
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.

    Returns
    -------
    list of (str, str, str)
        Kind, bus and name of each.
    """
    return [
        (kind, bus, element)
        for kind in KINDS
        for element, bus in sites_of(dispatch, kind).items()
    ]


def _draw_devices(
    ax: Axes, place: Positions, marks: list[tuple[str, str, str]], *, filled: bool
) -> list[Any]:
    """A marker around each device's bus, and one legend entry per kind (per datacenter if filled).

    Filled on the key; a ring on maps, where the bus inside shows its value.
    """
    colors = site_colors([element for kind, _, element in marks if kind == "datacenter"])
    handles: dict[str, Any] = {}
    for kind, bus, element in marks:
        if bus not in place:
            continue
        marker, word, size = KINDS[kind]
        edge = colors[element] if kind == "datacenter" and filled else INK
        face = edge if filled and kind == "datacenter" else "white" if filled else "none"
        ax.scatter(*place[bus], s=size, marker=marker, facecolor=face, edgecolor=edge,
                   linewidth=1.4, zorder=5 if not filled else 2.5)  # fmt: skip
        name = f"{element} (datacenter)" if filled and kind == "datacenter" else word
        handles.setdefault(name, Line2D([], [], marker=marker, color=edge, mfc=face, lw=0, ms=9,
                                        label=name))  # fmt: skip
    return list(handles.values())


def _draw_wires(ax: Axes, place: Positions, branches: pd.DataFrame) -> None:
    ends = zip(branches["from_bus"].tolist(), branches["to_bus"].tolist(), strict=True)
    lines = [[place[i], place[j]] for i, j in ends]
    ax.add_collection(LineCollection(lines, colors=MUTED, linewidths=1.3, alpha=0.7, zorder=2,
                                     rasterized=is_large(lines)))  # fmt: skip
    ax.set_axis_off()
    ax.grid(False)
    ax.margins(0.1, 0.06)


def _along(place: Positions, branches: pd.DataFrame) -> np.ndarray:
    """Points along every branch (n x 2)."""
    along = np.linspace(0.0, 1.0, 15)[:, None]
    ends = zip(branches["from_bus"].tolist(), branches["to_bus"].tolist(), strict=True)
    lines = [np.array(place[i]) * (1 - along) + np.array(place[j]) * along for i, j in ends]
    return np.vstack(lines) if lines else np.empty((0, 2))


def _map_height(points: np.ndarray) -> float:
    """Inches: a tall feeder gets a tall panel, within what a page holds."""
    width, height = np.ptp(points, axis=0) + ROUNDING
    return float(np.clip(3.4 * height / width, 2.6, 4.3))


def _dot(buses: int) -> float:
    """Size of a bus (pt^2), smaller where there are many."""
    return float(np.clip(2600 / max(buses, 1), 6, 48))
