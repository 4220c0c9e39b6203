"""Slices of critical regions: some decisions of a part are given, the others stay free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.numerics.polytopes import Polytope, make_polytope
from pyomo_dlmp.parametric.region_costs import Quadratic
from pyomo_dlmp.tolerances import POLISHED


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


def slice_of(polytope: Polytope, free: np.ndarray, v: np.ndarray) -> Polytope | None:
    """The slice of a region at given values of some decisions.

    A slice that runs along a facet belongs to the regions on both sides.

    Parameters
    ----------
    polytope
        The region, in the range scaled to 0 .. 1.
    free
        Numbers of the decisions that stay free.
    v
        A point with the values of the others, shape (m,).

    Returns
    -------
    Polytope or None
        Of the free ones; None where the slice is empty or flat.
    """
    given = v.copy()
    given[free] = 0.0
    A, b = polytope.A[:, free], polytope.b - polytope.A @ given + POLISHED
    if (np.minimum(A, 0.0).sum(axis=1) > b).any():  # over 0 .. 1; rows of unit length
        return None
    return make_polytope(np.vstack([A, np.eye(len(free)), -np.eye(len(free))]),
                         np.concatenate([b, np.ones(len(free)), np.zeros(len(free))]))


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
