"""The AC form from its blocks alone: a mesh, and a feeder with its neutral, without `build_opf`."""

import pickle

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp import blocks
from tests.library.linear import volts

Z = np.array([[.4 + .8j, .1 + .3j, .12 + .25j], [.1 + .3j, .38 + .82j, .11 + .28j],
              [.12 + .25j, .11 + .28j, .41 + .79j]])
Z4 = np.block([[Z, np.full((3, 1), .1 + .3j)], [np.full((1, 3), .1 + .3j), np.array([[.6 + 1j]])]])


class ByHand:
    """A model of one period, linearised at its own answer until that stands still."""

    def __init__(self, *buses, v_pu=(1.02, 1.0, 1.01)):
        self.m = m = pyo.ConcreteModel()
        self.horizon = blocks.Horizon(m)
        m.bus = blocks.AcBusBlock([bus.name for bus in buses])
        for bus in buses:
            m.bus[bus.name].build(bus, self.horizon)
        m.grid = blocks.AcSubstationBlock()
        m.grid.build(dlmp.Substation(name="grid", bus=buses[0].name, v_pu=v_pu), self.horizon,
                     m.bus[buses[0].name], 50.0)
        m.line = blocks.AcElementBlock(pyo.Any)
        m.demand = blocks.LoadBlock(pyo.Any)

    def line(self, ends, z, length, conductors="abc"):
        """A series impedance (ohm/km); an earthed conductor is left out after inversion."""
        y = np.linalg.inv(length * z)
        terminals = [(end, k) for end in ends for k in conductors]
        kept = [i for i, (end, k) in enumerate(terminals) if k in self.m.bus[end].conductors]
        kv = np.array([self.m.bus[end].kv_ln for end, _ in terminals])
        y = np.block([[y, -y], [-y, y]]) * np.outer(kv, kv)
        self.m.line[ends].build([terminals[i] for i in kept], y[np.ix_(kept, kept)], self.horizon,
                                self.m.bus)

    def load(self, name, bus, legs, kw, kvar, **more):
        data = dlmp.Load(name=name, bus=bus, legs=legs, kw=kw, kvar=kvar, **more)
        self.m.demand[name].build(data, self.horizon, self.m.bus[bus])

    def settle(self):
        m = self.m
        m.cost = pyo.Objective(expr=m.grid.cost[0] + sum(
            cost for bus in m.bus.values() if bus.component("cost") is not None
            for cost in bus.cost.values()))
        for _ in range(8):
            dlmp.solve_opf(m)
            for bus in m.bus.values():
                bus.set_voltage({k: complex(bus.vr[k].value, bus.vi[k].value) for k in bus.vr})
            for bus in m.bus.values():
                bus.set_powers()
        dlmp.solve_opf(m)
        return m


def check_kirchhoff(m, loads):
    """At every conductor, the currents of lines and loads add up: by hand, at the voltages."""
    into = {(name, k): 0j for name, bus in m.bus.items() for k in bus.conductors}
    for line in m.line.values():
        for end, i in zip(line.terminals, line.currents(0), strict=True):
            into[end] += i
    for bus, (a, b), s in loads:
        u = volts(m.bus[bus], a) - (volts(m.bus[bus], b) if (bus, b) in into else 0)
        into[bus, a] += np.conj(s / u)
        if (bus, b) in into:
            into[bus, b] -= np.conj(s / u)
    source = next(iter(m.bus))
    wrong = {end: abs(i) for end, i in into.items() if end[0] != source}
    assert max(wrong.values()) < 1e-9


def test_a_mesh_of_three_buses():
    by_hand = ByHand(*(dlmp.Bus(name=b, kv=4.8) for b in "sme"))
    for ends, length in (("sm", 1.2), ("me", .7), ("se", 1.6)):
        by_hand.line(ends, Z, length)
    by_hand.load("wye", "m", ("a", "b", "c"), (100, 80, 60), (40, 30, 20))
    by_hand.load("delta", "e", ("ab", "bc"), (150, 120), (60, 50), connection="delta")
    m = by_hand.settle()
    loads = [("m", (k, ""), s) for k, s in zip("abc", (.1 + .04j, .08 + .03j, .06 + .02j),
                                               strict=True)]
    check_kirchhoff(m, [*loads, ("e", "ab", .15 + .06j), ("e", "bc", .12 + .05j)])
    bought = sum(v.value for v in m.grid.p.values())
    assert 0.51 < bought < 0.53
    assert pickle.loads(pickle.dumps(m)).bus["e"].vr["a", 0].value == m.bus["e"].vr["a", 0].value


