"""What the report holds: its chapters, each with the pictures and tables that the data allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from pyomo_dlmp.report.ac_tables import (
    certificate_table,
    cliff_table,
    deviations_table,
    rounds_table,
    worst_certificate,
)
from pyomo_dlmp.report.along import series_items
from pyomo_dlmp.report.day import (
    loading_items,
    map_items,
    part_items,
    places,
    power_items,
    price_items,
    unbalance_items,
    voltage_items,
)
from pyomo_dlmp.report.derived import pick, sites_of
from pyomo_dlmp.report.drawing import Helpers, Progress
from pyomo_dlmp.report.figures import certificate, compare, emissions, oneline, regimes
from pyomo_dlmp.report.figures.regimes import split_regimes
from pyomo_dlmp.report.live.compare import market_chart, sweep_chart
from pyomo_dlmp.report.live.panels import Chart
from pyomo_dlmp.report.live.proofs import certificate_chart, regime_chart
from pyomo_dlmp.report.page import Picture, Plan, Section, both, on_paper, picture
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.report.rivals import OWNERS, owners_items
from pyomo_dlmp.report.tables import (
    Table,
    audit_table,
    error,
    markets_table,
    number,
    of_the_solver,
    payments_table,
    summary_table,
)
from pyomo_dlmp.report.tokens import TOKENS, token_items
from pyomo_dlmp.report.uncertain import uncertainty_items, uncertainty_words

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
    maps, alike = split_regimes(some.regimes)
    return [
        Section("map", "On the feeder", items=tuple(map_items(some))),
        Section("summary", "Summary", items=tuple(_summary(some))),
        Section("markets", "Markets and loadings", items=tuple(_comparison(results))),
        Section("loading", "Line loading", items=tuple(loading_items(some))),
        Section("owners", "Several owners", OWNERS, items=tuple(owners_items(results))),
        Section("prices", "Prices by hour", items=tuple(price_items(some))),
        Section("parts", "Prices taken apart", items=tuple(part_items(some))),
        Section("tokens", "What tokens cost", TOKENS, items=tuple(token_items(some.tokens))),
        Section("emissions", "Marginal emissions", _EMISSIONS, items=tuple(_emissions(some))),
        Section("regimes", "Price regimes", " ".join(filter(None, (_REGIMES, alike))),
                items=tuple(_regimes(maps))),
        Section("datacenters", "Datacenters and SVGs", items=tuple(power_items(some))),
        Section("voltages", "Voltages", items=tuple(voltage_items(some))),
        Section("unbalance", "Voltage unbalance", items=tuple(unbalance_items(some))),
        Section("series", "Series", items=tuple(
            series_items(some.series_steps, some.series_prices))),
        Section("uncertainty", "Uncertainty", uncertainty_words(some.uncertainty),
                items=tuple(uncertainty_items(some))),
        Section("ac", "Prices that are true in AC", _true_in_ac(results),
                items=tuple(_ac(results))),
        Section("audit", "Audit", _AUDIT, items=tuple(_audit(results))),
        Section("solver", "How it was solved", items=tuple(_solver(some))),
    ]


def drawn(sections: Sequence[Section], helpers: Helpers,
          progress: Progress | None = None, paper: bool = False) -> list[Section]:
    """The sections with their pictures drawn.

    Parameters
    ----------
    sections : sequence of Section
        As `sections_of` plans them.
    helpers : Helpers
        That may take part.
    progress : callable, optional
        As of `Helpers.draw`.
    paper : bool
        Whether those on paper alone are drawn too; otherwise they are left out.

    Returns
    -------
    list of Section
    """
    plans = [item for section in sections for item in section.items
             if isinstance(item, Plan) and (paper or not item.paper)]
    texts = iter(helpers.draw([plan.job for plan in plans], progress))
    return [replace(section, items=tuple(
        Picture(next(texts), item.caption, item.alt, item.paper)
        if isinstance(item, Plan) else item
        for item in section.items if paper or not (isinstance(item, Plan) and item.paper)))
        for section in sections]


def _summary(results: Results) -> Iterator[Plan | Table]:
    hours = results.number("period_hours") or 1.0
    table = results.summary
    mine = table[~of_the_solver(table)]
    if len(mine):
        yield summary_table(mine)
    if len(results.payments):
        yield payments_table(results.payments, results.dispatch, hours)
    yield on_paper(
        "The feeder with the names of its buses and its devices. Not to scale."
        f"{places(results)}",
        f"One-line diagram of the feeder with {len(results.buses)} named buses.",
        oneline.feeder_key, results.buses, results.branches, results.dispatch,
    )  # fmt: skip


def _solver(results: Results) -> Iterator[Table]:
    table = results.summary
    mine = table[of_the_solver(table)]
    if len(mine):
        yield replace(summary_table(mine, changes=False),
                      caption="Time, memory and size of each solve.")
    if len(results.ac_rounds):
        yield rounds_table(results.ac_rounds)


def _comparison(results: Results) -> Iterator[Chart | Plan | Table]:
    if len(results.markets):
        yield markets_table(results.markets)
        yield from both(market_chart(results.markets), compare.market_bars, results.markets)
    if results.cases_table["loading"].nunique() > 1:
        tables = results.summary, results.cases_table
        yield from both(sweep_chart(*tables), compare.sweep, *tables)


def _true_in_ac(results: Results) -> str:
    """What the certificates say, in a sentence."""
    worst = worst_certificate(results.ac_certificate)
    if worst is None:
        return ""
    table = results.ac_certificate
    text = (f"Each of the {len(table):,} prices is found twice: as a dual of the optimisation, and "
            "as the marginal cost of the AC equations at the answer. The furthest, "
            f"{worst['quantity']} at bus {worst['bus']}, phase {worst['phase']}, hour "
            f"{worst['period']} (“{worst['case']}”), is "
            f"{error(worst['error']).replace('<', 'less than ')} "
            f"{worst['unit']} apart.")
    sample = table.dropna(subset=["difference_quotient"])
    if len(sample):
        apart = (sample["price"] - sample["difference_quotient"]).abs().max()
        text += (f" A sample of {len(sample):,} is within {number(float(apart))} of AC central "
                 "differences.")
    return text


def _ac(results: Results) -> Iterator[Chart | Plan | Table]:
    if len(results.ac_certificate):
        yield certificate_table(results.ac_certificate)
        yield from both(certificate_chart(results.ac_certificate),
                        certificate.certificate_curves, results.ac_certificate)
    for table, made in ((results.ac_cliff, cliff_table),
                        (results.ac_deviations, deviations_table)):
        if len(table) and (found := made(table)).rows:
            yield found


def _emissions(results: Results) -> Iterator[Plan]:
    if len(pick(results.emissions, quantity="active")):
        yield picture(
            "What one more MWh at a bus makes the sources emit (kg CO2), by hour; the datacenters' "
            "power is held. Grey: the bus lacks the phase. Triangles mark the datacenters' buses.",
            "Heat maps of marginal emissions, bus by hour, for each case and phase.",
            emissions.emission_heat_map, results.emissions, results.buses,
            sites=sites_of(results.dispatch),
        )  # fmt: skip


def _regimes(table: pd.DataFrame) -> Iterator[Chart | Plan]:
    if table.empty:
        return
    yield from both(regime_chart(table), regimes.regime_map, table)


def _audit(results: Results) -> Iterator[Table]:
    if len(results.audit):
        yield audit_table(results.audit)
