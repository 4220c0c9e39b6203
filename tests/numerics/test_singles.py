"""Components of one column in closed form: each is a KKT point, whatever its rows and bounds."""

import numpy as np
import pytest
import scipy.sparse as sp

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.numerics.qp import ConvexQp, solve_singles


def _solved(problem):
    n, m = len(problem.c), len(problem.right)
    v, dual, rho = np.full(n, np.nan), np.zeros(m), np.full(n, np.nan)
    solve_singles(problem, np.arange(n), v, dual, rho)
    return v, dual, rho


def _random(rng, n=40):
    """Columns with up to three rows each, equalities among them, that leave room."""
    inside = rng.integers(-3, 4, n).astype(float)
    rows, of = [], []
    for j in range(n):
        for _ in range(rng.integers(0, 4)):
            rows.append((rng.choice([-2.0, -1.0, 1.0, 3.0]), rng.integers(0, 3)))
            of.append(j)
    order = np.arange(len(rows))
    equal = rng.random(len(rows)) < 0.1
    order = np.concatenate([order[equal], order[~equal]])
    coef = np.array([rows[k][0] for k in order])
    off = np.array([0.0 if equal[k] else rows[k][1] for k in order])
    of = np.array(of)[order]
    A = sp.csr_matrix((coef, (np.arange(len(order)), of)), shape=(len(order), n))
    q = rng.choice([0.0, 0.0, 1.0, 2.5], n)
    return ConvexQp(sp.diags(q).tocsr(), rng.integers(-2, 3, n).astype(float), A,
                    coef * inside[of] - off, int(equal.sum()), inside - rng.integers(0, 3, n),
                    inside + rng.integers(0, 3, n))


@pytest.mark.parametrize("seed", range(40))
def test_each_is_a_kkt_point(seed):
    problem = _random(np.random.default_rng(seed))
    v, dual, rho = _solved(problem)
    near = 1e-9
    slack = problem.A @ v - problem.right
    equalities = np.arange(len(slack)) < problem.equalities
    assert np.abs(slack[equalities]).max(initial=0.0) < near and slack.min(initial=0.0) > -near
    assert (v >= problem.lb - near).all() and (v <= problem.ub + near).all()
    assert np.abs(problem.Q @ v + problem.c - problem.A.T @ dual - rho).max() < near
    assert dual[~equalities].min(initial=0.0) >= 0 and np.abs(
        (slack * dual)[~equalities]).max(initial=0.0) < near
    assert (rho[v > problem.lb + near] <= near).all()
    assert (rho[v < problem.ub - near] >= -near).all()


def test_the_penalty_of_a_limit():
    # s >= 2 - 0.5, at 7 a unit; s >= 0 where the limit does not bind
    A = sp.csr_matrix([[1.0, 0.0], [0.0, 1.0]])
    problem = ConvexQp(sp.csr_matrix((2, 2)), np.array([7.0, 7.0]), A, np.array([1.5, -1.0]), 0,
                       np.zeros(2), np.full(2, np.inf))
    v, dual, rho = _solved(problem)
    assert (v == [1.5, 0.0]).all() and (dual == [7.0, 0.0]).all() and (rho == [0.0, 7.0]).all()


@pytest.mark.parametrize("c, right, lb, word", [(1.0, [], -np.inf, "unbounded"),
                                                (1.0, [2.0], 0.0, "infeasible")])
def test_what_has_no_solution(c, right, lb, word):
    A = sp.csr_matrix(np.ones((len(right), 1)))
    problem = ConvexQp(sp.csr_matrix((1, 1)), np.array([c]), A, np.array(right), 0,
                       np.array([lb]), np.array([1.0]))
    with pytest.raises(SolverError, match=word):
        _solved(problem)
