"""States are told by what is greater, a multiplier or a slack: not by one tolerance for all."""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.checks import check_answer
from tests.parametric.test_regions import check_regions


def reactive_near_its_bound(curvature, top=0.6):
    """Energy at 50 + 10 g, and a q that follows u up to its bound, which is worth next to nothing.

    The multiplier of q's bound is at most `curvature` $ where the price is 50 $.
    """
    m = pyo.ConcreteModel()
    m.u = pyo.Var([0, 1], bounds=(0, 1))
    m.work = pyo.Constraint(expr=m.u[0] + m.u[1] == 1.1)
    low = m.low = dlmp.LowerLevel()
    low.g = pyo.Var(bounds=(-1, 3))
    low.q = pyo.Var([0, 1], bounds=(-top, top))
    low.drawn = pyo.Var([0, 1])
    low.taken = pyo.Constraint([0, 1], rule=lambda b, k: b.drawn[k] - m.u[k] == 0)
    low.balance = pyo.Constraint(expr=low.g - low.drawn[0] - low.drawn[1] == 0)
    low.cost = pyo.Objective(expr=50 * low.g + 5 * low.g**2 + curvature / 2 * sum(
        (low.q[k] - low.drawn[k]) ** 2 for k in (0, 1)))
    price = low.dual_of(low.taken)
    m.pay = pyo.Objective(expr=sum((price[k] + 3 * k * m.u[k]) * m.u[k] for k in (0, 1)))
    return m


@pytest.mark.parametrize("top", [0.2, 0.6])
@pytest.mark.parametrize("curvature", [1.0, 1e-4, 2.5e-8, 2.5e-9])
def test_a_bound_that_is_worth_next_to_nothing(curvature, top):
    m = reactive_near_its_bound(curvature, top)
    (found,) = check_regions(m, m.low)
    assert len(found.regions) == 4  # either q follows, or is at its bound
    edges = {round(float(e), 5) for r in found.regions
             for e in np.clip(r.polytope.vertices.ravel(), 0, 1)}
    assert edges == {0.0, top, 1.0}
    result = dlmp.solve_bilevel(m, search="regions", gap=1e-7)
    check_answer(m, result)
