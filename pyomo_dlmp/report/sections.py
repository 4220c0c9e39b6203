"""What the report holds: its chapters, each with the pictures and tables that the data allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from pyomo_dlmp.report.ac_tables import (
    certificate_table,
    cliff_table,
    deviations_table,
    neutrals_table,
    rounds_table,
    worst_certificate,
)
from pyomo_dlmp.report.along import series_items
from pyomo_dlmp.report.derived import peak_period, pick, sites_of, substation_price
from pyomo_dlmp.report.drawing import Helpers, Job, Progress
from pyomo_dlmp.report.figures import (
    certificate,
    compare,
    dispatch,
    duration,
    emissions,
    layout,
    loading,
    oneline,
    parts,
    prices,
    profiles,
    regimes,
    unbalance,
)
from pyomo_dlmp.report.high_hours import loading_table
from pyomo_dlmp.report.page import Picture, Plan, Section
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.report.rivals import OWNERS, owners_items
from pyomo_dlmp.report.tables import (
    Table,
    audit_table,
    markets_table,
    number,
    payments_table,
    summary_table,
)
from pyomo_dlmp.report.uncertain import uncertainty_items, uncertainty_words
from pyomo_dlmp.tolerances import ROUNDING

_AUDIT = (
    "Each case is checked after it is solved. A failed check means that the numbers above must not "
    "be used."
)
_EMISSIONS = (
    "Slopes of the dispatch on the piece of the answer, times what the sources emit: negative "
    "where more load lets a cleaner source take over from a dirtier one."
)
_REGIMES = (
    "In each region the same limits bind and prices are affine functions of the powers; from one "
    "to the next they may jump."
)


def sections_of(results: Results, shown: Sequence[str]) -> list[Section]:
    """The chapters of the report, to be `drawn`; those without the tables they need have no items.

    Parameters
    ----------
    results : Results
        All cases: they are compared, and the audit is of all.
    shown : sequence of str
        Cases that are drawn one by one.

    Returns
    -------
    list of Section

    Raises
    ------
    ResultsFileError
        When one of `shown` is no case of the results.
    """
    some = results.only(shown)
    return [
        Section("summary", "Summary", items=tuple(_summary(some))),
        Section("markets", "Markets and loadings", items=tuple(_comparison(results))),
        Section("owners", "Several owners", OWNERS, items=tuple(owners_items(results))),
        Section("prices", "Prices by hour", items=tuple(_prices(some))),
        Section("parts", "Prices taken apart", items=tuple(_parts(some))),
        Section("ac", "Prices that are true in AC", _true_in_ac(results),
                items=tuple(_ac(results))),
        Section("emissions", "Marginal emissions", _EMISSIONS, items=tuple(_emissions(some))),
        Section("regimes", "Price regimes", _REGIMES, items=tuple(_regimes(some))),
        Section("map", "Prices on the feeder", items=tuple(_maps(some))),
        Section("datacenters", "Datacenters and SVGs", items=tuple(_dispatch(some))),
        Section("voltages", "Voltages", items=tuple(_voltages(some))),
        Section("unbalance", "Voltage unbalance", items=tuple(_unbalance(some))),
        Section("series", "Series", items=tuple(
            series_items(some.series_steps, some.series_prices))),
        Section("uncertainty", "Uncertainty", uncertainty_words(some.uncertainty),
                items=tuple(uncertainty_items(some))),
        Section("audit", "Audit", _AUDIT, items=tuple(_audit(results))),
    ]


def drawn(sections: Sequence[Section], helpers: Helpers,
          progress: Progress | None = None) -> list[Section]:
    """The sections with their pictures drawn.

    Parameters
    ----------
    sections : sequence of Section
        As `sections_of` plans them.
    helpers : Helpers
        That may take part.
    progress : callable, optional
        As of `Helpers.draw`.

    Returns
    -------
    list of Section
    """
    plans = [item for section in sections for item in section.items if isinstance(item, Plan)]
    texts = iter(helpers.draw([plan.job for plan in plans], progress))
    return [replace(section, items=tuple(
        Picture(next(texts), item.caption, item.alt) if isinstance(item, Plan) else item
        for item in section.items)) for section in sections]


def _picture(
    caption: str, alt: str, draw: Callable[..., Figure], *args: object, **kwargs: object
) -> Plan:
    return Plan(Job(draw, args, kwargs), caption, alt)


def _summary(results: Results) -> Iterator[Plan | Table]:
    hours = results.number("period_hours") or 1.0
    if len(results.summary):
        yield summary_table(results.summary)
    if len(results.payments):
        yield payments_table(results.payments, results.dispatch, hours)
    yield _picture(
        "The feeder with the names of its buses and its devices. Not to scale."
        f"{_places(results)}",
        f"One-line diagram of the feeder with {len(results.buses)} named buses.",
        oneline.feeder_key, results.buses, results.branches, results.dispatch,
    )  # fmt: skip


def _comparison(results: Results) -> Iterator[Plan | Table]:
    if len(results.markets):
        yield markets_table(results.markets)
        yield _picture(
            "Markets side by side. Bars stand on zero; dots, where values lie close together, have "
            "axes that do not start there.",
            "Bars of payment, cost, losses, voltage and unbalance by market.",
            compare.market_bars, results.markets,
        )  # fmt: skip
    if results.cases_table["loading"].nunique() > 1:
        yield _picture(
            "Key figures over the size of the datacenters (multiples of the file's), by case.",
            "Lines of payment, price, voltage and unbalance over the datacenters' loading.",
            compare.sweep, results.summary, results.cases_table,
        )  # fmt: skip


def _parts(results: Results) -> Iterator[Plan]:
    table, sites = results.decomposition, sites_of(results.dispatch)
    if table.empty or not sites:
        return
    yield _picture(
        "What the active DLMP holds beyond the energy price, by hour (mean of the phases).",
        "Stacked bars of loss, voltage, congestion and unbalance parts by hour and site.",
        parts.parts_by_hour, table, sites,
    )  # fmt: skip
    peak = peak_period(results.dispatch, results.prices)
    yield _picture(
        f"Parts of active and reactive DLMP by phase at hour {peak}, the feeder's peak.",
        "Stacked bars of price parts by site and phase.",
        parts.parts_by_phase, table, sites, peak,
    )  # fmt: skip


def _prices(results: Results) -> Iterator[Plan]:
    sites = sites_of(results.dispatch)
    head = substation_price(results.dispatch, results.prices, results.study)
    active = pick(results.prices, quantity="active")
    if len(active):
        yield _picture(
            "Active DLMP ($/MWh) by hour and phase: the band spans all buses; the datacenters' "
            "buses are drawn on their own. All panels have the same axes.",
            "Step lines of active price by hour and the band from the cheapest to the dearest bus.",
            prices.price_by_hour, results.prices, sites, substation=head,
        )  # fmt: skip
        yield _picture(
            "Active DLMP ($/MWh) at every bus (by distance from the substation) and hour. Grey: "
            "the bus lacks the phase. Triangles mark the datacenters' buses.",
            "Heat maps of active price, bus by hour, for each case and phase on one colour scale.",
            prices.price_heat_map, results.prices, results.buses, sites=sites,
        )  # fmt: skip
        if len(set(results.prices["case"])) > 1:
            yield _picture(
                "Change of the active DLMP ($/MWh) from the first case: blue is cheaper, red is "
                "dearer, white is unchanged.",
                "Heat maps of the difference of active price between the cases, bus by hour.",
                prices.price_difference, results.prices, results.buses, sites=sites,
            )  # fmt: skip
    if len(active):
        yield _picture(
            "Duration curves: the share of node-hours in which a price or a voltage is exceeded.",
            "Sorted prices and voltages, a line per case.",
            duration.duration_curves, results.prices, results.voltages, sites,
        )  # fmt: skip
    if _matters(pick(results.prices, quantity="reactive")):
        yield _picture(
            "Reactive DLMP ($/Mvarh) by hour and phase, drawn as the active one.",
            "Step lines of reactive price by hour and the band from the lowest to the highest bus.",
            prices.price_by_hour, results.prices, sites, quantity="reactive",
        )  # fmt: skip


def _true_in_ac(results: Results) -> str:
    """What the certificates say, in a sentence."""
    worst = worst_certificate(results.ac_certificate)
    if worst is None:
        return ""
    table = results.ac_certificate
    text = (f"Each of the {len(table):,} prices is found twice: as a dual of the optimisation, and "
            "as the marginal cost of the AC equations at the answer. The furthest, "
            f"{worst['quantity']} at bus {worst['bus']}, phase {worst['phase']}, hour "
            f"{worst['period']} (“{worst['case']}”), is {number(worst['error'])} "
            f"{worst['unit']} apart.")
    sample = table.dropna(subset=["difference_quotient"])
    if len(sample):
        error = (sample["price"] - sample["difference_quotient"]).abs().max()
        text += (f" A sample of {len(sample):,} is within {number(float(error))} of AC central "
                 "differences.")
    return text


def _ac(results: Results) -> Iterator[Plan | Table]:
    if len(results.ac_certificate):
        yield certificate_table(results.ac_certificate)
        yield _picture(
            "All prices, sorted by the distance of their dual from the marginal cost in AC.",
            "Curves of the differences of price and marginal cost on a logarithmic axis.",
            certificate.certificate_curves, results.ac_certificate,
        )  # fmt: skip
    for table, made in ((results.ac_rounds, rounds_table), (results.ac_cliff, cliff_table),
                        (results.ac_deviations, deviations_table)):
        if len(table) and (found := made(table)).rows:
            yield found


def _emissions(results: Results) -> Iterator[Plan]:
    if len(pick(results.emissions, quantity="active")):
        yield _picture(
            "What one more MWh at a bus makes the sources emit (kg CO2), by hour; the datacenters' "
            "power is held. Grey: the bus lacks the phase. Triangles mark the datacenters' buses.",
            "Heat maps of marginal emissions, bus by hour, for each case and phase.",
            emissions.emission_heat_map, results.emissions, results.buses,
            sites=sites_of(results.dispatch),
        )  # fmt: skip


def _regimes(results: Results) -> Iterator[Plan]:
    table = results.regimes
    if table.empty:
        return
    x, y = table["x_site"].iloc[0], table["y_site"].iloc[0]
    yield _picture(
        f"What binds over the powers of {x} and {y}, in the hour of each case's highest payment; "
        "all else the leader decides is as in the answer (star). Limits that bind everywhere are "
        f"left out. Numbers: active DLMP at {x} ($/MWh), mean of the region's corners.",
        "Polygons of the regions in which the same limits bind, for each case.",
        regimes.regime_map, table,
    )  # fmt: skip


def _maps(results: Results) -> Iterator[Plan]:
    peak = peak_period(results.dispatch, results.prices)
    for quantity in ("active", "reactive"):
        if not _matters(pick(results.prices, quantity=quantity, period=peak)):
            continue
        unit = "$/MWh" if quantity == "active" else "$/Mvarh"
        yield _picture(
            f"{quantity.capitalize()} DLMP ({unit}) at hour {peak}, the hour of the feeder's peak, "
            f"on the one-line diagram. One colour scale for all panels.{_places(results)}",
            f"One-line diagrams coloured by {quantity} price at hour {peak}, by case and phase.",
            oneline.price_map, results.prices, results.buses, results.branches, results.dispatch,
            period=peak, quantity=quantity,
        )  # fmt: skip


def _dispatch(results: Results) -> Iterator[Plan]:
    table, hours = results.dispatch, results.number("period_hours") or 1.0
    if len(pick(table, kind="datacenter", quantity="active")):
        yield _picture(
            "Above: active power of the datacenters (MW) by hour, one site on the other. Below: "
            "the average price they pay for it ($/MWh), any other case thin and dashed.",
            "Stacked datacenter power by hour and the average price paid, for each case.",
            dispatch.datacenter_power, table, results.payments, hours=hours,
        )  # fmt: skip
    if len(pick(table, kind="svg", quantity="reactive")):
        yield _picture(
            "Reactive output of the SVGs (Mvar) by hour and leg; positive is produced.",
            "Bars of SVG reactive output by hour, one colour per leg.",
            dispatch.svg_output, table,
        )  # fmt: skip
    if len(pick(table, kind="substation").query("quantity in ['active', 'reactive']")):
        yield _picture(
            "Power that the feeder draws at its substation, all phases: active (MW) and reactive "
            "(Mvar).",
            "Step lines of the feeder's active and reactive import by hour, a line per case.",
            dispatch.feeder_import, table,
        )  # fmt: skip


def _voltages(results: Results) -> Iterator[Plan | Table]:
    if len(results.neutrals):
        yield neutrals_table(results.neutrals)
    worst = profiles.lowest(results.voltages)
    if worst is None:
        return
    limits = (results.number("v_min"), results.number("v_max"))
    yield _picture(
        "Line-to-neutral voltage (pu) along the feeder at the hour of the lowest voltage of all "
        f"cases (hour {worst['period']}); the circle marks each case's lowest at that hour.",
        f"Voltage profile over distance at hour {worst['period']}, one panel per case.",
        profiles.voltage_profile, results.voltages, results.buses, results.branches, limits=limits,
    )  # fmt: skip
    yield _picture(
        "Lowest (solid) and highest (dashed) line-to-neutral voltage over all buses (pu) by hour.",
        "Step lines of the lowest and highest voltage by hour, a panel per phase.",
        profiles.voltage_by_hour, results.voltages, limits=limits,
    )  # fmt: skip


def _unbalance(results: Results) -> Iterator[Plan | Table]:
    table = results.unbalance.dropna(subset=["value"])
    if table.empty:
        return
    if (beside := loading_table(results.summary)) is not None:
        yield beside
    if table["bus"].isin(set(sites_of(results.dispatch).values())).any():
        yield _picture(
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
    yield _picture(
        f"Voltage unbalance (%) at each three-phase bus: filled marks are the greatest of all "
        f"hours, hollow marks the feeder's peak hour ({peak}).",
        "Dots of voltage unbalance by bus for each case, one row per measure.",
        unbalance.unbalance_by_bus, table, results.buses, peak=peak, limits=limits,
    )  # fmt: skip
    for name in names[:2]:
        yield _picture(
            f"{name} (%), greatest of all hours, on the one-line diagram.{_places(results)}",
            f"One-line diagrams coloured by {name}, a panel per case.",
            oneline.unbalance_map, table, results.buses, results.branches, results.dispatch,
            quantity=name,
        )  # fmt: skip


def _audit(results: Results) -> Iterator[Table]:
    if len(results.audit):
        yield audit_table(results.audit)


def _places(results: Results) -> str:
    """What a caption says of buses whose coordinates are not known; empty where all are."""
    filled = layout.filled_in(results.buses, results.branches)
    if filled is None:
        return " Laid out as a tree, as coordinates of the buses are not known."
    if not filled:
        return ""
    verb = "has no coordinates and is" if filled == 1 else "have no coordinates and are"
    return f" {filled} of {len(results.buses)} buses {verb} placed by the neighbours."


def _matters(rows: pd.DataFrame) -> bool:
    """Whether there is anything to see: a price that is zero everywhere needs no picture."""
    return bool((rows["value"].abs() > ROUNDING).any()) if len(rows) else False
