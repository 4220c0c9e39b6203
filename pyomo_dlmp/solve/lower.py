"""Solve a lower level alone at given upper decisions, to a checked KKT residual.

The prices of this package are its multipliers, so they are never taken from a solver unchecked:
HiGHS solves each independent part (a period, say) after the flows are eliminated, an active-set
polish solves its optimality conditions as linear equations, and the residual of the *full* KKT
system is measured. Above the tolerance a SolverError is raised.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from pyomo_dlmp.clarabel_qp import solve_qp
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.highs import Highs
from pyomo_dlmp.solve.outer import solve_outer
from pyomo_dlmp.solve.program import Program
from pyomo_dlmp.transform.eliminate import Elimination, eliminate
from pyomo_dlmp.transform.kkt_system import KktSystem

LARGE = 4000  # columns of a part beyond which it is solved sparse, without elimination
_ACTIVE = 1e-7
TOLERANCE = 1e-4  # relative residual above which no price is reported
_POLISHED = 1e-8
_EXACT = 1e-10
_LOOSE = 1e-6  # feasibility tolerance of the solvers that choose u


@dataclass
class Residual:
    """Greatest violations of the KKT system, absolute and relative to the data's scale.

    stationarity in cost per unit of x ($/MWh), complementarity in cost ($), primal in row units
    (MW), dual: most negative multiplier.
    """

    stationarity: float
    complementarity: float
    primal: float
    dual: float
    relative: float


@dataclass
class LowerSolution:
    """x, equality duals y, pair multipliers mu at upper decisions u; `cost` of the lower level."""

    x: np.ndarray
    y: np.ndarray
    mu: np.ndarray
    cost: float
    residual: Residual
    degenerate: list[np.ndarray] = field(default_factory=list)


def kkt_residual(kkt: KktSystem, x, u, y, mu) -> Residual:
    """Measure a primal-dual point against the full KKT system (see Residual)."""
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


def _widest(A: sp.spmatrix) -> int:
    """Columns in the largest connected part of some rows."""
    graph = sp.bmat([[None, A.T], [A, None]], format="csr")
    _, label = connected_components(graph, directed=False)
    return int(np.bincount(label[:A.shape[1]]).max(initial=0)) if A.shape[1] else 0


class LowerSolver:
    """Solves one lower level for any u; the elimination is done once."""

    def __init__(self, kkt: KktSystem):
        self.kkt = kkt
        form = kkt.form
        free = np.isinf(form.lb) & np.isinf(form.ub)
        if _widest(kkt.A_eq) > LARGE:  # the map would fill: flows are sums of all injections
            free = np.zeros_like(free)
        self.elimination: Elimination = eliminate(kkt.A_eq, np.zeros(len(kkt.b_eq)), free)
        used = np.zeros(len(kkt.b_eq), dtype=bool)
        used[self.elimination.rows_used] = True
        self.used, self.rest = np.flatnonzero(used), np.flatnonzero(~used)
        gone = np.ones(len(form.x), dtype=bool)
        gone[self.elimination.kept] = False
        self.gone = np.flatnonzero(gone)
        self.factor = splu(kkt.A_eq[self.used][:, self.gone].tocsc()) if len(self.used) else None
        M = self.elimination.M
        self.Q = (M.T @ form.Q @ M).tocsr()
        self.A = sp.vstack([kkt.A_eq[self.rest], kkt.S[self._row_pairs()]], format="csr") @ M
        self.parts = self._independent_parts()

    def _row_pairs(self) -> np.ndarray:
        return np.flatnonzero(np.array([k == "row" for k in self.kkt.kind], dtype=bool))

    def _independent_parts(self) -> list[np.ndarray]:
        n = len(self.elimination.kept)
        graph = sp.bmat([[abs(self.Q), abs(self.A).T], [abs(self.A), None]], format="csr")
        _, label = connected_components(graph, directed=False)
        return [np.flatnonzero(label[:n] == k) for k in np.unique(label[:n])]

    def solve(self, u: np.ndarray, tolerance: float = TOLERANCE) -> LowerSolution:
        """Optimal x and multipliers at u. SolverError: infeasible, unbounded or not accurate."""
        kkt, form, M = self.kkt, self.kkt.form, self.elimination.M
        x0 = self._offset(u)
        gradient = form.c + form.D @ u + form.Q @ x0
        c = kkt.sigma * (M.T @ gradient)
        Q = kkt.sigma * self.Q
        rows = self._row_pairs()
        right = np.concatenate([
            kkt.b_eq[self.rest] - kkt.B_eq[self.rest] @ u - kkt.A_eq[self.rest] @ x0,
            -(kkt.S[rows] @ x0 + kkt.T[rows] @ u + kkt.s0[rows])])
        v = np.zeros(len(c))
        dual = np.zeros(len(right))
        rho = np.zeros(len(c))
        kept = self.elimination.kept
        problem = _Part(Q.tocsr(), c, self.A.tocsr(), right, len(self.rest),
                        form.lb[kept], form.ub[kept])
        self._check_settled_rows(right, rows)
        for part in self.parts:
            touched = np.flatnonzero(abs(self.A)[:, part].getnnz(axis=1))
            piece = problem.restrict(part, touched)
            try:
                v[part], dual[touched], rho[part] = piece.solve()
            except SolverError as err:
                names = ", ".join(form.names_x[kept[j]] for j in part[:3])
                raise SolverError.at(
                    form.block.name, f"{err.faults[0].what} (in the part with {names})",
                    err.faults[0].cure) from None
        return self._assemble(u, M @ v + x0, dual, rho, rows, tolerance)

    def _check_settled_rows(self, right: np.ndarray, rows: np.ndarray) -> None:
        """Rows in which nothing is left to choose must hold as they are."""
        settled = np.flatnonzero(np.diff(self.A.tocsr().indptr) == 0)
        broken = np.where(settled < len(self.rest), np.abs(right[settled]), right[settled])
        if not len(settled) or broken.max() <= _LOOSE:
            return
        row = int(settled[broken.argmax()])
        name = (self.kkt.form.names_row[self.kkt.equality_rows[self.rest[row]]]
                if row < len(self.rest) else self.kkt.label[rows[row - len(self.rest)]])
        raise SolverError.at(
            self.kkt.form.block.name, f"is infeasible at these upper decisions: nothing can be "
            f"chosen in row '{name}', which is broken by {broken.max():.3g}",
            "Make limits soft, or change what they depend on.")

    def _offset(self, u: np.ndarray) -> np.ndarray:
        """x with the kept columns at zero: the map's constant at these upper decisions."""
        x0 = np.zeros(len(self.kkt.form.x))
        if self.factor is not None:
            right = self.kkt.b_eq[self.used] - self.kkt.B_eq[self.used] @ u
            x0[self.gone] = self.factor.solve(right)
        return x0

    def _assemble(self, u, x, dual, rho, rows, tolerance) -> LowerSolution:
        """Multipliers of the full system from the reduced ones (internal sign: minimisation)."""
        kkt, form = self.kkt, self.kkt.form
        mu = np.zeros(kkt.pairs)
        mu[rows] = dual[len(self.rest):]
        y = np.zeros(len(kkt.b_eq))
        y[self.rest] = kkt.sigma * dual[: len(self.rest)]
        full_rho = np.zeros(len(form.x))
        full_rho[self.elimination.kept] = rho
        for p in range(kkt.pairs):
            if kkt.kind[p] == "bound":
                value = full_rho[kkt.index[p]]
                mu[p] = max(0.0, value if kkt.side[p] == "lower" else -value)
        if self.factor is not None:
            g = kkt.stationarity(x, u, y, mu)[self.gone]
            y[self.used] = self.factor.solve(g, trans="T")
        residual = kkt_residual(kkt, x, u, y, mu)
        if residual.relative > tolerance:
            raise SolverError.at(
                form.block.name, "was re-solved with a KKT residual of "
                f"{residual.relative:.2g} relative (limit {tolerance:g})",
                "Scale the model (MW, per unit) or use a more accurate QP solver.")
        cost = float(form.c @ x + 0.5 * x @ (form.Q @ x) + x @ (form.D @ u))
        return LowerSolution(x, y, mu, cost, residual)


