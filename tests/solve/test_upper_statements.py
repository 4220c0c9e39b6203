"""Disjunctions, complementarity, arcs, SOS sets, logic and pieces in the upper level.

Every model is `base` and one statement more; its optimum follows from  y = max(0, 3 - x), so that
without it the best is x = 0 with -12, and with x given the objective is 5 x - 12 up to x = 3.
"""

import pyomo.environ as pyo
import pytest
from pyomo.contrib.piecewise import PiecewiseLinearFunction
from pyomo.gdp import Disjunct, Disjunction
from pyomo.mpec import Complementarity, complements
from pyomo.network import Arc, Port

import pyomo_dlmp as dlmp
from pyomo_dlmp.testing import assert_bilevel_feasible, assert_bilevel_optimal
from tests.checks import components
from tests.models import solver_or_skip


def base():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 20))
    m.low.c = pyo.Constraint(expr=m.x + m.low.y >= 3)
    m.low.o = pyo.Objective(expr=m.low.y)
    m.o = pyo.Objective(expr=m.x - 4 * m.low.y)
    return m


def disjunction(m):
    m.d = Disjunction(expr=[[m.x >= 1.5, m.x <= 2], [m.x >= 5]])
    return -4.5


def named_disjuncts_with_a_cost(m):
    """x >= 1 costs 10, x >= 2 costs 1:  5 * 2 - 12 + 1."""
    m.dear, m.cheap = Disjunct(), Disjunct()
    m.dear.row = pyo.Constraint(expr=m.x >= 1)
    m.cheap.row = pyo.Constraint(expr=m.x >= 2)
    m.either = Disjunction(expr=[m.dear, m.cheap])
    m.o.set_value(m.o.expr + 10 * m.dear.binary_indicator_var + m.cheap.binary_indicator_var)
    return -1.0


def indexed_and_nested_disjunctions(m):
    m.z = pyo.Var([1, 2], bounds=(0, 4))
    m.outer = Disjunct([1, 2])
    m.outer[1].row = pyo.Constraint(expr=m.x >= 9)
    m.outer[2].inner = Disjunction(expr=[[m.x >= 2.5], [m.x == 1, m.z[1] >= 3, m.z[2] >= 3]])
    m.choice = Disjunction(expr=[m.outer[1], m.outer[2]])
    m.sum = pyo.Constraint(expr=m.z[1] + m.z[2] <= 5)
    return 0.5


def disjunction_over_the_answer(m):
    """y = 3 - x is at most 1 or at least 4."""
    m.d = Disjunction(expr=[[m.low.y <= 1], [m.low.y >= 4]])
    return -2.0


def bounds_only_by_rows(m):
    """w has no bounds of its own: w = 2 x follows from a row."""
    m.w = pyo.Var()
    m.tie = pyo.Constraint(expr=m.w == 2 * m.x)
    m.d = Disjunction(expr=[[m.w >= 3], [m.w <= -1]])
    return -4.5


def logic(m):
    m.b = pyo.BooleanVar([1, 2])
    m.either = Disjunct([1, 2])
    m.either[1].row = pyo.Constraint(expr=m.x <= 1)
    m.either[2].row = pyo.Constraint(expr=m.x >= 2)
    m.d = Disjunction(expr=[m.either[1], m.either[2]])
    m.rule = pyo.LogicalConstraint(expr=m.b[1].implies(m.either[2].indicator_var))
    m.also = pyo.LogicalConstraint(expr=pyo.land(m.b[1], ~m.b[2]))
    return -2.0


def logic_alone(m):
    m.b = pyo.BooleanVar()
    m.a = pyo.Var(domain=pyo.Binary)
    m.b.associate_binary_var(m.a)
    m.rule = pyo.LogicalConstraint(expr=m.b)
    m.row = pyo.Constraint(expr=m.x >= 2 * m.a)
    return -2.0


def complementarity(m):
    m.w = pyo.Var(bounds=(1, 10))
    m.cc = Complementarity(expr=complements(m.w >= 0, m.x - 2 >= 0))
    return -2.0


def complementarity_of_a_range(m):
    """x in [1, 2] with slope w: w > 0 needs x = 1, w < 0 needs x = 2."""
    m.w = pyo.Var(bounds=(-5, -1))
    m.cc = Complementarity(expr=complements(pyo.inequality(1, m.x, 2), m.w))
    return -2.0


def arc(m):
    m.z = pyo.Var(bounds=(1.5, 10))
    m.p, m.q = Port(), Port()
    m.p.add(m.x, "v")
    m.q.add(m.z, "v")
    m.arc = Arc(source=m.p, destination=m.q)
    return -4.5


def sos1(m):
    m.s = pyo.Var([1, 2, 3], bounds=(0, 2))
    m.pick = pyo.SOSConstraint(var=m.s, sos=1)
    m.need = pyo.Constraint(expr=m.s[1] + m.s[2] + m.s[3] + m.x >= 3.5)
    return -4.5


