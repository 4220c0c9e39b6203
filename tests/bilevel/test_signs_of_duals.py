"""The sign table of `bilevel.lower_level`, each row against the slope of the lower optimum."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp

# sense, row (as a function of x and the right-hand side), which way the row pushes its body
ROWS = {
    "min ==": (pyo.minimize, 1, lambda x, b: x[0] + 2 * x[1] == b),
    "min >=": (pyo.minimize, 1, lambda x, b: x[0] + 2 * x[1] >= b),
    "min <=": (pyo.minimize, -1, lambda x, b: x[0] + 2 * x[1] <= b),
    "max ==": (pyo.maximize, 1, lambda x, b: x[0] + 2 * x[1] == b),
    "max >=": (pyo.maximize, 1, lambda x, b: x[0] + 2 * x[1] >= b),
    "max <=": (pyo.maximize, -1, lambda x, b: x[0] + 2 * x[1] <= b),
    "min ranged, lower": (pyo.minimize, 1, lambda x, b: (b, x[0] + 2 * x[1], b + 9)),
    "max ranged, upper": (pyo.maximize, -1, lambda x, b: (b - 9, x[0] + 2 * x[1], b)),
}


def linear_lower(sense, direction, row, b):
    """A linear lower level whose objective pulls against the row."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1), initialize=0.0)
    m.low = dlmp.LowerLevel()
    x = m.low.x = pyo.Var([0, 1], bounds=(0, 4))
    m.low.row = pyo.Constraint(expr=row(x, b))
    pull = direction if sense == pyo.minimize else -direction
    m.low.cost = pyo.Objective(expr=pull * (3 * x[0] + 5 * x[1]), sense=sense)
    m.low.dual_of(m.low.row)
    m.top = pyo.Objective(expr=m.u)
    return m


@pytest.mark.parametrize("name", ROWS)
def test_dual_is_the_slope(name):
    sense, direction, row = ROWS[name]
    cost = [dlmp.solve_opf(linear_lower(sense, direction, row, 3 + h).low).cost
            for h in (1e-4, -1e-4)]
    slope = (cost[0] - cost[1]) / 2e-4
    assert abs(slope) > 1
    m = linear_lower(sense, direction, row, 3)
    dlmp.solve_bilevel(m, bounds={"low.row": 50, "low.x": 50})
    assert pyo.value(next(m.low.dual_vars())[2]) == pytest.approx(slope, abs=1e-6)
    m2 = pyo.ConcreteModel()
    m2.x = pyo.Var([0, 1], bounds=(0, 4))
    m2.row = pyo.Constraint(expr=row(m2.x, 3))
    pull = direction if sense == pyo.minimize else -direction
    m2.cost = pyo.Objective(expr=pull * (3 * m2.x[0] + 5 * m2.x[1]), sense=sense)
    m2.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    pyo.SolverFactory("highs").solve(m2)
    assert m2.dual[m2.row] == pytest.approx(slope, abs=1e-6)


def test_duals_of_bounds():
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1))
    m.low = dlmp.LowerLevel()
    m.low.x = pyo.Var([0, 1], bounds=(1, 4))
    m.low.cost = pyo.Objective(expr=3 * m.low.x[0] - 5 * m.low.x[1])
    low = m.low.dual_of(m.low.x, bound="lower")
    up = m.low.dual_of(m.low.x, bound="upper")
    m.top = pyo.Objective(expr=m.u)
    dlmp.solve_bilevel(m)
    assert [low[0].value, up[1].value] == pytest.approx([3.0, -5.0])
