"""A leader whose decisions are all given: the lower level is solved once, and the best of its
solutions for the leader is taken; each right value by hand or by two linear programs of scipy."""

import random

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import linprog

import pyomo_dlmp as dlmp
from pyomo_dlmp.numerics.outer_approximation import SearchResult
from pyomo_dlmp.search import branch_and_bound, start
from pyomo_dlmp.status import Status
from tests.checks import check_answer

N, ROWS = 30, 20


def policy():
    """30 binaries and 30 answers; big-M had not closed it after 40 s with all binaries fixed."""
    rng = random.Random(1)
    A = [[rng.randint(-3, 5) * (rng.random() < 0.4) for _ in range(N)] for _ in range(ROWS)]
    B = [[rng.randint(-4, 4) * (rng.random() < 0.3) for _ in range(N)] for _ in range(ROWS)]
    own = [rng.randint(-9, 5) for _ in range(N)]  # whole numbers: ties
    paid, cost = [rng.randint(-5, 9) for _ in range(N)], [rng.randint(-9, 3) for _ in range(N)]
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(N), domain=pyo.Binary)
    m.low = dlmp.LowerLevel()
    y = m.low.y = pyo.Var(range(N), bounds=(0, 3))
    m.low.row = pyo.Constraint(range(ROWS), rule=lambda _, j: sum(
        A[j][i] * y[i] - B[j][i] * m.x[i] for i in range(N)) <= 5)
    m.low.cost = pyo.Objective(expr=sum(own[i] * y[i] for i in range(N)))
    m.goal = pyo.Objective(expr=sum(paid[i] * y[i] + cost[i] * m.x[i] for i in range(N)))

    def best(x):
        right = 5 + np.array(B) @ x
        least = linprog(own, A, right, bounds=(0, 3)).fun
        both = [*A, own]
        return linprog(paid, both, [*right, least + 1e-9], bounds=(0, 3)).fun + np.dot(cost, x)

    return m, best


def fixed(m, i, value):
    m.x[i].fix(value)


def by_bounds(m, i, value):
    m.x[i].setlb(value)
    m.x[i].setub(value)


def by_rows(m, i, value):
    m.add_component(f"is_{i}", pyo.Constraint(expr=2 * m.x[i] == 2 * value))


@pytest.mark.parametrize("given", [fixed, by_bounds, by_rows])
@pytest.mark.parametrize("search", ["auto", "pairs"])
def test_a_policy_is_evaluated_by_the_lower_level_alone(given, search):
    m, best = policy()
    x = np.array([i % 3 == 0 for i in range(N)], dtype=float)
    for i in range(N):
        given(m, i, x[i])
    result = dlmp.solve_bilevel(m, search=search)
    check_answer(m, result)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(best(x), abs=1e-5)


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize])
def test_of_many_solutions_of_a_quadratic_program_the_leader_has_the_best(sense):
    """(y1 + y2 - u)^2 at u = 3 with y <= 2: all y1 + y2 = 3, so y1 in 1 .. 2."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(initialize=3)
    m.u.fix()
    m.low = dlmp.LowerLevel()
    y = m.low.y = pyo.Var([1, 2], bounds=(0, 2))
    m.low.cost = pyo.Objective(expr=(y[1] + y[2] - m.u) ** 2)
    m.goal = pyo.Objective(expr=y[1] + 5 * m.u, sense=sense)
    result = dlmp.solve_bilevel(m)
    check_answer(m, result)
    assert result.objective == pytest.approx(16 if sense == pyo.minimize else 17)


def test_a_flat_lower_level_at_a_limit_does_not_move_off_it():
    """min y^2 over y >= 0: y = 0 alone, where both slack and multiplier are zero."""
    m = pyo.ConcreteModel()
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, None))
    m.low.cost = pyo.Objective(expr=m.low.y ** 2)
    m.goal = pyo.Objective(expr=-m.low.y)
    result = dlmp.solve_bilevel(m)
    check_answer(m, result)
    assert result.objective == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("sense", "value"), [(pyo.minimize, 0.0), (pyo.maximize, 14.0)])
def test_of_many_duals_the_leader_has_the_best(sense, value):
    """Two rows y >= u share the dual 7, at u = 2 that of the first times u is 0 .. 14."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(2, 2))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 9))
    m.low.row = pyo.Constraint([1, 2], rule=lambda b, i: b.y - m.u >= 0)
    m.low.cost = pyo.Objective(expr=7 * m.low.y)
    m.goal = pyo.Objective(expr=m.low.dual_of(m.low.row[1]) * m.u, sense=sense)
    for search in ("auto", "single_level", "pairs"):
        result = dlmp.solve_bilevel(m, search=search)
        check_answer(m, result)
        assert result.objective == pytest.approx(value, abs=1e-5), search


