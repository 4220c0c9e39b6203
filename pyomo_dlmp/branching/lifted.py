"""Products of a `PairProgram` as columns, so that every relaxation is linear but for a convex cost.

A cost or row that is not convex is taken apart into products of two columns: those with a dual of
a lower level as they stand, the rest as squares ``1/2 d_k (f_k'z)^2`` along the eigenvectors of its
blocks. Each product w = a b has a column w within its McCormick envelope over the ranges of a and b
in a node (McCormick, Math. Prog. 10 (1976)), as far as these are finite:

    w >= la b + lb a - la lb,   w >= ua b + ub a - ua ub,
    w <= la b + ub a - la ub,   w <= ua b + lb a - ua lb

For a square these are its tangents at the ends and its secant. Dividing ranges makes them exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.branching.limits import Limits
from pyomo_dlmp.numerics.components import blocks_of
from pyomo_dlmp.numerics.pairs import PairProgram
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.tolerances import CONVEX, ENTRY, ROUNDING

CORNERS = 4  # rows of an envelope
_SMALL = 10.0 * ROUNDING


@dataclass
class Lifted:
    """A program whose products have columns; K products.

    Attributes
    ----------
    problem
        Over the original columns, then forms of squares, then w; its Q is positive semidefinite and
        its quadratic rows are linear in w.
    original
        The program before.
    a, b, w
        Columns of the factors (equal for a square) and of the products, shape (K,).
    below, above
        Whether w must be kept from below, from above, shape (K,).
    first_row
        Row of the first envelope; those of product k begin at ``first_row + CORNERS k``.
    weight
        What an error of w costs, or moves in a row, shape (K,).
    """

    problem: PairProgram
    original: PairProgram
    a: np.ndarray
    b: np.ndarray
    w: np.ndarray
    below: np.ndarray
    above: np.ndarray
    first_row: int
    weight: np.ndarray

    @property
    def n(self) -> int:
        """Number of original columns."""
        return len(self.original.program.c)

    def error(self, z: np.ndarray) -> np.ndarray:
        """How far each w is from its product, on the side that matters, shape (K,)."""
        gap = z[self.w] - z[self.a] * z[self.b]
        return np.where(self.above, np.maximum(gap, 0.0), 0.0) + np.where(
            self.below, np.maximum(-gap, 0.0), 0.0)

    def size(self, z: np.ndarray) -> np.ndarray:
        """What errors are compared with: 1 + a^2 + b^2 of each product, shape (K,)."""
        return 1.0 + z[self.a] ** 2 + z[self.b] ** 2

    def tangents(self, k: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, sp.csr_matrix]:
        """(lo, A) of the rows  A z >= lo  that are tangents of squares k at points `at`."""
        i = np.arange(len(k))
        A = sp.coo_matrix(
            (np.concatenate([np.ones(len(k)), -2.0 * at]),
             (np.concatenate([i, i]), np.concatenate([self.w[k], self.a[k]]))),
            shape=(len(k), len(self.problem.program.c))).tocsr()
        return -at**2, A

    def envelopes(self, limits: Limits) -> tuple[np.ndarray, ...]:
        """Envelopes over the ranges of a node.

        Parameters
        ----------
        limits
            Of the node.

        Returns
        -------
        tuple
            (coefficient of a, coefficient of b, lo, hi), shapes (K, CORNERS); a corner with an
            infinite end has zero coefficients and infinite limits. For a square both coefficients
            add up.
        """
        la, ua, lb, ub = (v[c] for c in (self.a, self.b) for v in (limits.lb, limits.ub))
        # an entry that HiGHS drops as small would leave its right-hand side alone: a little wider
        la, lb = (np.where(np.abs(low) < _SMALL, np.where(low < 0.0, -_SMALL, 0.0), low)
                  for low in (la, lb))
        ua, ub = (np.where(np.abs(high) < _SMALL, np.where(high > 0.0, _SMALL, 0.0), high)
                  for high in (ua, ub))
        # a corner (alpha, beta):  w - beta a - alpha b  >= or <=  - alpha beta
        alpha = np.column_stack([la, ua, la, ua])
        beta = np.column_stack([lb, ub, ub, lb])
        # where a factor is a point the other's end does not matter
        point_a, point_b = _points(la, ua), _points(lb, ub)
        alpha = np.where(point_b[:, None] & ~np.isfinite(alpha), 0.0, alpha)
        beta = np.where(point_a[:, None] & ~np.isfinite(beta), 0.0, beta)
        known = np.isfinite(alpha) & np.isfinite(beta)
        known[:, :2] &= self.below[:, None]
        known[:, 2:] &= self.above[:, None]
        alpha, beta = np.where(known, alpha, 0.0), np.where(known, beta, 0.0)
        right = -alpha * beta
        lo = np.where(known, right, -np.inf)
        hi = np.where(known, right, np.inf)
        lo[:, 2:], hi[:, :2] = -np.inf, np.inf
        return -beta, -alpha, lo, hi


def _points(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Mask of the ranges that are one point to rounding."""
    known = np.isfinite(low) & np.isfinite(high)
    width = np.where(known, high, 0.0) - np.where(known, low, 0.0)
    return known & (width <= 4.0 * ROUNDING * (1.0 + np.abs(np.where(known, low, 0.0))))


