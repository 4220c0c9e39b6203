"""One problem of a series by `solve_market`: any market, built anew, with all its checks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.errors import AuditError, DlmpError, ModelError
from pyomo_dlmp.market import Market, MarketResult, solve_market
from pyomo_dlmp.market.market_checks import check_market
from pyomo_dlmp.parametric import Atlas
from pyomo_dlmp.results import dispatch_table
from pyomo_dlmp.results.payments import device_prices, market_payments
from pyomo_dlmp.results.prices import balance_duals
from pyomo_dlmp.results.voltages import exact
from pyomo_dlmp.series.answers import FAILED, Answer
from pyomo_dlmp.series.carrying import after, nothing_bought
from pyomo_dlmp.series.problems import Problems
from pyomo_dlmp.series.spans import Span, State
from pyomo_dlmp.status import Status


class ByMarket:
    """Solves problems of a series one after another.

    Parameters
    ----------
    name : str
        Of the market.
    problems : Problems
    options : dict
        Of `solve_market`.
    buses : iterable of str
        Whose prices are kept.
    """

    def __init__(self, name: str, problems: Problems, options: dict[str, Any],
                 buses: Iterable[str]):
        self.name, self.problems, self.options = name, problems, dict(options)
        self.buses = set(buses)
        self.atlas = Atlas()

    def groups(self, spans: list[Span]) -> list[list[Span]]:
        """Independent problems that are solved at once: here each alone.

        Parameters
        ----------
        spans : list of Span

        Returns
        -------
        list of list of Span
        """
        return [[span] for span in spans]

    def solve_group(self, spans: list[Span]) -> list[Answer]:
        """The answers of a group.

        Parameters
        ----------
        spans : list of Span

        Returns
        -------
        list of Answer
        """
        return [self.solve(span, None) for span in spans]

    def solve(self, span: Span, state: State | None) -> Answer:
        """The answer of a problem.

        Parameters
        ----------
        span : Span
        state : State or None
            Of a rolling horizon; not changed.

        Returns
        -------
        Answer
            One that says so, where the problem has no solution.
        """
        start, before = time.process_time(), self.atlas.counts.copy()
        # answers do not depend on what was solved before: a start may end at another optimum
        self.atlas.last = {}
        answer = self._answer(span, state)
        shorter = None if state is None else self.problems.to_the_last_deadline(span, state)
        if answer.status == Status.INFEASIBLE and shorter is not None:
            # what is seen of the next window has a share of its work, which ramps may not allow
            answer = self._answer(shorter, state)
            answer.note = "; ".join(filter(None, [
                f"the horizon ends with its last deadline, after {shorter.length} rows",
                answer.note]))
        if answer.state is None and state is not None:
            answer.state = nothing_bought(self.problems, span, state)
        seen = self.atlas.counts - before
        answer.known, answer.new = seen["recalled"] + seen["known"], seen["enumerated"]
        answer.cpu = time.process_time() - start
        return answer

    def _answer(self, span: Span, state: State | None) -> Answer:
        """The answer, or what there is instead."""
        market = self.problems.market_of(span, state)
        try:
            return self._solved(market, span, state)
        except AuditError as err:
            return Answer(span.number, FAILED, judged="failed", note=_said(err))
        except ModelError as err:  # the data are right: what is asked for cannot be
            check_market(market)
            return Answer(span.number, str(Status.INFEASIBLE), note=_said(err))
        except DlmpError as err:
            none = "infeasible" in str(err)
            return Answer(span.number, str(Status.INFEASIBLE) if none else FAILED,
                          note=_said(err))

    def _solved(self, market: Market, span: Span, state: State | None) -> Answer:
        outcome = solve_market(self.name, market, atlas=self.atlas, **self.options)
        solution = outcome.solution
        answer = Answer(span.number, str(outcome.status), note=outcome.note)
        if solution is not None:
            answer.bound, answer.gap = _number(solution.bound), _number(solution.gap)
            answer.note = "; ".join([*([answer.note] if answer.note else []), *solution.notes])
            if solution.objective is None:
                return answer
            answer.objective = solution.objective
            if solution.audit is not None:
                answer.judged = "passed" if solution.audit.passed else "failed"
                answer.residual = max(a.residual.relative for a in solution.audit.lowers)
        elif outcome.residual is not None:
            answer.residual = outcome.residual
            answer.objective = pyo.value(outcome.dso.cost)
        self._read(answer, market, outcome, span)
        if state is not None:
            answer.state = after(self.problems, span, state, outcome.model)
        outcome.release()
        return answer

    def _read(self, answer: Answer, market: Market, outcome: MarketResult, span: Span) -> None:
        """Powers, prices and payments of the rows that are bought."""
        dso, network = outcome.dso, market.network
        bought = list(dso.periods)[:span.bought]
        for name, dc in dso.datacenter.items():
            answer.mw[name] = [float(pyo.value(dc.p[t])) for t in bought]
            answer.mvar[name] = [float(pyo.value(dc.q[t])) for t in bought]
        prices = balance_duals(dso)
        paid = market_payments(outcome, market, prices, dispatch_table(dso, network),
                               device_prices(dso, network) if exact(dso) else None)
        theirs = {site for sites, _ in market.takers.values() for site in sites}
        mine = paid[~paid["element"].isin(theirs)]
        answer.repriced = float(mine.loc[mine["period"].isin(bought), "value"].sum())
        answer.payment = _payment(outcome, bought)
        kept = prices[prices["bus"].isin(self.buses) & prices["period"].isin(bought)]
        order = {t: i for i, t in enumerate(bought)}
        for (bus, phase, quantity), rows in kept.groupby(
                ["bus", "phase", "quantity"], sort=False, observed=True):
            values = np.full(len(bought), np.nan)
            values[rows["period"].map(order).to_numpy(dtype=int)] = rows["value"]
            answer.prices.append([str(bus), str(phase), str(quantity), values.tolist()])


def _payment(outcome: MarketResult, bought: list) -> float:
    """By the market's own rule, of some periods ($); nan where nothing is paid."""
    if outcome.paid != outcome.paid or len(bought) == len(list(outcome.dso.periods)):
        return float(outcome.paid)
    dca, wanted = outcome.model.dca, set(bought)
    return sum(float(pyo.value(part[k])) for part in (dca.pay_active, dca.pay_reactive)
               for k in part if k[-1] in wanted)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _said(err: Exception) -> str:
    return " ".join(str(err).split())
