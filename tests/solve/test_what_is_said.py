"""What is said where a model has no answer: its elements, the reason, a cure that helps."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.models import solver_or_skip


def quadratic():
    """y = max(x, 3/2)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 5))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 9))
    m.low.row = pyo.Constraint(expr=m.low.y - m.x >= 0)
    m.low.cost = pyo.Objective(expr=m.low.y**2 - 3 * m.low.y)
    m.goal = pyo.Objective(expr=m.low.y - 2 * m.x)
    return m


def test_the_duality_gap_of_a_quadratic_program_needs_quadratic_rows():
    with pytest.raises(dlmp.SolverError) as caught:
        dlmp.solve_bilevel(quadratic(), complementarity="strong_duality")
    assert str(caught.value) == (
        "solver 'highs': takes no quadratic rows, and the duality gap of 'low' is one (its "
        "objective is quadratic). Use complementarity='bigm' or 'sos1', or a solver with quadratic "
        "rows, such as 'gurobi' or 'scip'.")
    assert dlmp.solve_bilevel(quadratic(), complementarity="bigm").objective == pytest.approx(-5)


@pytest.mark.parametrize(("solver", "options"), [
    ("highs", {}), ("highs", {"search": "pairs"}), ("gurobi", {"complementarity": "bigm"})])
def test_an_unbounded_leader_is_told_along_which_vars(solver, options):
    m = quadratic()
    m.v, m.w = pyo.Var(), pyo.Var()
    m.tied = pyo.Constraint(expr=m.v - m.w == 3)
    m.goal.set_value(m.goal.expr + m.w)
    result = dlmp.solve_bilevel(m, solver_or_skip(solver), **options)
    assert result.status == "unbounded"
    assert "that differ in v, w; a bound of one" in " ".join(result.notes)
    m.v.setlb(0)
    assert dlmp.solve_bilevel(m, solver, **options).objective == pytest.approx(-8)


def test_a_model_without_a_name_is_called_the_model():
    m = quadratic()
    m.goal.deactivate()
    with pytest.raises(dlmp.ModelError, match=r"^the model: has no active upper objective"):
        dlmp.solve_bilevel(m)


def _in_an_upper_row(m):
    m.row = pyo.Constraint(expr=m.x >= m.p)


def _in_a_lower_row(m):
    m.low.other = pyo.Constraint(expr=m.low.y >= m.p)


def _as_a_bound(m):
    m.low.y.setub(m.p)


@pytest.mark.parametrize(("use", "message"), [
    (_in_an_upper_row, "p: has no value and stands in 'row'"),
    (_in_a_lower_row, "p: has no value and stands in 'low.other'"),
    (_as_a_bound, "low.y: has the bound of a Param without a value")])
def test_a_param_without_a_value_is_said_once(use, message, caplog):
    m = quadratic()
    m.p = pyo.Param(mutable=True)
    use(m)
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.solve_bilevel(m)
    assert str(caught.value).startswith(message)
    assert not [r for r in caplog.records if r.name.startswith("pyomo.")]
