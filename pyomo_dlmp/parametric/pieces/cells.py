"""Convex cells of few dimensions by their vertices, cut in two by planes.

A cell knows which vertices lie on which facet, so that a cut needs no solver and no convex hull:
its new vertices are where the plane meets the edges (double description: Motzkin and others, 1953;
Fukuda and Prodon, 1996).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.numerics.polytopes import Polytope
from pyomo_dlmp.tolerances import ROUNDING


@dataclass
class Cell:
    """The points v with A v <= b, of full dimension and bounded.

    Attributes
    ----------
    vertices
        Shape (k, m).
    A, b
        Facets, shapes (f, m) and (f,).
    on
        Which vertices lie on which facets, shape (k, f).
    """

    vertices: np.ndarray
    A: np.ndarray
    b: np.ndarray
    on: np.ndarray

    @property
    def center(self) -> np.ndarray:
        """The mean of the vertices, a point inside."""
        return self.vertices.mean(axis=0)

    def range_of(self, slope: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(least, greatest) of affine functions, slopes of shape (r, m): shapes (r,)."""
        values = self.vertices @ slope.T + start
        return values.min(axis=0), values.max(axis=0)

    def halves(self, a: np.ndarray, b: float) -> tuple[Cell, Cell] | None:
        """The parts with a'v <= b and a'v >= b; None where the plane leaves one of them flat."""
        size = float(np.linalg.norm(a))
        if size == 0.0:
            return None
        a, b = a / size, b / size
        height = self.vertices @ a - b
        above, below = (np.flatnonzero(side) for side in (height > ROUNDING, height < -ROUNDING))
        if not len(above) or not len(below):
            return None
        level = np.abs(height) <= ROUNDING
        points, on = self._crossings(height, above, below)
        made = []
        for side, sign in ((below, 1.0), (above, -1.0)):
            vertices = np.vstack([self.vertices[side], self.vertices[level], points])
            new = np.arange(len(vertices)) >= len(side)
            facets = np.column_stack([np.vstack([self.on[side], self.on[level], on]), new])
            kept = facets.sum(axis=0) >= len(a)
            made.append(Cell(vertices, np.vstack([self.A, sign * a])[kept],
                             np.append(self.b, sign * b)[kept], facets[:, kept]))
        return made[0], made[1]

    def _crossings(self, height, above, below) -> tuple[np.ndarray, np.ndarray]:
        """Where edges cross the plane, and the facets of these points.

        Two vertices share an edge where no third lies on all facets that they share.
        """
        m, on = self.vertices.shape[1], self.on
        shared = on[above][:, None, :] & on[below][None, :, :]
        i, j = np.nonzero(shared.sum(axis=2) >= m - 1)
        shared = shared[i, j]
        both = shared.astype(np.int32) @ on.T.astype(np.int32) == shared.sum(axis=1)[:, None]
        edge = both.sum(axis=1) == 2
        i, j, shared = above[i[edge]], below[j[edge]], shared[edge]
        share = (height[i] / (height[i] - height[j]))[:, None]
        return self.vertices[i] + share * (self.vertices[j] - self.vertices[i]), shared

    def as_polytope(self) -> Polytope:
        """The same set as a `Polytope`; its ball has no radius."""
        facets = [np.flatnonzero(column) for column in self.on.T]
        return Polytope(self.A, self.b, np.arange(len(self.b)), self.vertices, facets,
                        self.center, 0.0)


def unit_cell(m: int) -> Cell:
    """The cube 0 .. 1 of m dimensions."""
    vertices = np.array(np.meshgrid(*[[0.0, 1.0]] * m, indexing="ij")).reshape(m, -1).T
    eye = np.eye(m)
    return Cell(vertices, np.vstack([-eye, eye]), np.append(np.zeros(m), np.ones(m)),
                np.hstack([vertices == 0.0, vertices == 1.0]))
