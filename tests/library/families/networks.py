"""Families on small networks: tolls and interdiction; flows f >= 0, with and without capacities."""

from __future__ import annotations

import numpy as np

from tests.library.families.arrays import INF, Bilevel, Follower, added, follower, linear, u, x

Rng = np.random.Generator
# nodes s=0, 1, 2, t=3
ARCS = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (0, 3)]
PICKS = [[0, 1, 3, 4], [0, 1, 2, 3, 4], [0, 1, 3, 4, 5]]


def _conservation(arcs) -> np.ndarray:
    """Flow out less flow in, nodes x arcs; its rows add up to zero."""
    K = np.zeros((4, len(arcs)))
    for k, (i, j) in enumerate(arcs):
        K[i, k] += 1
        K[j, k] -= 1
    return K


def _graph(rng: Rng):
    arcs = [ARCS[k] for k in PICKS[int(rng.integers(0, len(PICKS)))]]
    K = _conservation(arcs)
    nodes = slice(0, 4) if rng.random() < 0.5 else slice(0, 3)  # all of them: one is redundant
    return arcs, K[nodes], nodes


def tolls(rng: Rng) -> Bilevel:
    """The leader takes t on one or two arcs; travellers take the cheapest way: t f at both levels.

    One arc past the tolls goes from s to t; in one model in ten not all can take it, and tolls
    without a cap are then unbounded.
    """
    arcs, K, nodes = _graph(rng)
    if (0, 3) not in arcs:
        arcs = [*arcs, (0, 3)]
        K = _conservation(arcs)[nodes]
    n, m, amount = len(arcs), int(rng.integers(1, 3)), float(rng.integers(1, 4))
    cut = [0, 1] if rng.random() < 0.5 else [k for k in range(n - 1) if arcs[k][1] == 3]
    tolled = cut if m == 2 else [int(rng.integers(0, n - 1))]
    c = rng.integers(1, 6, n).astype(float)
    c[tolled] = rng.integers(0, 3, m)
    c[-1] = float(rng.integers(6, 12))
    D = np.zeros((n, m))
    D[tolled, np.arange(m)] = 1.0
    right = amount * np.array([1.0, 0, 0, -1])[nodes]
    ub = np.full(n, INF)
    if rng.random() < 0.4:
        ub[:2] = rng.integers(1, 4, 2)
    cap = INF if rng.random() < 0.5 else float(rng.integers(2, 8))
    followers = [follower(m, c, K, right, right, D=D, ub=ub)]
    if rng.random() < 0.1:
        followers[0].ub[-1] = 0.5 * amount  # not all can go past
    goal = {(u(k), x(a)): 1.0 for k, a in enumerate(tolled)}
    return Bilevel(np.zeros(m), np.full(m, cap), followers, goal, -1)


def interdict_flow(rng: Rng) -> Bilevel:
    """The leader cuts capacities within a budget; the follower sends the greatest flow."""
    arcs = [ARCS[k] for k in PICKS[int(rng.integers(0, 2))]]
    arcs.append((3, 0))  # and back, which is maximised
    K, m = _conservation(arcs), len(arcs) - 1
    nodes = slice(0, 4) if rng.random() < 0.6 else slice(0, 3)
    caps = rng.integers(1, 5, m).astype(float)
    whole = rng.random() < 0.5
    c, sense = np.append(np.zeros(m), 1.0), -1
    if rng.random() < 0.3:
        c, sense = -c, 1
    rows = np.hstack([np.eye(m), np.zeros((m, 1))])
    cut = np.diag(caps)  # f + cap u <= cap
    A = np.vstack([K[nodes], rows])
    B = np.vstack([np.zeros((len(K[nodes]), m)), cut])
    low = follower(m, c, A, [*np.zeros(len(K[nodes])), *np.full(m, -INF)],
                   [*np.zeros(len(K[nodes])), *caps], B=B, sense=sense)
    price = rng.integers(1, 3, m).astype(float)
    budget = (linear({u(j): price[j] for j in range(m)}), -INF, float(rng.integers(2, 5)) / 2)
    return Bilevel(np.zeros(m), np.ones(m), [low], linear({x(m): 1.0}), 1, [budget],
                   integer=tuple(range(m)) if whole else ())


