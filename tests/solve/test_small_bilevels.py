"""Small bilevels whose optimum is known or found by brute force, over solvers and modes."""

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import linprog

import pyomo_dlmp as dlmp
from pyomo_dlmp.solvers import get_solver


def solver(name):
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


def brute_force(pays=(0, 1)):
    """Least payment on a grid of d[0]; the price of each hour by bisection of the merit order."""
    def price(d):
        lo, hi = 0.0, 100.0
        for _ in range(80):
            mid = (lo + hi) / 2
            made = np.clip((mid - 10) / 4, 0, 3) + np.clip((mid - 30) / 2, 0, 3)
            lo, hi = (mid, hi) if made < d else (lo, mid)
        return hi

    grid = np.linspace(1, 4, 3001)
    return min(sum((price(d), price(6 - d))[t] * (d, 5 - d)[t] for t in pays) for d in grid)


@pytest.mark.parametrize("name, mode", [
    ("highs", "bigm"), ("gurobi", "bigm"), ("gurobi", "sos1"), ("scip", "bigm"),
    ("scip", "product"), ("gurobi", "strong_duality")])
def test_bard(name, mode):
    m = bard()
    result = dlmp.solve_bilevel(m, solver=solver(name), complementarity=mode)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(-12, abs=1e-6)
    assert (m.x.value, m.low.y.value) == pytest.approx((4, 4), abs=1e-5)


@pytest.mark.parametrize("bound", [0.2, 0.04, 2.0])
def test_a_bound_that_is_too_small_is_widened(bound):
    """At the optimum a multiplier of 0.5 is needed: smaller bounds must not pass as proofs."""
    result = dlmp.solve_bilevel(bard(), bounds={"low.rows": bound, "low.y": bound})
    assert result.status == "optimal"
    assert result.objective == pytest.approx(-12)
    assert bound > 1 or any("widened" in note for note in result.notes)


@pytest.mark.parametrize("name", ["highs", "gurobi", "scip"])
def test_payment_is_exact_by_strong_duality(name):
    m = consumer()
    result = dlmp.solve_bilevel(m, solver=solver(name), gap=1e-5)
    best = brute_force()
    assert result.status == "optimal"
    assert result.objective == pytest.approx(best, rel=2e-5)
    assert result.bound <= best * (1 + 1e-9)
    assert result.audit.passed


@pytest.mark.parametrize("options", [
    {}, {"products": "binary_expansion"}, {"products": "mccormick", "segments": 12}])
def test_part_of_the_payment_is_bracketed(options):
    result = dlmp.solve_bilevel(consumer(pays=(1,)), gap=1e-3, **options)
    best = brute_force(pays=(1,))
    assert result.bound <= best + 1e-6
    assert result.objective >= best - 1e-2
    if not options:
        assert result.status == "optimal"
        assert result.objective == pytest.approx(best, rel=2e-3)


def test_one_bit_is_honest_about_its_gap():
    result = dlmp.solve_bilevel(consumer(pays=(1,)), bits=1, gap=1e-4)
    assert (result.status == "optimal") == (result.gap <= 3e-4)
    assert result.bound <= brute_force(pays=(1,)) <= result.objective + 1e-2


def test_integer_upper_level():
    m = consumer()
    m.d.domain = pyo.Integers
    result = dlmp.solve_bilevel(m)
    assert result.objective == pytest.approx(min(
        brute for brute in (_pay(d) for d in (1, 2, 3, 4))), rel=1e-5)


def _pay(d0):
    m = consumer()
    m.d[0].set_value(d0)
    m.d[1].set_value(5 - d0)
    dlmp.solve_opf(m.low)
    return sum(m.low.dual[m.low.balance[t]] * m.d[t].value for t in (0, 1))


