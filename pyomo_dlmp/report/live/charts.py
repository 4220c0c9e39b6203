"""Charts by hour: traces and layouts as plotly reads them, rows of panels one below the other.

Panels share the hours and never stand side by side, so that a narrow screen has room for each.
"""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd

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
    LIMIT,
    MUTED,
    case_color,
    case_width,
    phase_color,
    site_colors,
)
from pyomo_dlmp.report.figures.unbalance import quantities_of
from pyomo_dlmp.report.live.panels import Chart, Panels, foot_px, plain

MOST_SITES = 6
_MOST_LINES = 15


def price_chart(prices: pd.DataFrame, dispatch: pd.DataFrame,
                head: tuple[str, dict[Hashable, float]] | None) -> Chart:
    """Active price by hour: all buses, then each datacenter's bus (mean of its phases).

    Parameters
    ----------
    prices, dispatch : DataFrame
        As of `Results`.
    head : (str, dict), optional
        Name and price at the substation by period ($/MWh).

    Returns
    -------
    Chart
    """
    active = pick(prices, quantity="active")
    periods, cases = periods_of(active), all_cases(active)
    sites = dict(list(sites_of(dispatch).items())[:MOST_SITES])
    panels = Panels(["all buses: lowest, mean and highest",
                      *(f"{site}, bus {bus}: mean of its phases" for site, bus in sites.items())])
    for case in cases_of(active):
        mine, color = pick(active, case=case), case_color(cases, case)
        spread = mine.groupby("period")["value"].agg(["min", "max", "mean"]).reindex(periods)
        for edge, word, fill in (("min", "lowest", None), ("max", "highest", "tonexty")):
            panels.steps(0, f"{case}: {word}", periods, spread[edge], color, width=0, trace={
                "fill": fill, "fillcolor": _faint(color), "legendgroup": case,
                "showlegend": False})
        panels.steps(0, case, periods, spread["mean"], color, width=case_width(cases, case))
        for row, bus in enumerate(sites.values(), 1):
            here = pick(mine, bus=bus).groupby("period")["value"].mean()
            panels.steps(row, case, periods, here, color, width=case_width(cases, case))
    if head is not None:
        for row in range(len(panels.titles)):
            panels.steps(row, head[0], periods, pd.Series(head[1]), MUTED, dash="dot", width=1.5)
    return panels.chart(
        ["$/MWh"] * len(panels.titles),
        "Active DLMP ($/MWh) by hour: on top of all buses and phases (band: from the lowest to the "
        "highest), then at each datacenter's bus. A click in the legend hides a case.",
        "Step lines of active price by hour, a panel for all buses and one for each datacenter.")


def power_chart(dispatch: pd.DataFrame, payments: pd.DataFrame, hours: float) -> Chart:
    """Power of the datacenters by hour, a panel per case, and the average price they pay.

    Parameters
    ----------
    dispatch, payments : DataFrame
        As of `Results`.
    hours : float
        Length of a period (h).

    Returns
    -------
    Chart
    """
    power = totals(dispatch, "datacenter")
    periods, cases = periods_of(power), cases_of(power)
    at_bus = sites_of(dispatch)
    colors, paid = site_colors(list(at_bus)), price_paid(payments, dispatch, hours)
    titles = list(cases) + (["average price paid"] if len(paid) else [])
    panels = Panels(titles, each=160)
    for row, case in enumerate(cases):
        wide = grid(pick(power, case=case), "period", "element").reindex(periods)
        for site, bus in at_bus.items():
            if site in wide:
                panels.add(row, f"{site} (bus {bus})", periods, wide[site], type="bar",
                           marker={"color": colors[site]})
    if len(paid):
        every = all_cases(dispatch)
        for case in cases_of(paid):
            mine = pick(paid, case=case).set_index("period")["value"]
            panels.steps(len(cases), f"price, {case}", periods, mine, case_color(every, case))
    return panels.chart(
        ["MW"] * len(cases) + ["$/MWh"] * bool(len(paid)),
        "Active power of the datacenters (MW) by hour, one site on the other"
        + (", and the average price that they pay for it ($/MWh)." if len(paid) else "."),
        "Stacked bars of datacenter power by hour, for each case, and the price paid.",
        barmode="stack", bargap=0.08)


def svg_chart(dispatch: pd.DataFrame) -> Chart:
    """Reactive output of all SVGs by leg, a panel per case that has some.

    Parameters
    ----------
    dispatch : DataFrame
        As of `Results`.

    Returns
    -------
    Chart
    """
    rows = pick(dispatch, kind="svg", quantity="reactive")
    rows = rows[rows["phase"] != ""] if (rows["phase"] != "").any() else rows
    periods, cases = periods_of(rows), cases_of(rows)
    panels = Panels(cases, each=150)
    for row, case in enumerate(cases):
        mine = pick(rows, case=case)
        for leg in phases_of(mine) or [""]:
            by_hour = pick(mine, phase=leg).groupby("period")["value"].sum()
            panels.add(row, leg or "all legs", periods, by_hour.reindex(periods), type="bar",
                       marker={"color": phase_color(leg)})
    return panels.chart(["Mvar"] * len(cases),
                        "Reactive output of all SVGs together (Mvar) by hour and leg; positive is "
                        "produced.",
                        "Bars of SVG reactive output by hour, one colour per leg.", bargap=0.15)


