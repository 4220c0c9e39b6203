"""Random small bilevels: LP or QP, payments, soft limits, free and fixed columns, ranged rows.

`make_small` asks for its choices one by one. `Seeded` answers from a seed (those of seeds that once
found a fault stay what they were); `smalls` answers with draws of hypothesis, so that a failing
instance shrinks to few columns, zeros and small whole numbers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from tests.library.small import INF, Small


class Seeded:
    """Choices of a seeded generator."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def whole(self, low: int, high: int, shape=None):
        """Integers, both ends included."""
        return self.rng.integers(low, high + 1, shape)

    def real(self, shape):
        """Numbers around zero."""
        return self.rng.normal(0, 2, shape)

    def chance(self, share: float, shape=None):
        """True with this probability."""
        return self.rng.random(shape) < share

    def one_of(self, options: list, shares: list | None = None):
        """One of the options."""
        return self.rng.choice(options, p=shares)


class Drawn:
    """The same choices as draws of hypothesis; the first option and zero are the simplest."""

    def __init__(self, draw):
        self.draw = draw

    def whole(self, low: int, high: int, shape=None):
        return self._array(st.integers(low, high), shape)

    def real(self, shape):
        return self._array(st.integers(-60, 60).map(lambda tenth: tenth / 10), shape)

    def chance(self, share: float, shape=None):
        return self._array(st.integers(0, 19).map(lambda k: k >= 20 * (1 - share)), shape)

    def one_of(self, options: list, shares: list | None = None):
        weights = [round(20 * share) for share in shares or [0.05] * len(options)]
        return self.draw(st.sampled_from([
            option for option, w in zip(options, weights, strict=True) for _ in range(w)]))

    def _array(self, element, shape):
        if shape is None:
            return self.draw(element)
        flat = self.draw(st.lists(element, min_size=int(np.prod(shape)),
                                  max_size=int(np.prod(shape))))
        return np.array(flat).reshape(shape)


def random_small(seed: int) -> Small:
    """The instance of a seed."""
    return make_small(Seeded(seed))


@st.composite
def smalls(draw) -> Small:
    """Instances that shrink."""
    return make_small(Drawn(draw))


def make_small(pick: Seeded | Drawn) -> Small:
    """One instance from the choices of `pick`; its rows hold at some point for u = 1."""
    m, n, R = int(pick.whole(1, 2)), int(pick.whole(2, 4)), int(pick.whole(1, 3))
    whole = bool(pick.chance(0.5))  # small integers: degenerate lower levels

    def numbers(*shape, density=1.0):
        raw = pick.whole(-3, 3, shape) if whole else pick.real(shape)
        return np.where(pick.chance(density, shape), raw, 0).astype(float)

    A, B = numbers(R, n, density=0.8), numbers(R, m, density=0.7)
    A[np.arange(R), pick.whole(0, n - 1, R)] = 1.0
    lb, ub = _column_bounds(pick, n)
    inside = np.clip(numbers(n), np.maximum(lb, -4), np.minimum(ub, 4))
    lo, hi = _row_ends(pick, A @ inside + B @ np.full(m, 1.0))
    sense = int(pick.one_of([1, -1], [0.75, 0.25]))
    Q, D = np.zeros((n, n)), np.zeros((n, m))
    if pick.chance(0.4):
        root = np.diag(pick.whole(1, 3, n).astype(float)) if pick.chance(0.5) else (
            numbers(n, n) + 2 * np.eye(n))
        Q = sense * (root @ root.T + 0.5 * np.eye(n))
    if pick.chance(0.2):
        D = numbers(n, m, density=0.5)
    c = numbers(n)
    pay = pick.one_of(["no", "all", "part", "other"], [0.3, 0.4, 0.2, 0.1])
    upper_sense = int(pick.one_of([1, -1], [0.75, 0.25]))
    K = _payment(pick, pay, upper_sense * sense, B)
    small = Small(
        numbers(m), numbers(n, density=0.6), K, np.zeros(m), np.full(m, 2.0), c, A, B, lo, hi,
        lb, ub, Q, D, float(pick.one_of([0.0, 0.0, 1.0])) * upper_sense, sense, upper_sense)
    if pick.chance(0.6):
        small = _softened(small, pick)
    if pick.chance(0.2):
        small.integer = np.ones(m, bool)
    return small


def _column_bounds(pick, n: int):
    lb, ub = np.full(n, -INF), np.full(n, INF)
    for k in range(n):
        kind = pick.one_of(
            ["both", "lower", "upper", "free", "fixed"], [0.55, 0.2, 0.1, 0.1, 0.05])
        if kind in ("both", "lower", "fixed"):
            lb[k] = float(pick.whole(-2, 0))
        if kind in ("both", "upper"):
            ub[k] = max(lb[k], -2) + float(pick.whole(1, 4)) if np.isfinite(lb[k]) else 3.0
        if kind == "fixed":
            ub[k] = lb[k]
    return lb, ub


def _row_ends(pick, middle):
    lo, hi = np.full(len(middle), -INF), np.full(len(middle), INF)
    for r, value in enumerate(middle):
        kind = pick.one_of(["eq", "ge", "le", "range"], [0.3, 0.3, 0.25, 0.15])
        room = float(pick.whole(0, 2))
        if kind == "eq":
            lo[r] = hi[r] = value
        if kind in ("ge", "range"):
            lo[r] = value - room
        if kind in ("le", "range"):
            hi[r] = value + room + (kind == "range")
    return lo, hi


def _payment(pick, pay: str, sign: int, B):
    """Weights of dual x decision: what the leader pays for what it takes, or a part, or earns."""
    if pay == "no":
        return np.zeros_like(B)
    K = -float(pick.one_of([1.0, 0.5, 3.0])) * sign * B
    if pay == "part":
        K = K * pick.chance(0.6, K.shape)
    return -K if pay == "other" else K


def _softened(small: Small, pick) -> Small:
    """Soft limits: each inequality gets a column that buys its violation at a stated penalty."""
    add, cost = [], []
    for r in range(len(small.lo)):
        for side, coef in ((small.lo[r], 1.0), (small.hi[r], -1.0)):
            if np.isfinite(side):
                column = np.zeros(len(small.lo))
                column[r] = coef
                add.append(column)
                cost.append(float(pick.whole(5, 19)))
    k, n = len(add), len(small.c)
    Q = np.zeros((n + k, n + k))
    Q[:n, :n] = small.Q
    if small.Q.any():
        Q[n:, n:] = small.sense * 0.1 * np.eye(k)
    return replace(
        small, A=np.column_stack([small.A, *add]), Q=Q,
        c=np.concatenate([small.c, small.sense * np.array(cost)]),
        b=np.concatenate([small.b, np.zeros(k)]), lb=np.concatenate([small.lb, np.zeros(k)]),
        ub=np.concatenate([small.ub, np.full(k, INF)]),
        D=np.vstack([small.D, np.zeros((k, len(small.a)))]))