@dataclass
class _Part:
    """min c'v + 1/2 v'Qv; the first `equalities` rows A v == right, the others A v >= right."""

    Q: sp.csr_matrix
    c: np.ndarray
    A: sp.csr_matrix
    right: np.ndarray
    equalities: int
    lb: np.ndarray
    ub: np.ndarray

    def restrict(self, columns: np.ndarray, rows: np.ndarray) -> _Part:
        return _Part(
            self.Q[columns][:, columns], self.c[columns], self.A[rows][:, columns],
            self.right[rows], int((rows < self.equalities).sum()), self.lb[columns],
            self.ub[columns])

    def solve(self):
        """(v, row multipliers, reduced costs): HiGHS, then polish; outer approximation at need."""
        if len(self.c) > LARGE:
            found = self._clarabel() if self.Q.nnz else None
            return found if found is not None else self._highs_or_fail()
        best = None
        for attempt in (self._highs, self._outer):
            found = attempt()
            if found is None:
                continue
            if not self.Q.nnz and self._error(*found) < _EXACT:
                return found  # a vertex of an LP: a polish has nothing to add
            for candidate in (self._polish(found), found):
                if candidate is None:
                    continue
                error = self._error(*candidate)
                if best is None or error < best[0]:
                    best = (error, candidate)
            if best is not None and best[0] < _POLISHED:
                break
        if best is None:
            raise SolverError.at("lower level", "could not be solved by HiGHS",
                                 "Check that it is feasible and bounded.")
        return best[1]

    def _clarabel(self):
        """An interior point's answer, if it is accurate."""
        found = solve_qp(self.Q, self.c, self.A, self.right, self.equalities, self.lb, self.ub)
        return None if found is None or self._error(*found) > 1e-6 else found

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

    def _highs(self, tolerance: float = 1e-9):
        options = {"primal_feasibility_tolerance": tolerance, "dual_feasibility_tolerance": 1e-9}
        if self.Q.nnz:
            options["qp_regularization_value"] = 0.0
        answer = Highs(self.c, self.A, self.right, self._row_upper(), self.lb, self.ub,
                       Q=self.Q, **options).solve(time_limit=30.0)
        if answer.status == "infeasible" and tolerance < _LOOSE:
            return self._highs(_LOOSE)  # u is only as exact as the solver that chose it
        if answer.status in ("infeasible", "unbounded", "infeasible or unbounded"):
            if self.Q.nnz:  # a QP may be misjudged: ask the LP of the same rows
                zero = np.zeros(len(self.c))
                check = Highs(zero, self.A, self.right, self._row_upper(), self.lb, self.ub)
                if check.solve().status == "optimal" and answer.status != "unbounded":
                    return None
            raise SolverError.at("lower level", f"is {answer.status} at these upper decisions",
                                 "See which rows conflict, or make limits soft.")
        if answer.z is None or answer.row_dual is None:
            return None
        return answer.z, answer.row_dual, answer.col_dual

    def _outer(self):
        """Point from outer approximation; multipliers from the gradient there by the polish."""
        if not self.Q.nnz:
            return None
        n = len(self.c)
        program = Program(
            list(range(n)), [None] * len(self.right), self.A, self.right, self._row_upper(),
            self.lb, self.ub, np.zeros(n, bool), self.c, self.Q, 0.0, 1)
        outcome = solve_outer(program, gap=1e-10)
        if outcome.z is None:
            return None
        return outcome.z, np.zeros(len(self.right)), np.zeros(n)

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

    def _polish(self, found):
        """Solve the KKT equations of the active set that a point shows; None when that fails."""
        v, dual, rho = found
        scale = 1 + np.abs(self.c).max(initial=0)
        slack = self.A @ v - self.right
        active = (slack < _ACTIVE * 10) | (dual > 1e-6 * scale)
        active[: self.equalities] = True
        low = np.isfinite(self.lb) & ((v - self.lb < _ACTIVE) | (rho > 1e-6 * scale))
        high = np.isfinite(self.ub) & ((self.ub - v < _ACTIVE) | (rho < -1e-6 * scale)) & ~low
        rows = np.flatnonzero(active)
        inner = np.flatnonzero(~(low | high))
        fixed = np.where(low, self.lb, np.where(high, self.ub, 0.0))
        N = self.A[rows].toarray()
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
        step, *_ = np.linalg.lstsq(system, right - system @ start, rcond=1e-12)
        solution = start + step
        new_v, new_dual = fixed.copy(), np.zeros(len(self.right))
        new_v[inner] = solution[:k]
        new_dual[rows] = solution[k:]
        new_rho = Q @ new_v + self.c - self.A.T @ new_dual
        new_rho[inner] = 0.0
        return new_v, new_dual, new_rho
