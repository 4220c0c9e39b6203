"""Small bilevels whose optimum is known or found by brute force, over solvers and modes."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.library.prices import price_problems
from tests.models import bard, consumer, least_payment, solver_or_skip


@pytest.mark.parametrize("name, mode", [
    ("highs", "bigm"), ("gurobi", "bigm"), ("gurobi", "sos1"), ("scip", "bigm"),
    ("scip", "product"), ("gurobi", "strong_duality")])
def test_bard(name, mode):
    m = bard()
    result = dlmp.solve_bilevel(m, solver=solver_or_skip(name), complementarity=mode)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(-12, abs=1e-6)
    assert (m.x.value, m.low.y.value) == pytest.approx((4, 4), abs=1e-5)


@pytest.mark.parametrize("bound", [0.2, 0.04, 2.0])
def test_a_bound_that_is_too_small_is_not_believed(bound):
    """At the optimum a multiplier of 0.5 is needed: smaller bounds must not pass as proofs."""
    result = dlmp.solve_bilevel(bard(), bounds={"low.rows": bound, "low.y": bound})
    assert result.status == "optimal"
    assert result.objective == pytest.approx(-12)
    assert bound > 1 or any("too small" in note for note in result.notes)


@pytest.mark.parametrize("name", ["highs", "gurobi", "scip"])
def test_payment_is_exact_by_strong_duality(name):
    m = consumer()
    result = dlmp.solve_bilevel(m, solver=solver_or_skip(name), gap=1e-5)
    best = least_payment()
    assert result.status == "optimal"
    assert result.objective == pytest.approx(best, rel=2e-5)
    assert result.bound <= best * (1 + 1e-9)
    assert result.audit.passed


@pytest.mark.parametrize("options", [
    {}, {"products": "binary_expansion"}, {"products": "mccormick", "segments": 12}])
def test_part_of_the_payment_is_bracketed(options):
    result = dlmp.solve_bilevel(consumer(pays=(1,)), gap=1e-3, **options)
    best = least_payment(pays=(1,))
    assert result.bound <= best + 1e-6
    assert result.objective >= best - 1e-2
    if not options:
        assert result.status == "optimal"
        assert result.objective == pytest.approx(best, rel=2e-3)


def test_one_bit_is_honest_about_its_gap():
    result = dlmp.solve_bilevel(consumer(pays=(1,)), bits=1, gap=1e-4)
    assert (result.status == "optimal") == (result.gap <= 3e-4)
    assert result.bound <= least_payment(pays=(1,)) <= result.objective + 1e-2


def test_integer_upper_level():
    m = consumer()
    m.d.domain = pyo.Integers
    result = dlmp.solve_bilevel(m)
    assert result.objective == pytest.approx(min(
        brute for brute in (_pay(d) for d in (1, 2, 3, 4))), rel=1e-5)


def _pay(d0):
    m = consumer()
    m.d[0].set_value(d0)
    m.d[1].set_value(5 - d0)
    dlmp.solve_opf(m.low)
    return sum(m.low.dual[m.low.balance[t]] * m.d[t].value for t in (0, 1))


def test_the_model_stays_the_users():
    m = consumer()
    before = sorted(c.name for c in m.component_objects(active=True))
    dlmp.solve_bilevel(m)
    after = sorted(c.name for c in m.component_objects(active=True))
    assert set(after) - set(before) <= {"low.dual"}
    assert m.pay.active and m.low.cost.active


def test_apply_to_twice_is_refused_and_bounds_can_be_read():
    m = consumer()
    pyo.TransformationFactory("dlmp.single_level").apply_to(m)
    table = dlmp.bounds_table(m)
    assert set(table["multiplier_source"]) <= {"data", "interval", "lp", "user", ""}
    with pytest.raises(dlmp.ModelError, match="already"):
        pyo.TransformationFactory("dlmp.single_level").apply_to(m)


def test_clone_keeps_its_duals():
    m = consumer().clone()
    result = dlmp.solve_bilevel(m)
    assert result.objective == pytest.approx(least_payment(), rel=1e-4)


def unbounded_price():
    """The leader is paid the price of a row that it can make arbitrarily scarce."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([0, 1], bounds=(0, 1))
    m.low.balance = pyo.Constraint(expr=m.low.g[0] + m.low.g[1] == m.u)
    m.low.cost = pyo.Objective(expr=10 * m.low.g[0] + 30 * m.low.g[1])
    m.goal = pyo.Objective(
        expr=m.low.dual_of(m.low.balance) * m.u - 20 * m.u, sense=pyo.maximize)
    return m


def test_a_price_that_can_be_anything_makes_the_leader_unbounded():
    """No bound of the price can be proved, as there is none: the call says along what."""
    result = dlmp.solve_bilevel(unbounded_price())
    assert (result.status, result.objective) == ("unbounded", None)
    assert any("low.balance" in note for note in result.notes)


def test_a_missing_bound_is_named():
    with pytest.raises(dlmp.BoundError, match=r"low\.g.*bounds="):
        dlmp.solve_bilevel(unbounded_price(), search="single_level")


@pytest.mark.parametrize("name", ["gurobi", "cplex", "xpress"])
def test_other_solvers_start_from_a_bilevel_feasible_point(name, monkeypatch):
    """The point that is handed over satisfies every row of the single level."""
    from pyomo_dlmp.search import by_pyomo

    seen = []

    def look(interface, model, gap, limit, started, options):
        seen.append(started)
        for con in model.component_data_objects(pyo.Constraint, active=True):
            value = pyo.value(con.body)
            assert con.lb is None or value >= con.lb - 1e-6, con.name
            assert con.ub is None or value <= con.ub + 1e-6, con.name
        return original(interface, model, gap, limit, started, options)

    original = by_pyomo.solve_by_pyomo
    monkeypatch.setattr(by_pyomo, "solve_by_pyomo", look)
    result = dlmp.solve_bilevel(bard(), solver=solver_or_skip(name), complementarity="bigm")
    assert seen == [True]
    assert (result.status, result.objective) == ("optimal", pytest.approx(-12, abs=1e-6))


def test_a_solver_that_is_not_there():
    with pytest.raises(dlmp.SolverError, match="nosuchsolver"):
        dlmp.solve_bilevel(consumer(), solver="nosuchsolver")


@pytest.mark.parametrize("bound", [0.5, 2.0, 5.0])
def test_a_bound_far_too_small_never_gives_a_failed_audit_or_a_false_bound(bound):
    """The price that the row may have is 30: at first both attempts fail with one objective."""
    (problem,) = [p for p in price_problems() if p.name == "price_of_a_right"]
    keys = {"search": "single_level", "bounds": {"low.row": bound}}
    result = dlmp.solve_bilevel(problem.model(), **keys)
    assert result.status == "optimal" and result.audit.passed
    assert result.objective == pytest.approx(-90) and result.bound <= -90 + 1e-4
    with pytest.raises(dlmp.AuditError):
        dlmp.solve_bilevel(problem.model(), check_bounds=False, **keys)
