"""mpi-sppy against this package's own route, on one rank and on several."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.uncertainty.exact_points import settled
from pyomo_dlmp.uncertainty.risk import CVaR, Wasserstein
from pyomo_dlmp.uncertainty.route import reply
from pyomo_dlmp.uncertainty.searches import searched_by
from pyomo_dlmp.uncertainty.shipment import pack, risk_rows
from tests.ranks import on_ranks, results_of
from tests.uncertainty import tiny
from tests.uncertainty.test_stochastic import UNEVEN

pytest.importorskip("mpi4py", reason="mpi4py is not installed", exc_type=ImportError)
pytest.importorskip("mpisppy", reason="mpi-sppy is not installed")

from tests.uncertainty._on_ranks import GAP, blank, solve

SAME = 1e-5


@pytest.fixture(scope="module")
def engine():
    from pyomo_dlmp.uncertainty import mpi_sppy
    return mpi_sppy


@pytest.fixture(scope="module")
def four():
    return solve()


def check_found(found, result):
    """A point of another search: the same money, a bound below both, the same first stage."""
    assert found.status == "optimal"
    assert found.objective == pytest.approx(result.objective, rel=SAME)
    assert found.bound <= min(found.objective, result.objective) + 1e-9
    assert found.bound == pytest.approx(result.bound, rel=SAME)
    np.testing.assert_allclose(found.x, result.found.x, atol=1e-4)  # MW


def test_multipliers_of_the_relaxation_add_up_to_nothing(four):
    shipment = pack(four.problem, GAP)
    np.testing.assert_allclose(four.problem.probabilities @ shipment.W, 0.0, atol=1e-9)
    assert np.abs(shipment.W).max() > 1.0
    assert shipment.bound <= four.objective + 1e-9


def test_multipliers_give_the_bound_of_the_relaxation(four):
    """Scenarios apart, each paying W for its own first stage, prove at least as much."""
    from pyomo_dlmp.uncertainty import mpi_sppy
    shipment = pack(four.problem, GAP)
    risk, total = risk_rows(shipment.problem), 0.0
    for name, W in zip(("scen0", "scen1", "scen2", "scen3"), shipment.W, strict=True):
        m = mpi_sppy.subproblem(name, shipment, risk)
        m.objective.expr += sum(float(w) * x for w, x in zip(W, m.x.values(), strict=True))
        done = pyo.SolverFactory("appsi_highs").solve(m)
        total += m._mpisppy_probability * done.problem.lower_bound
    assert shipment.bound - 1e-6 <= total <= four.objective + 1e-9


def test_a_scenarios_model_costs_what_the_scenario_costs(engine, four):
    problem = four.problem
    shipment = blank(pack(problem, GAP))
    for s in range(4):
        m = engine.subproblem(f"scen{s}", shipment, risk_rows(problem))
        for _ in range(20):
            pyo.SolverFactory("appsi_highs").solve(m)
            low = pyo.value(m.objective)
            if engine.refine(m, 1e-7) <= 1e-6:
                break
        assert low == pytest.approx(reply(problem.recourse_hull(s), 1e-7).cost, rel=1e-6)


def test_the_extensive_form_finds_by_itself_what_the_route_finds(engine, four):
    shipment = blank(pack(four.problem, GAP))
    check_found(settled(four.problem, engine.extensive_form(shipment, GAP), 1e-8), four)


def test_a_bundle_is_the_extensive_form_of_its_scenarios(engine, four):
    shipment = pack(four.problem, GAP)
    bundle = engine.subproblem("Bundle_0_3", shipment, risk_rows(four.problem))
    pyo.SolverFactory("appsi_highs").solve(bundle)
    assert pyo.value(bundle.EF_Obj) == pytest.approx(four.objective, rel=SAME)
    assert bundle._mpisppy_probability == pytest.approx(1.0)


def test_a_search_that_is_ended_gives_the_point_and_the_bound_it_has(engine, four):
    shipment = pack(four.problem, GAP)
    found = engine.extensive_form(shipment, GAP, time_limit=0.0)  # before its first round
    assert found.objective == pytest.approx(four.objective, rel=SAME)  # at the relaxation's x
    assert found.bound == pytest.approx(shipment.bound)
    rough = engine.extensive_form(replace(shipment, bound=-np.inf), GAP, time_limit=0.0)
    assert rough.status == "time limit" and rough.x is not None


@pytest.mark.parametrize("terms", [
    {"first_stage": ("schedule", "capacity"), "capacity_price": 0.02},
    {"risk": CVaR(0.5, 0.6)}, {"risk": CVaR(1.0, 1.0)}, {"risk": Wasserstein(0.1)},
], ids=["capacity", "cvar", "worst", "wasserstein"])
def test_other_problems_are_the_same_on_one_rank(engine, terms):
    from mpi4py import MPI
    own = solve(2, **terms)
    with searched_by(engine.searcher(MPI.COMM_SELF)):
        other = solve(2, **terms)
    assert other.audit.passed
    check_found(other.found, own)


def test_starts_of_jobs_are_the_same_on_one_rank(engine):
    from mpi4py import MPI
    job = dlmp.workload.Job(name="train", arrival=0, deadline=2, mwh=0.5, interruptible=False,
                            run_periods=1, kw_max=600)
    of = replace(tiny.market(), workload=dlmp.Workload(jobs=(job,)))
    terms = {"first_stage": ("jobs", "schedule"), "gap": GAP}
    own = dlmp.solve_stochastic(of, tiny.scenarios(mwh=None), **terms)
    with searched_by(engine.searcher(MPI.COMM_SELF)):
        other = dlmp.solve_stochastic(of, tiny.scenarios(mwh=None), **terms)
    assert len(other.starts) == 1 and other.starts.equals(own.starts)
    assert other.audit.passed and other.objective == pytest.approx(own.objective, rel=SAME)


def test_costs_that_are_not_convex_are_cut_before_they_are_sent(engine):
    from mpi4py import MPI
    of = replace(tiny.market(UNEVEN), pays="active")
    terms = {"flexibility": 0.1, "deviation_price": 8.0, "gap": GAP}
    own = dlmp.solve_stochastic(of, tiny.scenarios(), **terms)
    with searched_by(engine.searcher(MPI.COMM_SELF)):
        other = dlmp.solve_stochastic(of, tiny.scenarios(), **terms)
    assert other.audit.passed and other.objective == pytest.approx(own.objective, rel=SAME)
    assert other.bound == pytest.approx(own.objective, rel=1e-4)
    assert other.bound <= own.objective + 1e-9


def test_an_infeasible_problem_is_said_as_without_mpi(engine):
    from mpi4py import MPI
    with searched_by(engine.searcher(MPI.COMM_SELF)), pytest.raises(
            dlmp.ModelError, match="cannot follow any schedule"):
        dlmp.solve_stochastic(tiny.market(), tiny.scenarios(mwh=(0.4, 1.6)), flexibility=0.05)


def check_same(one, four):
    assert one["audit"] and one["status"] == "optimal", one
    assert one["objective"] == pytest.approx(four.objective, rel=SAME)
    assert one["bound"] <= four.objective + 1e-9
    np.testing.assert_allclose(one["x"], four.found.x, atol=1e-4)


@pytest.mark.slow
def test_two_ranks_find_the_same_first_stage(four):
    (one,) = results_of(on_ranks(2, "-m", "tests.uncertainty._on_ranks", "plain"))
    check_same(one, four)


@pytest.mark.large
def test_three_ranks_find_the_same_first_stage(four):
    found = results_of(on_ranks(3, "-m", "tests.uncertainty._on_ranks", "plain", "bundles",
                                "blank"))
    plain, bundles, blank = found
    check_same(plain, four)
    check_same(bundles, four)
    # without the relaxation hedging has only begun after so few iterations, on both sides
    assert blank["audit"]
    assert 0.97 * four.objective <= blank["bound"] <= four.objective + 1e-9
    assert four.objective - 1e-6 <= blank["objective"] <= 1.01 * four.objective


@pytest.mark.slow
@pytest.mark.parametrize("case, words", [("raises", "all ranks end"), ("killed", "signal 9")])
def test_a_rank_that_dies_is_an_error_and_no_hang(case, words):
    done = on_ranks(2, "-m", "tests.uncertainty._on_ranks", case)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
