"""Small bilevels solved over every pattern of their pairs, with and without what is proved of them.

At the optimum of the bilevel problem each pair has slack zero or multiplier zero. With all pairs
decided the problem is a linear program, so the best over all patterns is the answer, and no bound
is used. `optimum` with `bounds` adds them: a bound that cuts off every optimum changes the value.
"""

from __future__ import annotations

import itertools

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel.quadratics import quadratic_parts
from pyomo_dlmp.bounds.labels import PairState
from pyomo_dlmp.bounds.prove import prove_bounds
from pyomo_dlmp.bounds.upper_view import upper_views
from pyomo_dlmp.lower.columns import columns_of
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status

INF = np.inf
KINDS = ("lp", "repeated", "qp", "rows", "priced", "capped", "whole", "network")


class Patterns:
    """A bilevel model with one lower level, a linear upper objective and linear upper rows."""

    def __init__(self, m: pyo.ConcreteModel):
        self.m, kkt = m, build_kkt(compile_lower(m.low))
        self.kkt, self.view = kkt, upper_views(m, [kkt])[0]
        form, e, P = kkt.form, len(kkt.equality_rows), kkt.pairs
        self.sizes = np.cumsum([len(form.u), len(form.x), e, P])
        self.extra: list = []
        where = columns_of(kkt)
        entries, lo, hi = [], [], []
        goal = [self._terms(m.goal.expr, where)]
        for row in m.component_data_objects(pyo.Constraint, descend_into=False):
            terms, constant = self._terms(row.body, where)
            entries += [(len(lo), j, v) for j, v in terms]
            lo.append(-INF if row.lower is None else pyo.value(row.lower) - constant)
            hi.append(INF if row.upper is None else pyo.value(row.upper) - constant)
        width = self.sizes[3] + len(self.extra)
        i, j, v = zip(*entries, strict=True) if entries else ((), (), ())
        self.sign = 1 if m.goal.sense == pyo.minimize else -1
        self.c = np.zeros(width)
        for j_, v_ in goal[0][0]:
            self.c[j_] += self.sign * v_
        self.constant = goal[0][1]
        upper = sp.coo_matrix((np.array(v, float), (i, j)), shape=(len(lo), width))
        stationarity = sp.hstack([form.D, form.Q, -kkt.A_eq.T, -kkt.sigma * kkt.S.T])
        equal = sp.hstack([kkt.B_eq, kkt.A_eq, sp.csr_matrix((e, e + P))])
        slack = sp.hstack([kkt.T, kkt.S, sp.csr_matrix((P, e + P))])
        free = sp.csr_matrix((len(form.x) + e + P, len(self.extra)))
        lower = sp.hstack([sp.vstack([stationarity, equal, slack]), free])
        self.A = sp.vstack([lower, upper]).tocsr()
        self.lo = np.concatenate([-form.c, kkt.b_eq, -kkt.s0, lo])
        self.hi = np.concatenate([-form.c, kkt.b_eq, np.full(P, INF), hi])
        self.first_slack = len(form.x) + e
        ends = [(-INF if v.lb is None else v.lb, INF if v.ub is None else v.ub)
                for v in [*form.u, *form.x]]
        self.lb = np.concatenate([[a for a, _ in ends], np.full(e, -INF), np.zeros(P),
                                  [-INF if v.lb is None else v.lb for v in self.extra]])
        self.ub = np.concatenate([[b for _, b in ends], np.full(e + P, INF),
                                  [INF if v.ub is None else v.ub for v in self.extra]])
        self.integer = np.array(
            [not v.is_continuous() for v in form.u] + [False] * (len(form.x) + e + P)
            + [not v.is_continuous() for v in self.extra], dtype=bool)

    def _terms(self, expression, where):
        parts = quadratic_parts(expression, "test")
        assert not parts.quadratic
        found = []
        for vid, coef in parts.linear.items():
            if vid not in where:
                where[vid] = [(int(self.sizes[3]) + len(self.extra), 1.0)]
                self.extra.append(parts.var_map[vid])
            found += [(j, sign * coef) for j, sign in where[vid]]
        return found, parts.constant

    def proved(self, tighten: str = "auto"):
        """What is proved of the pairs."""
        return prove_bounds(self.kkt, None, tighten, self.view)[0]

    def optimum(self, bounds=None):
        """The best upper objective; infinite where it has no limit, None without any point."""
        best = None
        m, n, e = len(self.kkt.form.u), len(self.kkt.form.x), len(self.kkt.equality_rows)
        lb, ub, hi = self.lb.copy(), self.ub.copy(), self.hi.copy()
        mus, slacks = slice(m + n + e, m + n + e + self.kkt.pairs), slice(
            self.first_slack, self.first_slack + self.kkt.pairs)
        sides = [(0, 1)] * self.kkt.pairs
        if bounds is not None:
            def room(v):
                return 1e-7 * (1 + np.abs(v))
            for part, low, high in ((slice(m, m + n), bounds.x_lo, bounds.x_hi),
                                    (slice(m + n, m + n + e), bounds.y_lo, bounds.y_hi)):
                lb[part] = np.maximum(lb[part], low - room(low))
                ub[part] = np.minimum(ub[part], high + room(high))
            ub[mus] = bounds.mu + room(bounds.mu) * (bounds.mu > 0)
            hi[slacks] = bounds.slack + room(bounds.slack) - self.kkt.s0
            sides = [{PairState.NEVER_BINDS: (0,), PairState.ALWAYS_BINDS: (1,)}.get(s, (0, 1))
                     for s in bounds.state]
        lp = None
        whole = self.integer if self.integer.any() else None
        for pattern in itertools.product(*sides):
            tight = np.array(pattern, dtype=bool)
            top, end = ub.copy(), hi.copy()
            top[mus][~tight] = 0.0
            end[slacks][tight] = -self.kkt.s0[tight]
            lp = Highs(self.c, self.A, self.lo, end, lb, top, whole, presolve="off")
            answer = lp.solve_lp()
            if answer.status == Status.INFEASIBLE_OR_UNBOUNDED:
                answer = Highs(0 * self.c, self.A, self.lo, end, lb, top, whole).solve_lp()
                if answer.status == Status.OPTIMAL:
                    return -self.sign * INF
            if answer.status == Status.UNBOUNDED:
                return -self.sign * INF
            if answer.status == Status.OPTIMAL and (best is None or answer.objective < best):
                best = answer.objective
        return None if best is None else self.sign * best + self.constant


