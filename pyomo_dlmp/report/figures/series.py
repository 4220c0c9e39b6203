"""A market along a series: payment and price over time, and what a problem costs to solve."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from pyomo_dlmp.report.derived import all_cases, cases_of, pick
from pyomo_dlmp.report.figures.style import (
    MUTED,
    case_color,
    case_width,
    colormap,
    colour_bar,
    norm_of,
    panels,
    styled,
)

_LONG = 24 * 14  # rows beyond which lines over time are a thicket
_BARS = 40  # groups of problems
_MS = 1000.0  # in a second
PRICE, PAYMENT = "active DLMP at the datacenters ($/MWh)", "payment ($ per row)"


def is_long(prices: pd.DataFrame) -> bool:
    """Whether a series is so long that curves and a calendar show more than lines.

    Parameters
    ----------
    prices : DataFrame
        Column time.

    Returns
    -------
    bool
    """
    return prices["time"].nunique() > _LONG


def has_days(prices: pd.DataFrame) -> bool:
    """Whether there are several prices on each of several days.

    Parameters
    ----------
    prices : DataFrame
        Column time.

    Returns
    -------
    bool
    """
    times = pd.Series(prices["time"].unique())
    if pd.to_numeric(times, errors="coerce").notna().all():
        return False
    days = _times(times).dt.floor("D")
    return bool(2 <= days.nunique() < len(days))


def _times(texts: pd.Series) -> pd.Series:
    """Stamps (in UTC where they had an offset) or numbers of rows, from text."""
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all():
        return numbers
    return pd.to_datetime(texts, utc=True, format="ISO8601").dt.tz_localize(None)


def _mean_prices(prices: pd.DataFrame, case: str) -> pd.Series:
    """Mean of the datacenters' buses and phases by time, in its order."""
    mine = pick(prices, case=case, quantity="active")
    found = mine.groupby("time", sort=False)["value"].mean()
    found.index = pd.Index(_times(found.index.to_series()))
    return found.sort_index()


def _payments(steps: pd.DataFrame, case: str) -> pd.Series:
    """Payment of a problem's rows ($ per row), by the time of its first one."""
    mine = pick(steps, case=case)
    return pd.Series((mine["payment"] / mine["rows"]).to_numpy(dtype=float),
                     pd.Index(_times(mine["time"]))).sort_index()


def _along(name: str, steps: pd.DataFrame, prices: pd.DataFrame, case: str) -> pd.Series:
    """What a panel of that name shows of a case."""
    return _mean_prices(prices, case) if name == PRICE else _payments(steps, case)


@styled
def series_lines(steps: pd.DataFrame, prices: pd.DataFrame) -> Figure:
    """Price and payment over time, a line per case.

    Parameters
    ----------
    steps : DataFrame
        Columns case, time, rows, payment ($).
    prices : DataFrame
        Columns case, time, bus, phase, quantity, value ($/MWh, $/Mvarh), unit.

    Returns
    -------
    Figure
    """
    cases = all_cases(steps)
    figure, axes = panels(2, 1, 2.1, sharex=True)
    for ax, name in zip(axes[:, 0], (PRICE, PAYMENT), strict=True):
        for case in cases_of(steps):
            values = _along(name, steps, prices, case)
            ax.step(values.index.to_numpy(), values.to_numpy(), where="post", label=case,
                    color=case_color(cases, case), lw=case_width(cases, case),
                    marker="." if len(values) == 1 else None)
        ax.set_title(name)
        ax.margins(x=0.01)
        _dates(ax, values.index)
    axes[1, 0].set_xlabel("time" if isinstance(values.index, pd.DatetimeIndex) else "row")
    _legend(figure, axes[0, 0])
    return figure


@styled
def series_curves(steps: pd.DataFrame, prices: pd.DataFrame) -> Figure:
    """Duration curves of price and payment, a line per case.

    Parameters
    ----------
    steps : DataFrame
        Columns case, time, rows, payment ($).
    prices : DataFrame
        Columns case, time, bus, phase, quantity, value ($/MWh, $/Mvarh), unit.

    Returns
    -------
    Figure
    """
    cases = all_cases(steps)
    figure, axes = panels(1, 2, 3.0)
    for ax, name in zip(axes[0], (PRICE, PAYMENT), strict=True):
        for case in cases_of(steps):
            values = _along(name, steps, prices, case)
            y = np.sort(values.dropna().to_numpy(dtype=float))[::-1]
            ax.plot(100 * (np.arange(len(y)) + 0.5) / max(len(y), 1), y, label=case,
                    color=case_color(cases, case), lw=case_width(cases, case))
        ax.set_title(name)
        ax.set_xlabel("share of time (%)")
        ax.set_xlim(0, 100)
    _legend(figure, axes[0, 0])
    return figure


