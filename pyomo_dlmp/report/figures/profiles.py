"""Voltages: along the feeder at one hour, and their extremes by hour."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pyomo_dlmp.report.derived import all_cases, cases_of, grid, periods_of, phases_of, pick
from pyomo_dlmp.report.figures.style import (
    INK,
    LIMIT,
    case_color,
    case_width,
    hour_axis,
    is_large,
    panels,
    phase_color,
    phase_title,
    steps,
    styled,
)

Limits = tuple[float | None, float | None]


def lowest(voltages: pd.DataFrame) -> pd.Series | None:
    """The row of the lowest line-to-neutral voltage (pu) over all cases.

    Parameters
    ----------
    voltages : DataFrame
        Columns case, bus, phase, period, quantity, value (pu), unit.

    Returns
    -------
    Series or None
        None without rows.
    """
    rows = pick(voltages, quantity="line_to_neutral").dropna(subset=["value"])
    return None if rows.empty else rows.iloc[int(rows["value"].to_numpy().argmin())]


@styled
def voltage_profile(
    voltages: pd.DataFrame,
    buses: pd.DataFrame,
    branches: pd.DataFrame,
    *,
    period: object = None,
    limits: Limits = (None, None),
) -> Figure:
    """Line-to-neutral voltage (pu) over distance (km), a line per branch, a panel per case.

    Parameters
    ----------
    voltages : DataFrame
        Columns case, bus, phase, period, quantity, value (pu), unit.
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    branches : DataFrame
        Columns branch, from_bus, to_bus.
    period : hashable, optional
        The hour shown, by default that of the lowest voltage of all cases.
    limits : pair of float or None
        Lower and upper limit (pu); None is not drawn.

    Returns
    -------
    Figure
    """
    if period is None:
        worst = lowest(voltages)
        period = None if worst is None else worst["period"]
    rows = pick(voltages, quantity="line_to_neutral", period=period)
    cases = cases_of(rows)
    columns = min(len(cases), 2)
    figure, axes = panels(-(-len(cases) // columns), columns, 3.9, sharex=True, sharey=True)
    distance = dict(zip(buses["bus"].tolist(), buses["distance_km"].tolist(), strict=True))
    for ax, case in zip(axes.flat, cases, strict=False):
        for phase in phases_of(rows):
            table = pick(rows, case=case, phase=phase)
            value = dict(zip(table["bus"].tolist(), table["value"].tolist(), strict=True))
            _draw_tree(ax, distance, value, branches, phase)
        _limits(ax, limits)
        _mark_lowest(ax, pick(rows, case=case), distance)
        ax.set_title(f"{case} · hour {period}")
        ax.margins(x=0.03, y=0.08)
    for ax in axes.flat[len(cases) :]:
        ax.remove()
    for ax in axes[:, 0]:
        ax.set_ylabel("line-to-neutral voltage (pu)")
    for ax in axes[-1, :]:
        ax.set_xlabel("distance from the substation (km)")
    handles = [_line(phase_color(p), f"phase {p}", marker="o") for p in phases_of(rows)]
    figure.legend(
        handles=handles + _limit_handles(limits), loc="outside lower center", ncols=5
    )  # fmt: skip
    return figure


@styled
def voltage_by_hour(voltages: pd.DataFrame, *, limits: Limits = (None, None)) -> Figure:
    """Lowest and highest line-to-neutral voltage over the buses (pu) by hour, a panel per phase.

    Parameters
    ----------
    voltages : DataFrame
        Columns case, bus, phase, period, quantity, value (pu), unit.
    limits : pair of float or None
        Lower and upper limit (pu); None is not drawn.

    Returns
    -------
    Figure
    """
    rows = pick(voltages, quantity="line_to_neutral")
    periods, phases, cases = periods_of(rows), phases_of(rows), all_cases(rows)
    figure, axes = panels(1, len(phases), 2.9, sharey=True)
    for ax, phase in zip(axes[0], phases, strict=True):
        for case in cases_of(rows):
            by_bus = grid(pick(rows, case=case, phase=phase), "period", "bus")
            if by_bus.empty:
                continue
            color = case_color(cases, case)
            width = case_width(cases, case)
            steps(ax, by_bus.min(axis=1), periods, color=color, lw=width)
            steps(ax, by_bus.max(axis=1), periods, color=color, lw=0.7 * width, ls=(0, (3, 1.5)))
        _limits(ax, limits)
        phase_title(ax, phase)
        hour_axis(ax, periods)
        ax.margins(y=0.08)
    axes[0, 0].set_ylabel("line-to-neutral voltage (pu)")
    handles = [_line(case_color(cases, case), f"{case}: lowest bus") for case in cases_of(rows)]
    handles += [_line(case_color(cases, c), f"{c}: highest bus", ls="--") for c in cases_of(rows)]
    figure.legend(handles=handles + _limit_handles(limits), loc="outside lower center", ncols=5)
    return figure


def _draw_tree(
    ax: Axes,
    distance: dict[str, float],
    value: dict[str, float],
    branches: pd.DataFrame,
    phase: str,
) -> None:
    """Branches whose two ends have this phase, and a dot per bus."""
    ends = zip(branches["from_bus"].tolist(), branches["to_bus"].tolist(), strict=True)
    lines = [
        [(distance[i], value[i]), (distance[j], value[j])]
        for i, j in ends
        if i in value and j in value
    ]
    color = phase_color(phase)
    ax.add_collection(LineCollection(lines, colors=color, linewidths=1.3, alpha=0.85,
                                     rasterized=is_large(lines)))  # fmt: skip
    known = [bus for bus in value if np.isfinite(distance.get(bus, np.nan))]
    ax.plot([distance[b] for b in known], [value[b] for b in known], ".", color=color, ms=5,
            rasterized=is_large(known))  # fmt: skip


def _mark_lowest(ax: Axes, rows: pd.DataFrame, distance: dict[str, float]) -> None:
    worst = lowest(rows)
    if worst is None or not np.isfinite(distance.get(worst["bus"], np.nan)):
        return
    x, y = distance[worst["bus"]], float(worst["value"])
    ax.plot([x], [y], "o", mfc="none", mec=INK, ms=9, mew=1.2)
    middle = float(np.nanmean(list(distance.values())))
    ax.annotate(
        f"bus {worst['bus']}, phase {worst['phase']}: {y:.4f} pu",
        (x, y),
        xytext=(-9 if x > middle else 9, -4),
        textcoords="offset points",
        ha="right" if x > middle else "left",
        va="top",
        fontsize=8.5,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0},
    )


def _limits(ax: Axes, limits: Limits) -> None:
    for limit in limits:
        if limit is not None:
            ax.axhline(limit, color=LIMIT, lw=1.2, ls="--", zorder=1)


def _limit_handles(limits: Limits) -> list[Line2D]:
    given = [f"{limit:g}" for limit in limits if limit is not None]
    return [_line(LIMIT, f"limits {' and '.join(given)} pu", ls="--")] if given else []


def _line(color: str, label: str, marker: str = "", ls: str = "-") -> Line2D:
    return Line2D([], [], color=color, label=label, marker=marker, ms=4, ls=ls)
