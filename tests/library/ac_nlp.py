"""The AC OPF of a network as one nonlinear program of exact equations, solved by an NLP solver.

Written from `ac_equations` alone, so that the package's AC form has something to be held against:
rectangular voltages and currents, legs with  u conj(i) = s(|u|), soft or hard limits of squared
voltages, generators, storages and SVGs free, datacenters fixed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pyomo.environ as pyo
import pytest

from pyomo_dlmp.network.units import mega
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.solvers.interfaces import find_executable
from tests.library.ac_equations import Equations, polynomial

SIDES, THERMAL_SIDES = 16, 12  # of the polygons inside circles of inverters and of branches
RATING_PENALTY = 2000.0


class Limits(NamedTuple):
    """Of the magnitude at every bus but the substation's."""

    kind: str | None = "soft"
    v_min: float = 0.95
    v_max: float = 1.05
    penalty: float = 2000.0


class NlpAnswer:
    """What the NLP found.

    Attributes
    ----------
    objective : float
        In $.
    dispatch : dict
        [period]: {device: (kW by leg, kvar by leg)}, generated.
    v : dict
        [bus, conductor, period]: complex (pu).
    """

    def __init__(self, nlp):
        self.nlp, m = nlp, nlp.model
        self.objective = pyo.value(m.cost)
        self.v = {(*key, t): nlp.volt(i, t) for key, i in nlp.eq.place.items() for t in nlp.periods}
        self.dispatch = {t: {name: tuple(
            tuple(1e3 * pyo.value(s[part]) for _, s in legs) for part in (0, 1))
            for name, legs in nlp.injections[t].items()} for t in nlp.periods}
        self.outside = sorted({drawn.load.name for t in nlp.periods for drawn in nlp.eq.loads
                               if not nlp.inside(drawn, t)})

    def price(self, bus, leg, t=0):
        """Of active and of reactive power drawn at a leg ($/MWh, $/Mvarh)."""
        nlp = self.nlp
        at = nlp.eq.leg("", bus, leg)
        u = nlp.across(at, t)
        pi = nlp.dual(at.a, t) - nlp.dual(at.b, t)  # $ per current drawn: Re and Im parts
        # a draw of s takes i = conj(s / u) from a, and back at b
        drawn = [np.conj(s / u) for s in (1.0, 1j)]
        return tuple(float((pi * np.conj(i)).real) / nlp.hours for i in drawn)