@styled
def series_calendar(prices: pd.DataFrame) -> Figure:
    """Prices by day and hour of the day, a panel per case.

    Parameters
    ----------
    prices : DataFrame
        Columns case, time, bus, phase, quantity, value ($/MWh, $/Mvarh), unit. Its times are dates.

    Returns
    -------
    Figure
    """
    cells = {}
    for case in cases_of(prices):
        mean = _mean_prices(prices, case)
        at = pd.DatetimeIndex(mean.index)
        table = mean.groupby([at.floor("D"), at.hour]).mean().unstack(0)
        days = pd.date_range(at.min().floor("D"), at.max().floor("D"), freq="D")
        cells[case] = days, table.reindex(index=range(24), columns=days).to_numpy(dtype=float)
    norm, extend = norm_of(np.concatenate([x.ravel() for _, x in cells.values()]))
    cmap = colormap("viridis")
    figure, axes = panels(len(cells), 1, 2.2, sharex=True)
    for ax, (case, (days, values)) in zip(axes[:, 0], cells.items(), strict=True):
        ax.grid(False)
        first = float(days.to_numpy()[0].astype("datetime64[D]").astype(int))
        ax.imshow(np.ma.masked_invalid(values), aspect="auto", norm=norm, cmap=cmap,
                  extent=(first, first + len(days), 24, 0), interpolation="nearest")
        ax.set_yticks(range(0, 25, 6))
        ax.set_ylabel("hour of the day")
        ax.set_title(case)
        _dates(ax, days)
    colour_bar(figure, axes, norm, cmap, PRICE, extend)
    return figure


@styled
def series_effort(steps: pd.DataFrame) -> Figure:
    """Processor time of the problems, and how many parts had new critical regions.

    Parameters
    ----------
    steps : DataFrame
        Columns case, problem, rows, known, new (counts), cpu_s (s).

    Returns
    -------
    Figure
        A row for each case.
    """
    cases = all_cases(steps)
    shown = cases_of(steps)
    figure, axes = panels(len(shown), 2, 2.2, sharex="row")
    for (left, right), case in zip(axes, shown, strict=True):
        mine = pick(steps, case=case).sort_values("problem")
        groups = [mine.iloc[k] for k in np.array_split(
            np.arange(len(mine)), min(_BARS, len(mine)))]
        edges = np.array([g["problem"].iloc[0] for g in groups] + [mine["problem"].iloc[-1] + 1])
        used = _MS * mine["cpu_s"] / mine["rows"]
        if used.gt(0).any():
            left.plot(mine["problem"] + 0.5, used, ".", ms=2.5, color=MUTED, alpha=0.35,
                      rasterized=len(mine) > _LONG)
            left.stairs([_MS * g["cpu_s"].sum() / g["rows"].sum() for g in groups], edges,
                        baseline=None, color=case_color(cases, case), lw=2.0, zorder=3)
            left.set_yscale("log")
            left.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            left.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            left.yaxis.set_minor_locator(NullLocator())
        left.set_title(f"{case} · processor time (ms per row)")
        known, new = (np.array([g[key].sum() for g in groups]) for key in ("known", "new"))
        share = 100.0 * new / np.maximum(known + new, 1)
        right.stairs(share, edges, fill=True, color=case_color(cases, case))
        right.set_title(f"parts with new critical regions (%): {new.sum():,.0f} of "
                        f"{(known + new).sum():,.0f}")
        right.set_xlim(edges[0], edges[-1])
        right.set_ylim(0.0, max(1.0, 1.05 * share.max()))
    for ax in axes[-1]:
        ax.set_xlabel("problem")
    return figure


def _dates(ax: Axes, index: pd.Index) -> None:
    if isinstance(index, pd.DatetimeIndex):
        locator = AutoDateLocator(minticks=3, maxticks=9)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _legend(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
