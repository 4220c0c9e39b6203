"""Which of many known states may have a region in a part, found for all of them at once.

The optimality equations of all states are one stack of dense systems.
A state whose conditions cannot hold together anywhere in the range is dropped by intervals. What is
left is a guess: a region is made of it as of any other state, so that an error here costs time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyomo_dlmp.parametric.active_sets import ACTIVE_ROW, VIOLATED_SOFT
from pyomo_dlmp.parametric.condensed import CondensedQp, width
from pyomo_dlmp.tolerances import ENTRY, ROUNDING, WIDENED

_NUMBERS = 2e6  # of one stack
_ROUNDS = 4  # of tightening the box by the conditions


def possible(part: CondensedQp, states: np.ndarray) -> np.ndarray:
    """States that may have a region.

    Parameters
    ----------
    part
        The condensed part.
    states
        Of each row of A, shape (k, rows).

    Returns
    -------
    ndarray
        Those of them whose conditions are not shown to be empty, in the same order.
    """
    active = (states == ACTIVE_ROW).sum(axis=1)
    able = active + len(part.C) <= len(part.w)  # others cannot be independent
    keep = np.zeros(len(states), dtype=bool)
    if able.any():
        most = int(active[able].max())
        for some in _stacks(part, np.flatnonzero(able), most):
            keep[some] = _not_empty(part, *_conditions(part, states[some], most))
    return states[keep]


def _stacks(part: CondensedQp, mine: np.ndarray, count: int) -> Iterator[np.ndarray]:
    size = len(part.w) + count + len(part.C)
    numbers = max(1, size * size, (len(part.s) + count) * (part.m + 1) * 4)
    step = max(1, int(_NUMBERS // numbers))
    return (mine[i:i + step] for i in range(0, len(mine), step))


def _conditions(part: CondensedQp, states: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(slopes, constants) of the conditions  slope v + constant >= 0,  v the range in 0 .. 1.

    Relative to their size, shapes (k, conditions, m) and (k, conditions); nan where singular.
    `count` is the greatest number of active rows; states with fewer have empty places.
    """
    n, m = len(part.w), part.m
    active = states == ACTIVE_ROW
    act = np.argsort(~active, axis=1, kind="stable")[:, :count]
    real = np.take_along_axis(active, act, axis=1)
    solution = _solve_stack(*_equations(part, states, act, real))
    beyond = states == VIOLATED_SOFT
    rows = np.matmul(part.A, solution[:, :n])
    rows += np.column_stack([part.T[:, :m], part.s])
    rows[beyond] *= -1.0
    mu = solution[:, n:n + count]
    rows[np.nonzero(real)[0], act[real]] = mu[real]
    cap = np.where(real, part.cap[act], np.inf)
    below = np.where(np.isfinite(cap)[:, :, None], -mu, 0.0)
    below[:, :, m] += np.where(np.isfinite(cap), cap, 1.0)
    money = 1.0 + np.abs(part.g).max(initial=0.0)
    size = np.broadcast_to(1.0 + np.abs(part.s), states.shape).copy()
    size[active] = money
    found = np.concatenate([rows / size[:, :, None], below / money], axis=1)
    slope, start = found[:, :, :m], found[:, :, m]
    return slope * width(part), start + slope @ part.lo


def _equations(part: CondensedQp, states: np.ndarray, act: np.ndarray,
               real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stacked equations of `active_sets.affine`: (systems, right-hand sides).

    An empty place (`real` is False) has the equation  multiplier = 0.
    """
    (k, count), n, m = act.shape, len(part.w), part.m
    last = n + count
    N = np.concatenate([part.A[act] * real[:, :, None],
                        np.broadcast_to(part.C, (k, *part.C.shape))], axis=1)
    system = np.zeros((k, n + N.shape[1], n + N.shape[1]))
    system[:, :n, :n] = part.H
    system[:, :n, n:], system[:, n:, :n] = -N.transpose(0, 2, 1), N
    empty = np.nonzero(~real)
    system[empty[0], n + empty[1], n + empty[1]] = 1.0
    right = np.zeros((k, n + N.shape[1], m + 1))
    right[:, :n, :m], right[:, :n, m] = -part.E[:, :m], -part.g
    paid = np.where(states == VIOLATED_SOFT, np.where(np.isfinite(part.cap), part.cap, 0.0), 0.0)
    right[:, :n, m] += paid @ part.A
    right[:, n:last, :m] = -part.T[act, :m] * real[:, :, None]
    right[:, n:last, m] = -part.s[act] * real
    right[:, last:, :m], right[:, last:, m] = -part.F[:, :m], part.f
    return system, right


def _solve_stack(system: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions; nan where a system is singular."""
    if not system.shape[1]:
        return right
    size = np.abs(system).max(axis=2)
    d = 1.0 / np.sqrt(np.where(size > 0, size, 1.0))
    system, right = system * d[:, :, None] * d[:, None, :], right * d[:, :, None]
    try:
        found = np.linalg.solve(system, right)
    except np.linalg.LinAlgError:
        found = np.full_like(right, np.nan)
        for i in range(len(system)):
            try:
                found[i] = np.linalg.solve(system[i], right[i])
            except np.linalg.LinAlgError:
                continue
    return found * d[:, :, None]


def _not_empty(part: CondensedQp, slope: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Mask of the states whose conditions are not shown to exclude each other, shape (k,)."""
    k, m = len(slope), part.m
    able = np.isfinite(start).all(axis=1) & np.isfinite(slope).all(axis=(1, 2))
    slope = np.where(np.abs(slope) > ENTRY, slope, 0.0)
    low, high = np.full((k, m), -WIDENED), np.full((k, m), 1.0 + WIDENED)
    for _ in range(_ROUNDS):
        mine = np.flatnonzero(able)
        if not len(mine):
            break
        a, lo, hi = slope[mine], low[mine, None, :], high[mine, None, :]
        most = np.where(a > 0, a * hi, a * lo)
        total = most.sum(axis=2) + start[mine]
        able[mine] = (total >= -ROUNDING).all(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            end = np.where(a != 0, (most - total[:, :, None]) / a, 0.0)
        ends = np.where(a > 0, end, -np.inf), np.where(a < 0, end, np.inf)
        low[mine] = np.maximum(low[mine], ends[0].max(axis=1, initial=-np.inf))
        high[mine] = np.minimum(high[mine], ends[1].min(axis=1, initial=np.inf))
        able[mine] &= (high[mine] - low[mine] >= -ROUNDING).all(axis=1)
    return able


