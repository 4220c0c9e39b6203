"""Polytopes {u: A u <= b} of few dimensions: facets, vertices, volume, by qhull.

Rows are normalised. One dimension is treated here, since qhull starts at two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from pyomo_dlmp.numerics.highs import solve_small_lp
from pyomo_dlmp.tolerances import ENTRY, MILP_FEASIBILITY, POLISHED, RANK, ROUNDING


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
    chebyshev_center, chebyshev_radius
        Of the largest ball inside, shape (m,) and a number.
    """

    A: np.ndarray
    b: np.ndarray
    row: np.ndarray
    vertices: np.ndarray
    facet_vertices: list[np.ndarray]
    chebyshev_center: np.ndarray
    chebyshev_radius: float

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
    slack = b[:, None] - A @ vertices.T
    touch = np.abs(slack) <= POLISHED * (1.0 + np.abs(b))[:, None] + ROUNDING
    facets = np.unique(np.concatenate([np.asarray(f) for f in half.dual_facets]))
    facets = facets[[_spans(vertices[touch[i]], A.shape[1]) for i in facets]]
    return Polytope(A[facets], b[facets], number[facets], vertices,
                    [np.flatnonzero(touch[i]) for i in facets], center, radius)


def _spans(vertices, m: int) -> bool:
    """Whether some vertices have the dimension of a facet."""
    if len(vertices) < m:
        return False
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
