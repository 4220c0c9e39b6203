"""Branching on pairs: answers that no bound of a multiplier stands behind."""

import os
import signal

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.branching.tree import Tree, TreeOptions
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.numerics.identities import convexify
from pyomo_dlmp.transform.pairs import compile_pairs
from tests.benchmarks.pairs import random_bilevel
from tests.models import bard


def tree_of(model, **options):
    """The tree of a model, without any proved bound."""
    systems = [build_kkt(compile_lower(block)) for block in lower_levels(model)]
    compiled = compile_pairs(model, systems)
    return Tree(convexify(compiled.problem).problem, TreeOptions(**options)), compiled


def steep(slope):
    """The follower's multiplier at the optimum is `slope`: u = 4, y = 0 gives -4, u = 0 gives 0.

    Lower: min slope y  s.t.  y >= u - 3,  y <= 1: the leader pays nothing for y.
    """
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 4))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var()
    m.low.least = pyo.Constraint(expr=m.low.y - m.u >= -3)
    m.low.floor = pyo.Constraint(expr=m.low.y >= 0)
    m.low.cost = pyo.Objective(expr=slope * m.low.y)
    m.goal = pyo.Objective(expr=-m.u)
    return m


def test_bard():
    m = bard()
    result = dlmp.solve_bilevel(m, search="pairs")
    assert (result.status, result.objective) == ("optimal", pytest.approx(-12))
    assert result.bound == pytest.approx(-12)


@pytest.mark.parametrize("slope", [1e-3, 1.0, 3160.0, 1e7])
def test_a_multiplier_of_any_size(slope):
    """A guessed M of 1e3 cuts off the optimum of the steep ones and leaves no trace."""
    result = dlmp.solve_bilevel(steep(slope), search="pairs")
    assert (result.status, result.objective) == ("optimal", pytest.approx(-4.0))


def test_no_pair_at_all():
    """An equality-only lower level: the root is the leaf."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(-3, 3))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var([0, 1])
    m.low.sum = pyo.Constraint(expr=m.low.y[0] + m.low.y[1] == m.u)
    m.low.cost = pyo.Objective(expr=m.low.y[0] ** 2 + 2 * m.low.y[1] ** 2)
    m.goal = pyo.Objective(expr=(m.low.y[0] - 1) ** 2)
    result = dlmp.solve_bilevel(m, search="pairs")
    assert result.objective == pytest.approx(0.0, abs=1e-8)
    assert m.u.value == pytest.approx(1.5, abs=1e-5)


def test_infeasible_and_unbounded_are_told_apart():
    m = bard()
    m.never = pyo.Constraint(expr=m.low.y >= 6)
    assert dlmp.solve_bilevel(m, search="pairs").status == "infeasible"
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, None))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, None))
    m.low.row = pyo.Constraint(expr=m.low.y >= m.u)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.goal = pyo.Objective(expr=-m.low.y)
    result = dlmp.solve_bilevel(m, search="pairs")
    assert result.status == "unbounded"
    assert any("low.y" in note for note in result.notes)


def test_an_unbounded_relaxation_is_divided_by_its_ray():
    """Without complementarity the price may rise without end; with it, it is 10 or 30."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1.5))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([0, 1], bounds=(0, 1))
    m.low.balance = pyo.Constraint(expr=m.low.g[0] + m.low.g[1] == m.u)
    m.low.cost = pyo.Objective(expr=10 * m.low.g[0] + 30 * m.low.g[1])
    m.goal = pyo.Objective(expr=m.low.dual_of(m.low.balance) - m.u, sense=pyo.maximize)
    result = dlmp.solve_bilevel(m, search="pairs")
    assert (result.status, result.objective) == ("optimal", pytest.approx(29.0))  # u = 1, price 30


def test_integers_above_and_several_followers():
    m = pyo.ConcreteModel()
    m.n = pyo.Var(domain=pyo.Integers)
    m.range = pyo.Constraint(expr=(-7.5, m.n, 7.5))
    for name, target in (("one", 2.3), ("two", 4.6)):
        low = dlmp.LowerLevel()
        m.add_component(name, low)
        low.y = pyo.Var(bounds=(0, None))
        low.cost = pyo.Objective(expr=(low.y - m.n + target) ** 2)
    m.goal = pyo.Objective(expr=m.one.y + m.two.y - m.n)
    # y = max(0, n - target): best -n + ... at n = 2 (-2), at n = 3: .7 - 3, at n = 4: 1.7 - 4
    result = dlmp.solve_bilevel(m, search="pairs")
    best = min(max(0, n - 2.3) + max(0, n - 4.6) - n for n in range(-7, 8))
    assert (result.status, result.objective) == ("optimal", pytest.approx(best, abs=1e-6))


