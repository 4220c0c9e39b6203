"""One independent component of a lower level at given upper decisions: a QP, solved exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import lsq_linear

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.clarabel import solve_qp
from pyomo_dlmp.numerics.few_limits import by_few_limits
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.status import NO_POINT, Status
from pyomo_dlmp.tolerances import ACTIVE, ENTRY, EXACT_FEASIBILITY, MULTIPLIER, POLISHED, ROW_HOLDS

_FITTED = 300  # columns up to which multipliers are fitted to a point by dense least squares
FEW = 600  # columns up to which a polish with dense matrices costs little
LARGE = 4000  # columns of a QP beyond which an interior-point method solves it, sparse
_UNITS = 30_000.0  # of work for a run of HiGHS on an LP
_UNITS_QP = 500.0  # and on a QP, where it may go round in circles
_STEEP = 1e5  # greatest cost by least curvature, beyond which HiGHS is not first
_SMALL = 1e5  # entries of a dense matrix that takes no time
_BEYOND = 10 * MULTIPLIER  # multipliers that are not zero by rounding, as a share of the cost
_VERTEX = POLISHED / 100  # residual of an LP's vertex, which a polish cannot better


Point = tuple[np.ndarray, np.ndarray, np.ndarray]  # values, row multipliers, reduced costs


@dataclass
class ConvexQp:
    """Minimise  c'v + 1/2 v'Qv  over rows and bounds; n columns, m rows.

    Attributes
    ----------
    Q, c
        Objective, shapes (n, n) and (n,); Q positive semidefinite.
    A, right, equalities
        The first `equalities` rows read A v == right, the others A v >= right; shapes (m, n), (m,).
    lb, ub
        Bounds, infinite where there is none, shape (n,).
    start
        A guess of v, or None.
    """

    Q: sp.csr_matrix
    c: np.ndarray
    A: sp.csr_matrix
    right: np.ndarray
    equalities: int
    lb: np.ndarray
    ub: np.ndarray
    start: np.ndarray | None = None

    def restrict(self, columns: np.ndarray, rows: np.ndarray) -> ConvexQp:
        """The QP of some columns and rows alone (their numbers, ascending)."""
        return ConvexQp(
            self.Q[columns][:, columns], self.c[columns], self.A[rows][:, columns],
            self.right[rows], int((rows < self.equalities).sum()), self.lb[columns],
            self.ub[columns], None if self.start is None else self.start[columns])

    def solve(self, like: Point | None = None) -> Point:
        """Solve to a polished KKT point: HiGHS first, other methods where that is inexact.

        Where costs are far greater than the curvature, HiGHS may not return: there Clarabel is
        first.

        Parameters
        ----------
        like
            The point of a QP of the same shape and other numbers: where its active set still gives
            a KKT point, and one that is unique with its multipliers, that is the answer.

        Returns
        -------
        tuple
            (v, row multipliers, reduced costs), shapes (n,), (m,), (n,); multipliers of >= rows are
            >= 0, reduced costs >= 0 at a lower and <= 0 at an upper bound.

        Raises
        ------
        SolverError
            It is infeasible or unbounded, or no solver found a point.
        """
        if like is not None and len(self.c) <= FEW and self.Q.nnz:
            found = self._polish(like)
            if self._is_sure(*found):
                return found
        return self._solve()

    def _solve(self) -> Point:
        if len(self.c) > LARGE:
            found = by_few_limits(self)
            if found is None:
                found = self._clarabel() if self.Q.nnz else None
            return found if found is not None else self._highs_or_fail()
        best = None
        first: list[Callable[[], Any]] = [self._highs, self._interior]
        diagonal = self.Q.diagonal()
        if np.abs(self.c).max(initial=0.0) > _STEEP * diagonal[diagonal > 0].min(initial=np.inf):
            first.reverse()
        for attempt in (*first, self._outer):
            found = attempt()
            if found is None:
                continue
            if not self.Q.nnz and self._error(*found) < _VERTEX:
                return found  # a vertex of an LP: a polish has nothing to add
            for look in (self._polish, self._polish_by_size, lambda it: it):
                if best is not None and best[0] < POLISHED:
                    break
                candidate = look(found)
                if candidate is None:
                    continue
                error = self._error(*candidate)
                if best is None or error < best[0]:
                    best = (error, candidate)
            if best is not None and best[0] < POLISHED:
                break
        if best is not None and best[0] > ROW_HOLDS and len(self.c) <= _FITTED:
            fitted = self._with_fitted_duals(best[1][0])
            best = min(best, (self._error(*fitted), fitted), key=lambda found: found[0])
        if best is None:
            raise SolverError.at("lower level", "could not be solved by HiGHS",
                                 "Check that it is feasible and bounded.")
        return best[1]

    def _is_sure(self, v, dual, rho) -> bool:
        """Whether a point is optimal, and no other point or multipliers are.

        It is where each row and bound that holds with equality has a multiplier beyond rounding,
        and the KKT equations of these are regular.
        """
        if self._error(v, dual, rho) >= POLISHED:
            return False
        scale = 1 + np.abs(self.c).max(initial=0)
        inequality = np.arange(len(self.right)) >= self.equalities
        tight = inequality & (self.A @ v - self.right < ACTIVE)
        low, high = v - self.lb < ACTIVE, self.ub - v < ACTIVE
        if (low & high).any() or min(
                dual[tight].min(initial=np.inf), rho[low].min(initial=np.inf),
                -rho[high].max(initial=-np.inf)) <= _BEYOND * scale:
            return False
        inner, rows = np.flatnonzero(~(low | high)), np.flatnonzero(tight | ~inequality)
        N = self._dense_rows(rows)[:, inner]
        Q = self.Q.toarray()[np.ix_(inner, inner)]
        system = np.block([[Q, N.T], [N, np.zeros((len(rows), len(rows)))]])
        size = np.abs(np.linalg.eigvalsh(system))
        return bool(size.min(initial=np.inf) > ENTRY * size.max(initial=0.0))

    def solve_sparse(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """As `solve`, without dense matrices where there are many columns; None if inexact."""
        if len(self.c) <= FEW:
            return self.solve()
        return self._clarabel() if self.Q.nnz else self._highs_or_fail()

    def _interior(self):
        """The interior-point solution, to be polished; for QPs that the others solve inexactly."""
        if not self.Q.nnz:
            return None
        return solve_qp(self.Q, self.c, self.A, self.right, self.equalities, self.lb, self.ub)

    def _clarabel(self):
        """The interior-point solution, if it is accurate."""
        found = solve_qp(self.Q, self.c, self.A, self.right, self.equalities, self.lb, self.ub)
        return None if found is None or self._error(*found) > ROW_HOLDS else found

    def _highs_or_fail(self):
        found = self._highs()
        if found is None:
            raise SolverError.at("lower level", "could not be solved by HiGHS",
                                 "Check that it is feasible and bounded.")
        return found

    def _row_upper(self) -> np.ndarray:
        upper = np.full(len(self.right), np.inf)
        upper[: self.equalities] = self.right[: self.equalities]
        return upper

    def _highs(self, tolerance: float = EXACT_FEASIBILITY):
        options = {"primal_feasibility_tolerance": tolerance,
                   "dual_feasibility_tolerance": EXACT_FEASIBILITY}
        size = self._size_of_curvature()
        if self.Q.nnz:
            options["qp_regularization_value"] = 0.0
        try:
            with limits.work(_UNITS_QP if self.Q.nnz else _UNITS):
                answer = Highs(self.c / size, self.A, self.right, self._row_upper(), self.lb,
                               self.ub, Q=self.Q / size, **options).solve_lp()
        except limits.Stopped as err:
            if err.status == Status.WORK_LIMIT and limits.work_left() > 0.0:
                return None
            raise
        if answer.status == Status.INFEASIBLE and tolerance < ROW_HOLDS:
            return self._highs(ROW_HOLDS)  # u is only as exact as the solver that chose it
        if answer.status in NO_POINT:
            if self.Q.nnz:  # HiGHS may misjudge a QP: check the LP of the same rows
                zero = np.zeros(len(self.c))
                check = Highs(zero, self.A, self.right, self._row_upper(), self.lb, self.ub)
                if check.solve_lp().status == Status.OPTIMAL and answer.status != Status.UNBOUNDED:
                    return None
            raise SolverError.at("lower level", f"is {answer.status} at these upper decisions",
                                 "See which rows conflict, or make limits soft.")
        if answer.z is None or answer.row_dual is None:
            return None
        reduced = np.zeros(len(self.c)) if answer.col_dual is None else answer.col_dual
        return answer.z, size * answer.row_dual, size * reduced

    def _size_of_curvature(self) -> float:
        """Typical entry on the diagonal of Q, at most 1: with less HiGHS may go round in circles.
        """
        diagonal = self.Q.diagonal()
        return min(1.0, float(np.median(diagonal[diagonal > 0]))) if (diagonal > 0).any() else 1.0

    def _outer(self):
        """Point from outer approximation; multipliers from the gradient there by the polish."""
        if not self.Q.nnz:
            return None
        program = Program(A=self.A, lo=self.right, hi=self._row_upper(), lb=self.lb, ub=self.ub,
                          c=self.c, Q=self.Q)
        left = limits.last_left()
        try:
            outcome = solve_outer(program, _VERTEX, left if np.isfinite(left) else None)
        except SolverError:
            return None
        if outcome.z is None:
            limits.check()
            return None
        return outcome.z, np.zeros(len(self.right)), np.zeros(len(self.c))

    def _error(self, v, dual, rho) -> float:
        """Relative KKT error of a candidate."""
        g = self.Q @ v + self.c - self.A.T @ dual - rho
        slack = self.A @ v - self.right
        ineq = np.arange(len(self.right)) >= self.equalities
        primal = max(np.abs(slack[~ineq]).max(initial=0), -slack[ineq].min(initial=0),
                     (self.lb - v).max(initial=0), (v - self.ub).max(initial=0))
        wrong = max(-dual[ineq].min(initial=0), self._wrong_rho(v, rho))
        product = np.abs(dual[ineq] * slack[ineq]).max(initial=0)
        scale = 1 + np.abs(self.c).max(initial=0)
        return max(np.abs(g).max(initial=0) / scale, wrong / scale, product / scale,
                   primal / (1 + np.abs(v).max(initial=0)))

    def _wrong_rho(self, v, rho) -> float:
        """Largest reduced cost whose bound is not active."""
        to_lb = np.where(np.isfinite(self.lb), v - self.lb, np.inf)
        to_ub = np.where(np.isfinite(self.ub), self.ub - v, np.inf)
        wrong = np.where(rho > 0, rho * np.minimum(to_lb, 1.0), -rho * np.minimum(to_ub, 1.0))
        return float(np.abs(wrong).max(initial=0))

    def _with_fitted_duals(self, v):
        """A point with the multipliers of its active set that fit stationarity best.

        Where rows and bounds meet in one point, and by rounding not quite, the active set has more
        members than columns, and which of them carry the multipliers is told by their signs alone.
        """
        slack = self.A @ v - self.right
        rows = np.flatnonzero((slack < ACTIVE) | (np.arange(len(slack)) < self.equalities))
        low, high = np.flatnonzero(v - self.lb < ACTIVE), np.flatnonzero(self.ub - v < ACTIVE)
        unit = np.identity(len(v))
        columns = np.column_stack([self.A[rows].toarray().T, unit[:, low], -unit[:, high]])
        floor = np.where(np.arange(columns.shape[1]) < np.sum(rows < self.equalities), -np.inf, 0.0)
        if not columns.size:
            return v, np.zeros(len(slack)), np.zeros(len(v))
        x = lsq_linear(columns, self.Q @ v + self.c, (floor, np.inf)).x
        dual, rho = np.zeros(len(slack)), np.zeros(len(v))
        dual[rows] = x[:len(rows)]
        rho[low] += x[len(rows):len(rows) + len(low)]
        rho[high] -= x[len(rows) + len(low):]
        return v, dual, rho

    def _dense_rows(self, rows: np.ndarray) -> np.ndarray:
        """Rows of A; of a small one, cutting costs more than what is cut off."""
        if self.A.shape[0] * self.A.shape[1] <= _SMALL:
            return self.A.toarray()[rows]
        return self.A[rows].toarray()

    def _polish_by_size(self, found):
        return self._polish(found, by_size=True)

    def _polish(self, found, by_size: bool = False):
        """Solve the KKT equations of the active set that a point shows; None when that fails.

        A row is active where its slack is small or its multiplier is not; `by_size`: where the
        multiplier (as a share of the greatest cost) is the greater of both.
        """
        v, dual, rho = found
        scale = 1 + np.abs(self.c).max(initial=0)
        slack = self.A @ v - self.right

        def holds(room, multiplier):
            if by_size:
                return multiplier > scale * room
            return (room < ACTIVE) | (multiplier > MULTIPLIER * scale)

        active = holds(slack, dual)
        active[: self.equalities] = True
        low = np.isfinite(self.lb) & holds(v - self.lb, rho)
        high = np.isfinite(self.ub) & holds(self.ub - v, -rho) & ~low
        rows = np.flatnonzero(active)
        inner = np.flatnonzero(~(low | high))
        fixed = np.where(low, self.lb, np.where(high, self.ub, 0.0))
        N = self._dense_rows(rows)
        Q = self.Q.toarray()
        k = len(inner)
        system = np.zeros((k + len(rows), k + len(rows)))
        system[:k, :k] = Q[np.ix_(inner, inner)]
        system[:k, k:] = -N[:, inner].T
        system[k:, :k] = N[:, inner]
        outer = low | high
        right = np.concatenate([
            -self.c[inner] - Q[np.ix_(inner, outer)] @ fixed[outer],
            self.right[rows] - N[:, outer] @ fixed[outer]])
        start = np.concatenate([v[inner], dual[rows]])
        step, *_ = np.linalg.lstsq(system, right - system @ start, rcond=ENTRY)
        solution = start + step
        new_v, new_dual = fixed.copy(), np.zeros(len(self.right))
        new_v[inner] = solution[:k]
        new_dual[rows] = solution[k:]
        new_rho = Q @ new_v + self.c - self.A.T @ new_dual
        new_rho[inner] = 0.0
        return new_v, new_dual, new_rho


def solve_singles(problem: ConvexQp, columns: np.ndarray, v: np.ndarray, dual: np.ndarray,
                  rho: np.ndarray) -> None:
    """Solve components of one column each in closed form (the penalty of a limit, say).

    Parameters
    ----------
    problem
        The QP that the columns are components of.
    columns
        Numbers of columns that share no row and no entry of Q with another.
    v, dual, rho
        Values, row multipliers and reduced costs of the whole QP, shapes (n,), (m,), (n,); those
        of the components are written into them.

    Raises
    ------
    SolverError
        A component is infeasible or unbounded.
    """
    A = problem.A[:, columns].tocsc()
    # what an elimination leaves of costs that cancel is no cost
    cost = np.where(np.abs(problem.c) > ENTRY * (1.0 + np.abs(problem.c).max(initial=0.0)),
                    problem.c, 0.0)
    of, there = np.repeat(np.arange(len(columns)), np.diff(A.indptr)), A.data != 0.0
    of, rows, coef = of[there], A.indices[there], A.data[there]
    ends, equal = problem.right[rows] / coef, rows < problem.equalities
    lb, ub = problem.lb[columns], problem.ub[columns]
    below, above = lb.copy(), ub.copy()
    np.maximum.at(below, of[(coef > 0) | equal], ends[(coef > 0) | equal])
    np.minimum.at(above, of[(coef < 0) | equal], ends[(coef < 0) | equal])
    if (below > above + ROW_HOLDS * (1.0 + np.abs(below))).any():
        raise SolverError.at("lower level", "is infeasible at these upper decisions",
                             "See which rows conflict, or make limits soft.")
    q, c = problem.Q.diagonal()[columns], cost[columns]
    best = np.minimum(np.maximum(0.0, below), above)
    best[c > 0], best[c < 0] = -np.inf, np.inf
    best[q > 0] = -c[q > 0] / q[q > 0]
    x = np.minimum(np.maximum(best, below), above)
    if not np.isfinite(x).all():
        raise SolverError.at("lower level", "is unbounded at these upper decisions",
                             "See which Var has a cost and no bound.")
    slope = q * x + c
    # where u leaves no room but rounding, both ends hold
    room = np.maximum(ENTRY * (1.0 + np.abs(x)), below - above)
    fits = np.flatnonzero((np.abs(ends - x[of]) <= room[of]) & (equal | (slope[of] / coef > 0)))
    holds, first = np.unique(of[fits], return_index=True)
    free = np.where(slope[holds] > 0, lb[holds], ub[holds]) != x[holds]
    holds, first = holds[free], fits[first[free]]
    v[columns], rho[columns] = x, slope
    rho[columns[holds]] = 0.0
    dual[rows[first]] = slope[holds] / coef[first]
