"""Bounds of multipliers from the vertices of the dual polyhedron, part by part of a lower level.

At an optimum of the lower level the optimal duals are a face of

    { (y, mu):  A_eq' y + sigma S' mu = Q x + c + D u,   mu >= 0 }

Rows that depend on others give it lines: directions in which y alone moves. Where the upper level
does not use that direction, the duals of the dependent rows are zero without loss, and the rest has
no line. Each optimal dual is then a mean of vertices plus a ray, and the support of a vertex is a
set of independent columns. Rays are `dual_rays`' question: where none of them can help the upper
level, a bilevel optimum exists whose duals are a mean of vertices, so that the greatest multiplier
over all bases is a valid bound. It is *not* a bound of every optimal dual.

Three ways to it: all bases of a small part; all active sets of a small part with a strictly convex
objective (`by_active_sets`); and where every basis has the determinant 1, -1 or 0 (flows in a
network, unit rows) the entries of its inverse are 1, -1 or 0, too, whatever the size.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.boxes import batch_ranges
from pyomo_dlmp.numerics.components import component_labels, groups_by_label
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.numerics.unimodular import unit_scale
from pyomo_dlmp.tolerances import ENTRY, RANK, ROUNDING, SINGULAR
from pyomo_dlmp.transform.bounds.by_active_sets import active_set_ranges
from pyomo_dlmp.transform.bounds.dual_rays import rays_harmless
from pyomo_dlmp.transform.upper_view import UpperView

_MOST_BASES = 100_000
_MOST_COLUMNS, _MOST_PAIRS = 60, 200  # of a part that is enumerated
_BATCH = 1_000
_PER_BASIS = 0.05  # units of work
_EFFORT = 20_000.0  # units of work for one lower level, about 20 s


def vertex_bounds(kkt: KktSystem, bounds: Any, view: UpperView) -> tuple[np.ndarray, np.ndarray]:
    """Ranges of the duals over the vertices of the dual polyhedron.

    Parameters
    ----------
    kkt
        The lower level.
    bounds
        A `PairBounds`, whose ranges of u, x and proved-zero multipliers are used; ranges of x are
        tightened where the lower level has one answer and all active sets are looked at.
    view
        How the upper level uses the duals.

    Returns
    -------
    tuple
        (least, greatest) of (y, mu), shapes (e + pairs,); infinite where nothing is proved.
    """
    e = len(kkt.equality_rows)
    least = np.full(e + kkt.pairs, -np.inf)
    greatest = -least
    G = sp.hstack([kkt.A_eq.T, kkt.sigma * kkt.S.T], format="csc")
    usable = np.concatenate([np.ones(e, bool), bounds.mu > 0.0])
    gradient = sp.hstack([kkt.form.Q, kkt.form.D], format="csr")
    box = (np.concatenate([bounds.x_lo, bounds.u_lo]), np.concatenate([bounds.x_hi, bounds.u_hi]))
    effort = Effort(_EFFORT)
    for rows, all_cols in _parts(kkt, G):
        cols = all_cols[usable[all_cols]]
        if not len(cols) or not _is_missing(bounds, cols[cols >= e] - e):
            continue
        face = DualFace(G[rows][:, cols], cols, e)
        if not face.rank or not rays_harmless(kkt, view, face, bounds):
            continue
        ranges = active_set_ranges(kkt, bounds, rows, face, effort)
        if ranges is None:
            ranges = face.vertex_ranges(gradient[rows], kkt.form.c[rows], *box, effort)
        if ranges is not None:
            least[cols], greatest[cols] = ranges
    return least, greatest


def _is_missing(bounds, pairs) -> bool:
    """Whether some open pair of a part has no bound of its own yet."""
    return bool((~np.isfinite(bounds.mu[pairs]) & (bounds.slack[pairs] > ROUNDING)).any()
                or (~np.isfinite(bounds.slack[pairs]) & (bounds.mu[pairs] > 0)).any())


def _parts(kkt: KktSystem, G):
    """(columns of x, columns of G) of the parts that neither a row nor Q connects."""
    of_x, of_dual = component_labels(G.T, kkt.form.Q)
    duals = groups_by_label(of_dual)
    for label, members in groups_by_label(of_x).items():
        yield members, duals.get(label, np.empty(0, int))


class DualFace:
    """G of one part: its columns y that no line moves, then mu; see the module's text.

    Parameters
    ----------
    G
        Sparse, shape (columns of x, len(cols)).
    cols
        Numbers of its columns among (y, mu), those of y first.
    e
        Number of equality rows.

    Attributes
    ----------
    lines
        Directions of y alone, one a row, over cols: shape (lines, len(cols)).
    at
        Positions in cols that are left when the lines are taken out; the first `free` are y.
    rows, matrix, rank
        Independent rows of G, and G of these rows and `at`, dense; None where it is too large.
    """

    def __init__(self, G: sp.spmatrix, cols: np.ndarray, e: int):
        self.cols, self.sparse = cols, G
        free = int((cols < e).sum())
        self.small = G.shape[0] <= _MOST_COLUMNS and len(cols) - free <= _MOST_PAIRS
        if not self.small and (G.shape[0] > 400 or len(cols) > 2000):
            self.rank = 0  # neither is tried
            return
        dense = G.toarray()
        kept = independent_rows(dense[:, :free].T)
        self.lines = np.zeros((free - len(kept), len(cols)))
        self.lines[:, :free] = null_vectors(dense[:, :free], kept)
        self.at = np.concatenate([kept, np.arange(free, len(cols))]).astype(int)
        self.free = len(kept)
        self.rows = independent_rows(dense) if self.small else np.arange(G.shape[0])
        self.matrix = dense[self.rows][:, self.at]
        self.rank = len(self.rows)

    @property
    def bases(self) -> int:
        """Number of column sets that may be bases."""
        return comb(len(self.at) - self.free, self.rank - self.free)

    def column_sets(self, extra: int = 0) -> Iterator[np.ndarray]:
        """Sets of rank + extra positions that hold all free ones, in batches (k, rank + extra)."""
        size = self.rank - self.free + extra
        sets = combinations(range(self.free, len(self.at)), size)
        while batch := list(islice(sets, _BATCH)):
            free = np.tile(np.arange(self.free), (len(batch), 1))
            yield np.hstack([free, np.array(batch, dtype=int).reshape(len(batch), size)])

    def vertex_ranges(self, gradient, c, lo, hi, effort: Effort):
        """(least, greatest) of each column over all bases that may be feasible in the box.

        Parameters
        ----------
        gradient, c
            Right-hand side of the part's rows, gradient z + c, shapes (rows, n + m) and (rows,).
        lo, hi
            The box of z = (x, u), shape (n + m,).
        effort
            Work that may be done.

        Returns
        -------
        tuple or None
            Shapes (columns,); None where nothing is proved.
        """
        z = np.flatnonzero(np.diff(gradient.tocsc().indptr))
        right, constant = gradient[self.rows][:, z].toarray(), c[self.rows]
        if not self.small or self.bases > _MOST_BASES:
            return self._unit_ranges(right, constant, lo[z], hi[z])
        effort.spend(_PER_BASIS * self.bases)
        if effort.is_used_up:
            return self._unit_ranges(right, constant, lo[z], hi[z])
        free = np.arange(len(self.at)) < self.free
        # zero, the value outside the basis, is in the range of every multiplier
        least, greatest = np.where(free, np.inf, 0.0), np.where(free, -np.inf, 0.0)
        for sets in self.column_sets():
            regular = regular_inverses(self.matrix[:, sets].transpose(1, 0, 2), sets)
            if regular is None:
                return None
            sets, inverse = regular
            low, high = batch_ranges(inverse @ right, inverse @ constant, lo[z], hi[z])
            possible = ~(high[:, self.free:] < -ROUNDING).any(axis=1)
            np.maximum.at(greatest, sets[possible], high[possible])
            np.minimum.at(least, sets[possible], low[possible])
        return self.filled(least, greatest)

    def _unit_ranges(self, right, constant, lo, hi):
        """Ranges where every basis has an inverse of zeros and ones of both signs."""
        scale = unit_scale(self.sparse[:, self.at])
        if scale is None:
            return None
        low, high = batch_ranges(right[None], constant[None], lo, hi)
        total = np.maximum(np.abs(low), np.abs(high)).sum() / scale
        return self.filled(np.where(np.arange(len(self.at)) < self.free, -total, 0.0), total)

    def filled(self, least, greatest):
        """Values over `at` as values over all columns, zero where a line was taken out."""
        both = np.zeros((2, len(self.cols)))
        both[:, self.at] = least, greatest
        return both[0], both[1]


def regular_inverses(matrices: np.ndarray,
                     sets: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(sets, inverses) of the matrices, shape (k, r, r), that are not singular.

    None where one is neither singular nor regular: what it would give cannot be left out.
    """
    if not matrices.shape[1]:
        return sets, matrices
    values = np.linalg.svd(matrices, compute_uv=False)
    share = values[:, -1] / np.maximum(values[:, 0], ENTRY)
    if ((share > SINGULAR) & (share < RANK)).any():
        return None
    good = share >= RANK
    return sets[good], np.linalg.inv(matrices[good])


