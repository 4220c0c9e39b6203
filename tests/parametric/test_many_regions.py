"""Regions that are not listed: the same optimum as with the list, and a bound at every time."""

from functools import partial

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings

import pyomo_dlmp as dlmp
from pyomo_dlmp.parametric import solve_explicit
from pyomo_dlmp.parametric.cells import unit_cell
from pyomo_dlmp.solve import strategies
from tests.checks import check_answer
from tests.market.strategies import markets
from tests.models import bilevel, consumer, feeder


@pytest.fixture
def unlisted(monkeypatch):
    """Solve by regions, none of which may be listed."""
    def solve(m, **options):
        with monkeypatch.context() as patch:
            patch.setattr(strategies, "solve_explicit", partial(solve_explicit, most=0))
            result = dlmp.solve_bilevel(m, search="regions", **options)
        assert any("pieces" in note for note in result.notes), result.notes
        return result
    return solve


def check_same(unlisted, make, gap=1e-4):
    """With and without the list: the same optimum to the gap, bounds below, an answer."""
    m = make()
    fast, listed = unlisted(m, gap=gap), dlmp.solve_bilevel(make(), search="regions", gap=1e-6)
    assert fast.status == listed.status == "optimal"
    room = 1e-6 * (1.0 + abs(listed.objective))
    assert fast.bound <= listed.objective + room
    assert listed.bound <= fast.objective + room
    assert fast.objective == pytest.approx(listed.objective, rel=1.01 * gap, abs=1e-5)
    check_answer(m, fast)
    return fast


def test_a_consumer_in_two_hours(unlisted):
    """Hard limits, a generator inside its limits, and a price that rises with the load."""
    def make():
        m = consumer()
        del m.low.balance, m.pay
        m.low.balance = pyo.Constraint([0, 1], rule=lambda b, t: (
            b.g[0, t] + b.g[1, t] + b.short[t] - m.d[t] == t))
        price = m.low.dual_of(m.low.balance)
        m.pay = pyo.Objective(expr=sum(price[t] * m.d[t] for t in (0, 1)))
        return m
    check_same(unlisted, make)


@settings(max_examples=8)
@given(markets())
def test_random_markets(market):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategies, "solve_explicit", partial(solve_explicit, most=0))
        m = market.model()
        fast = dlmp.solve_bilevel(m, search="regions", gap=1e-4)
    listed = dlmp.solve_bilevel(market.model(), search="regions", gap=1e-6)
    assert fast.objective == pytest.approx(listed.objective, rel=1.1e-4, abs=1e-5)
    check_answer(m, fast)


@pytest.mark.parametrize("v_min", [0.98, 0.985])
def test_a_feeder_whose_limits_bind(unlisted, v_min):
    sites = [dlmp.Datacenter(name=f"dc{i}", bus="end", kw=500.0, floor=0.1, power_factor=0.9)
             for i in range(2)]
    load = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(300.0,), kvar=(100.0,),
                     connection="delta")
    check_same(unlisted, lambda: bilevel(feeder(*sites, load), 1.2, [40.0, 60.0],
                                         v_min=v_min, penalty=500.0), gap=1e-3)


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_cells_share_the_volume_of_what_they_are_cut_from(m):
    rng = np.random.default_rng(m)
    cells = [unit_cell(m)]
    for _ in range(6):
        a, b = rng.normal(size=m), 0.0
        b = float(a @ rng.random(m))
        cells = [part for cell in cells for part in cell.halves(a, b) or (cell,)]
    assert len(cells) > 6 or m == 1
    assert sum(cell.as_polytope().volume for cell in cells) == pytest.approx(1.0)
    for cell in cells:
        assert (cell.vertices @ cell.A.T <= cell.b + 1e-9).all()
        assert (np.abs(cell.vertices @ cell.A.T - cell.b) <= 1e-9).tolist() == cell.on.tolist()
