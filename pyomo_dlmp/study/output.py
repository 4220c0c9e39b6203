"""The results folder of a study: tidy tables, one row for each value with its unit."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pyomo_dlmp.auditing import BilevelResult
from pyomo_dlmp.errors import StudyFileError
from pyomo_dlmp.market import MARKETS, MarketResult
from pyomo_dlmp.numerics import memory
from pyomo_dlmp.results import branches_table, buses_table, markets_table, schema
from pyomo_dlmp.results.schema import CASES, OF_A_RUN, ROUNDS, STUDY, SUMMARY
from pyomo_dlmp.study.data import Run, Study
from pyomo_dlmp.study.provenance import provenance_of


@dataclass
class CaseResult:
    """A solved run and its tables (without the column `case`)."""

    run: Run
    outcome: MarketResult
    seconds: float
    tables: dict[str, pd.DataFrame]

    @property
    def solution(self) -> BilevelResult | None:
        """Of the bilevel, in a market whose leader foresees the prices."""
        return self.outcome.solution

    @property
    def notes(self) -> list[str]:
        """How it went, in words."""
        own = [self.outcome.note] if self.outcome.note else []
        return own + (self.solution.notes if self.solution is not None else [])


def numbers(outcome: MarketResult, seconds: float) -> pd.DataFrame:
    """What the solve itself was like: rows of the summary.

    Parameters
    ----------
    outcome : MarketResult
    seconds : float
        Wall time of the run (s).

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
    if outcome.rounds is not None:
        rows.append(("rounds_of_the_price_taker", len(outcome.rounds), "count"))
    rows += [("wall_time", seconds, "s"), ("peak_memory", 1e3 * memory.peak(), "MB")]
    if solution is not None:
        rows += [(k.replace(" ", "_"), v, "count") for k, v in solution.size.items()]
    return SUMMARY.frame(rows)


def prepare(folder: Path, overwrite: bool = False) -> None:
    """Make the folder; clear the results of an earlier study from it only when told to.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        Whether results in it may go.

    Raises
    ------
    StudyFileError
        When it is a file, holds something else, or holds results that are not to go.
    """
    if folder.exists() and not folder.is_dir():
        raise StudyFileError.at(str(folder), "is a file", "Name a folder for the results.")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / "study.csv").exists():
            raise StudyFileError.at(
                str(folder), "is not empty and holds no results of a study",
                "Name another folder with `results`.")
        if not overwrite:
            raise StudyFileError.at(
                str(folder), "holds results already",
                "Name another folder (--results), or replace them (--overwrite).")
        for table in (*OF_A_RUN, ROUNDS, CASES, schema.MARKETS):
            with contextlib.suppress(FileNotFoundError):
                (folder / f"{table.name}.csv").unlink()
    folder.mkdir(parents=True, exist_ok=True)


def write_results(study: Study, done: list[CaseResult], folder: Path, network) -> None:
    """Append the tables of the last run that is done; write those of the study anew.

    Parameters
    ----------
    study : Study
        As `read_study` gives it.
    done : list of CaseResult
        Runs that are solved, the last of them not yet written.
    folder : Path
        Made by `prepare`.
    network : Network
        Its buses and branches are drawn.
    """
    last = done[-1]
    for name, table in last.tables.items():
        _append(folder / f"{name}.csv", last.run.name, table)
    if last.outcome.rounds is not None:
        _append(folder / "rounds.csv", last.run.name, last.outcome.rounds)
    cases = pd.DataFrame(
        [(r.run.name, r.run.case.name, r.run.loading, r.run.market, MARKETS[r.run.market].foresees)
         for r in done], columns=[column.name for column in CASES.in_file])
    cases.to_csv(folder / "cases.csv", index=False)
    if len(study.markets) > 1:
        summary = pd.concat([r.tables["summary"].assign(case=r.run.name) for r in done])
        markets_table(summary, cases).to_csv(folder / "markets.csv", index=False)
    buses_table(network).to_csv(folder / "buses.csv", index=False)
    branches_table(network).to_csv(folder / "branches.csv", index=False)
    _study_table(study).to_csv(folder / "study.csv", index=False)


def _append(path: Path, case: str, table: pd.DataFrame) -> None:
    first = not path.exists()
    table.assign(case=case)[["case", *table.columns]].to_csv(
        path, index=False, mode="a", header=first)


def _study_table(study: Study) -> pd.DataFrame:
    price = study.dso["price"]
    keys = {
        "title": study.title, "file": study.path, "feeder": study.feeder,
        "period_hours": study.hours, "energy_mwh": study.energy_mwh,
        "pays": study.aggregator["pays"],
        "substation_price": " ".join(map(str, price)) if isinstance(price, list) else price,
        **{k: study.dso[k] for k in ("losses", "voltage_limits", "v_min", "v_max", "penalty")},
        "solver": study.solver, "gap": study.gap, **provenance_of(study)}
    return STUDY.frame(list(keys.items()))
