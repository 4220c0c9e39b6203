"""How far prices are from the marginal costs of the AC equations."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from pyomo_dlmp.report.derived import all_cases, cases_of, pick
from pyomo_dlmp.report.figures.style import case_color, case_width, panels, styled
from pyomo_dlmp.tolerances import ENTRY, SAME_MONEY

LEAST, _SEEN = ENTRY / 10, SAME_MONEY  # $/MWh: the axis spans at least these


@styled
def certificate_curves(certificate: pd.DataFrame) -> Figure:
    """Sorted differences of price and dual, over the share of all prices, a line per case.

    Parameters
    ----------
    certificate : DataFrame
        Columns case, bus, phase, period, quantity, price, dual ($/MWh, $/Mvarh), unit.

    Returns
    -------
    Figure
    """
    quantities = [q for q in ("active", "reactive") if (certificate["quantity"] == q).any()]
    figure, axes = panels(1, len(quantities), 3.0)
    for ax, quantity in zip(axes[0], quantities, strict=True):
        rows = pick(certificate, quantity=quantity)
        rows = rows.assign(error=(rows["price"] - rows["dual"]).abs()).dropna(subset=["error"])
        cases = all_cases(rows)
        for case in cases_of(rows):
            y = np.sort(pick(rows, case=case)["error"].to_numpy(dtype=float))
            ax.plot(100 * (np.arange(len(y)) + 0.5) / len(y), np.maximum(y, LEAST), label=case,
                    color=case_color(cases, case), lw=case_width(cases, case))
        ax.set_yscale("log")
        ax.set_ylim(LEAST, max(_SEEN, 10 * float(rows["error"].max())))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.0e}".replace("e-0", "e-")))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_title(f"{quantity} price ({rows['unit'].iloc[0]})")
        ax.set_xlabel("share of all prices (%)")
        ax.set_xlim(0, 100)
    axes[0, 0].set_ylabel("|marginal cost in AC − dual|")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
