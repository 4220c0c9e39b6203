"""Small models of odd shape, each with its right value by hand, on HiGHS and Gurobi."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.checks import components
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


def leader():
    """y = max(0, 3 - x), so that x = 0 is best: x - 4 y = -12."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 20))
    m.low.c = pyo.Constraint(expr=m.x + m.low.y >= 3)
    m.low.o = pyo.Objective(expr=m.low.y)
    m.o = pyo.Objective(expr=m.x - 4 * m.low.y)
    return m


def an_integer_on_a_deactivated_block():
    """z >= y / 2 costs 1.5: z = 2 for y = 3."""
    m = leader()
    m.data = pyo.Block()
    m.data.z = pyo.Var(domain=pyo.Integers, bounds=(0, 9))
    m.row = pyo.Constraint(expr=2 * m.data.z >= m.low.y)
    m.o.set_value(m.o.expr + 1.5 * m.data.z)
    m.data.deactivate()
    return m, -9.0


def a_var_of_another_model():
    other = pyo.ConcreteModel()
    other.z = pyo.Var(bounds=(0, 9))
    m = leader()
    m.row = pyo.Constraint(expr=other.z >= m.low.y - 1)
    m.o.set_value(m.o.expr + other.z)
    return m, -10.0


def a_decision_of_another_model_that_the_lower_level_reads():
    other = pyo.ConcreteModel()
    other.z = pyo.Var(bounds=(0, 9))
    other.p = pyo.Param(mutable=True, initialize=2.0)
    m = pyo.ConcreteModel()
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 20))
    m.low.c = pyo.Constraint(expr=other.z + m.low.y >= other.p)
    m.low.o = pyo.Objective(expr=m.low.y)
    m.o = pyo.Objective(expr=other.z - 3 * m.low.y)
    return m, -6.0


def a_lower_var_on_a_deactivated_block():
    m = leader()
    m.low.b = pyo.Block()
    m.low.b.z = pyo.Var(bounds=(0, 3))
    m.low.r = pyo.Constraint(expr=m.low.b.z >= 0.5)
    m.low.b.deactivate()
    m.low.o.set_value(m.low.y + m.low.b.z)
    m.o.set_value(m.o.expr - m.low.b.z)
    return m, -12.5


def everything_fixed():
    m = leader()
    m.x.fix(1.0)
    m.low.y.fix(2.0)
    return m, -7.0


def the_lower_level_fixed():
    m = leader()
    m.low.y.fix(1.0)
    return m, -2.0


def the_lower_level_fixed_to_what_it_may_not_be():
    m = leader()
    m.low.y.fix(1.0)
    m.x.fix(1.0)
    return m, None


def indexed_lower_levels():
    m = pyo.ConcreteModel()
    m.i = pyo.Set(initialize=["a", "b"])
    m.x = pyo.Var(m.i, bounds=(0, 10))
    m.low = dlmp.LowerLevel(m.i)
    for i in m.i:
        level = m.low[i]
        level.y = pyo.Var([(1, "p"), (2, "q")], bounds=(0, 20))
        level.c = pyo.Constraint(level.y.index_set(), rule=lambda b, k, n, i=i: (
            m.x[i] + b.y[k, n] >= 0.75))
        level.o = pyo.Objective(expr=sum(level.y.values()))
    m.o = pyo.Objective(expr=sum(m.x[i] - 4 * sum(m.low[i].y.values()) for i in m.i))
    return m, -12.0


def empty_index_sets():
    m = leader()
    m.none = pyo.Set(initialize=[])
    m.v, m.low.v = pyo.Var(m.none), pyo.Var(m.none)
    m.r = pyo.Constraint(m.none, rule=lambda b, i: b.v[i] >= 0)
    m.low.r = pyo.Constraint(m.none, rule=lambda b, i: b.v[i] >= 0)
    m.low.dual_of(m.low.r)
    m.blocks, m.levels = pyo.Block(m.none), dlmp.LowerLevel(m.none)
    return m, -12.0


