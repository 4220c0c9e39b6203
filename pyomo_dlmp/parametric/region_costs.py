"""The upper level's cost of a part, piece by piece: a convex quadratic on a polytope of u each.

On a critical region every quantity is affine in u, so the part's terms are one quadratic. Where it
is convex the region is a piece. Where it is not (only active power is paid, say) its concave
directions are replaced by chords, which lie below it, and the search cuts a piece in two where the
error of its chords is too large.

Everything is in v = (u - lo) / width, the range scaled to 0 .. 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pyomo_dlmp.numerics.polytopes import Polytope, make_polytope
from pyomo_dlmp.parametric.active_sets import ACTIVE_ROW
from pyomo_dlmp.parametric.condensed import NotExplicit, width
from pyomo_dlmp.parametric.critical_regions import Region, Regions
from pyomo_dlmp.parametric.upper_terms import RegionObjective
from pyomo_dlmp.tolerances import ACTIVE, CONVEX, ENTRY, RANK, ROUNDING


@dataclass
class Quadratic:
    """The function 1/2 v'P v + p'v + c.

    Attributes
    ----------
    P, p, c
        Shapes (m, m) and (m,), and a number.
    """

    P: np.ndarray
    p: np.ndarray
    c: float

    def __call__(self, v: np.ndarray) -> float:
        return float(0.5 * v @ self.P @ v + self.p @ v + self.c)

    def tangent(self, v: np.ndarray) -> tuple[np.ndarray, float]:
        """(slope, value at 0) of the tangent at v."""
        slope = self.P @ v + self.p
        return slope, self(v) - float(slope @ v)


@dataclass
class RegionCost:
    """The upper cost of a part on a piece: a critical region, or a part of one.

    Attributes
    ----------
    polytope
        Where it holds, in the range of u scaled to 0 .. 1.
    region
        Number of its critical region.
    cost
        The exact cost.
    below
        A convex function that is nowhere above it.
    error
        Greatest difference between the two, in the objective's unit.
    concave
        Directions that a chord replaces, one a column, shape (m, k).
    """

    polytope: Polytope
    region: int
    cost: Quadratic
    below: Quadratic
    error: float
    concave: np.ndarray

    @cached_property
    def first_tangents(self) -> np.ndarray:
        """Rows over (v, z, t), >= 0, of tangents at the vertices and the centre: (k, m + 2)."""
        return self.tangents_now()

    def tangents_now(self) -> np.ndarray:
        """`first_tangents` of a bound that may since have been raised."""
        at = (*np.clip(self.polytope.vertices, 0.0, 1.0), self.polytope.center)
        found = (self.below.tangent(v) for v in at)
        return np.array([[*(-slope), -start, 1.0] for slope, start in found])

    def halves(self, v: np.ndarray) -> list[RegionCost]:
        """The piece cut in two near a point v; see `cut_in_two`."""
        return cut_in_two(self, v)


def cost_on(worth: RegionObjective, region: Region, sigma: int) -> Quadratic:
    """The part's upper cost on a critical region.

    Parameters
    ----------
    worth
        The part's terms in the upper objective.
    region
        A critical region of the part.
    sigma
        +1 for a minimising, -1 for a maximising lower level.

    Returns
    -------
    Quadratic
        In v, the range of u scaled to 0 .. 1.
    """
    part, m = worth.part, worth.part.m
    Z = _quantities(worth, region, sigma)
    span = width(part)
    scaled = np.column_stack([Z[:, :m] * span, Z[:, m] + Z[:, :m] @ part.lo])
    coef, first, second = worth.arrays
    single = second < 0
    one = np.append(np.zeros(m), 1.0)
    a = scaled[first] * coef[:, None]
    b = np.where(single[:, None], one, scaled[second])
    P = a[:, :m].T @ b[:, :m]
    p = a[:, :m].T @ b[:, m] + b[:, :m].T @ a[:, m]
    return Quadratic(P + P.T, p, float(a[:, m] @ b[:, m]))


def _quantities(worth: RegionObjective, region: Region, sigma: int) -> np.ndarray:
    """(slope in u, constant) of all quantities on a region, in the user's sign: (k, m + 1)."""
    part, a, m = worth.part, region.affine, worth.part.m
    Z = np.zeros((len(worth.quantities), m + 1))
    paid = {int(row): k for k, row in enumerate(part.paid)}
    rows, at = [], []
    for i, key in enumerate(worth.quantities):
        if key[0] == "y":
            rows.append(i)
            at.append(m + paid[key[2]])
        else:
            Z[i] = _quantity(worth, key, region)
    if rows:
        tied = np.flatnonzero((a.u0 != 0.0) | (a.U != 0.0).any(axis=1))  # rows with a multiplier
        T, F, E = part.T[tied][:, at].T, part.F[:, at].T, part.E[:, at].T
        slope = E @ a.W + part.R[at, :m] - T @ a.U[tied] - F @ a.Y
        start = E @ a.w0 + part.r[at] - T @ a.u0[tied] - F @ a.y0
        Z[rows] = -sigma * np.column_stack([slope, start])
    return Z


def _quantity(worth: RegionObjective, key, region: Region) -> np.ndarray:
    """(slope in u, constant) of a decision, a column or a pair's multiplier."""
    part, a = worth.part, region.affine
    m, (kind, _, index) = part.m, key
    if kind == "u":
        return np.eye(m + 1)[index]
    if kind == "x":
        row = int(np.flatnonzero(part.wanted == index)[0])
        return np.append(part.Xw[row] @ a.W + part.Xp[row, :m],
                         part.Xw[row] @ a.w0 + part.x0[row])
    if index in part.gone:
        return np.append(np.zeros(m), part.gone[index])
    row = int(np.flatnonzero(part.pair == index)[0])
    return np.append(a.U[row], a.u0[row])


