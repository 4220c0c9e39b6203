"""Search strategies: a row each; one from outside is asked for, found by auto, and falls back."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.solve import STRATEGIES, SearchStrategy, Unsuitable, register_strategy
from tests.solve.test_small_bilevels import bard, consumer


def test_regions_by_both_names():
    new = dlmp.solve_bilevel(consumer(), search="regions")
    old = dlmp.solve_bilevel(consumer(), complementarity="explicit")
    assert "regions" in new.times and "regions" in old.times
    assert new.objective == old.objective


def test_a_single_level_on_demand():
    result = dlmp.solve_bilevel(consumer(), search="single_level")
    assert "regions" not in result.times and result.status == "optimal"


def test_two_strategies_at_once_are_refused():
    with pytest.raises(dlmp.ModelError, match="means search='regions'"):
        dlmp.solve_bilevel(consumer(), complementarity="explicit", search="single_level")


def test_an_unknown_strategy_is_refused_with_the_nearest():
    with pytest.raises(dlmp.ModelError, match="Did you mean 'regions'"):
        dlmp.solve_bilevel(bard(), search="region")


@pytest.fixture
def grid(registries):
    """Upper decisions on a grid of 41 values, the best of them proved by nothing."""
    seen = []

    def solve(settings, asked):
        seen.append(asked)
        x = settings.model.find_component("x")
        if x is None:
            raise Unsuitable("not solved on a grid: there is no Var x", told=True)
        x.fix(4.0)
        try:
            return dlmp.solve_bilevel(settings.model, search="single_level", gap=settings.gap)
        finally:
            x.unfix()

    register_strategy(SearchStrategy(
        "grid", solve, suits=lambda settings: settings.threads == 7,
        refuse=lambda settings: None))
    return seen


def test_one_from_outside(grid):
    assert list(STRATEGIES) == ["regions", "grid", "single_level", "pairs"]
    assert dlmp.solve_bilevel(bard(), search="grid").objective == pytest.approx(-12)
    assert dlmp.solve_bilevel(bard(), threads=7).objective == pytest.approx(-12)
    dlmp.solve_bilevel(bard())
    assert grid == [True, False]


def test_an_unsuitable_one_falls_back_and_says_so(grid):
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 4))
    m.low.row = pyo.Constraint(expr=m.low.y >= m.u)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.goal = pyo.Objective(expr=-m.low.y)
    result = dlmp.solve_bilevel(m, search="grid")
    assert result.objective == pytest.approx(-1)
    assert "not solved on a grid: there is no Var x" in result.notes


def test_a_taken_name_is_refused():
    with pytest.raises(dlmp.ModelError, match="already"):
        register_strategy(STRATEGIES["regions"])
