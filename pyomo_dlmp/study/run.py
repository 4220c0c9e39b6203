"""Run a study: each case is built, solved, audited, and written before the next one starts."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.bilevel import LowerLevel
from pyomo_dlmp.errors import StudyFileError
from pyomo_dlmp.market import AggregatorBlock
from pyomo_dlmp.opf import build_opf
from pyomo_dlmp.plotting import write_report
from pyomo_dlmp.results import (
    branches_table,
    buses_table,
    dispatch_table,
    payments_table,
    prices_table,
    summary_table,
    unbalance_table,
    voltages_table,
)
from pyomo_dlmp.solve import BilevelResult, solve_bilevel
from pyomo_dlmp.study.file import Case, Study

Progress = Callable[[str, str, float | None, float | None], None]
TABLES = ("summary", "prices", "voltages", "unbalance", "dispatch", "payments", "audit")


@dataclass
class CaseResult:
    """A solved case: `solution` of the bilevel and its tables (without the column `case`)."""

    case: Case
    solution: BilevelResult
    seconds: float
    tables: dict[str, pd.DataFrame]


def build_case(study: Study, case: Case) -> tuple[pyo.ConcreteModel, object]:
    """(model, network) of a case: LowerLevel `dso` under AggregatorBlock `dca`."""
    net = study.network(case)
    m = pyo.ConcreteModel(name=f"{study.title}: {case.name}")
    m.dso = LowerLevel()
    build_opf(net, periods=study.periods, hours=study.hours, into=m.dso, **study.dso)
    m.dca = AggregatorBlock()
    m.dca.build(m.dso, study.energy_mwh, study.pays)
    return m, net


def run_study(
    study: Study, progress: Progress | None = None, results: str | Path | None = None,
) -> list[CaseResult]:
    """Solve all cases and write tables and ``report.html``; returns the cases in order.

    progress(case, stage, incumbent, bound) is called as it advances. results: folder, instead of
    the study's. Every case is written as soon as it is solved; on an interrupt the cases that are
    done stay, and a search that had an incumbent is written with its status. A folder that holds
    something else than a study's results is refused with StudyFileError.
    """
    folder = Path(results or study.results)
    _prepare(folder)
    tell = progress or (lambda *_: None)
    models = [build_case(study, case) for case in study.cases]  # all faults before any search
    done: list[CaseResult] = []
    while models:
        (model, net), case = models.pop(0), study.cases[len(done)]
        start = time.monotonic()
        solution = solve_bilevel(
            model, study.solver, gap=study.gap, time_limit=study.time_limit,
            progress=partial(tell, case.name))
        done.append(_tables(study, case, model, net, solution, time.monotonic() - start))
        tell(case.name, "write", solution.objective, solution.bound)
        write_results(study, done, folder, net)
        if solution.status == "interrupted":
            break
    tell(done[-1].case.name, "draw", None, None)
    if any("prices" in result.tables for result in done):
        write_report(folder)
    return done


def _tables(study, case, model, net, solution: BilevelResult, seconds: float) -> CaseResult:
    tables: dict[str, pd.DataFrame] = {}
    numbers = _numbers(solution, seconds)
    if solution.objective is not None:
        dso = model.dso
        tables = {"prices": prices_table(dso), "voltages": voltages_table(dso),
                  "unbalance": unbalance_table(dso), "dispatch": dispatch_table(dso, net)}
        tables["payments"] = payments_table(
            tables["prices"], tables["dispatch"], net, study.hours, study.pays)
        numbers = pd.concat([summary_table(dso, net, tables), numbers], ignore_index=True)
        tables["audit"] = _audit(solution, tables["payments"])
    return CaseResult(case, solution, seconds, {"summary": numbers, **tables})


def _audit(solution: BilevelResult, payments: pd.DataFrame) -> pd.DataFrame:
    """The solution's audit, and the payment recomputed from the price table."""
    assert solution.audit is not None and solution.objective is not None
    error = abs(payments["value"].sum() - solution.objective) / max(1.0, abs(solution.objective))
    row = pd.DataFrame([{
        "check": "payment from the tables against the objective", "value": error, "limit": 1e-4,
        "unit": "relative", "passed": error <= 1e-4}])
    return pd.concat([solution.audit.table(), row], ignore_index=True)


def _numbers(solution: BilevelResult, seconds: float) -> pd.DataFrame:
    """What the solve itself was like."""
    rows = [("status", solution.status, ""),
            ("proven_gap", None if solution.gap is None else 100 * solution.gap, "%"),
            ("bound_of_the_payment", solution.bound, "$"), ("wall_time", seconds, "s"),
            ("peak_memory", _peak_memory(), "MB")]
    rows += [(k.replace(" ", "_"), v, "count") for k, v in solution.size.items()]
    return pd.DataFrame(rows, columns=["quantity", "value", "unit"])


def _peak_memory() -> float:
    """Peak resident memory of this process (MB)."""
    scale = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def _prepare(folder: Path) -> None:
    """Make the folder, or clear the results of an earlier study from it."""
    if folder.exists() and not folder.is_dir():
        raise StudyFileError.at(str(folder), "is a file", "Name a folder for the results.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "study.csv").exists():
        raise StudyFileError.at(
            str(folder), "is not empty and holds no results of a study",
            "Name another folder with `results`.")
    folder.mkdir(parents=True, exist_ok=True)


def write_results(study: Study, done: list[CaseResult], folder: Path, net) -> None:
    """Write all tables of the cases that are done."""
    for name in TABLES:
        parts = [r.tables[name].assign(case=r.case.name) for r in done if name in r.tables]
        with contextlib.suppress(FileNotFoundError):
            (folder / f"{name}.csv").unlink()
        if parts:
            table = pd.concat(parts, ignore_index=True)
            table[["case", *(c for c in table.columns if c != "case")]].to_csv(
                folder / f"{name}.csv", index=False)
    buses_table(net).to_csv(folder / "buses.csv", index=False)
    branches_table(net).to_csv(folder / "branches.csv", index=False)
    _study_table(study).to_csv(folder / "study.csv", index=False)


def _study_table(study: Study) -> pd.DataFrame:
    price = study.dso["price"]
    keys = {
        "title": study.title, "file": study.path, "feeder": study.feeder,
        "period_hours": study.hours, "energy_mwh": study.energy_mwh, "pays": study.pays,
        "substation_price": " ".join(map(str, price)) if isinstance(price, list) else price,
        **{k: study.dso[k] for k in ("losses", "voltage_limits", "v_min", "v_max", "penalty")},
        "solver": study.solver, "gap": study.gap}
    return pd.DataFrame(list(keys.items()), columns=["key", "value"])
