"""Small models that were once answered wrongly, each with its right value."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp

EVERY = ["auto", "pairs", "single_level"]


def check(model, best, **options):
    """The optimum, and a bound that does not cut it off."""
    result = dlmp.solve_bilevel(model, explain=False, **options)
    assert (result.status, result.objective) == ("optimal", pytest.approx(best, rel=2e-4, abs=1e-5))
    return result


@pytest.mark.parametrize("search", EVERY[:2])
def test_a_product_that_the_lower_level_does_not_know(search):
    m = pyo.ConcreteModel()
    m.u, m.v = pyo.Var(bounds=(-2, 2)), pyo.Var(bounds=(0, 6))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(None, 3))
    m.low.cost = pyo.Objective(expr=-m.low.y)
    m.goal = pyo.Objective(expr=m.u * m.v, sense=pyo.maximize)
    check(m, 12.0, search=search)


@pytest.mark.parametrize("search", EVERY[:2])
def test_an_equality_of_a_product(search):
    m = pyo.ConcreteModel()
    m.u, m.v = pyo.Var(bounds=(0, 5)), pyo.Var(bounds=(0, 5))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 4))
    m.low.r = pyo.Constraint(expr=m.low.y - m.u >= 0)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.row = pyo.Constraint(expr=m.low.y * m.v == 1)
    m.goal = pyo.Objective(expr=m.u + m.v)
    check(m, 2.0, search=search)


@pytest.mark.parametrize("search", [*EVERY, "regions"])
def test_weights_that_are_rounding(search):
    """The pair of x >= -2 never binds: its multiplier cannot move."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 4))
    low = m.low = dlmp.LowerLevel()
    low.x = pyo.Var(bounds=(-2, None))
    low.r = pyo.Constraint(expr=m.u - low.x == 0)
    low.o = pyo.Objective(expr=low.x ** 2)
    m.goal = pyo.Objective(expr=-low.dual_of(low.r) * low.x, sense=pyo.maximize)
    check(m, 32.0, search=search)


@pytest.mark.parametrize("how", ["setub", "row", "unused", "product"])
@pytest.mark.parametrize("search", EVERY)
def test_bounds_on_a_dual_var(how, search):
    """The price is 3 where the row binds; at u = 0 it may be anything from 0 to 3."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 3))
    low = m.low = dlmp.LowerLevel()
    low.x = pyo.Var(bounds=(0, 5))
    low.r = pyo.Constraint(expr=low.x - m.u >= 0)
    low.o = pyo.Objective(expr=3 * low.x)
    y = low.dual_of(low.r)
    if how == "row":
        m.cap = pyo.Constraint(expr=y <= 1)
    else:
        y.setub(1)
    goal = {"unused": m.u + low.x, "product": y * m.u + low.x - m.u}.get(how, y - 1)
    m.goal = pyo.Objective(expr=goal, sense=pyo.maximize)
    check(m, 0.0, search=search)
    assert y.ub == (None if how == "row" else 1)


@pytest.mark.parametrize("search", EVERY)
def test_a_fixed_dual_var(search):
    """y + z = 1 with z = 2 is a dual of the degenerate row and bound."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(-3, 2))
    low = m.low = dlmp.LowerLevel()
    low.x = pyo.Var(bounds=(0, 7))
    low.r = pyo.Constraint(expr=low.x == 0)
    low.o = pyo.Objective(expr=low.x)
    low.dual_of(low.x, bound="lower").fix(2)
    m.goal = pyo.Objective(expr=m.u)
    check(m, -3.0, search=search)


@pytest.mark.parametrize("k", [1.0, 300.0, 1000.0])
@pytest.mark.parametrize("search", EVERY[:2])
def test_units_do_not_decide_what_is_singular(k, search):
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(-1, 4))
    low = m.low = dlmp.LowerLevel()
    low.x, low.y = pyo.Var(), pyo.Var(bounds=(0, None))
    low.a = pyo.Constraint(expr=-k * m.u - 3 * k * k * low.x >= 4 * k)
    low.b = pyo.Constraint(expr=pyo.inequality(-3 / k, 2 * low.x + 3 / k / k * low.y, 0))
    low.cost = pyo.Objective(expr=-2 * k * k * low.x + low.y)
    m.goal = pyo.Objective(expr=-k * low.x, sense=pyo.maximize)
    check(m, 8.0 / 3.0, search=search)


def test_a_factor_at_zero():
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(-1, 5))
    low = m.low = dlmp.LowerLevel()
    low.x, low.y = pyo.Var(bounds=(-2, None)), pyo.Var(bounds=(None, -2))
    low.w = pyo.Var(bounds=(-2, None))
    low.a = pyo.Constraint(expr=-2 * m.u - low.x - 3 * low.y <= -1)
    low.b = pyo.Constraint(expr=low.x + low.w <= 4)
    low.o = pyo.Objective(expr=0 * low.x, sense=pyo.maximize)
    m.row = pyo.Constraint(expr=low.dual_of(low.a) * low.y == 0)
    m.goal = pyo.Objective(expr=-low.x + low.w * m.u)
    check(m, -16.0, search="pairs")


def test_a_slope_that_is_rounding_is_not_unbounded():
    m = pyo.ConcreteModel()
    m.u, m.v = pyo.Var(bounds=(-3, 1)), pyo.Var(bounds=(-3, -1))
    low = m.low = dlmp.LowerLevel()
    low.x = pyo.Var()
    low.r = pyo.Constraint(expr=pyo.inequality(-1, low.x - m.u, 3))
    low.s = pyo.Constraint(expr=-low.x - m.v <= 1)
    low.cost = pyo.Objective(expr=low.x)
    m.goal = pyo.Objective(expr=-low.x - low.dual_of(low.s) * low.x)
    check(m, 0.0, search="pairs")


def test_a_follower_that_uses_the_var_of_another():
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(-5, -1))
    one = m.a = dlmp.LowerLevel()
    one.x = pyo.Var(bounds=(-3, -1))
    one.o = pyo.Objective(expr=one.x ** 2)
    two = m.b = dlmp.LowerLevel()
    two.y = pyo.Var(bounds=(0, 9))
    two.r = pyo.Constraint(expr=two.y >= m.u + 3 * one.x)
    two.o = pyo.Objective(expr=two.y)
    m.goal = pyo.Objective(expr=5 - one.dual_of(one.x, bound="upper") * m.u)
    check(m, -5.0)


def test_one_var_in_products_of_two_kinds():
    m = pyo.ConcreteModel()
    m.u, m.v = pyo.Var(bounds=(0, 3)), pyo.Var(bounds=(-2, 1))
    low = m.low = dlmp.LowerLevel()
    low.x, low.y = pyo.Var(bounds=(None, -1)), pyo.Var(bounds=(-9, 0))
    low.r = pyo.Constraint(expr=-low.x - m.u <= -1)
    low.o = pyo.Objective(expr=low.x * m.v)
    m.goal = pyo.Objective(expr=3 * low.dual_of(low.r) * m.u - m.u * low.x, sense=pyo.maximize)
    check(m, 6.0)
