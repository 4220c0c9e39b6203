"""Small models of odd shape, each with its right value by hand, on HiGHS and Gurobi."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.checks import check_answer
from tests.models import bard, solver_or_skip

SOLVERS = ["highs", "gurobi"]


def retailer(price=25.0):
    """Pays the dual of the balance (10) for u and earns `price` for it: u = 4, 4 (10 - price)."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 4))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(domain=pyo.NonNegativeReals)
    m.low.balance = pyo.Constraint(expr=m.low.y - m.u >= 0)
    m.low.cost = pyo.Objective(expr=10 * m.low.y)
    m.goal = pyo.Objective(expr=(m.low.dual_of(m.low.balance) - price) * m.u)
    return m


def dual_of_an_absent_bound():
    m = retailer()
    m.goal.set_value(m.goal.expr + m.low.dual_of(m.low.y, bound="upper"))
    return m, -60.0


def product_with_the_dual_of_an_absent_bound():
    m = retailer()
    m.goal.set_value(m.goal.expr + 3 * m.u * m.low.dual_of(m.low.y, bound="upper"))
    return m, -60.0


def a_follower_without_rows():
    m = retailer(40.0)
    m.other = dlmp.LowerLevel()
    m.other.y = pyo.Var(bounds=(0, 1))
    m.other.cost = pyo.Objective(expr=m.other.y)
    return m, -120.0


def the_dual_of_a_bound_of_a_follower_without_rows():
    """y = min(u, 3), the dual of its upper bound is 2 (3 - u) <= 0 from u = 3 on."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 4))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 3))
    m.low.cost = pyo.Objective(expr=(m.low.y - m.u) ** 2)
    m.goal = pyo.Objective(expr=m.low.dual_of(m.low.y, bound="upper") * m.u - m.u)
    return m, -12.0


MODELS = [dual_of_an_absent_bound, product_with_the_dual_of_an_absent_bound,
          a_follower_without_rows, the_dual_of_a_bound_of_a_follower_without_rows]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("make", MODELS)
def test_odd_models(make, solver):
    m, best = make()
    result = dlmp.solve_bilevel(m, solver=solver_or_skip(solver))
    assert result.status == "optimal"
    assert result.objective == pytest.approx(best, rel=1e-4)
    check_answer(m, result)


def test_any_number_of_threads_in_any_order():
    """HiGHS keeps the number of its first run until its scheduler is reset."""
    for threads in (0, 1, 2, 3, 1, 8, 0):
        result = dlmp.solve_bilevel(bard(), threads=threads)
        assert result.status == "optimal" and result.objective == pytest.approx(-12), threads
