"""Solve a lower level alone at given upper decisions, to a checked KKT residual.

The prices of this package are its multipliers, so they are never taken from a solver unchecked:
HiGHS solves each connected component (a period, say) after the flows are eliminated, an active-set
polish solves its optimality conditions as linear equations, and the residual of the *full* KKT
system is measured. Above the tolerance a SolverError is raised.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.point import decisions_of
from pyomo_dlmp.numerics.blas import one_blas_thread
from pyomo_dlmp.numerics.components import component_labels, groups_of
from pyomo_dlmp.numerics.elimination import Elimination, eliminate
from pyomo_dlmp.numerics.qp import ConvexQp, Point, solve_singles
from pyomo_dlmp.tolerances import KKT_RESIDUAL, ROW_HOLDS

_FILL = 2e7  # entries of the map from decisions to flows beyond which flows are not eliminated


@dataclass
class Residual:
    """Greatest violations of the KKT system, absolute and relative to the data's scale.

    Attributes
    ----------
    stationarity
        In lower cost per unit of x ($/MW).
    complementarity
        Greatest slack x multiplier, in lower cost ($).
    primal
        Violation of a row or bound, in its unit (MW).
    dual
        Size of the most negative multiplier, in lower cost per unit of its row.
    relative
        The greatest of the four: primal over 1 + the greatest |x|, the others over 1 + the greatest
        cost or equality dual.
    """

    stationarity: float
    complementarity: float
    primal: float
    dual: float
    relative: float


@dataclass(repr=False)
class LowerSolution:
    """A lower level's optimum at given upper decisions.

    Attributes
    ----------
    x, y, mu
        Values, duals of equality rows, multipliers of pairs; shapes (n,), (e,), (pairs,).
    cost
        Of the lower level, see `LowerForm.cost`.
    residual
        Of the full KKT system.
    kkt
        The lower level.
    """

    x: np.ndarray
    y: np.ndarray
    mu: np.ndarray
    cost: float
    residual: Residual
    kkt: KktSystem

    @property
    def row_duals(self) -> np.ndarray:
        """Duals of all rows of the form in the user's sign, shape (rows,)."""
        return self.kkt.duals.row_duals(self.y, self.mu)

    def load(self) -> None:
        """Load x onto the Vars, duals into the `dual` Suffix and onto the user's dual Vars."""
        load_values(self.kkt.form.x, self.x)
        self.kkt.duals.load(self.y, self.mu)

    def __repr__(self) -> str:
        """One line in place of the arrays."""
        return (f"<LowerSolution cost {self.cost:.6g}, {len(self.x)} variables, "
                f"{len(self.y)} equality rows, {len(self.mu)} pairs>")


def kkt_residual(kkt: KktSystem, x: np.ndarray, u: np.ndarray, y: np.ndarray,
                 mu: np.ndarray) -> Residual:
    """Measure a primal-dual point against the full KKT system.

    Parameters
    ----------
    kkt
        The lower level.
    x, u, y, mu
        Shapes (n,), (m,), (e,), (pairs,).

    Returns
    -------
    Residual
    """
    form = kkt.form
    stationarity = np.abs(kkt.stationarity(x, u, y, mu)).max(initial=0.0)
    slack = kkt.slack(x, u)
    equality = kkt.A_eq @ x + kkt.B_eq @ u - kkt.b_eq
    primal = max(np.abs(equality).max(initial=0.0), -slack.min(initial=0.0))
    dual = -mu.min(initial=0.0)
    product = np.abs(slack * mu).max(initial=0.0)
    cost = np.abs(form.c + form.D @ u).max(initial=0.0)
    scale = 1.0 + max(cost, np.abs(y).max(initial=0.0))
    span = 1.0 + np.abs(x).max(initial=0.0)
    relative = max(stationarity / scale, dual / scale, product / scale, primal / span)
    return Residual(float(stationarity), float(product), float(primal), float(dual),
                    float(relative))


