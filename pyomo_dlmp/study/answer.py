"""The tables of a solved run: the answer, then what follows it and may take long."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.market import Market, MarketResult
from pyomo_dlmp.results import decomposition_table, emissions_table, payments_table, regimes_table
from pyomo_dlmp.results.outcome import (
    device_prices_of,
    has_point,
    outcome_tables,
    pays_by,
    price_parts,
    solved_rows,
)
from pyomo_dlmp.results.schema import SUMMARY
from pyomo_dlmp.results.voltages import exact
from pyomo_dlmp.study.data import Study
from pyomo_dlmp.study.further import factors_of, regime_sites
from pyomo_dlmp.study.output import numbers
from pyomo_dlmp.validation import ac_report

Tables = dict[str, pd.DataFrame]
MOST_NODES = 2000  # nodes x periods beyond which prices are taken apart at the datacenters only
_AC_ROWS = ("greatest_voltage_error", "mean_voltage_error", "lowest_voltage_in_AC",
            "losses_in_AC", "limits_broken_in_AC", "greatest_VUF_error", "greatest_PVUR_error")


def answer_tables(study: Study, market: Market, outcome: MarketResult, seconds: float,
                  base: Tables | None = None) -> Tables:
    """What a run has found: all that does not need another computation.

    Parameters
    ----------
    study : Study
    market : Market
        That was solved.
    outcome : MarketResult
        Of it.
    seconds : float
        Wall time of the solve (s).
    base : dict of str to DataFrame, optional
        Tables of the run whose hours of high loading are taken; by default its own.

    Returns
    -------
    dict of str to DataFrame
        By name of their file, without the column `case`; only a summary where there is no point.
    """
    rows = [solved_rows(outcome), numbers(outcome, seconds)]
    if not has_point(outcome):
        return {"summary": pd.concat(rows, ignore_index=True)}
    tables = outcome_tables(outcome, market, (base or {}).get("dispatch"))
    dso, network = outcome.dso, outcome.network or market.network
    if pays_by(outcome, market) == "tariff" and network.datacenters:
        rows.insert(0, _at_dlmps(study, tables, network, device_prices_of(dso, network)))
    tables["summary"] = pd.concat([tables["summary"], *rows], ignore_index=True)
    return tables


def answer_notes(outcome: MarketResult) -> list[str]:
    """What a reader of the answer has to know of it before the prices are used.

    Parameters
    ----------
    outcome : MarketResult

    Returns
    -------
    list of str
    """
    return [outcome.warning] if outcome.warning else []


def later_stages(study: Study, market: Market, outcome: MarketResult, tables: Tables,
                 last: Mapping[str, Callable[[], Tables]]) -> dict[str, Callable[[], Tables]]:
    """What follows the answer: by name, a function that gives further tables or rows of tables.

    Parameters
    ----------
    study : Study
    market : Market
        That was solved.
    outcome : MarketResult
        Of it.
    tables : dict of str to DataFrame
        The answer's.
    last : mapping of str to callable
        What follows these, and does not need the answer: the run's series, its scenarios.

    Returns
    -------
    dict of str to callable
    """
    if not has_point(outcome):
        return dict(last)
    dso, network = outcome.dso, outcome.network or market.network
    stages: dict[str, Callable[[], Tables]] = {
        "decomposition": lambda: _taken_apart(study, outcome, network, tables)}
    if study.emissions:
        factors = factors_of(study.emissions, network)
        stages["emissions"] = lambda: {
            "emissions": emissions_table(dso, factors, outcome.form)}
    sites = regime_sites(study.regimes, network)
    if sites and outcome.solution is not None:
        stages["price regimes"] = lambda: {"regimes": _regimes(tables, outcome, sites)}
    if study.check_ac and not exact(dso):  # the AC form is its own check
        stages["AC check"] = lambda: {"summary": _against_ac(study, dso, network)}
    return {**stages, **last}


def _taken_apart(study: Study, outcome: MarketResult, network, tables: Tables) -> Tables:
    many = len(tables["voltages"]) > MOST_NODES * study.periods
    if not many or outcome.ac is not None:
        return {"decomposition": price_parts(outcome)}
    sites = {dc.bus for dc in network.datacenters.values()}
    return {"decomposition": decomposition_table(outcome.dso, sites, outcome.form)}


def _regimes(tables: Tables, outcome: MarketResult, sites: list[str]) -> pd.DataFrame:
    """Of the hour in which the datacenters pay most."""
    paid = tables["payments"].groupby("period", sort=False)["value"].sum()
    return regimes_table(outcome.dso, paid.idxmax(), sites, outcome.form)


def _at_dlmps(study: Study, tables, network, prices) -> pd.DataFrame:
    paid = payments_table(tables["prices"], tables["dispatch"], network, study.hours,
                          of_devices=prices)["value"].sum()
    return SUMMARY.frame([("datacenters_would_pay_at_DLMPs", paid, "$")])


def _against_ac(study: Study, dso, network) -> pd.DataFrame:
    """How far the linear model is off: an AC power flow of the same dispatch, all periods."""
    try:
        table = ac_report(dso, network, load_scale=study.dso["load_scale"], price_samples=0).summary
    except OpenDssError as err:
        return SUMMARY.frame([("AC_check", str(err).split(". ")[0], "")])
    table = table[table["quantity"].isin(_AC_ROWS)].copy()
    table["quantity"] = "AC_check_" + table["quantity"]
    return table
