"""Duration curves: how much of the day and feeder a price or a voltage is exceeded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pyomo_dlmp.report.derived import all_cases, cases_of, pick
from pyomo_dlmp.report.figures.style import case_color, case_width, panels, styled


@styled
def duration_curves(prices: pd.DataFrame, voltages: pd.DataFrame,
                    sites: Mapping[str, str]) -> Figure:
    """Sorted prices at datacenters and at all nodes, and voltages, over the share of node-hours.

    A node is a phase of a bus; each curve falls from its greatest value.

    Parameters
    ----------
    prices : DataFrame
        Columns case, bus, phase, period, quantity, value ($/MWh, $/Mvarh), unit.
    voltages : DataFrame
        Columns case, bus, phase, period, quantity, value (pu), unit.
    sites : mapping of str to str
        Name of a datacenter -> its bus.

    Returns
    -------
    Figure
    """
    active = pick(prices, quantity="active")
    tables = [
        ("active DLMP at the datacenters ($/MWh)", active[active["bus"].isin(sites.values())]),
        ("active DLMP at all nodes ($/MWh)", active),
        ("line-to-neutral voltage (pu)", pick(voltages, quantity="line_to_neutral")),
    ]
    tables = [(name, table) for name, table in tables if len(table)]
    figure, axes = panels(1, len(tables), 3.0)
    for ax, (name, table) in zip(axes[0], tables, strict=True):
        cases = all_cases(table)
        for case in cases_of(table):
            y = np.sort(pick(table, case=case)["value"].to_numpy(dtype=float))[::-1]
            ax.plot(100 * (np.arange(len(y)) + 0.5) / len(y), y, label=case,
                    color=case_color(cases, case), lw=case_width(cases, case))
        ax.set_title(name)
        ax.set_xlabel("share of node-hours (%)")
        ax.set_xlim(0, 100)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