def import_chart(dispatch: pd.DataFrame) -> Chart:
    """Active and reactive import at the substation by hour.

    Parameters
    ----------
    dispatch : DataFrame
        As of `Results`.

    Returns
    -------
    Chart
    """
    words = {"active": ("active power", "MW"), "reactive": ("reactive power", "Mvar")}
    there = {name: table for name in words if len(table := totals(dispatch, "substation", name))}
    panels, cases = Panels([words[name][0] for name in there], each=160), all_cases(dispatch)
    for row, table in enumerate(there.values()):
        periods = periods_of(table)
        for case in cases_of(table):
            mine = pick(table, case=case).groupby("period")["value"].sum()
            panels.steps(row, case, periods, mine, case_color(cases, case),
                         width=case_width(cases, case))
    return panels.chart(
        [words[name][1] for name in there],
        "Power that the feeder draws at its substation, all phases: active (MW) and reactive "
        "(Mvar).", "Step lines of the feeder's import by hour, a line per case.")


def voltage_chart(voltages: pd.DataFrame, limits: tuple[float | None, float | None]) -> Chart:
    """Lowest and highest voltage of all buses by hour, a panel per phase.

    Parameters
    ----------
    voltages : DataFrame
        As of `Results`.
    limits : (float or None, float or None)
        Least and greatest (pu).

    Returns
    -------
    Chart
    """
    rows = pick(voltages, quantity="line_to_neutral")
    periods, phases, cases = periods_of(rows), phases_of(rows), all_cases(rows)
    panels = Panels([f"phase {phase}" for phase in phases], each=170)
    for row, phase in enumerate(phases):
        for case in cases_of(rows):
            mine = pick(rows, case=case, phase=phase).groupby("period")["value"]
            color, width = case_color(cases, case), case_width(cases, case)
            panels.steps(row, f"{case}: lowest", periods, mine.min(), color, width=width)
            panels.steps(row, f"{case}: highest", periods, mine.max(), color, width=width,
                         dash="dash")
        for limit in limits:
            if limit is not None:
                panels.level(row, limit)
    return panels.chart(
        ["pu"] * len(phases),
        "Lowest (solid) and highest (dashed) line-to-neutral voltage over all buses (pu) by hour; "
        "red: the limits.",
        "Step lines of the lowest and highest voltage by hour, a panel per phase.")


def unbalance_chart(unbalance: pd.DataFrame, dispatch: pd.DataFrame) -> Chart:
    """Mean unbalance of the datacenters' buses by hour, a panel per measure.

    Parameters
    ----------
    unbalance, dispatch : DataFrame
        As of `Results`.

    Returns
    -------
    Chart
    """
    here = unbalance[unbalance["bus"].isin(set(sites_of(dispatch).values()))]
    names, periods, cases = quantities_of(here)[:2], periods_of(here), all_cases(here)
    panels = Panels([f"{name}, mean of the datacenters' buses" for name in names], each=160)
    for row, name in enumerate(names):
        for case in cases_of(here):
            mine = pick(here, quantity=name, case=case).groupby("period")["value"].mean()
            panels.steps(row, case, periods, mine, case_color(cases, case),
                         width=case_width(cases, case))
        panels.layout[f"yaxis{row + 1 if row else ''}"] = {}
    return panels.chart(["%"] * len(names), "Voltage unbalance (%), mean of the datacenters' "
                        "buses, by hour; the map above has it for every bus.",
                        "Step lines of unbalance at the datacenters, a line per case.")


def loading_chart(loading: pd.DataFrame) -> Chart:
    """The lines that come nearest to their rating, in the hour and phase of their greatest flow.

    Parameters
    ----------
    loading : DataFrame
        As of `Results`.

    Returns
    -------
    Chart
    """
    cases = all_cases(loading)
    most = loading.groupby("element")["value"].max().sort_values(ascending=False)
    names = most.index[:_MOST_LINES].tolist()[::-1]
    data = []
    for case in cases_of(loading):
        mine = pick(loading, case=case).dropna(subset=["value"]).sort_values("value")
        mine = mine.drop_duplicates("element", keep="last").set_index("element").reindex(names)
        data.append({
            "type": "bar", "orientation": "h", "name": plain(case),
            "y": [plain(str(name)) for name in names], "x": mine["value"].to_numpy(dtype=float),
            "marker": {"color": case_color(cases, case)},
            "hovertext": [f"phase {phase}, hour {t}" for phase, t in zip(
                mine["phase"], mine["period"], strict=True)]})
    foot = foot_px([str(trace["name"]) for trace in data])
    height = 40 + max(60, len(names) * max(22, 9 * len(data))) + foot
    layout = {
        "margin": {"l": 20, "r": 16, "t": 30, "b": foot}, "bargap": 0.25, "plot_bgcolor": "#fff",
        "xaxis": {"title": {"text": "greatest loading (% of the rating)", "standoff": 6},
                  "rangemode": "tozero", "gridcolor": "#e9ecef"},
        "yaxis": {"automargin": True, "type": "category", "dtick": 1},
        "shapes": [{"type": "line", "x0": 100, "x1": 100, "yref": "paper", "y0": 0, "y1": 1,
                    "line": {"color": LIMIT, "width": 1.2, "dash": "dash"}}],
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom",
                   "traceorder": "normal"}}
    more = f"; the {len(names)} highest of {len(most):,}" if len(most) > len(names) else ""
    return Chart({"data": data, "layout": layout}, height,
                 f"Loading of lines and transformers in percent of their rating{more}: the "
                 "greatest of all hours and phases (see them by pointing at a bar). Red: the "
                 "rating.", "Bars of the greatest loading of each line, one per case.")


def _faint(color: str) -> str:
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.13)"
