"""The judge is judged: known optima, a second judge at given decisions, other units."""

import numpy as np
import pytest

from tests.library.families import FAMILIES
from tests.library.families.arrays import (
    INF,
    Bilevel,
    Units,
    dual,
    follower,
    in_units,
    linear,
    u,
    x,
)
from tests.library.families.grid import best_on_grid, value_at
from tests.library.families.optima import SEEDS, stored_answers
from tests.library.families.oracle import brute_force

LINEAR = [(family, seed) for family, build in FAMILIES.items() for seed in SEEDS[:3]
          if all(len(key) < 2 for key in build(seed).drawn.goal)]


def bard() -> Bilevel:
    """Bard (1998), example 5.1.1: optimum -12 at x = 4, y = 4."""
    A, B = [[1.0], [-1.0], [1.0], [2.0]], [[1.0], [2.0], [2.0], [-3.0]]
    low = follower(1, [1.0], A, [3.0, 0.0, -INF, -4.0], [INF, INF, 12.0, INF], B=B, ub=[20.0])
    return Bilevel(np.zeros(1), np.array([10.0]), [low], linear({u(0): 1.0, x(0): -4.0}))


def market(cap: float, sense: int) -> Bilevel:
    """Demand 1 + u by units at 10 (2 MW) and 30 (`cap`); the upper level wants the price."""
    low = follower(1, [10.0, 30.0], [[1.0, 1.0]], [1.0], [1.0], B=[[-1.0]], ub=[2.0, cap])
    return Bilevel(np.array([0.5]), np.array([1.0]), [low], linear({dual(0): 1.0}), sense)


def test_a_textbook_optimum():
    answer = brute_force(bard())
    assert answer.status == "optimal"
    assert answer.optimum == pytest.approx(-12)
    assert answer.u == pytest.approx([4])


def test_a_price_is_the_leaders_to_choose_where_it_is_not_unique():
    assert brute_force(market(5.0, 1)).optimum == pytest.approx(10)
    assert brute_force(market(5.0, -1)).optimum == pytest.approx(30)  # at u = 1
    assert brute_force(market(0.0, -1)).status == "unbounded"


def test_a_guessed_bound_of_multipliers_is_wrong():
    worse = 0
    for seed in range(16):
        drawn = FAMILIES["large multipliers"](seed).drawn
        right, guessed = brute_force(drawn), brute_force(drawn, most=1e3)
        if guessed.status == "optimal":
            worse += drawn.sense * (guessed.optimum - right.optimum) > 1
    assert worse >= 4


@pytest.mark.parametrize("family", dict.fromkeys(family for family, _ in LINEAR))
def test_stored_optima_and_other_units(family):
    """Of families with linear goals, which need no other solver than HiGHS."""
    units = Units(u=10.0, x=0.1, row=4.0, cost=50.0, goal=3.0, upper_row=0.5)
    for seed in (seed for name, seed in LINEAR if name == family):
        instance, stored = FAMILIES[family](seed), stored_answers()[family, seed]
        found = instance.answer()
        assert found.status == stored.status
        if not instance.drawn.integer:
            other = brute_force(in_units(instance.drawn, units))
            assert other.status == found.status
        if found.optimum is not None:
            assert found.optimum == pytest.approx(stored.optimum, rel=1e-7, abs=1e-7)
            if not instance.drawn.integer:
                drawn = found.optimum / instance.units.goal
                assert other.optimum == pytest.approx(3.0 * drawn, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("family", dict.fromkeys(family for family, _ in LINEAR))
def test_the_lower_level_solved_by_itself_agrees(family):
    """At the optimum's u the value is the same, and no point of a grid is better."""
    for seed in (seed for name, seed in LINEAR if name == family):
        drawn = FAMILIES[family](seed).drawn
        answer = brute_force(drawn)
        if answer.optimum is not None:
            again = value_at(drawn, answer.u)
            assert again == pytest.approx(answer.optimum, rel=1e-4, abs=1e-4)
        if len(drawn.u_lo) <= 2:
            best = best_on_grid(drawn, points=5)
            assert best is None or answer.status != "infeasible"
            if best is not None and answer.status == "optimal":
                room = 1e-4 * max(1.0, abs(answer.optimum))
                assert drawn.sense * (best[0] - answer.optimum) >= -room
