"""States are told by what is greater, a multiplier or a slack: not by one tolerance for all."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.outer_approximation import SearchResult
from pyomo_dlmp.parametric import explicit
from pyomo_dlmp.parametric.explicit import prepare
from pyomo_dlmp.parametric.known_value import present_values, value_at
from tests.checks import check_answer
from tests.models import consumer, day_market, price_payer
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


def seller():
    """The consumer's payment as a loss that is maximised."""
    m = consumer()
    m.gain = pyo.Objective(expr=-m.pay.expr, sense=pyo.maximize)
    m.pay.deactivate()
    return m


@pytest.mark.parametrize("make", [consumer, price_payer, seller, day_market])
def test_the_value_of_a_known_point_is_the_objectives_own(make):
    """Beside regions: signs of duals, both senses, several parts."""
    m = make()
    ready = prepare(m)
    for var, lo, hi in zip(ready.columns, ready.hull.upper.lb, ready.hull.upper.ub, strict=True):
        var.set_value(0.6 * lo + 0.4 * hi)
    program = replace(ready.hull.upper, lo=np.full_like(ready.hull.upper.lo, -np.inf),
                      hi=np.full_like(ready.hull.upper.hi, np.inf))
    known = value_at(present_values(ready.columns), program, ready.upper,
                     [LowerSolver(kkt) for kkt in ready.systems])
    for block in lower_levels(m):
        dlmp.solve_opf(block)
    assert ready.upper.sense * known == pytest.approx(pyo.value(upper_objective(m).expr))


def test_a_bound_above_a_known_value_is_never_reported(monkeypatch):
    m = consumer()
    for var, value in zip(m.d.values(), (2.5, 2.5), strict=True):
        var.set_value(value)
    best = dlmp.solve_bilevel(m, search="regions").objective
    monkeypatch.setattr(explicit, "solve_master", lambda hull, *_, **__: SearchResult(
        "optimal", np.array([4.0, 1.0]), 2 * best, 2 * best))
    with pytest.raises(dlmp.AuditError, match="proves the bound"):
        dlmp.solve_bilevel(m, search="regions")
