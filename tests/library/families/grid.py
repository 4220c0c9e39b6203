"""A second judge: at given upper decisions the lower level is solved by itself, by scipy.

Then the best for the upper level among its answers and duals is taken by one LP. It shares the
drawn arrays with the brute force over what is tight, and nothing else.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import linprog

from tests.library.families.arrays import Bilevel, Follower
from tests.library.small import strictly_convex

NEAR = 1e-7  # room of each row: what scipy's solver takes for feasible


def value_at(drawn: Bilevel, u: np.ndarray) -> float | None:
    """Best upper objective at u; None where u is not feasible, -/+ inf where it is unbounded.

    Products of duals and lower Vars (or of two lower Vars) must not stand in the goal, unless the
    lower level is strictly convex and its answer hence known.
    """
    u = np.asarray(u, float)
    parts = [_Part(low, u) for low in drawn.followers]
    if any(part.x is None for part in parts):
        return None
    columns: dict = {}
    known = {("u", j): float(value) for j, value in enumerate(u)}
    width = 0
    for f, part in enumerate(parts):
        columns.update(part.columns(f, width))
        width += part.width
        if part.unique:
            known.update({("x", f, j): float(v) for j, v in enumerate(part.x)})
    A, lo, hi = _joined(parts, width)
    for form, low, high in drawn.rows:
        a, shift = _over(form, columns, known, width)
        A, lo, hi = np.vstack([A, a]), np.append(lo, low - shift), np.append(hi, high - shift)
    a, constant = _over(drawn.goal, columns, known, width)
    up, down = np.isfinite(hi), np.isfinite(lo)
    n = [(0, None) if mu else (None, None) for part in parts for mu in part.is_multiplier]
    room = NEAR * (1 + np.abs(np.concatenate([hi[up], lo[down]])))
    found = linprog(drawn.sense * a, np.vstack([A[up], -A[down]]),
                    np.concatenate([hi[up], -lo[down]]) + room, bounds=n)
    if found.status == 3:
        return -drawn.sense * np.inf
    return None if found.status else constant + drawn.sense * found.fun


def best_on_grid(drawn: Bilevel, points: int = 13, reach: float = 10.0):
    """(best value, u) over a grid of the upper decisions; None where none is feasible."""
    axes = []
    for j, (lo, hi) in enumerate(zip(drawn.u_lo, drawn.u_hi, strict=True)):
        lo, hi = max(lo, -reach), min(hi, max(lo, -reach) + 2 * reach)
        axes.append(np.arange(lo, hi + 0.5) if j in drawn.integer else np.linspace(lo, hi, points))
    best = None
    for u in itertools.product(*axes):
        value = value_at(drawn, np.array(u))
        if value is not None and (best is None or drawn.sense * value < drawn.sense * best[0]):
            best = value, np.array(u)
    return best


class _Part:
    """One follower at u: an answer, and the polyhedron of its answers and duals.

    Columns: x, then of each finite end of a row and of a Var its multiplier >= 0.
    """

    def __init__(self, low: Follower, u: np.ndarray):
        n, shift, unit = len(low.c), low.B @ u, np.eye(len(low.c))
        self.c, self.Q = low.sense * (low.c + low.D @ u), low.sense * low.Q
        ends = []
        for r in range(len(low.lo)):
            ends += [(low.A[r], low.lo[r] - shift[r], ("row", r), 1.0),
                     (-low.A[r], shift[r] - low.hi[r], ("row", r), -1.0)]
        for j in range(n):
            ends += [(unit[j], low.lb[j], ("lower", j), 1.0),
                     (-unit[j], -low.ub[j], ("upper", j), -1.0)]
        ends = [end for end in ends if np.isfinite(end[1])]
        self.G = np.array([end[0] for end in ends]).reshape(-1, n)
        self.g = np.array([end[1] for end in ends])
        self.owners = [(end[2], end[3] * low.sense) for end in ends]
        self.width = n + len(ends)
        self.is_multiplier = [False] * n + [True] * len(ends)
        self.unique = bool(self.Q.any())
        self.x = self._answer()

    def _answer(self) -> np.ndarray | None:
        if self.unique:
            assert np.linalg.eigvalsh(self.Q)[0] > 0, "strictly convex"
            return strictly_convex(self.Q, self.c, self.G, self.g)
        found = linprog(self.c, -self.G, -self.g, bounds=(None, None))
        return found.x if found.status == 0 else None

    def columns(self, f: int, first: int) -> dict:
        """{label: [(column, sign)]}: the dual of a row with two ends is made of two columns."""
        n = len(self.c)
        found = {("x", f, j): [(first + j, 1.0)] for j in range(n)}
        for i, ((kind, k), sign) in enumerate(self.owners):
            found.setdefault((kind, f, k), []).append((first + n + i, sign))
        return found

    def rows(self):
        """(A, lo, hi) over its columns: an answer, its multipliers, and no gap between them."""
        n, k = len(self.c), len(self.g)
        right = self.c + self.Q @ self.x  # the gradient, the same at every answer
        room = NEAR * (1 + np.abs(right)) if self.unique else 0.0
        A = [np.hstack([self.G, np.zeros((k, k))]), np.hstack([np.zeros((n, n)), self.G.T])]
        lo, hi = [self.g, right - room], [np.full(k, np.inf), right + room]
        if self.unique:  # that answer, and no multiplier of what has slack there
            slack = np.flatnonzero(self.G @ self.x - self.g > NEAR * (1 + np.abs(self.g)))
            at = np.concatenate([np.arange(n), n + slack])
            A.append(np.eye(n + k)[at])
            lo.append(np.concatenate([self.x, np.zeros(len(slack))]))
            hi.append(lo[-1])
        else:
            A.append(np.concatenate([right, -self.g])[None])
            lo.append(np.array([-np.inf]))
            hi.append(np.zeros(1))
        return np.vstack(A), np.concatenate(lo), np.concatenate(hi)


def _joined(parts: list[_Part], width: int):
    """All followers' rows over all columns."""
    rows, lo, hi, at = [], [], [], 0
    for part in parts:
        own, low, high = part.rows()
        wide = np.zeros((len(own), width))
        wide[:, at:at + part.width] = own
        at += part.width
        rows.append(wide)
        lo.append(low)
        hi.append(high)
    return np.vstack(rows), np.concatenate(lo), np.concatenate(hi)


def _over(form, columns: dict, known: dict, width: int):
    """(row over the columns, constant) of a form in which what is known has its value."""
    a, constant = np.zeros(width), 0.0
    for key, value in form.items():
        left = [label for label in key if label not in known]
        for label in key:
            value = value * known.get(label, 1.0)
        if not left:
            constant += value
        elif value:
            assert len(left) == 1, f"a product that is left: {key}"
            for k, sign in columns[left[0]]:
                a[k] += value * sign
    return a, constant
