"""The results folder of a study: tidy tables, one row for each value with its unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pyomo_dlmp.auditing import BilevelResult
from pyomo_dlmp.market import MARKETS, MarketResult
from pyomo_dlmp.network import Network
from pyomo_dlmp.numerics import memory
from pyomo_dlmp.results import branches_table, buses_table, markets_table, schema
from pyomo_dlmp.results.flags import below_one
from pyomo_dlmp.results.schema import CASES, OF_A_RUN, STUDY, SUMMARY, Kind
from pyomo_dlmp.status import Status
from pyomo_dlmp.study.data import Run, Study
from pyomo_dlmp.study.journal import KeptRun, write_whole
from pyomo_dlmp.study.provenance import provenance_of


@dataclass(repr=False)
class CaseResult:
    """A solved run.

    Attributes
    ----------
    run : Run
    outcome : MarketResult
        Without a model where the run was solved by an earlier process.
    seconds : float
        Wall time (s).
    tables : dict of str to DataFrame
        By name of their file, without the column `case`.
    missing : dict of str to str
        What was to follow the answer and is not there ("AC check"), with the reason.
    warnings : list of str
        What a reader has to know before the prices are used.
    kept : list of str or None
        Notes of a run that an earlier process has solved.
    """

    run: Run
    outcome: MarketResult
    seconds: float
    tables: dict[str, pd.DataFrame]
    missing: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    kept: list[str] | None = None

    def __repr__(self) -> str:
        missing = f"; missing: {', '.join(self.missing)}" if self.missing else ""
        return f"<CaseResult {self.run.name}: {self.outcome!r}{missing}>"

    @property
    def solution(self) -> BilevelResult | None:
        """Of the bilevel, in a market whose leader foresees the prices."""
        return self.outcome.solution

    @property
    def notes(self) -> list[str]:
        """How it went, in words."""
        if self.kept is not None:
            return self.kept
        own = [self.outcome.note] if self.outcome.note else []
        return self.warnings + own + (self.solution.notes if self.solution is not None else [])


class StudyResults(list[CaseResult]):
    """The runs of a study in order, and where their tables are.

    Attributes
    ----------
    folder : Path
        With the tables; beside the folder that was asked for while that holds older results and
        these are not all there.
    finished : bool
        Whether all runs are there; otherwise the study can be resumed.
    interrupted : bool
        Whether Ctrl-C has ended it.
    report_missing : str
        Why there is no ``report.html``; empty where it is there.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        self.finished = False
        self.interrupted = False
        self.report_missing = ""

    def __repr__(self) -> str:
        lines = "".join(f"\n  {result!r}" for result in self)
        return f"<StudyResults in {self.folder}, {len(self)} runs{lines}>"

    @property
    def missing(self) -> dict[str, str]:
        """What could not be done although the runs are solved, with the reason."""
        found = {f"{result.run.name}, {what}": why
                 for result in self for what, why in result.missing.items()}
        return found | ({"report.html": self.report_missing} if self.report_missing else {})


