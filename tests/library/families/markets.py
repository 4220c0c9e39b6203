"""Families that use duals of the lower level: prices paid, earned, capped.

A market has generators at rising costs, one or two hours (or nodes), demand, and mostly shedding at
200 per MWh; without it the price at full use of all capacities is unbounded.
"""

from __future__ import annotations

import numpy as np

from tests.library.families.arrays import (
    INF,
    Bilevel,
    Follower,
    added,
    bound_dual,
    dual,
    follower,
    linear,
    u,
    x,
)

Rng = np.random.Generator
SHEDDING = 200.0


def _market(rng: Rng, m: int, hours: int, units: int, *, shed: bool = True,
            quadratic: bool = False) -> Follower:
    """Columns by hour: units, then shedding. Rows: the balance of each hour."""
    width = units + shed
    c, ub, Q = [], [], []
    for _ in range(hours):
        c += [*np.cumsum(rng.integers(5, 30, units)), *([SHEDDING] if shed else [])]
        ub += [*rng.integers(1, 4, units), *([INF] if shed else [])]
        Q += [*(rng.integers(2, 7, units) if quadratic else np.zeros(units)),
              *([0.5 if quadratic else 0.0] if shed else [])]
    A = np.zeros((hours, hours * width))
    for t in range(hours):
        A[t, t * width:(t + 1) * width] = 1.0
    demand = rng.integers(2, 2 * units + 1, hours).astype(float)
    return follower(m, c, A, demand, demand, ub=ub, Q=np.diag(np.array(Q, float)))


def _tied(low: Follower, rng: Rng, units: int, width: int) -> None:
    """A limit on the first unit's energy over both hours."""
    row = np.zeros((1, len(low.c)))
    row[0, [0, width]] = 1.0
    low.A = np.vstack([low.A, row])
    low.B = np.vstack([low.B, np.zeros((1, low.B.shape[1]))])
    low.lo = np.append(low.lo, -INF)
    low.hi = np.append(low.hi, float(rng.integers(2, 4)))


def producer_quantity(rng: Rng) -> Bilevel:
    """Offers a quantity u into each hour's balance and earns its dual: max lam u - cost u."""
    T, units = int(rng.integers(1, 3)), 2
    shed = rng.random() < 0.8
    low = _market(rng, T, T, units, shed=shed, quadratic=bool(rng.random() < 0.3))
    low.B[:T] = np.eye(T)
    if T == 2 and rng.random() < 0.4:
        _tied(low, rng, units, units + shed)
    cost = float(rng.integers(1, 10))
    goal = added({(dual(t), u(t)): 1.0 for t in range(T)},
                 linear({u(t): -cost for t in range(T)}))
    hi = np.full(T, 2.0) if shed else np.full(T, 1.0)
    rows = [(linear({u(0): 1.0, u(1): 1.0}), -INF, 3.0)] if T == 2 and rng.random() < 0.5 else []
    return Bilevel(np.zeros(T), hi, [low], goal, -1, rows)


def producer_price(rng: Rng) -> Bilevel:
    """Offers its first unit at a price u (and perhaps a quantity); earns dual x its dispatch."""
    T, units = 1 if rng.random() < 0.6 else 2, 2
    quantity = rng.random() < 0.4
    m = T + quantity
    low = _market(rng, m, T, units, shed=True, quadratic=False)
    width = units + 1
    own = [t * width for t in range(T)]
    true = float(rng.integers(1, 10))
    low.c[own] = 0.0
    low.D[own, np.arange(T)] = 1.0
    if quantity:  # x <= u_T in place of the capacity
        caps = np.zeros((T, len(low.c)))
        caps[np.arange(T), own] = 1.0
        low.ub[own] = INF
        low.A = np.vstack([low.A, caps])
        low.B = np.vstack([low.B, np.hstack([np.zeros((T, T)), -np.ones((T, 1))])])
        low.lo, low.hi = np.append(low.lo, np.full(T, -INF)), np.append(low.hi, np.zeros(T))
    goal = added({(dual(t), x(own[t])): 1.0 for t in range(T)},
                 linear({x(own[t]): -true for t in range(T)}))
    u_hi = np.append(np.full(T, 150.0), [3.0] if quantity else [])
    return Bilevel(np.zeros(m), u_hi, [low], goal, -1)


