"""How best responses settle: what can still be gained, turn by turn."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pyomo_dlmp.report.derived import cases_of, pick
from pyomo_dlmp.report.figures.style import CASE_COLORS, panels, styled
from pyomo_dlmp.tolerances import ROUNDING

_MOST_STARTS = 3


@styled
def regret_by_round(responses: pd.DataFrame) -> Figure:
    """Relative regret of the owner whose turn it is, from each start.

    Parameters
    ----------
    responses : DataFrame
        Columns case, start, round, owner, cost ($), bound ($), regret ($), change (MW).

    Returns
    -------
    Figure
        A row of panels for each case, a panel for each of the first starts.
    """
    cases = cases_of(responses)
    starts = list(dict.fromkeys(responses["start"]))[:_MOST_STARTS]
    colors = dict(zip(dict.fromkeys(responses["owner"]), cycle(CASE_COLORS), strict=False))
    figure, axes = panels(len(cases), len(starts), 2.6, sharey=True)
    for row, case in zip(axes, cases, strict=True):
        for ax, start in zip(row, starts, strict=True):
            mine = pick(responses, case=case, start=start).reset_index(drop=True)
            share = (mine["regret"] / mine["cost"].abs().clip(lower=ROUNDING)).clip(lower=ROUNDING)
            for owner, color in colors.items():
                at = np.flatnonzero(mine["owner"] == owner)
                ax.plot(at + 1, share.iloc[at], color=color, lw=1.2, label=owner)
                moved = at[mine["change"].iloc[at].to_numpy() > 0]
                ax.plot(at + 1, share.iloc[at], "o", color=color, ms=4, mfc="white")
                ax.plot(moved + 1, share.iloc[moved], "o", color=color, ms=4)
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:.0e}")
            ax.set_xlabel("turn")
            ax.set_title(f"{case}, start {start:g}" if len(cases) > 1 else f"start {start:g}")
            ax.xaxis.get_major_locator().set_params(integer=True)
        row[0].set_ylabel("regret, share of the payment")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)))
    return figure
