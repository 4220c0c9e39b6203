"""`solve_series`: one market at ever new numbers, along a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import Fault, ModelError, nearest, path_of, require_kind, shown
from pyomo_dlmp.market import DEFAULT_MARKET, MARKETS, Market
from pyomo_dlmp.market.market_checks import check_market
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.series import is_whole, names_findings
from pyomo_dlmp.series.answers import Answer, SeriesResult, result_of
from pyomo_dlmp.series.by_market import ByMarket
from pyomo_dlmp.series.by_numbers import ByNumbers, fits
from pyomo_dlmp.series.carrying import first_state
from pyomo_dlmp.series.journal import Journal, key_of
from pyomo_dlmp.series.problems import Problems
from pyomo_dlmp.series.spans import Span
from pyomo_dlmp.series.table import read_table
from pyomo_dlmp.series.workers import answers_by_workers
from pyomo_dlmp.solve import check_keywords
from pyomo_dlmp.status import Status

Progress = Callable[[str, int, int, float], None]
_SHARE = Range(0, 1)
_NOT_HERE = ("checkpoint", "cache", "atlas", "progress")


def solve_series(  # noqa: PLR0913  # keywords of a call, for people
    market: Market, table: Any, *, name: str = DEFAULT_MARKET,
    columns: Mapping[str, str | None] | None = None, horizon: int | None = None, step: int = 1,
    window: int | None = None, buses: Iterable[str] = (), judge: float = 0.01,
    folder: str | Path | None = None, workers: int = 1, progress: Progress | None = None,
    **options: Any,
) -> SeriesResult:
    """Solve a market along a table of data: each hour, each day, or on a rolling horizon.

    Parameters
    ----------
    market : Market
        What the table has no column for stays as it is there. Its ``opf["periods"]`` rows make one
        problem; its ``opf["hours"]`` (by default the distance of the stamps) is the length of a
        row.
    table : DataFrame or path
        As of `read_table`: a column ``time``, and some of ``price``, ``load_scale``,
        ``load_scale.<load or profile>``, ``available.<generator>``, ``energy_mwh``,
        ``energy_mwh.<price taker>``, ``kw.<datacenter>``, ``tariff``, ``rate.<interactive load>``,
        ``temperature.<site>``.
    name : str
        A name of `MARKETS`.
    columns : mapping of str to str or None, optional
        Names of the table's columns here; None: left out.
    horizon : int, optional
        Rolling horizon: each problem covers so many rows, and begins `step` rows after the one
        before, with the work, the stored energy and the power that this has left. None: problems of
        the market's periods one after another, independent of each other.
    step : int
        Rows of each problem that are bought, with a horizon.
    window : int, optional
        Rows within which work is done, with a horizon: the market's energy (or the sum of
        ``energy_mwh``) of the rows of a window is used by its end; jobs come again in each. None:
        the market's periods.
    buses : iterable of str
        Whose prices are kept beside those of the datacenters' buses.
    judge : float
        Share of the problems, chosen by their position, that go through the full audit, where a
        problem can be solved without it.
    folder : path, optional
        Where finished problems are written as they come. A second call with the same table, market
        and options goes on where the first one ended; another one is refused.
    workers : int
        Processes for independent problems, each with critical regions of its own; the answers are
        the same. A script must then call under ``if __name__ == "__main__":``.
    progress : callable, optional
        progress(stage, done, total, seconds left) is called with the stages "kept" (finished by
        an earlier call), "building", and "solving" as problems are finished.
    **options
        Of `solve_bilevel` (solver, gap, time_limit of each problem ...).

    Returns
    -------
    SeriesResult
        One row for each problem. One without a solution says so in its status, and the others are
        solved. After Ctrl-C those that are finished.

    Raises
    ------
    ModelError
        Before anything is solved, with every fault of the table or of the arguments.
    ResultsFileError
        The folder holds another series, or cannot be written.
    KeyboardInterrupt
        Ctrl-C before a problem was finished.
    """
    _check_arguments(market, name, buses, judge, workers, horizon, options)
    if folder is not None:
        folder = path_of(folder, "solve_series, folder")
    problems = check_series(market, table, columns, horizon, step, window)
    rows = problems.table
    given = {"explain": False, **options}
    sites = {dc.bus for dc in market.network.datacenters.values()}
    at = [*sites, *buses]
    solver = ByNumbers(problems, given, at, judge) if fits(name, problems, given) else ByMarket(
        name, problems, given, at)
    journal = None if folder is None else Journal(folder, key_of(name, market, rows, {
        **given, "horizon": horizon, "step": step, "window": window, "judge": judge,
        "buses": sorted({*sites, *buses})}))
    run = _Run(problems, solver, journal, workers, progress or (lambda *_: None))
    try:
        result = run.result()
    finally:
        if journal is not None:
            journal.close()
    if folder is not None:
        result.to_csv(folder)
    return result


def check_series(market: Market, table: Any, columns: Mapping[str, str | None] | None = None,
                 horizon: int | None = None, step: int = 1, window: int | None = None) -> Problems:
    """The problems of a series, checked but not solved.

    Parameters
    ----------
    market, table, columns, horizon, step, window
        As of `solve_series`.

    Returns
    -------
    Problems

    Raises
    ------
    ModelError
        With every fault of the table, or of the market.
    """
    check_market(market)
    problems = Problems(market, read_table(table, market, columns), horizon, step, window)
    check_market(problems.market_of(
        problems.spans[0], first_state(problems) if problems.rolling else None))
    return problems


class _Run:
    """One call of `solve_series`."""

    def __init__(self, problems: Problems, solver: Any, journal: Journal | None, workers: int,
                 tell: Progress):
        self.problems, self.solver, self.journal = problems, solver, journal
        self.workers, self.tell = workers, tell
        self.done = {} if journal is None else {a.number: a for a in journal.answers}
        self.kept = len(self.done)
        self.start = time.monotonic()

    def result(self) -> SeriesResult:
        """All that is finished; see `solve_series`."""
        spans, interrupted = self.problems.spans, False
        if self.kept:
            self.tell("kept", self.kept, len(spans), float("nan"))
        if self.kept < len(spans):
            self.tell("building", self.kept, len(spans), float("nan"))
        try:
            for answer in self._answers([s for s in spans if s.number not in self.done]):
                if answer.status == Status.INTERRUPTED:
                    interrupted = True  # its point is not the answer
                    break
                self._keep(answer)
        except KeyboardInterrupt:
            if not self.done:
                raise
            interrupted = True
        if interrupted and not self.done:
            raise KeyboardInterrupt
        return result_of(self.done.values(), spans, self.problems.table, interrupted)

    def _keep(self, answer: Answer) -> None:
        self.done[answer.number] = answer
        if self.journal is not None:
            self.journal.add(answer)
        done, total = len(self.done), len(self.problems.spans)
        here = done - self.kept
        left = (time.monotonic() - self.start) / here * (total - done)
        self.tell("solving", done, total, left)

    def _answers(self, spans: list[Span]) -> Iterator[Answer]:
        if self.problems.rolling:
            yield from self._chain(spans)
        elif self.workers > 1 and len(spans) > 1:
            yield from answers_by_workers(self.solver, spans, self.workers)
        else:
            for group in self.solver.groups(spans):
                yield from self.solver.solve_group(group)

    def _chain(self, spans: list[Span]) -> Iterator[Answer]:
        """Problems of a rolling horizon, each after the one before."""
        state = first_state(self.problems)
        if self.done:
            last = self.done[max(self.done)]
            assert last.state is not None
            state = last.state
        for span in spans:
            answer = self.solver.solve(span, state)
            yield answer
            assert answer.state is not None
            state = answer.state


def _check_arguments(market: Any, name: Any, buses: Any, judge: Any, workers: Any, horizon: Any,
                     options: Mapping[str, Any]) -> None:
    """Raise an error with every fault of the arguments by themselves."""
    require_kind(market, Market, "solve_series")
    faults = []
    if not (isinstance(name, str) and name in MARKETS):
        faults.append(Fault("solve_series, name", f"{shown(name)} is unknown",
                            nearest(name, MARKETS)))
    elif MARKETS[name].contract is not None:
        faults.append(Fault(
            "solve_series, name", f"{name!r} has a charge for a whole horizon, and the problems of "
            "a series would each pay it anew", "Solve the horizon by solve_market, or take another "
            "market."))
    if finding := _SHARE.finding(judge):
        faults.append(Fault("solve_series, judge", *finding))
    if not (is_whole(workers) and workers >= 1):
        faults.append(Fault("solve_series, workers", f"is {shown(workers)}",
                            "Give a whole number of at least 1."))
    elif workers > 1 and horizon is not None:
        faults.append(Fault("solve_series, workers", f"is {workers} with a horizon",
                            "Each problem of a rolling horizon begins where the one before has "
                            "ended: leave workers out."))
    names, wrong = names_findings(buses, 'buses=["730"]')
    faults += [Fault("solve_series, buses", *finding) for finding in wrong]
    known = getattr(market.network, "buses", {})
    faults += [Fault("solve_series, buses", f"names {shown(bus)}, which is not a bus",
                     nearest(bus, known)) for bus in names if bus not in known]
    faults += [Fault("solve_series", f"has the option {key!r}", "Leave it out: a series keeps "
                     "its own.") for key in _NOT_HERE if key in options]
    if faults:
        raise ModelError(faults)
    check_keywords(options)
