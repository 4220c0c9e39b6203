"""Why a model is infeasible whose lower level no upper decision reaches: its answer is known."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp


def model(**bounds):
    """The lower level's y = 2 and the upper row y <= 0 (MibS, issue 45)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Integers, bounds=(0, 5))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(**bounds)
    m.low.c = pyo.Constraint(expr=m.low.y <= 2)
    m.low.o = pyo.Objective(expr=m.low.y, sense=pyo.maximize)
    m.c = pyo.Constraint(expr=m.low.y <= 0)
    m.o = pyo.Objective(expr=-m.x)
    return m


@pytest.mark.parametrize("bounds", [{}, {"bounds": (0, 9)}])
def test_the_broken_row_is_named_with_or_without_bounds(bounds):
    result = dlmp.solve_bilevel(model(**bounds))
    assert result.status == "infeasible"
    assert result.notes == ["the lower level's answer breaks the upper row 'c' by 2"]


def test_the_best_of_many_answers_counts():
    """y1 + y2 = 3 in every answer, so y1 <= 3 whatever is asked of it."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 5))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var([1, 2], bounds=(0, None))
    m.low.o = pyo.Objective(expr=(m.low.y[1] + m.low.y[2] - 3) ** 2)
    m.c = pyo.Constraint(expr=m.low.y[1] >= 3.5)
    m.also = pyo.Constraint(expr=m.low.y[1] + m.x <= 9)
    m.o = pyo.Objective(expr=m.x)
    result = dlmp.solve_bilevel(m)
    assert result.status == "infeasible"
    assert result.notes == ["the lower level's answer breaks the upper row 'c' by 0.5"]
