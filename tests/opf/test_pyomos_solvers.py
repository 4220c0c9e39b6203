"""The default OPF (quadratic losses, prices as mutable Params) through Pyomo's own interfaces."""

import pyomo.environ as pyo
import pytest
from pyomo.repn import generate_standard_repn

import pyomo_dlmp as dlmp
from tests.models import feeder

EXACT = {"primal_feasibility_tolerance": 1e-6}


@pytest.fixture(scope="module")
def opf():
    m = dlmp.build_opf(dlmp.load_feeder("ieee13"), v_min=0.9, v_max=1.1)
    return m, dlmp.solve_opf(m.clone()).cost  # not every interface gives the duals of a Suffix


def test_the_cost_is_quadratic_whatever_the_representation(opf):
    for compute in (True, False):
        repn = generate_standard_repn(opf[0].cost.expr, quadratic=True, compute_values=compute)
        assert repn.nonlinear_expr is None and repn.polynomial_degree() == 2


def test_highs_on_a_published_feeder(opf):
    """HiGHS starts its QP method from a point without the values below 1e-4 and then reports an
    error for what it has rounded away, 7.5e-7 MW: its tolerance must allow that."""
    m, cost = opf
    pyo.SolverFactory("highs").solve(m, solver_options=EXACT)
    assert pyo.value(m.cost) == pytest.approx(cost, rel=1e-6)


@pytest.mark.parametrize("name", ["highs", "gurobi", "gurobi_direct", "gurobi_persistent_v2",
                                  "gurobi_direct_minlp", "appsi_gurobi", "cplex_direct",
                                  "xpress_direct", "scip_direct"])
def test_interfaces_on_a_small_feeder(name):
    """Small enough for the solvers' licences; SCIP is exact to its tolerance of 1e-6 in a row."""
    solver = pyo.SolverFactory(name)
    if not solver.available(exception_flag=False):
        pytest.skip(f"{name} is not installed")
    m = dlmp.build_opf(feeder(), price=50.0)
    cost = dlmp.solve_opf(m.clone()).cost
    solver.solve(m)
    assert pyo.value(m.cost) == pytest.approx(cost, rel=1e-6)


def test_a_new_price_counts_for_losses_too():
    m = dlmp.build_opf(dlmp.load_feeder("ieee13"), v_min=0.9, v_max=1.1)
    first = dlmp.solve_opf(m).cost
    for source in m.substation.values():
        for t in source.price:
            source.price[t] = 2 * pyo.value(source.price[t])
    assert dlmp.solve_opf(m).cost == pytest.approx(2 * first, rel=1e-6)
