"""Random bilevels without a story: LP or QP at each level, ties, redundant rows, free Vars.

Data are small whole numbers, so that vertices are rationals of small denominators and ties are
exact. The rows of the lower level hold at some point for u = 1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.library.families.arrays import INF, Bilevel, Follower, added, linear, u, x

Rng = np.random.Generator


def numbers(rng: Rng, *shape, density: float = 1.0, size: int = 3) -> np.ndarray:
    """Whole numbers from -size to size; a share of them is zero."""
    raw = rng.integers(-size, size + 1, shape)
    return np.where(rng.random(shape) < density, raw, 0).astype(float)


def random_follower(rng: Rng, m: int, n: int, R: int, quadratic: bool = False) -> Follower:
    """x in boxes (some without an upper end), rows of all kinds, a bounded cost."""
    A, B = numbers(rng, R, n, density=0.8), numbers(rng, R, m, density=0.7)
    A[np.arange(R), rng.integers(0, n, R)] = 1.0
    ub = np.where(rng.random(n) < 0.6, rng.integers(2, 6, n), INF)
    inside = np.minimum(rng.integers(0, 4, n), ub).astype(float)
    lo, hi = row_ends(rng, A @ inside + B.sum(axis=1))
    sense = 1 if rng.random() < 0.7 else -1
    c = np.where(np.isinf(ub), rng.integers(0, 5, n), rng.integers(-4, 5, n)).astype(float)
    Q = np.zeros((n, n))
    if quadratic:
        root = numbers(rng, n, n, density=0.4, size=1)
        Q = root @ root.T + np.diag(rng.integers(1, 4, n))
    return Follower(sense * c, A, B, lo, hi, np.zeros(n), ub, sense * Q, np.zeros((n, m)), sense)


def row_ends(rng: Rng, middle) -> tuple[np.ndarray, np.ndarray]:
    """Ends of rows that hold at `middle`: equations, one end, or two."""
    lo, hi = np.full(len(middle), -INF), np.full(len(middle), INF)
    for r, value in enumerate(middle):
        kind = rng.choice(["eq", "ge", "le", "range"], p=[0.15, 0.35, 0.35, 0.15])
        room = float(rng.integers(0, 3))
        if kind == "eq":
            lo[r] = hi[r] = value
        if kind in ("ge", "range"):
            lo[r] = value - room
        if kind in ("le", "range"):
            hi[r] = value + room + (kind == "range")
    return lo, hi


def upper_level(rng: Rng, followers: list[Follower], m: int, quadratic: bool = False) -> Bilevel:
    """u in a box of 0 to 2..4; a goal in u and x, a row in both in four of ten models."""
    places = [u(j) for j in range(m)] + [
        x(j, f) for f, low in enumerate(followers) for j in range(len(low.c))]
    weights = numbers(rng, len(places), density=0.8, size=4)
    weights[rng.integers(m, len(places))] = rng.choice([-3, 2])
    goal = linear(dict(zip(places, weights, strict=True)))
    sense = 1 if rng.random() < 0.7 else -1
    if quadratic:  # distances to wanted values
        for label in places:
            if rng.random() < 0.6:
                want, price = float(rng.integers(0, 5)), float(rng.integers(1, 4))
                goal = added(goal, {(label, label): sense * price, (label,): -2 * sense * price
                                    * want, (): sense * price * want ** 2})
    # an x without an upper end must not carry the goal away
    for f, low in enumerate(followers):
        for j in np.flatnonzero(np.isinf(low.ub) | np.isinf(low.lb)):
            key = (x(int(j), f),)
            goal[key] = 0.0 if np.isinf(low.lb[j]) else sense * abs(goal.get(key, 0.0))
    rows = []
    if rng.random() < 0.4:
        weights = numbers(rng, len(places), density=0.6, size=2)
        if np.any(weights):
            right = float(weights[:m].sum() + rng.integers(2, 8))
            rows.append((linear(dict(zip(places, weights, strict=True))), -INF, right))
    return Bilevel(np.zeros(m), rng.integers(2, 5, m).astype(float), followers,
                   {key: value for key, value in goal.items() if value}, sense, rows)


def _sizes(rng: Rng) -> tuple[int, int, int]:
    return int(rng.integers(1, 3)), int(rng.integers(2, 4)), int(rng.integers(2, 4))


def lp_lp(rng: Rng) -> Bilevel:
    """Linear at both levels."""
    m, n, R = _sizes(rng)
    return upper_level(rng, [random_follower(rng, m, n, R)], m)


def lp_qp(rng: Rng) -> Bilevel:
    """A strictly convex lower level."""
    m, n, R = _sizes(rng)
    low = random_follower(rng, m, n, R, quadratic=True)
    if rng.random() < 0.4:
        low.D = numbers(rng, n, m, density=0.5, size=2)
    return upper_level(rng, [low], m)


def qp_lp(rng: Rng) -> Bilevel:
    """A convex upper objective."""
    m, n, R = _sizes(rng)
    return upper_level(rng, [random_follower(rng, m, n, R)], m, quadratic=True)


def qp_qp(rng: Rng) -> Bilevel:
    """Convex at both levels."""
    m, n, R = _sizes(rng)
    return upper_level(rng, [random_follower(rng, m, n, R, quadratic=True)], m, quadratic=True)


def products_above(rng: Rng) -> Bilevel:
    """An upper objective that is not convex: products of u and x, of two x, squares of any sign."""
    m, n, R = _sizes(rng)
    low = random_follower(rng, m, n, R, quadratic=bool(rng.random() < 0.4))
    low.ub = np.minimum(low.ub, 5.0)
    drawn = upper_level(rng, [low], m)
    places = [*(u(j) for j in range(m)), *(x(j, 0) for j in range(n))]
    goal = dict(drawn.goal)
    for _ in range(int(rng.integers(2, 5))):
        i, j = rng.integers(0, len(places), 2)
        goal = added(goal, {(places[min(i, j)], places[max(i, j)]): float(rng.choice([-2, -1, 1]))})
    return replace(drawn, goal=goal)


def degenerate(rng: Rng) -> Bilevel:
    """Ties: equal or zero costs, rows that meet in one point, duals that are not unique."""
    m, n, R = int(rng.integers(1, 3)), 3, int(rng.integers(2, 4))
    low = random_follower(rng, m, n, R)
    low.A, low.B = numbers(rng, R, n, size=1), numbers(rng, R, m, density=0.7, size=1)
    low.A[np.arange(R), rng.integers(0, n, R)] = 1.0
    low.lo, low.hi = row_ends(rng, low.A @ np.minimum(1.0, low.ub) + low.B.sum(axis=1))
    low.c = low.sense * np.full(n, float(rng.integers(0, 2)))
    if rng.random() < 0.4:  # costs that are a row: the whole face is optimal
        low.ub = np.full(n, 3.0)
        low.c = low.A[0].copy()
    return upper_level(rng, [low], m, quadratic=bool(rng.random() < 0.3))


def redundant(rng: Rng) -> Bilevel:
    """Rows twice, rows that are sums of others, equations that follow from others."""
    m, n = int(rng.integers(1, 3)), int(rng.integers(2, 4))
    low = random_follower(rng, m, n, 2, quadratic=bool(rng.random() < 0.4))
    equation = np.flatnonzero(low.lo == low.hi)
    if not len(equation):
        value = float(low.A[0] @ np.minimum(1.0, low.ub) + low.B[0].sum())
        low.lo[0] = low.hi[0] = value
    factors = [(1.0, 0.0)] if rng.random() < 0.3 else []
    factors.append((float(rng.choice([1, 2, -1])), 0.0))
    both = np.flatnonzero(low.lo == low.hi)
    for a, b in factors:
        r, s = (int(both[0]), int(both[-1]))
        low = _more_rows(low, a * low.A[r] + b * low.A[s], a * low.B[r] + b * low.B[s],
                         a * low.lo[r] + b * low.lo[s], a * low.lo[r] + b * low.lo[s])
    k = int(rng.integers(0, 2))  # and a row as it is, twice, or twice as large
    size = float(rng.integers(1, 3))
    low = _more_rows(low, size * low.A[k], size * low.B[k], size * low.lo[k], size * low.hi[k])
    return upper_level(rng, [low], m, quadratic=bool(rng.random() < 0.3))


def _more_rows(low: Follower, a, b, lo: float, hi: float) -> Follower:
    return replace(low, A=np.vstack([low.A, a]), B=np.vstack([low.B, b]),
                   lo=np.append(low.lo, lo), hi=np.append(low.hi, hi))


def free_vars(rng: Rng) -> Bilevel:
    """Lower Vars without bounds or with one, whose rows alone hold them."""
    m, n, quadratic = int(rng.integers(1, 3)), int(rng.integers(2, 4)), bool(rng.random() < 0.5)
    R = n + int(rng.integers(0, 2))
    low = random_follower(rng, m, n, R, quadratic)
    kind = rng.integers(0, 3, n)
    low.lb = np.where(kind == 0, 0.0, -INF)
    low.ub = np.where(kind == 1, 4.0, INF)
    if not quadratic:  # a cost that the rows pay for: c = A'y with y of the right signs
        y = rng.integers(0, 3, R).astype(float)
        side = np.where(np.isfinite(low.lo), 1, -1)
        low.c = low.sense * (low.A.T @ (side * y) + np.where(kind == 0, 1, 0) - (kind == 1))
    model = upper_level(rng, [low], m, quadratic=True)
    for j in range(n):  # what is free is wanted somewhere
        model.goal = added(model.goal, {(x(j), x(j)): float(model.sense)})
    return model


def equality_only(rng: Rng) -> Bilevel:
    """A lower level of equations and free Vars: no pair at all."""
    m, n = int(rng.integers(1, 3)), int(rng.integers(2, 5))
    R = int(rng.integers(1, n))
    low = random_follower(rng, m, n, R, quadratic=bool(rng.random() < 0.7))
    low.lb, low.ub = np.full(n, -INF), np.full(n, INF)
    low.hi = low.lo = low.A @ numbers(rng, n) + low.B.sum(axis=1)
    if low.Q.any():
        low.D = numbers(rng, n, m, density=0.5, size=2)
    else:
        low.c = low.A.T @ numbers(rng, R)  # every feasible point is optimal
    model = upper_level(rng, [low], m)
    for j in range(n):
        model.goal = added(model.goal, {(x(j), x(j)): float(model.sense)})
    return model


def integers(rng: Rng) -> Bilevel:
    """Whole numbers and binaries above."""
    m, n, R = int(rng.integers(2, 4)), int(rng.integers(2, 4)), int(rng.integers(2, 4))
    low = random_follower(rng, m, n, R, quadratic=bool(rng.random() < 0.3))
    model = upper_level(rng, [low], m, quadratic=bool(rng.random() < 0.3))
    model.integer = tuple(range(m - int(rng.random() < 0.5)))
    model.u_hi = np.where(rng.random(m) < 0.5, 1.0, model.u_hi)
    return model


def several_followers(rng: Rng) -> Bilevel:
    """Two or three lower levels, LP or QP, that meet in the upper level alone."""
    m, count = int(rng.integers(1, 3)), int(rng.integers(2, 4))
    followers = [random_follower(rng, m, 2, 3 - count + 1, quadratic=bool(rng.random() < 0.4))
                 for _ in range(count)]
    model = upper_level(rng, followers, m, quadratic=bool(rng.random() < 0.3))
    if rng.random() < 0.5:  # one row that all share
        shared = {x(0, f): 1.0 for f in range(count)}
        model.rows.append((linear({**shared, u(0): -1.0}), -INF, float(rng.integers(1, 5))))
    return model


def fixed_and_ranged(rng: Rng) -> Bilevel:
    """Fixed Vars at both levels, ranged rows, and either level may maximise."""
    m, n, R = 2, 3, 2
    low = random_follower(rng, m, n, R, quadratic=bool(rng.random() < 0.4))
    middle = low.A @ np.minimum(1.0, low.ub) + low.B.sum(axis=1)
    low.lo, low.hi = middle - rng.integers(0, 3, R), middle + rng.integers(1, 4, R)
    low.fixed = (int(rng.integers(0, n)),)
    j = low.fixed[0]
    low.lb[j] = low.ub[j] = min(float(rng.integers(0, 3)), low.ub[j])
    model = upper_level(rng, [low], m, quadratic=bool(rng.random() < 0.3))
    if rng.random() < 0.6:
        model.fixed = (int(rng.integers(0, m)),)
        k = model.fixed[0]
        model.u_lo[k] = model.u_hi[k] = float(rng.integers(0, 3))
    places = {u(0): 1.0, u(1): 1.0, x((j + 1) % n): 1.0}
    model.rows.append((linear(places), 0.0, float(rng.integers(3, 8))))
    return model
