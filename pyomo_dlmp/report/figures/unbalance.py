"""Voltage unbalance bus by bus."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pyomo_dlmp.report.derived import all_cases, bus_order, cases_of, pick
from pyomo_dlmp.report.figures.style import INK, LIMIT, case_color, case_marker, panels, styled

ORDER = ("VUF", "PVUR", "LVUR")
MEANING = {
    "VUF": "negative over positive sequence",
    "PVUR": "greatest deviation of a line-to-neutral voltage from their mean",
    "LVUR": "greatest deviation of a line-to-line voltage from their mean",
}


def quantities_of(unbalance: pd.DataFrame) -> list[str]:
    """Measures of unbalance in the table, VUF first.

    Parameters
    ----------
    unbalance : DataFrame
        Columns case, bus, period, quantity, value (%), unit.

    Returns
    -------
    list of str
    """
    present = set(unbalance["quantity"].tolist())
    return [name for name in ORDER if name in present] + sorted(present - set(ORDER))


@styled
def unbalance_by_bus(
    unbalance: pd.DataFrame,
    buses: pd.DataFrame,
    *,
    peak: Hashable,
    limits: Mapping[str, float] | None = None,
) -> Figure:
    """Unbalance (%) at each bus: greatest of all hours (filled) and at one hour (hollow).

    One row per measure, cases side by side at each bus.

    Parameters
    ----------
    unbalance : DataFrame
        Columns case, bus, period, quantity, value (%), unit.
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    peak : hashable
        The hour of the hollow marks.
    limits : mapping of str to float, optional
        Limit (%) by measure.

    Returns
    -------
    Figure
    """
    names, order = quantities_of(unbalance), bus_order(buses, unbalance)
    place = {bus: i for i, bus in enumerate(order)}
    cases, shown = all_cases(unbalance), cases_of(unbalance)
    figure, axes = panels(len(names), 1, 2.25, sharex=True)
    for ax, name in zip(axes[:, 0], names, strict=True):
        rows = pick(unbalance, quantity=name).dropna(subset=["value"])
        for k, case in enumerate(shown):
            shift = 0.5 * ((k + 0.5) / len(shown) - 0.5)
            table = pick(rows, case=case)
            worst = table.groupby("bus")["value"].max()
            at_peak = pick(table, period=peak).groupby("bus")["value"].mean()
            color, marker = case_color(cases, case), case_marker(cases, case)
            x = np.array([place[str(bus)] for bus in worst.index], dtype=float) + shift
            low = at_peak.reindex(worst.index)
            ax.vlines(x, low, worst, color=color, lw=1.0, alpha=0.6)
            ax.plot(x, low, marker, mfc="none", mec=color, ms=7, mew=1.0, ls="")
            ax.plot(x, worst, marker, color=color, ms=4, ls="")
        limit = (limits or {}).get(name)
        if limit is not None:
            ax.axhline(limit, color=LIMIT, ls="--", lw=1.2)
        ax.set_ylabel(f"{name} (%)")
        ax.set_title(f"{name}: {MEANING[name]}" if name in MEANING else name)
        ax.margins(y=0.12)
        ax.set_ylim(bottom=-0.06 * ax.get_ylim()[1])  # room for marks at zero
        ax.set_xlim(-0.8, len(order) - 0.2)
    every = max(1, int(np.ceil(len(order) / 64)))
    axes[-1, 0].set_xticks(range(0, len(order), every), order[::every], rotation=90, fontsize=8)
    axes[-1, 0].set_xlabel("bus, by distance from the substation")
    handles = []
    for case in shown:
        color, marker = case_color(cases, case), case_marker(cases, case)
        style: dict[str, Any] = {"color": color, "marker": marker}
        handles += [
            Line2D([], [], lw=0, ms=4, label=f"{case}: greatest of all hours", **style),
            Line2D([], [], lw=0, ms=7, mfc="none", label=f"{case}: hour {peak}", **style),
        ]
    if any(name in (limits or {}) for name in names):
        handles.append(Line2D([], [], color=LIMIT, ls="--", label="limit"))
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=5)
    for text in legend.get_texts():
        text.set_color(INK)
    return figure
