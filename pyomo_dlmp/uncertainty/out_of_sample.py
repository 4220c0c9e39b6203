"""`evaluate`: a decision in scenarios that it was not made with, thousands of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from pyomo_dlmp.errors import Fault, ModelError, require_kind, shown
from pyomo_dlmp.market import Market
from pyomo_dlmp.market.market_checks import check_market
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.series import is_whole, period_labels
from pyomo_dlmp.parametric import Atlas
from pyomo_dlmp.series.workers import answers_by_workers
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import GAP, ROW_HOLDS
from pyomo_dlmp.uncertainty.checking import fit_faults
from pyomo_dlmp.uncertainty.checks import market_faults
from pyomo_dlmp.uncertainty.decision import Decision
from pyomo_dlmp.uncertainty.evaluation import Evaluation, evaluation_of
from pyomo_dlmp.uncertainty.one_by_one import OneByOne, Outcome
from pyomo_dlmp.uncertainty.scenarios import Scenarios

Progress = Callable[[str, int, int, float], None]
_WHERE = "evaluate"
_ENDED = (str(Status.INTERRUPTED), str(Status.TIME_LIMIT))


def evaluate(  # noqa: PLR0913  # keywords of a call, for people
    decision: Any, market: Market, scenarios: Scenarios, *, gap: float = GAP, level: float = 0.95,
    tail: float = 0.95, judge: float = 0.01, workers: int = 1, time_limit: float | None = None,
    progress: Progress | None = None, atlas: Atlas | None = None,
) -> Evaluation:
    """What a decision comes to in new scenarios, each with the best that can still be done in it.

    The scenarios are taken for independent draws of what may come: intervals say how far the mean
    of these is from the mean of all that may.

    Parameters
    ----------
    decision : Decision or StochasticResult
        That stands in all of them.
    market : Market
        What scenarios have no column for is as it is there. Linear form.
    scenarios : Scenarios
        As many periods as the market has.
    gap : float
        Relative gap to prove in each.
    level : float
        Probability of the intervals.
    tail : float
        Level of the CVaR: the mean of the worst 1 - tail.
    judge : float
        Share of the scenarios whose payment and optimality are also read from the DSO's own point.
    workers : int
        Processes; the answers are the same. A script must then call under
        ``if __name__ == "__main__":``.
    time_limit : float, optional
        Seconds; what is finished by then is returned.
    progress : callable, optional
        progress("scenarios", done, total, seconds left), as they are finished.
    atlas : Atlas, optional
        States known so far.

    Returns
    -------
    Evaluation
        Also after a time limit or Ctrl-C: of the scenarios that are finished. One without an answer
        is named there, with what is missing.

    Raises
    ------
    ModelError
        The data are wrong: all faults at once.
    SolverError
        A process has ended before its work.
    KeyboardInterrupt
        Ctrl-C before a scenario was finished.
    """
    if hasattr(getattr(decision, "problem", None), "plain"):
        raise ModelError.at(_WHERE, "knows one settlement, and this decision is paid in two",
                            "Give its `decision`, which is then paid at each scenario's prices.")
    taken = getattr(decision, "decision", decision)
    _check(taken, market, scenarios, gap, level, tail, judge, workers)
    solver = OneByOne(market, scenarios, taken, gap, judge, atlas)
    numbers = list(range(scenarios.count))
    deadline = None if time_limit is None else time.monotonic() + time_limit
    found: list[Outcome] = []
    began = time.monotonic()
    answers = (answers_by_workers(solver, numbers, workers, _WHERE) if workers > 1 and len(
        numbers) > 1 else _here(solver, numbers, deadline))
    try:
        for outcome in answers:
            if outcome.status in _ENDED:
                break  # its point is not the answer
            found.append(outcome)
            if progress is not None:
                left = (time.monotonic() - began) / len(found) * (len(numbers) - len(found))
                progress("scenarios", len(found), len(numbers), left)
            if deadline is not None and time.monotonic() >= deadline:
                break
    except KeyboardInterrupt:
        if not found:
            raise
    finally:
        answers.close()
    rows = [row for o in sorted(found, key=lambda o: o.number) for row in solver.schedule(o)]
    return evaluation_of(found, rows, solver, level, tail)


def _here(solver: OneByOne, numbers: list[int], deadline: float | None,
          ) -> Generator[Outcome, None, None]:
    """Outcomes in this process."""
    for number in numbers:
        yield solver.solve(number, None if deadline is None else max(
            0.0, deadline - time.monotonic()))


def _check(decision: Any, market: Any, scenarios: Any, gap: Any, level: Any, tail: Any,
           judge: Any, workers: Any) -> None:
    """Raise an error with every fault of the arguments."""
    require_kind(decision, Decision, _WHERE)
    require_kind(market, Market, _WHERE)
    require_kind(scenarios, Scenarios, _WHERE)
    check_market(market)
    faults = [*market_faults(market), *fit_faults(scenarios, market)]
    for word, value in (("gap", gap), ("judge", judge)):
        if finding := Range(0, 1).finding(value):
            faults.append(Fault(f"{_WHERE}, {word}", *finding))
    for word, value in (("level", level), ("tail", tail)):
        if finding := Range(0, 1).finding(value):
            faults.append(Fault(f"{_WHERE}, {word}", *finding))
        elif not 0.0 < value < 1.0:
            faults.append(Fault(f"{_WHERE}, {word}", f"is {value:g}", "Give a number between 0 "
                                "and 1, without these, such as .95."))
    if not (is_whole(workers) and workers >= 1):
        faults.append(Fault(f"{_WHERE}, workers", f"is {shown(workers)}",
                            "Give a whole number of at least 1."))
    faults += _unfit(decision, market)
    if faults:
        raise ModelError(faults)


def _unfit(decision: Decision, market: Market) -> Iterator[Fault]:
    """What of a decision is not of a market."""
    theirs, mine = set(decision.terms.capacity_mw), set(market.network.datacenters)
    if theirs != mine:
        yield Fault(f"{_WHERE}, decision", f"is of the sites {sorted(theirs)}, and the market has "
                    f"{sorted(mine)}", "Give the market that it was made for.")
        return
    periods = len(period_labels(market.opf.get("periods", 1))[0])
    for site, kw in decision.schedule_kw().items():
        if len(kw) != periods:
            yield Fault(f"{_WHERE}, decision", f"has {len(kw)} periods, and the market {periods}",
                        "Give the market that it was made for.")
            return
        if max(kw, default=0.0) > (1.0 + ROW_HOLDS) * market.network.datacenters[site].kw:
            yield Fault(f"{_WHERE}, decision", f"has {max(kw):.5g} kW at {site!r}, whose capacity "
                        f"is {market.network.datacenters[site].kw:g} kW",
                        "Give the market that it was made for.")
