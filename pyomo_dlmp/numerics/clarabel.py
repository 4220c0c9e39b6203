"""Large sparse convex QPs by the interior-point code Clarabel.

HiGHS solves QPs by an active-set method, which is slow beyond a few thousand columns. The DSO's
QP of the 8500-node feeder (34,000 columns before its soft limits) is built, compiled, solved and
checked in about 10 s this way on two cores.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.tolerances import POLISHED


def solve_qp(Q: sp.spmatrix, c: np.ndarray, A: sp.spmatrix, right: np.ndarray, equalities: int,
             lb: np.ndarray, ub: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Minimise c'v + v'Qv/2 over rows and bounds.

    Parameters
    ----------
    Q, c
        Objective, shapes (n, n) and (n,); Q positive semidefinite.
    A, right, equalities
        The first `equalities` rows read A v == right, the others A v >= right; shapes (m, n), (m,).
    lb, ub
        Bounds, infinite where there is none, shape (n,).

    Returns
    -------
    tuple or None
        (v, row multipliers, reduced costs), shapes (n,), (m,), (n,), in the signs of HiGHS; None
        where Clarabel found no solution.

    Raises
    ------
    Stopped
        The limits of the call ended it.
    """
    import clarabel

    n, rows = len(c), len(right)
    low, high = np.flatnonzero(np.isfinite(lb)), np.flatnonzero(np.isfinite(ub))
    identity = sp.identity(n, format="csr")
    A = A.tocsr()
    matrix = sp.vstack([A[:equalities], -A[equalities:], -identity[low], identity[high]],
                       format="csc")
    bound = np.concatenate([right[:equalities], -right[equalities:], -lb[low], ub[high]])
    cones = [clarabel.ZeroConeT(equalities),
             clarabel.NonnegativeConeT(len(bound) - equalities)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = POLISHED / 100
    settings.max_iter = 200
    limits.check()
    upper = sp.triu(Q).tocsc()
    solver = clarabel.DefaultSolver(upper, c, matrix, bound, cones, settings)
    solver.set_termination_callback(lambda _: bool(
        limits.pressed_now() or limits.stopped(last=True)))
    with limits.attended():
        answer = solver.solve()
    if str(answer.status) == "CallbackTerminated":
        limits.check()
    if str(answer.status) not in ("Solved", "AlmostSolved", "InsufficientProgress"):
        return None
    v, z = np.array(answer.x), np.array(answer.z)
    dual = np.concatenate([-z[:equalities], z[equalities:rows]])
    reduced = np.zeros(n)
    reduced[low] += z[rows:rows + len(low)]
    reduced[high] -= z[rows + len(low):]
    return v, dual, reduced
