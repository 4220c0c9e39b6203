"""One problem of a series by its numbers alone: the model is built once, its Params are set anew.

For strategic markets of the linear form that critical regions solve; what else there is goes to
`by_market`. Answers come as arrays (`parametric.instance`) with their KKT residual; only prices,
powers and payments of the datacenters are read from them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from pyomo_dlmp.errors import AuditError, DlmpError
from pyomo_dlmp.market import DEFAULT_MARKET
from pyomo_dlmp.parametric import Atlas, NotExplicit
from pyomo_dlmp.series.answers import FAILED, Answer
from pyomo_dlmp.series.by_market import ByMarket
from pyomo_dlmp.series.carrying import after
from pyomo_dlmp.series.kept_model import KeptModel
from pyomo_dlmp.series.problems import Problems
from pyomo_dlmp.series.spans import Span, State
from pyomo_dlmp.solve import solve_bilevel
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ENTRY, GAP, SAME_OBJECTIVE

_AT_ONCE = 24  # periods of independent problems that are solved together
_FINER = 4  # than their number tells: a group's problems are not equally dear
_OPTIONS = {"solver", "gap", "explain", "time_limit"}


def fits(name: str, problems: Problems, options: dict[str, Any]) -> bool:
    """Whether problems may be solved by their numbers alone.

    Parameters
    ----------
    name : str
        Of the market.
    problems : Problems
    options : dict
        Of `solve_bilevel`.

    Returns
    -------
    bool
    """
    market, work = problems.market, problems.work
    return (name == DEFAULT_MARKET and market.opf.get("form", "lindist") == "lindist"
            and not market.takers and work.has_energy() and set(options) <= _OPTIONS
            and options.get("solver", "highs") == "highs" and not problems.grid.has_own_q)


class ByNumbers:
    """Solves problems of a series one after another, on one model for each length of them.

    Parameters
    ----------
    problems : Problems
        That `fits`.
    options : dict
        Of `solve_market`.
    buses : iterable of str
        Whose prices are kept.
    judge : float
        Share of the problems that the full audit sees.
    """

    def __init__(self, problems: Problems, options: dict[str, Any], buses: Iterable[str],
                 judge: float):
        self.problems, self.options, self.judge = problems, dict(options), judge
        self.buses = sorted(set(buses))
        self.other = ByMarket(DEFAULT_MARKET, problems, options, self.buses)
        self._models: dict[int, KeptModel] = {}
        self._atlas: Atlas | None = None  # each process makes its own

    def groups(self, spans: list[Span]) -> list[list[Span]]:
        """Independent problems that are solved at once, as one of so many periods.

        Parameters
        ----------
        spans : list of Span

        Returns
        -------
        list of list of Span
            Each of problems that follow one another.
        """
        network, work = self.problems.market.network, self.problems.work.own
        joined = work.ups or work.smoothing or network.devices_of("storage") or any(
            dc.ramp_kw is not None for dc in network.datacenters.values())
        size = 1 if joined else max(1, _AT_ONCE // self.problems.length)
        found: dict[int, list[Span]] = {}
        for span in spans:
            found.setdefault(span.number // size, []).append(span)
        return [part for group in found.values() for part in (
            [group] if len(group) == size else [[span] for span in group])]

    def solve_group(self, spans: list[Span]) -> list[Answer]:
        """The answers of a group; what its problems share is computed once for all of them.

        The proven gap is that of their sum: it is one of each. Where that is not enough for one
        of them, or they have no solution together, each is solved alone.

        Parameters
        ----------
        spans : list of Span

        Returns
        -------
        list of Answer
        """
        start = time.process_time()
        answers: list[Answer] = []
        if len(spans) > 1:
            try:
                answers = self._together(spans)
            except (NotExplicit, DlmpError):
                self._models.pop(sum(span.length for span in spans), None)
        if not answers:
            return [self.solve(span, None) for span in spans]
        used = (time.process_time() - start) / len(spans)
        for k, (span, answer) in enumerate(zip(spans, answers, strict=True)):
            answer.cpu = used
            enough = answer.gap <= self.options.get("gap", GAP) or answer.gap == 0.0
            if not enough or _is_judged(span.number, self.judge):
                alone = self.solve(span, None)
                apart = abs(alone.objective - answer.objective)
                if enough and not apart <= max(SAME_OBJECTIVE, self.options.get("gap", GAP)) * (
                        1.0 + abs(answer.objective)):
                    alone.judged, alone.note = "failed", f"differs by {apart:.2g} $ in its group"
                answers[k] = alone
        return answers

    def _together(self, spans: list[Span]) -> list[Answer]:
        first, length = spans[0].first, spans[0].length
        whole = Span(spans[0].number, first, length * len(spans), length * len(spans))
        market = self.problems.market_of(whole, None, bare=True)
        market = replace(market, workload=replace(
            market.workload, energy_mwh=None, energy_windows=tuple(  # type: ignore[type-var]
                ((k + 1) * length, self.problems.work.amount(span.first, span.first + length))
                for k, span in enumerate(spans))))
        if self._atlas is None:
            self._atlas = Atlas()
        kept = self._models.get(whole.length)
        if kept is None:
            kept = self._models[whole.length] = KeptModel(market, self._atlas, self.buses)
        kept.set(market, None, first)
        # each has the gap of all, so that of all has to be far smaller
        found = kept.instance.solve(self.options.get("gap", GAP) / (_FINER * len(spans)),
                                    self.options.get("time_limit"))
        if found.decisions is None or found.status != Status.OPTIMAL:
            return []
        apart = max(0.0, float(found.objective - found.bound))
        labels, answers = kept.labels, []
        for k, span in enumerate(spans):
            kept.labels = labels[k * length:(k + 1) * length]
            answer = Answer(span.number, str(found.status),
                            residual=max(lower.residual for lower in found.lowers))
            kept.read(found, answer, length)
            answer.known, answer.new = kept.regions(found)
            if answer.repriced != answer.repriced:
                return []
            answer.payment = answer.objective = answer.repriced
            answer.bound = answer.objective - apart
            answer.gap = apart / max(abs(answer.objective), ENTRY)
            answers.append(answer)
        if abs(sum(a.objective for a in answers) - found.objective) > SAME_OBJECTIVE * (
                1.0 + abs(found.objective)):
            return []
        return answers

    def solve(self, span: Span, state: State | None) -> Answer:
        """The answer of a problem; as of `ByMarket.solve`."""
        start = time.process_time()
        answer = None
        try:
            answer = self._solved(span, state)
        except AuditError as err:
            answer = Answer(span.number, FAILED, judged="failed", note=" ".join(str(err).split()))
        except (NotExplicit, DlmpError):
            self._models.pop(span.length, None)  # its numbers may be half set
        if answer is None:  # what is not solved here is solved, or explained, there
            answer = self.other.solve(span, state)
        answer.cpu = time.process_time() - start
        return answer

    def _solved(self, span: Span, state: State | None) -> Answer | None:
        market = self.problems.market_of(span, state, bare=True)
        if self._atlas is None:
            self._atlas = Atlas()
        kept = self._models.get(span.length)
        if kept is None:
            kept = self._models[span.length] = KeptModel(
                self.problems.market_of(span, state), self._atlas, self.buses)
        kept.set(market, state, span.first)
        found = kept.instance.solve(self.options.get("gap", GAP), self.options.get("time_limit"))
        if found.decisions is None:
            return None
        answer = Answer(
            span.number, str(found.status), objective=float(found.objective),
            bound=float(found.bound), gap=float(found.gap),
            residual=max(lower.residual for lower in found.lowers),
            known=sum(known for _, known in found.known),
            new=sum(not known for _, known in found.known))
        value = kept.read(found, answer, span.bought)
        if span.bought == span.length:
            answer.payment = answer.objective
        if answer.repriced != answer.repriced:  # legs and SVGs of its own: by the payment's terms
            answer.repriced = float(found.repriced) if span.bought == span.length else (
                answer.payment)
        if state is not None:
            answer.state = after(self.problems, span, state, kept.model, value, kept.labels)
        if _is_judged(span.number, self.judge):
            self._judge(kept, answer)
        return answer

    def _judge(self, kept: KeptModel, answer: Answer) -> None:
        """The same problem by `solve_bilevel`, with its audit."""
        result = solve_bilevel(kept.model, atlas=kept.instance.atlas, **self.options)
        same = result.objective is not None and abs(result.objective - answer.objective) <= max(
            SAME_OBJECTIVE, self.options.get("gap", GAP)) * (1.0 + abs(answer.objective))
        passed = same and result.audit is not None and result.audit.passed
        answer.judged = "passed" if passed else "failed"
        if not same:
            answer.note = f"the full solve's objective is {result.objective}"


def _is_judged(number: int, share: float) -> bool:
    """Every so many problems, from the first one on."""
    return int(np.floor(number * share)) > int(np.floor((number - 1) * share))