def missing(bounds) -> int:
    """Open pairs that big-M would refuse."""
    open_ = bounds.state == PairState.OPEN
    return int((open_ & ~(np.isfinite(bounds.mu) & np.isfinite(bounds.slack))).sum())


def random_bilevel(seed: int, kind: str) -> pyo.ConcreteModel:
    """A member of one of the families in `KINDS`.

    lp: some QPs among them; repeated: redundant equality rows; qp, rows: Vars that rows and costs
    bound; priced, capped: a dual in the upper objective, and in a row; whole: integers that rows
    bound; network: interdiction.
    """
    rng = np.random.default_rng([seed, *kind.encode()])
    if kind == "network":
        return _network(rng)
    m = pyo.ConcreteModel()
    mu, n, R = int(rng.integers(1, 3)), int(rng.integers(2, 4)), int(rng.integers(1, 4))
    if kind == "whole":
        m.u = pyo.Var(range(mu), domain=pyo.Integers)
        m.box = pyo.ConstraintList()
        for j in range(mu):
            m.box.add(m.u[j] + (0.3 * m.u[j - 1] if j else 0) >= -2.2)
        m.box.add(sum(m.u[j] * float(rng.integers(1, 3)) for j in range(mu)) <= 4.7)
    else:
        m.u = pyo.Var(range(mu), bounds=(0, 2))
    m.low = low = dlmp.LowerLevel()
    bounded = kind not in ("qp", "rows")
    x = low.x = pyo.Var(range(n), bounds=lambda _, k: (
        0 if rng.random() < 0.7 or kind == "rows" else None,
        3 if bounded and rng.random() < 0.6 else None))
    A = rng.integers(-2, 4, (R, n)).astype(float)
    B = rng.integers(-2, 3, (R, mu)) * (rng.random((R, mu)) < 0.6)
    inside = rng.integers(0, 3, n)
    at = A @ inside + B @ np.ones(mu)
    low.row = pyo.ConstraintList()
    kept = []
    for r in range(R):
        if not A[r].any():
            continue
        body = sum(A[r, k] * x[k] for k in range(n)) + sum(B[r, j] * m.u[j] for j in range(mu))
        which = rng.choice(["eq", "le", "ge", "range"], p=[0.35, 0.35, 0.2, 0.1])
        if which == "eq":
            kept.append(low.row.add(body == at[r]))
        elif which == "le":
            kept.append(low.row.add(body <= at[r] + rng.integers(0, 3)))
        elif which == "ge":
            kept.append(low.row.add(body >= at[r] - rng.integers(0, 3)))
        else:
            kept.append(low.row.add((at[r] - 1, body, at[r] + 1)))
    if kind == "repeated" and kept:
        body = kept[int(rng.integers(len(kept)))].body
        value = _inside_value(body, x, m.u, inside)
        low.row.add(body == value)
        low.row.add(2.0 * body == 2.0 * value)
    c = rng.integers(-3, 6, n).astype(float)
    D = rng.integers(-1, 2, (n, mu)) * (rng.random() < 0.3)
    cost = sum(c[k] * x[k] for k in range(n)) + sum(
        float(D[k, j]) * m.u[j] * x[k] for k in range(n) for j in range(mu) if D[k, j])
    if kind == "qp" or rng.random() < 0.2:
        L = rng.integers(-1, 2, (n, n)) + 2 * np.eye(n)
        Q = L @ L.T
        cost = cost + 0.5 * sum(Q[i, k] * x[i] * x[k] for i in range(n) for k in range(n))
    if rng.random() < 0.25:
        low.cost = pyo.Objective(expr=-cost, sense=pyo.maximize)
    else:
        low.cost = pyo.Objective(expr=cost)
    goal = sum(float(rng.integers(-3, 4)) * m.u[j] for j in range(mu)) + sum(
        float(rng.integers(-2, 3)) * x[k] for k in range(n))
    if kind in ("priced", "capped") and kept:
        price = low.dual_of(low.row)
        which = kept[int(rng.integers(len(kept)))]
        pick = price[which.index()]
        goal = goal + float(rng.choice([-1.0, 1.0])) * pick
        if kind == "capped":
            end = float(rng.integers(1, 9))
            m.cap = pyo.Constraint(expr=(-end, pick + 0.5 * m.u[0], end))
    if rng.random() < 0.3:
        m.joint = pyo.Constraint(expr=sum(x[k] for k in range(n)) + m.u[0] <= float(
            inside.sum() + 1 + rng.integers(0, 3)))
    m.goal = pyo.Objective(expr=goal, sense=pyo.minimize if rng.random() < 0.6 else pyo.maximize)
    return m


