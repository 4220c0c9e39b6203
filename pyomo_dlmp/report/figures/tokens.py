"""What the tokens of language models cost, by hour."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from pyomo_dlmp.report.derived import all_cases, cases_of, periods_of, pick
from pyomo_dlmp.report.figures.style import case_color, case_width, hour_axis, panels, steps, styled


def token_cost(tokens: pd.DataFrame) -> pd.DataFrame:
    """Payment over tokens by hour, of all sites together.

    Parameters
    ----------
    tokens : DataFrame
        Columns period, quantity (tokens in millions, payment in $), value: of one service.

    Returns
    -------
    DataFrame
        Columns period, value ($ per million tokens); hours without tokens are left out.
    """
    wide = tokens.pivot_table(index="period", columns="quantity", values="value", aggfunc="sum")
    wide = wide[wide["tokens"] > 0]
    return (wide["payment"] / wide["tokens"]).rename("value").reset_index()


@styled
def cost_by_hour(tokens: pd.DataFrame) -> Figure:
    """$ per million tokens by hour, a panel per service and a line per case.

    Parameters
    ----------
    tokens : DataFrame
        Columns case, service, element, period, quantity, value, unit.

    Returns
    -------
    Figure
    """
    services, cases = list(dict.fromkeys(tokens["service"])), all_cases(tokens)
    periods = periods_of(tokens)
    figure, axes = panels(len(services), 1, 2.4)
    for ax, service in zip(axes[:, 0], services, strict=True):
        for case in cases_of(tokens):
            mine = token_cost(pick(tokens, service=service, case=case))
            steps(ax, mine.set_index("period")["value"], periods, label=case,
                  color=case_color(cases, case), lw=case_width(cases, case))
        ax.set_title(f"service {service}")
        ax.set_ylabel("$ / million tokens")
        hour_axis(ax, periods, label=ax is axes[-1, 0])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
