"""What a lower level may be made of: every way of declaring gives the same known answer."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.checks import check_answer


def market(b, u, caps=(2, 3), costs=(10, 30), demand=0.0):
    """Merit-order market on block b: cheapest capacity first, 100 $/MWh shed."""
    b.g = pyo.Var(range(len(caps)), bounds=lambda _, k: (0, caps[k]))
    b.shed = pyo.Var(bounds=(0, 50))
    b.balance = pyo.Constraint(expr=sum(b.g.values()) + b.shed - u == demand)
    b.cost = pyo.Objective(
        expr=sum(c * b.g[k] for k, c in enumerate(costs)) + 100 * b.shed)


def consumer(low_of):
    """Up to 4 MW worth 40 each; the optimum is u = 2, still at 10 $/MWh: -60."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 4))
    low = low_of(m)
    bought = low.load if low.component("load") is not None else m.u
    m.goal = pyo.Objective(expr=low.dual_of(low.balance) * bought - 40 * bought)
    return m


def plain(m):
    m.low = dlmp.LowerLevel()
    market(m.low, m.u)
    return m.low


def with_a_rule(m):
    m.low = dlmp.LowerLevel(rule=lambda b: market(b, m.u))
    return m.low


def nested_blocks(m):
    """Generators on sub-blocks, the balance on the lower level itself."""
    m.low = low = dlmp.LowerLevel()
    low.unit = pyo.Block([0, 1])
    for k, (cap, cost) in enumerate(((2, 10), (3, 30))):
        low.unit[k].g = pyo.Var(bounds=(0, cap))
        low.unit[k].spent = pyo.Expression(expr=cost * low.unit[k].g)
    low.shed = pyo.Var(bounds=(0, 50))
    low.balance = pyo.Constraint(
        expr=sum(low.unit[k].g for k in (0, 1)) + low.shed - m.u == 0)
    low.cost = pyo.Objective(expr=sum(low.unit[k].spent for k in (0, 1)) + 100 * low.shed)
    return low


def declared_upper(m):
    """The decision lives inside the lower level and is declared the upper level's."""
    m.low = low = dlmp.LowerLevel()
    low.load = pyo.Var(bounds=(0, 4))
    low.declare_upper(low.load)
    market(low, low.load)
    m.same = pyo.Constraint(expr=low.load == m.u)
    return low


def mutable_param(m):
    m.low = low = dlmp.LowerLevel()
    low.cap = pyo.Param(initialize=9.0, mutable=True)
    market(low, m.u, caps=(2, 9))
    low.limit = pyo.Constraint(expr=low.g[1] <= low.cap)
    low.cap.set_value(3.0)
    return low


def fixed_var(m):
    """A fixed Var is a number: 1 MW comes from a unit that runs whatever it costs."""
    m.low = low = dlmp.LowerLevel()
    low.must = pyo.Var(bounds=(0, 5))
    low.must.fix(1.0)
    market(low, m.u + 1 - low.must)
    return low


def deactivated_row(m):
    m.low = low = dlmp.LowerLevel()
    market(low, m.u)
    low.wrong = pyo.Constraint(expr=low.g[0] <= 0.1)
    low.wrong.deactivate()
    return low


def maximised(m):
    """Welfare maximised: the dual changes its sign, so it is paid with a minus."""
    m.low = low = dlmp.LowerLevel()
    market(low, m.u)
    expression = low.cost.expr
    low.del_component(low.cost)
    low.welfare = pyo.Objective(expr=-expression, sense=pyo.maximize)
    return low


def ranged_balance(m):
    """The balance as a ranged row of which only the lower side can bind."""
    m.low = low = dlmp.LowerLevel()
    market(low, m.u)
    low.del_component(low.balance)
    low.balance = pyo.Constraint(
        expr=(0, sum(low.g.values()) + low.shed - m.u, 100))
    return low