def sos1_over_values_of_both_signs(m):
    m.s = pyo.Var([1, 2], bounds=(-3, 1))
    m.pick = pyo.SOSConstraint(var=m.s, sos=1)
    m.need = pyo.Constraint(expr=m.s[1] + m.s[2] + m.x >= 3.5)
    return 0.5


def sos2(m):
    """Only neighbours may be positive: 2 + 1 of the first two, against 2 + 2 of the outer ones."""
    m.s = pyo.Var([1, 2, 3], bounds=lambda _, k: (0, 1 if k == 2 else 2))
    m.pick = pyo.SOSConstraint(var=m.s, sos=2)
    m.need = pyo.Constraint(expr=m.s[1] + m.s[2] + m.s[3] + m.x >= 4)
    return -7.0


def piecewise(m, repn="SOS2"):
    """z = f(x) with f = 0, 4, 0 at x = 0, 2, 10, and z >= 3: x >= 1.5."""
    m.z = pyo.Var(bounds=(0, 10))
    m.f = pyo.Piecewise(m.z, m.x, pw_pts=[0, 2, 10], f_rule=[0, 4, 0], pw_constr_type="EQ",
                        pw_repn=repn)
    m.need = pyo.Constraint(expr=m.z >= 3)
    return -4.5


def piecewise_function(m):
    m.f = PiecewiseLinearFunction(points=[0, 2, 10], function=lambda x: {0: 0, 2: 4, 10: 0}[x])
    m.need = pyo.Constraint(expr=m.f(m.x) >= 3)
    return -4.5


STATEMENTS = [
    disjunction, named_disjuncts_with_a_cost, indexed_and_nested_disjunctions,
    disjunction_over_the_answer, bounds_only_by_rows, logic, logic_alone, complementarity,
    complementarity_of_a_range, arc, sos1, sos1_over_values_of_both_signs, sos2, piecewise,
    piecewise_function]


NOT_ROWS = [disjunction, named_disjuncts_with_a_cost, indexed_and_nested_disjunctions,
            disjunction_over_the_answer, bounds_only_by_rows, logic, complementarity,
            complementarity_of_a_range, arc, sos1, sos2, piecewise]


@pytest.mark.parametrize("add", NOT_ROWS)
def test_the_audit_sees_a_statement_that_does_not_hold(add):
    """Each point is moved so that rows, bounds and lower level still hold, the statement not."""
    m = base()
    add(m)
    dlmp.solve_bilevel(m)
    assert dlmp.audit(m).passed
    if add in (sos1, sos2, piecewise):  # members that must be zero become positive
        moved = m.s if add is not piecewise else m.f.SOS2_y
        for var in moved.values():
            var.set_value(1.0 if add is sos1 else 1 / 3 if add is piecewise else 1.0)
    else:
        m.x.set_value(0.0)
        m.low.y.set_value(3.0)
        if add is logic:
            m.b[1].set_value(False)
    checked = dlmp.audit(m)
    assert not checked.passed and checked.broken


def test_brute_force_knows_the_statements():
    """Without the Disjunction x = 0 would be better; its indicators are decisions of the grid."""
    m = base()
    named_disjuncts_with_a_cost(m)
    result = dlmp.solve_bilevel(m)
    assert assert_bilevel_optimal(m, result, points=11) == pytest.approx(-1)
    m.x.set_value(0.0)
    m.low.y.set_value(3.0)
    with pytest.raises(AssertionError, match="either: does not hold"):
        assert_bilevel_feasible(m, result)


def kinds(m):
    return [(c.name, c.ctype, c.active) for c in m.component_objects(
        descend_into=(pyo.Block, Disjunct))]


@pytest.mark.parametrize("solver", ["highs", "gurobi"])
@pytest.mark.parametrize("add", STATEMENTS)
def test_the_statement_holds(add, solver):
    m = base()
    best = add(m)
    before = kinds(m)
    result = dlmp.solve_bilevel(m, solver=solver_or_skip(solver))
    assert result.status == "optimal"
    assert result.objective == pytest.approx(best, abs=1e-4)
    assert pyo.value(m.o) == pytest.approx(best, abs=1e-4)
    assert m.low.y.value == pytest.approx(max(0.0, 3 - m.x.value), abs=1e-5)
    assert [c for c in kinds(m) if c[0] != "low.dual"] == before
    assert m.low.dual[m.low.c] == pytest.approx(1.0)
    if add is piecewise_function:
        with pytest.raises(dlmp.ModelError, match="f: is a PiecewiseLinearFunction"):
            dlmp.audit(m)
    else:
        assert dlmp.audit(m).passed
    assert not m.low.c.parent_block().find_component("dlmp_single_level")


@pytest.mark.parametrize("repn", ["BIGM_BIN", "BIGM_SOS1", "DCC", "DLOG", "CC", "LOG", "MC", "INC"])
def test_every_form_of_a_piecewise_function(repn):
    m = base()
    best = piecewise(m, repn)
    assert dlmp.solve_bilevel(m).objective == pytest.approx(best, abs=1e-4)


