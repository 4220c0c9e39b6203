"""Where bounds of multipliers come from, and that each source is right."""

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings

import pyomo_dlmp as dlmp
from pyomo_dlmp.bounds.prove import prove_bounds
from pyomo_dlmp.bounds.upper_view import upper_views
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.highs import Highs
from tests.library.random_small import smalls


def sources(m, **options):
    single = pyo.TransformationFactory("dlmp.single_level").create_using(m, **options)
    table = dlmp.bounds_table(single)
    return table.set_index("pair")


def scarce(upper_row=None):
    """A price without a bound of its own: at u = 2 capacity is used up and nothing is shed."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([0, 1], bounds=(0, 1))
    m.low.balance = pyo.Constraint(expr=m.low.g[0] + m.low.g[1] == m.u)
    m.low.cost = pyo.Objective(expr=10 * m.low.g[0] + 30 * m.low.g[1])
    price = m.low.dual_of(m.low.balance)
    m.goal = pyo.Objective(expr=price - 20 * m.u, sense=pyo.maximize)
    if upper_row:
        m.row = pyo.Constraint(expr=upper_row(price))
    return m


def test_an_upper_row_bounds_a_price():
    """A price cap and floor in the upper level bound what no lower row does, by LP."""
    with pytest.raises(dlmp.BoundError):
        sources(scarce())
    assert dlmp.solve_bilevel(scarce()).status == "unbounded"
    m = scarce(lambda price: (0, price, 80))
    result = dlmp.solve_bilevel(m)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(40.0, abs=1e-4)  # price 80 at u = 2
    assert m.u.value == pytest.approx(2.0, abs=1e-6)


def test_a_cutoff_bounds_what_costs_the_leader():
    """The leader minimises a price plus u: a known point bounds the price from above."""
    m = scarce(lambda price: price >= 0)
    m.goal.deactivate()
    price = m.low.dual_of(m.low.balance)
    m.least = pyo.Objective(expr=price + m.u)
    m.some = pyo.Constraint(expr=m.u >= 0.5)
    assert (sources(m)["multiplier_source"] == "vertex").any()  # no ray lowers a price
    result = dlmp.solve_bilevel(m)
    assert (result.status, result.objective) == ("optimal", pytest.approx(10.5, abs=1e-4))
    m.least.set_value(price + price**2 + m.u)  # not linear in the duals: vertices do not suffice
    with pytest.raises(dlmp.BoundError):
        sources(m)
    table = sources(m, cutoff=440.0)
    assert table["multiplier_source"].str.contains("cutoff").any()
    result = dlmp.solve_bilevel(m)  # finds a cutoff by itself
    assert (result.status, result.objective) == ("optimal", pytest.approx(110.5, abs=1e-4))


@settings(max_examples=40)
@given(smalls())
def test_no_bound_cuts_off_a_brute_force_optimum(small):
    """At the best grid point some optimal dual obeys all bounds (or none was claimed)."""
    _, at = small.brute(5)
    assume(at is not None)
    m = small.model()
    systems = [build_kkt(compile_lower(b)) for b in dlmp.bilevel.lower_levels(m)]
    for kkt, view in zip(systems, upper_views(m, systems), strict=True):
        bounds, _ = prove_bounds(kkt, None, "auto", view)
        place = {id(v): j for j, v in m.u.items()}
        u = np.array([at[place[id(v)]] for v in kkt.form.u])
        assert _some_optimal_dual_fits(kkt, bounds, u)


def _some_optimal_dual_fits(kkt, bounds, u) -> bool:
    x = LowerSolver(kkt).solve(u).x
    slack = kkt.slack(x, u)
    active = slack <= 1e-6 * (1 + np.abs(kkt.s0))
    if kkt.form.Q.nnz and (slack > bounds.slack * (1 + 1e-6) + 1e-6).any():
        return False
    G = sp.hstack([kkt.A_eq.T, kkt.sigma * kkt.S.T], format="csr")
    gradient = kkt.form.Q @ x + kkt.form.c + kkt.form.D @ u
    room = 1e-6 * (1 + np.abs(gradient))
    top = np.where(active, bounds.mu * (1 + 1e-6) + 1e-6, 0.0)
    answer = Highs(
        np.zeros(G.shape[1]), G, gradient - room, gradient + room,
        np.concatenate([bounds.y_lo - 1e-6, np.zeros(kkt.pairs)]),
        np.concatenate([bounds.y_hi + 1e-6, top])).solve()
    return answer.status == "optimal"
