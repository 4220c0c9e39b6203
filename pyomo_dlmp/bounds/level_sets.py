"""Answers of a lower level are in a level set of its objective.

Let x0(u) = F u + f be feasible for each u of the box. Every answer x costs no more than x0(u), and
stationarity gives (Q x + c + D u)'(x - x0) <= 0 (here for a minimisation). From that

- where Q is positive definite on a part: x is in the ball of the norm of Q whose diameter goes from
  x0 to the free minimum -Q^-1 (c + D u), so that each x_j has a range;
- in any part: for every x', as the objective is convex,
  (Q x' + c)'x - x'Qx' / 2 + (D u)'x <= x0'Q x0 / 2 + (c + D u)'x0, in which (D u)_j x_j is
  replaced by what it is at least, since x_j has a bound on one side. A linear row over (u, x).

Where the lower level has no answer for some u of the box, no x0 exists. If its duals are bounded,

    x'Qx + (c + D u)'x = y'(b - B u) - mu'(T u + s0)

at every answer (strong duality) does the same: the right-hand side is at most what their ranges
give, and all optimal duals give the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.bounds.pair_bounds import PairBounds
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.boxes import row_ranges
from pyomo_dlmp.numerics.components import component_labels, groups_of
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import CONVEX, EXACT_FEASIBILITY, ROUNDING

_MOST_COLUMNS, _MOST_RULE = 200, 20_000  # columns of a part; entries of its affine rule


@dataclass
class LevelRows:
    """Rows M (u, x) <= most that hold at every answer; shapes (k, m + n) and (k,)."""

    M: sp.csr_matrix
    most: np.ndarray


def ellipsoid_ranges(kkt: KktSystem, bounds: PairBounds) -> None:
    """Tighten ranges of x in parts with a positive definite Q and an infinite end.

    Parameters
    ----------
    kkt, bounds
        The lower level, and what is known of it; changed.
    """
    for part in _parts(kkt, bounds):
        values = np.linalg.eigvalsh(part.Q)
        if values[0] <= np.sqrt(CONVEX) * max(1.0, values[-1]) or not part.find_rule():
            continue
        inverse = np.linalg.inv(part.Q)
        free_u, free_0 = -inverse @ part.D, -inverse @ part.c
        L = np.linalg.cholesky(part.Q).T
        low, high = part.range(L @ (part.F - free_u), L @ (part.f - free_0))
        radius = 0.5 * np.sqrt((np.maximum(np.abs(low), np.abs(high)) ** 2).sum())
        low, high = part.range(0.5 * (part.F + free_u), 0.5 * (part.f + free_0))
        reach = radius * np.sqrt(np.diag(inverse))
        room = ROUNDING * (1.0 + np.abs(low) + np.abs(high) + reach)
        x = part.x
        bounds.x_lo[x] = np.maximum(bounds.x_lo[x], low - reach - room)
        bounds.x_hi[x] = np.minimum(bounds.x_hi[x], high + reach + room)


def level_rows(kkt: KktSystem, bounds: PairBounds) -> LevelRows | None:
    """Rows that hold at every answer, for parts with an infinite end.

    Parameters
    ----------
    kkt, bounds
        The lower level, and what is known of it.

    Returns
    -------
    LevelRows or None
        None where there is none.
    """
    return _gathered(kkt, ((part, part.level_rows()) for part in _parts(kkt, bounds)
                           if part.find_rule()))


def dual_level_rows(kkt: KktSystem, bounds: PairBounds) -> LevelRows | None:
    """The same rows from strong duality, for parts whose duals are bounded.

    Parameters
    ----------
    kkt, bounds
        The lower level, and what is known of it.

    Returns
    -------
    LevelRows or None
        None where there is none.
    """
    return _gathered(kkt, ((part, part.dual_level_rows(bounds)) for part in _parts(kkt, bounds)))


def _gathered(kkt: KktSystem, found) -> LevelRows | None:
    """The rows [(part, its rows)] over all columns (u, x)."""
    m, n = len(kkt.form.u), len(kkt.form.x)
    rows, most = [], []
    for part, own in found:
        for of_u, of_x, limit in own:
            row = np.zeros(m + n)
            row[part.u], row[m + part.x] = of_u, of_x
            rows.append(row)
            most.append(limit + ROUNDING * (1.0 + abs(limit)))
    return LevelRows(sp.csr_matrix(np.array(rows)), np.array(most)) if rows else None


def _parts(kkt: KktSystem, bounds: PairBounds):
    """Parts that neither a row nor Q connects, with an infinite end of x and a finite box of u."""
    of_x, _ = component_labels(sp.vstack([kkt.A_eq, kkt.S]), kkt.form.Q)
    endless = np.isinf(bounds.x_lo) | np.isinf(bounds.x_hi)
    for columns in groups_of(of_x):
        if endless[columns].any() and len(columns) <= _MOST_COLUMNS:
            part = _Part(kkt, bounds, columns)
            if np.isfinite(part.lo).all() and np.isfinite(part.hi).all():
                yield part


class _Part:
    """One part as dense arrays of a minimisation, and the rule x0 = F u + f."""

    def __init__(self, kkt: KktSystem, bounds: PairBounds, columns: np.ndarray):
        form, sigma = kkt.form, kkt.sigma
        self.x, self.sigma = columns, sigma
        rows = np.flatnonzero(np.diff(kkt.A_eq[:, columns].indptr))
        pairs = np.flatnonzero(np.diff(kkt.S[:, columns].indptr))
        self.equal, self.pairs = rows, pairs
        D, B, T = form.D[columns], kkt.B_eq[rows], kkt.T[pairs]
        touched = sum(np.asarray(abs(M).sum(axis=0)).ravel() for M in (D, B, T))
        self.u = np.flatnonzero(touched)
        self.lo, self.hi = bounds.u_lo[self.u], bounds.u_hi[self.u]
        self.lb, self.ub = bounds.x_lo[columns], bounds.x_hi[columns]
        self.Q = sigma * form.Q[columns][:, columns].toarray()
        self.c, self.D = sigma * form.c[columns], sigma * D[:, self.u].toarray()
        self.A, self.B, self.b = kkt.A_eq[rows][:, columns], B[:, self.u], kkt.b_eq[rows]
        self.S, self.T, self.s0 = kkt.S[pairs][:, columns], T[:, self.u], kkt.s0[pairs]

    def range(self, M, m0):
        """Range of an affine map over the box of u."""
        return row_ranges(sp.csr_matrix(M), m0, self.lo, self.hi)

    def find_rule(self) -> bool:
        """Set F and f, constant if possible; False where none was found."""
        n, m = len(self.x), len(self.u)
        self.F = np.zeros((n, m))
        if not self.B.nnz:
            worst = row_ranges(self.T, self.s0, self.lo, self.hi)[0]
            middle = 0.5 * (self.lo + self.hi)
            f = self._lp(self.c + self.D @ middle, sp.vstack([self.A, self.S]),
                         np.concatenate([self.b, -worst]),
                         np.concatenate([self.b, np.full(len(worst), np.inf)]))
            if f is not None:
                self.f = f
                return self._holds()
        return bool(m) and self._affine_rule()

    def _affine_rule(self) -> bool:
        """By an LP over (f, columns of F, a): a is at least |S F + T| times half the box."""
        n, m, P = len(self.x), len(self.u), self.S.shape[0]
        if (n + P) * m > _MOST_RULE:
            return False
        middle, half = 0.5 * (self.lo + self.hi), 0.5 * (self.hi - self.lo)
        unit = sp.identity(m)
        none = sp.csr_matrix
        e = len(self.b)
        equal = sp.vstack([
            sp.hstack([self.A, none((e, m * n)), none((e, m * P))]),
            sp.hstack([none((e * m, n)), sp.kron(unit, self.A), none((e * m, m * P))])])
        ends = np.concatenate([self.b, -self.B.toarray().T.ravel()])
        wide = sp.diags(np.repeat(half, P))
        slope, steady = wide @ sp.kron(unit, self.S), wide @ self.T.toarray().T.ravel()
        reach = sp.vstack([
            sp.hstack([none((m * P, n)), sign * slope, -sp.identity(m * P)]) for sign in (1, -1)])
        at_middle = sp.hstack([
            self.S, sp.kron(middle[None], self.S), -sp.kron(np.ones((1, m)), sp.identity(P))])
        A = sp.vstack([equal, reach, at_middle], format="csr")
        least = np.full(2 * m * P, -np.inf)
        lo = np.concatenate([ends, least, -(self.s0 + self.T @ middle)])
        hi = np.concatenate([ends, -steady, steady, np.full(P, np.inf)])
        value = self._lp(np.zeros(A.shape[1]), A, lo, hi)
        if value is None:
            return False
        self.f, self.F = value[:n], value[n:n + m * n].reshape(m, n).T
        return self._holds()

    @staticmethod
    def _lp(cost, A, lo, hi):
        """A solution of an LP with free columns, without its cost where it has no least one."""
        free = np.full(A.shape[1], np.inf)
        lp = Highs(cost, sp.csr_matrix(A), lo, hi, -free, free,
                   primal_feasibility_tolerance=EXACT_FEASIBILITY)
        answer = lp.solve_lp()
        if answer.status not in (Status.OPTIMAL, Status.INFEASIBLE):
            lp.set_cost(np.arange(len(cost)), np.zeros(len(cost)))
            answer = lp.solve_lp()
        return answer.z if answer.status == Status.OPTIMAL else None

    def _holds(self) -> bool:
        """Whether the rule obeys the rows over the whole box, up to rounding."""
        low, high = self.range(self.A @ self.F + self.B, self.A @ self.f - self.b)
        least, _ = self.range(self.S @ self.F + self.T, self.S @ self.f + self.s0)
        near = 10 * EXACT_FEASIBILITY
        return bool((np.maximum(np.abs(low), np.abs(high)) <= near * (1 + np.abs(self.b))).all()
                    and (least >= -near * (1 + np.abs(self.s0))).all())

    def level_rows(self):
        """(coefficients of u, of x, limit) of rows of the part."""
        least = self._product()
        if least is None:
            return
        of_u, of_x, constant = least
        root = _root(self.Q)
        low, high = self.range(root @ self.F, root @ self.f)
        limit = 0.5 * float((np.maximum(np.abs(low), np.abs(high)) ** 2).sum()) + self.c @ self.f
        of_u = of_u - self.F.T @ self.c
        if self.D.any() and not self.F.any():
            of_u = of_u - self.D.T @ self.f
        elif self.D.any():
            low, high = self.range(self.D.T @ self.F, self.D.T @ self.f)
            limit += sum(max(a * b for a in ends for b in (lo, hi)) for *ends, lo, hi in zip(
                self.lo, self.hi, low, high, strict=True))
        x0 = self.F @ (0.5 * (self.lo + self.hi)) + self.f
        for at in self._points(x0, limit):
            yield (of_u, of_x + self.Q @ at + self.c,
                   limit - constant + 0.5 * float(at @ self.Q @ at))

    def dual_level_rows(self, bounds: PairBounds):
        """The same from strong duality, where every dual of the part is bounded."""
        least = self._product()
        if least is None:
            return
        of_u, of_x, constant = least
        ends = [(self.sigma * bounds.y_lo[self.equal], self.sigma * bounds.y_hi[self.equal],
                 *self.range(-self.B, self.b)),
                (np.zeros(len(self.pairs)), bounds.mu[self.pairs], *self.range(-self.T, -self.s0))]
        limit = sum(_greatest_products(*four).sum() for four in ends)
        if not np.isfinite(limit):
            return
        for at in self._points(np.zeros(len(self.x)), limit):
            yield (of_u, of_x + 2.0 * self.Q @ at + self.c,
                   limit - constant + float(at @ self.Q @ at))

    def _product(self):
        """(of u, of x, constant): what (D u)'x is at least; None where it has no such form."""
        of_u, of_x, constant = np.zeros(len(self.u)), np.zeros(len(self.x)), 0.0
        low, high = self.range(self.D, np.zeros(len(self.x)))
        for j in np.flatnonzero((self.D != 0).any(axis=1)):
            if np.isfinite(self.lb[j]):
                end, slope = self.lb[j], low[j]
            elif np.isfinite(self.ub[j]):
                end, slope = self.ub[j], high[j]
            else:
                return None
            of_u += end * self.D[j]
            of_x[j] += slope
            constant -= slope * end
        return of_u, of_x, constant

    def _points(self, x0: np.ndarray, limit: float):
        """Points at which the objective is linearised: x0, and along the objective's axes."""
        yield x0
        values, vectors = np.linalg.eigh(self.Q)
        for value, axis in zip(values, vectors.T, strict=True):
            if value > np.sqrt(CONVEX) * max(1.0, values[-1]):
                step = np.sqrt(2.0 * max(1.0, abs(limit)) / value) * axis
                yield x0 + step
                yield x0 - step


def _greatest_products(a, b, c, d) -> np.ndarray:
    """Greatest v w for v in [a, b] and w in [c, d], infinite where it is not known."""
    with np.errstate(invalid="ignore"):
        products = np.array([a * c, a * d, b * c, b * d])
    # zero times infinity: the other factor is zero all over only where both its ends are
    return np.where(np.isnan(products).any(axis=0), np.inf, products.max(axis=0, initial=-np.inf))


def _root(Q: np.ndarray) -> np.ndarray:
    """R with R'R = Q."""
    values, vectors = np.linalg.eigh(Q)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
