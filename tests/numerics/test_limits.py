"""Limits of a call, work of a step; statuses that mean nothing; convex costs over free Vars."""

import contextvars
import itertools
import threading
import time

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp

import pyomo_dlmp as dlmp
from pyomo_dlmp.numerics import highs_run, limits
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.outer_approximation import SearchResult, solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.solve.opf import solve_integer


def lp(n=12, seed=0, integer=False) -> Highs:
    """Random rows over a box."""
    rng = np.random.default_rng(seed)
    A = rng.integers(1, 20, (n, n)).astype(float)
    return Highs(-rng.integers(1, 20, n).astype(float), sp.csr_matrix(A), np.full(n, -np.inf),
                 A.sum(axis=1) * 0.4 + 0.5, np.zeros(n), np.full(n, 3.0),
                 np.full(n, integer))


def test_a_step_ends_when_its_work_is_used_up():
    with limits.work(0.001), pytest.raises(limits.Stopped) as caught:
        for seed in range(50):
            lp(seed=seed).solve_lp()
    assert caught.value.status == "work limit"
    assert lp().solve_lp().status == "optimal"


def test_a_milp_ends_at_the_same_look_each_time():
    ends = []
    for _ in range(2):
        with limits.work(60.0):
            answer = lp(30, integer=True).solve()
        ends.append((answer.status, answer.bound, answer.objective))
    assert ends[0] == ends[1] and ends[0][0] == "work limit"


def test_work_inside_work_counts_for_both_unless_apart():
    with limits.work(10.0):
        with limits.work(3.0):
            limits.spend(2.0)
            assert limits.work_left() == 1.0
        assert limits.work_left() == 8.0
        with limits.work(100.0, apart=True):
            limits.spend(50.0)
        assert limits.work_left() == 8.0
    assert limits.work_left() == np.inf


def test_a_call_inside_a_call_keeps_its_limits():
    with limits.call(5.0), limits.call(1000.0):
        assert limits.left() <= 5.0
    with limits.call(1000.0), limits.call(0.0):
        assert limits.stopped() == "time limit" and limits.stopped(last=True) is None
    assert limits.left() == np.inf and limits.stopped() is None


def test_a_thread_with_the_context_sees_the_limits():
    seen = []
    with limits.call(0.0, more=False):
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: seen.append(context.run(limits.stopped)))
        thread.start()
        thread.join()
    assert seen == ["time limit"]


def test_a_point_is_checked_whatever_the_limits():
    with limits.call(0.0, more=False):
        limits.enter("audit")
        with limits.work(0.0):
            assert lp().solve_lp().status == "optimal"
        with limits.optional(), pytest.raises(limits.Stopped):
            lp().solve_lp()


class _Meaningless(dict):
    """HiGHS's statuses, of which the first `times` that are seen mean nothing."""

    def __init__(self, times):
        super().__init__(highs_run.WORDS)
        self.times = times

    def __contains__(self, status):
        self.times -= 1
        return self.times < 0 and super().__contains__(status)


@pytest.mark.parametrize("integer", [False, True])
def test_a_status_that_means_nothing_is_no_result(monkeypatch, integer):
    """Other ways are tried; where none has a result the error says so."""
    right = lp(integer=integer).solve().objective
    monkeypatch.setattr(highs_run, "WORDS", _Meaningless(2))
    assert lp(integer=integer).solve().objective == pytest.approx(right)
    monkeypatch.setattr(highs_run, "WORDS", _Meaningless(99))
    with pytest.raises(dlmp.SolverError, match="without a result"):
        lp(integer=integer).solve()


def test_a_search_keeps_its_point_when_highs_fails(monkeypatch):
    program = Program(A=sp.csr_matrix([[1.0, 1.0]]), lo=[1.0], hi=[np.inf], lb=np.zeros(2),
                      ub=np.ones(2), c=np.array([1.0, 2.0]), integer=np.array([True, True]))
    monkeypatch.setattr(highs_run, "WORDS", _Meaningless(99))
    with pytest.raises(dlmp.SolverError):
        solve_outer(program)
    kept = solve_outer(program, start=np.array([0.0, 1.0]))
    assert kept.status == "gap not reached" and kept.objective == 2.0


# ------------------------------------------------- a convex objective over Vars without bounds

def box_brute(Q, c, reach):
    """Least 1/2 z'Qz + c'z over whole numbers within +-reach."""
    return min(0.5 * np.array(z) @ Q @ z + c @ z
               for z in itertools.product(range(-reach, reach + 1), repeat=len(c)))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("whole", [0, 1, 2])
