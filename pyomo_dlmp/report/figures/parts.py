"""Prices taken apart: what stands on top of the energy price, as stacked bars."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pyomo_dlmp.report.derived import cases_of, grid, periods_of, phases_of, pick
from pyomo_dlmp.report.figures.style import INK, hour_axis, panels, styled
from pyomo_dlmp.tolerances import SAME_MONEY

COLORS = {"loss": "#0072B2", "voltage": "#D55E00", "congestion": "#CC79A7",
          "unbalance": "#009E73", "load_response": "#56B4E9", "other": "#8C9A2B"}
NAMES = {"load_response": "load response"}
UNITS = {"active": "$/MWh", "reactive": "$/Mvarh"}


@styled
def parts_by_hour(decomposition: pd.DataFrame, sites: Mapping[str, str],
                  quantity: str = "active") -> Figure:
    """Parts of the price beyond energy by hour, mean of the phases; sites by rows, cases across.

    The dash is their sum.

    Parameters
    ----------
    decomposition : DataFrame
        Columns case, bus, phase, period, quantity, part, value ($/MWh, $/Mvarh), unit.
    sites : mapping of str to str
        Name of a datacenter -> its bus.
    quantity : str
        "active" or "reactive".

    Returns
    -------
    Figure
    """
    rows = pick(decomposition, quantity=quantity)
    rows = rows[(rows["part"] != "energy") & rows["bus"].isin(sites.values())]
    cases, periods, parts = cases_of(rows), periods_of(rows), _parts(rows)
    figure, axes = panels(len(sites), len(cases), 2.1, sharex=True, sharey=True)
    for i, (site, bus) in enumerate(sites.items()):
        for j, case in enumerate(cases):
            wide = grid(pick(rows, bus=bus, case=case), "period", "part").reindex(
                index=periods, columns=parts).fillna(0.0)
            _stack(axes[i, j], np.arange(len(periods)) + 0.5, wide, 0.86)
            axes[i, j].set_title(f"{case} · {site} (bus {bus})")
            hour_axis(axes[i, j], periods, label=i == len(sites) - 1)
        axes[i, 0].set_ylabel(f"beyond energy\n({UNITS[quantity]})")
    _legend(figure, parts)
    return figure


@styled
def parts_by_phase(decomposition: pd.DataFrame, sites: Mapping[str, str], period: Hashable,
                   ) -> Figure:
    """Parts of the price at one hour by site and phase; active above, reactive below.

    Parameters
    ----------
    decomposition : DataFrame
        Columns case, bus, phase, period, quantity, part, value ($/MWh, $/Mvarh), unit.
    sites : mapping of str to str
        Name of a datacenter -> its bus.
    period : hashable
        The hour that is shown.

    Returns
    -------
    Figure
    """
    rows = pick(decomposition, period=period)
    rows = rows[(rows["part"] != "energy") & rows["bus"].isin(sites.values())]
    cases, phases, parts = cases_of(rows), phases_of(rows), _parts(rows)
    figure, axes = panels(2, len(cases), 2.4, sharex=True, sharey="row")
    ticks = [(site, bus, phase) for site, bus in sites.items() for phase in phases]
    for i, quantity in enumerate(("active", "reactive")):
        for j, case in enumerate(cases):
            mine = pick(rows, quantity=quantity, case=case)
            wide = grid(mine.assign(at=mine["bus"] + mine["phase"]), "at", "part").reindex(
                index=[bus + phase for _, bus, phase in ticks], columns=parts).fillna(0.0)
            ax = axes[i, j]
            _stack(ax, np.arange(len(ticks)), wide, 0.8)
            ax.set_title(f"{case} · {quantity}, hour {period}")
            ax.set_xticks(range(len(ticks)), [
                f"{phase}\n{site}" if k % len(phases) == len(phases) // 2 else phase
                for k, (site, _, phase) in enumerate(ticks)])
        axes[i, 0].set_ylabel(f"beyond energy\n({UNITS[quantity]})")
    _legend(figure, parts)
    return figure


def _parts(rows: pd.DataFrame) -> list[str]:
    """Parts that are not zero everywhere, in their order."""
    size = rows.groupby("part")["value"].apply(lambda v: v.abs().max())
    return [part for part in COLORS if size.get(part, 0.0) > SAME_MONEY] or ["loss"]


def _stack(ax: Axes, x: np.ndarray, wide: pd.DataFrame, width: float) -> None:
    """Bars of positive parts upwards, of negative ones downwards, and the sum."""
    up, down = np.zeros(len(x)), np.zeros(len(x))
    for part in wide.columns:
        y = wide[part].to_numpy(dtype=float)
        base = np.where(y >= 0, up, down)
        ax.bar(x, y, width, bottom=base, color=COLORS[part], lw=0)
        up, down = up + np.maximum(y, 0), down + np.minimum(y, 0)
    total = wide.sum(axis=1).to_numpy(dtype=float)
    ax.plot(x, total, "_", color=INK, ms=7, mew=1.6)
    ax.axhline(0, color=INK, lw=0.8)


def _legend(figure: Figure, parts: list[str]) -> None:
    handles: list = [Patch(color=COLORS[part], label=NAMES.get(part, part)) for part in parts]
    handles.append(Line2D([], [], color=INK, marker="_", ms=8, mew=1.6, lw=0, label="sum"))
    figure.legend(handles=handles, loc="outside lower center", ncols=7)