def test_four_wires():
    """Loads to the neutral, which is earthed at the source alone and carries what they leave."""
    by_hand = ByHand(dlmp.Bus(name="s", kv=.4, neutrals="n", ground_r=0.0, ground_x=0.0),
                     dlmp.Bus(name="e", kv=.4, neutrals="n"))
    by_hand.line("se", Z4, .15, "abcn")
    by_hand.load("l", "e", ("an", "bn"), (6, 2), (2, .5))
    m = by_hand.settle()
    check_kirchhoff(m, [("e", "an", .006 + .002j), ("e", "bn", .002 + .0005j)])
    assert .005 < abs(volts(m.bus["e"], "n")) < .1
    assert m.bus["s"].conductors == "abc"  # a solid neutral is ground


def test_the_price_of_a_leg_to_its_neutral_is_what_it_costs():
    def cost(extra):
        by_hand = ByHand(dlmp.Bus(name="s", kv=.4), dlmp.Bus(
            name="e", kv=.4, neutrals="n", ground_r=2.0, ground_x=0.0))
        by_hand.line("se", Z4[:3, :3], .15)
        m = by_hand.m
        m.earth = blocks.AcElementBlock()
        m.earth.build([("e", "n")], np.array([[(.4**2 / 3) / 2.0]]), by_hand.horizon, m.bus)
        by_hand.load("l", "e", ("an", "bn"), (6 + extra, 2), (2, .5))
        return by_hand.settle()

    m = cost(0.0)
    bus, dual = m.bus["e"], m.dual
    u = volts(bus, "a") - volts(bus, "n")
    # dual of a row per MVA/pu of conjugate current; m = V0 of a phase, 1 of the neutral
    pi_a = (dual[bus.balance_p["a", 0]] - 1j * dual[bus.balance_q["a", 0]]) * volts(bus, "a")
    pi_n = dual[bus.balance_p["n", 0]] - 1j * dual[bus.balance_q["n", 0]]
    price = ((pi_a - pi_n) / u).real
    slope = (pyo.value(cost(.005).cost) - pyo.value(cost(-.005).cost)) / 1e-5
    assert price == pytest.approx(slope, abs=1e-3) and price > 50


def test_limits_of_legs_and_neutrals_hold():
    """A generator that costs more than energy runs as far as the limits need it."""
    def solved(limit):
        by_hand = ByHand(dlmp.Bus(name="s", kv=.4, neutrals="n", ground_r=0.0, ground_x=0.0),
                         dlmp.Bus(name="e", kv=.4, neutrals="n"))
        by_hand.line("se", Z4, .15, "abcn")
        by_hand.load("l", "e", ("an", "bn"), (6, 2), (2, .5))
        bus = by_hand.m.bus["e"]
        by_hand.m.gen = blocks.GeneratorBlock()
        by_hand.m.gen.build(dlmp.Generator(
            name="g", bus="e", phases="a", neutral="n", kw_max=6, kvar_min=-3, kvar_max=3,
            cost=90), by_hand.horizon, bus)
        limit(bus)
        m = by_hand.m
        m.extra = pyo.Expression(expr=by_hand.m.gen.cost[0] + 1e3 * m.gen.q[0] ** 2)
        m.grid.cost[0].set_value(m.grid.cost[0].expr + m.extra)
        return by_hand.settle()

    m = solved(lambda bus: None)
    free = abs(volts(m.bus["e"], "n"))
    m = solved(lambda bus: bus.limit_neutral(.6 * free, sides=16))
    assert .58 * free < abs(volts(m.bus["e"], "n")) <= .6 * free + 1e-9
    assert m.gen.p[0].value > 1e-4
    m = solved(lambda bus: bus.limit_leg("an", 1.005, 1.05))
    leg = abs(volts(m.bus["e"], "a") - volts(m.bus["e"], "n"))
    assert leg == pytest.approx(1.005, abs=1e-7)


def test_what_does_not_fit_is_named():
    by_hand = ByHand(dlmp.Bus(name="s", kv=4.8), dlmp.Bus(name="e", kv=4.8, phases="ab"))
    with pytest.raises(dlmp.ModelError, match="'c' of bus 'e', which the model lacks"):
        by_hand.m.line["x"].build([("s", "c"), ("e", "c")], np.eye(2), by_hand.horizon,
                                  by_hand.m.bus)
    with pytest.raises(dlmp.ModelError, match="2 terminals and an admittance of shape"):
        by_hand.m.line["y"].build([("s", "a"), ("e", "a")], np.eye(3), by_hand.horizon,
                                  by_hand.m.bus)
    with pytest.raises(dlmp.ModelError, match=r"load.*leg 'c' at bus 'e'"):
        by_hand.load("load", "e", ("c",), (10,), (1,))
    with pytest.raises(dlmp.ModelError, match="no neutral that is not solidly grounded"):
        by_hand.m.bus["e"].limit_neutral(.05)
