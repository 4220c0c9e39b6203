"""`explicit`: the same optimum as the KKT form and as brute force; falls back and says so."""

import math
from collections import Counter

import pyomo.environ as pyo
import pytest
from hypothesis import given, settings

import pyomo_dlmp as dlmp
from tests.checks import check_answer
from tests.library.random_small import smalls
from tests.market.strategies import markets
from tests.models import bard, bilevel, consumer, feeder, least_payment, solver_or_skip


def by_regions(m, **options):
    result = dlmp.solve_bilevel(m, complementarity="explicit", **options)
    assert "regions" in result.size, result.notes
    return result


def check_both(make, gap=1e-4):
    """Regions and KKT agree, each within its bound of the other, and the answer is one."""
    m = make()
    fast = by_regions(m, gap=gap)
    slow = dlmp.solve_bilevel(make(), complementarity="bigm", gap=gap)
    assert fast.status == slow.status == "optimal"
    room = gap * abs(slow.objective) + 1e-5
    assert fast.objective >= slow.bound - room and slow.objective >= fast.bound - room
    assert fast.objective == pytest.approx(slow.objective, abs=2 * room)
    check_answer(m, fast)
    return fast


@pytest.mark.parametrize("pays", [(0, 1), (1,)])
def test_a_consumer_in_two_hours_by_least_payment(pays):
    result = by_regions(consumer(pays=pays), gap=1e-5)
    best = least_payment(pays=pays)
    assert result.objective == pytest.approx(best, rel=2e-5)
    assert result.bound <= best * (1 + 1e-9)


@settings(max_examples=8)
@given(markets())
def test_random_markets_as_the_kkt_form(market):
    m = market.model()
    fast = dlmp.solve_bilevel(m, gap=1e-4)
    slow = dlmp.solve_bilevel(market.model(), gap=1e-4, complementarity="bigm")
    assert fast.objective == pytest.approx(slow.objective, rel=1.1e-4)
    check_answer(m, fast)


@pytest.mark.parametrize("pays", ["active", "active and reactive"])
@pytest.mark.parametrize("kw", [300, 900])
def test_a_feeder_as_the_kkt_form(kw, pays):
    load = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(400,), kvar=(200,), connection="delta")
    site = dlmp.Datacenter(name="dc", bus="end", kw=kw, power_factor=0.85)
    check_both(lambda: bilevel(feeder(site, load, length=4), 1.2e-3 * kw, [30.0, 50.0, 80.0], pays,
                               v_min=0.98, penalty=800.0), gap=1e-3)


def check_by_regions(small) -> str:
    """regions | other way | refused; AssertionError where a grid point beats the answer."""
    try:
        result = dlmp.solve_bilevel(small.model(), complementarity="explicit", time_limit=120,
                                    explain=False)
    except (dlmp.BoundError, dlmp.ModelError):
        return "refused"
    best, _ = small.brute(7)
    if "regions" not in result.size or best is None or not math.isfinite(best):
        return "other way"
    sense, room = small.upper_sense, 1e-4 * max(1.0, abs(best))
    if result.status == "optimal":
        assert sense * (result.objective - best) <= 2 * room + 2e-5, (result.objective, best)
    assert sense * (result.bound - best) <= room + 1e-5, (result.bound, best)
    return "regions"


@pytest.mark.large  # tests/solve/test_random_bilevels.py has fewer of them
def test_random_small_bilevels_are_never_beaten_by_a_grid():
    counts = Counter()

    @settings(max_examples=40)
    @given(smalls())
    def search(small):
        counts[check_by_regions(small)] += 1

    search()
    assert counts["regions"] >= 0.1 * counts.total(), counts


def revenue(curved=1.0):
    """A producer whose revenue is neither convex nor concave in its two offers."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var([0, 1], bounds=(0, 3))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([0, 1], bounds=(0, 10))
    m.low.balance = pyo.Constraint([0, 1], rule=lambda b, t: m.low.g[t] + m.u[t] == 4 + t)
    m.low.cost = pyo.Objective(expr=sum(
        curved * m.low.g[t] ** 2 + 3 * m.low.g[t] for t in (0, 1)) + m.low.g[0] * m.low.g[1])
    price = m.low.dual_of(m.low.balance)
    m.profit = pyo.Objective(expr=sum(price[t] * m.u[t] for t in (0, 1)) - 2 * m.u[0],
                             sense=pyo.maximize)
    return m


def test_a_cost_that_is_not_convex_in_a_region_is_cut():
    result = by_regions(revenue(), gap=1e-5)
    best = -1e9
    for i in range(61):
        for j in range(61):
            u = (3 * i / 60, 3 * j / 60)
            g = (4 - u[0], 5 - u[1])
            price = (2 * g[0] + 3 + g[1], 2 * g[1] + 3 + g[0])
            best = max(best, price[0] * u[0] + price[1] * u[1] - 2 * u[0])
    assert result.status == "optimal"
    assert result.objective >= best - 1e-3 and result.bound >= best - 1e-9


def test_integer_decisions_and_upper_rows():
    m = consumer()
    m.d.domain = pyo.Integers
    m.more = pyo.Constraint(expr=m.d[0] - m.d[1] >= 2)
    result = by_regions(m)
    assert m.d[0].value == 4 and m.d[1].value == 1
    assert result.status == "optimal"


def test_auto_takes_regions_where_prices_are_paid():
    assert "regions" in dlmp.solve_bilevel(consumer()).size
    assert "regions" not in dlmp.solve_bilevel(bard()).size


def test_more_decisions_than_regions_can_cover_falls_back_and_says_so():
    m = pyo.ConcreteModel()
    m.d = pyo.Var(range(9), bounds=(0, 1))
    m.work = pyo.Constraint(expr=sum(m.d.values()) == 4)
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([0, 1], bounds=(0, 5))
    m.low.short = pyo.Var(domain=pyo.NonNegativeReals)
    m.low.balance = pyo.Constraint(
        expr=m.low.g[0] + m.low.g[1] + m.low.short - sum(m.d.values()) == 0)
    m.low.cost = pyo.Objective(expr=10 * m.low.g[0] + 20 * m.low.g[1] + 50 * m.low.short
                               + m.low.g[0] ** 2)
    m.pay = pyo.Objective(expr=m.low.dual_of(m.low.balance) * sum(m.d.values()))
    result = dlmp.solve_bilevel(m)
    assert result.status == "optimal" and "regions" not in result.size
    assert any("9 upper decisions in one part" in note for note in result.notes)


def test_what_it_cannot_do_is_said_with_the_reason():
    result = dlmp.solve_bilevel(bard(), complementarity="explicit")
    assert result.objective == pytest.approx(-12)
    assert any("need not be unique" in note for note in result.notes)


def test_a_transformed_model_is_refused():
    m = consumer()
    pyo.TransformationFactory("dlmp.single_level").apply_to(m)
    with pytest.raises(dlmp.ModelError, match="untransformed"):
        dlmp.solve_bilevel(m, complementarity="explicit")


def test_another_solver_is_refused():
    with pytest.raises(dlmp.SolverError, match="embedded HiGHS"):
        dlmp.solve_bilevel(consumer(), solver=solver_or_skip("gurobi"), complementarity="explicit")
