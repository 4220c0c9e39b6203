"""Decisions under uncertainty: fans over scenarios, and the distribution of what they cost."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pyomo_dlmp.report.derived import all_cases, cases_of, cvar, periods_of, pick, weighted_quantile
from pyomo_dlmp.report.figures.style import (
    INK,
    LIMIT,
    MUTED,
    case_color,
    case_marker,
    case_width,
    hour_axis,
    panels,
    site_colors,
    steps,
    styled,
)

_BANDS = ((0.0, 1.0, 0.16), (0.1, 0.9, 0.22), (0.25, 0.75, 0.30))  # from, to, opacity
_ALL = "all scenarios"
_COLUMNS = 3
_MOST_SITES = 6


@styled
def price_fans(prices: pd.DataFrame, given: pd.DataFrame, costs: pd.DataFrame) -> Figure:
    """Price at the datacenters by hour over the scenarios, a panel per case.

    Parameters
    ----------
    prices : DataFrame
        Columns case, scenario, bus, phase, period, quantity, value ($/MWh).
    given : DataFrame
        The scenarios: columns case, scenario, period, quantity, value.
    costs : DataFrame
        With the probabilities: columns case, scenario, quantity, value.

    Returns
    -------
    Figure
    """
    cases = cases_of(prices)
    columns = min(_COLUMNS, len(cases))
    figure, axes = panels(-(-len(cases) // columns), columns, 2.9, sharey=True)
    lone = False
    for ax, case in zip(axes.flat, cases, strict=False):
        mine = pick(prices, case=case, quantity="active")
        table = mine.pivot_table(index="scenario", columns="period", values="value", sort=False)
        periods = periods_of(mine)
        _fan(ax, table[periods], _chances(costs, case), periods,
             case_color(all_cases(prices), case))
        head = pick(given, case=case, quantity="price")
        if len(head):
            lone = True
            wide = head.pivot_table(index="scenario", columns="period", values="value", sort=False)
            steps(ax, _middle(wide, _chances(costs, case)), periods, color=INK, lw=1.1, ls="--")
        ax.set_title(f"{case} ($/MWh)" if len(cases) > 1 else
                     "active DLMP at the datacenters ($/MWh)")
        hour_axis(ax, periods)
    for ax in axes.flat[len(cases):]:
        ax.set_visible(False)
    more = [Line2D([], [], color=INK, lw=1.1, ls="--", label="substation, median")] if lone else []
    _legend(figure, more)
    return figure


@styled
def schedule_fans(schedule: pd.DataFrame, first: pd.DataFrame, costs: pd.DataFrame,
                  places: Sequence[str] = ()) -> Figure:
    """Power of each datacenter over the scenarios, with the schedule that is decided before.

    Parameters
    ----------
    schedule : DataFrame
        Columns case, scenario, element, period, quantity, value (kW).
    first : DataFrame
        Columns case, kind, element, period, value (kW).
    costs : DataFrame
        With the probabilities: columns case, scenario, quantity, value.
    places : sequence of str
        Datacenters in the order of the report, which their colours follow.

    Returns
    -------
    Figure
        A row for each case, a panel for each datacenter, of at most six of them.
    """
    power = pick(schedule, quantity="power")
    cases = cases_of(power)
    there = list(dict.fromkeys(power["element"]))
    colors = site_colors(list(dict.fromkeys([*places, *there])))
    sites = [site for site in colors if site in there][:_MOST_SITES]
    columns = min(_COLUMNS, len(sites))
    each = -(-len(sites) // columns)
    figure, axes = panels(each * len(cases), columns, 2.4)
    planned = False
    for k, case in enumerate(cases):
        block = axes[k * each:(k + 1) * each].flat
        for ax, site in zip(block, sites, strict=False):
            mine = pick(power, case=case, element=site)
            if mine.empty:
                ax.set_visible(False)
                continue
            wide = mine.pivot_table(index="scenario", columns="period", values="value", sort=False)
            periods = periods_of(mine)
            _fan(ax, wide[periods], _chances(costs, case), periods, colors[site])
            before = pick(first, case=case, element=site)
            before = before[before["kind"] == "schedule"]
            if len(before):
                planned = True
                known = dict(zip(before["period"].astype(str), before["value"], strict=True))
                steps(ax, pd.Series({t: known.get(str(t), np.nan) for t in periods}), periods,
                      color=INK, lw=1.8)
            ax.set_title(f"{case} · {site} (kW)" if len(cases) > 1 else f"{site} (kW)")
            ax.set_ylim(bottom=0.0)
            hour_axis(ax, periods, label=ax.get_subplotspec().is_last_row())  # type: ignore[union-attr]
        for ax in list(axes[k * each:(k + 1) * each].flat)[len(sites):]:
            ax.set_visible(False)
    more = [Line2D([], [], color=INK, lw=1.8, label="schedule, a day ahead")] if planned else []
    _legend(figure, more)
    return figure


@styled
def cost_distribution(costs: pd.DataFrame, level: float) -> Figure:
    """Probability that the cost stays below each amount, with its mean and its worst part.

    Parameters
    ----------
    costs : DataFrame
        Columns case, scenario, quantity (probability, cost, and where they are known alone and
        mean), value.
    level : float
        Of the CVaR: the share of the best scenarios that it leaves out (1).

    Returns
    -------
    Figure
        A panel per case.
    """
    cases = cases_of(costs)
    columns = min(_COLUMNS, len(cases))
    figure, axes = panels(-(-len(cases) // columns), columns, 3.1)
    others: dict[str, Line2D] = {}
    for ax, case in zip(axes.flat, cases, strict=False):
        color, chances = case_color(all_cases(costs), case), _chances(costs, case)
        for word, style, said in (("mean", "--", "schedule of the mean scenario"),
                                  ("alone", ":", "each scenario known in advance")):
            values = _by_scenario(costs, case, word)
            if len(values) and np.isfinite(values).all():
                others[word] = Line2D([], [], color=MUTED, lw=1.3, ls=style, label=said)
                _steps_up(ax, values, chances, color=MUTED, lw=1.3, ls=style)
        values = _by_scenario(costs, case, "cost")
        x, y = _steps_up(ax, values, chances, color=color, lw=2.0)
        worst = y > level
        ax.plot(np.append(x[worst][:1], x[worst]), np.append(level, y[worst]), color=LIMIT, lw=2.6)
        p = chances.reindex(values.index).to_numpy(dtype=float)
        mean, tail = float(p @ values), cvar(values.to_numpy(dtype=float), p, level)
        for at, word, line, side in ((mean, "mean", INK, "right"),
                                     (tail, f"CVaR {100 * level:g} %", LIMIT, "left")):
            ax.axvline(at, color=line, lw=1.2)
            ax.annotate(f"{word}\n{at:,.4g} $", (at, 0.03 if side == "left" else 0.97),
                        xycoords=("data", "axes fraction"), xytext=(4 if side == "left" else -4, 0),
                        textcoords="offset points", ha=side, color=line, fontsize=8,
                        va="bottom" if side == "left" else "top")
        ax.set_title(f"{case} · probability" if len(cases) > 1 else "probability")
        ax.set_ylim(0.0, 1.03)
        ax.margins(x=0.18)
        ax.set_xlabel("cost at most ($)")
    for ax in axes.flat[len(cases):]:
        ax.set_visible(False)
    if others:
        figure.legend(handles=[Line2D([], [], color=INK, lw=2.0, label="the decision"),
                               *others.values()], loc="outside lower center", ncols=3)
    return figure


@styled
def risk_frontier(frontier: pd.DataFrame) -> Figure:
    """Expected cost against CVaR of decisions with different aversion to risk, a line per case.

    Parameters
    ----------
    frontier : DataFrame
        Columns case, weight, level, quantity (expected, cvar), value ($).

    Returns
    -------
    Figure
    """
    cases = all_cases(frontier)
    figure, axes = panels(1, 1, 3.2)
    ax = axes[0, 0]
    for case in cases_of(frontier):
        wide = pick(frontier, case=case).pivot_table(
            index="weight", columns="quantity", values="value").sort_index()
        ax.plot(wide["cvar"], wide["expected"], color=case_color(cases, case), label=case,
                marker=case_marker(cases, case), lw=case_width(cases, case))
        for weight, row in wide.iterrows():
            ax.annotate(f"{weight:g}", (row["cvar"], row["expected"]), xytext=(6, 4),
                        textcoords="offset points", fontsize=8, color=MUTED)
    ax.margins(0.1)
    ax.set_xlabel("CVaR ($)")
    ax.set_title("expected cost ($); numbers: weight of the CVaR")
    if len(cases_of(frontier)) > 1:
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def _by_scenario(costs: pd.DataFrame, case: str, quantity: str) -> pd.Series:
    mine = pick(costs, case=case, quantity=quantity)
    return pd.Series(mine["value"].to_numpy(dtype=float), mine["scenario"].tolist())


def _chances(costs: pd.DataFrame, case: str) -> pd.Series:
    return _by_scenario(costs, case, "probability")


def _middle(wide: pd.DataFrame, chances: pd.Series) -> pd.Series:
    p = chances.reindex(wide.index).to_numpy(dtype=float)
    return pd.Series({t: weighted_quantile(wide[t].to_numpy(dtype=float), p, 0.5)
                      for t in wide.columns})


def _fan(ax: Axes, wide: pd.DataFrame, chances: pd.Series, periods: Sequence[Hashable],
         color: str) -> None:
    """Bands of the scenarios' middle shares, and their median."""
    p = chances.reindex(wide.index).to_numpy(dtype=float)
    columns = [wide[t].to_numpy(dtype=float) for t in periods]
    edges = np.arange(len(periods) + 1)
    for low, high, opacity in _BANDS:
        ax.stairs([weighted_quantile(x, p, high) for x in columns], edges, fill=True, color=color,
                  baseline=np.array([weighted_quantile(x, p, low) for x in columns]),
                  alpha=opacity, lw=0)
    steps(ax, _middle(wide, chances), periods, color=color, lw=1.6)


def _steps_up(ax: Axes, values: pd.Series, chances: pd.Series, **kwargs: object,
              ) -> tuple[np.ndarray, np.ndarray]:
    """A distribution function as a line; its corners."""
    order = values.sort_values()
    up = np.cumsum(chances.reindex(order.index).to_numpy(dtype=float))
    x = np.repeat(order.to_numpy(dtype=float), 2)
    y = np.concatenate([[0.0], np.repeat(up, 2)[:-1]])
    ax.plot(x, y, **kwargs)  # type: ignore[arg-type]
    return x, y


def _legend(figure: Figure, more: Sequence[Line2D]) -> None:
    words = {(0.0, 1.0): _ALL, (0.1, 0.9): "10 to 90 %", (0.25, 0.75): "25 to 75 %"}
    seen, bands = 0.0, []
    for low, high, opacity in _BANDS:  # they lie on one another
        seen = 1.0 - (1.0 - seen) * (1.0 - opacity)
        bands.append(Patch(facecolor=MUTED, alpha=seen, label=words[low, high]))
    median = Line2D([], [], color=MUTED, lw=1.6, label="median")
    figure.legend(handles=[*bands, median, *more], loc="outside lower center", ncols=5)