WAYS = (plain, with_a_rule, nested_blocks, declared_upper, mutable_param, fixed_var,
        deactivated_row, ranged_balance)


@pytest.mark.parametrize("way", WAYS)
def test_one_answer_however_it_is_declared(way):
    m = consumer(way)
    result = dlmp.solve_bilevel(m)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(-60.0, abs=1e-5)
    check_answer(m, result)


def test_a_maximising_follower_and_a_maximising_leader():
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 4))
    low = maximised(m)
    m.goal = pyo.Objective(
        expr=low.dual_of(low.balance) * m.u + 40 * m.u, sense=pyo.maximize)
    result = dlmp.solve_bilevel(m)
    assert (result.status, result.objective) == ("optimal", pytest.approx(60.0, abs=1e-5))
    check_answer(m, result)


def test_an_indexed_lower_level_and_independent_followers():
    """Three markets in one indexed LowerLevel; 5 MWh to place, each price paid."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var([0, 1, 2], bounds=(0, 4))
    m.all = pyo.Constraint(expr=sum(m.u.values()) == 5)
    m.low = dlmp.LowerLevel([0, 1, 2])
    for k in (0, 1, 2):
        market(m.low[k], m.u[k], costs=(10 + k, 30 + k))
    m.goal = pyo.Objective(
        expr=sum(m.low[k].dual_of(m.low[k].balance) * m.u[k] for k in (0, 1, 2)))
    result = dlmp.solve_bilevel(m)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(2 * 10 + 2 * 11 + 12, abs=1e-5)
    check_answer(m, result)
    assert len(result.audit.lowers) == 3


def test_two_levels_of_integers_above():
    m = pyo.ConcreteModel()
    m.on = pyo.Var(domain=pyo.Binary)
    m.blocks = pyo.Var(domain=pyo.Integers, bounds=(0, 4))
    m.only = pyo.Constraint(expr=m.blocks <= 4 * m.on)
    m.low = dlmp.LowerLevel()
    market(m.low, m.blocks)
    m.goal = pyo.Objective(
        expr=m.low.dual_of(m.low.balance) * m.blocks - 28 * m.blocks + 5 * m.on)
    result = dlmp.solve_bilevel(m)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(-36 + 5, abs=1e-5)  # two blocks at 10
    assert m.blocks.value == 2


def test_an_upper_var_in_the_lower_objective():
    """A tax u on the cheap unit: the follower turns to the other one at u = 20."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 40))
    m.low = dlmp.LowerLevel()
    market(m.low, 3.0)
    m.low.cost.set_value(m.low.cost.expr + m.u * m.low.g[0])
    m.goal = pyo.Objective(expr=m.low.g[0] * m.u, sense=pyo.maximize)
    result = dlmp.solve_bilevel(m, bits=8)
    assert result.objective == pytest.approx(40.0, abs=1e-3)  # 2 MW at 20: still indifferent
    check_answer(m, result)


def test_a_second_solve_with_other_data_is_not_held_by_the_first():
    """Proved bounds of a dual leave with the transformation: the next solve proves its own."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(1, 4))
    m.low = dlmp.LowerLevel()
    m.low.price = pyo.Param(initialize=10.0, mutable=True)
    m.low.g = pyo.Var(bounds=(0, 9))
    m.low.shed = pyo.Var(bounds=(0, 9))
    m.low.balance = pyo.Constraint(expr=m.low.g + m.low.shed == m.u)
    m.low.cost = pyo.Objective(expr=m.low.price * m.low.g + 1000 * m.low.shed)
    dual = m.low.dual_of(m.low.balance)
    m.goal = pyo.Objective(expr=dual * m.u)
    assert dlmp.solve_bilevel(m).objective == pytest.approx(10.0)
    assert dual.lb is None and dual.ub is None
    m.low.price.set_value(500.0)
    assert dlmp.solve_bilevel(m).objective == pytest.approx(500.0)
