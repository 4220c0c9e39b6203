"""Voltage unbalance at the datacenters by hour, with the hours of their high loading."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pyomo_dlmp.report.derived import all_cases, cases_of, periods_of, pick, sites_of, totals
from pyomo_dlmp.report.figures.style import (
    FAINT,
    case_color,
    case_width,
    hour_axis,
    panels,
    steps,
    styled,
)
from pyomo_dlmp.report.figures.unbalance import quantities_of
from pyomo_dlmp.results.loading import high_loading


@styled
def unbalance_by_hour(unbalance: pd.DataFrame, dispatch: pd.DataFrame) -> Figure:
    """Mean unbalance (%) of the datacenters' buses over their power (MW), a line per case.

    The hours in which they draw at least nine tenths of their greatest joint power in the first
    case are shaded: hours of high loading.

    Parameters
    ----------
    unbalance : DataFrame
        Columns case, bus, period, quantity, value (%), unit.
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.

    Returns
    -------
    Figure
    """
    here = unbalance[unbalance["bus"].isin(set(sites_of(dispatch).values()))]
    power = totals(dispatch, "datacenter")
    names, periods, cases = quantities_of(here)[:2], periods_of(power), all_cases(power)
    busy = high_loading(pick(dispatch, case=cases_of(power)[0]))
    drawn = [(f"{name} at the datacenters (%)", pick(here, quantity=name), "mean")
             for name in names]
    drawn.append(("power of all datacenters (MW)", power, "sum"))
    figure, axes = panels(len(drawn), 1, 1.9, sharex=True)
    for ax, (title, table, how) in zip(axes[:, 0], drawn, strict=True):
        for t in busy:
            at = periods.index(t)
            ax.axvspan(at, at + 1, color=FAINT, lw=0, alpha=0.6)
        for case in cases_of(table):
            mine = pick(table, case=case).groupby("period")["value"].agg(how)
            steps(ax, mine, periods, label=case, color=case_color(cases, case),
                  lw=case_width(cases, case))
        ax.set_ylim(bottom=0)
        ax.set_title(title)
        hour_axis(ax, periods, label=ax is axes[-1, 0])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend([*handles, Patch(color=FAINT)], [*labels, "high loading"],
                  loc="outside lower center", ncols=5)
    return figure
