"""Who does what when: datacenters' power and price, reactive output of the SVGs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pyomo_dlmp.report.derived import (
    all_cases,
    cases_of,
    grid,
    periods_of,
    phases_of,
    pick,
    price_paid,
    sites_of,
    totals,
)
from pyomo_dlmp.report.figures.style import (
    INK,
    MUTED,
    case_color,
    case_width,
    hour_axis,
    panels,
    phase_color,
    site_colors,
    steps,
    styled,
)


@styled
def datacenter_power(
    dispatch: pd.DataFrame, payments: pd.DataFrame, *, hours: float = 1.0
) -> Figure:
    """Active power by hour (MW), stacked per site, over the average price paid ($/MWh).

    A column per case with common axes. The price row is left out without payments.

    Parameters
    ----------
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    payments : DataFrame
        Columns case, element, bus, period, quantity, value ($), unit.
    hours : float
        Length of a period (h).

    Returns
    -------
    Figure
    """
    power = totals(dispatch, "datacenter")
    cases, periods = cases_of(power), periods_of(power)
    paid = price_paid(payments, dispatch, hours)
    ratios = [2.2, 1.3] if len(paid) else [1.0]
    figure, axes = panels(
        len(ratios), len(cases), 2.7, sharex=True, sharey="row", height_ratios=ratios
    )
    at_bus = sites_of(dispatch)
    sites, colors = list(at_bus), site_colors(list(at_bus))
    for j, case in enumerate(cases):
        ax = axes[0, j]
        by_site = grid(pick(power, case=case), "period", "element").reindex(
            index=periods, columns=sites
        )
        edges, base = np.arange(len(periods) + 1), np.zeros(len(periods))
        for site in sites:
            top = base + by_site[site].fillna(0.0).to_numpy()
            ax.stairs(top, edges, baseline=base, fill=True, color=colors[site], alpha=0.9)
            ax.stairs(top, edges, baseline=None, color="white", lw=0.8)
            base = top
        ax.set_title(case)
        hour_axis(ax, periods, label=len(ratios) == 1)
        ax.set_ylim(bottom=min(0.0, float(base.min())))
        if len(paid):
            _draw_price(axes[1, j], paid, case, periods)
    axes[0, 0].set_ylabel("active power (MW)")
    if len(paid):
        axes[1, 0].set_ylabel("average price\npaid ($/MWh)")
    handles: list = [Patch(color=colors[site], label=f"{site} (bus {bus})")
                     for site, bus in at_bus.items()]
    if len(paid):
        handles += [
            Line2D([], [], color=case_color(all_cases(dispatch), case), lw=1.8,
                   label=f"price, {case}")
            for case in cases
        ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def _draw_price(ax: Axes, paid: pd.DataFrame, case: str, periods: list) -> None:
    """This case's price in its colour, the others' thin and dashed for comparison."""
    cases = all_cases(paid)
    for other in cases_of(paid):
        series = pick(paid, case=other).set_index("period")["value"]
        mine = other == case
        steps(ax, series, periods, color=case_color(cases, other), lw=1.8 if mine else 1.1,
              ls="-" if mine else (0, (3, 1.5)), zorder=2 if mine else 3)  # fmt: skip
    hour_axis(ax, periods)
    ax.margins(y=0.12)


@styled
def svg_output(dispatch: pd.DataFrame) -> Figure:
    """Reactive output of each SVG by hour and leg (Mvar), a panel per device and case.

    Parameters
    ----------
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.

    Returns
    -------
    Figure
    """
    rows = pick(dispatch, kind="svg", quantity="reactive")
    split = rows[rows["phase"] != ""]
    rows = split if len(split) else rows
    periods = periods_of(rows)
    chosen = rows[["case", "element", "bus"]].drop_duplicates().sort_values(["case", "element"])
    columns = min(len(chosen), 2)
    figure, axes = panels(-(-len(chosen) // columns), columns, 2.6, sharex=True, sharey=True)
    legs = phases_of(rows) or [""]
    width = 0.84 / len(legs)
    for ax, (case, element, bus) in zip(axes.flat, chosen.to_numpy().tolist(), strict=False):
        for k, leg in enumerate(legs):
            value = pick(rows, case=case, element=element, phase=leg).set_index("period")["value"]
            y = value.reindex(periods).to_numpy(dtype=float)
            x = np.arange(len(periods)) + 0.08 + (k + 0.5) * width
            ax.bar(x, y, width, color=phase_color(leg))
        ax.axhline(0, color=INK, lw=0.8)
        ax.set_title(f"{case} · {element} at bus {bus}")
        hour_axis(ax, periods)
    for ax in axes.flat[len(chosen) :]:
        ax.remove()
    for ax in axes[:, 0]:
        ax.set_ylabel("reactive output (Mvar)")
    if legs != [""]:
        handles = [Patch(color=phase_color(leg), label=_leg(leg)) for leg in legs]
        figure.legend(handles=handles, loc="outside lower center", ncols=6)
    return figure


@styled
def feeder_import(dispatch: pd.DataFrame) -> Figure:
    """Power drawn at the substation by hour, active (MW) and reactive (Mvar), a line per case.

    Parameters
    ----------
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.

    Returns
    -------
    Figure
    """
    names = {"active": "active import (MW)", "reactive": "reactive import (Mvar)"}
    tables = {name: totals(dispatch, "substation", name) for name in names}
    tables = {name: table for name, table in tables.items() if len(table)}
    figure, axes = panels(1, len(tables), 2.6)
    for ax, (name, table) in zip(axes[0], tables.items(), strict=True):
        periods, cases = periods_of(table), all_cases(table)
        for case in cases_of(table):
            series = pick(table, case=case).groupby("period")["value"].sum()
            steps(ax, series, periods, color=case_color(cases, case),
                  lw=case_width(cases, case), label=case)  # fmt: skip
        ax.set_ylabel(names[name])
        hour_axis(ax, periods)
        ax.margins(y=0.12)
        ax.axhline(0, color=MUTED, lw=0.8) if (table["value"] < 0).any() else None
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def _leg(leg: str) -> str:
    return f"leg {leg}" if len(leg) == 2 else f"phase {leg}"
