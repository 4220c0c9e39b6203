"""Wrong lower levels are refused before anything is changed, naming component and cure."""

import pyomo.environ as pyo
import pytest
from pyomo.contrib.cp import IntervalVar
from pyomo.core.base import constraint as pyomo_constraint
from pyomo.dae import ContinuousSet, DerivativeVar
from pyomo.gdp import Disjunct, Disjunction

import pyomo_dlmp as dlmp
from tests.checks import components


def model():
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var([0, 1], bounds=(0, 4))
    m.low.cap = pyo.Constraint(expr=m.low.y[0] + m.low.y[1] - m.u <= 1)
    m.low.cost = pyo.Objective(expr=-m.low.y[0] + m.low.y[1])
    m.goal = pyo.Objective(expr=m.low.y[0] + m.u)
    return m


def integer(m):
    m.low.y[1].domain = pyo.Integers
    return "low.y[1]", "Integers"


def nonconvex(m):
    m.low.cost.set_value(m.low.cost.expr + m.low.y[0] * m.low.y[1])
    return "low.cost", "not convex"


def beyond_quadratic(m):
    m.low.cost.set_value(m.low.cost.expr + m.low.y[0] ** 4)
    return "low.cost", "quadratic"


def nonlinear_row(m):
    m.low.curve = pyo.Constraint(expr=m.low.y[0] ** 2 <= 4)
    return "low.curve", "not linear"


def matrix_coefficient(m):
    m.low.coupled = pyo.Constraint(expr=m.u * m.low.y[0] <= 3)
    return "low.coupled", "'u'"


def sos(m):
    m.low.either = pyo.SOSConstraint(var=m.low.y, sos=1)
    return "low.either", "SOSConstraint"


def logical(m):
    m.low.b = pyo.BooleanVar()
    m.low.logic = pyo.LogicalConstraint(expr=m.low.b)
    return "low.logic", "LogicalConstraint"


def no_objective(m):
    m.low.cost.deactivate()
    return "low", "no active objective"


def two_objectives(m):
    m.low.other = pyo.Objective(expr=m.low.y[1])
    return "low", "several active objectives"


def no_upper_objective(m):
    m.goal.deactivate()
    return "the model", "no active upper objective"


def dual_of_an_inactive_row(m):
    m.low.off = pyo.Constraint(expr=m.low.y[0] <= 3)
    m.low.off.deactivate()
    m.goal.set_value(m.goal.expr + m.low.dual_of(m.low.off))
    return "low.off", "not an active row"


def dual_in_its_own_level(m):
    price = m.low.dual_of(m.low.cap)
    m.low.odd = pyo.Constraint(expr=m.low.y[0] + price <= 9)
    return "low.cap_dual", "upper level only"


def param_without_value(m):
    m.low.k = pyo.Param(mutable=True)
    m.low.late = pyo.Constraint(expr=m.low.y[0] <= m.low.k)
    return "low.late", "Param"


def no_var_of_its_own(m):
    m.y = pyo.Var()
    m.second = dlmp.LowerLevel()
    m.second.row = pyo.Constraint(expr=m.y >= m.u)
    m.second.cost = pyo.Objective(expr=m.y)
    return "second", "no Var of its own: 'u', 'y' are"


def all_vars_declared_upper(m):
    m.low.declare_upper(m.low.y)
    return "low", "no Var of its own"


def nan_in_a_row(m):
    m.low.k = pyo.Param(mutable=True, initialize=float("nan"), within=pyo.Any)
    m.low.late = pyo.Constraint(expr=m.low.k * m.low.y[0] <= 3)
    return "low.k", "is nan and stands in 'low.late'"


def infinite_coefficient(m):
    m.low.late = pyo.Constraint(expr=float("inf") * m.low.y[0] <= 3)
    return "low.late", "coefficient inf"


def nan_in_the_lower_objective(m):
    m.low.cost.set_value(m.low.cost.expr + float("nan") * m.low.y[1])
    return "low.cost", "coefficient nan"


def nan_bound(m):
    m.low.y[1].setub(float("nan"))
    return "low.y[1]", "bound nan"


def nan_bound_of_an_upper_var(m):
    m.u.setlb(float("nan"))
    return "u", "bound nan"


def infinite_lower_bound(m):
    m.low.y[0].setlb(float("inf"))
    return "low.y[0]", "bound inf"


def infinite_lower_limit(m):
    m.low.late = pyo.Constraint(expr=(float("inf"), m.low.y[0], None))
    return "low.late", "lower bound (inf)"


def fixed_without_a_value(m):
    m.low.v = pyo.Var()
    m.low.late = pyo.Constraint(expr=m.low.y[0] + m.low.v <= 3)
    m.low.v.fixed = True
    return "low.v", "has no value and stands in 'low.late'"