def test_a_product_that_no_identity_removes():
    """price x an upper Var that is not the follower's: divided by ranges, with a valid bound."""
    m = pyo.ConcreteModel()
    m.u, m.v = pyo.Var(bounds=(0, 2)), pyo.Var(bounds=(0, 1))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([0, 1], bounds=(0, 1))
    m.low.shed = pyo.Var(bounds=(0, None))
    m.low.balance = pyo.Constraint(expr=m.low.g[0] + m.low.g[1] + m.low.shed == m.u)
    m.low.cost = pyo.Objective(expr=m.low.g[0] ** 2 + 2 * m.low.g[1] + 5 * m.low.shed)
    price = m.low.dual_of(m.low.balance)
    m.share = pyo.Constraint(expr=m.v + m.u <= 2)
    m.goal = pyo.Objective(expr=price * m.v, sense=pyo.maximize)
    # price 2 u up to u = 1 (2), then up to u = 2 (2), 5 at u = 2 where v = 0: u = 1, v = 1 gives 2
    result = dlmp.solve_bilevel(m, search="pairs")
    assert (result.status, result.objective) == ("optimal", pytest.approx(2.0, rel=1e-4))
    assert result.bound >= result.objective - 1e-6


@pytest.mark.parametrize("goal, best", [
    (lambda x, y: x * y - x, -10.0), (lambda x, y: -x * y, -2.25),
    (lambda x, y: x * y - 2 * x, -20.0), (lambda x, y: -x * x - y, -100.0),
    (lambda x, y: -x * y - y * y, -9.0), (lambda x, y: -y * y - 0.1 * x, -9.0),
    (lambda x, y: -x * x + 8 * x, -20.0), (lambda x, y: x * x * 0 - (x - y) ** 2, -100.0)])
@pytest.mark.parametrize("search", ["auto", "pairs"])
def test_a_nonconvex_upper_objective(goal, best, search):
    """y = max(0, 3 - x) for x in [0, 10]: products and squares over factors without ranges."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 20))
    m.low.need = pyo.Constraint(expr=m.x + m.low.y >= 3)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.goal = pyo.Objective(expr=goal(m.x, m.low.y))
    result = dlmp.solve_bilevel(m, search=search)
    assert (result.status, result.objective) == ("optimal", pytest.approx(best, rel=1e-4))
    assert result.bound <= best + 1e-6


def test_a_quadratic_upper_row():
    """What the leader may pay is limited: price x quantity in a row."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 3))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var(bounds=(0, None))
    m.low.balance = pyo.Constraint(expr=m.low.g == m.u)
    m.low.cost = pyo.Objective(expr=m.low.g ** 2)
    m.budget = pyo.Constraint(expr=m.low.dual_of(m.low.balance) * m.u <= 8)  # 2 u^2
    m.circle = pyo.Constraint(expr=m.u ** 2 + m.low.g ** 2 <= 50)
    m.goal = pyo.Objective(expr=-m.u)
    for search in ("auto", "pairs"):
        result = dlmp.solve_bilevel(m, search=search)
        assert (result.status, result.objective) == ("optimal", pytest.approx(-2.0, abs=1e-4))


@pytest.mark.parametrize("kind", ["lp", "qp"])
def test_the_same_tree_on_one_core_and_on_two(kind):
    one, _ = tree_of(random_bilevel(kind, 20, 3), cores=1)
    two, _ = tree_of(random_bilevel(kind, 20, 3), cores=2)
    first, second = one.solve(), two.solve()
    assert first.nodes == second.nodes
    assert first.leaves == second.leaves
    assert first.objective == second.objective
    assert first.bound == second.bound


def test_a_bound_is_valid_at_any_moment():
    """However early the search stops, its bound is below the optimum and its point is one."""
    best = tree_of(random_bilevel("lp", 20, 1))[0].solve()
    assert best.status == "optimal"
    for nodes in (2, 10, 40):
        tree, _ = tree_of(random_bilevel("lp", 20, 1), nodes=nodes)
        stopped = tree.solve()
        assert stopped.bound <= best.objective + 1e-7
        assert stopped.objective >= best.objective - 1e-7


def test_an_interrupt_keeps_the_best_point():
    def press(stage, incumbent, bound):
        if stage == "branching on pairs" and incumbent is not None and np.isfinite(incumbent):
            os.kill(os.getpid(), signal.SIGINT)

    result = dlmp.solve_bilevel(random_bilevel("lp", 40, 3), search="pairs", progress=press)
    assert result.status == "interrupted"
    assert result.audit.passed
    assert result.bound <= result.objective


def test_a_users_bound_is_proved_by_the_tree():
    """Far too small bounds leave an answer whose pairs are all closed; it is not believed."""
    result = dlmp.solve_bilevel(bard(), bounds={"low.rows": 1e-2, "low.y": 1e-2})
    assert (result.status, result.objective) == ("optimal", pytest.approx(-12))
    assert any("too small" in note for note in result.notes)


def test_options_of_the_single_level_are_refused():
    with pytest.raises(dlmp.ModelError, match="bits"):
        dlmp.solve_bilevel(bard(), search="pairs", bits=3)
    with pytest.raises(dlmp.SolverError, match="highs"):
        dlmp.solve_bilevel(bard(), search="pairs", solver="gurobi")