def test_free_columns_of_a_convex_objective(seed, whole):
    """The first master has no finite bound; the optimum is known: by formula, or by all points."""
    rng = np.random.default_rng(seed)
    G = rng.integers(-2, 3, (2, 2)) + 3 * np.eye(2)
    Q, c = G.T @ G, rng.integers(-40, 41, 2).astype(float)
    free = np.full(2, np.inf)
    integer = np.arange(2) < whole
    out = solve_outer(Program(A=sp.csr_matrix((0, 2)), lo=[], hi=[], lb=-free, ub=free, c=c,
                              Q=sp.csr_matrix(Q), integer=integer), gap=1e-6)
    if whole == 0:
        right = -0.5 * c @ np.linalg.solve(Q, c)
    elif whole == 1:  # the second is continuous: its best for each value of the first
        right = min(0.5 * Q[0, 0] * k**2 + c[0] * k - 0.5 * (c[1] + Q[0, 1] * k)**2 / Q[1, 1]
                    for k in range(-100, 101))
    else:
        right = box_brute(Q, c, 40)
    assert out.status == "optimal"
    assert out.objective == pytest.approx(right, rel=1e-5, abs=1e-5)
    assert out.bound <= right + 1e-6 * (1 + abs(right))


def squares(kind):
    """Models in squares of free Vars: their status or optimum."""
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var(), pyo.Var(domain=pyo.Integers)
    m.rows = pyo.ConstraintList()
    if kind == "bounded":
        m.cost = pyo.Objective(expr=(m.x - m.y - 0.3)**2 + (m.y - 1000.4)**2)
    elif kind == "along a ray":  # x = y costs nothing in the square
        m.cost = pyo.Objective(expr=(m.x - m.y)**2 + m.x)
    elif kind == "ray within rows":
        m.rows.add(m.x + m.y >= 1)
        m.cost = pyo.Objective(expr=(m.x - m.y)**2 + m.x + m.y)
    elif kind == "infeasible":
        m.rows.add(2 * m.y == 1)
        m.cost = pyo.Objective(expr=(m.x - m.y)**2 + m.x)
    return m


@pytest.mark.parametrize(("kind", "right"), [
    ("bounded", 0.16), ("ray within rows", 1.75), ("along a ray", "unbounded"),
    ("infeasible", "infeasible")])
def test_solve_integer_tells_bounded_from_unbounded(kind, right):
    m = squares(kind)
    if isinstance(right, str):
        with pytest.raises(dlmp.SolverError, match=right):
            solve_integer(m)
    else:
        assert solve_integer(m) == pytest.approx(right, abs=1e-4)


def test_maximised_and_far_from_zero():
    m = pyo.ConcreteModel()
    m.x = pyo.Var()
    m.gain = pyo.Objective(expr=-(m.x - 12345.6)**2 + 7.0, sense=pyo.maximize)
    assert solve_integer(m) == pytest.approx(7.0, abs=1e-4)


@pytest.mark.parametrize("search", ["auto", "single_level"])
@pytest.mark.parametrize("domain", [pyo.Reals, pyo.Integers])
def test_a_free_upper_var_in_squares(search, domain):
    """min (x - u)^2 + (u - 20.2)^2 above a follower y = max(0, u - 3): x, u without bounds."""
    m = pyo.ConcreteModel()
    m.u, m.x = pyo.Var(domain=domain), pyo.Var()
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 100))
    m.low.row = pyo.Constraint(expr=m.low.y >= m.u - 3)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.reach = pyo.Constraint(expr=m.u <= 50)
    m.reach_below = pyo.Constraint(expr=m.u >= -50)
    m.cost = pyo.Objective(expr=(m.x - m.u - m.low.y)**2 + (m.u - 20.2)**2 + 0.5 * m.x)
    # at the best x = u + y - 1/4: the rest is (u - 20.2)^2 + (u + y)/2 - 1/16
    grid = np.arange(-50, 51) if domain is pyo.Integers else np.linspace(-50, 50, 200_001)
    right = float(min((grid - 20.2)**2 + 0.5 * (grid + np.maximum(0, grid - 3)) - 0.0625))
    result = dlmp.solve_bilevel(m, search=search, gap=1e-6)
    assert result.status == "optimal" and result.audit.passed
    assert result.objective == pytest.approx(right, abs=1e-4)
    assert result.bound <= right + 1e-4


def test_the_gap_of_a_result_without_a_point():
    assert SearchResult("time limit").gap == np.inf


def test_a_call_takes_the_time_from_its_beginning():
    with limits.call(10.0, began=time.monotonic() - 9.0):
        assert limits.left() <= 1.0
