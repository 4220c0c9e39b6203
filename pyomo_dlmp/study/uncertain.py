"""A study's runs under uncertainty: their scenarios, and the tables of what is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import DlmpError, Fault, StudyFileError
from pyomo_dlmp.market import DEFAULT_MARKET
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.results.schema import AUDIT, OF_SCENARIOS, SUMMARY, TableSchema
from pyomo_dlmp.series import DATA
from pyomo_dlmp.status import Status
from pyomo_dlmp.study.data import Run, Study
from pyomo_dlmp.study.scenario_keys import TERMS
from pyomo_dlmp.tolerances import KKT_RESIDUAL, SAME_OBJECTIVE
from pyomo_dlmp.uncertainty import (
    CVaR,
    Scenarios,
    Wasserstein,
    check_ac,
    check_scenarios,
    risk_frontier,
    solve_stochastic,
)

Tables = dict[str, pd.DataFrame]
_OF = {table.name: table for table in OF_SCENARIOS}
_SIZED = ("energy_mwh", "kw", "rate")  # columns that grow with the datacenters
_COSTS = {"probability": "1", "cost": "$", "payment": "$", "deviation_cost": "$",
          "first_stage_cost": "$", "deviation_mwh": "MWh", "energy_mwh": "MWh"}
_VALUES = {"alone": "$", "regret": "$", "mean": "$", "regret_mean": "$"}
_WORTH, _AC, _RISK = "what information is worth", "AC check", "frontier of risk"
_IN_AC = {"payment_ac": "$", "v_min": "pu", "v_max": "pu", "limits_broken": "count"}


class Unfinished(KeyboardInterrupt):
    """Ctrl-C when a decision was known.

    Attributes
    ----------
    tables : dict of str to DataFrame
        Of that decision.
    """

    def __init__(self, tables: Tables):
        super().__init__("The decision found so far is written.")
        self.tables = tables


def has_scenarios(study: Study, run: Run) -> bool:
    """Whether a run is solved under uncertainty, too.

    Parameters
    ----------
    study : Study
    run : Run

    Returns
    -------
    bool
    """
    return bool(study.stochastic) and run.market == DEFAULT_MARKET


def scenarios_of(study: Study, run: Run) -> Scenarios:
    """The scenarios of a run: work and capacities at its loading.

    Parameters
    ----------
    study : Study
        With a table [scenarios].
    run : Run

    Returns
    -------
    Scenarios

    Raises
    ------
    ModelError
        With every fault of the file.
    """
    given = study.stochastic["scenarios"]
    if given["file"] is not None:
        found = Scenarios.from_table(
            given["file"], probabilities=given["probabilities"], outages=given["outages"] or None,
            columns=given["columns"])
    else:
        found = Scenarios.from_history(
            given["history"], given["count"], seed=given["seed"], keep_means=given["keep_means"],
            periods=None if study.periods * study.hours == 24 else study.periods,
            columns=given["columns"])
        if given["outages"]:
            found = replace(found, outages=given["outages"])
    return replace(found, numbers={
        column: values * run.loading if column.partition(".")[0] in _SIZED else values
        for column, values in found.numbers.items()})


def check_uncertain(study: Study, run: Run) -> None:
    """Raise an error with every fault of the file of [scenarios].

    Parameters
    ----------
    study : Study
    run : Run
        Whose market it has to fit.

    Raises
    ------
    StudyFileError
        Each fault with the study file's name.
    """
    if not has_scenarios(study, run):
        return
    try:
        check_scenarios(scenarios_of(study, run), study.market(run))
    except DlmpError as err:
        raise StudyFileError([Fault(f"{study.path}: [scenarios], {fault.where}", fault.what,
                                    fault.cure) for fault in err.faults]) from None


def uncertain_tables(study: Study, run: Run, tell: Callable[[str], None]) -> Tables:
    """Tables of a run's decision under uncertainty.

    Parameters
    ----------
    study : Study
    run : Run
    tell : callable
        tell(how far it is).

    Returns
    -------
    dict of str to DataFrame
        By name of their file; rows of the summary and of the audit among them.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C; an `Unfinished` where a decision is known.
    """
    market, scenarios = study.market(run), scenarios_of(study, run)
    given = study.stochastic["terms"]
    terms = {key: given[key] for key in TERMS} | {
        "gap": study.gap, "time_limit": study.time_limit,
        "progress": lambda stage, *_: tell(stage)}
    result = solve_stochastic(market, scenarios, **terms, risk=_risk(given))
    known = len(result.by_scenario) > 0
    if result.status == Status.INTERRUPTED and not known:
        raise KeyboardInterrupt
    stopped, done = result.status == Status.INTERRUPTED, dict[str, Any]()
    for part, make in ({} if stopped or not known else _asked(study, run, result, terms)).items():
        tell(part)
        try:
            done[part] = make()
        except KeyboardInterrupt:
            stopped = True
            break
        except DlmpError as err:  # the decision is there
            result.notes.append(f"{part}: {' '.join(str(err).split())}")
    tables = _tables(result, scenarios, period_labels(market.opf.get("periods", 1))[0], done,
                     float(given["risk_level"]))
    if stopped:
        raise Unfinished(tables)
    return tables


def _asked(study: Study, run: Run, result: Any, terms: dict[str, Any],
           ) -> dict[str, Callable[[], Any]]:
    """What is asked for beside the decision, by name."""
    given = study.stochastic["terms"]
    found: dict[str, Callable[[], Any]] = {}
    if given["settlement"] == "two":
        result.notes.append("EVPI, VSS and the AC check are of decisions with one settlement")
        return found
    if given["value"]:
        found[_WORTH] = lambda: result.value(time_limit=study.time_limit)
    if study.check_ac and not study.exact(run):
        found[_AC] = lambda: check_ac(result).table
    if given["frontier"]:
        found[_RISK] = lambda: risk_frontier(
            study.market(run), scenarios_of(study, run), weights=given["frontier"],
            level=float(given["risk_level"]), audit=False, atlas=result.models.atlas, **terms)
    return found


def _tables(result: Any, scenarios: Scenarios, labels: list, done: Mapping[str, Any],
            level: float) -> Tables:
    """The tables of a decision and of what was `done` beside it."""
    worth = done.get(_WORTH)
    tables = {"scenarios": _numbers(scenarios, labels),
              "uncertainty": _in_few(result, worth, level), "summary": _summary(result, worth)}
    if len(result.by_scenario):
        tables |= {"first_stage": _first(result), "scenario_costs": _costs(result, worth),
                   "scenario_schedule": _schedule(result)}
    if _AC in done:
        rows = _tidy(_OF["scenario_costs"], done[_AC], "scenario", _IN_AC)
        tables["scenario_costs"] = pd.concat([tables["scenario_costs"], rows], ignore_index=True)
    if result.prices is not None:
        tables["scenario_prices"] = result.prices[_OF["scenario_prices"].names]
    if result.settlements is not None:
        tables["settlements"] = _settlements(result.settlements)
    if result.audit is not None:
        tables["audit"] = _audit(result.audit.table)
    if _RISK in done:
        tables["risk_frontier"] = _frontier(done[_RISK])
    return tables


def _risk(given: Mapping[str, Any]) -> CVaR | Wasserstein | None:
    if given["risk_weight"] > 0:
        return CVaR(given["risk_weight"], given["risk_level"])
    return Wasserstein(given["radius"]) if given["radius"] > 0 else None


def _frontier(found: Any) -> pd.DataFrame:
    """Points that were found; each has its own proven bound."""
    units = {"expected": "$", "cvar": "$", "worst": "$", "objective": "$", "bound": "$"}
    rows = [(row["weight"], row["level"], quantity, row[quantity], unit)
            for row in found.table.to_dict("records") for quantity, unit in units.items()
            if np.isfinite(row[quantity])]
    return _OF["risk_frontier"].frame(rows)


def _numbers(scenarios: Scenarios, labels: list) -> pd.DataFrame:
    rows = [(name, t, column, x, DATA[column.partition(".")[0]].unit)
            for column, values in scenarios.numbers.items()
            for name, line in zip(scenarios.names, values.tolist(), strict=True)
            for t, x in zip(labels, line, strict=True)]
    return _OF["scenarios"].frame(rows)


def _first(result: Any) -> pd.DataFrame:
    rows = [(row.kind, row.site, "" if row.period is None else row.period, row.kw, "kW")
            for row in result.first_stage.itertuples()]
    rows += [("start", f"{row.job} at {row.site}", row.period, 1.0, "1")
             for row in result.starts.itertuples()]
    return _OF["first_stage"].frame(rows)


def _paid_first(result: Any) -> float:
    """What the first stage itself costs ($), whatever comes."""
    return float(result.problem.first.c @ result.found.x)


def _costs(result: Any, worth: Any) -> pd.DataFrame:
    paid = _paid_first(result)
    wide = result.by_scenario.assign(cost=result.by_scenario["cost"] + paid, first_stage_cost=paid)
    parts = [_tidy(_OF["scenario_costs"], wide, "scenario", _COSTS)]
    if worth is not None:
        parts.append(_tidy(_OF["scenario_costs"], worth.by_scenario, "scenario", _VALUES))
    return pd.concat(parts, ignore_index=True)


def _tidy(schema: TableSchema, wide: pd.DataFrame, key: str, units: dict[str, str],
          ) -> pd.DataFrame:
    """A column of quantities instead of one column each."""
    rows = [(name, quantity, float(x), unit) for quantity, unit in units.items()
            if quantity in wide for name, x in zip(wide[key], wide[quantity], strict=True)]
    return schema.frame(rows)


def _schedule(result: Any) -> pd.DataFrame:
    words = {"kw": "power", "up_kw": "up", "down_kw": "down"}
    rows = [(row.scenario, row.site, row.period, word, getattr(row, key), "kW")
            for row in result.schedule.itertuples() for key, word in words.items()]
    return _OF["scenario_schedule"].frame(rows)


def _settlements(table: pd.DataFrame) -> pd.DataFrame:
    words = {"mw": ("power", "MW"), "price": ("price", "$/MWh"), "value": ("payment", "$")}
    rows = [(row["settlement"], row["scenario"], row["site"], row["period"], word, row[key], unit)
            for row in table.to_dict("records") for key, (word, unit) in words.items()]
    return _OF["settlements"].frame(rows)


def _middle(ends: tuple[float, float]) -> float:
    return 0.5 * (ends[0] + ends[1])


def _expected(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Cost of each scenario ($) with what the first stage costs, and their probabilities."""
    table = result.by_scenario
    return (table["cost"].to_numpy(dtype=float) + _paid_first(result),
            table["probability"].to_numpy(dtype=float))