def test_what_is_left_to_the_leader_is_decided():
    """The lower level sees u = 2 alone (y = 4); v stays the leader's: at most y, and whole."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 5))
    m.u.fix(2)
    m.v = pyo.Var(domain=pyo.Integers, bounds=(0, 9))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 9))
    m.low.row = pyo.Constraint(expr=m.low.y >= 2 * m.u)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.few = pyo.Constraint(expr=2 * m.v <= m.low.y + 1)
    m.goal = pyo.Objective(expr=m.low.y - 10 * m.v)
    result = dlmp.solve_bilevel(m)
    check_answer(m, result)
    assert (result.objective, m.v.value) == (pytest.approx(-16), pytest.approx(2))
    m.u.fix(9)  # y = 18 is out of bounds
    assert dlmp.solve_bilevel(m).status == "infeasible"



def crowded():
    """`policy` with a budget, few rows of the follower, and a Var of the leader that follows it."""
    m, _ = policy()
    m.low.row.deactivate()
    m.low.few = pyo.Constraint([0, 1], rule=lambda b, j: sum(
        b.y[i] + (m.x[i] if i % 5 == 0 else 0) for i in range(j, N, 2)) <= 9)
    m.budget = pyo.Constraint(expr=sum((1 + i % 7) * m.x[i] for i in range(N)) <= 9)
    m.one = pyo.Constraint(expr=m.x[0] + m.x[1] >= 1)
    m.v = pyo.Var()
    m.total = pyo.Constraint(expr=m.v == 2 * sum(m.low.y[i] for i in range(N)) - 1)
    m.goal.set_value(m.goal.expr + 0.1 * m.v)
    return m


def test_a_search_that_finds_nothing_itself_has_a_point(monkeypatch):
    """Simple decisions of the leader are tried before the search, each with the lower levels."""
    def ended(run, record, small, first, *_):
        assert first is not None
        return SearchResult(Status.TIME_LIMIT, first, small.value(first))

    m = crowded()
    best = dlmp.solve_bilevel(m)
    monkeypatch.setattr(start, "completed", lambda *_: None)
    monkeypatch.setattr(branch_and_bound, "_search", ended)
    result = dlmp.solve_bilevel(m, search="single_level")
    check_answer(m, result)
    assert result.status == "time limit"
    assert best.objective - 1e-6 <= result.objective < best.objective + 20


def test_a_point_is_known_where_the_relaxations_decisions_give_none():
    """y = u is at most 3; the relaxation decides u = 10 with y = 0, u = 0 is a point."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 10))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 20))
    m.low.row = pyo.Constraint(expr=m.low.y - m.u <= 0)
    m.low.cost = pyo.Objective(expr=-m.low.y)
    m.few = pyo.Constraint(expr=m.low.y <= 3)
    m.goal = pyo.Objective(expr=-m.u)
    value, values = start.known_point(m, [m.low])
    assert (value, values[id(m.u)], values[id(m.low.y)]) == (0, 0, 0)
    assert dlmp.solve_bilevel(m).objective == pytest.approx(-3)
