"""What each solver can do is found by solving; limits and missing abilities are named."""

import os

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.solvers import SOLVERS, solver_table
from tests.models import bard, solver_or_skip


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
    solver_or_skip("gurobi")
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


def test_a_mode_that_a_solver_cannot_run_says_what_its_probe_showed():
    with pytest.raises(dlmp.SolverError, match=r"sos1.*SOSConstraint"):
        dlmp.solve_bilevel(bard(), complementarity="sos1")