def trivial_rows():
    m = leader()
    m.z, m.low.z = pyo.Var(initialize=1), pyo.Var(initialize=0)
    m.z.fix()
    m.low.z.fix()
    m.low.t = pyo.Constraint([1, 2], rule=lambda b, k: (b.z if k == 1 else b.y - b.y) <= 5)
    m.t = pyo.Constraint([1, 2], rule=lambda b, k: (b.z if k == 1 else 0 * b.x) >= 0)
    return m, -12.0


def a_trivial_row_that_does_not_hold():
    m = leader()
    m.z = pyo.Var(initialize=1)
    m.z.fix()
    m.t = pyo.Constraint(expr=m.z >= 2)
    return m, None


def a_trivial_lower_row_that_does_not_hold():
    m = leader()
    m.low.z = pyo.Var(initialize=1)
    m.low.z.fix()
    m.low.t = pyo.Constraint(expr=m.low.z >= 2)
    return m, None


def a_constant_lower_objective():
    m = leader()
    m.low.o.set_value(5.0)
    return m, -80.0


def constant_objectives():
    m = leader()
    m.low.o.set_value(0.0)
    m.o.set_value(7.0)
    return m, 7.0


def deactivated_parts():
    m = leader()
    m.low.r, m.r = pyo.Constraint(expr=m.low.y >= 10), pyo.Constraint(expr=m.x >= 9)
    m.low.b = pyo.Block()
    m.low.b.r = pyo.Constraint(expr=m.low.y >= 10)
    m.second, m.o2 = dlmp.LowerLevel(), pyo.Objective(expr=m.x)
    for part in (m.low.r, m.r, m.low.b, m.second, m.o2):
        part.deactivate()
    return m, -12.0


def references():
    """v1 + v2 >= 1 at costs of 1 and 2."""
    m = leader()
    m.b = pyo.Block([1, 2])
    for block in m.b.values():
        block.v = pyo.Var(bounds=(0, 1))
    m.ref, m.low.ref = pyo.Reference(m.b[:].v), pyo.Reference(m.low.y)
    m.r = pyo.Constraint(expr=m.ref[1] + m.ref[2] >= 1)
    m.low.r = pyo.Constraint(expr=m.low.ref[None] >= 0)
    m.o.set_value(m.o.expr + m.ref[1] + 2 * m.ref[2])
    return m, -11.0


def ranges_without_ends():
    inf, m = float("inf"), leader()
    m.low.r = pyo.Constraint(expr=(-inf, m.low.y, inf))
    m.low.r2 = pyo.Constraint(expr=pyo.inequality(-inf, m.low.y + m.x, 30))
    m.r = pyo.Constraint(expr=(None, m.x, inf))
    m.o.set_value(m.o.expr + m.low.dual_of(m.low.r))
    return m, -12.0


def an_integer_inside_the_lower_level():
    """k in 1 .. 3 is the leader's: y = k at x = 0, and 4 k is paid back."""
    m = leader()
    m.x.setub(0)
    m.low.k = pyo.Var(domain=pyo.Integers, bounds=(1, 3))
    m.low.declare_upper(m.low.k)
    m.low.c.set_value(m.low.y >= 1.5 * m.low.k)
    m.o.set_value(-4 * m.low.y + 5 * m.low.k)
    return m, -3.0


def an_expression_that_holds_a_dual():
    m = retailer()
    m.low.price = pyo.Expression(expr=m.low.dual_of(m.low.balance))
    m.pay = pyo.Expression(expr=m.low.price * m.u)
    m.goal.set_value(m.pay - 25 * m.u)
    return m, -60.0


def a_lower_level_that_reads_another():
    m = leader()
    m.second = dlmp.LowerLevel()
    m.second.y = pyo.Var(bounds=(0, 5))
    m.second.c = pyo.Constraint(expr=m.second.y >= m.low.y - 2)
    m.second.o = pyo.Objective(expr=m.second.y)
    m.o.set_value(m.o.expr + m.second.y)
    return m, -11.0


def crossed_bounds():
    m = leader()
    m.x.setlb(5)
    m.x.setub(3)
    return m, None


def names_with_dots_and_brackets():
    m = leader()
    for block, name in ((m, "a b.c[1]"), (m.low, "q.r")):
        block.add_component(name, pyo.Var(bounds=(0, 1)))
        block.more = pyo.Constraint(expr=block.component(name) + m.x + m.low.y >= 0)
    return m, -12.0


