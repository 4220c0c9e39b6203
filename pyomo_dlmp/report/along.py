"""The report's section on series: how the problems of each case ended, pictures of them."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pyomo_dlmp.report.derived import cases_of, pick
from pyomo_dlmp.report.drawing import Job
from pyomo_dlmp.report.figures import series
from pyomo_dlmp.report.page import Plan
from pyomo_dlmp.report.tables import Table, number


def series_table(steps: pd.DataFrame) -> Table:
    """How the problems of each case ended, and what they cost.

    Parameters
    ----------
    steps : DataFrame
        Rows of ``series_steps.csv``.

    Returns
    -------
    Table
        A row for each case.
    """
    rows = []
    for case in cases_of(steps):
        mine = pick(steps, case=case)
        ended = ", ".join(f"{count:,} {status}" for status, count in
                          mine["status"].value_counts().items())
        judged = mine["judged"].value_counts()
        passed = int(judged.get("passed", 0))
        seen = passed + int(judged.get("failed", 0))
        apart = (mine["payment"] - mine["repriced"]).abs().max()
        rows.append([case, ended, *(number(x) for x in (
            mine["rows"].sum(), mine["payment"].sum(), apart, mine["residual"].max())),
            f"{passed:,} of {seen:,}", number(mine["cpu_s"].sum())])
    return Table(
        ["case", "problems", "rows", "payment ($)", "repriced apart ($)", "KKT residual",
         "judged passed", "processor (s)"], rows, 2,
        "Problems along the series. Payments are computed again from prices and powers alone; the "
        "greatest difference and the greatest residual of all problems are shown. A share of the "
        "problems is judged by the full audit.")


def series_items(steps: pd.DataFrame, prices: pd.DataFrame) -> Iterator[Plan | Table]:
    """The table and the pictures.

    Parameters
    ----------
    steps, prices : DataFrame
        Rows of ``series_steps.csv`` and ``series_prices.csv``.

    Yields
    ------
    Plan or Table
    """
    if steps.empty:
        return
    yield series_table(steps)
    mean = "Prices are means of the datacenters' buses and phases."
    if prices.empty:
        pass
    elif series.is_long(prices):
        yield Plan(
            Job(series.series_curves, (steps, prices)),
            f"Duration curves: the share of time in which a price or a payment is exceeded. {mean}",
            "Sorted prices and payments along the series, a line per case.")
        if series.has_days(prices):
            yield Plan(
                Job(series.series_calendar, (prices,)),
                f"Active DLMP ($/MWh) by day and hour of the day. {mean} Grey: no price.",
                "Heat maps of the active price, hour of the day by day, for each case.")
    else:
        yield Plan(
            Job(series.series_lines, (steps, prices)),
            f"Price and payment along the series. {mean}",
            "Step lines of active price and payment over time, a line per case.")
    yield Plan(
        Job(series.series_effort, (steps,)),
        "Left: processor time of each problem (dots) and the mean of its neighbours (line). "
        "Right: the share of parts whose critical regions were not known before; a part is mostly "
        "an hour.",
        "Processor time per row, and the share of parts with new regions, by problem.")
