"""An upper Var whose terms cancel reaches no solver, and still has a value afterwards."""

import pyomo.environ as pyo

import pyomo_dlmp as dlmp


def test_a_var_that_cancels():
    m = pyo.ConcreteModel()
    m.u = pyo.Var([0, 1], bounds=(1, 2))
    m.low = dlmp.LowerLevel()
    m.low.x = pyo.Var(bounds=(0, 3))
    m.low.cost = pyo.Objective(expr=(m.low.x - m.u[0]) ** 2 - m.u[0] ** 2 + 0 * m.u[1])
    m.top = pyo.Objective(expr=m.low.x + 0 * m.u[1])
    result = dlmp.solve_bilevel(m, bounds={"low.x": 20})
    assert result.status == "optimal" and abs(result.objective - 1.0) < 1e-6
