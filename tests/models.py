"""The small models that many tests share, each in one place, and a solver or the skip of its test.

bard, consumer: a lower level without power; feeder, bilevel, day_market: a market on two buses.
"""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.solvers import get_solver

CODE = dlmp.LineCode(name="c", r=[[.3, .1, .1], [.1, .3, .1], [.1, .1, .3]],
                     x=[[.6, .2, .2], [.2, .6, .2], [.2, .2, .6]])
GEN = dlmp.Generator(name="gen", bus="end", kw_max=200, cost=45, cost2=60, kvar_min=-50,
                     kvar_max=50)


def solver_or_skip(name: str) -> str:
    """The solver's name, or a skip that says why it is not there."""
    try:
        get_solver(name)
    except dlmp.SolverError as err:
        pytest.skip(str(err))
    return name


def bard():
    """Bard (1998), example 5.1.1: optimum -12 at x = 4, y = 4. Blind big-M gives -21."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10))
    m.low = dlmp.LowerLevel()
    y = m.low.y = pyo.Var(bounds=(0, 20))
    m.low.rows = pyo.ConstraintList()
    for row in (m.x + y >= 3, 2 * m.x - y >= 0, 2 * m.x + y <= 12, -3 * m.x + 2 * y >= -4):
        m.low.rows.add(row)
    m.low.cost = pyo.Objective(expr=y)
    m.cost = pyo.Objective(expr=m.x - 4 * y)
    return m


def consumer(pays=(0, 1), quadratic=True):
    """A consumer of 5 MWh in two hours; generators of 0 .. 3 MW; pays the price in `pays`."""
    m = pyo.ConcreteModel()
    m.d = pyo.Var([0, 1], bounds=(0, 4))
    m.work = pyo.Constraint(expr=m.d[0] + m.d[1] == 5)
    m.low = dlmp.LowerLevel()
    g = m.low.g = pyo.Var([0, 1], [0, 1], bounds=(0, 3))
    s = m.low.short = pyo.Var([0, 1], domain=pyo.NonNegativeReals)
    m.low.balance = pyo.Constraint([0, 1], rule=lambda b, t: (
        g[0, t] + g[1, t] + s[t] - m.d[t] >= t))
    m.low.cost = pyo.Objective(expr=sum(
        10 * g[0, t] + 30 * g[1, t] + 100 * s[t]
        + (2 * g[0, t] ** 2 + g[1, t] ** 2 if quadratic else 0) for t in (0, 1)))
    price = m.low.dual_of(m.low.balance)
    m.pay = pyo.Objective(expr=sum(price[t] * m.d[t] for t in pays))
    return m


def least_payment(pays=(0, 1)) -> float:
    """The consumer's least payment on a grid of d[0], prices by bisection of the merit order."""
    def price(d):
        lo, hi = np.zeros(len(d)), np.full(len(d), 100.0)
        for _ in range(80):
            middle = (lo + hi) / 2
            made = np.clip((middle - 10) / 4, 0, 3) + np.clip((middle - 30) / 2, 0, 3)
            lo, hi = np.where(made < d, middle, lo), np.where(made < d, hi, middle)
        return hi

    d = np.linspace(1, 4, 3001)
    paid = (price(d) * d, price(6 - d) * (5 - d))  # hour 1 has 1 MW of other demand
    return float(min(sum(paid[t] for t in pays)))


def feeder(*devices, length=2.0):
    """A head, a line with losses, an end with a generator and the given devices."""
    return dlmp.Network("two buses", [
        dlmp.Bus(name="head", kv=4.8), dlmp.Bus(name="end", kv=4.8),
        dlmp.Substation(name="grid", bus="head"), dlmp.Line(
            name="line", from_bus="head", to_bus="end", code=CODE, length=length), GEN, *devices])


def bilevel(net, work, price, pays="active and reactive", takers=(), tariff=None, **options):
    """An aggregator with `work` above the OPF of a network."""
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(net, periods=len(price), price=price, into=m.dso, price_takers=takers,
                   **options)
    m.dca = dlmp.AggregatorBlock()
    m.dca.build(m.dso, work, pays, tariff=tariff)
    return m


def day_market(work=2.2, price=(30.0, 50.0, 80.0, 45.0)):
    """A datacenter of 900 kW at the end of a long line whose voltage binds, hour after hour."""
    load = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(400,), kvar=(200,), connection="delta")
    site = dlmp.Datacenter(name="dc", bus="end", kw=900, floor=0.1)
    return bilevel(feeder(site, load, length=4), work, list(price), v_min=0.98, penalty=800.0)


def price_payer(quadratic=True):
    """One bus, two hours: a buyer of 1 MWh pays the price of both; two offers of 1 MW."""
    m = pyo.ConcreteModel()
    m.d = pyo.Var([1, 2], bounds=(0, 1))
    m.work = pyo.Constraint(expr=m.d[1] + m.d[2] == 1)
    m.bus = dlmp.LowerLevel()
    m.bus.cheap = pyo.Var([1, 2], bounds=(0, 1))
    m.bus.dear = pyo.Var([1, 2], bounds=(0, 1))
    m.bus.shed = pyo.Var([1, 2], domain=pyo.NonNegativeReals)
    m.bus.balance = pyo.Constraint([1, 2], rule=lambda b, t: (
        b.cheap[t] + b.dear[t] + b.shed[t] - m.d[t] == 0.25 * t))
    m.bus.cost = pyo.Objective(expr=sum(
        10 * m.bus.cheap[t] + 30 * m.bus.dear[t] + 100 * m.bus.shed[t]
        + (4 * m.bus.cheap[t] ** 2 if quadratic else 0) for t in (1, 2)))
    price = m.bus.dual_of(m.bus.balance)
    m.pay = pyo.Objective(expr=price[1] * m.d[1] + price[2] * m.d[2])
    return m


def ranged_maximiser():
    """A follower that maximises, with a ranged row, a free Var and an upper Var in its objective.

    Each side of each sign rule once: rows below, above, between and equal, bounds of either side.
    """
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(-1, 2))
    m.low = dlmp.LowerLevel()
    m.low.x = pyo.Var(bounds=(None, 4))
    m.low.y = pyo.Var(bounds=(-2, None))
    m.low.z = pyo.Var()
    m.low.between = pyo.Constraint(expr=(-3, m.low.x - m.low.y + m.u, 5))
    m.low.below = pyo.Constraint(expr=m.low.x + 2 * m.low.y - m.u <= 6)
    m.low.above = pyo.Constraint(expr=m.low.y + m.u >= -1)
    m.low.same = pyo.Constraint(expr=m.low.z - m.low.x - m.low.y == 0.5)
    m.low.gain = pyo.Objective(
        expr=m.low.z + m.u * m.low.x - m.low.x ** 2, sense=pyo.maximize)
    m.goal = pyo.Objective(expr=m.low.y - m.u, sense=pyo.maximize)
    return m


def bilinear():
    """max xy + x over xy + x <= 6, without a lower level; the optimum is 6."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4))
    m.y = pyo.Var(bounds=(-1, 3))
    m.row = pyo.Constraint(expr=m.x * m.y + m.x <= 6)
    m.goal = pyo.Objective(expr=-m.x * m.y - m.x)
    return m
