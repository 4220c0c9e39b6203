"""Reasons for infeasible bilevels."""

import pyomo.environ as pyo

import pyomo_dlmp as dlmp


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


def test_upper_rows_that_no_decision_meets_are_named():
    """More work than the decisions' bounds allow, as after a `set_value`."""
    m = pyo.ConcreteModel()
    m.work = pyo.Param(initialize=7.0, mutable=True)
    m.d = pyo.Var([0, 1], bounds=(0, 3))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var(bounds=(0, 9))
    m.low.balance = pyo.Constraint(expr=m.low.g - m.d[0] - m.d[1] >= 0)
    m.low.o = pyo.Objective(expr=m.low.g)
    m.energy = pyo.Constraint(expr=m.d[0] + m.d[1] == m.work)
    m.o = pyo.Objective(expr=m.d[0])
    said = dlmp.why_infeasible(m)
    assert said == ["no decision of the upper level meets its own rows within its bounds: row "
                    "'energy' is broken by 1 at least"]
    m.work.set_value(5.0)
    assert dlmp.solve_bilevel(m).status == "optimal"