def independent_rows(G: np.ndarray) -> np.ndarray:
    """Indices of a maximal set of independent rows."""
    chosen: list[int] = []
    basis = np.empty((min(G.shape), G.shape[1]))
    for i, row in enumerate(G):
        if len(chosen) == len(basis):
            break
        known = basis[:len(chosen)]
        rest = row - known.T @ (known @ row)
        rest = rest - known.T @ (known @ rest)  # once more, against cancellation
        size = float(np.linalg.norm(rest))
        if size > RANK * max(1.0, float(np.linalg.norm(row))):
            basis[len(chosen)] = rest / size
            chosen.append(i)
    return np.array(chosen, dtype=int)


def null_vectors(G: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """A basis of {d: G d = 0} where the columns `kept` are a maximal independent set of G's.

    Returns
    -------
    np.ndarray
        One vector a row, with a one at a column that is not kept.
    """
    others = np.setdiff1d(np.arange(G.shape[1]), kept)
    vectors = np.zeros((len(others), G.shape[1]))
    if len(others):
        vectors[np.arange(len(others)), others] = 1.0
        if len(kept):
            vectors[:, kept] = -np.linalg.lstsq(G[:, kept], G[:, others], rcond=None)[0].T
    vectors[np.abs(vectors) < ROUNDING] = 0.0
    return vectors
