"""Scaling of a `PairProgram`, so that a tolerance means the same in every row and column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.pairs import PairProgram
from pyomo_dlmp.numerics.program import Program

_PASSES = 4
_MOST = 60  # of the powers of two


def scaled(problem: PairProgram) -> tuple[PairProgram, np.ndarray]:
    """A program with entries near one, by powers of two, so that nothing is rounded.

    Parameters
    ----------
    problem
        Any; integer columns keep their scale.

    Returns
    -------
    tuple
        (program over z / scale, scale of shape (n,)); its objective has the same value.
    """
    program = problem.program
    m, n = program.A.shape
    r, s = np.ones(m), np.ones(n)
    A = abs(program.A).tocsr()
    if not A.nnz:
        return problem, s
    for _ in range(_PASSES):
        scaled_rows = sp.diags(r) @ A @ sp.diags(s)
        r *= _power(_spread(scaled_rows.tocsr()))
        scaled_rows = sp.diags(r) @ A @ sp.diags(s)
        s *= np.where(program.integer, 1.0, _power(_spread(scaled_rows.T.tocsr())))
    S, R = sp.diags(s), sp.diags(r)
    new = Program(
        A=(R @ program.A @ S).tocsr(), lo=program.lo * r, hi=program.hi * r, lb=program.lb / s,
        ub=program.ub / s, c=program.c * s, Q=(S @ program.Q @ S).tocsr(),
        constant=program.constant, integer=program.integer, sign=program.sign,
        columns=program.columns, rows=program.rows)
    rows = {i: ((S @ Q @ S) * r[i]).tocsr() for i, Q in problem.quadratic_rows.items()}
    return replace(problem, program=new, quadratic_rows=rows), s


def _spread(A: sp.csr_matrix) -> np.ndarray:
    """1 / sqrt(greatest x least entry) of each row; 1 for an empty one."""
    found = np.ones(A.shape[0])
    filled = np.flatnonzero(np.diff(A.indptr) > 0)
    if len(filled):
        starts = A.indptr[filled]
        high, low = np.maximum.reduceat(A.data, starts), np.minimum.reduceat(A.data, starts)
        found[filled] = 1.0 / np.sqrt(np.maximum(high * low, np.finfo(float).tiny))
    return found


def _power(values: np.ndarray) -> np.ndarray:
    """The nearest power of two."""
    return 2.0 ** np.clip(np.round(np.log2(values)), -_MOST, _MOST)
