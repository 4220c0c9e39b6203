"""Optimistic and pessimistic: the range of the upper objective over the lower levels' answers.

At fixed upper decisions u the optimal answers of a lower level form a polyhedron (the same Qx and
the same linear cost), and so do its optimal duals. An upper objective that is linear in them takes
its least and greatest value over these by linear programs.
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.duals import columns_of, multipliers_from, point_of
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ACTIVE, MILP_FEASIBILITY, SAME_OBJECTIVE
from pyomo_dlmp.transform.products.bilinear import quadratic_parts


def upper_range(objective, systems: list[KktSystem]) -> tuple[float, float] | None:
    """(optimistic, pessimistic) upper objective at the loaded u, x; infinite where unbounded.

    None where the objective is not linear in the answers and duals that are not fixed by u.
    """
    try:
        parts = quadratic_parts(objective.expr, objective.name)
    except ModelError:
        return None
    gradient = _gradient(parts, systems)
    if gradient is None:
        return None
    here = float(pyo.value(objective.expr))
    sense = 1.0 if objective.sense == pyo.minimize else -1.0
    best = worst = here
    for kkt in systems:
        weight = gradient[id(kkt)]
        if not weight.any():
            continue
        face = _OptimalFace(kkt)
        best += sense * face.least(sense * weight)
        worst -= sense * face.least(-sense * weight)
    return best, worst


def _gradient(parts, systems):
    """Derivative of the objective by (x, y, mu) of each system, None where it is not constant.

    A square in an answer counts as constant: it is refused unless u alone fixes it.
    """
    where: dict[int, list] = {}
    decided = set()
    weights = {}
    for kkt in systems:
        m = len(kkt.form.u)
        decided |= {id(v) for v in kkt.form.u}
        weights[id(kkt)] = np.zeros(len(kkt.form.x) + len(kkt.equality_rows) + kkt.pairs)
        for vid, columns in columns_of(kkt).items():
            if columns[0][0] >= m:
                where[vid] = [(id(kkt), column - m, sign) for column, sign in columns]
    for vid, coef in parts.linear.items():
        for owner, column, sign in where.get(vid, []):
            weights[owner][column] += coef * sign
    for (i, j), coef in parts.quadratic.items():
        if i in where and j in where:
            return None
        for one, other in ((i, j), (j, i)):
            value = parts.var_map[other].value or 0.0
            for owner, column, sign in where.get(one, []):
                weights[owner][column] += coef * value * sign
    return weights


class _OptimalFace:
    """The answers and duals of one lower level that are optimal at the loaded u, as deviations."""

    def __init__(self, kkt: KktSystem):
        form = kkt.form
        x = np.array([v.value or 0.0 for v in form.x])
        u = np.array([v.value or 0.0 for v in form.u])
        n, e = len(x), len(kkt.equality_rows)
        slack = kkt.slack(x, u)
        active = slack <= ACTIVE * (1 + np.abs(kkt.s0))
        cost = form.c + form.D @ u
        primal = sp.vstack([kkt.A_eq, form.Q, sp.csr_matrix(cost), kkt.S], format="csr")
        fixed = e + n + 1
        lo = -MILP_FEASIBILITY - np.concatenate([np.zeros(fixed), np.maximum(slack, 0.0)])
        hi = np.concatenate([np.full(fixed, MILP_FEASIBILITY), np.full(kkt.pairs, np.inf)])
        dual = sp.hstack([kkt.A_eq.T, kkt.sigma * kkt.S.T], format="csr")
        self.A = sp.bmat([[primal, None], [None, dual]], format="csr")
        self.lo = np.concatenate([lo, np.full(n, -MILP_FEASIBILITY)])
        self.hi = np.concatenate([hi, np.full(n, MILP_FEASIBILITY)])
        mu = self._multipliers(kkt)
        self.lb = np.concatenate([np.full(n + e, -np.inf), np.where(active, -mu, 0.0)])
        self.ub = np.concatenate([np.full(n + e, np.inf), np.where(active, np.inf, 0.0)])

    @staticmethod
    def _multipliers(kkt: KktSystem) -> np.ndarray:
        x, u, row_duals = point_of(kkt)
        if row_duals is None:
            row_duals = np.zeros(len(kkt.form.rows))
        return multipliers_from(kkt, x, u, row_duals)[1]

    def least(self, weight: np.ndarray) -> float:
        """Least change of weight'(x, y, mu); -inf where it has none, 0 where the LP fails."""
        answer = Highs(weight, self.A, self.lo, self.hi, self.lb, self.ub).solve()
        if answer.status in (Status.UNBOUNDED, Status.INFEASIBLE_OR_UNBOUNDED):
            return -np.inf
        same = SAME_OBJECTIVE * (1 + np.abs(weight).max())
        if answer.objective is None or abs(answer.objective) < same:
            return 0.0
        return float(answer.objective)
