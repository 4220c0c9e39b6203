"""A solver is a row: one from outside is probed, listed and used; unknown names are told apart."""

from types import SimpleNamespace

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.solvers import (
    SOLVERS,
    SolverInterface,
    get_solver,
    register_solver,
    solver_table,
)
from pyomo_dlmp.solvers.interfaces import cplex_bound
from tests.solve.test_small_bilevels import bard

OUTSIDE = SolverInterface(
    "outside", "appsi_highs", ("lp", "milp", "qp", "duals", "sos1", "warmstart"),
    gap_option="mip_rel_gap", time_option="time_limit", options={"mip_abs_gap": 1e-9})


def test_one_from_outside(registries):
    register_solver(OUTSIDE)
    found = get_solver("outside")
    assert {"lp", "milp", "duals"} <= found.capabilities
    assert "qp" in found.reasons and "sos1" in found.reasons
    result = dlmp.solve_bilevel(bard(), solver="outside", time_limit=60)
    assert (result.status, result.solver) == ("optimal", "outside")
    assert result.objective == pytest.approx(-12)
    table = solver_table().set_index("solver")
    assert table.loc["outside", "auto"] == table.loc["highs", "auto"]
    with pytest.raises(dlmp.SolverError, match=r"Its probe|its probe of sos1"):
        dlmp.solve_bilevel(bard(), solver="outside", complementarity="sos1")


def test_a_taken_name_is_refused():
    with pytest.raises(dlmp.SolverError, match="already"):
        register_solver(SOLVERS["highs"])


def test_a_mistyped_name_is_no_package():
    with pytest.raises(dlmp.SolverError, match="Did you mean 'gurobi'") as caught:
        dlmp.solve_bilevel(bard(), solver="gurobbi")
    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize("name", [n for n, row in SOLVERS.items() if not row.embedded])
def test_pip_is_offered_for_packages_alone(name):
    cure = SOLVERS[name].cure
    assert ("pip install" in cure) == bool(SOLVERS[name].package)
    assert f", {name}" not in cure


def test_a_time_limit_in_whole_seconds():
    from pyomo_dlmp.solvers.by_pyomo import solver_options

    assert solver_options(SOLVERS["glpk"], 1e-3, 2.4)["tmlim"] == 2
    assert solver_options(SOLVERS["cbc"], 1e-3, 2.4)["sec"] == 2.4


@pytest.mark.parametrize("status, bound", [(101, -18.0), (102, -32.0)])
def test_an_optimum_of_cplex_is_its_own_bound(status, bound):
    """It ends by presolve with its first bound, -32; optimal to a tolerance (102) is another."""
    found = SimpleNamespace(get_status=lambda: status, get_objective_value=lambda: -18.0,
                            status=SimpleNamespace(MIP_optimal=101))
    results = SimpleNamespace(solver=SimpleNamespace(termination_condition="optimal"),
                              problem=SimpleNamespace(lower_bound=-32.0, upper_bound=-18.0))
    solver = SimpleNamespace(_solver_model=SimpleNamespace(solution=found))
    assert cplex_bound(solver, results, pyo.minimize) == bound
