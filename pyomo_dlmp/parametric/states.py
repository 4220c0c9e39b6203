"""The state of a part's rows at a point, without that of a point nearby.

A row is active where its multiplier outweighs its slack, each relative to its own size: there is
no one number below which a multiplier is none, since reactive power may be worth 1e-8 of energy.
The first guess is repaired until the point lies in its state's region.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.clarabel import solve_qp
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.parametric.active_sets import (
    ACTIVE_ROW,
    INACTIVE,
    VIOLATED_SOFT,
    Affine,
    change_by,
    conditions,
    repair,
    scale_of,
)
from pyomo_dlmp.parametric.condensed import CondensedQp, width
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ENTRY, EXACT_FEASIBILITY, RANK, ROUNDING

_UNITS = 10_000.0  # of work for one QP
_MANY = 300  # penalty columns from which an interior point is the better QP solver


def solve_at(part: CondensedQp, u: np.ndarray, tolerance: float) -> Affine | None:
    """The state at u: by active sets from none, or by a QP solver.

    Parameters
    ----------
    part
        The condensed part.
    u
        Upper decisions, shape (m,).
    tolerance
        Greatest relative violation of the conditions.

    Returns
    -------
    Affine or None
        None where the part is infeasible at u, or no state was found.
    """
    simple = repair(part, np.full(len(part.s), INACTIVE), u, tolerance)
    if simple is not None:  # a QP solver may cycle where curvatures differ by 1e8
        return simple
    found = _qp(part, u)
    if found is None:
        return None
    w, mu = found
    g = part.A @ w + part.T[:, :part.m] @ u + part.s
    slack = g / (1.0 + np.abs(part.s))
    money = 1.0 + float(np.abs(part.g).max(initial=0.0))
    above, below = mu / money, (part.cap - mu) / money  # how far the multiplier is from 0, its cap
    state = np.full(len(g), INACTIVE)
    state[np.isfinite(part.cap) & (-slack >= np.maximum(below, 0.0))] = VIOLATED_SOFT
    inner = (above > np.maximum(slack, 0.0)) & (state == INACTIVE)
    order = np.argsort(-np.minimum(above, below))
    state[_independent(part, order[inner[order]])] = ACTIVE_ROW
    state = _vertex(part, state, w, u)
    return None if state is None else repair(part, state, u, tolerance)


def has_one_state(part: CondensedQp, a: Affine) -> bool:
    """Whether no other state has the solution of a region all over it.

    So it is where every row that is not active has a slack somewhere in the range, and every active
    one a multiplier below its cap. A hard row without slack does no harm where its multiplier could
    only raise others (the upper bound of what is fixed by its bounds).

    Parameters
    ----------
    part, a
        The condensed part and the solution of one of its regions.

    Returns
    -------
    bool
    """
    G, h, owner = conditions(part, a)
    size = ROUNDING * scale_of(part, owner, a.state)
    idle = owner[np.abs(G) @ width(part) + np.abs(h - G @ part.lo) <= size]
    active = np.flatnonzero(a.state == ACTIVE_ROW)
    for row in idle:
        if a.state[row] != INACTIVE or np.isfinite(part.cap[row]):
            return False
        change = change_by(part, active, row)
        if change is None:
            return False
        along, raised = change
        if (np.abs(along).max(initial=0.0) > ROUNDING or (raised < -ROUNDING).any()
                or (np.isfinite(part.cap[active]) & (raised > ROUNDING)).any()):
            return False
    return True


def _independent(part: CondensedQp, rows: np.ndarray) -> np.ndarray:
    """A linearly independent set of some rows, the first ones first.

    Rows without a multiplier are added only where H leaves directions open (by `_vertex`).
    """
    chosen: list[int] = []
    basis = _orthonormal(part.C)
    for row in rows:
        rest = part.A[row] - basis.T @ (basis @ part.A[row])
        size = float(np.linalg.norm(rest))
        if size > RANK * max(ENTRY, float(np.linalg.norm(part.A[row]))):
            basis = np.vstack([basis, rest / size])
            chosen.append(int(row))
    return np.array(chosen, dtype=int)


def _orthonormal(C: np.ndarray) -> np.ndarray:
    return np.linalg.qr(C.T)[0].T if len(C) else np.zeros((0, C.shape[1]))


def _vertex(part: CondensedQp, state, w, u):
    """Add rows until no direction is left in which nothing changes (a face of optima)."""
    state, w = state.copy(), w.copy()
    for _ in range(len(w) + 1):
        N = np.vstack([part.A[state == ACTIVE_ROW], part.C])
        both = np.vstack([part.H / max(ENTRY, np.abs(part.H).max(initial=0.0)), N])
        _, size, V = np.linalg.svd(both)
        rank = int((size > RANK * max(1.0, size.max(initial=0.0))).sum())
        if rank == len(w):
            return state
        direction = V[rank]
        g = part.A @ w + part.T[:, :part.m] @ u + part.s
        change = part.A @ direction
        moving = np.abs(change) > ROUNDING
        moving[state == ACTIVE_ROW] = False
        if not moving.any():
            return None  # a line of optima without an end
        step = np.where(moving, -g / np.where(moving, change, 1.0), np.inf)
        row = int(np.argmin(np.abs(step)))
        w = w + step[row] * direction
        state[row] = ACTIVE_ROW
    return None


def _qp(part: CondensedQp, u):
    """(w, mu) of the part's QP at u."""
    n, m = len(part.w), part.m
    soft = np.flatnonzero(np.isfinite(part.cap))
    k = len(soft)
    relax = sp.csr_matrix((np.ones(k), (soft, np.arange(k))), shape=(len(part.s), k))
    A = sp.bmat([[sp.csr_matrix(part.C), sp.csr_matrix((len(part.f), k))],
                 [sp.csr_matrix(part.A), relax]], format="csr")
    right = np.concatenate([part.f - part.F[:, :m] @ u, -(part.T[:, :m] @ u + part.s)])
    c = np.concatenate([part.g + part.E[:, :m] @ u, part.cap[soft]])
    lb = np.concatenate([np.full(n, -np.inf), np.zeros(k)])
    ub = np.full(n + k, np.inf)
    Q = sp.bmat([[sp.csr_matrix(part.H), None], [None, sp.csr_matrix((k, k))]], format="csr")
    e = len(part.f)
    if k <= _MANY:
        upper = np.concatenate([right[:e], np.full(len(part.s), np.inf)])
        options = {"primal_feasibility_tolerance": EXACT_FEASIBILITY,
                   "dual_feasibility_tolerance": EXACT_FEASIBILITY}
        if Q.nnz:
            options["qp_regularization_value"] = 0.0
        with limits.work(_UNITS):
            answer = Highs(c, A, right, upper, lb, ub, Q=Q, **options).solve()
        if answer.status == Status.OPTIMAL and (
                answer.z is not None and answer.row_dual is not None):
            return answer.z[:n], np.maximum(0.0, answer.row_dual[e:])
    found = solve_qp(Q, c, A, right, e, lb, ub)
    return None if found is None else (found[0][:n], np.maximum(0.0, found[1][e:]))
