"""Convex QPs of nodes by Clarabel, over two-sided rows and columns."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.tolerances import ENTRY, POLISHED, ROUNDING, ROW_HOLDS

_LARGE = 600  # columns up to which a dense system is solved
_SOLVED = ("Solved", "AlmostSolved")


def minimise_qp(Q: sp.csr_matrix, c: np.ndarray, A: sp.csr_matrix, lo: np.ndarray, hi: np.ndarray,
                lb: np.ndarray, ub: np.ndarray,
                polish: bool = False) -> tuple[np.ndarray, float] | None:
    """Minimise c'z + 1/2 z'Qz within lo <= A z <= hi, lb <= z <= ub.

    Parameters
    ----------
    Q, c
        Objective, shapes (n, n) and (n,); Q positive semidefinite.
    A, lo, hi, lb, ub
        Rows and bounds, shapes (m, n), (m,), (m,), (n,), (n,); fixed columns are taken out.
    polish
        Solve the equations of the active set that the interior point shows, for an exact z.

    Returns
    -------
    tuple or None
        (z, lower bound of the optimum: the smaller one of Clarabel's primal and dual values); None
        where it found no solution.
    """
    import clarabel

    fixed = lb == ub
    free = np.flatnonzero(~fixed)
    at = np.where(fixed, lb, 0.0)
    shift, gradient = A @ at, Q @ at
    constant = float(c @ at + 0.5 * at @ gradient)
    A, Q = A[:, free], Q[free][:, free]
    c, lo, hi = (c + gradient)[free], lo - shift, hi - shift
    equal = np.flatnonzero(lo == hi)
    above = np.flatnonzero(np.isfinite(hi) & (lo != hi))
    below = np.flatnonzero(np.isfinite(lo) & (lo != hi))
    low, high = np.flatnonzero(np.isfinite(lb[free])), np.flatnonzero(np.isfinite(ub[free]))
    eye = sp.identity(len(free), format="csr")
    matrix = sp.vstack([A[equal], A[above], -A[below], -eye[low], eye[high]], format="csc")
    right = np.concatenate([lo[equal], hi[above], -lo[below], -lb[free][low], ub[free][high]])
    cones = [clarabel.ZeroConeT(len(equal)), clarabel.NonnegativeConeT(len(right) - len(equal))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = POLISHED
    settings.presolve_enable = False
    settings.max_threads = 1
    answer = clarabel.DefaultSolver(
        sp.triu(Q).tocsc(), c, matrix, right, cones, settings).solve()
    if str(answer.status) not in _SOLVED:
        return None
    z = at.copy()
    z[free] = np.array(answer.x)
    if polish and len(free) <= _LARGE:
        exact = _polished(Q, c, matrix, right, len(equal), answer)
        z[free] = z[free] if exact is None else exact
    return z, constant + min(answer.obj_val, answer.obj_val_dual)


def _polished(Q, c, matrix, right, equalities: int, answer) -> np.ndarray | None:
    """The point that the active set of an interior point gives; None where it breaks a row."""
    x, s, dual = np.array(answer.x), np.array(answer.s), np.array(answer.z)
    active = s < dual
    active[:equalities] = True
    N = matrix[active].toarray()
    n, k = len(x), len(N)
    system = np.zeros((n + k, n + k))
    system[:n, :n], system[:n, n:], system[n:, :n] = Q.toarray(), N.T, N
    start = np.concatenate([x, dual[active]])
    rest = np.concatenate([-c, right[active]]) - system @ start
    step = np.linalg.lstsq(system, rest, rcond=ENTRY)[0]
    exact = x + step[:n]
    room = ROUNDING * (1.0 + np.abs(right))
    if (matrix @ exact - right > room).any() or (
            np.abs(matrix[:equalities] @ exact - right[:equalities]) > room[:equalities]).any():
        return None
    worse = c @ (exact - x) + 0.5 * (exact @ (Q @ exact) - x @ (Q @ x))
    return exact if worse <= ROW_HOLDS * (1.0 + abs(answer.obj_val)) else None
