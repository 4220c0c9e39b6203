"""Pieces of the range of u that hold many critical regions, with a convex bound of the cost.

Where the active rows determine w whatever the soft rows beside them do, w and every row are affine
in u over the whole piece, and a soft row k only switches its share of the payment on and off:

    cost(u) = quadratic(u) + sum_k (-cap_k t_k'u  where  g_k(u) = t_k'u + s_k < 0,  else 0)

Along g_k a term is a step with a slope, and its convex envelope over the piece has two lines that
meet at g_k = 0. The sum of envelopes is a bound of the cost that holds all the piece's regions,
often thousands, without any of them being written down. It is exact where no row is undecided.
Elsewhere a piece has affine bounds, from the convexity of the optimal cost V:

    u'g(u) >= (V(u) - V((1 - e) u)) / e     for each e in (0, 1],  g = gradient of V

Everything is in v = (u - lo) / width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyomo_dlmp.numerics.highs import solve_small_lp
from pyomo_dlmp.parametric.active_sets import (
    ACTIVE_ROW,
    INACTIVE,
    VIOLATED_SOFT,
    Affine,
    affine,
    scale_of,
)
from pyomo_dlmp.parametric.condensed import width
from pyomo_dlmp.parametric.pieces.cells import Cell
from pyomo_dlmp.parametric.pieces.part_costs import PartCost
from pyomo_dlmp.parametric.region_costs import Quadratic
from pyomo_dlmp.tolerances import CONVEX, POLISHED, RANK, ROUNDING, SAME_OBJECTIVE

_KELLEY = 8  # tangents at most for one minimum over a piece


@dataclass
class Steps:
    """The solution over a piece, and the soft rows that switch in it.

    Attributes
    ----------
    state
        Of each row; the switching rows count as inactive.
    quadratic
        The cost while none of them is beyond its limit.
    rows
        The switching rows, shape (k,).
    slope, start
        g = slope v + start of each, shapes (k, m) and (k,).
    cap, shift
        What it adds beyond its limit is -cap (g + shift), shapes (k,).
    """

    state: np.ndarray
    quadratic: Quadratic
    rows: np.ndarray
    slope: np.ndarray
    start: np.ndarray
    cap: np.ndarray
    shift: np.ndarray


def steps_over(cost: PartCost, a: Affine, cell: Cell) -> Steps | None:
    """The steps of a cell from the state at a point of it; None where w is not affine over it.

    Parameters
    ----------
    cost
        The part and its cost.
    a
        The solution at a point of the cell.
    cell
        The cell.
    """
    part, m = cost.part, cost.part.m
    slope, start = cost.rows_of(a)
    low, high = cell.range_of(slope, start)
    room = POLISHED * (1.0 + np.abs(part.s))
    other, active = a.state != ACTIVE_ROW, np.flatnonzero(a.state == ACTIVE_ROW)
    rows = np.flatnonzero(other & (low < -room) & (high > room))
    if not np.isfinite(part.cap[rows]).all():
        return None
    state = a.state.copy()
    state[other & (low >= -room)] = INACTIVE
    state[other & (high <= room) & (low < -room)] = VIOLATED_SOFT
    state[rows] = INACTIVE
    base = a if (state == a.state).all() else affine(part, state)
    if base is None:
        return None
    share = np.linalg.lstsq(np.vstack([part.A[active], part.C]).T, part.A[rows].T, rcond=None)[0]
    share = share[:len(active)]
    if len(rows):  # the active rows hold w against what these may do
        rest = part.A[rows] - share.T @ part.A[active]
        if len(part.C):
            full = np.vstack([part.A[active], part.C])
            rest = part.A[rows] - np.linalg.lstsq(full.T, part.A[rows].T, rcond=None)[0].T @ full
        size = np.abs(part.A[rows]).max(axis=1, initial=0.0)
        if (np.abs(rest).max(axis=1, initial=0.0) > RANK * (ROUNDING + size)).any():
            return None
    span = width(part)
    u = cell.vertices * span + part.lo
    mu = u @ base.U[active].T + base.u0[active]
    taken = share * part.cap[rows]
    least = mu.min(axis=0) - np.maximum(taken, 0.0).sum(axis=1)
    most = mu.max(axis=0) - np.minimum(taken, 0.0).sum(axis=1)
    room = POLISHED * scale_of(part, active, state)
    if (least < -room).any() or (most > part.cap[active] + room).any():
        return None
    # affine as before, but read with the rows' own states (w is the same)
    own = (part.A[rows] @ base.W + part.T[rows, :m])
    return Steps(state, cost.quadratic(base), rows, slope[rows], start[rows],
                 cost.factor * part.cap[rows], own @ part.lo - start[rows])


@dataclass
class Piece:
    """A cell with a convex bound of the cost, and what tightens it.

    Attributes
    ----------
    cell
        Where it holds.
    steps
        The steps over it, or None where w is not affine: then only `tangents` bound it.
    open
        Numbers (in `steps`) of the rows that still switch in the cell.
    linear, constant
        What the other rows add to the quadratic.
    tangents
        (slope, start) of affine functions below the cost.
    state
        A solution at its centre, or None.
    bound
        Lower bound of cost + slope'v over the cell, for the slope asked for last.
    """

    cell: Cell
    steps: Any  # Steps | None: which of the two is asked before each use
    open: np.ndarray
    linear: np.ndarray
    constant: float
    tangents: list[tuple[np.ndarray, float]] = field(default_factory=list)
    state: Any = None  # Affine | None
    bound: float = -np.inf
    best: Any = None  # where the bound is attained
    chorded: Any = None  # the quadratic, or a convex one below it
    children: tuple | None = None  # (a, b, piece below, piece above)
    tried: bool = False  # whether its affine bounds were computed

    def __post_init__(self):
        if self.steps is None:
            return
        steps = self.steps
        low, high = self.cell.range_of(steps.slope[self.open], steps.start[self.open])
        never, always = low >= -ROUNDING, high <= ROUNDING
        gone = self.open[always & ~never]
        self.linear = self.linear - steps.cap[gone] @ steps.slope[gone]
        self.constant -= float(steps.cap[gone] @ (steps.start[gone] + steps.shift[gone]))
        keep = ~(never | always)
        self.open, low, high = self.open[keep], low[keep], high[keep]
        cap, shift = steps.cap[self.open], steps.shift[self.open]
        self.middle = np.minimum(0.0, -cap * shift)  # least of both sides at g = 0
        self.left = (self.middle + cap * (low + shift)) / -low
        self.right = -self.middle / high
        self.chorded = _convex(steps.quadratic, self.cell)

    @property
    def exact(self) -> bool:
        """Whether the bound is the cost itself."""
        return (self.steps is not None and not len(self.open)
                and self.chorded is self.steps.quadratic)

    def below(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        """(value, slope) at v of the convex bound."""
        if self.steps is None:
            return max(((float(slope @ v) + start, slope) for slope, start in self.tangents),
                       key=lambda found: found[0], default=(-np.inf, np.zeros(len(v))))
        steps, q = self.steps, self.chorded
        slope = steps.slope[self.open]
        g = slope @ v + steps.start[self.open]
        side = np.where(g < 0, self.left, self.right)
        value = q(v) + self.linear @ v + self.constant + (self.middle + side * g).sum()
        return float(value), q.P @ v + q.p + self.linear + side @ slope

    def errors(self, v: np.ndarray) -> np.ndarray:
        """How far each open row's envelope lies below its step at v, shape (k,)."""
        pay, g = self._pay(v)
        return pay - self.middle - np.where(g < 0, self.left, self.right) * g

    def _pay(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = self.steps
        g = steps.slope[self.open] @ v + steps.start[self.open]
        beyond = -steps.cap[self.open] * (g + steps.shift[self.open])
        tie = np.abs(g) <= ROUNDING * (1.0 + np.abs(steps.start[self.open]))
        return np.where(tie, np.minimum(0.0, beyond), np.where(g < 0, beyond, 0.0)), g

    def cost(self, v: np.ndarray) -> float:
        """The cost at v where w is affine."""
        return float(self.steps.quadratic(v) + self.linear @ v + self.constant
                     + self._pay(v)[0].sum())

    def state_at(self, v: np.ndarray) -> np.ndarray:
        """State of each row at v where w is affine; where a row switches, the cheaper one."""
        steps, state = self.steps, self.steps.state.copy()
        inside = steps.slope @ self.cell.center + steps.start
        state[steps.rows[inside < 0]] = VIOLATED_SOFT
        pay, g = self._pay(v)
        beyond = (pay != 0.0) | ((g < 0) & (np.abs(g) > ROUNDING))
        state[steps.rows[self.open]] = np.where(beyond, VIOLATED_SOFT, INACTIVE)
        return state

    def quick_bound(self, slope: np.ndarray) -> float:
        """Lower bound of cost + slope'v from the tangents that are known."""
        if not self.tangents:
            return -np.inf
        S = np.array([s for s, _ in self.tangents]) + slope
        values = self.cell.vertices @ S.T + np.array([c for _, c in self.tangents])
        return float(values.min(axis=0).max())

    def minimise(self, slope: np.ndarray) -> None:
        """Set `bound` and `best`: minimum of the convex bound + slope'v over the cell (Kelley)."""
        X = self.cell.vertices
        self.best, lower, upper = self.cell.center, -np.inf, np.inf
        v = self.best if self.steps is not None and not self.tangents else None
        for _ in range(_KELLEY):
            if v is not None:
                value, direction = self.below(v)
                self.tangents.append((direction, value - float(direction @ v)))
                if value + float(slope @ v) < upper:
                    upper, self.best = value + float(slope @ v), v
                if upper - lower <= SAME_OBJECTIVE * abs(upper) + ROUNDING:
                    break
            if not self.tangents:
                self.best = X[int(np.argmin(X @ slope))]
                break
            found = self._over_tangents(slope)
            if found is None:
                break
            lower = max(lower, found[1])
            v = found[0]
            if self.steps is None:
                self.best = v
                break
        self.bound = max(lower, self.quick_bound(slope))
        if len(self.tangents) > 3 * _KELLEY:
            self.tangents = self._tightest(slope, X)

    def _tightest(self, slope, X) -> list[tuple[np.ndarray, float]]:
        """The latest tangents, and the one that bounds best alone."""
        worth = [float((X @ (s + slope)).min() + c) for s, c in self.tangents]
        return [self.tangents[int(np.argmax(worth))], *self.tangents[-2 * _KELLEY:]]

    def _over_tangents(self, slope: np.ndarray) -> tuple[np.ndarray, float] | None:
        """(v, value) of the minimum over the cell of the greatest tangent + slope'v."""
        X = self.cell.vertices
        S = np.array([s for s, _ in self.tangents]) + slope
        T = X @ S.T + np.array([c for _, c in self.tangents])
        if T.shape[1] == 1:
            k = int(T[:, 0].argmin())
            return X[k], float(T[k, 0])
        n, size = len(X), 1.0 + float(np.abs(T).max())
        A = np.vstack([np.column_stack([T.T / size, -np.ones(T.shape[1])]),
                       np.append(np.ones(n), 0.0)])
        none = np.full(T.shape[1], -np.inf)
        z = solve_small_lp(np.append(np.zeros(n), 1.0), A, np.append(none, 1.0),
                           np.append(np.zeros(T.shape[1]), 1.0),
                           np.append(np.zeros(n), -2.0), np.append(np.ones(n), 2.0))
        if z is None:
            return None
        return z[:n] @ X, float(z[n]) * size - 10 * ROUNDING * size


def _convex(q: Quadratic, cell: Cell) -> Quadratic:
    """A convex quadratic below one over a cell: chords along its concave directions."""
    size, vectors = np.linalg.eigh(q.P)
    bent = np.flatnonzero(size < -CONVEX * max(1.0, np.abs(q.P).max(initial=0.0)))
    P, p, c = q.P, q.p, q.c
    for k in bent:
        e, along = vectors[:, k], cell.vertices @ vectors[:, k]
        low, high = along.min(), along.max()
        P = P - size[k] * np.outer(e, e)
        p = p + 0.5 * size[k] * (low + high) * e
        c = c - 0.5 * size[k] * low * high
    return Quadratic(P, p, c) if len(bent) else q
