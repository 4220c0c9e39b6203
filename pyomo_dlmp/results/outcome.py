"""All tables of a solved market, or of a solved DSO, that need no other computation."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pyomo_dlmp.market import MARKETS, Market, MarketResult
from pyomo_dlmp.results.ac import ac_decomposition, ac_summary, ac_tables
from pyomo_dlmp.results.ac_elements import neutrals_table
from pyomo_dlmp.results.decomposition import decomposition_table
from pyomo_dlmp.results.dispatch import dispatch_table
from pyomo_dlmp.results.line_loading import line_loading_table
from pyomo_dlmp.results.loading import high_loading
from pyomo_dlmp.results.payments import device_prices, market_payments, payments_table
from pyomo_dlmp.results.prices import balance_duals
from pyomo_dlmp.results.schema import (
    AUDIT,
    BEST_RESPONSES,
    EQUILIBRIA,
    LINE_LOADING,
    REGRET,
    SUMMARY,
    TOKENS,
)
from pyomo_dlmp.results.summary import summary_table
from pyomo_dlmp.results.tokens import tokens_table
from pyomo_dlmp.results.unbalance import unbalance_table
from pyomo_dlmp.results.voltages import exact, voltages_table
from pyomo_dlmp.tolerances import KKT_RESIDUAL, RECOMPUTED

Tables = dict[str, pd.DataFrame]


def outcome_tables(outcome: MarketResult, market: Market,
                   busy_of: pd.DataFrame | None = None) -> Tables:
    """What a market has found, as tables.

    Parameters
    ----------
    outcome : MarketResult
        With a point (`has_point`), its model not released.
    market : Market
        That was solved.
    busy_of : DataFrame, optional
        Dispatch table whose hours of high loading the summary takes; by default its own.

    Returns
    -------
    dict of str to DataFrame
        By name (`results.schema`), without the column `case`: prices, voltages, unbalance,
        dispatch, payments, summary, audit; neutrals, ac_* and those of owners where there are any.
    """
    dso, network = outcome.dso, outcome.network or market.network
    tables = _state(dso, network)
    if len(loading := line_loading_table(dso, network)):
        tables[LINE_LOADING.name] = loading
    tables["payments"] = market_payments(
        outcome, market, tables["prices"], tables["dispatch"], device_prices_of(dso, network))
    if outcome.model is not None and len(
            found := tokens_table(outcome.model, dso, tables["payments"])):
        tables[TOKENS.name] = found
    busy = high_loading(tables["dispatch"] if busy_of is None else busy_of)
    summary = [summary_table(dso, network, tables, busy)]
    if exact(dso):
        tables |= {"neutrals": found} if len(found := neutrals_table(dso)) else {}
    if outcome.ac is not None:
        tables |= ac_tables(outcome.ac)
        summary.append(ac_summary(outcome.ac))
    tables["summary"] = pd.concat(summary, ignore_index=True)
    tables["audit"] = _audit(outcome, tables["payments"], market)
    if outcome.regret is not None and outcome.rounds is not None:
        tables |= {REGRET.name: outcome.regret, BEST_RESPONSES.name: outcome.rounds}
        if outcome.equilibria is not None and len(outcome.equilibria):
            tables[EQUILIBRIA.name] = outcome.equilibria
    elif outcome.rounds is not None and outcome.ac is None:
        tables["rounds"] = outcome.rounds
    return tables


def dso_tables(dso: Any, network: Any, pays: str = "active and reactive") -> Tables:
    """What an OPF has found, as tables.

    Parameters
    ----------
    dso : block
        Filled by `build_opf` and solved by `solve_opf`.
    network : Network
        That it was built from.
    pays : str
        What the datacenters pay for: "active and reactive" or "active".

    Returns
    -------
    dict of str to DataFrame
        As of `outcome_tables`: prices, voltages, unbalance, dispatch, payments, summary.
    """
    tables = _state(dso, network)
    tables["payments"] = payments_table(
        tables["prices"], tables["dispatch"], network, dso.period_hours, pays,
        of_devices=device_prices_of(dso, network))
    tables["summary"] = summary_table(dso, network, tables)
    return tables


def price_parts(outcome: MarketResult) -> pd.DataFrame:
    """The table of price parts of a solved market, at every bus.

    Parameters
    ----------
    outcome : MarketResult

    Returns
    -------
    DataFrame
        As of `decomposition_table`.
    """
    if outcome.ac is not None:
        return ac_decomposition(outcome.ac.decomposition)
    return decomposition_table(outcome.dso, None, outcome.form)


def solved_rows(outcome: MarketResult) -> pd.DataFrame:
    """How a solve ended and what is proven: rows of the summary.

    Parameters
    ----------
    outcome : MarketResult

    Returns
    -------
    DataFrame
        Columns quantity, value, unit.
    """
    solution = outcome.solution
    rows: list[tuple] = [("status", outcome.status, "")]
    if solution is not None:
        rows += [("proven_gap", None if solution.gap is None else 100 * solution.gap, "%"),
                 ("bound_of_the_payment", solution.bound, "$")]
    if outcome.regret is not None:
        regret, cost = outcome.regret["regret"], outcome.regret["cost"].abs().clip(lower=1.0)
        rows += [("greatest_regret_of_an_owner", regret.max(), "$"),
                 ("greatest_relative_regret", 100 * (regret / cost).max(), "%")]
        rows += [(f"{owner}_pays", paid, "$") for owner, paid in zip(
            outcome.regret["owner"], outcome.regret["cost"], strict=True)]
        if outcome.equilibria is not None:
            rows.append(("equilibria_found", outcome.equilibria["number"].nunique(), "count"))
    elif outcome.rounds is not None and outcome.ac is None:
        rows.append(("rounds_of_the_price_taker", len(outcome.rounds), "count"))
    return SUMMARY.frame(rows)


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


def pays_by(outcome: MarketResult, market: Market) -> str:
    """What the datacenters of a market pay for.

    Parameters
    ----------
    outcome : MarketResult
    market : Market

    Returns
    -------
    str
        "active and reactive", "active" or "tariff".
    """
    return MARKETS[outcome.market].pays or market.pays


def device_prices_of(dso: Any, network: Any) -> pd.DataFrame | None:
    """Prices of devices' legs where they are not those of the buses: in the AC form."""
    return device_prices(dso, network) if exact(dso) else None


def _state(dso: Any, network: Any) -> Tables:
    return {"prices": balance_duals(dso), "voltages": voltages_table(dso),
            "unbalance": unbalance_table(dso), "dispatch": dispatch_table(dso, network)}


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
