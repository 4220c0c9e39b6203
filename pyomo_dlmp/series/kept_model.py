"""The model of a series: built once, set to the numbers of a problem, read from its arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.market import Market, build_bilevel
from pyomo_dlmp.market.workload import pue_of
from pyomo_dlmp.network.series import by_period
from pyomo_dlmp.network.units import KILO, mega
from pyomo_dlmp.opf.load_scale import load_series
from pyomo_dlmp.parametric import Answer as Arrays
from pyomo_dlmp.parametric import Atlas, Instance
from pyomo_dlmp.series.answers import Answer
from pyomo_dlmp.series.spans import State


class KeptModel:
    """A model, and what of it a problem sets and reads.

    Parameters
    ----------
    market : Market
        Of the first problem.
    atlas : Atlas
    buses : list of str
        Whose prices are read.
    """

    def __init__(self, market: Market, atlas: Atlas, buses: list[str]):
        self.model = m = build_bilevel(market)
        by_energy = m.dca.component("energy") is not None
        m.dca.del_component("energy")
        self.instance = Instance(m, atlas)
        self.dso, self.labels = m.dso, list(m.dso.periods)
        self.slots = list(m.dso.periods)
        self.coupled = len(m.dso.storage) + len(m.dca.ups) + len(m.dca.smoothing) + sum(
            dc.ramp_mw is not None for dc in m.dso.datacenter.values()) + (not by_energy)
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

        Parameters
        ----------
        market : Market
        state : State or None
            Of a rolling horizon.
        first : int
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
                if m.dca.component("idle") is not None:
                    m.dca.idle[name, t].setub(least)
        if m.dca.component("tariff") is not None:
            self._give(m.dca.tariff, market.tariff)
        for name, kwh in ({} if state is None else state.storage).items():
            dso.storage[name].energy_start.set_value(mega(kwh))
        for site, kwh in ({} if state is None else state.ups).items():
            m.dca.ups[site].start.set_value(mega(kwh))
        self._set_work(market.workload)

    def _set_work(self, work: Any) -> None:
        """What is to be served: energy, rates of interactive loads, PUE of servers, tokens/s."""
        m, dca = self.model, self.model.dca
        for load in work.interactive:
            rate = by_period(load.rate, self.labels, f"rate of interactive '{load.name}'")
            self._give({t: dca.wanted[load.name, t] for t in self.labels},
                       [rate[t] / KILO for t in self.labels])
        for pool in work.servers:
            self._give(dca.servers[pool.site].pue, pue_of(pool, self.labels).values())
        for service in work.llm:
            tokens = by_period(service.tokens, self.labels, f"tokens of llm '{service.name}'")
            self._give(dca.llm[service.name].wanted,
                       [tokens[t] / KILO / KILO for t in self.labels])
        due = work.energy_windows or (
            () if work.energy_mwh is None else ((len(self.labels), work.energy_mwh),))
        if m.component("series_work") is not None:
            m.del_component("series_work")
        if not due:
            return
        ends = [0, *(end for end, _ in due)]
        m.series_work = pyo.Constraint(range(len(due)), rule=lambda _, k: self.hours * sum(
            self._net(name, t) for name in self.dso.datacenter
            for t in self.labels[ends[k]:ends[k + 1]]) == due[k][1])

    def _net(self, name: str, t: Any) -> Any:
        """What the work of a site draws: without what charges its UPS (MW)."""
        net = self.dso.datacenter[name].p[t]
        for batteries in (self.model.dca.ups, self.model.dca.smoothing):
            if name in batteries:
                net = net - batteries[name].charge[t] + batteries[name].discharge[t]
        return net

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

    def regions(self, found: Arrays) -> tuple[int, int]:
        """Parts of the present periods whose regions were known, and those that are new.

        Parameters
        ----------
        found : Arrays
            The solution; a part belongs to the period of its first decision.

        Returns
        -------
        (int, int)
        """
        mine = [known for columns, known in found.known
                if _period(found.columns[columns[0]]) in self.labels]
        return sum(mine), len(mine) - sum(mine)

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


def _period(var: Any) -> Any:
    """Of a Var by period, or by leg and period."""
    index = var.index()
    return index[-1] if isinstance(index, tuple) else index
