"""Regions that are not listed: the same optimum as with the list, and a bound at every time."""

from functools import partial

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import HealthCheck, assume, given, settings

import pyomo_dlmp as dlmp
from pyomo_dlmp.parametric import NotExplicit, solve_explicit
from pyomo_dlmp.parametric.explicit import prepare
from pyomo_dlmp.parametric.pieces.cells import unit_cell
from pyomo_dlmp.parametric.pieces.joined import LazyPart
from pyomo_dlmp.parametric.pieces.part_costs import PartCost
from pyomo_dlmp.solve import strategies
from tests.checks import check_answer
from tests.library.families.table import FAMILIES
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


@settings(max_examples=4, suppress_health_check=[HealthCheck.filter_too_much])
@given(markets())
def test_random_markets(market):
    try:
        ready = prepare(market.model(), most=0)
    except NotExplicit:  # it pays less than whole prices
        ready = None
    assume(ready is not None and ready.joined is not None)
    assume(all(part.m <= 3 for part in ready.hull.parts))  # more are slow
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


def test_a_lower_level_without_solution_somewhere_in_the_range(unlisted):
    drawn = FAMILIES["payment, some"](110)
    m = drawn.model()
    result, known = unlisted(m, gap=1e-4), drawn.answer().optimum
    assert result.bound <= known + 1e-6 <= result.objective + 2e-6
    check_answer(m, result)


def many_lines(rows=150, seed=0):
    """Two hours, two sites; each hour has soft voltage limits whose lines cross: u'g by hand.

    Returns (model, payment of an hour at points of shape (k, 2)).
    """
    rng = np.random.default_rng(seed)
    T = rng.uniform(0.2, 1.0, (rows, 2))
    limit = T.sum(axis=1) * rng.uniform(0.1, 0.9, rows)
    m = pyo.ConcreteModel()
    hours, sites, lines = range(2), range(2), range(rows)
    m.u = pyo.Var(hours, sites, bounds=(0.1, 1.0))
    m.work = pyo.Constraint(expr=sum(m.u.values()) == 2.1)
    low = m.low = dlmp.LowerLevel()
    low.d = pyo.Var(hours, sites)
    low.e = pyo.Var(hours, lines, domain=pyo.NonNegativeReals)
    low.draw = pyo.Constraint(hours, sites, rule=lambda b, t, j: b.d[t, j] - m.u[t, j] == 0)
    low.lift = pyo.Constraint(hours, lines, rule=lambda b, t, i: (
        sum(T[i, j] * b.d[t, j] for j in sites) + b.e[t, i] >= limit[i]))
    low.cost = pyo.Objective(expr=sum(10 * low.d[k] + 5 * low.d[k] ** 2 for k in low.d)
                             + 2 * sum(low.e.values()))
    price = low.dual_of(low.draw)
    m.pay = pyo.Objective(expr=sum(price[k] * m.u[k] for k in m.u))

    def payment(u):
        slope = 10 + 10 * u - 2 * (u @ T.T < limit) @ T
        return (slope * u).sum(axis=1)
    return m, payment


def test_thousands_of_regions_are_not_listed():
    m, payment = many_lines()
    result = dlmp.solve_bilevel(m, gap=1e-3)
    assert result.status == "optimal" and any("pieces" in note for note in result.notes)
    check_answer(m, result)
    rng = np.random.default_rng(1)
    first = rng.uniform(0.1, 1.0, (200_000, 2))
    other = np.column_stack([rng.uniform(0.1, 1.0, len(first)), np.zeros(len(first))])
    other[:, 1] = 2.1 - first.sum(axis=1) - other[:, 0]
    holds = (other[:, 1] >= 0.1) & (other[:, 1] <= 1.0)
    least = (payment(first) + payment(other))[holds].min()
    assert result.bound <= least
    assert result.objective <= least + 1e-3 * abs(least)
    u = np.array([[m.u[t, j].value for j in range(2)] for t in range(2)])
    # at a line the lower price counts, which the strict sign beside it has
    beside = min(payment(u - shift)[0] + payment(u - shift)[1] for shift in (1e-9, -1e-9))
    assert result.objective >= beside - 1e-4 * abs(beside)


def test_a_bound_at_every_time():
    """A part's bound rises with the pieces it may cut, and never passes what it costs anywhere."""
    m, payment = many_lines()
    ready = prepare(m)
    part = LazyPart(PartCost(ready.joined.parts[0].cost.worth, 1))
    v = np.random.default_rng(2).random((50_000, 2))
    least = payment(0.1 + 0.9 * v).min()
    bounds = [part.minimum(np.zeros(2), 0.0, most)[0] for most in (0, 1, 10, 50, 200)]
    assert bounds == sorted(bounds) and bounds[-1] <= least + 1e-9
    assert bounds[-1] >= least - 0.05 * abs(least)


def test_the_same_way_each_time():
    found = [dlmp.solve_bilevel(many_lines()[0], gap=1e-2) for _ in range(2)]
    assert found[0].bound == found[1].bound and found[0].objective == found[1].objective
    assert found[0].size == found[1].size


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
