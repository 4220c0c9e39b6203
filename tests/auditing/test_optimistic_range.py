"""Best and worst upper objective over the answers of a lower level that has more than one."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.library.prices import strategic_consumer


def test_optimistic_against_pessimistic():
    """At u = 1 the price is anything in [10, 30] and at u = 4 in [30, 100]: -40 or 240."""
    result = dlmp.solve_bilevel(strategic_consumer().model())
    assert result.objective == pytest.approx(-40.0, abs=1e-4)
    assert result.audit.optimistic == pytest.approx(-40.0, abs=1e-4)
    assert result.audit.pessimistic == pytest.approx(240.0, abs=1e-2)
    table = result.audit.table().set_index("check")["value"]
    assert table["upper objective, pessimistic"] == pytest.approx(240.0, abs=1e-2)


def test_indifferent_follower():
    """The follower does not care how y and z share 1: the leader hopes for y, may get z."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 1))
    m.low.z = pyo.Var(bounds=(0, 1))
    m.low.sum = pyo.Constraint(expr=m.low.y + m.low.z == 1)
    m.low.cost = pyo.Objective(expr=m.low.y + m.low.z + 0 * m.u)
    m.goal = pyo.Objective(expr=m.u - 3 * m.low.y + 2 * m.low.z)
    result = dlmp.solve_bilevel(m)
    assert result.objective == pytest.approx(-3.0, abs=1e-6)
    assert (result.audit.optimistic, result.audit.pessimistic) == pytest.approx(
        (-3.0, 2.0), abs=1e-5)
