"""Reasons for infeasible bilevels; optimistic against pessimistic values; solvers' limits."""

import os

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.solvers import SOLVERS, solver_table
from tests.library.prices import strategic_consumer


def follower(cost=-1.0, top=4.0):
    """min cost * y, y <= top, y <= 1 + u (u in 0 .. 2)."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, top))
    m.low.cap = pyo.Constraint(expr=m.low.y - m.u <= 1)
    m.low.cost = pyo.Objective(expr=cost * m.low.y)
    m.goal = pyo.Objective(expr=m.low.y + m.u)
    return m


def test_the_upper_row_that_the_answer_breaks():
    m = follower()
    m.modest = pyo.Constraint(expr=m.low.y <= 0.75)  # the follower takes 1 + u >= 1
    result = dlmp.solve_bilevel(m)
    assert result.status == "infeasible"
    assert any("'modest' by 0.25" in note for note in result.notes), result.notes


def test_no_answer_for_any_upper_decision():
    m = follower()
    m.low.floor = pyo.Constraint(expr=m.low.y >= 3.5)
    result = dlmp.solve_bilevel(m)
    assert result.status == "infeasible"
    assert any("no feasible answer" in n and "floor" in n for n in result.notes), result.notes


def test_an_unbounded_follower():
    m = follower(top=None)
    m.low.cap.deactivate()
    m.low.loose = pyo.Constraint(expr=m.low.y >= m.u)
    try:
        result = dlmp.solve_bilevel(m, bounds={"low.loose": 5, "low.y": 5})
    except dlmp.DlmpError as err:
        assert "unbounded" in str(err) or "bound" in str(err)
        return
    assert result.status == "infeasible"
    assert any("unbounded" in note for note in result.notes), result.notes


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


def test_the_table_of_solvers_is_made_by_solving():
    table = solver_table().set_index("solver")
    assert set(table.index) == set(SOLVERS)
    assert table.loc["highs", ["lp", "milp", "miqp", "duals"]].eq("yes").all()
    assert table.loc["highs", "sos1"] == "no" and "SOSConstraint" in table.loc["highs", "remark"]
    assert table.loc["highs", "modes"] == "bigm strong_duality"
    missing = table[table["installed"] == "no"]
    assert missing["remark"].str.len().gt(0).all()


def test_a_size_limit_is_said_and_the_way_out():
    """Gurobi's pip licence ends at 2000 Vars: the error says how many there are, and HiGHS."""
    _skip_without("gurobi")
    if "GRB_LICENSE_FILE" in os.environ:
        pytest.skip("a full licence has no limit")
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(range(2500), bounds=(0, 1))
    m.low.row = pyo.Constraint(expr=sum(m.low.y.values()) >= m.u)
    m.low.cost = pyo.Objective(expr=sum(m.low.y.values()))
    m.goal = pyo.Objective(expr=-m.u)
    with pytest.raises(dlmp.SolverError, match=r"Vars.*highs"):
        dlmp.solve_bilevel(m, solver="gurobi")


def _skip_without(name):
    try:
        dlmp.solvers.get_solver(name)
    except dlmp.SolverError as err:
        pytest.skip(str(err))


def test_a_mode_that_a_solver_cannot_run_says_what_its_probe_showed():
    with pytest.raises(dlmp.SolverError, match=r"sos1.*SOSConstraint"):
        dlmp.solve_bilevel(follower(), complementarity="sos1")
