"""The tables of a solved run: the answer, then what follows it and may take long."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.market import MARKETS, Market, MarketResult
from pyomo_dlmp.results import (
    decomposition_table,
    dispatch_table,
    emissions_table,
    payments_table,
    regimes_table,
    summary_table,
    tokens_table,
    unbalance_table,
    voltages_table,
)
from pyomo_dlmp.results.ac import ac_decomposition, ac_summary, ac_tables
from pyomo_dlmp.results.ac_elements import neutrals_table
from pyomo_dlmp.results.limits import CURE, broken_limits
from pyomo_dlmp.results.loading import high_loading
from pyomo_dlmp.results.payments import device_prices, market_payments
from pyomo_dlmp.results.prices import balance_duals
from pyomo_dlmp.results.schema import AUDIT, BEST_RESPONSES, EQUILIBRIA, REGRET, SUMMARY, TOKENS
from pyomo_dlmp.results.voltages import exact
from pyomo_dlmp.study.data import Run, Study
from pyomo_dlmp.study.further import factors_of, regime_sites
from pyomo_dlmp.study.output import numbers
from pyomo_dlmp.tolerances import KKT_RESIDUAL, RECOMPUTED
from pyomo_dlmp.validation import ac_report

Tables = dict[str, pd.DataFrame]
MOST_NODES = 2000  # nodes x periods beyond which prices are taken apart at the datacenters only
_AC_ROWS = ("greatest_voltage_error", "mean_voltage_error", "lowest_voltage_in_AC",
            "losses_in_AC", "limits_broken_in_AC", "greatest_VUF_error", "greatest_PVUR_error")


def answer_tables(study: Study, run: Run, market: Market, outcome: MarketResult,
                  seconds: float, base: Tables | None = None) -> Tables:
    """What a run has found: all that does not need another computation.

    Parameters
    ----------
    study : Study
    run : Run
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
    own = numbers(outcome, seconds)
    if not has_point(outcome):
        return {"summary": own}
    dso, network = outcome.dso, outcome.network or market.network
    tables = {"prices": balance_duals(dso), "voltages": voltages_table(dso),
              "unbalance": unbalance_table(dso), "dispatch": dispatch_table(dso, network)}
    pays = MARKETS[run.market].pays or market.pays
    prices = device_prices(dso, network) if exact(dso) else None
    tables["payments"] = market_payments(
        outcome, market, tables["prices"], tables["dispatch"], prices)
    busy = high_loading((base or tables)["dispatch"])
    if outcome.model is not None and len(
            found := tokens_table(outcome.model, dso, tables["payments"])):
        tables[TOKENS.name] = found
    summary = [summary_table(dso, network, tables, busy)]
    if pays == "tariff":
        summary.append(_at_dlmps(study, tables, network, prices))
    if exact(dso):
        tables |= {"neutrals": found} if len(found := neutrals_table(dso)) else {}
    if outcome.ac is not None:
        tables |= ac_tables(outcome.ac)
        summary.append(ac_summary(outcome.ac))
    tables["summary"] = pd.concat([*summary, own], ignore_index=True)
    tables["audit"] = _audit(outcome, tables["payments"], market)
    if outcome.regret is not None and outcome.rounds is not None:
        tables |= {REGRET.name: outcome.regret, BEST_RESPONSES.name: outcome.rounds}
        if outcome.equilibria is not None and len(outcome.equilibria):
            tables[EQUILIBRIA.name] = outcome.equilibria
    elif outcome.rounds is not None and outcome.ac is None:
        tables["rounds"] = outcome.rounds
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
    broken = broken_limits(outcome.dso) if has_point(outcome) else None
    return [] if broken is None else [f"WARNING: {broken} {CURE}"]


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


def has_point(outcome: MarketResult) -> bool:
    """Whether a run has found anything.

    Parameters
    ----------
    outcome : MarketResult

    Returns
    -------
    bool
    """
    return outcome.solution is None or outcome.solution.objective is not None


def _taken_apart(study: Study, outcome: MarketResult, network, tables: Tables) -> Tables:
    if outcome.ac is not None:
        return {"decomposition": ac_decomposition(outcome.ac.decomposition)}
    many = len(tables["voltages"]) > MOST_NODES * study.periods
    sites = {dc.bus for dc in network.datacenters.values()}
    return {"decomposition": decomposition_table(
        outcome.dso, sites if many else None, outcome.form)}


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


def _audit(outcome: MarketResult, payments: pd.DataFrame, market) -> pd.DataFrame:
    """The solution's audit, and the payment recomputed from the price table."""
    parts = []
    if outcome.solution is not None and outcome.solution.audit is not None:
        parts.append(outcome.solution.audit.table())
    rows = []
    if outcome.residual is not None:
        rows.append(("KKT residual", outcome.residual, KKT_RESIDUAL, "relative"))
    if outcome.paid == outcome.paid:  # a market in which something is paid
        mine = payments[~payments["element"].isin(
            {site for sites, _ in market.takers.values() for site in sites})]
        error = abs(mine["value"].sum() - outcome.paid) / max(1.0, abs(outcome.paid))
        rows.append(("payment from the tables against the objective", error, RECOMPUTED,
                     "relative"))
    parts.append(AUDIT.frame([(check, value, limit, unit, value <= limit)
                              for check, value, limit, unit in rows]))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)