def a_lower_row_of_upper_vars_alone():
    m = retailer()
    m.low.ration = pyo.Constraint(expr=m.u <= 2)
    return m, -30.0


def a_dual_that_is_asked_for_and_not_used():
    m = retailer()
    m.low.balance.deactivate()
    m.low.even = pyo.Constraint(expr=m.low.y == m.u)
    m.goal.set_value((m.low.dual_of(m.low.even) - 25) * m.u)
    return m, -60.0


def prices_of_a_decision_on_another_model():
    other = pyo.ConcreteModel()
    other.u = pyo.Var(bounds=(0, 3.6), domain=pyo.Integers)
    m = retailer()
    m.low.balance.set_value(m.low.y - other.u >= 0)
    m.goal.set_value((m.low.dual_of(m.low.balance) - 25) * other.u)
    return m, -45.0


def starts_that_are_no_numbers():
    m = retailer()
    for var in (m.u, m.low.y, m.low.balance_dual):
        var.set_value(float("nan"), skip_validation=True)
    return m, -60.0


MODELS = [
    a_lower_row_of_upper_vars_alone, a_dual_that_is_asked_for_and_not_used,
    prices_of_a_decision_on_another_model, starts_that_are_no_numbers,
    dual_of_an_absent_bound, product_with_the_dual_of_an_absent_bound, a_follower_without_rows,
    the_dual_of_a_bound_of_a_follower_without_rows, an_integer_on_a_deactivated_block,
    a_var_of_another_model, a_decision_of_another_model_that_the_lower_level_reads,
    a_lower_var_on_a_deactivated_block, everything_fixed, the_lower_level_fixed,
    the_lower_level_fixed_to_what_it_may_not_be, indexed_lower_levels, empty_index_sets,
    trivial_rows, a_trivial_row_that_does_not_hold, a_trivial_lower_row_that_does_not_hold,
    a_constant_lower_objective, constant_objectives, deactivated_parts, references,
    ranges_without_ends, an_integer_inside_the_lower_level, an_expression_that_holds_a_dual,
    a_lower_level_that_reads_another, crossed_bounds, names_with_dots_and_brackets]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("make", MODELS)
def test_odd_models(make, solver):
    m, best = make()
    before = components(m)
    result = dlmp.solve_bilevel(m, solver=solver_or_skip(solver))
    assert components(m) - {"low.dual", "second.dual", "other.dual", "low[a].dual",
                            "low[b].dual"} == before
    if best is None:
        assert result.status == "infeasible" and result.objective is None
        return
    assert result.status == "optimal"
    assert result.objective == pytest.approx(best, rel=1e-4)
    assert pyo.value(next(m.component_data_objects(
        pyo.Objective, active=True, descend_into=False))) == pytest.approx(best, rel=1e-4)
    assert result.audit.passed and dlmp.audit(m).passed


def test_a_lower_var_may_not_take_the_name_of_the_duals():
    m = leader()
    m.low.dual = pyo.Var(bounds=(0, 1))
    with pytest.raises(dlmp.ModelError, match=r"low.dual: is a Var with the name of the Suffix"):
        dlmp.solve_bilevel(m)


@pytest.mark.parametrize("domain", [pyo.RangeSet(0, 6, 2), pyo.Set(initialize=[0, 5]), pyo.Any])
@pytest.mark.parametrize("inside", [True, False])
def test_a_domain_with_gaps_is_refused(domain, inside):
    """HiGHS would take whole numbers instead."""
    m = leader()
    m.b = pyo.Var(domain=domain)
    (m.low if inside else m).more = pyo.Constraint(expr=m.low.y >= m.b - 9)
    with pytest.raises(dlmp.ModelError, match="b: has the domain"):
        dlmp.solve_bilevel(m)


def test_any_number_of_threads_in_any_order():
    """HiGHS keeps the number of its first run until its scheduler is reset."""
    for threads in (0, 1, 2, 3, 1, 8, 0):
        result = dlmp.solve_bilevel(bard(), threads=threads)
        assert result.status == "optimal" and result.objective == pytest.approx(-12), threads
