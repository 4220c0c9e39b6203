"""Weights of the identities by a small semidefinite program."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import null_space

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.tolerances import POLISHED, RANK

_LARGE = 70  # directions beyond which the program is not small any more
_REACH = 1e3  # greatest weight, in units of the objective's greatest coefficient


def semidefinite_weights(part: Any, t: np.ndarray, inner: np.ndarray,
                         N: np.ndarray) -> np.ndarray | None:
    """Weights that make the least eigenvalue of W(t) as great as it can be.

    Along the dual directions W is zero for all weights that are allowed here, so that only the rest
    of the null space counts: there a strictly positive eigenvalue may exist, and weights inside the
    cone. (On its boundary, rounding would lose the convexity.)

    Parameters
    ----------
    part
        Connected part of the program, see `identities`; K pairs, n columns.
    t
        Weights that cancel all products with dual directions, shape (K,).
    inner
        Basis of the dual directions, shape (n, d).
    N
        Basis of the null space of the equality rows, shape (n, k).

    Returns
    -------
    np.ndarray or None
        Shape (K,); None where the program is too large or has no solution.
    """
    import clarabel

    rest = N @ null_space(inner.T @ N, rcond=RANK) if inner.shape[1] else N
    k, count = rest.shape[1], len(t)
    if not k or k > _LARGE:
        return None
    moves = _allowed(part, inner, N, count)
    if not moves.shape[1]:
        return None
    M, R = rest[part.mu], part.S @ rest  # of each pair, shapes (K, k)
    base = rest.T @ part.hessian(t) @ rest
    # W(t + moves theta) - lambda I in the cone, lambda as great as possible, |theta| limited
    matrices = [_triangle(np.einsum("p,pi,pj->ij", m, M, R) + np.einsum("p,pi,pj->ij", m, R, M))
                for m in moves.T]
    A_cone = -np.column_stack([*matrices, -_triangle(np.eye(k))])
    free = len(matrices)
    reach = _REACH * max(1.0, np.abs(base).max())
    eye = sp.identity(free + 1, format="csc")
    A = sp.vstack([sp.csc_matrix(A_cone), eye, -eye], format="csc")
    b = np.concatenate([_triangle(base), np.full(2 * (free + 1), reach)])
    cost = np.zeros(free + 1)
    cost[-1] = -1.0
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.time_limit = max(0.0, limits.last_left())
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = POLISHED
    answer = clarabel.DefaultSolver(
        sp.csc_matrix((free + 1, free + 1)), cost, A, b,
        [clarabel.PSDTriangleConeT(k), clarabel.NonnegativeConeT(2 * (free + 1))],
        settings).solve()
    if str(answer.status) not in ("Solved", "AlmostSolved"):
        return None
    return t + moves @ np.array(answer.x)[:free]


def _allowed(part: Any, inner: np.ndarray, N: np.ndarray, count: int) -> np.ndarray:
    """Basis of the changes of t that leave no product with a dual direction, shape (K, f)."""
    if not inner.shape[1]:
        return np.eye(count)
    rows = (inner[part.mu][:, :, None] * (part.S @ N)[:, None, :]).reshape(count, -1).T
    if len(rows) > count:  # the same null space, without the other side's basis of many thousands
        rows = np.linalg.qr(rows, mode="r")
    return null_space(rows, rcond=RANK)


def _triangle(W: np.ndarray) -> np.ndarray:
    """The upper triangle of a symmetric matrix by columns, off-diagonal entries times sqrt 2."""
    scaled = W * np.sqrt(2.0)
    np.fill_diagonal(scaled, np.diag(W))
    i, j = np.tril_indices(len(W))
    return scaled[j, i]
