"""Rewritten objectives have the same value at KKT points, and are convex where they say so."""

from types import SimpleNamespace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics import curvature
from pyomo_dlmp.numerics.identities import convexify
from pyomo_dlmp.transform.pairs import compile_pairs


def quantity_offer():
    """A producer offers a quantity and is paid price x own dispatch."""
    m = pyo.ConcreteModel()
    m.q = pyo.Var(bounds=(0, 100))
    low = m.low = dlmp.LowerLevel()
    low.s, low.r, low.d = (pyo.Var(bounds=(0, b)) for b in (100, 40, 100))
    low.cap = pyo.Constraint(expr=low.s - m.q <= 0)
    low.balance = pyo.Constraint(expr=low.s + low.r + low.d == 100)
    low.cost = pyo.Objective(expr=50 * low.r + 1000 * low.d)
    m.goal = pyo.Objective(sense=pyo.maximize, expr=low.dual_of(low.balance) * low.s)
    return m


def price_offer(quadratic=0.0):
    """A producer offers a price; the market clears with a quadratic or linear rival."""
    m = pyo.ConcreteModel()
    m.b = pyo.Var(bounds=(0, 100))
    low = m.low = dlmp.LowerLevel()
    low.s, low.r, low.d = (pyo.Var(bounds=(0, b)) for b in (50, 60, 100))
    low.balance = pyo.Constraint(expr=low.s + low.r - low.d == 0)
    low.cost = pyo.Objective(expr=m.b * low.s + 25 * low.r + quadratic * low.r ** 2 - 80 * low.d)
    m.goal = pyo.Objective(sense=pyo.maximize, expr=(low.dual_of(low.balance) - 15) * low.s)
    return m


def retailer():
    """Prices in both objectives: p d is paid."""
    m = pyo.ConcreteModel()
    m.p = pyo.Var([0, 1, 2], bounds=(10, 70))
    low = m.low = dlmp.LowerLevel()
    low.d = pyo.Var([0, 1, 2], bounds=(0, 4))
    low.energy = pyo.Constraint(expr=sum(low.d.values()) == 6.6)
    low.cost = pyo.Objective(expr=sum((m.p[t] - 5 * t) * low.d[t] for t in range(3)))
    m.goal = pyo.Objective(sense=pyo.maximize,
                           expr=sum((m.p[t] - 20 - t) * low.d[t] for t in range(3)))
    return m


def payer():
    """A buyer pays price x own quantity."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2))
    low = m.low = dlmp.LowerLevel()
    low.g = pyo.Var([0, 1], bounds=(0, 1))
    low.balance = pyo.Constraint(expr=low.g[0] + low.g[1] == m.u)
    low.cost = pyo.Objective(expr=low.g[0] ** 2 + 3 * low.g[1])
    m.goal = pyo.Objective(expr=low.dual_of(low.balance) * m.u - 2 * m.u)
    return m


def cournot():
    """The leader's quantity times a price that falls with the followers' quantities."""
    m = pyo.ConcreteModel()
    m.Q = pyo.Var(bounds=(0, 20))
    low = m.low = dlmp.LowerLevel()
    low.q = pyo.Var([1, 2], bounds=(0, None))
    price = 13 - (low.q[1] + low.q[2] + m.Q)
    low.cost = pyo.Objective(sense=pyo.maximize, expr=(
        price - 1) * (low.q[1] + low.q[2]) + low.q[1] * low.q[2])
    m.goal = pyo.Objective(sense=pyo.maximize, expr=(price - 1) * m.Q)
    return m


CASES = {"quantity_offer": quantity_offer, "price_offer": price_offer,
         "price_offer, quadratic": lambda: price_offer(0.1), "retailer": retailer, "payer": payer,
         "cournot": cournot}


@pytest.mark.parametrize("name", CASES)
def test_the_objective_is_convex_and_its_value_the_same(name):
    m = CASES[name]()
    systems = [build_kkt(compile_lower(block)) for block in lower_levels(m)]
    compiled = compile_pairs(m, systems)
    found = convexify(compiled.problem)
    assert found.convex
    program, before = found.problem.program, compiled.problem.program
    assert np.linalg.eigvalsh(program.Q.toarray())[0] >= -1e-9
    rng = np.random.default_rng(0)
    checked = 0
    for _ in range(20):
        z = np.zeros(len(before.c))
        u = []
        for kkt in systems:
            at = [rng.uniform(v.lb or 0.0, v.ub) for v in kkt.form.u]
            u.append(at)
            solution = LowerSolver(kkt).solve(np.array(at))
            for v, value in [*zip(kkt.form.u, at, strict=True),
                             *zip(kkt.form.x, solution.x, strict=True)]:
                z[next(j for j, c in enumerate(before.columns) if c is v)] = value
            z[compiled.y[0]], z[compiled.mu[0]] = solution.y, solution.mu
        assert program.value(z) == pytest.approx(before.value(z), rel=1e-7, abs=1e-6)
        checked += 1
    assert checked == 20


def test_what_cannot_be_convex_says_so():
    """A price x a Var of the leader's that the lower level does not know."""
    m = payer()
    m.v = pyo.Var(bounds=(0, 1))
    m.goal.deactivate()
    m.other = pyo.Objective(expr=m.low.dual_of(m.low.balance) * m.v, sense=pyo.maximize)
    systems = [build_kkt(compile_lower(block)) for block in lower_levels(m)]
    found = convexify(compile_pairs(m, systems).problem)
    assert (found.parts, found.convex) == (1, False)


def test_weights_that_leave_no_product_need_no_basis_of_many_equations(monkeypatch):
    """40 x 60 products of 12 weights: a full SVD of them made a basis of 2,400 x 2,400 numbers."""
    rng = np.random.default_rng(0)
    part = SimpleNamespace(mu=np.arange(12), S=np.zeros((12, 60)))
    inner = np.zeros((12, 40))
    inner[:, :3], part.S[:9, :5] = rng.normal(size=(12, 3)), rng.normal(size=(9, 5))
    sizes, real = [], curvature.null_space
    monkeypatch.setattr(curvature, "null_space",
                        lambda A, **more: sizes.append(A.shape) or real(A, **more))
    moves = curvature._allowed(part, inner, np.eye(60), 12)
    assert sizes == [(12, 12)]
    # three pairs whose slack does not move are free
    assert moves.shape == (12, 3) and np.abs(moves[:9]).max() < 1e-9
