"""Identities of KKT points that make a nonconvex objective convex, or linear, before any branching.

At every KKT point  z_j (row_i z - b_i) = 0  for each equality row i and column j, and
mu_k s_k = 0  for each pair k. Multiples of these products may be added to the objective. With N a
basis of the null space of all equality rows (stationarity, balances, upper equalities), the first
kind vanishes on  z = z0 + N w,  so that the objective is convex on the feasible set if

    W(t) = N' (H + sum_k t_k (e_mu_k S_k' + S_k e_mu_k')) N   is positive semidefinite

for some weights t of any sign (H the Hessian, s_k = S_k z + s0_k); t_k s0_k mu_k joins the linear
cost. Strong duality is the case of one weight for all pairs. No pattern is looked for: weights are
tried in the order zero, one value for all pairs, those of a linear program that cancels every
product with a multiplier, those of a semidefinite program; the first convex one is taken, else the
one with the least negative curvature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.linalg import null_space

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.components import blocks_of, component_labels, groups_by_label
from pyomo_dlmp.numerics.curvature import semidefinite_weights
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.pairs import OFF, TIGHT, PairProgram
from pyomo_dlmp.numerics.scaling import scaled
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import CONVEX, ENTRY, FLAT, RANK

_LARGE = 900  # columns of a connected part beyond which its null space is not computed
_MOST = 1e4  # greatest weight, in units of the objective's greatest coefficient
_FLOOR = 0.001  # share of the Hessian below which curvature is compared with the Hessian itself
_VALUES = 6  # different coefficients that are tried as one weight for all pairs


@dataclass
class Convexified:
    """A program whose objective was rewritten.

    Attributes
    ----------
    problem
        The same feasible set; its objective has the same value at every KKT point.
    weights
        t of each pair of the scaled program, shape (K,).
    convex
        Whether the new objective is convex on the feasible set.
    parts
        Connected parts that were rewritten.
    """

    problem: PairProgram
    weights: np.ndarray
    convex: bool
    parts: int


def convexify(problem: PairProgram) -> Convexified:
    """Rewrite a nonconvex objective by the identities; see the module's text.

    Parameters
    ----------
    problem
        With any quadratic objective.

    Returns
    -------
    Convexified
    """
    own = problem.program
    if _least_of(own.Q) >= -CONVEX:
        return Convexified(problem, np.zeros(len(problem.pairs)), True, 0)
    small, scale = scaled(problem)  # entries near one: what is zero is told from what is small
    program = small.program
    weights, convex, parts = np.zeros(len(problem.pairs)), True, 0
    c, Q, constant = program.c.copy(), program.Q, program.constant
    S, s0 = small.slack_rows()
    for part in _parts(small, S, s0):
        if _least(part.H) >= -CONVEX:
            continue
        parts += 1
        if len(part.columns) > _LARGE:
            convex = False
            continue
        found = part.best()
        convex &= found.convex
        if not found.convex:
            continue  # its own products, which have few factors, are the better form
        weights[part.pairs] = found.t
        Q = (Q + part.change(found, Q.shape[0])).tocsr()
        c[part.columns] += found.slope
        constant += found.constant
    if not parts:
        return Convexified(problem, weights, True, 0)
    Q.data[np.abs(Q.data) < ENTRY * max(1.0, np.abs(Q.data).max(initial=0.0))] = 0.0
    Q.eliminate_zeros()
    back = sp.diags(1.0 / scale)
    new = replace(problem, program=replace(
        own, c=c / scale, Q=(back @ Q @ back).tocsr(), constant=constant))
    return Convexified(new, weights, convex, parts)


@dataclass
class _Found:
    """Weights of a part, and its objective as 1/2 z'Fz + slope'z + constant on the feasible set."""

    t: np.ndarray
    F: np.ndarray
    slope: np.ndarray
    constant: float
    convex: bool


@dataclass
class _Part:
    """Columns that the equality rows, the pairs and the objective's products connect."""

    columns: np.ndarray
    pairs: np.ndarray
    H: np.ndarray
    E: np.ndarray
    right: np.ndarray
    S: np.ndarray
    s0: np.ndarray
    mu: np.ndarray  # position of each pair's multiplier among the columns
    is_dual: np.ndarray  # mask of the columns that are multipliers or duals of equality rows

    def change(self, found: _Found, n: int) -> sp.csr_matrix:
        """What is added to Q, shape (n, n)."""
        D = sp.coo_matrix(found.F - self.H)
        return sp.csr_matrix((D.data, (self.columns[D.row], self.columns[D.col])), shape=(n, n))

    def best(self) -> _Found:
        """The first weights that are convex on the hull, else those that are least concave."""
        N = null_space(self.E, rcond=RANK) if len(self.E) else np.eye(len(self.columns))
        z0 = (np.linalg.lstsq(self.E, self.right, rcond=RANK)[0] if len(self.E)
              else np.zeros(len(self.columns)))
        least, chosen = -np.inf, np.zeros(len(self.pairs))
        scale = max(np.abs(self.H).max(), ENTRY)
        for t in self._candidates(N):
            limits.check()
            if np.abs(t).max(initial=0.0) > _MOST * scale:
                continue  # rounding would be as large as the objective
            value = _least(N.T @ self.hessian(t) @ N, _FLOOR * scale)
            if value > least + CONVEX:
                least, chosen = value, t
            if least >= -CONVEX:
                break
        return self._found(chosen, N, z0, least >= -CONVEX)

    def hessian(self, t: np.ndarray) -> np.ndarray:
        """H + sum_k t_k (e_mu S_k' + S_k e_mu')."""
        W = self.H.copy()
        for k in np.flatnonzero(t):
            W[self.mu[k]] += t[k] * self.S[k]
            W[:, self.mu[k]] += t[k] * self.S[k]
        return W

    def _candidates(self, N: np.ndarray) -> Iterator[np.ndarray]:
        count = len(self.pairs)
        yield np.zeros(count)
        if not count:
            return
        values = np.unique(np.round(np.abs(self.H[self.H != 0.0]), 9))
        for value in values[:_VALUES]:
            yield np.full(count, value)
            yield np.full(count, -value)
        inner = self._dual_directions()
        yield self._flat(N, N, np.zeros(count))
        t = self._cancelling(inner, N)
        if t is None:
            return
        yield t
        t = semidefinite_weights(self, t, inner, N)
        if t is not None:
            yield self._on_its_face(t, N)
            yield t

    def _flat(self, V: np.ndarray, N: np.ndarray, t: np.ndarray) -> np.ndarray:
        """The weights nearest to t with V'W N = 0, as nearly as it can be."""
        equations = (np.einsum("pi,pj->pij", V[self.mu], self.S @ N)
                     + np.einsum("pi,pj->pij", self.S @ V, N[self.mu]))
        equations[np.abs(equations) <= RANK] = 0.0  # rounding, where a multiplier cannot move
        right = -(V.T @ self.hessian(t) @ N).ravel()
        step = np.linalg.lstsq(equations.reshape(len(t), -1).T, right, rcond=RANK)[0]
        return t + np.where(np.abs(step) > ENTRY, step, 0.0)

    def _on_its_face(self, t: np.ndarray, N: np.ndarray) -> np.ndarray:
        """Weights of a semidefinite program, moved so that what is nearly flat is flat."""
        W = N.T @ self.hessian(t) @ N
        d, V = np.linalg.eigh(W)
        near = np.abs(d) <= FLAT * max(1.0, np.abs(d).max(initial=0.0))
        return self._flat(N @ V[:, near], N, t) if near.any() else t

    def _dual_directions(self) -> np.ndarray:
        """Basis of the directions of the null space along which only duals move."""
        duals = np.flatnonzero(self.is_dual)
        basis = np.zeros((len(self.columns), 0))
        if len(duals):
            own = null_space(self.E[:, duals], rcond=RANK) if len(self.E) else np.eye(len(duals))
            basis = np.zeros((len(self.columns), own.shape[1]))
            basis[duals] = own
        return basis

    def _cancelling(self, inner: np.ndarray, N: np.ndarray) -> np.ndarray | None:
        """Smallest weights with which the objective has no product with a dual direction.

        Along those its curvature is zero whatever the weights are, so this is necessary for a
        convex one: ``inner' W(t) N = 0``, linear in t.
        """
        count = len(self.pairs)
        if not inner.shape[1]:
            return np.zeros(count)
        right = -(inner.T @ self.H @ N).ravel()
        # inner'(e_mu S_k' + S_k e_mu') N, where the slacks do not move along dual directions
        columns = (inner[self.mu][:, :, None] * (self.S @ N)[:, None, :]).reshape(count, -1).T
        scale = max(np.abs(right).max(initial=0.0), ENTRY)
        used = np.abs(columns).max(axis=1, initial=0.0) > RANK
        if np.abs(right[~used]).max(initial=0.0) > RANK * scale:
            return None
        A = sp.csr_matrix(np.where(np.abs(columns[used]) > RANK, columns[used], 0.0))
        room = RANK * scale
        answer = Highs(np.ones(2 * count), sp.hstack([A, -A], format="csr"), right[used] - room,
                       right[used] + room, np.zeros(2 * count),
                       np.full(2 * count, np.inf)).solve_lp()
        if answer.status != Status.OPTIMAL or answer.z is None:
            return None
        t = answer.z[:count] - answer.z[count:]
        # exact to rounding on the support that the LP has found
        support = np.flatnonzero(np.abs(t) > RANK * max(1.0, np.abs(t).max(initial=0.0)))
        exact = np.zeros(count)
        exact[support] = np.linalg.lstsq(
            A[:, support].toarray(), right[used], rcond=RANK)[0] if len(support) else 0.0
        return exact

    def _found(self, t: np.ndarray, N: np.ndarray, z0: np.ndarray, convex: bool) -> _Found:
        """The objective on the feasible set, its curvature along the null space only."""
        W = self.hessian(t)
        inner = N.T @ W @ N
        d, V = np.linalg.eigh(0.5 * (inner + inner.T)) if len(inner) else (
            np.empty(0), np.empty((0, 0)))
        floor = _FLOOR * max(np.abs(self.H).max(), ENTRY)
        keep = np.abs(d) > CONVEX * max(np.abs(d).max(initial=0.0), floor)
        if convex:
            keep &= d > 0.0
        forms = N @ V[:, keep]
        F = (forms * d[keep]) @ forms.T
        # 1/2 (z0 + N w)'W(z0 + N w) + (t s0)'mu,  with  N w = N N'(z - z0) and N'z0 = 0
        slope = N @ (N.T @ (W @ z0))
        slope[np.abs(slope) < ENTRY * max(1.0, np.abs(slope).max(initial=0.0))] = 0.0
        np.add.at(slope, self.mu, t * self.s0)
        return _Found(t, F, slope, 0.5 * float(z0 @ W @ z0), convex)