def squares_of(Q: sp.csr_matrix) -> tuple[np.ndarray, sp.csr_matrix]:
    """(d, F): 1/2 z'Qz = sum_k 1/2 d_k (F_k z)^2, by eigenvectors of Q's connected blocks."""
    d_all, rows = [], []
    n = Q.shape[0]
    for members in blocks_of(Q):
        d, vectors = np.linalg.eigh(Q[members][:, members].toarray())
        for k in np.flatnonzero(np.abs(d) > CONVEX * np.abs(d).max(initial=0.0)):
            vector = np.where(np.abs(vectors[:, k]) < ENTRY, 0.0, vectors[:, k])
            d_all.append(d[k])
            rows.append(sp.csr_matrix(
                (vector, (np.zeros(len(members), int), members)), shape=(1, n)))
    if not rows:
        return np.empty(0), sp.csr_matrix((0, n))
    return np.array(d_all), sp.vstack(rows, format="csr")


class _Products:
    """Collects products, each once."""

    def __init__(self, problem: PairProgram):
        self.problem, self.n = problem, len(problem.program.c)
        self.forms: list[sp.csr_matrix] = []
        self.number: dict[tuple[int, int], int] = {}
        self.below: list[bool] = []
        self.above: list[bool] = []

    def add(self, a: int, b: int, below: bool, above: bool) -> int:
        """Number of the product of two columns; forms have the numbers from n on."""
        k = self.number.setdefault((min(a, b), max(a, b)), len(self.number))
        if k == len(self.below):
            self.below.append(False)
            self.above.append(False)
        self.below[k] |= below
        self.above[k] |= above
        return k

    def apart(self, Q: sp.csr_matrix, low: bool, high: bool,
              keep_convex: bool) -> tuple[sp.csr_matrix, list[tuple[int, float]]]:
        """A quadratic form as (what stays, [(number of a product, coefficient)]).

        `low`, `high`: whether the form is limited from below, from above (a cost: from above).
        """
        terms = []
        rest = Q.tolil()
        for i, j, v in self._by_themselves(Q, keep_convex):
            terms.append((self._signed(i, j, v, low, high), v if i != j else 0.5 * v))
            rest[i, j] = rest[j, i] = 0.0
        rest = rest.tocsr()
        rest.eliminate_zeros()
        d, F = squares_of(rest)
        if keep_convex and not (d < 0.0).any():
            return rest, terms
        stays = (F[d > 0].T @ sp.diags(d[d > 0]) @ F[d > 0]).tocsr() if keep_convex else (
            sp.csr_matrix(Q.shape))
        for k in np.flatnonzero((d < 0.0) | (not keep_convex)):
            form = self.n + len(self.forms)
            self.forms.append(F[k])
            terms.append((self._signed(form, form, d[k], low, high), 0.5 * float(d[k])))
        return stays, terms

    def _by_themselves(self, Q: sp.csr_matrix,
                       keep_convex: bool) -> Iterator[tuple[int, int, float]]:
        """Entries (i, j, value), i <= j, that are products of columns as they stand.

        Those with a dual, whose range may have one end only; and all of a block that is not convex
        and has few: a product is exact as soon as one factor is at its bound, a square along an
        eigenvector is not.
        """
        dual = self.problem.is_dual
        for members in blocks_of(Q):
            block = Q[members][:, members].toarray()
            least = np.linalg.eigvalsh(block)[0]
            if keep_convex and least >= -CONVEX * np.abs(block).max():
                continue
            few = np.count_nonzero(np.triu(block, 1)) <= 2 * len(members)
            for a, b in zip(*np.nonzero(np.triu(block)), strict=True):
                i, j, v = int(members[a]), int(members[b]), float(block[a, b])
                if (i != j and (few or dual[i] or dual[j])) or (i == j and few and v < 0.0):
                    yield i, j, v

    def _signed(self, a: int, b: int, coef: float, low: bool, high: bool) -> int:
        return self.add(a, b, (high and coef > 0) or (low and coef < 0),
                        (high and coef < 0) or (low and coef > 0))