def interdict_path(rng: Rng) -> Bilevel:
    """The leader lengthens arcs within a budget; the follower takes the shortest path."""
    arcs, K, nodes = _graph(rng)
    n = len(arcs)
    at = sorted(rng.choice(n, size=2 if rng.random() < 0.5 else 3, replace=False).tolist())
    m = len(at)
    c = rng.integers(1, 7, n).astype(float)
    D = np.zeros((n, m))
    D[at, np.arange(m)] = rng.integers(1, 5, m)
    right = np.array([1.0, 0, 0, -1])[nodes]
    low = follower(m, c, K, right, right, D=D)
    goal = linear({x(a): c[a] for a in range(n)})
    goal = added(goal, {(u(k), x(a)): D[a, k] for k, a in enumerate(at)})
    budget = (linear({u(k): 1.0 for k in range(m)}), -INF, float(rng.integers(1, m)) + 0.5)
    return Bilevel(np.zeros(m), np.ones(m), [low], goal, -1, [budget],
                   integer=tuple(range(m)) if rng.random() < 0.5 else ())


def retailer(rng: Rng) -> Bilevel:
    """Prices under a cap of their mean; a consumer shifts energy between two or three periods."""
    T = int(rng.integers(2, 4))
    wanted = rng.integers(1, 4, T).astype(float)
    stiff = float(rng.integers(1, 4)) if rng.random() < 0.6 else 0.0
    shift = 1.0
    sense = 1
    D = np.eye(T)
    low: Follower = follower(
        T, -stiff * wanted, np.ones((1, T)), [wanted.sum()], [wanted.sum()], D=D,
        Q=stiff * np.eye(T), lb=np.maximum(0, wanted - shift), ub=wanted + shift, sense=sense)
    if rng.random() < 0.3:  # less than all may be taken, at a loss of 9 each
        low.lo[0] = -INF
        low.c = low.c - 9.0
    spot = rng.integers(1, 7, T).astype(float)
    goal = added({(u(t), x(t)): 1.0 for t in range(T)}, linear({x(t): -spot[t] for t in range(T)}))
    mean = (linear({u(t): 1.0 / T for t in range(T)}), -INF, float(rng.integers(3, 6)))
    return Bilevel(np.zeros(T), np.full(T, 8.0), [low], goal, -1, [mean])


def stackelberg(rng: Rng) -> Bilevel:
    """The leader sells in one to three markets of price a - b (u + x); each has one follower."""
    count = int(rng.integers(1, 4))
    followers, goal, costs = [], {}, rng.integers(0, 3, count).astype(float)
    for k in range(count):
        a, b = float(rng.integers(6, 12)), float(rng.integers(1, 3))
        own = float(rng.integers(0, 4))
        D = np.zeros((1, count))
        D[0, k] = -b
        cap = INF if rng.random() < 0.4 else float(rng.integers(1, 4))
        turned = 1 if rng.random() < 0.5 else -1  # maximise the profit or minimise its negative
        followers.append(follower(
            count, [-turned * (a - own)], np.zeros((0, 1)), [], [], D=-turned * D,
            Q=[[turned * 2 * b]], ub=[cap], sense=turned))
        goal = added(goal, linear({u(k): a - costs[k]}),
                     {(u(k), u(k)): -b, (u(k), x(0, k)): -b})
    rows = []
    if rng.random() < 0.6:
        rows.append((linear({u(k): 1.0 for k in range(count)}), -INF, float(rng.integers(2, 9))))
    return Bilevel(np.zeros(count), np.full(count, 10.0), followers, goal, -1, rows)
