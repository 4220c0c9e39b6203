"""Run a study: each run is built and solved, its answer written, then checked, then the next one.

Whatever ends a study early (Ctrl-C, an error, a kill) leaves the runs that are whole where
`resume` finds them; see `study.folder`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from pyomo_dlmp.errors import DlmpError, StudyFileError
from pyomo_dlmp.market import Market, build_bilevel, solve_market
from pyomo_dlmp.market.alone import clear_alone
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.report import write_report
from pyomo_dlmp.status import Status
from pyomo_dlmp.study.along import check_file, series_tables
from pyomo_dlmp.study.answer import Tables, answer_notes, answer_tables, later_stages
from pyomo_dlmp.study.data import Case, Run, Study
from pyomo_dlmp.study.folder import Place, open_place
from pyomo_dlmp.study.keyboard import Keyboard
from pyomo_dlmp.study.lock import locked
from pyomo_dlmp.study.output import (
    CaseResult,
    StudyResults,
    StudyTables,
    kept_result,
    kept_run,
    runs_in_tables,
)
from pyomo_dlmp.study.provenance import study_key
from pyomo_dlmp.study.uncertain import check_uncertain, has_scenarios, uncertain_tables

Progress = Callable[[str, str, float | None, float | None], None]
_INTERRUPTED = "interrupted"


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
    overwrite: bool = False, resume: bool = False, models: bool = True,
) -> StudyResults:
    """Solve all runs and write tables and ``report.html``.

    The answer of a run is written as soon as it is solved, before its prices are taken apart and
    it is compared with AC; what of these fails is named in the results' `missing`. The first Ctrl-C
    ends what runs now and then the study: a search with its incumbent, a check without; a second
    one ends the study at once. Runs that are whole are kept for `resume`.

    Parameters
    ----------
    study : Study
        As `read_study` gives it.
    progress : callable, optional
        progress(run, stage, incumbent, bound) is called as the study advances ($); run is empty
        while the cases are checked.
    results : str or Path, optional
        Folder, instead of the study's.
    overwrite : bool
        Whether results that the folder holds are replaced, once the new ones are all there. Until
        then these are beside it, in ``<folder>.unfinished``.
    resume : bool
        Whether an unfinished study is continued: runs that are whole are kept. Where there is none,
        the study begins.
    models : bool
        Whether the results keep the models of all runs. Without them (as in the command) memory
        does not grow with the number of runs.

    Returns
    -------
    StudyResults
        A list of `CaseResult`, the runs in order; where they are and what is missing.

    Raises
    ------
    StudyFileError
        When the folder holds results and neither `overwrite` nor `resume` allows for it, or
        something that no study has written; when another study writes into it; when what is there
        is of another study and cannot be resumed.
    ModelError
        Before any search, when the work of a case cannot be served.
    KeyboardInterrupt
        Ctrl-C, where a search had no incumbent or for the second time; it says what is written.
    """
    keys = Keyboard()
    folder = _named(Path(results or study.results))
    with keys.attended(), ExitStack() as stack:
        try:
            stack.enter_context(locked(folder, keys.writing))
            place = open_place(folder, study_key(study), overwrite=overwrite, resume=resume)
        except OSError as err:
            raise StudyFileError.at(
                str(folder), f"cannot be written ({err.strerror}: {err.filename})",
                "Name another folder for the results (--results).") from None
        with place.begun():
            return _Session(study, progress or (lambda *_: None), keys, place, models).results()


def _named(folder: Path) -> Path:
    """A path whose last part is the folder's own name: what lies beside it is named by it."""
    return folder.resolve() if folder.is_symlink() or folder.name in ("", "..") else folder


