"""Lower levels whose upper decisions are all given: solved once, their optimal sets are known.

At given upper decisions a convex lower level is one QP. With a solution x*, mu* of its optimality
conditions and slacks s*, its solutions and its multipliers are

    {x feasible:  Q x = Q x*,  s_p(x) = 0 where mu*_p > 0}
    {y, mu >= 0:  stationarity at Q x*,  mu_p = 0 where s*_p > 0}

and every x of the first with every (y, mu) of the second is complementary (strong duality), so that
no pair is left to decide and no bound of a multiplier is needed. Source: O. L. Mangasarian, Oper.
Res. Lett. 7 (1988), on the solution sets of convex programs.
"""

from __future__ import annotations

import numpy as np

from pyomo_dlmp.bounds.labels import Source
from pyomo_dlmp.bounds.pair_bounds import PairBounds
from pyomo_dlmp.bounds.upper_view import UpperView
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.tolerances import ACTIVE, MULTIPLIER, ROUNDING


def settle(kkt: KktSystem, bounds: PairBounds, view: UpperView | None) -> bool:
    """Solve a lower level whose upper decisions are all given, and settle its pairs.

    Given are Vars that are fixed, whose bounds coincide, or that an upper row of theirs alone
    gives a value.

    Parameters
    ----------
    kkt
        The lower level.
    bounds
        Changed where it is settled: slacks and multipliers that are zero, `settled_at`. Bounds
        that the user gave are not needed then and dropped.
    view
        The upper rows; None: not known.

    Returns
    -------
    bool
        False where a decision is open, or the lower level has no solution there.
    """
    u = _given(kkt, view)
    if u is None:
        return False
    try:
        found = LowerSolver(kkt).solve(u)
    except SolverError:
        return False  # the search finds and explains it
    slack = kkt.slack(found.x, u)
    cost = np.abs(kkt.form.gradient(found.x, u)).max(initial=0.0)
    given = bounds.mu_source == Source.USER
    bounds.mu[given], bounds.mu_source[given] = np.inf, Source.NONE
    for kind, limit, source, zero in (
            ("slack", bounds.slack, bounds.slack_source, found.mu > MULTIPLIER * (1 + cost)),
            ("mu", bounds.mu, bounds.mu_source, slack > ACTIVE * (1 + np.abs(kkt.s0)))):
        limit[zero], source[zero] = 0.0, Source.SOLVED
        for p in np.flatnonzero(zero):
            bounds.certificates.pop((kind, int(p)), None)
    bounds.settled_at = found.x
    return True


def _given(kkt: KktSystem, view: UpperView | None) -> np.ndarray | None:
    """The values of all upper decisions, shape (m,), where each has but one."""
    lo, hi = kkt.form.u_box()
    if view is not None:
        R = view.R.tocsr()
        count = np.diff(R.indptr)
        for row in np.flatnonzero((count == 1) & (view.lo == view.hi)):
            column, value = R.indices[R.indptr[row]], R.data[R.indptr[row]]
            if column < len(lo) and abs(value) > ROUNDING:
                lo[column] = hi[column] = view.lo[row] / value
    return lo if np.array_equal(lo, hi) else None