class Nlp:
    """The program; `solve` gives an `NlpAnswer`."""

    def __init__(self, net, *, price=50.0, periods=1, hours=1.0, limits=None, extra=(), **more):
        self.start = more.pop("start", None) or {}  # [device, period]: (MW, Mvar) by leg
        self.fixed_kw = more.pop("datacenter_kw", None) or {}
        load_scale = more.pop("load_scale", 1.0)
        assert not more, more
        self.net, self.eq, self.hours = net, Equations(net), hours
        self.limits = limits or Limits()
        self.periods = list(range(periods)) if isinstance(periods, int) else list(periods)
        prices = [price] * len(self.periods) if np.isscalar(price) else list(price)
        self.prices = dict(zip(self.periods, prices, strict=True))
        self.scale = load_series(net, load_scale, self.periods, hours)
        self.q_scale = reactive_series(net, load_scale, self.periods, hours)
        self.extra = extra  # further draws: (bus, leg, MVA)
        self.model = m = pyo.ConcreteModel()
        m.rows = pyo.ConstraintList()
        m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
        self.costs, self.balances = [], {}
        self.injections = {t: {} for t in self.periods}
        for name in self.eq.legs:
            self._device(net.devices[name])
        for t in self.periods:
            self._network(t)
        m.cost = pyo.Objective(expr=sum(self.costs))

    # -------------------------------------------------------------------------------- devices

    def _var(self, low=None, high=None, start=0.0):
        """A free-standing Var."""
        m = self.model
        if not hasattr(m, "free"):
            m.free = pyo.VarList()
        var = m.free.add()
        var.setlb(low)
        var.setub(high)
        var.set_value(start)
        return var

    def _device(self, device):
        make = {"generator": self._generator, "storage": self._storage, "svg": self._svg,
                "datacenter": self._datacenter}[device.word]
        legs = self.eq.legs[device.name]
        for t, powers in make(device, legs).items():
            self.injections[t][device.name] = list(zip(legs, powers, strict=True))

    def _circle(self, p, q, kva):
        if kva is not None:
            for k in range(SIDES):
                turn = 2 * math.pi * k / SIDES
                self.model.rows.add(math.cos(turn) * p + math.sin(turn) * q
                                    <= mega(kva) * math.cos(math.pi / SIDES))

    def _generator(self, g, legs):
        made = {}
        for t in self.periods:
            top = mega(g.kw_max) * self.scale.get(g.name, {}).get(t, 1.0)
            low = min(mega(g.kw_min), top)
            p, q = self._var(low, top, low), self._var(mega(g.kvar_min), mega(g.kvar_max))
            self._circle(p, q, g.kva)
            if g.power_factor_min is not None:
                slope = math.tan(math.acos(g.power_factor_min))
                self.model.rows.add(q <= slope * p)
                self.model.rows.add(-q <= slope * p)
            self.costs.append(self.hours * (g.cost * p + g.cost2 * p**2))
            made[t] = [(p / len(legs), q / len(legs))] * len(legs)
        return made

    def _storage(self, s, legs):
        made, before = {}, mega(s.kwh_start)
        for t in self.periods:
            into, out = self._var(0, mega(s.kw_max)), self._var(0, mega(s.kw_max))
            energy = self._var(mega(s.kwh_min), mega(s.kwh_max), mega(s.kwh_start))
            q = self._var(-mega(s.kvar_max), mega(s.kvar_max))
            self.model.rows.add(energy - before == self.hours * (
                s.efficiency_charge * into - out / s.efficiency_discharge))
            before = energy
            self._circle(out - into, q, s.kva)
            self.costs.append(self.hours * s.cost * (into + out))
            made[t] = [((out - into) / len(legs), q / len(legs))] * len(legs)
        if s.cyclic:
            self.model.rows.add(before >= mega(s.kwh_start))
        return made

    def _svg(self, svg, legs):
        made, n, total = {}, len(legs), mega(svg.kvar)
        alike = svg.connection == "wye" and svg.bus not in self.eq.grounded
        reach = 0.0 if svg.owner != "dso" else (
            total / n if svg.sharing == "equal" or alike else total)
        lost = svg.loss_percent / 100
        split = lost > 0 or svg.sharing == "total"
        for t in self.periods:
            powers, sizes = [], []
            for _ in range(1 if alike else n):
                if split:
                    up, down = self._var(0, reach), self._var(0, reach)
                    powers.append((-lost * (up + down), up - down))
                    sizes.append(up + down)
                else:
                    powers.append((0.0, self._var(-reach, reach)))
            powers, sizes = (powers * n, sizes * n) if alike else (powers, sizes)
            if svg.sharing == "total" and svg.owner == "dso":
                self._rating(sum(sizes), total)
            made[t] = powers
        return made

    def _rating(self, size, total):
        """Of a total rating, soft as everywhere where ratings are."""
        excess = self._var(0.0)
        self.costs.append(self.hours * RATING_PENALTY * excess)
        self.model.rows.add(size - excess <= total)

    def _datacenter(self, dc, legs):
        given, made = self.fixed_kw.get(dc.name, dc.kw), {}
        for i, t in enumerate(self.periods):
            p = mega(given if np.isscalar(given) else given[i])
            q = p * math.tan(math.acos(dc.power_factor))
            assert dc.reactive == "power factor"
            made[t] = [(-p / len(legs), -q / len(legs))] * len(legs)
        return made

    # -------------------------------------------------------------------------------- network

    def _network(self, t):
        eq, block = self.eq, pyo.Block()
        self.model.add_component(f"net{self.periods.index(t)}", block)
        n, m = eq.n, len(eq.e)
        start = []
        for name, legs in self.injections[t].items():
            given = self.start.get((name, t))
            powers = (zip(*given, strict=True) if given else
                      [tuple(map(pyo.value, s)) for _, s in legs])
            start += [(leg, complex(*s)) for (leg, _), s in zip(legs, powers, strict=True)]
        v, j = eq.power_flow(start, *({name: by[t] for name, by in each.items()}
                                      for each in (self.scale, self.q_scale)))
        block.vr = pyo.Var(range(n), initialize=dict(enumerate(v.real.tolist())))
        block.vi = pyo.Var(range(n), initialize=dict(enumerate(v.imag.tolist())))
        block.jr = pyo.Var(range(m), initialize=dict(enumerate(j.real.tolist())))
        block.ji = pyo.Var(range(m), initialize=dict(enumerate(j.imag.tolist())))
        block.rows = pyo.ConstraintList()
        entering = self._legs(t, block)
        self._balance(t, block, entering)
        self._ideal(block)
        k = range(len(eq.fed))
        self.costs.append(self.prices[t] * self.hours * sum(
            block.vr[eq.fed[i]] * block.jr[i] + block.vi[eq.fed[i]] * block.ji[i] for i in k))
        self._limit(t, block)
        self._ratings(block)

    def block(self, t):
        """Of a period."""
        return self.model.component(f"net{self.periods.index(t)}")

    def _u(self, leg, block):
        """Real and imaginary part of a leg's voltage."""
        ends = [(sign, node) for sign, node in ((1, leg.a), (-1, leg.b)) if node >= 0]
        return tuple(sum(sign * x[node] for sign, node in ends) for x in (block.vr, block.vi))

    def _legs(self, t, block):
        """[(leg, Re and Im of the current that it injects)] with the rows of their powers."""
        eq, found = self.eq, []
        powers = []
        for drawn in eq.loads:
            f = self.scale[drawn.load.name][t]
            s = (drawn.s.real * f,
                 drawn.s.imag * self.q_scale.get(drawn.load.name, {}).get(t, f))
            powers.append((drawn.leg, lambda w, s=s, drawn=drawn: self._law(drawn, s, w)))
        for legs in self.injections[t].values():
            powers += [(leg, lambda w, s=s: s) for leg, s in legs if leg.a != leg.b]
        for bus, name, s in self.extra:
            powers.append((eq.leg("", bus, name), lambda w, s=s: (-s.real, -s.imag)))
        block.ir = pyo.Var(range(len(powers)), initialize=0.0)
        block.ii = pyo.Var(range(len(powers)), initialize=0.0)
        for number, (leg, law) in enumerate(powers):
            ir, ii = block.ir[number], block.ii[number]
            ur, ui = self._u(leg, block)
            p, q = law(ur**2 + ui**2)
            u = complex(pyo.value(ur), pyo.value(ui))
            i = np.conj(complex(pyo.value(p), pyo.value(q)) / u)
            ir.set_value(float(i.real))
            ii.set_value(float(i.imag))
            block.rows.add(ur * ir + ui * ii == p)
            block.rows.add(ui * ir - ur * ii == q)
            found.append((leg, ir, ii))
        return found

    @staticmethod
    def _law(drawn, s, w):
        """What a load injects, w = |u|^2 in pu of the bus."""
        square = w * drawn.per_rated**2
        load = drawn.load
        if load.model in ("power", "impedance"):
            factors = (1.0, 1.0) if load.model == "power" else (square, square)
        else:
            factors = polynomial(load)(square**0.5)
        return -s[0] * factors[0], -s[1] * factors[1]

    def _balance(self, t, block, entering):
        eq = self.eq
        into = {i: ([], []) for i in range(eq.n)}
        for leg, ir, ii in entering:
            for node, sign in ((leg.a, 1), (leg.b, -1)):
                if node >= 0:
                    into[node][0].append(sign * ir)
                    into[node][1].append(sign * ii)
        for r, row in enumerate(eq.c):
            for i in np.flatnonzero(row):
                into[int(i)][0].append(float(row[i].real) * block.jr[r])
                into[int(i)][1].append(float(row[i].real) * block.ji[r])
        y = eq.y.tocsr()
        for i in range(eq.n):
            at = slice(y.indptr[i], y.indptr[i + 1])
            terms = list(zip(y.indices[at].tolist(), y.data[at].tolist(), strict=True))
            real = sum(c.real * block.vr[k] - c.imag * block.vi[k] for k, c in terms)
            imag = sum(c.imag * block.vr[k] + c.real * block.vi[k] for k, c in terms)
            self.balances[i, t] = (block.rows.add(sum(into[i][0]) - real == 0),
                                   block.rows.add(sum(into[i][1]) - imag == 0))

    def _ideal(self, block):
        eq = self.eq
        for r, row in enumerate(eq.c):
            at = [(int(i), float(row[i].real)) for i in np.flatnonzero(row)]
            drop = [(int(k), complex(eq.z[r, k])) for k in np.flatnonzero(eq.z[r])]
            block.rows.add(sum(c * block.vr[i] for i, c in at) + sum(
                z.real * block.jr[k] - z.imag * block.ji[k] for k, z in drop) == eq.e[r].real)
            block.rows.add(sum(c * block.vi[i] for i, c in at) + sum(
                z.imag * block.jr[k] + z.real * block.ji[k] for k, z in drop) == eq.e[r].imag)

    def limited(self):
        """(bus, phase, [(node, weight)], low, high) of each magnitude that is limited."""
        eq = self.eq
        for name, bus in self.net.buses.items():
            if name == self.net.substation.bus or self.limits.kind is None:
                continue
            low = self.limits.v_min if bus.v_min is None else bus.v_min
            high = self.limits.v_max if bus.v_max is None else bus.v_max
            for k in bus.phases:
                terms = [(eq.node(name, k), 1.0), (eq.node(name, "n"), -1.0)]
                floats = bus.phases == "abc" and name not in eq.grounded
                if floats and eq.node(name, "n") < 0:
                    terms = [(eq.node(name, other), float(other == k) - 1 / 3) for other in "abc"]
                yield name, k, [(i, c) for i, c in terms if i >= 0], low, high

    def _limit(self, t, block):
        for _, _, terms, low, high in self.limited():
            w = sum(sum(c * x[i] for i, c in terms) ** 2 for x in (block.vr, block.vi))
            slack = [self._var(0.0), self._var(0.0)] if self.limits.kind == "soft" else [0.0] * 2
            block.rows.add(w + slack[0] >= low**2)
            block.rows.add(w - slack[1] <= high**2)
            if self.limits.kind == "soft":
                self.costs.append(self.limits.penalty * self.hours * sum(slack))

    def _ratings(self, block):
        """Currents of rated branches inside a polygon, soft."""
        for kva, nodes, y in self.eq.rated():
            for row in y:
                at = [(i, complex(c)) for i, c in zip(nodes, row, strict=True) if i >= 0]
                real = sum(c.real * block.vr[i] - c.imag * block.vi[i] for i, c in at)
                imag = sum(c.imag * block.vr[i] + c.real * block.vi[i] for i, c in at)
                excess = self._var(0.0)
                self.costs.append(RATING_PENALTY * self.hours * excess)
                for k in range(THERMAL_SIDES):
                    turn = 2 * math.pi * k / THERMAL_SIDES
                    self.model.rows.add(math.cos(turn) * real + math.sin(turn) * imag - excess
                                        <= mega(kva) * math.cos(math.pi / THERMAL_SIDES))

    # --------------------------------------------------------------------------------- solving

    def solve(self, tol=1e-10):
        """An `NlpAnswer`; AssertionError if the solver does not call it optimal."""
        solver = pyo.SolverFactory("ipopt", executable=program())
        solver.options |= {"tol": tol, "max_iter": 500, "bound_relax_factor": 0.0}
        results = solver.solve(self.model, load_solutions=False)
        condition = str(results.solver.termination_condition)
        assert condition == "optimal", condition
        self.model.solutions.load_from(results)
        return NlpAnswer(self)

    def volt(self, i, t):
        """Voltage of a node in the solution."""
        block = self.block(t)
        return complex(block.vr[i].value, block.vi[i].value) if i >= 0 else 0j

    def across(self, leg, t):
        """Voltage of a leg in the solution."""
        return self.volt(leg.a, t) - self.volt(leg.b, t)

    def inside(self, drawn, t):
        """Whether a load's leg is in its range, where the law that stands here is the engine's."""
        x = abs(self.across(drawn.leg, t)) * drawn.per_rated
        return drawn.load.v_low <= x <= drawn.load.v_high

    def dual(self, i, t):
        """$ per current drawn at a node, in Re and in Im, as one complex number."""
        if i < 0:
            return 0j
        rows = self.balances[i, t]
        return complex(*(self.model.dual[row] for row in rows))


def program():
    """Path of the NLP solver, or a skip with the reason."""
    found = find_executable("pounce")
    if found is None:
        pytest.skip("the NLP solver pounce is not installed")
    return found