class _Session:
    """One call of `run_study`."""

    def __init__(self, study: Study, tell: Progress, keys: Keyboard, place: Place,
                 models: bool):
        self.study, self.tell, self.keys, self.place = study, tell, keys, place
        self.tables = StudyTables(study, place.path)
        self.done = StudyResults(place.path)
        self.models = models
        self.whole = dict(place.journal.runs)
        if place.journal.complete:
            self.whole = runs_in_tables(place.path)
            if set(self.whole) != {run.name for run in study.runs}:
                raise StudyFileError.at(
                    str(place.path), f"holds {len(self.whole)} of {len(study.runs)} runs and no "
                    "record of whether they are whole", "Begin anew (--overwrite).")

    def results(self) -> StudyResults:
        """Everything: see `run_study`."""
        try:
            self._check_cases()
            for run in self.study.runs:
                if run.name in self.whole:
                    self.done.append(kept_result(run, self.whole[run.name], self.place.path))
                    self.tell(run.name, "kept", None, None)
                else:
                    self._solve(run)
                if self.done.interrupted or self.keys.presses:
                    self.done.interrupted = True
                    break
            self.done.finished = self.place.journal.complete or all(
                run.name in self.place.journal.runs for run in self.study.runs)
            self._draw()
            if self.done.finished and not self.place.journal.complete:
                with self.keys.writing():
                    self.place.finish()
            self.done.folder = self.place.path
        except KeyboardInterrupt as err:
            raise KeyboardInterrupt(*[" ".join([*err.args, self._state()])]) from None
        except (DlmpError, OSError) as err:
            if self.done:
                err.__notes__ = [*getattr(err, "__notes__", []), self._state()]  # type: ignore[union-attr]
            raise
        return self.done

    def _check_cases(self) -> None:
        """All faults before any search; the first run is built for its search in any case."""
        first = next((run.case for run in self.study.runs if run.name not in self.whole), None)
        for case in self.study.cases:
            run = Run(case.name, case, self.study.loading[0])
            check_file(self.study, run)
            check_uncertain(self.study, run)
            if first is not None and case is not first:
                self.tell("", f"checking {case.name}", None, None)
                build_case(self.study, run)

    def _solve(self, run: Run) -> None:
        """One run: its answer, then what follows it."""
        start = time.monotonic()
        market = replace(self.study.market(run), ac_starts=self._met(run))
        self.tell(run.name, "building", None, None)
        outcome = solve_market(
            run.market, market, solver=self.study.solver, gap=self.study.gap,
            time_limit=self.study.time_limit, progress=partial(self.tell, run.name),
        ) if run.datacenters else clear_alone(market)
        searched = outcome.status != Status.INTERRUPTED
        before = self.keys.presses
        with self.keys.patient():
            self.tell(run.name, "tables", None, None)
            seconds = time.monotonic() - start
            tables = answer_tables(self.study, market, outcome, seconds, self._base(run))
            result = CaseResult(run, outcome, seconds, tables,
                                warnings=answer_notes(outcome))
            self.done.append(result)
            with self.keys.writing():
                self._write(result, tables, market)
            solution = outcome.solution
            self.tell(run.name, "written", outcome.paid, solution.bound if solution else None)
        self.done.interrupted = not searched
        self._follow(result, market, before)
        result.seconds = time.monotonic() - start
        if not any(why == _INTERRUPTED for why in result.missing.values()) and searched:
            with self.keys.writing():
                self.place.keep(run.name, kept_run(result))
        if not self.models:
            outcome.release()  # with the arrays that its audit holds

    def _base(self, run: Run) -> Tables | None:
        """Tables of the first case that is solved at the same loading in the same market."""
        return next((r.tables for r in self.done if "dispatch" in r.tables
                     and (r.run.loading, r.run.market) == (run.loading, run.market)), None)

    def _met(self, run: Run) -> list[dict]:
        """Powers of devices in AC at answers of the same loading: starts for the next run."""
        return [r.outcome.ac.powers for r in self.done if r.outcome is not None
                and r.outcome.ac is not None and r.run.loading == run.loading]

    def _write(self, result: CaseResult, tables: Tables, market: Market) -> None:
        self.tables.append(result.run, tables)
        self.tables.of_the_study(self.done, market.network)

    def _follow(self, result: CaseResult, market: Market, presses: int) -> None:
        """What may take long; each part is added when it is done, and missed when it fails.

        One Ctrl-C more than the `presses` of the search leaves out the rest.
        """
        along = self._along(result.run)  # these hold to the limits of their own problems
        stages = later_stages(self.study, market, result.outcome, result.tables, along)
        result.missing = dict.fromkeys(stages, _INTERRUPTED)
        for name, make in stages.items():
            if self.keys.presses > presses:
                break
            self.tell(result.run.name, name, None, None)
            try:
                with limits.call(None if name in along else self.study.time_limit, more=False):
                    tables = make()
            except limits.Stopped as err:
                result.missing[name] = f"the {err.status} was passed"
                continue
            except KeyboardInterrupt as err:
                if self.keys.presses > 1:
                    raise
                self.done.interrupted = True
                self._add(result, getattr(err, "tables", {}))
                break
            except Exception as err:  # whatever it is: the answer is there
                result.missing[name] = _reason(err)
                continue
            self._add(result, tables)
            del result.missing[name]

    def _along(self, run: Run) -> dict[str, Callable[[], Tables]]:
        """What a run solves beside its day: a series, scenarios."""
        def told(what: str) -> Callable[[str], None]:
            return lambda how_far: self.tell(run.name, f"{what}: {how_far}", None, None)

        found: dict[str, Callable[[], Tables]] = {}
        if not run.datacenters:
            return found
        if self.study.series:
            found["series"] = partial(
                series_tables, self.study, run, self.place.folder, told("series"))
        if has_scenarios(self.study, run):
            found["scenarios"] = partial(uncertain_tables, self.study, run, told("scenarios"))
        return found

    def _add(self, result: CaseResult, tables: Tables) -> None:
        """Further tables of a run, or rows of them, to its folder and to its result."""
        with self.keys.writing():
            self.tables.append(result.run, tables)
            for key, rows in tables.items():
                result.tables[key] = pd.concat(
                    [result.tables[key], rows], ignore_index=True,
                ) if key in result.tables else rows

    def _draw(self) -> None:
        """The report of what is there."""
        path = self.place.path
        drawn = self.place.journal.complete and (path / "report.html").exists()
        if drawn or not any("prices" in result.tables for result in self.done):
            return
        last = self.done[-1].run.name
        self.tell(last, "drawing", None, None)
        try:
            write_report(path, progress=lambda k, of: self.tell(
                last, f"drawing: {k} of {of} pictures", None, None))
        except KeyboardInterrupt:
            if self.keys.presses > 1:
                raise
            self.done.interrupted, self.done.report_missing = True, _INTERRUPTED
        except Exception as err:  # the tables are there
            self.done.report_missing = _reason(err)

    def _state(self) -> str:
        """What is written, for whoever has ended the study."""
        whole = len(self.place.journal.runs)
        partly = [r for r in self.done if r.run.name not in self.place.journal.runs]
        if not self.done:
            return "Nothing was written."
        words = [f"{whole} of {len(self.study.runs)} runs are whole in {self.place.path}"]
        words += [f"of {r.run.name!r} the answer is written"
                  + (f", without {' and '.join(r.missing)}" if r.missing else "") for r in partly]
        return "; ".join(words) + ". --resume continues, `pyomo-dlmp show` draws what is there."


def _reason(err: Exception) -> str:
    text = " ".join(str(err).split())
    return text if isinstance(err, DlmpError) else f"{type(err).__name__}: {text}"