def nan_in_an_upper_row(m):
    m.k = pyo.Param(mutable=True, initialize=float("nan"), within=pyo.Any)
    m.late = pyo.Constraint(expr=m.k * m.u * m.low.y[0] <= 3)
    return "k", "is nan and stands in 'late'"


def nan_limit_of_an_upper_row(m):
    m.late = pyo.Constraint(expr=(None, m.u, float("nan")))
    return "late", "nan"


def infinity_in_the_upper_objective(m):
    m.goal.set_value(m.goal.expr + float("inf") * m.u)
    return "goal", "coefficient inf"


def division_by_zero(m):
    m.k = pyo.Param(mutable=True, initialize=0.0)
    m.late = pyo.Constraint(expr=m.u / m.k <= 3)
    return "late", "cannot be compiled"


def derivative(m):
    m.t = ContinuousSet(bounds=(0, 1))
    m.x = pyo.Var(m.t)
    m.slope = DerivativeVar(m.x, wrt=m.t)
    return "slope", "DerivativeVar in the upper level"


def unknown_kind(m):
    m.span = IntervalVar()
    return "span", "IntervalVar in the upper level"


def lower_level_in_a_disjunct(m):
    m.case = Disjunct()
    m.case.low = dlmp.LowerLevel()
    m.case.low.y = pyo.Var(bounds=(0, 1))
    m.case.low.cost = pyo.Objective(expr=m.case.low.y)
    return "case.low", "inside a Disjunct"


def disjunction_in_the_lower_level(m):
    m.low.either = Disjunction(expr=[m.low.y[0] >= 1, m.low.y[1] >= 1])
    return "low.either", "Disjunction in a lower level"


def bound_of_nothing(m):
    return "nowhere", "not in the model"


@pytest.mark.parametrize("spoil", [
    integer, nonconvex, beyond_quadratic, nonlinear_row, matrix_coefficient, sos, logical,
    no_objective, two_objectives, no_upper_objective, dual_of_an_inactive_row,
    dual_in_its_own_level, param_without_value, bound_of_nothing, no_var_of_its_own,
    all_vars_declared_upper, nan_in_a_row, infinite_coefficient, nan_in_the_lower_objective,
    nan_bound, nan_bound_of_an_upper_var, infinite_lower_bound, infinite_lower_limit,
    fixed_without_a_value, nan_in_an_upper_row, nan_limit_of_an_upper_row,
    infinity_in_the_upper_objective, division_by_zero, derivative, unknown_kind,
    lower_level_in_a_disjunct, disjunction_in_the_lower_level])
def test_refused_by_name(spoil):
    m = model()
    where, what = spoil(m)
    before = components(m)
    options = {"bounds": {"nowhere": 5.0}} if spoil is bound_of_nothing else {}
    with pytest.raises(dlmp.ModelError) as error:
        dlmp.solve_bilevel(m, **options)
    assert where in str(error.value) and what in str(error.value), str(error.value)
    assert all(fault.cure for fault in error.value.faults)
    assert components(m) == before
    assert m.low.cost.active or spoil is no_objective


@pytest.mark.parametrize("option", [{"complementarity": "none"}, {"tightly": True}, {"bits": -1}])
def test_wrong_options(option):
    with pytest.raises(dlmp.ModelError, match=r"does not take|has no keyword"):
        dlmp.solve_bilevel(model(), **option)


def test_templatized_rows(monkeypatch):
    m = model()
    monkeypatch.setattr(pyomo_constraint, "TEMPLATIZE_CONSTRAINTS", True)
    m.low.more = pyo.Constraint([0, 1], rule=lambda b, k: b.y[k] <= 3)
    monkeypatch.setattr(pyomo_constraint, "TEMPLATIZE_CONSTRAINTS", False)
    if not any(type(c).__name__.startswith("Template") for c in m.low.more.values()):
        pytest.skip("this Pyomo did not templatize the row")
    with pytest.raises(dlmp.ModelError, match="templatized"):
        dlmp.solve_bilevel(m)


def test_dual_of_an_upper_row():
    m = model()
    m.upper = pyo.Constraint(expr=m.u <= 1)
    with pytest.raises(dlmp.ModelError, match=r"upper: is not in the lower level 'low'"):
        m.low.dual_of(m.upper)


def test_vars_on_both_sides_of_an_inequality_are_warned_of(caplog):
    """Pyomo turns ``y >= u`` into ``u - y <= 0``: its dual is <= 0."""
    m = model()
    m.low.turned = pyo.Constraint(expr=m.low.y[0] >= m.u)
    m.low.dual_of(m.low.turned)
    assert "low.turned" in caplog.text and "both sides" in caplog.text
    caplog.clear()
    m.low.straight = pyo.Constraint(expr=m.low.y[0] - m.u >= 0)
    m.low.dual_of(m.low.straight)
    assert not caplog.text
