"""Branching on pairs beside Gurobi's SOS1 on random dense bilevels with joint upper rows.

    python tests/benchmarks/pairs.py [--pairs 20 40] [--seeds 1-5] [--kind lp qp] [--limit 30]

LP-LP: linear objectives; QP-QP: strictly convex ones on both levels. Half of the pairs belong to
rows, half to bounds x >= 0. The ratio of the times is printed, and how it grows.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pyomo.environ as pyo

import pyomo_dlmp as dlmp


def random_bilevel(kind: str, pairs: int, seed: int) -> pyo.ConcreteModel:
    """A dense random bilevel whose lower level has this many pairs, and which is feasible."""
    rng = np.random.default_rng(1000 * pairs + seed)
    n, m, joint = pairs // 2, pairs // 4, max(2, pairs // 8)
    rows = pairs - n
    A, B = rng.uniform(-1, 1, (rows, n)), rng.uniform(-1, 1, (rows, m))
    c, D = rng.uniform(0.1, 1, n), rng.uniform(-1, 1, (n, m)) * 0.3
    x0, u0 = rng.uniform(0, 3, n), rng.uniform(0, 5, m)
    b = A @ x0 + B @ u0 - rng.uniform(0.1, 1.0, rows)
    model = pyo.ConcreteModel()
    model.u = pyo.Var(range(m), bounds=(0, 10))
    low = model.low = dlmp.LowerLevel()
    low.x = pyo.Var(range(n), bounds=(0, None))
    u, x = list(model.u.values()), list(low.x.values())
    low.row = pyo.Constraint(range(rows), rule=lambda _, i: sum(
        A[i, j] * x[j] for j in range(n)) + sum(B[i, j] * u[j] for j in range(m)) >= b[i])
    cost = sum((c[j] + sum(D[j, k] * u[k] for k in range(m) if kind == "qp")) * x[j]
               for j in range(n))
    f, g = rng.uniform(-1, 1, m), rng.uniform(-1, 1, n)
    goal = sum(f[k] * u[k] for k in range(m)) + sum(g[j] * x[j] for j in range(n))
    if kind == "qp":
        w, v, t = rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, n), rng.uniform(0, 10, m)
        cost += sum(w[j] * x[j] ** 2 for j in range(n))
        goal += sum(v[j] * (x[j] - x0[j]) ** 2 for j in range(n)) + sum(
            (u[k] - t[k]) ** 2 for k in range(m))
    low.cost = pyo.Objective(expr=cost)
    P, R = rng.uniform(-1, 1, (joint, n)), rng.uniform(-1, 1, (joint, m))
    room = P @ x0 + R @ u0 + rng.uniform(0.5, 2.0, joint)
    model.joint = pyo.Constraint(range(joint), rule=lambda _, i: sum(
        P[i, j] * x[j] for j in range(n)) + sum(R[i, k] * u[k] for k in range(m)) <= room[i])
    model.box = pyo.Constraint(expr=sum(x) <= 10.0 * n)
    model.goal = pyo.Objective(expr=goal)
    return model


def timed(kind: str, pairs: int, seed: int, limit: float, **options):
    """(seconds, result or the error's name)."""
    model = random_bilevel(kind, pairs, seed)
    start = time.perf_counter()
    try:
        result = dlmp.solve_bilevel(model, time_limit=limit, explain=False, **options)
    except dlmp.DlmpError as err:
        result = type(err).__name__
    return time.perf_counter() - start, result


def seeds_of(text: str) -> list[int]:
    """Seeds of "a-b" or "a"."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> None:
    """Print a row for each instance."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, nargs="+", default=[20, 40])
    parser.add_argument("--seeds", default="1-5")
    parser.add_argument("--kind", nargs="+", default=["lp", "qp"])
    parser.add_argument("--limit", type=float, default=30.0)
    parser.add_argument("--alone", action="store_true", help="without Gurobi")
    given = parser.parse_args()
    for kind in given.kind:
        for pairs in given.pairs:
            ratios = []
            for seed in seeds_of(given.seeds):
                own, found = timed(kind, pairs, seed, given.limit, search="pairs")
                search = found.times.get("search", 0.0)
                text = f"{kind} {pairs:4d} pairs, seed {seed}: {found.status} {found.objective}, " \
                    f"{found.size.get('nodes')} nodes, {search:.2f} s of {own:.2f} s"
                if not given.alone:
                    _, other = timed(kind, pairs, seed, given.limit, solver="gurobi",
                                     complementarity="sos1")
                    rival = other.times.get("search", 0.0)
                    ratios.append(search / rival)
                    text += f"; gurobi {other.status} {other.objective} {rival:.2f} s; " \
                        f"ratio {ratios[-1]:.1f}"
                print(text, flush=True)
            if ratios:
                print(f"{kind} {pairs:4d} pairs: median ratio {np.median(ratios):.1f}")


if __name__ == "__main__":
    main()