def test_lower_prices_against_scipy():
    """The LP's duals by scipy, an implementation of its own."""
    m = consumer(quadratic=False)
    m.d[0].set_value(3.5)
    m.d[1].set_value(1.5)
    dlmp.solve_opf(m.low)
    A = np.array([[1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]])
    answer = linprog([10, 10, 30, 30, 100, 100], A_eq=A, b_eq=[3.5, 2.5],
                     bounds=[(0, 3)] * 4 + [(0, None)] * 2)
    ours = [m.low.dual[m.low.balance[t]] for t in (0, 1)]
    assert ours == pytest.approx(list(answer.eqlin.marginals))


def test_the_model_stays_the_users():
    m = consumer()
    before = sorted(c.name for c in m.component_objects(active=True))
    dlmp.solve_bilevel(m)
    after = sorted(c.name for c in m.component_objects(active=True))
    assert set(after) - set(before) <= {"low.dual"}
    assert m.pay.active and m.low.cost.active


def test_apply_to_twice_is_refused_and_bounds_can_be_read():
    m = consumer()
    pyo.TransformationFactory("dlmp.single_level").apply_to(m)
    table = dlmp.bounds_table(m)
    assert set(table["multiplier_source"]) <= {"data", "interval", "lp", "user", ""}
    with pytest.raises(dlmp.ModelError, match="already"):
        pyo.TransformationFactory("dlmp.single_level").apply_to(m)


def test_clone_keeps_its_duals():
    m = consumer().clone()
    result = dlmp.solve_bilevel(m)
    assert result.objective == pytest.approx(brute_force(), rel=1e-4)


def test_audit_sees_a_moved_decision():
    m = consumer()
    dlmp.solve_bilevel(m)
    assert dlmp.audit(m).passed
    m.low.g[0, 0].set_value(m.low.g[0, 0].value - 0.1, skip_validation=True)
    assert not dlmp.audit(m).passed


def test_audit_sees_a_moved_price():
    m = consumer()
    dlmp.solve_bilevel(m)
    m.low.dual[m.low.balance[0]] += 50.0  # far out of the price's interval [22, 30]
    assert not dlmp.audit(m).passed


def unbounded_price():
    """The leader is paid the price of a row that it can make arbitrarily scarce."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([0, 1], bounds=(0, 1))
    m.low.balance = pyo.Constraint(expr=m.low.g[0] + m.low.g[1] == m.u)
    m.low.cost = pyo.Objective(expr=10 * m.low.g[0] + 30 * m.low.g[1])
    m.goal = pyo.Objective(
        expr=m.low.dual_of(m.low.balance) * m.u - 20 * m.u, sense=pyo.maximize)
    return m


def test_a_missing_bound_is_named():
    with pytest.raises(dlmp.BoundError, match=r"low\.g.*bounds="):
        dlmp.solve_bilevel(unbounded_price())


@pytest.mark.parametrize("name", ["gurobi", "cplex", "xpress"])
def test_other_solvers_start_from_a_bilevel_feasible_point(name, monkeypatch):
    """The point that is handed over satisfies every row of the single level."""
    from pyomo_dlmp.search import by_pyomo

    seen = []

    def look(interface, model, gap, limit, started, options):
        seen.append(started)
        for con in model.component_data_objects(pyo.Constraint, active=True):
            value = pyo.value(con.body)
            assert con.lb is None or value >= con.lb - 1e-6, con.name
            assert con.ub is None or value <= con.ub + 1e-6, con.name
        return original(interface, model, gap, limit, started, options)

    original = by_pyomo.solve_by_pyomo
    monkeypatch.setattr(by_pyomo, "solve_by_pyomo", look)
    result = dlmp.solve_bilevel(bard(), solver=solver(name), complementarity="bigm")
    assert seen == [True]
    assert (result.status, result.objective) == ("optimal", pytest.approx(-12, abs=1e-6))


def test_a_solver_that_is_not_there():
    with pytest.raises(dlmp.SolverError, match="nosuchsolver"):
        dlmp.solve_bilevel(consumer(), solver="nosuchsolver")
