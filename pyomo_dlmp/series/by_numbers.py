"""One problem of a series by its numbers alone: the model is built once, its Params are set anew.

For strategic markets of the linear form that critical regions solve; what else there is goes to
`by_market`. Answers come as arrays (`parametric.instance`) with their KKT residual; only prices,
powers and payments of the datacenters are read from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.errors import AuditError, DlmpError, SolverError
from pyomo_dlmp.market import Market, build_bilevel
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.opf.load_scale import load_series
from pyomo_dlmp.parametric import Answer as Arrays
from pyomo_dlmp.parametric import Atlas, Instance, NotExplicit
from pyomo_dlmp.series.answers import FAILED, Answer
from pyomo_dlmp.series.by_market import ByMarket
from pyomo_dlmp.series.carrying import after
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
    return (name == "strategic" and market.opf.get("form", "lindist") == "lindist"
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
        self.other = ByMarket("strategic", problems, options, self.buses)
        self._models: dict[int, _Kept] = {}
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
        joined = work.ups or network.devices_of("storage") or any(
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
            kept = self._models[whole.length] = _Kept(market, self._atlas, self.buses)
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
            if answer.repriced != answer.repriced:
                return []
            answer.payment = answer.objective = answer.repriced
            answer.bound = answer.objective - apart
            answer.gap = apart / max(abs(answer.objective), ENTRY)
            answers.append(answer)
        answers[0].known = found.recalled[0]
        answers[0].new = found.recalled[1] - found.recalled[0]
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
            kept = self._models[span.length] = _Kept(
                self.problems.market_of(span, state), self._atlas, self.buses)
        kept.set(market, state, span.first)
        found = kept.instance.solve(self.options.get("gap", GAP), self.options.get("time_limit"))
        if found.decisions is None:
            return None
        answer = Answer(
            span.number, str(found.status), objective=float(found.objective),
            bound=float(found.bound), gap=float(found.gap),
            residual=max(lower.residual for lower in found.lowers),
            known=found.recalled[0], new=found.recalled[1] - found.recalled[0])
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

    def _judge(self, kept: _Kept, answer: Answer) -> None:
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


class _Kept:
    """A model, and what of it a problem sets and reads."""

    def __init__(self, market: Market, atlas: Atlas, buses: list[str]):
        self.model = m = build_bilevel(market)
        m.dca.del_component("energy")
        self.instance = Instance(m, atlas)
        self.dso, self.labels = m.dso, list(m.dso.periods)
        self.slots = list(m.dso.periods)
        self.coupled = len(m.dso.storage) + len(m.dca.ups) + sum(
            dc.ramp_mw is not None for dc in m.dso.datacenter.values())
        self.hours = m.dso.period_hours
        self.buses = [name for name in buses if name in m.dso.bus]
        self.network = market.network
        self._rows: tuple[Any, dict[tuple[str, str, str], dict[Any, int]]] | None = None
        self.duals = [(component, bound, var) for component, bound, var in m.dso.dual_vars()]
        self._row_of: tuple[Any, dict[int, int]] | None = None

    # ----------------------------------------------------------------------------------- set

    def _give(self, param: Any, values: Any) -> None:
        """Numbers of a Param by period, where they are others."""
        for t, x in zip(self.labels, values, strict=True):
            if param[t].value != x:
                param[t].set_value(x)

    def set(self, market: Market, state: State | None, first: int) -> None:
        """Make the model that of a market, whose periods are the rows from `first` on.

        Where nothing but the work joins the periods their order is free, and a row keeps its
        period as long as the horizon holds it: only what is new in it changes the model.
        """
        dso, m = self.dso, self.model
        if not self.coupled:
            turn = first % len(self.slots)
            self.labels = self.slots[turn:] + self.slots[:turn]
        for substation in dso.substation.values():
            self._give(substation.price, market.opf["price"])
        if "load_scale" in market.opf:
            scale = load_series(market.network, market.opf["load_scale"], self.labels, self.hours)
            for blocks in (dso.demand, dso.generator):
                for name, block in blocks.items():
                    if name in scale:
                        self._give(block.scale, list(scale[name].values()))
        for name, dc in dso.datacenter.items():
            low, high = market.limits_kw[name]
            for t, least, most in zip(self.labels, map(mega, low), map(mega, high), strict=True):
                if (dc.p[t].lb, dc.p[t].ub) != (least, most):
                    dc.p[t].setlb(least)
                    dc.p[t].setub(most)
        if m.dca.component("tariff") is not None:
            self._give(m.dca.tariff, market.tariff)
        for name, kwh in ({} if state is None else state.storage).items():
            dso.storage[name].energy_start.set_value(mega(kwh))
        for site, kwh in ({} if state is None else state.ups).items():
            m.dca.ups[site].start.set_value(mega(kwh))
        work = market.workload
        due = work.energy_windows or ((len(self.labels), work.energy_mwh),)  # type: ignore[union-attr]
        if m.component("series_work") is not None:
            m.del_component("series_work")
        ends = [0, *(end for end, _ in due)]
        m.series_work = pyo.Constraint(range(len(due)), rule=lambda _, k: self.hours * sum(
            self._net(name, t) for name in dso.datacenter
            for t in self.labels[ends[k]:ends[k + 1]]) == due[k][1])

    def _net(self, name: str, t: Any) -> Any:
        """What the work of a site draws: without what charges its UPS (MW)."""
        p, ups = self.dso.datacenter[name].p[t], self.model.dca.ups
        return p if name not in ups else p - ups[name].charge[t] + ups[name].discharge[t]

    # ---------------------------------------------------------------------------------- read

    def read(self, found: Arrays, answer: Answer, bought: int) -> Callable[[Any], float]:
        """Powers, prices and payments of the periods that are bought.

        Parameters
        ----------
        found : Arrays
            The solution.
        answer : Answer
            That takes them.
        bought : int
            Number of periods.

        Returns
        -------
        callable
            Value of a Var.
        """
        assert found.decisions is not None
        lower = found.lowers[0]
        values = {id(var): float(x) for var, x in zip(found.columns, found.decisions, strict=True)}
        for var, x in zip(lower.columns, lower.x, strict=True):
            values.setdefault(id(var), float(x))
        labels, dso = self.labels[:bought], self.dso

        def value(var: Any) -> float:
            known = values.get(id(var))
            return float(pyo.value(var)) if known is None else known

        for name, dc in dso.datacenter.items():
            answer.mw[name] = [value(dc.p[t]) for t in labels]
            if dc.rating_mva is None:
                answer.mvar[name] = [dc.tan_phi * p for p in answer.mw[name]]
            elif dc.balanced:
                answer.mvar[name] = [value(dc.q[t]) for t in labels]
            else:
                answer.mvar[name] = [sum(value(dc.leg_q[leg, t]) for leg in dc.legs)
                                     for t in labels]
        at = {key: lower.row_duals[[place[t] for t in labels]] / self.hours
              for key, place in self._places(lower.rows).items()}
        answer.prices = [[*key, x.tolist()] for key, x in at.items()]
        pays = self._pays(answer, at)
        if pays is not None:
            answer.repriced = pays
            if bought < len(self.labels):
                answer.payment = pays
        elif bought < len(self.labels):
            answer.payment = self._by_terms(found, values, labels)
        return value

    def _places(self, rows: list) -> dict[tuple[str, str, str], dict[Any, int]]:
        """Places of the balances of the buses among the rows, by period."""
        if self._rows is None or self._rows[0] is not rows:
            place = {id(row): i for i, row in enumerate(rows)}
            found = {}
            for name in self.buses:
                bus = self.dso.bus[name]
                for quantity, balance in (("active", bus.balance_p), ("reactive", bus.balance_q)):
                    for phase in dict.fromkeys(k for k, _ in balance):
                        found[name, phase, quantity] = {
                            t: place[id(balance[phase, t])] for t in self.slots}
            self._rows = rows, found
        return self._rows[1]

    def _pays(self, answer: Answer, at: dict) -> float | None:
        """Price x power x hours; None where legs or SVGs of its own have prices of theirs."""
        dca = self.model.dca
        if len(dca.own_svg) or any(not dc.balanced for dc in self.dso.datacenter.values()):
            return None
        if dca.component("tariff") is not None:
            rate = [pyo.value(dca.tariff[t]) for t in self.labels]
            return self.hours * sum(r * p for mw in answer.mw.values()
                                    for r, p in zip(rate, mw, strict=False))
        both = any(not isinstance(e.expr, int | float) for e in dca.pay_reactive.values())
        total = 0.0
        for name, dc in self.dso.datacenter.items():
            for quantity, powers in (("active", answer.mw), ("reactive", answer.mvar)):
                if quantity == "active" or both:
                    price = np.mean([at[dc.bus_name, k, quantity] for k in dc.phases], axis=0)
                    total += self.hours * float(price @ np.asarray(powers[name]))
        return total

    def _by_terms(self, found: Arrays, values: dict[int, float], labels: list) -> float:
        """The payment's own terms at the solution's duals, of some periods."""
        lower = found.lowers[0]
        if self._row_of is None or self._row_of[0] is not lower.rows:
            self._row_of = lower.rows, {id(row): i for i, row in enumerate(lower.rows)}
        place = self._row_of[1]
        for component, bound, var in self.duals:
            if bound is not None:
                raise SolverError.at(self.model.name, "pays duals of bounds", "")
            for key in var:
                var[key].set_value(float(lower.row_duals[place[id(component[key])]]),
                                   skip_validation=True)
        for part in (found.columns, lower.columns):
            for var in part:
                var.set_value(values[id(var)], skip_validation=True)
        dca, wanted = self.model.dca, set(labels)
        return sum(float(pyo.value(part[k])) for part in (dca.pay_active, dca.pay_reactive)
                   for k in part if k[-1] in wanted)
