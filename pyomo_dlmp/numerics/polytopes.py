"""Polytopes {u: A u <= b} of few dimensions: facets, vertices, volume, by qhull.

Rows are normalised. One dimension is treated here, since qhull starts at two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from pyomo_dlmp.numerics.highs import solve_small_lp
from pyomo_dlmp.tolerances import ENTRY, FLAT, MILP_FEASIBILITY, POLISHED, RANK, ROUNDING

_MOST_CHOICES = 1500  # systems of m rows that are solved at once


@dataclass
class Polytope:
    """The points u with A u <= b: all facets and no other row.

    Attributes
    ----------
    A, b
        Facets with rows of unit length, shapes (f, m) and (f,).
    row
        Number of each facet among the rows that the polytope was made of, shape (f,).
    vertices
        Shape (k, m).
    facet_vertices
        Numbers of the vertices on each facet.
    center, radius
        A point well inside, shape (m,), and its distance from the nearest facet.
    """

    A: np.ndarray
    b: np.ndarray
    row: np.ndarray
    vertices: np.ndarray
    facet_vertices: list[np.ndarray]
    center: np.ndarray
    radius: float

    def holds(self, u: np.ndarray, margin: float = 0.0) -> bool:
        """Whether u, shape (m,), is inside, up to the distance `margin`."""
        return bool((self.A @ u <= self.b + margin).all())

    @property
    def volume(self) -> float:
        """Length, area or volume; 0 where the vertices span none."""
        if self.vertices.shape[1] == 1:
            return float(np.ptp(self.vertices))
        try:
            return float(ConvexHull(self.vertices).volume)
        except QhullError:
            return 0.0


def make_polytope(A: np.ndarray, b: np.ndarray) -> Polytope | None:
    """The polytope {u: A u <= b}, redundant rows left out.

    Parameters
    ----------
    A, b
        Rows of any length, shapes (k, m) and (k,).

    Returns
    -------
    Polytope or None
        None where it is empty or flat.

    Raises
    ------
    ValueError
        It is unbounded.
    """
    norm = np.linalg.norm(A, axis=1)
    real = norm > ENTRY
    if (b[~real] < -MILP_FEASIBILITY).any():
        return None
    number = np.flatnonzero(real)
    A, b = A[real] / norm[real, None], b[real] / norm[real]
    number, A, b = _without_repeats(number, A, b)
    if ((np.abs(A) > ENTRY).sum(axis=1) == 1).all() and A.shape[1] > 1:
        return _box(A, b, number)
    vertices = _by_choices(A, b)
    if vertices is not None:
        if not len(vertices):
            return None
        center = vertices.mean(axis=0)
        radius, facets = float((b - A @ center).min()), np.arange(len(b))
    else:
        found = chebyshev_ball(A, b)
        if found is None:
            return None
        center, radius = found
        if A.shape[1] == 1:
            return _interval(A, b, number, center, radius)
        try:
            half = HalfspaceIntersection(np.column_stack([A, -b]), center)
        except QhullError:
            return None
        if not np.isfinite(half.intersections).all():
            raise ValueError("an unbounded polytope")
        vertices = _distinct(half.intersections)
        facets = np.unique(np.concatenate([np.asarray(f) for f in half.dual_facets]))
    slack = b[:, None] - A @ vertices.T
    touch = np.abs(slack) <= POLISHED * (1.0 + np.abs(b))[:, None] + ROUNDING
    facets = facets[[_spans(vertices[touch[i]], A.shape[1]) for i in facets]]
    return Polytope(A[facets], b[facets], number[facets], vertices,
                    [np.flatnonzero(touch[i]) for i in facets], center, radius)


@lru_cache(maxsize=64)
def _choices(rows: int, m: int) -> np.ndarray:
    """All choices of m rows, shape (choices, m)."""
    return np.array(list(combinations(range(rows), m)), dtype=int).reshape(-1, m)


def _by_choices(A: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """The vertices from every m rows at once, faster than qhull while there are few rows.

    Shape (k, m); none where the polytope is empty.
    None where there are many, or where the polytope is so thin, or so open, that it takes a closer
    look.
    """
    rows, m = A.shape
    if m < 2 or comb(rows, m) > _MOST_CHOICES:
        return None
    choices = _choices(rows, m)
    systems = A[choices]
    # rows that are nearly parallel meet outside, or differ by less than what counts inside
    whole = np.abs(np.linalg.det(systems)) > RANK
    points = np.linalg.solve(systems[whole], b[choices[whole]][:, :, None])[:, :, 0]
    vertices = _apart(points[(points @ A.T <= b + ROUNDING * (1.0 + np.abs(b))).all(axis=1)])
    if not _is_bounded(A):
        return None
    if not len(vertices):
        return vertices
    if len(vertices) <= m:
        return None
    return vertices if (b - A @ vertices.mean(axis=0)).min() > FLAT else None


def _apart(points: np.ndarray) -> np.ndarray:
    """Points of which no two are the same, in lexicographic order."""
    points = _distinct(points)
    near = np.abs(points[:, None] - points).max(axis=2) <= POLISHED
    return points[~np.tril(near, -1).any(axis=1)]


def _is_bounded(A: np.ndarray) -> bool:
    """Whether rows bound each coordinate by themselves, as those of a box do."""
    single = (np.abs(A) > ENTRY).sum(axis=1) == 1
    axis = np.abs(A[single]).argmax(axis=1) * 2 + (A[single].sum(axis=1) > 0)
    return len(np.unique(axis)) == 2 * A.shape[1]


def _spans(vertices, m: int) -> bool:
    """Whether some vertices have the dimension of a facet."""
    if len(vertices) < m or m <= 3:  # no three corners are in line
        return len(vertices) >= m
    spread = vertices - vertices[0]
    return m == 1 or int((np.linalg.svd(spread, compute_uv=False) > RANK).sum()) >= m - 1


def _without_repeats(number, A, b):
    """Of rows with the same normal the tightest."""
    order = np.lexsort((b, *np.round(A, 9).T))
    A, b, number = A[order], b[order], number[order]
    new = np.ones(len(b), dtype=bool)
    new[1:] = (np.abs(np.diff(np.round(A, 9), axis=0)) > 0).any(axis=1)
    return number[new], A[new], b[new]


def chebyshev_ball(A: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The largest ball inside {u: A u <= b}.

    Parameters
    ----------
    A, b
        Rows of unit length, shapes (k, m) and (k,).

    Returns
    -------
    tuple or None
        (center, radius), shape (m,) and a number; None where the polytope is flat or empty.
    """
    m = A.shape[1]
    if m == 1:
        high, low = (b[A[:, 0] > 0]).min(), -(b[A[:, 0] < 0]).min()
        return None if high - low < ROUNDING else (np.array([(low + high) / 2]), (high - low) / 2)
    free = np.full(m, np.inf)
    value = solve_small_lp(
        np.append(np.zeros(m), -1.0), np.column_stack([A, np.ones(len(b))]),
        np.full(len(b), -np.inf), b, np.append(-free, -1.0), np.append(free, 1e6))
    return None if value is None or value[m] < ROUNDING else (value[:m], float(value[m]))


