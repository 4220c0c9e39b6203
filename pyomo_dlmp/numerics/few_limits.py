"""Large QPs with many limits of which few bind: solve with few, add those that are violated.

A soft limit is an inequality row with a penalty column of its own (lb = 0, a positive cost, in no
other row): as long as the row holds without it, both can be left out. The answer is the whole QP's
once no row that was left out is violated. The first few are those that hardly hold at the start.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.tolerances import EXACT_FEASIBILITY

_ROUNDS = 30
_NEAR = 0.002  # of 1 + |right-hand side|: a row that holds by less at the start is in from then


def by_few_limits(problem: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Solve a QP by adding its limits.

    Parameters
    ----------
    problem : ConvexQp
        A large one.

    Returns
    -------
    tuple or None
        (v, row multipliers, reduced costs), as of `ConvexQp.solve`; None where it has no such
        limits, or too many of them bind.

    Raises
    ------
    SolverError
        It is infeasible.
    """
    row_of = _penalty_rows(problem)
    columns = np.flatnonzero(row_of < 0)
    waiting = np.ones(len(problem.right), dtype=bool)
    waiting[:problem.equalities] = False
    if len(columns) > len(row_of) / 2:
        return None
    A = problem.A.tocsr()
    first = np.where(row_of >= 0, 0.0, problem.start if problem.start is not None else 0.0)
    waiting[A @ first - problem.right < _NEAR * (1.0 + np.abs(problem.right))] = False
    for _ in range(_ROUNDS):
        limits.check()
        rows = np.flatnonzero(~waiting)
        kept = np.sort(np.concatenate([columns, np.flatnonzero((row_of >= 0) & ~waiting[row_of])]))
        try:
            found = problem.restrict(kept, rows).solve_sparse()
        except SolverError:
            return None  # without all limits it may be unbounded
        if found is None:
            return None
        v = np.zeros(len(problem.c))
        v[kept] = found[0]
        short = np.where(waiting, problem.right - A @ v, 0.0)
        worst = short.max(initial=0.0)
        if worst <= EXACT_FEASIBILITY:
            dual, rho = np.zeros(len(problem.right)), np.zeros(len(problem.c))
            dual[rows], rho[kept] = found[1], found[2]
            gone = np.setdiff1d(np.arange(len(v)), kept)
            rho[gone] = problem.c[gone]
            return v, dual, rho
        waiting[short > EXACT_FEASIBILITY] = False
    return None


def _penalty_rows(problem: Any) -> np.ndarray:
    """The row that each column relaxes at a cost, -1 of all other columns."""
    found = np.full(len(problem.c), -1)
    A = problem.A.tocsc()
    simple = ((problem.lb == 0) & np.isinf(problem.ub) & (problem.c > 0)
              & (np.diff(problem.Q.tocsc().indptr) == 0) & (np.diff(A.indptr) == 1))
    at = np.flatnonzero(simple)
    rows, coefs = A.indices[A.indptr[at]], A.data[A.indptr[at]]
    good = (coefs > 0) & (rows >= problem.equalities)
    found[at[good]] = rows[good]
    return found