def _free(kkt: KktSystem) -> np.ndarray:
    return np.isinf(kkt.form.lb) & np.isinf(kkt.form.ub)


def same_places(one: sp.csr_matrix, other: sp.csr_matrix) -> bool:
    """Whether two matrices have their entries in the same places."""
    return one.shape == other.shape and np.array_equal(one.indptr, other.indptr) and (
        np.array_equal(one.indices, other.indices))


def same_qp(one: ConvexQp, other: ConvexQp) -> bool:
    """Whether two QPs share their matrices and have the same vectors, beside their starts."""
    return one.Q is other.Q and one.A is other.A and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("c", "right", "lb", "ub"))


def _fill(A: sp.spmatrix, free: np.ndarray) -> int:
    """Entries of the map from decisions to flows, each a function of its component's decisions."""
    label, _ = component_labels(A)
    flows = np.bincount(label[free], minlength=label.max(initial=0) + 1)
    return int(flows @ np.bincount(label[~free], minlength=len(flows)))


class LowerSolver:
    """Solves one lower level at any upper decisions; flows are eliminated once.

    Parameters
    ----------
    kkt
        The lower level.
    """

    def __init__(self, kkt: KktSystem):
        self.kkt = kkt
        form = kkt.form
        free = _free(kkt)
        if _fill(kkt.A_eq, free) > _FILL:  # flows are sums of all injections
            free = np.zeros_like(free)
        self.elimination: Elimination = eliminate(kkt.A_eq, np.zeros(len(kkt.b_eq)), free)
        used = np.zeros(len(kkt.b_eq), dtype=bool)
        used[self.elimination.rows_used] = True
        self.used, self.rest = np.flatnonzero(used), np.flatnonzero(~used)
        gone = np.ones(len(form.x), dtype=bool)
        gone[self.elimination.kept] = False
        self.gone = np.flatnonzero(gone)
        self.factor = splu(kkt.A_eq[self.used][:, self.gone].tocsc()) if len(self.used) else None
        self._last: tuple[np.ndarray, LowerSolution] | None = None
        self._like: Point | None = None  # of the reduced QP, when it was last solved
        self._answers: dict[int, tuple[ConvexQp, Point]] = {}  # by number of the part
        self.Q: sp.csr_matrix
        self.A: sp.csr_matrix
        self.parts: list[np.ndarray]
        self._pieces: dict[int, tuple[np.ndarray, ConvexQp]]  # by number of the part
        self._reduce()

    def _reduce(self, before: KktSystem | None = None) -> None:
        """Objective and rows over the decisions that remain, and what falls apart in them.

        Where only curvatures differ from those of an earlier lower level, the parts that they do
        not touch keep their QP.
        """
        kkt, M = self.kkt, self.elimination.M
        Q = (M.T @ kkt.form.Q @ M).tocsr()
        if before is not None and before.S is kkt.S and same_places(Q, self.Q):
            moved = np.zeros(Q.shape[0], dtype=bool)
            moved[Q.indices[Q.data != self.Q.data]] = True
            self.Q = Q
            self._pieces = {k: piece for k, piece in self._pieces.items()
                            if not moved[self.parts[k]].any()}
            return
        self.Q = Q
        self.A = sp.vstack([kkt.A_eq[self.rest], kkt.S[kkt.row_pairs]], format="csr") @ M
        self._pieces = {}
        parts = self._independent_parts()
        self.parts = [part for part in parts if len(part) > 1]
        self.singles = np.array([part[0] for part in parts if len(part) == 1], dtype=int)

    def renewed(self, kkt: KktSystem) -> LowerSolver:
        """The solver of the same lower level after a change of numbers.

        Parameters
        ----------
        kkt
            Of `KeptLower`: matrices that did not change are the same objects.

        Returns
        -------
        LowerSolver
            With this one's elimination and factor, where the equality rows' coefficients, and what
            is free, did not change.
        """
        old = self.kkt
        if old.A_eq is not kkt.A_eq or not np.array_equal(_free(old), _free(kkt)):
            return LowerSolver(kkt)
        new = copy(self)
        new.kkt, new._last, new._answers = kkt, None, self._answers.copy()
        if old.S is not kkt.S or old.form.Q is not kkt.form.Q:
            new._reduce(old)
            if new.A.shape != self.A.shape:
                new._like = None
        return new

    def _independent_parts(self) -> list[np.ndarray]:
        return groups_of(component_labels(self.A, self.Q)[0])

    def solve(self, u: np.ndarray, tolerance: float = KKT_RESIDUAL) -> LowerSolution:
        """Optimal x and multipliers at upper decisions; the last solution is kept.

        Parameters
        ----------
        u
            Upper decisions, shape (m,).
        tolerance
            Greatest relative KKT residual (see `Residual`).

        Returns
        -------
        LowerSolution

        Raises
        ------
        SolverError
            The lower level is infeasible or unbounded at u, or its residual is above the tolerance.
        """
        if self._last is None or not np.array_equal(self._last[0], u):
            self._last = u.copy(), self._solve(u, tolerance)
        return self._last[1]

    def solve_here(self) -> LowerSolution:
        """`solve` at the values of the upper Vars.

        Raises
        ------
        ModelError
            An upper Var has no value.
        SolverError
            As of `solve`.
        """
        return self.solve(decisions_of(self.kkt.form))

    @one_blas_thread()
    def _solve(self, u: np.ndarray, tolerance: float) -> LowerSolution:
        kkt, form, M = self.kkt, self.kkt.form, self.elimination.M
        x0, rows = self.offset(u), kkt.row_pairs
        c = kkt.sigma * (M.T @ form.gradient(x0, u))
        Q = kkt.sigma * self.Q
        right = np.concatenate([
            kkt.b_eq[self.rest] - kkt.B_eq[self.rest] @ u - kkt.A_eq[self.rest] @ x0,
            -(kkt.S[rows] @ x0 + kkt.T[rows] @ u + kkt.s0[rows])])
        v, dual, rho = np.zeros(len(c)), np.zeros(len(right)), np.zeros(len(c))
        kept = self.elimination.kept
        problem = ConvexQp(Q.tocsr(), c, self.A.tocsr(), right, len(self.rest),
                           form.lb[kept], form.ub[kept])
        self._check_settled_rows(right, rows)
        solve_singles(problem, self.singles, v, dual, rho)
        for number, part in enumerate(self.parts):
            touched, piece = self._piece(number, problem)
            like = None if self._like is None else (
                self._like[0][part], self._like[1][touched], self._like[2][part])
            try:
                v[part], dual[touched], rho[part] = self._answer(number, piece, like)
            except SolverError as err:
                names = ", ".join(form.names_x[kept[j]] for j in part[:3])
                raise SolverError.at(
                    form.block.name, f"{err.faults[0].what} (in the part with {names})",
                    err.faults[0].cure) from None
        found = self._assemble(u, M @ v + x0, dual, rho, rows, tolerance)
        self._like = v, dual, rho
        return found

    def _piece(self, number: int, problem: ConvexQp) -> tuple[np.ndarray, ConvexQp]:
        """(rows of a part, its QP): matrices are cut out once."""
        part = self.parts[number]
        if number not in self._pieces:
            touched = np.flatnonzero(self.A[:, part].getnnz(axis=1))
            self._pieces[number] = touched, problem.restrict(part, touched)
        touched, known = self._pieces[number]
        return touched, replace(known, c=problem.c[part], right=problem.right[touched],
                                lb=problem.lb[part], ub=problem.ub[part])

    def _answer(self, number: int, piece: ConvexQp, like: Point | None) -> Point:
        """The solution of a part; that of its last QP where this is the same to the last bit."""
        last = self._answers.get(number)
        if last is None or not same_qp(last[0], piece):
            x, kept = self.kkt.form.x, self.elimination.kept
            piece.start = np.array([x[j].value or 0.0 for j in kept[self.parts[number]]], float)
            last = self._answers[number] = piece, piece.solve(like)
        return last[1]

    def _check_settled_rows(self, right: np.ndarray, rows: np.ndarray) -> None:
        """Rows without a remaining decision must hold as they are; SolverError otherwise."""
        settled = np.flatnonzero(np.diff(self.A.tocsr().indptr) == 0)
        broken = np.where(settled < len(self.rest), np.abs(right[settled]), right[settled])
        if not len(settled) or broken.max() <= ROW_HOLDS:
            return
        row = int(settled[broken.argmax()])
        name = (self.kkt.form.names_row[self.kkt.equality_rows[self.rest[row]]]
                if row < len(self.rest) else self.kkt.label[rows[row - len(self.rest)]])
        raise SolverError.at(
            self.kkt.form.block.name, f"is infeasible at these upper decisions: row '{name}' has "
            f"no remaining decision and is violated by {broken.max():.3g}",
            "Make limits soft, or change what they depend on.")

    def offset(self, u: np.ndarray) -> np.ndarray:
        """x where the kept columns are zero: the constant of the elimination's map at u.

        Parameters
        ----------
        u
            Upper decisions, shape (m,).

        Returns
        -------
        np.ndarray
            Shape (n,).
        """
        x0 = np.zeros(len(self.kkt.form.x))
        if self.factor is not None:
            right = self.kkt.b_eq[self.used] - self.kkt.B_eq[self.used] @ u
            x0[self.gone] = self.factor.solve(right)
        return x0

    def complete(self, u: np.ndarray, decisions: np.ndarray, mu: np.ndarray,
                 y_rest: dict[int, float]) -> LowerSolution:
        """A full primal-dual point from the decisions and the pairs' multipliers.

        It is not checked: its residual says how exact it is.

        Parameters
        ----------
        u
            Upper decisions, shape (m,).
        decisions
            Values of the kept columns, shape (kept,).
        mu
            Multipliers of all pairs, shape (pairs,).
        y_rest
            {equality row: dual} of the rows that elimination did not use.

        Returns
        -------
        LowerSolution
        """
        x = self.elimination.M @ decisions + self.offset(u)
        y = np.zeros(len(self.kkt.b_eq))
        y[list(y_rest)] = list(y_rest.values())
        if self.factor is not None:
            g = self.kkt.stationarity(x, u, y, mu)[self.gone]
            y[self.used] = self.factor.solve(g, trans="T")
        residual = kkt_residual(self.kkt, x, u, y, mu)
        return LowerSolution(x, y, mu, self.kkt.form.cost(x, u), residual, self.kkt)

    def _assemble(self, u, x, dual, rho, rows, tolerance) -> LowerSolution:
        """Multipliers of the full system from the reduced ones (internal sign: minimisation)."""
        kkt, form = self.kkt, self.kkt.form
        mu = np.zeros(kkt.pairs)
        mu[rows] = dual[len(self.rest):]
        y = np.zeros(len(kkt.b_eq))
        y[self.rest] = kkt.sigma * dual[: len(self.rest)]
        full_rho = np.zeros(len(form.x))
        full_rho[self.elimination.kept] = rho
        mu += kkt.bound_multipliers(full_rho)
        if self.factor is not None:
            g = kkt.stationarity(x, u, y, mu)[self.gone]
            y[self.used] = self.factor.solve(g, trans="T")
        residual = kkt_residual(kkt, x, u, y, mu)
        if residual.relative > tolerance:
            raise SolverError.at(
                form.block.name, "was re-solved with a KKT residual of "
                f"{residual.relative:.2g} relative (limit {tolerance:g})",
                "Scale the model (MW, per unit) or use a more accurate QP solver.")
        return LowerSolution(x, y, mu, form.cost(x, u), residual, kkt)