def costs_over_regions(worth: RegionObjective, regions: Regions, sigma: int) -> list[RegionCost]:
    """The pieces of a part, one for each region that does not lie in the margin alone.

    Parameters
    ----------
    worth, sigma
        As of `cost_on`.
    regions
        The part's critical regions.

    Returns
    -------
    list of RegionCost

    Raises
    ------
    NotExplicit
        Duals that the upper level uses are not unique in a way that regions do not show.
    """
    refuse_hidden(worth, regions)
    return [piece_of(region.polytope, number, cost_on(worth, region, sigma))
            for number, region in enumerate(regions.regions) if not _outside(region.polytope)]


def _outside(polytope: Polytope) -> bool:
    """Whether a region lies in the margin around the range only."""
    return bool(((polytope.vertices > 1.0 + ROUNDING).all(axis=0)
                 | (polytope.vertices < -ROUNDING).all(axis=0)).any())


def piece_of(polytope: Polytope, region: int, cost: Quadratic) -> RegionCost:
    """A piece, its concave directions replaced by chords over its own width.

    Parameters
    ----------
    polytope
        Where it holds.
    region
        Number of its critical region.
    cost
        The exact cost.

    Returns
    -------
    RegionCost
    """
    size, vectors = np.linalg.eigh(cost.P)
    bent = np.flatnonzero(size < -0.1 * CONVEX * max(1.0, np.abs(cost.P).max(initial=0.0)))
    P, p, c, error = cost.P.copy(), cost.p.copy(), cost.c, 0.0
    for k in bent:
        e, bend = vectors[:, k], size[k]
        along = polytope.vertices @ e
        low, high = along.min(), along.max()
        P -= bend * np.outer(e, e)
        p = p + 0.5 * bend * (low + high) * e
        c -= 0.5 * bend * low * high
        error += -bend * (high - low) ** 2 / 8.0
    below = Quadratic(P, p, c) if len(bent) else cost
    return RegionCost(polytope, region, cost, below, error, vectors[:, bent])


def cut_in_two(piece: RegionCost, v: np.ndarray) -> list[RegionCost]:
    """A piece cut near a point, across the direction whose chord errs most.

    The cut keeps a fifth of the width on both sides, so that pieces shrink.

    Parameters
    ----------
    piece
        The piece.
    v
        A point of it, in the range scaled to 0 .. 1, shape (m,).

    Returns
    -------
    list of RegionCost
        Two pieces; the same one where it cannot be cut.
    """
    along = piece.polytope.vertices @ piece.concave
    low, high = along.min(axis=0), along.max(axis=0)
    bend = -np.einsum("ik,ij,jk->k", piece.concave, piece.cost.P, piece.concave)
    e = piece.concave[:, int(np.argmax(bend * (high - low) ** 2))]
    ends = np.array([(piece.polytope.vertices @ e).min(), (piece.polytope.vertices @ e).max()])
    at = float(np.clip(v @ e, *(ends @ [[0.8, 0.2], [0.2, 0.8]])))
    A, b = piece.polytope.A, piece.polytope.b
    halves = [make_polytope(np.vstack([A, side * e]), np.append(b, side * at))
              for side in (1.0, -1.0)]
    whole = [half for half in halves if half is not None]
    if len(whole) < 2:
        return [piece]
    return [piece_of(half, piece.region, piece.cost) for half in whole]


def refuse_hidden(worth: RegionObjective, regions: Regions) -> None:
    """NotExplicit where optimal duals may exist that no full-dimensional region has.

    Parameters
    ----------
    worth
        The part's terms in the upper objective.
    regions
        The part's critical regions.
    """
    if worth.uses_duals and not worth.complete and not general_position(regions):
        raise NotExplicit("its prices are not unique where several rows become tight at once, "
                             "and the upper level pays only some of them")


def refuse_answers(worth: RegionObjective) -> None:
    """Check that the Vars of a part that the upper level uses are unique at each u.

    Parameters
    ----------
    worth
        The part's terms in the upper objective.

    Raises
    ------
    NotExplicit
        They need not be.
    """
    part = worth.part
    if worth.uses_x:
        both = np.vstack([part.H / max(ENTRY, np.abs(part.H).max(initial=0.0)), part.C])
        if np.linalg.matrix_rank(both, tol=RANK) < len(part.w):
            raise NotExplicit("the upper objective uses its Vars, which need not be unique")


def general_position(regions: Regions) -> bool:
    """Whether rows that are tight together are independent in (w, u), at each corner.

    Then every dual vertex at a point belongs to a full-dimensional region that touches it.
    """
    part, m = regions.part, regions.part.m
    span = width(part)
    joint = np.column_stack([part.A, part.T[:, :m]])
    fixed = np.column_stack([part.C, part.F[:, :m]])
    size = np.linalg.norm(joint, axis=1)
    joint = joint / np.where(size > 0, size, 1.0)[:, None]
    for region in regions.regions:
        a = region.affine
        u = part.lo + span * region.polytope.vertices
        w = u @ a.W.T + a.w0
        g = w @ part.A.T + u @ part.T[:, :m].T + part.s
        tight = (np.abs(g) <= ACTIVE * (1.0 + np.abs(part.s))) | (a.state == ACTIVE_ROW)
        for mask in np.unique(tight, axis=0):
            rows = np.vstack([joint[mask], fixed])
            if len(rows) and np.linalg.matrix_rank(rows, tol=RANK) < len(rows):
                return False
    return True
