"""Run a study: each run is built, solved, checked, and written before the next one starts."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.market import MARKETS, MarketResult, build_bilevel, solve_market
from pyomo_dlmp.report import write_report
from pyomo_dlmp.results import (
    decomposition_table,
    dispatch_table,
    payments_table,
    prices_table,
    summary_table,
    unbalance_table,
    voltages_table,
)
from pyomo_dlmp.results.schema import AUDIT, SUMMARY
from pyomo_dlmp.status import Status
from pyomo_dlmp.study.data import Case, Run, Study
from pyomo_dlmp.study.output import CaseResult, numbers, prepare, write_results
from pyomo_dlmp.tolerances import KKT_RESIDUAL, RECOMPUTED
from pyomo_dlmp.validation import ac_report

Progress = Callable[[str, str, float | None, float | None], None]
MOST_NODES = 2000  # nodes x periods beyond which prices are taken apart at the datacenters only
_AC_ROWS = ("greatest_voltage_error", "mean_voltage_error", "lowest_voltage_in_AC",
            "losses_in_AC", "limits_broken_in_AC", "greatest_VUF_error", "greatest_PVUR_error")


def build_case(study: Study, case: Case | Run):
    """The bilevel model of a run: LowerLevel `dso` under AggregatorBlock `dca`.

    Parameters
    ----------
    study : Study
        As `read_study` gives it.
    case : Case or Run
        A case stands for its run at loading 1 in the strategic market.

    Returns
    -------
    (ConcreteModel, Network)

    Raises
    ------
    ModelError
        When the datacenters' work cannot be served.
    """
    run = case if isinstance(case, Run) else Run(case.name, case)
    market = study.market(run)
    return build_bilevel(market), market.network


def run_study(
    study: Study, progress: Progress | None = None, results: str | Path | None = None,
    overwrite: bool = False,
) -> list[CaseResult]:
    """Solve all runs and write tables and ``report.html``.

    Every run is written as soon as it is solved; on an interrupt the runs that are done stay, and a
    search that had an incumbent is written with its status.

    Parameters
    ----------
    study : Study
        As `read_study` gives it.
    progress : callable, optional
        progress(run, stage, incumbent, bound) is called as the study advances ($).
    results : str or Path, optional
        Folder, instead of the study's.
    overwrite : bool
        Whether results that the folder holds may go.

    Returns
    -------
    list of CaseResult
        The runs in order.

    Raises
    ------
    StudyFileError
        When the folder holds something and `overwrite` does not allow for it.
    ModelError
        Before any search, when the work of a case cannot be served.
    """
    folder = Path(results or study.results)
    for case in study.cases:  # all faults before any search
        build_case(study, Run(case.name, case, study.loading[0]))
    prepare(folder, overwrite)
    tell = progress or (lambda *_: None)
    done: list[CaseResult] = []
    for run in study.runs:
        start = time.monotonic()
        market = study.market(run)
        outcome = solve_market(run.market, market, solver=study.solver, gap=study.gap,
                               time_limit=study.time_limit, progress=partial(tell, run.name))
        tell(run.name, "tables", None, None)
        tables = _tables(study, run, market, outcome, time.monotonic() - start)
        done.append(CaseResult(run, outcome, time.monotonic() - start, tables))
        solution = outcome.solution
        tell(run.name, "write", outcome.paid, solution.bound if solution else None)
        write_results(study, done, folder, market.network)
        if outcome.status == Status.INTERRUPTED:
            break
    tell(done[-1].run.name, "draw", None, None)
    if any("prices" in result.tables for result in done):
        write_report(folder)
    return done


def _tables(study: Study, run: Run, market, outcome: MarketResult,
            seconds: float) -> dict[str, pd.DataFrame]:
    own = numbers(outcome, seconds)
    if outcome.solution is not None and outcome.solution.objective is None:
        return {"summary": own}
    dso, network = outcome.dso, market.network
    tables = {"prices": prices_table(dso), "voltages": voltages_table(dso),
              "unbalance": unbalance_table(dso), "dispatch": dispatch_table(dso, network)}
    pays = MARKETS[run.market].pays or market.pays
    tariff = market.tariff if outcome.tariff is None else outcome.tariff
    tables["payments"] = payments_table(
        tables["prices"], tables["dispatch"], network, study.hours, pays, tariff)
    parts = decomposition_table(dso)
    if len(tables["voltages"]) > MOST_NODES * study.periods:
        parts = parts[parts["bus"].isin({dc.bus for dc in network.datacenters.values()})]
    tables["decomposition"] = parts
    summary = [summary_table(dso, network, tables)]
    if pays == "tariff":
        summary.append(_at_dlmps(study, tables, network))
    if study.check_ac:
        summary.append(_against_ac(study, dso, network))
    tables["summary"] = pd.concat([*summary, own], ignore_index=True)
    tables["audit"] = _audit(outcome, tables["payments"], market)
    return tables


def _at_dlmps(study: Study, tables, network) -> pd.DataFrame:
    paid = payments_table(tables["prices"], tables["dispatch"], network, study.hours)["value"].sum()
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
