"""Slices of critical regions: some decisions of a part are given, the others stay free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.numerics.polytopes import Polytope, make_polytope
from pyomo_dlmp.parametric.region_costs import Quadratic, RegionCost, piece_of
from pyomo_dlmp.tolerances import CONVEX, PIVOT, POLISHED

_PASSES = 3

@dataclass
class Slice:
    """A part with some of its decisions alone, as the master problem sees it.

    Attributes
    ----------
    lo, hi
        Range of these, shape (m,).
    """

    lo: np.ndarray
    hi: np.ndarray

    @property
    def m(self) -> int:
        """Number of decisions."""
        return len(self.lo)


def slice_of(piece: RegionCost, cost: Quadratic, free: np.ndarray, v: np.ndarray,
             ) -> RegionCost | None:
    """The slice of a piece at given values of some decisions.

    A slice that runs along a facet belongs to the regions on both sides. Where its cost is convex
    its vertices, which take most of the time, are not asked for: the master problem then begins
    with a tangent at its middle alone.

    Parameters
    ----------
    piece
        On a critical region, in the range scaled to 0 .. 1.
    cost
        What is paid on the region, of all decisions.
    free
        Numbers of the decisions that stay free.
    v
        A point with the values of the others, shape (m,).

    Returns
    -------
    RegionCost or None
        Of the free ones; None where the slice is empty.
    """
    given = v.copy()
    given[free] = 0.0
    A, b = piece.polytope.A[:, free], piece.polytope.b - piece.polytope.A @ given + POLISHED
    low, high = np.zeros(len(free)), np.ones(len(free))
    for _ in range(_PASSES):  # the box around the slice
        least = np.minimum(A, 0.0) @ high + np.maximum(A, 0.0) @ low
        left = (b - least)[:, None]
        if (left < 0.0).any():
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(A > 0.0, low, high) + left / A
        high, low = (np.minimum(high, np.where(A > PIVOT, ends, np.inf).min(axis=0)),
                     np.maximum(low, np.where(A < -PIVOT, ends, -np.inf).max(axis=0)))
        if (low > high).any():
            return None
    mine = cost_of_slice(cost, free, v)
    sides = np.vstack([A, np.eye(len(free)), -np.eye(len(free))])
    limits = np.concatenate([b, np.ones(len(free)), np.zeros(len(free))])
    if np.linalg.eigvalsh(mine.P)[0] < -CONVEX * max(1.0, np.abs(mine.P).max(initial=0.0)):
        polytope = make_polytope(sides, limits)
        return None if polytope is None else piece_of(polytope, piece.region, mine)
    none = np.empty((0, len(free)))
    polytope = Polytope(sides, limits, np.arange(len(limits)), none, [], 0.5 * (low + high), 0.0)
    return RegionCost(polytope, piece.region, mine, mine, 0.0, none.T)


def cost_of_slice(cost: Quadratic, free: np.ndarray, v: np.ndarray) -> Quadratic:
    """A quadratic at given values of some of its variables.

    Parameters
    ----------
    cost
        Of all of them.
    free, v
        As of `slice_of`.

    Returns
    -------
    Quadratic
        Of the free ones.
    """
    given = v.copy()
    given[free] = 0.0
    return Quadratic(cost.P[np.ix_(free, free)], cost.p[free] + cost.P[free] @ given, cost(given))
