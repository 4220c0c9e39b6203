"""Periods taken apart: the same optimum, and a bound that holds whenever it stops."""

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp

import pyomo_dlmp as dlmp
from pyomo_dlmp.numerics.outer_approximation import SearchResult, solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.search.decomposition import solve_periods, take_apart
from tests.checks import check_answer
from tests.models import day_market


def knapsacks(seed: int, parts: int = 6) -> tuple[Program, np.ndarray]:
    """Small integer problems that share two rows, and a continuous column of the rows alone."""
    rng = np.random.default_rng(seed)
    n, k = 4 * parts + 1, parts
    own = sp.block_diag([rng.integers(1, 9, (1, 4)) for _ in range(k)] + [np.zeros((0, 1))])
    shared = np.hstack([rng.integers(0, 6, (2, 4 * k)), [[1.0], [0.0]]])
    A = sp.vstack([own, shared], format="csr").astype(float)
    lo = np.concatenate([np.full(k, 4.0), [1.5 * k, 1.0 * k]])
    Q = sp.diags(np.concatenate([rng.integers(0, 3, 4 * k), [0]]).astype(float)).tocsr()
    program = Program(
        A=A, lo=lo, hi=np.full(len(lo), np.inf), lb=np.zeros(n), ub=np.full(n, 3.0),
        c=np.append(rng.integers(1, 9, 4 * k), 9.0).astype(float), Q=Q,
        integer=np.arange(n) < 4 * k)
    return program, np.arange(len(lo)) >= k


@pytest.mark.parametrize("seed", range(4))
def test_bounds_and_points_against_the_whole(seed):
    program, coupling = knapsacks(seed)
    whole = solve_outer(program, 1e-6)
    apart = take_apart(program, coupling)
    assert len(apart.parts) == 6 and list(apart.rest) == [24]
    kept = []
    outcome = solve_periods(apart, 1e-3, None, SearchResult("gap not reached"), lambda z: None,
                            lambda *_: None, lambda *point: kept.append(point))
    assert outcome.bound <= whole.objective + 1e-6
    assert outcome.z is not None and outcome.objective >= whole.objective - 1e-6
    activity = program.A @ outcome.z
    assert (activity >= program.lo - 1e-6).all()
    assert outcome.objective - outcome.bound <= 0.2 * abs(whole.objective)
    assert kept


def test_too_few_parts_are_left_whole():
    program, coupling = knapsacks(1, parts=2)
    assert take_apart(program, coupling) is None


def test_a_market_by_periods_as_by_branch_and_bound():
    m = day_market()
    seen = []
    result = dlmp.solve_bilevel(m, complementarity="bigm", periods=True, gap=1e-3,
                                progress=lambda stage, *_: seen.append(stage))
    plain = dlmp.solve_bilevel(day_market(), complementarity="bigm", periods=False, gap=1e-3)
    assert any(stage.startswith("periods") for stage in seen)
    assert result.status == "optimal" and result.gap <= 1e-3
    assert result.objective == pytest.approx(plain.objective, rel=2e-3)
    assert result.bound <= plain.objective * (1 + 1e-9)
    check_answer(m, result)


@pytest.mark.large
def test_an_integer_row_above_couples_periods_too():
    """Two of four hours at most may run: binaries of the upper level join the periods."""
    m = day_market()
    m.on = pyo.Var(list(m.dso.periods), domain=pyo.Binary)
    top = m.dso.datacenter["dc"].p
    m.if_on = pyo.Constraint(list(m.dso.periods), rule=lambda _, t: top[t] - 0.81 * m.on[t] <= 0.09)
    m.few = pyo.Constraint(expr=sum(m.on.values()) <= 3)
    whole = dlmp.solve_bilevel(m, complementarity="bigm", periods=False, gap=1e-3)
    apart = dlmp.solve_bilevel(m, complementarity="bigm", periods=True, gap=1e-3)
    fast = dlmp.solve_bilevel(m, complementarity="explicit", gap=1e-3)
    for result in (apart, fast):
        assert result.status == "optimal"
        assert result.objective == pytest.approx(whole.objective, rel=2e-3)
        assert result.bound <= whole.objective * (1 + 1e-9)
