"""Chapters of the day that is solved: prices, powers, voltages, unbalance.

The page has charts; the pictures of the same, which papers take, are drawn as files alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pyomo_dlmp.report.ac_tables import neutrals_table
from pyomo_dlmp.report.derived import peak_period, pick, sites_of, substation_price
from pyomo_dlmp.report.figures import (
    dispatch,
    duration,
    layout,
    loading,
    oneline,
    parts,
    prices,
    profiles,
    unbalance,
)
from pyomo_dlmp.report.high_hours import loading_table
from pyomo_dlmp.report.live import charts
from pyomo_dlmp.report.live.feeder import feeder_data
from pyomo_dlmp.report.live.panels import Chart
from pyomo_dlmp.report.page import FeederMap, Plan, on_paper
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.report.tables import Table
from pyomo_dlmp.tolerances import ROUNDING

_IDLE = 0.05  # % of a rating


def price_items(results: Results) -> Iterator[Chart | FeederMap | Plan]:
    """Prices by hour.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Yields
    ------
    Chart, Plan or Table
    """
    sites = sites_of(results.dispatch)
    head = substation_price(results.dispatch, results.prices, results.study)
    active = pick(results.prices, quantity="active")
    if len(active):
        yield charts.price_chart(results.prices, results.dispatch, head)
        yield on_paper(
            "Active DLMP ($/MWh) by hour and phase: the band spans all buses; the datacenters' "
            "buses are drawn on their own. All panels have the same axes.",
            "Step lines of active price by hour and the band from the cheapest to the dearest bus.",
            prices.price_by_hour, results.prices, sites, substation=head,
        )  # fmt: skip
        yield on_paper(
            "Active DLMP ($/MWh) at every bus (by distance from the substation) and hour. Grey: "
            "the bus lacks the phase. Triangles mark the datacenters' buses.",
            "Heat maps of active price, bus by hour, for each case and phase on one colour scale.",
            prices.price_heat_map, results.prices, results.buses, sites=sites,
        )  # fmt: skip
        if len(set(results.prices["case"])) > 1:
            yield on_paper(
                "Change of the active DLMP ($/MWh) from the first case: blue is cheaper, red is "
                "dearer, white is unchanged.",
                "Heat maps of the difference of active price between the cases, bus by hour.",
                prices.price_difference, results.prices, results.buses, sites=sites,
            )  # fmt: skip
    if len(active):
        yield on_paper(
            "Duration curves: the share of node-hours in which a price or a voltage is exceeded.",
            "Sorted prices and voltages, a line per case.",
            duration.duration_curves, results.prices, results.voltages, sites,
        )  # fmt: skip
    if matters(pick(results.prices, quantity="reactive")):
        yield on_paper(
            "Reactive DLMP ($/Mvarh) by hour and phase, drawn as the active one.",
            "Step lines of reactive price by hour and the band from the lowest to the highest bus.",
            prices.price_by_hour, results.prices, sites, quantity="reactive",
        )  # fmt: skip


def part_items(results: Results) -> Iterator[Chart | FeederMap | Plan]:
    """What prices are made of.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Yields
    ------
    Chart, Plan or Table
    """
    table, sites = results.decomposition, sites_of(results.dispatch)
    if table.empty or not sites:
        return
    yield on_paper(
        "What the active DLMP holds beyond the energy price, by hour (mean of the phases).",
        "Stacked bars of loss, voltage, congestion and unbalance parts by hour and site.",
        parts.parts_by_hour, table, sites,
    )  # fmt: skip
    peak = peak_period(results.dispatch, results.prices)
    yield on_paper(
        f"Parts of active and reactive DLMP by phase at hour {peak}, the feeder's peak.",
        "Stacked bars of price parts by site and phase.",
        parts.parts_by_phase, table, sites, peak,
    )  # fmt: skip


def map_items(results: Results) -> Iterator[Chart | FeederMap | Plan]:
    """The feeder, alive, and on paper by hour of its peak.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Yields
    ------
    Chart, Plan or Table
    """
    peak = peak_period(results.dispatch, results.prices)
    data = feeder_data(results)
    if data["layers"]:
        yield FeederMap(
            data, max(0, data["periods"].index(peak)) if peak in data["periods"] else 0,
            "The feeder, quantity by quantity: choose hour, phase and case; point at a bus or line "
            "for its values. Squares, circles, triangles and diamonds: substation, datacenters, "
            "SVGs, generators. Beside it or below: the same along the feeder, and "
            f"what the price of a bus is made of.{places(results)}",
            "Map of the feeder, coloured by the chosen quantity, with hour, phase and case to "
            "choose.")
    for quantity in ("active", "reactive"):
        if not matters(pick(results.prices, quantity=quantity, period=peak)):
            continue
        unit = "$/MWh" if quantity == "active" else "$/Mvarh"
        yield on_paper(
            f"{quantity.capitalize()} DLMP ({unit}) at hour {peak}, the hour of the feeder's peak, "
            f"on the one-line diagram. One colour scale for all panels.{places(results)}",
            f"One-line diagrams coloured by {quantity} price at hour {peak}, by case and phase.",
            oneline.price_map, results.prices, results.buses, results.branches, results.dispatch,
            period=peak, quantity=quantity,
        )  # fmt: skip


def power_items(results: Results) -> Iterator[Chart | FeederMap | Plan]:
    """Datacenters, SVGs, and what the feeder imports.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Yields
    ------
    Chart, Plan or Table
    """
    table, hours = results.dispatch, results.number("period_hours") or 1.0
    if len(pick(table, kind="datacenter", quantity="active")):
        yield charts.power_chart(table, results.payments, hours)
        yield on_paper(
            "Above: active power of the datacenters (MW) by hour, one site on the other. Below: "
            "the average price they pay for it ($/MWh), any other case thin and dashed.",
            "Stacked datacenter power by hour and the average price paid, for each case.",
            dispatch.datacenter_power, table, results.payments, hours=hours,
        )  # fmt: skip
    if len(pick(table, kind="svg", quantity="reactive")):
        yield charts.svg_chart(table)
        yield on_paper(
            "Reactive output of the SVGs (Mvar) by hour and leg; positive is produced.",
            "Bars of SVG reactive output by hour, one colour per leg.",
            dispatch.svg_output, table,
        )  # fmt: skip
    if len(pick(table, kind="substation").query("quantity in ['active', 'reactive']")):
        yield charts.import_chart(table)
        yield on_paper(
            "Power that the feeder draws at its substation, all phases: active (MW) and reactive "
            "(Mvar).",
            "Step lines of the feeder's active and reactive import by hour, a line per case.",
            dispatch.feeder_import, table,
        )  # fmt: skip


def voltage_items(results: Results) -> Iterator[Chart | Plan | Table]:
    """Voltages, and those of neutrals.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Yields
    ------
    Chart, Plan or Table
    """
    if len(results.neutrals):
        yield neutrals_table(results.neutrals)
    worst = profiles.lowest(results.voltages)
    if worst is None:
        return
    limits = (results.number("v_min"), results.number("v_max"))
    yield charts.voltage_chart(results.voltages, limits)
    yield on_paper(
        "Line-to-neutral voltage (pu) along the feeder at the hour of the lowest voltage of all "
        f"cases (hour {worst['period']}); the circle marks each case's lowest at that hour.",
        f"Voltage profile over distance at hour {worst['period']}, one panel per case.",
        profiles.voltage_profile, results.voltages, results.buses, results.branches, limits=limits,
    )  # fmt: skip
    yield on_paper(
        "Lowest (solid) and highest (dashed) line-to-neutral voltage over all buses (pu) by hour.",
        "Step lines of the lowest and highest voltage by hour, a panel per phase.",
        profiles.voltage_by_hour, results.voltages, limits=limits,
    )  # fmt: skip


def unbalance_items(results: Results) -> Iterator[Chart | Plan | Table]:
    """Voltage unbalance.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Yields
    ------
    Chart, Plan or Table
    """
    table = results.unbalance.dropna(subset=["value"])
    if table.empty:
        return
    if (beside := loading_table(results.summary)) is not None:
        yield beside
    if table["bus"].isin(set(sites_of(results.dispatch).values())).any():
        yield charts.unbalance_chart(table, results.dispatch)
        yield on_paper(
            "Voltage unbalance (%), mean of the datacenters' buses, by hour, over the power that "
            "they draw. Shaded: hours of high loading.",
            "Step lines of unbalance at the datacenters and of their power, a line per case.",
            loading.unbalance_by_hour, table, results.dispatch,
        )  # fmt: skip
    peak = peak_period(results.dispatch, results.prices)
    names = unbalance.quantities_of(table)
    limits = {}
    for name in names:
        limit = results.number(f"{name.lower()}_max")
        if limit is not None:
            limits[name] = limit
    yield on_paper(
        f"Voltage unbalance (%) at each three-phase bus: filled marks are the greatest of all "
        f"hours, hollow marks the feeder's peak hour ({peak}).",
        "Dots of voltage unbalance by bus for each case, one row per measure.",
        unbalance.unbalance_by_bus, table, results.buses, peak=peak, limits=limits,
    )  # fmt: skip
    for name in names[:2]:
        yield on_paper(
            f"{name} (%), greatest of all hours, on the one-line diagram.{places(results)}",
            f"One-line diagrams coloured by {name}, a panel per case.",
            oneline.unbalance_map, table, results.buses, results.branches, results.dispatch,
            quantity=name,
        )  # fmt: skip


def loading_items(results: Results) -> Iterator[Chart]:
    """Lines and transformers against their rating.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Yields
    ------
    Chart
    """
    if (results.line_loading["value"] > _IDLE).any():
        yield charts.loading_chart(results.line_loading)


def places(results: Results) -> str:
    """What a caption says of buses whose coordinates are not known.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str
        Empty where all are.
    """
    filled = layout.filled_in(results.buses, results.branches)
    if filled is None:
        return " Laid out as a tree, as coordinates of the buses are not known."
    if not filled:
        return ""
    verb = "has no coordinates and is" if filled == 1 else "have no coordinates and are"
    return f" {filled} of {len(results.buses)} buses {verb} placed by the neighbours."


def matters(rows: pd.DataFrame) -> bool:
    """Whether there is anything to see: a price that is zero everywhere needs no picture.

    Parameters
    ----------
    rows : DataFrame
        Of a table of the results.

    Returns
    -------
    bool
    """
    return bool((rows["value"].abs() > ROUNDING).any()) if len(rows) else False