def price_cap(rng: Rng) -> Bilevel:
    """Capacity u is built until the price, a dual in an upper row, stays below a cap."""
    T, units = int(rng.integers(1, 3)), 2
    low = _market(rng, 1 + (T == 2), T, units, quadratic=bool(rng.random() < 0.3))
    width, m = units + 1, 1 + (T == 2)
    first = np.zeros((T, len(low.c)))
    first[np.arange(T), [t * width for t in range(T)]] = 1.0
    low.ub[[t * width for t in range(T)]] = INF
    low.A = np.vstack([low.A, first])
    B = np.zeros((T, m))
    B[:, 0] = -1.0
    if m == 2:
        B[1, 1] = -1.0  # built later, for the second hour only
    low.B = np.vstack([low.B, B])
    low.lo, low.hi = np.append(low.lo, np.full(T, -INF)), np.append(low.hi, np.zeros(T))
    price = rng.integers(5, 40, m).astype(float)
    cap = float(rng.choice([20.0, 45.0, 100.0]))
    rows = [(linear({dual(t): 1.0}), -INF, cap) for t in range(T)]
    if T == 2 and rng.random() < 0.5:
        rows = [(linear({dual(0): 0.5, dual(1): 0.5}), -INF, cap)]
    goal = linear({u(k): price[k] for k in range(m)})
    if rng.random() < 0.5:
        goal = added(goal, linear({x(j): low.c[j] for j in range(len(low.c))}))
    return Bilevel(np.zeros(m), np.full(m, 5.0), [low], goal, 1, rows)


def _consumer(rng: Rng, paid: str) -> Bilevel:
    T, units = 2, 2
    shed = rng.random() < 0.8
    low = _market(rng, T, T, units, shed=shed, quadratic=bool(rng.random() < 0.4))
    low.lo[:T] = low.hi[:T] = rng.integers(0, 3, T)
    low.B[:T] = -np.eye(T)  # balance: generation = demand + u
    if rng.random() < 0.4:
        _tied(low, rng, units, units + shed)
    pays = range(T) if paid == "all" else [int(rng.integers(0, T))]
    value = float(rng.integers(15, 80))
    goal = added({(dual(t), u(t)): 1.0 for t in pays}, linear({u(t): -value for t in range(T)}))
    day = linear({u(0): 1.0, u(1): 1.0})
    rows = [(day, 2.0, 2.0)] if rng.random() < 0.5 else [(day, 1.0, INF)]
    sense = 1 if rng.random() < 0.7 else -1
    goal = {key: sense * entry for key, entry in goal.items()}
    return Bilevel(np.zeros(T), np.full(T, 2.0), [low], goal, sense, rows)


def payment_of_all(rng: Rng) -> Bilevel:
    """Pays the price of all its energy, two hours."""
    return _consumer(rng, "all")


def payment_of_some(rng: Rng) -> Bilevel:
    """Pays the price of one hour only."""
    return _consumer(rng, "some")


def congestion_rent(rng: Rng) -> Bilevel:
    """Two nodes and a line: its owner earns the duals of the flow's bounds, or of a ranged row."""
    demand = rng.integers(2, 5, 2).astype(float)
    cheap, dear = float(rng.integers(5, 20)), float(rng.integers(25, 60))
    cap = float(rng.integers(1, 3))
    by_row = rng.random() < 0.5
    A = [[1.0, 0, 1, 0, -1], [0, 1, 0, 1, 1]]  # two units, shedding at each, the flow
    lo = hi = list(demand)
    lb, ub = [0.0, 0, 0, 0, -cap], [5.0, 3.0, INF, INF, cap]
    if by_row:
        A, lo, hi = [*A, [0, 0, 0, 0, 1.0]], [*lo, -cap], [*hi, cap]
        lb[4], ub[4] = -INF, INF
    B = np.zeros((len(lo), 1))
    B[int(rng.integers(0, 2)), 0] = -1.0  # the owner may add demand at one node, at a cost
    low = follower(1, [cheap, dear, SHEDDING, SHEDDING, 0.0], A, lo, hi, B=B, lb=lb, ub=ub)
    if by_row:
        rent = linear({dual(2): -cap})
    else:
        rent = linear({bound_dual(4, "upper"): -cap, bound_dual(4, "lower"): cap})
    goal = added(rent, linear({u(0): -float(rng.integers(5, 30))}))
    rows = []
    if rng.random() < 0.4:
        rows = [(linear({dual(0): 1.0}), -INF, 150.0), (linear({dual(1): 1.0}), -INF, 150.0)]
    return Bilevel(np.zeros(1), np.array([4.0]), [low], goal, -1, rows)