def lift(problem: PairProgram) -> Lifted:
    """Give columns to the products that keep relaxations from being convex.

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
    products = _Products(problem)
    d = squares_of(program.Q)[0]
    P, cost = (program.Q, []) if not (d < -ROUNDING * np.abs(d).max(initial=0.0)).any() else (
        products.apart(program.Q, False, True, True))
    entries = []
    for row, Q in problem.quadratic_rows.items():
        _, terms = products.apart(
            Q, bool(np.isfinite(program.lo[row])), bool(np.isfinite(program.hi[row])), False)
        entries += [(row, k, coef) for k, coef in terms]
    K, f = len(products.number), len(products.forms)
    forms = sp.vstack([*products.forms, sp.csr_matrix((0, n))], format="csr")
    i, j, v = (np.array([e[k] for e in entries], dtype=float) for k in range(3))
    in_rows = sp.coo_matrix((v, (i.astype(int), j.astype(int))), shape=(m, K)).tocsr()
    # the rows of the envelopes hold w; coefficients of the factors come with each node
    corner = sp.coo_matrix(
        (np.ones(CORNERS * K), (np.arange(CORNERS * K), np.repeat(np.arange(K), CORNERS))),
        shape=(CORNERS * K, K))
    A = sp.bmat([[program.A, sp.csr_matrix((m, f)), in_rows],
                 [forms, -sp.identity(f), sp.csr_matrix((f, K))],
                 [sp.csr_matrix((CORNERS * K, n)), sp.csr_matrix((CORNERS * K, f)), corner]],
                format="csr") if K else program.A
    w_cost = np.zeros(K)
    for k, coef in cost:
        w_cost[k] += coef
    free, zero = np.full(f + K, np.inf), np.zeros(f)
    lifted = Program(
        A=A, lo=np.concatenate([program.lo, zero, np.full(CORNERS * K, -np.inf)]),
        hi=np.concatenate([program.hi, zero, np.full(CORNERS * K, np.inf)]),
        lb=np.concatenate([program.lb, -free]), ub=np.concatenate([program.ub, free]),
        c=np.concatenate([program.c, zero, w_cost]),
        Q=sp.block_diag([P, sp.csr_matrix((f + K, f + K))], format="csr") if K else P,
        constant=program.constant,
        integer=np.concatenate([program.integer, np.zeros(f + K, bool)]), sign=program.sign)
    factors = np.array(list(products.number), dtype=int).reshape(K, 2)
    weight = np.abs(w_cost) + np.asarray(abs(in_rows).max(axis=0).todense()).ravel() if m else (
        np.abs(w_cost))
    return Lifted(
        replace(problem, program=lifted, quadratic_rows={}), problem, factors[:, 0], factors[:, 1],
        n + f + np.arange(K), np.array(products.below, dtype=bool),
        np.array(products.above, dtype=bool), m + f, weight)