def numbers(outcome: MarketResult, seconds: float) -> pd.DataFrame:
    """What the solve has taken: rows of the summary.

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
    rows = [("wall_time", seconds, "s"), ("peak_memory", 1e3 * memory.peak(), "MB")]
    if outcome.solution is not None:
        rows += [(k.replace(" ", "_"), v, "count") for k, v in outcome.solution.size.items()]
    return SUMMARY.frame(rows)


@dataclass
class _Written:
    """The tables of a study that do not change from run to run, made once."""

    buses: str
    branches: str
    study: str


class StudyTables:
    """Writes the tables of a study into a folder.

    Parameters
    ----------
    study : Study
        As `read_study` gives it.
    folder : Path
        It exists.
    """

    def __init__(self, study: Study, folder: Path):
        self.study, self.folder = study, folder
        self._once: _Written | None = None

    def append(self, run: Run, tables: dict[str, pd.DataFrame]) -> None:
        """Add the rows of one run, each table in one go.

        Parameters
        ----------
        run : Run
        tables : dict of str to DataFrame
            By name of the file, without the column `case`.
        """
        for name, table in tables.items():
            path = self.folder / f"{name}.csv"
            text = _text(table.assign(case=run.name)[["case", *table.columns]],
                         header=not path.exists())
            with path.open("ab") as file:
                file.write(text.encode("utf-8"))

    def of_the_study(self, done: list[CaseResult], network: Network) -> None:
        """Write what is of all runs together anew: each file is whole, old or new, at any moment.

        Parameters
        ----------
        done : list of CaseResult
            Runs so far.
        network : Network
            Its buses and branches are drawn.
        """
        cases = pd.DataFrame(
            [(r.run.name, r.run.case.name, r.run.loading, r.run.market,
              MARKETS[r.run.market].foresees) for r in done],
            columns=[column.name for column in CASES.in_file])
        texts = {CASES.name: _text(cases)}
        if len(self.study.markets) > 1:
            summary = pd.concat([r.tables["summary"].assign(case=r.run.name) for r in done])
            of_markets = cases[[r.run.datacenters for r in done]]
            table = markets_table(summary, of_markets)
            texts[schema.MARKETS.name] = _text(table)
            told = {note for r in done for note in r.warnings}
            done[-1].warnings += [f"WARNING: {note}" for note in [below_one(table)]
                                  if note and f"WARNING: {note}" not in told]
        if self._once is None:
            self._once = _Written(_text(buses_table(network)), _text(branches_table(network)),
                                  _text(_study_table(self.study)))
        texts |= {"buses": self._once.buses, "branches": self._once.branches,
                  "study": self._once.study}
        for name, text in texts.items():
            write_whole(self.folder / f"{name}.csv", text)


def kept_result(run: Run, kept: KeptRun, folder: Path) -> CaseResult:
    """A run that an earlier process has solved, from its tables.

    Parameters
    ----------
    run : Run
    kept : KeptRun
        What the journal says of it.
    folder : Path
        With the tables.

    Returns
    -------
    CaseResult
        Its `outcome` has no model.
    """
    tables = {}
    for table in OF_A_RUN:
        path = folder / f"{table.name}.csv"
        if path.exists():
            words = {c.name: str for c in table.in_file if c.kind in (Kind.TEXT, Kind.FREE)}
            blank = {c.name: [""] for c in table.in_file
                     if c.kind is Kind.NUMBER or c.name == "value"}
            rows = pd.read_csv(path, dtype=words, keep_default_na=False,  # type: ignore[arg-type]
                               na_values=blank)
            rows = rows[rows["case"] == run.name].drop(columns="case").reset_index(drop=True)
            if len(rows):
                tables[table.name] = rows
    if "summary" in tables:
        tables["summary"]["value"] = tables["summary"]["value"].map(_number)
    paid = float("nan") if kept.paid is None else kept.paid
    known = set(map(str, Status))
    status = Status(kept.status) if kept.status in known else kept.status
    outcome = MarketResult(run.market, None, paid, status)
    return CaseResult(run, outcome, kept.seconds, tables, dict(kept.missing), kept=list(kept.notes))


def kept_run(result: CaseResult) -> KeptRun:
    """What the journal says of a run that is whole.

    Parameters
    ----------
    result : CaseResult

    Returns
    -------
    KeptRun
    """
    paid = result.outcome.paid
    return KeptRun(str(result.outcome.status), None if paid != paid else float(paid),
                   result.seconds, result.notes, result.missing)


def runs_in_tables(folder: Path) -> dict[str, KeptRun]:
    """Runs of a folder that is whole, as its journal would have them.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict of str to KeptRun
    """
    summary = pd.read_csv(folder / "summary.csv", dtype=str, keep_default_na=False)
    wide = summary.drop_duplicates(["case", "quantity"]).pivot(
        index="case", columns="quantity", values="value")
    found = {}
    for case in dict.fromkeys(summary["case"]):
        row = wide.loc[case]
        paid, seconds = (_number(row.get(key)) for key in ("datacenters_pay", "wall_time"))
        found[case] = KeptRun(str(row.get("status", "")),
                              paid if isinstance(paid, float) else None,
                              seconds if isinstance(seconds, float) else 0.0, [], {})
    return found


def _number(cell: object) -> object:
    """A cell of a column that holds numbers and words."""
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return cell


def _text(table: pd.DataFrame, header: bool = True) -> str:
    return table.to_csv(index=False, header=header)


def _study_table(study: Study) -> pd.DataFrame:
    price = study.dso["price"]
    keys = {
        "title": study.title, "file": study.path, "feeder": study.feeder,
        "period_hours": study.hours, "energy_mwh": study.energy_mwh,
        "pays": study.aggregator["pays"],
        "substation_price": " ".join(map(str, price)) if isinstance(price, list) else price,
        **{k: study.dso[k] for k in ("form", "losses", "voltage_limits", "v_min", "v_max",
                                     "penalty")},
        "solver": study.solver, "gap": study.gap, **provenance_of(study)}
    return STUDY.frame(list(keys.items()))
