"""Small bilevels as plain arrays, and their answers by brute force, apart from the package.

    upper:  min or max  a'u + 1/2 h |u|^2 + b'x + sum_(r,j) K_rj lam_r u_j    u in a box (a grid)
    lower:  min or max  1/2 x'Qx + (c + D u)'x   s.t.  lo <= A x + B u <= hi,   lb <= x <= ub

lam: duals of the lower rows, as the derivative of the lower objective by the right-hand side. At
each u the lower level is solved by scipy (an LP by `linprog`, a strictly convex QP by `nnls` on its
least-distance form), and the best of its answers and duals for the upper level are taken by LPs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pyomo.environ as pyo
from scipy.optimize import linprog, nnls

import pyomo_dlmp as dlmp

INF = np.inf


@dataclass
class Small:
    """See the module's text. `sense`, `upper_sense`: +1 min, -1 max."""

    a: np.ndarray
    b: np.ndarray
    K: np.ndarray
    u_lo: np.ndarray
    u_hi: np.ndarray
    c: np.ndarray
    A: np.ndarray
    B: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    Q: np.ndarray
    D: np.ndarray
    h: float = 0.0
    sense: int = 1
    upper_sense: int = 1
    integer: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    follower: np.ndarray | None = None  # number of the follower that owns each column

    def model(self) -> pyo.ConcreteModel:
        """The Pyomo model: Vars m.u, m.low (or m.low0, m.low1 ...) with x, row, cost."""
        m = pyo.ConcreteModel()
        J = range(len(self.a))
        m.u = pyo.Var(J, bounds=lambda _, j: (self.u_lo[j], self.u_hi[j]))
        for j in J:
            if self.integer.size and self.integer[j]:
                m.u[j].domain = pyo.Integers
        owner = np.zeros(len(self.c), int) if self.follower is None else self.follower
        pay, x = 0.0, {}
        for f in range(owner.max() + 1):
            low = dlmp.LowerLevel()
            m.add_component(f"low{f}" if self.follower is not None else "low", low)
            cols = np.flatnonzero(owner == f)
            rows = [r for r in range(len(self.lo)) if np.any(self.A[r, cols] != 0)]
            self._fill(m, low, cols, rows)
            x.update({int(k): low.x[int(k)] for k in cols})
            wanted = [r for r in rows if np.any(self.K[r] != 0)]
            if wanted:
                lam = low.dual_of(low.row)
                pay = pay + sum(
                    self.K[r, j] * lam[r] * m.u[j] for r in wanted for j in J if self.K[r, j])
        m.goal = pyo.Objective(
            expr=sum(self.a[j] * m.u[j] for j in J)
            + (0.5 * self.h * sum(m.u[j] ** 2 for j in J) if self.h else 0.0)
            + sum(self.b[k] * x[k] for k in x if self.b[k]) + pay,
            sense=pyo.minimize if self.upper_sense == 1 else pyo.maximize)
        return m

    def _fill(self, m, low, cols, rows) -> None:
        def bounds(_, k):
            return tuple(None if np.isinf(v) else v for v in (self.lb[k], self.ub[k]))

        low.x = pyo.Var([int(k) for k in cols], bounds=bounds)
        J = range(len(self.a))

        def row(_, r):
            body = sum(self.A[r, k] * low.x[k] for k in cols if self.A[r, k]) + sum(
                self.B[r, j] * m.u[j] for j in J if self.B[r, j])
            if self.lo[r] == self.hi[r]:
                return body == self.lo[r]
            if np.isinf(self.lo[r]):
                return body <= self.hi[r]
            if np.isinf(self.hi[r]):
                return body >= self.lo[r]
            return (self.lo[r], body, self.hi[r])

        low.row = pyo.Constraint(rows, rule=row)
        low.cost = pyo.Objective(
            expr=sum((self.c[k] + sum(self.D[k, j] * m.u[j] for j in J if self.D[k, j])) * low.x[k]
                     for k in cols)
            + 0.5 * sum(self.Q[k, i] * low.x[int(k)] * low.x[int(i)]
                        for k in cols for i in cols if self.Q[k, i]),
            sense=pyo.minimize if self.sense == 1 else pyo.maximize)

    def pairs(self, u):
        """(E, e, G, g): E x = e, G x >= g at these upper decisions, and the row of each G (or -1).

        The last two: number of the row behind each inequality (-1: a bound), +1 lower, -1 upper.
        """
        shift = self.B @ u
        eq = self.lo == self.hi
        low, up = ~eq & np.isfinite(self.lo), ~eq & np.isfinite(self.hi)
        at_lb, at_ub = np.isfinite(self.lb), np.isfinite(self.ub)
        unit = np.eye(len(self.c))
        G = np.vstack([self.A[low], -self.A[up], unit[at_lb], -unit[at_ub]])
        g = np.concatenate([(self.lo - shift)[low], (shift - self.hi)[up],
                            self.lb[at_lb], -self.ub[at_ub]])
        bound = np.full(at_lb.sum() + at_ub.sum(), -1)
        owner = np.concatenate([np.flatnonzero(low), np.flatnonzero(up), bound])
        side = np.concatenate([np.ones(low.sum()), -np.ones(up.sum()), np.zeros(len(bound))])
        return self.A[eq], (self.lo - shift)[eq], G, g, owner, side

    def lower(self, u) -> np.ndarray | None:
        """An optimal x of the lower level at u, None where it has none."""
        E, e, G, g, *_ = self.pairs(u)
        c = self.sense * (self.c + self.D @ u)
        if not self.Q.any():
            found = linprog(c, -G, -g, E if len(E) else None, e if len(E) else None,
                            bounds=(None, None))
            return found.x if found.status == 0 else None
        return strictly_convex(self.sense * self.Q, c, np.vstack([G, E, -E]),
                               np.concatenate([g, e, -e]))

    def value(self, u) -> float | None:
        """Best upper objective over the lower level's answers and their duals at u."""
        x = self.lower(u)
        if x is None:
            return None
        s = self.upper_sense
        total = s * float(self.a @ u + 0.5 * self.h * u @ u)
        if self.b.any():
            total += self._best_answer(x, u, s * self.b)
        weight = s * self.K @ u
        if np.any(weight):
            best = self._best_duals(x, u, weight)
            if best is None:
                return -s * INF
            total += best
        return s * total

    def _best_answer(self, x, u, b) -> float:
        """Least b'x over all optimal answers at u (the same Qx and linear cost)."""
        if self.Q.any():  # strictly convex: one answer
            return float(b @ x)
        E, e, G, g, *_ = self.pairs(u)
        c = self.sense * (self.c + self.D @ u)
        room = 1e-8 * (1 + abs(c @ x))
        found = linprog(b, np.vstack([-G, c]), np.append(room - g, c @ x + room),
                        E if len(E) else None, e if len(E) else None, bounds=(None, None))
        if found.status == 3:
            return -INF
        return float(found.fun) if found.status == 0 else float(b @ x)

    def _best_duals(self, x, u, weight) -> float | None:
        """Least weight'lam over the optimal duals; None when it has no least value."""
        E, _, G, g, owner, side = self.pairs(u)
        active = G @ x - g <= 1e-7
        gradient = self.Q @ x + self.c + self.D @ u
        eq = np.flatnonzero(self.lo == self.hi)
        M = np.hstack([E.T, self.sense * G[active].T])
        if not M.shape[1]:
            return 0.0
        is_row = owner[active] >= 0
        price = np.concatenate([weight[eq], np.where(
            is_row, self.sense * side[active] * weight[owner[active]], 0.0)])
        bounds = [(None, None)] * len(eq) + [(0, None)] * int(active.sum())
        for room in (1e-8, 1e-6, 1e-4):  # x is only as exact as its solver
            found = linprog(price, A_ub=np.vstack([M, -M]), bounds=bounds, b_ub=np.concatenate(
                [gradient + room, room - gradient]))
            if found.status != 2:
                break
        return float(found.fun) if found.status == 0 else None  # unbounded

    def grid(self, points: int):
        """Points of the upper box."""
        axes = []
        for j in range(len(self.a)):
            whole = self.integer.size and self.integer[j]
            lo, hi = self.u_lo[j], self.u_hi[j]
            axes.append(np.arange(np.ceil(lo), hi + 0.5) if whole else np.linspace(lo, hi, points))
        return [np.array(p) for p in itertools.product(*axes)]

    def brute(self, points: int):
        """(best value, its u) over the grid; (None, None) where the lower level has no answer."""
        best, at = None, None
        for u in self.grid(points):
            value = self.value(u)
            if value is not None and (
                    best is None or self.upper_sense * value < self.upper_sense * best):
                best, at = value, u
        return best, at


def strictly_convex(Q, c, G, g) -> np.ndarray | None:
    """argmin 1/2 x'Qx + c'x, G x >= g, by Lawson and Hanson's least-distance programming."""
    L = np.linalg.cholesky(Q)
    shift = np.linalg.solve(L, c)  # |L'x + shift|^2
    back = np.linalg.solve(L.T, np.eye(len(c)))
    rows, right = G @ back, g + G @ (back @ shift)
    E = np.vstack([rows.T, right])
    f = np.append(np.zeros(len(c)), 1.0)
    w, norm = nnls(E, f)
    if norm < 1e-7:
        return None
    r = E @ w - f
    y = -r[:-1] / r[-1]
    return back @ (y - shift)
