"""Reduce a `Program` exactly: free columns are eliminated by the equality rows that define them.

A power flow and its multipliers are eliminated this way, so that branch and bound has only
injections, limits that can bind, their multipliers and binaries left.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.elimination import Elimination, eliminate_in_stages
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.tolerances import ENTRY, MILP_FEASIBILITY


def reduce_program(program: Program, lowers: Iterable = ()) -> tuple[Program, Elimination]:
    """Eliminate the free columns of a program through equality rows; the optimum stays the same.

    Parameters
    ----------
    program
        The compiled single level.
    lowers
        The `LowerKkt` of a single level, whose primal rows are then eliminated before their
        stationarity.

    Returns
    -------
    tuple
        (program over the kept columns, the map back to all of them).
    """
    free = np.isinf(program.lb) & np.isinf(program.ub) & ~program.integer
    equality = np.flatnonzero(program.lo == program.hi)
    E = program.A[equality]
    stages = _stages(program, equality, free, lowers)
    elimination = eliminate_in_stages(E, program.lo[equality], stages)
    keep_row = np.ones(len(program.rows), dtype=bool)
    keep_row[equality[elimination.rows_used]] = False
    M, m0, kept = elimination.M, elimination.m0, elimination.kept
    A = (program.A[keep_row] @ M).tocsr()
    A.data[np.abs(A.data) < ENTRY] = 0.0
    A.eliminate_zeros()
    shift = program.A[keep_row] @ m0
    lo, hi = program.lo[keep_row] - shift, program.hi[keep_row] - shift
    A, lo, hi = _with_column_bounds(program, elimination, A, lo, hi)
    Q = (M.T @ program.Q @ M).tocsr()
    Q = (0.5 * (Q + Q.T)).tocsr()
    c = M.T @ (program.c + program.Q @ m0)
    rows = [row for row, keep in zip(program.rows, keep_row, strict=True) if keep]
    rows += [None] * (len(lo) - len(rows))  # bounds of eliminated columns
    small = Program(
        A=A, lo=lo, hi=hi, lb=program.lb[kept], ub=program.ub[kept], c=c, Q=Q,
        constant=program.value(m0), integer=program.integer[kept], sign=program.sign,
        columns=[program.columns[k] for k in kept], rows=rows)
    return _without_empty_rows(small), elimination


def _stages(program: Program, equality, free, lowers):
    """Primal rows; stationarity of free columns (it gives the prices); the rest."""
    dual = {id(v) for lower in lowers for v in (*lower.y, *lower.mu) if v is not None}
    bounded = {
        id(row) for lower in lowers for row, low, high in zip(
            lower.stationarity, lower.kkt.form.lb, lower.kkt.form.ub, strict=True)
        if row is not None and (np.isfinite(low) or np.isfinite(high))}
    is_dual = np.array([id(v) in dual for v in program.columns], dtype=bool)
    rows = [program.rows[r] for r in equality]
    primal = ~(abs(program.A[equality]) @ is_dual.astype(float) > 0)
    by_free = ~primal & np.array([id(r) not in bounded for r in rows], dtype=bool)
    return [(primal, free & ~is_dual), (by_free, free & is_dual), (~primal, free)]


def _with_column_bounds(program, elimination, A, lo, hi):
    """Bounds of eliminated columns as rows (none for truly free columns)."""
    gone = np.ones(len(program.columns), dtype=bool)
    gone[elimination.kept] = False
    gone &= np.isfinite(program.lb) | np.isfinite(program.ub)
    index = np.flatnonzero(gone)
    if not len(index):
        return A, lo, hi
    m0 = elimination.m0[index]
    return (
        sp.vstack([A, elimination.M[index]], format="csr"),
        np.concatenate([lo, program.lb[index] - m0]),
        np.concatenate([hi, program.ub[index] - m0]),
    )


def _without_empty_rows(program: Program) -> Program:
    filled = np.diff(program.A.indptr) > 0
    violated = ~filled & ((program.lo > MILP_FEASIBILITY) | (program.hi < -MILP_FEASIBILITY))
    filled |= violated  # an empty row that cannot hold stays: the solver then reports infeasible
    program.A, program.lo, program.hi = program.A[filled], program.lo[filled], program.hi[filled]
    program.rows = [r for r, f in zip(program.rows, filled, strict=True) if f]
    return program
