"""Families at the edge: large multipliers, other units, infeasible and unbounded models."""

from __future__ import annotations

import numpy as np

from tests.library.families import general, markets, networks
from tests.library.families.arrays import (
    INF,
    Bilevel,
    Units,
    added,
    dual,
    follower,
    linear,
    u,
    x,
)

Rng = np.random.Generator
STEEP = 3000.0


def large_multipliers(rng: Rng) -> Bilevel:
    """Multipliers about 3,000: a penalty in the lower cost, or a row in large units."""
    kind = rng.random()
    if kind < 0.4:
        return _steep_beyond(rng)
    if kind < 0.7:
        model = general.lp_lp(rng)
        low = model.followers[0]
        r = int(rng.integers(0, len(low.lo)))
        for part in (low.A, low.B, low.lo, low.hi):
            part[r] = part[r] / 1000.0
        return model
    return _penalty(rng)


def _steep_beyond(rng: Rng) -> Bilevel:
    """A row in thousands binds beyond some u only: with |dual| <= 1,000 the leader stays below."""
    c = np.sort(rng.integers(2, 6, 2)).astype(float)
    need, first = float(rng.integers(1, 3)), float(rng.integers(1, 3))
    low = follower(1, c, [[1.0, 1.0], [0.001, first * 0.001]], [need, 0.0], [INF, INF],
                   B=[[0.0], [-0.001]], ub=[*rng.integers(3, 6, 2)])
    gain = float(rng.integers(3, 6))
    goal = linear({u(0): -gain, x(0): float(rng.integers(0, 3)), x(1): float(rng.integers(0, 3))})
    return Bilevel(np.zeros(1), np.array([5.0]), [low], goal)


def _penalty(rng: Rng) -> Bilevel:
    """Demand u + 1 met by two units or by shedding at 3,000, which the leader may want."""
    A = np.array([[1.0, 1.0, 1.0]])
    c = [rng.integers(1, 20), rng.integers(20, 50), STEEP + rng.integers(0, 400)]
    low = follower(1, c, A, [1.0], [1.0], B=[[-1.0]], ub=[*rng.integers(1, 3, 2), INF])
    gain = float(rng.integers(1, 4))
    goal = linear({u(0): -float(rng.integers(0, 3)), x(2): gain - 1.5 - float(rng.integers(0, 4)),
                   x(1): float(rng.integers(0, 3))})
    rows = [(linear({x(2): 1.0}), -INF, 2.5)] if rng.random() < 0.5 else []
    if rng.random() < 0.3:
        rows.append((linear({dual(0): 1.0}), -INF, STEEP / 2))
    return Bilevel(np.zeros(1), np.array([4.0]), [low], goal, 1, rows)


BASES = (general.lp_lp, general.lp_qp, general.qp_lp, networks.tolls, markets.price_cap,
         markets.payment_of_all, markets.producer_quantity)


def units(rng: Rng) -> Units:
    """One or two quantities in other units, by factors of 1e-4 to 1e5."""
    chosen = Units()
    for name in rng.choice(["u", "x", "row", "cost", "goal", "upper_row"], 2, replace=False):
        setattr(chosen, str(name), float(10.0 ** rng.choice([-4, -3, -2, 2, 3, 4, 5])))
    # widths of boxes stay above tolerances that are absolute
    chosen.u, chosen.x = min(chosen.u, 1e2), min(chosen.x, 1e2)
    chosen.row, chosen.cost = max(chosen.row, 1e-2), max(chosen.cost, 1e-2)
    chosen.upper_row = max(chosen.upper_row, 1e-2)
    return chosen


def base_of_scaled(rng: Rng) -> Bilevel:
    """One of seven other families, with coefficients times 1e-4 to 1e5 in two kinds of units."""
    return BASES[int(rng.integers(0, len(BASES)))](rng)