def _inside_value(body, x, u, inside) -> float:
    """Value of a body at the point that the rows were made around."""
    for k in x:
        x[k].set_value(float(inside[k]), skip_validation=True)
    for j in u:
        u[j].set_value(1.0)
    return float(pyo.value(body))


def _network(rng) -> pyo.ConcreteModel:
    """Interdiction of a flow, or its cost; one conservation row follows from the others."""
    arcs = [(i, j) for i in range(4) for j in range(4) if i != j and rng.random() < 0.45]
    arcs = (arcs or [(0, 3)])[:3]
    m = pyo.ConcreteModel()
    m.u = pyo.Var(range(len(arcs)), domain=pyo.Binary)
    m.budget = pyo.Constraint(expr=sum(m.u.values()) <= 1)
    m.low = low = dlmp.LowerLevel()
    low.f = pyo.Var(range(len(arcs)), bounds=(0, None))
    low.v = pyo.Var(bounds=(0, 4))
    cap = rng.integers(1, 5, len(arcs))
    low.cap = pyo.Constraint(range(len(arcs)), rule=lambda b, k: (
        b.f[k] <= float(cap[k]) * (1 - m.u[k])))
    low.con = pyo.Constraint(range(4), rule=lambda b, i: sum(
        b.f[k] for k, a in enumerate(arcs) if a[0] == i) - sum(
        b.f[k] for k, a in enumerate(arcs) if a[1] == i) == {0: b.v, 3: -b.v}.get(i, 0 * b.v))
    cost = rng.integers(0, 3, len(arcs)) * (rng.random() < 0.5)
    low.cost = pyo.Objective(expr=4 * low.v - sum(float(cost[k]) * low.f[k] for k in range(
        len(arcs))), sense=pyo.maximize)
    m.goal = pyo.Objective(expr=low.v + 0.1 * m.u[0])
    return m