def test_indicators_and_booleans_have_values():
    m = base()
    logic(m)
    dlmp.solve_bilevel(m)
    assert m.b[1].value is True and m.b[2].value is False
    assert m.either[2].indicator_var.value is True and m.either[1].indicator_var.value is False
    assert m.either[2].binary_indicator_var.value == 1


def test_a_disjunction_beside_paid_prices():
    """Pays 10 u and earns 25 u, u <= 1 or u >= 3 at a fee of 50: 15 u, less the fee."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 4))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 9))
    m.low.balance = pyo.Constraint(expr=m.low.y - m.u >= 0)
    m.low.cost = pyo.Objective(expr=10 * m.low.y)
    m.few, m.many = Disjunct(), Disjunct()
    m.few.row = pyo.Constraint(expr=m.u <= 1)
    m.many.row = pyo.Constraint(expr=m.u >= 3)
    m.either = Disjunction(expr=[m.few, m.many])
    m.goal = pyo.Objective(expr=(m.low.dual_of(m.low.balance) - 25) * m.u
                           + 50 * m.many.binary_indicator_var)
    for search in ("auto", "regions", "single_level"):
        result = dlmp.solve_bilevel(m, search=search)
        assert result.objective == pytest.approx(-15, rel=1e-4) and m.u.value == pytest.approx(1)
        assert m.low.dual[m.low.balance] == pytest.approx(10)


def without_bounds(m):
    m.w = pyo.Var()
    m.d = Disjunction(expr=[[m.w >= m.x], [m.w <= -m.x]])
    return "d", "gdp.bigm"


def sos_without_bounds(m):
    m.w = pyo.Var([1, 2])
    m.s = pyo.SOSConstraint(var=m.w, sos=1)
    return "s", "'w[1]', which has no finite bound"


def disjunct_of_no_disjunction(m):
    m.d = Disjunct()
    m.d.row = pyo.Constraint(expr=m.x >= 1)
    return "d", "Name it in a Disjunction"


def incomplete_complementarity(m):
    m.cc = Complementarity(expr=complements(m.x >= 0, m.low.y))
    return "cc", "mpec.simple_disjunction"


@pytest.mark.parametrize("add", [
    without_bounds, sos_without_bounds, disjunct_of_no_disjunction, incomplete_complementarity])
def test_what_cannot_be_rewritten_is_refused_by_name(add):
    m = base()
    where, what = add(m)
    before = components(m)
    with pytest.raises(dlmp.ModelError) as error:
        dlmp.solve_bilevel(m)
    assert str(error.value).startswith(where) and what in str(error.value)
    assert error.value.faults[0].cure
    assert components(m) == before


def test_sos_sets_over_free_vars_go_to_a_solver_that_takes_them():
    m = base()
    m.s = pyo.Var([1, 2, 3], domain=pyo.NonNegativeReals)
    m.pick = pyo.SOSConstraint(var=m.s, sos=1)
    m.need = pyo.Constraint([1, 2], rule=lambda m, k: m.s[k] + m.x >= 2)
    result = dlmp.solve_bilevel(m, solver=solver_or_skip("gurobi"))
    assert result.objective == pytest.approx(-2, abs=1e-5)


@pytest.mark.parametrize("add, step", [
    (disjunction, "gdp.bigm"), (complementarity, "mpec.simple_disjunction"),
    (arc, "network.expand_arcs"), (logic_alone, "contrib.logical_to_disjunctive")])
def test_the_transformation_names_what_to_apply_first(add, step):
    m = base()
    best = add(m)
    factory = pyo.TransformationFactory("dlmp.single_level")
    with pytest.raises(dlmp.ModelError, match=step):
        factory.apply_to(m)
    pyo.TransformationFactory(step).apply_to(m)
    if step != "gdp.bigm":
        pyo.TransformationFactory("gdp.bigm").apply_to(m)
    assert dlmp.solve_bilevel(m).objective == pytest.approx(best, abs=1e-5)
    factory.apply_to(m)


def test_options_may_name_components_of_the_users_model():
    m = base()
    disjunction(m)
    result = dlmp.solve_bilevel(m, bounds={m.low.c: 3.0, "low.y": 3.0},
                                complementarity_of={m.low.c: "bigm"})
    assert result.objective == pytest.approx(-4.5)


def test_a_checkpoint_holds_the_users_vars_only(tmp_path):
    m = base()
    sos1(m)
    dlmp.solve_bilevel(m, checkpoint=tmp_path / "point.json")
    held = dlmp.load_checkpoint(m, tmp_path / "point.json")
    assert set(held["upper"]) == {"x", "s[1]", "s[2]", "s[3]"}
    assert held["recomputed"] == pytest.approx(-4.5)


def test_the_reason_of_infeasibility_sees_the_statement():
    m = base()
    m.d = Disjunction(expr=[[m.x >= 1, m.low.y >= 3], [m.x >= 4, m.low.y >= 0.5]])
    result = dlmp.solve_bilevel(m)
    assert result.status == "infeasible" and any("breaks" in note for note in result.notes)