def infeasible(rng: Rng) -> Bilevel:
    """No answer below for any u; none at all below; or an answer that no upper row allows."""
    kind = int(rng.integers(0, 6))
    make = general.lp_qp if kind in (0, 3) else general.lp_lp
    model = make(rng)
    low = model.followers[0]
    m = len(model.u_lo)
    if kind in (0, 1):  # a row that no x obeys, whatever u
        low.ub = np.where(np.isinf(low.ub), 5.0, low.ub)
        low.A = np.vstack([low.A, np.ones(len(low.c))])
        low.B = np.vstack([low.B, np.ones(m)])
        low.lo = np.append(low.lo, low.ub.sum() + model.u_hi.sum() + 1)
        low.hi = np.append(low.hi, INF)
    elif kind == 2:  # a cost without end
        n = len(low.c)
        model.followers[0] = follower(
            m, [*(low.sense * low.c), -1.0], np.hstack([low.A, np.zeros((len(low.lo), 1))]),
            low.lo, low.hi, B=low.B, lb=[*low.lb, 0.0], ub=[*np.full(n, 5.0), INF])
    elif kind in (3, 4):  # the cheapest answer is what the upper row forbids
        return _forbidden(rng, quadratic=kind == 3)
    else:  # a price that is never so low
        c = rng.integers(10, 30, 2).astype(float)
        model = Bilevel(np.zeros(1), np.array([2.0]), [follower(
            1, c, [[1.0, 1.0]], [1.0], [1.0], B=[[-1.0]], ub=[2.0, INF])], linear({u(0): -1.0}), 1,
            [(linear({dual(0): 1.0}), -INF, float(c.min() - 2))])
    return model


def _forbidden(rng: Rng, quadratic: bool) -> Bilevel:
    """y follows u (y = u + a, or the nearest to it), the upper level wants it elsewhere."""
    a = float(rng.integers(0, 3))
    rows = [(linear({x(0): 1.0, u(0): -1.0}), a + 1.0, INF)]
    if quadratic:
        low = follower(1, [-a], np.zeros((0, 1)), [], [], Q=[[1.0]], D=[[-1.0]], lb=[-5.0],
                       ub=[10.0])
    else:
        low = follower(1, [1.0], [[1.0]], [a], [INF], B=[[-1.0]], ub=[10.0])
    return Bilevel(np.zeros(1), np.array([3.0]), [low], linear({u(0): 1.0, x(0): 1.0}), 1, rows)


def unbounded(rng: Rng) -> Bilevel:
    """A free u, a ray of ties, a way to infinity for both, or a paid dual that is not unique."""
    kind = int(rng.integers(0, 5))
    c = float(rng.integers(1, 5))
    if kind == 0:  # u alone
        low = follower(1, [c], [[1.0]], [1.0], [INF], B=[[0.0]], ub=[3.0])
        return Bilevel(np.zeros(1), np.array([INF]), [low], linear({u(0): -1.0, x(0): 1.0}))
    if kind == 1:  # a Var without cost below
        low = follower(1, [c, 0.0], [[1.0, 1.0]], [1.0], [INF], B=[[1.0]], ub=[3.0, INF])
        return Bilevel(np.zeros(1), np.array([2.0]), [low], linear({u(0): 1.0, x(1): 1.0}), -1)
    if kind == 2:  # x follows u
        Q = [[1.0]] if rng.random() < 0.5 else [[0.0]]
        low = follower(1, [c], [[1.0]], [1.0], [INF], B=[[-1.0]], Q=Q)
        return Bilevel(np.zeros(1), np.array([INF]), [low], linear({u(0): 1.0, x(0): -2.0}))
    if kind == 3:  # all capacity is in use at u = 1, and nothing bounds the price
        low = follower(1, [10.0, 20.0 + c], [[1.0, 1.0]], [2.0], [2.0], B=[[1.0]], ub=[1.0, c])
        low.lo[0] = low.hi[0] = 2.0 + c
        goal = added({(dual(0), u(0)): 1.0}, linear({u(0): -1.0}))
        return Bilevel(np.zeros(1), np.array([2.0]), [low], goal, -1)
    # the same balance twice: only the sum of its duals is known
    low = follower(1, [10.0, 20.0 + c], [[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], [1.0, 1.0],
                   B=[[-1.0], [-1.0]], ub=[2.0, INF])
    goal = added({(dual(0), u(0)): 1.0}, linear({u(0): -40.0}))
    return Bilevel(np.zeros(1), np.array([3.0]), [low], goal)