def _least(W: np.ndarray, floor: float = ENTRY) -> float:
    """Least eigenvalue of a symmetric matrix, relative to its greatest entry or `floor`.

    On the feasible set curvature may be far smaller than the Hessian that it comes from; below the
    floor it is the Hessian's rounding.
    """
    if not W.size:
        return 0.0
    return float(np.linalg.eigvalsh(0.5 * (W + W.T))[0]) / max(np.abs(W).max(), floor)


def _least_of(Q: sp.csr_matrix) -> float:
    """Least eigenvalue of a symmetric matrix, block by block, each relative to its size."""
    return min((_least(Q[block][:, block].toarray()) for block in blocks_of(Q)), default=0.0)


def _parts(problem: PairProgram, S: sp.csr_matrix, s0: np.ndarray) -> Iterator[_Part]:
    """The connected parts in which the objective has products."""
    program, pairs = problem.program, problem.pairs
    n = len(program.c)
    mu_of = sp.csr_matrix(
        (np.ones(len(pairs)), (np.arange(len(pairs)), pairs.mu)), shape=(len(pairs), n))
    for first in (0, problem.upper_rows):  # fewer equalities are allowed, and make smaller parts
        E, right = _equalities(problem, S, s0, first)
        labels, _ = component_labels(sp.vstack([abs(E), abs(S) + mu_of], format="csr"), program.Q)
        if np.bincount(labels).max() <= _LARGE:
            break
    of_row = np.array([labels[E.indices[E.indptr[i]]] for i in range(E.shape[0])], dtype=int)
    rows = groups_by_label(of_row)
    members = groups_by_label(labels)
    own_pairs = groups_by_label(labels[pairs.mu]) if len(pairs) else {}
    none = np.empty(0, dtype=int)
    for label in np.unique(labels[np.unique(program.Q.indices)]):
        columns = members[label]
        mine, k = rows.get(label, none), own_pairs.get(label, none)
        place = np.full(n, -1)
        place[columns] = np.arange(len(columns))
        small = len(columns) <= _LARGE
        yield _Part(
            columns, k, program.Q[columns][:, columns].toarray(),
            E[mine][:, columns].toarray() if small else np.empty((0, len(columns))), right[mine],
            S[k][:, columns].toarray() if small else np.empty((len(k), 0)),
            s0[k], place[pairs.mu[k]], problem.is_dual[columns])


