"""Convex QPs of nodes by Clarabel, over two-sided rows and columns."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.tolerances import POLISHED

_SOLVED = ("Solved", "AlmostSolved")


def minimise_qp(Q: sp.csr_matrix, c: np.ndarray, A: sp.csr_matrix, lo: np.ndarray, hi: np.ndarray,
                lb: np.ndarray, ub: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Minimise c'z + 1/2 z'Qz within lo <= A z <= hi, lb <= z <= ub.

    Parameters
    ----------
    Q, c
        Objective, shapes (n, n) and (n,); Q positive semidefinite.
    A, lo, hi, lb, ub
        Rows and bounds, shapes (m, n), (m,), (m,), (n,), (n,); fixed columns are taken out.

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
    return z, constant + min(answer.obj_val, answer.obj_val_dual)
