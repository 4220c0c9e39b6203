"""Squares of a `PairProgram` as columns, so that every relaxation is linear but for a convex cost.

A quadratic form is a sum of squares, ``1/2 z'Qz = sum_k 1/2 d_k v_k^2`` with ``v_k = f_k'z`` along
its eigenvectors. Each square that a cost or a row would have the wrong way gets two columns, v_k
and s_k, with

    s_k <= (l + u) v_k - l u       (secant over the range l <= v_k <= u of a node),
    s_k >= 2 a v_k - a^2           (tangents at points a, added where a point needs them)

so that dividing the range of v_k makes the relaxation exact. Convex terms of the cost stay as they
are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.components import blocks_of
from pyomo_dlmp.numerics.pairs import PairProgram
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.tolerances import CONVEX, ENTRY


@dataclass
class Lifted:
    """A program whose squares have columns; K squares.

    Attributes
    ----------
    problem
        Over the original columns, then v, then s; its Q is positive semidefinite and its quadratic
        rows are linear in s.
    original
        The program before.
    v, s
        Columns of the squares, shape (K,).
    below, above
        Whether s must be kept from below (tangents), from above (secant), shape (K,).
    secant_row
        Row of each secant, shape (K,).
    weight
        What an error of s costs, or moves in a row: its greatest coefficient, shape (K,).
    """

    problem: PairProgram
    original: PairProgram
    v: np.ndarray
    s: np.ndarray
    below: np.ndarray
    above: np.ndarray
    secant_row: np.ndarray
    weight: np.ndarray

    @property
    def n(self) -> int:
        """Number of original columns."""
        return len(self.original.program.c)

    def error(self, z: np.ndarray) -> np.ndarray:
        """How far each s is from the square of its v, on the side that matters, shape (K,)."""
        gap = z[self.s] - z[self.v] ** 2
        return np.where(self.above, np.maximum(gap, 0.0), 0.0) + np.where(
            self.below, np.maximum(-gap, 0.0), 0.0)

    def tangents(self, k: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, sp.csr_matrix]:
        """(lo, A) of the rows  A z >= lo  that are tangents of squares k at points `at`."""
        i = np.arange(len(k))
        A = sp.coo_matrix(
            (np.concatenate([np.ones(len(k)), -2.0 * at]),
             (np.concatenate([i, i]), np.concatenate([self.s[k], self.v[k]]))),
            shape=(len(k), len(self.problem.program.c))).tocsr()
        return -at**2, A


def squares_of(Q: sp.csr_matrix) -> tuple[np.ndarray, sp.csr_matrix]:
    """(d, F): 1/2 z'Qz = sum_k 1/2 d_k (F_k z)^2, by eigenvectors of Q's connected blocks."""
    d_all, rows = [], []
    n = Q.shape[0]
    for members in blocks_of(Q):
        d, vectors = np.linalg.eigh(Q[members][:, members].toarray())
        keep = np.abs(d) > CONVEX * np.abs(d).max(initial=0.0)
        for k in np.flatnonzero(keep):
            vector = np.where(np.abs(vectors[:, k]) < ENTRY, 0.0, vectors[:, k])
            d_all.append(d[k])
            rows.append(sp.csr_matrix(
                (vector, (np.zeros(len(members), int), members)), shape=(1, n)))
    if not rows:
        return np.empty(0), sp.csr_matrix((0, n))
    return np.array(d_all), sp.vstack(rows, format="csr")


def lift(problem: PairProgram) -> Lifted:
    """Give columns to the squares that keep relaxations from being convex.

    Parameters
    ----------
    problem
        With any quadratic cost and rows.

    Returns
    -------
    Lifted
    """
    program = problem.program
    n, m = len(program.c), program.A.shape[0]
    d, F = squares_of(program.Q)
    concave = d < 0.0
    forms, cost = [F[concave]], [0.5 * d[concave]]
    below, above = [np.zeros(concave.sum(), bool)], [np.ones(concave.sum(), bool)]
    P = program.Q if not concave.any() else (
        F[~concave].T @ sp.diags(d[~concave]) @ F[~concave]).tocsr()
    entries, count = [], int(concave.sum())
    for row, Q in problem.quadratic_rows.items():
        e, G = squares_of(Q)
        entries.append((np.full(len(e), row), count + np.arange(len(e)), 0.5 * e))
        count += len(e)
        up, down = np.isfinite(program.hi[row]), np.isfinite(program.lo[row])
        forms.append(G)
        cost.append(np.zeros(len(e)))
        below.append((up & (e > 0)) | (down & (e < 0)))
        above.append((up & (e < 0)) | (down & (e > 0)))
    forms_all = sp.vstack(forms, format="csr")
    K = forms_all.shape[0]
    i, j, value = (np.concatenate([e[k] for e in entries]) if entries else np.empty(0)
                   for k in range(3))
    in_rows = sp.coo_matrix((value, (i.astype(int), j.astype(int))), shape=(m, K))
    eye, none = sp.identity(K, format="csr"), sp.csr_matrix((m, K))
    A = sp.bmat([[program.A, none, in_rows], [forms_all, -eye, None],
                 [sp.csr_matrix((K, n)), None, eye]], format="csr") if K else program.A
    zero, infinite = np.zeros(K), np.full(K, np.inf)
    lifted = Program(
        A=A, lo=np.concatenate([program.lo, zero, -infinite]),
        hi=np.concatenate([program.hi, zero, infinite]),
        lb=np.concatenate([program.lb, -infinite, zero]),
        ub=np.concatenate([program.ub, infinite, infinite]),
        c=np.concatenate([program.c, zero, *cost]),
        Q=sp.block_diag([P, sp.csr_matrix((2 * K, 2 * K))], format="csr") if K else P,
        constant=program.constant, integer=np.concatenate([program.integer, np.zeros(2 * K, bool)]),
        sign=program.sign)
    return Lifted(
        replace(problem, program=lifted, quadratic_rows={}), problem, n + np.arange(K),
        n + K + np.arange(K), np.concatenate(below), np.concatenate(above), m + K + np.arange(K),
        np.abs(np.concatenate(cost)) + np.asarray(abs(in_rows).max(axis=0).todense()).ravel()
        if K else zero)