def _equalities(problem: PairProgram, S: sp.csr_matrix, s0: np.ndarray,
                first: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """(E, right): what holds as an equality: rows from `first` on, fixed columns, fixed pairs."""
    program, pairs, state = problem.program, problem.pairs, problem.state
    n = len(program.c)
    rows = np.flatnonzero((program.lo == program.hi) & (np.diff(program.A.indptr) > 0))
    rows = rows[(rows >= first) & ~np.isin(rows, list(problem.quadratic_rows))]
    tight = np.flatnonzero(state == TIGHT)
    tight = tight[np.diff(S.indptr)[tight] > 0]
    fixed = np.unique(np.concatenate([
        np.flatnonzero(program.lb == program.ub), pairs.mu[state == OFF]])).astype(int)
    unit = sp.csr_matrix((np.ones(len(fixed)), (np.arange(len(fixed)), fixed)),
                         shape=(len(fixed), n))
    value = np.where(program.lb[fixed] == program.ub[fixed], program.lb[fixed], 0.0)
    E = sp.vstack([program.A[rows], S[tight], unit], format="csr")
    right = np.concatenate([program.lo[rows], -s0[tight], value])
    scale = np.asarray(abs(E).max(axis=1).todense()).ravel() if E.shape[0] else np.ones(0)
    return (sp.diags(1.0 / np.maximum(scale, ENTRY)) @ E).tocsr(), right / np.maximum(scale, ENTRY)