def _in_few(result: Any, worth: Any, level: float) -> pd.DataFrame:
    rows: list[tuple] = [
        ("status", str(result.status), np.nan, np.nan, ""),
        ("objective", result.objective, result.bound, result.objective, "$"),
        ("proven_gap", 100.0 * result.gap, np.nan, np.nan, "%")]
    if len(result.by_scenario):
        costs, p = _expected(result)
        rows += [("expected_cost", float(p @ costs), np.nan, np.nan, "$"),
                 ("CVaR", CVaR(1.0, level).tail_mean(costs, p), np.nan, np.nan, "$"),
                 ("CVaR_level", level, np.nan, np.nan, "1")]
    if worth is not None:
        for word, ends in (("wait_and_see", worth.wait_and_see), ("EVPI", worth.evpi),
                           ("cost_of_the_mean_schedule", worth.mean), ("VSS", worth.vss)):
            rows.append((word, _middle(ends), *ends, "$"))
    notes = [*result.notes, *(worth.notes if worth is not None else [])]
    rows += [("note", note, np.nan, np.nan, "") for note in notes]
    return _OF["uncertainty"].frame(rows)


def _summary(result: Any, worth: Any) -> pd.DataFrame:
    rows: list[tuple] = [("scenarios", result.size.get("scenarios", 0), "count")]
    if len(result.by_scenario):
        costs, p = _expected(result)
        rows.append(("expected_cost_under_uncertainty", float(p @ costs), "$"))
    rows.append(("proven_gap_under_uncertainty", 100.0 * result.gap, "%"))
    if worth is not None:
        rows += [("expected_value_of_perfect_information", _middle(worth.evpi), "$"),
                 ("value_of_the_stochastic_solution", _middle(worth.vss), "$")]
    return SUMMARY.frame(rows)


def _audit(table: pd.DataFrame) -> pd.DataFrame:
    """The worst of all scenarios, check by check."""
    paid = np.maximum(1.0, table["payment"].abs())
    rows = [("KKT residual, worst scenario", float(table["residual"].max()), KKT_RESIDUAL),
            ("payment repriced, worst scenario", float((table["apart"].abs() / paid).max()),
             SAME_OBJECTIVE)]
    found = [(check, value, limit, "relative", value <= limit) for check, value, limit in rows]
    failed = int((~table["passed"]).sum())
    found.append(("scenarios whose audit fails", failed, 0, "count", not failed))
    return AUDIT.frame(found)