def _box(A, b, number) -> Polytope | None:
    """All rows bound one coordinate each: qhull, which is slow in many dimensions, is not asked."""
    m = A.shape[1]
    axis, up = np.abs(A).argmax(axis=1), A.sum(axis=1) > 0
    ends = [[np.flatnonzero((axis == j) & (up == side)) for side in (False, True)]
            for j in range(m)]
    if any(not len(rows) for pair in ends for rows in pair):
        raise ValueError("an unbounded polytope")
    facets = np.array([rows[np.argmin(b[rows])] for pair in ends for rows in pair])
    low, high = -b[facets[0::2]], b[facets[1::2]]
    if (high - low < ROUNDING).any():
        return None
    vertices = np.array(np.meshgrid(*np.column_stack([low, high]), indexing="ij")).reshape(m, -1).T
    on = [np.flatnonzero(vertices[:, j] == end[j]) for j in range(m) for end in (low, high)]
    return Polytope(A[facets], b[facets], number[facets], vertices, on, (low + high) / 2,
                    float((high - low).min() / 2))


def _interval(A, b, number, center, radius) -> Polytope:
    up, down = np.flatnonzero(A[:, 0] > 0), np.flatnonzero(A[:, 0] < 0)
    ends = np.array([up[np.argmin(b[up])], down[np.argmin(b[down])]])
    vertices = np.array([[b[ends[0]]], [-b[ends[1]]]])
    return Polytope(A[ends], b[ends], number[ends], vertices,
                    [np.array([0]), np.array([1])], center, radius)


def _distinct(points: np.ndarray) -> np.ndarray:
    order = np.lexsort(np.round(points, 8).T)
    points = points[order]
    new = np.ones(len(points), dtype=bool)
    new[1:] = (np.abs(np.diff(points, axis=0)) > ROUNDING).any(axis=1)
    return points[new]
