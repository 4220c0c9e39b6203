"""States of a part's rows, and the affine solution that belongs to a state.

A row is inactive (its multiplier is 0), active (the row is 0), or beyond its soft limit (its
multiplier is the cap). With the rows' states fixed, optimality is a system of linear equations: w
and the multipliers are affine in the upper decisions u, and optimal where the other conditions hold

    inactive: g_i >= 0      active: 0 <= mu_i <= cap_i      beyond: g_i <= 0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from pyomo_dlmp.parametric.condensed import CondensedQp, width
from pyomo_dlmp.tolerances import ENTRY, ROUNDING, SINGULAR

INACTIVE, ACTIVE_ROW, VIOLATED_SOFT = 0, 1, 2
_ROUNDS = 40
_NOISE = SINGULAR  # a smaller change of a condition over the range of u is rounding


@dataclass
class Affine:
    """The solution of a part's optimality equations as functions of the upper decisions u.

    w = W u + w0,  multipliers of the rows of A = U u + u0,  duals of the rows of C = Y u + y0.

    Attributes
    ----------
    state
        INACTIVE, ACTIVE_ROW or VIOLATED_SOFT of each row of A, shape (rows,).
    W, w0, U, u0, Y, y0
        Shapes (w, m), (w,), (rows, m), (rows,), (C's rows, m), (C's rows,).
    """

    state: np.ndarray
    W: np.ndarray
    w0: np.ndarray
    U: np.ndarray
    u0: np.ndarray
    Y: np.ndarray
    y0: np.ndarray


def affine(part: CondensedQp, state: np.ndarray) -> Affine | None:
    """Solution of the optimality equations of a state; None where they are singular.

    Parameters
    ----------
    part
        The condensed part.
    state
        Of each row of A, shape (rows,).
    """
    n, m = len(part.w), part.m
    active = np.flatnonzero(state == ACTIVE_ROW)
    beyond = np.flatnonzero(state == VIOLATED_SOFT)
    if len(active) + len(part.C) > n:  # cannot be independent
        return None
    system = _system(part, active)
    right = np.zeros((len(system), m + 1))
    right[:n, :m] = -part.E[:, :m]
    right[:n, m] = -part.g + part.cap[beyond] @ part.A[beyond]
    right[n:n + len(active), :m] = -part.T[active, :m]
    right[n:n + len(active), m] = -part.s[active]
    right[n + len(active):, :m] = -part.F[:, :m]
    right[n + len(active):, m] = part.f
    solution = _solve(system, right)
    if solution is None:
        return None
    U, u0 = np.zeros((len(state), m)), np.zeros(len(state))
    last = n + len(active)
    U[active], u0[active] = solution[n:last, :m], solution[n:last, m]
    u0[beyond] = part.cap[beyond]
    return Affine(state, solution[:n, :m], solution[:n, m], U, u0,
                  solution[last:, :m], solution[last:, m])


def _system(part: CondensedQp, active: np.ndarray) -> np.ndarray:
    """Matrix of the optimality equations over (w, multipliers of active rows, y)."""
    n = len(part.w)
    N = np.vstack([part.A[active], part.C])
    system = np.zeros((n + len(N), n + len(N)))
    system[:n, :n], system[:n, n:], system[n:, :n] = part.H, -N.T, N
    return system


def _solve(system, right):
    """Solution after scaling (prices and powers differ by 1e4); None where singular."""
    if not len(system):
        return right
    size = np.abs(system).max(axis=1)
    if (size == 0).any():
        return None
    d = 1.0 / np.sqrt(size)
    scaled = system * d[:, None] * d[None, :]
    lu, pivot, singular = lapack.dgetrf(scaled)
    if singular or np.abs(np.diagonal(lu)).min() < SINGULAR:
        return None
    return lapack.dgetrs(lu, pivot, right * d[:, None])[0] * d[:, None]


def conditions(part: CondensedQp, a: Affine) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Conditions on u under which an affine solution is optimal.

    A row of A gives one condition when inactive or beyond its limit, one or two when active.

    Parameters
    ----------
    part, a
        The condensed part and the solution of a state.

    Returns
    -------
    tuple
        (G, h, row of A behind each) of the conditions G u <= h, shapes (k, m), (k,), (k,).
    """
    off, beyond = np.flatnonzero(a.state == INACTIVE), np.flatnonzero(a.state == VIOLATED_SOFT)
    active = np.flatnonzero(a.state == ACTIVE_ROW)
    capped = active[np.isfinite(part.cap[active])]
    m = part.m
    slope, start = part.A @ a.W + part.T[:, :m], part.A @ a.w0 + part.s
    G = np.vstack([-slope[off], slope[beyond], -a.U[active], a.U[capped]])
    h = np.concatenate([start[off], -start[beyond], a.u0[active],
                        part.cap[capped] - a.u0[capped]])
    return G, h, np.concatenate([off, beyond, active, capped])


def condition_violations(part: CondensedQp, a: Affine,
                         u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """How far the conditions of an affine solution are violated at u.

    Relative to their size, or to how much they change over the range of u where that is less: a
    multiplier that is worth little everywhere is as wrong below 0 as a great one.

    Parameters
    ----------
    part, a
        The condensed part and the solution of a state.
    u
        Upper decisions, shape (m,).

    Returns
    -------
    tuple
        (greatest relative violation, that of each condition, row of A behind each).
    """
    G, h, owner = conditions(part, a)
    size = scale_of(part, owner, a.state)
    reach = np.abs(G) @ width(part) / size
    breach = (G @ u - h) / (size * np.where(reach > _NOISE, np.minimum(reach, 1.0), 1.0))
    return float(breach.max(initial=-np.inf)), breach, owner


def scale_of(part: CondensedQp, owner: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Size that each condition's violation is relative to: row units, or cost per row unit.

    Parameters
    ----------
    part
        The condensed part.
    owner, state
        Row of A behind each condition, shape (k,), and state of each row.
    """
    money = 1.0 + np.abs(part.g).max(initial=0.0)
    return np.where(state[owner] == ACTIVE_ROW, money, 1.0 + np.abs(part.s[owner]))


def repair(part: CondensedQp, state: np.ndarray, u: np.ndarray, tolerance: float) -> Affine | None:
    """From the state of a nearby point to u's own, by a primal-dual active-set method.

    Parameters
    ----------
    part
        The condensed part.
    state
        Of each row of A, optimal near u.
    u
        Upper decisions, shape (m,).
    tolerance
        Greatest relative violation of the conditions.

    Returns
    -------
    Affine or None
        None where the method cycles or ends in singular equations; a QP solver is then used.
    """
    a = affine(part, state)
    seen = set()
    for round_ in range(_ROUNDS):
        if a is None:
            return None
        worst, breach, owner = condition_violations(part, a, u)
        if worst <= tolerance:
            return a
        if a.state.tobytes() in seen or round_ > _ROUNDS // 2:
            broken = [int(np.argmax(breach))]  # one at a time ends most cycles
        else:
            broken = np.flatnonzero(breach > tolerance).tolist()
        seen.add(a.state.tobytes())
        state = a.state.copy()
        for row in owner[broken]:
            if state[row] != ACTIVE_ROW:
                state[row] = ACTIVE_ROW
            else:
                state[row] = INACTIVE if a.U[row] @ u + a.u0[row] < 0 else VIOLATED_SOFT
        changed = affine(part, state)
        if changed is None:
            changed = _exchange(part, a, int(owner[np.argmax(breach)]), u)
        a = changed
    return None


def _exchange(part: CondensedQp, a: Affine, row: int, u: np.ndarray) -> Affine | None:
    """Change one broken row where that alone leaves singular equations: another goes for it."""
    state = _enter(part, a, row, u) if a.state[row] != ACTIVE_ROW else _leave(part, a, row, u)
    return None if state is None else affine(part, state)


def _enter(part: CondensedQp, a: Affine, row: int, u: np.ndarray) -> np.ndarray | None:
    """A row becomes active that depends on the active ones: the first multiplier to end leaves.

    Where its own multiplier reaches the cap first (or 0, from beyond), its limit is passed at once.
    """
    active = np.flatnonzero(a.state == ACTIVE_ROW)
    found = change_by(part, active, row)
    if found is None:
        return None
    change = found[1] * (1.0 if a.state[row] == INACTIVE else -1.0)
    mu = np.clip(a.U[active] @ u + a.u0[active], 0.0, part.cap[active])
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(change < -ROUNDING, mu / -change, np.where(
            change > ROUNDING, (part.cap[active] - mu) / change, np.inf))
    state = a.state.copy()
    first = int(np.argmin(step)) if len(step) else -1
    if first < 0 or part.cap[row] <= step[first]:
        if np.isinf(part.cap[row]):
            return None
        state[row] = VIOLATED_SOFT if state[row] == INACTIVE else INACTIVE
        return state
    state[row] = ACTIVE_ROW
    state[active[first]] = INACTIVE if change[first] < 0 else VIOLATED_SOFT
    return state


def change_by(part: CondensedQp, active: np.ndarray,
              row: int) -> tuple[np.ndarray, np.ndarray] | None:
    """How w and the multipliers of active rows change with the multiplier of another row.

    Parameters
    ----------
    part
        The condensed part.
    active, row
        The active rows, and the other one.

    Returns
    -------
    tuple or None
        (change of w, change of the multipliers); None where the equations are singular.
    """
    n = len(part.w)
    right = np.zeros((n + len(active) + len(part.C), 1))
    right[:n, 0] = part.A[row]
    found = _solve(_system(part, active), right)
    return None if found is None else (found[:n, 0], found[n:n + len(active), 0])


def _leave(part: CondensedQp, a: Affine, row: int, u: np.ndarray) -> np.ndarray | None:
    """A row is active no more and something is free to move: up to the first limit it meets."""
    state = a.state.copy()
    below = a.U[row] @ u + a.u0[row] < 0
    state[row] = INACTIVE if below else VIOLATED_SOFT
    rest = np.vstack([part.H / max(ENTRY, np.abs(part.H).max(initial=0.0)),
                      part.A[state == ACTIVE_ROW], part.C])
    direction = np.linalg.svd(rest)[2][-1]
    along = part.A[row] @ direction
    direction = direction * (1.0 if (along > 0) == below else -1.0)
    w = a.W @ u + a.w0
    g, change = part.A @ w + part.T[:, :part.m] @ u + part.s, part.A @ direction
    meets = (state == INACTIVE) & (change < -ROUNDING)
    meets |= (state == VIOLATED_SOFT) & (change > ROUNDING)
    meets[row] = False
    if not meets.any():
        return None
    step = np.where(meets, np.abs(g) / np.where(meets, np.abs(change), 1.0), np.inf)
    state[int(np.argmin(step))] = ACTIVE_ROW
    return state
