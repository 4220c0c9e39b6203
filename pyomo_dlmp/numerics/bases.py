"""The vertices of the duals of one part of a lower level, by enumeration of bases.

    G (y, mu) = gradient (x, u) + c,   mu >= 0

Columns y that a line moves are taken out (`lines`), so that the support of each vertex is a set of
independent columns, and part of a basis that holds all other y. The two sides of a row or of a Var
have opposite columns, of which a basis holds at most one: they are one column of any sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import combinations, islice
from math import comb

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.boxes import batch_ranges
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.numerics.unimodular import unit_scale
from pyomo_dlmp.tolerances import ENTRY, RANK, ROUNDING, SINGULAR

_MOST_BASES = 50_000
_MOST_COLUMNS, _MOST_PAIRS = 60, 200  # of a part that is enumerated
_LARGEST = 400, 2_000  # rows and columns of a part that is looked at
_BATCH = 1_000
_PASSES = 8  # of scaling
_PER_BASIS = 0.1  # units of work


class DualFace:
    """G of one part; see the module's text.

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
        Independent rows of G, and G of these rows and `at`, dense; rank 0 where it is too large.
    up, other
        Positions in `at` of one column of each two opposite ones, y first, and of the other one
        (-1: there is none).
    """

    def __init__(self, G: sp.spmatrix, cols: np.ndarray, e: int):
        self.cols, self.sparse = cols, G
        free = int((cols < e).sum())
        self.small = G.shape[0] <= _MOST_COLUMNS and len(cols) - free <= _MOST_PAIRS
        if G.shape[0] > _LARGEST[0] or len(cols) > _LARGEST[1]:
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
        self.up, self.other = opposite_columns(self.matrix, self.free)

    def sets_of(self, extra: int = 0) -> int:
        """Number of column sets that `column_sets` goes through."""
        return comb(len(self.up) - self.free, max(0, self.rank - self.free + extra))

    def column_sets(self, extra: int = 0) -> Iterator[np.ndarray]:
        """Sets of rank + extra positions in `up` that hold all y, in batches (k, rank + extra)."""
        size = self.rank - self.free + extra
        sets = combinations(range(self.free, len(self.up)), size)
        while batch := list(islice(sets, _BATCH)):
            free = np.tile(np.arange(self.free), (len(batch), 1))
            yield np.hstack([free, np.array(batch, dtype=int).reshape(len(batch), size)])

    def with_rows(self, matrix: np.ndarray) -> DualFace:
        """The same columns with other independent rows, shape (rows, len(at))."""
        face = copy(self)
        face.matrix, face.rank = matrix, len(matrix)
        face.up, face.other = opposite_columns(matrix, face.free)
        return face

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
        gradient, c = gradient[self.rows], c[self.rows]
        if self.small:
            ranges = self.vertex_ranges_of(gradient, c, lo, hi, effort)
            if ranges is not None:
                return ranges
        z = np.flatnonzero(np.diff(gradient.tocsc().indptr))
        return self._unit_ranges(gradient[:, z].toarray(), c, lo[z], hi[z])

    def vertex_ranges_of(self, gradient, constant, lo, hi, effort: Effort):
        """`vertex_ranges` by all bases, with the right-hand side of the rows of `matrix` only."""
        effort.spend(_PER_BASIS * min(self.sets_of(), _MOST_BASES))
        if self.sets_of() > _MOST_BASES or effort.is_used_up:
            return None
        z = np.flatnonzero(np.diff(gradient.tocsc().indptr))
        right = gradient[:, z].toarray()
        free = np.arange(len(self.at)) < self.free
        # zero, the value outside the basis, is in the range of every multiplier
        least, greatest = np.where(free, np.inf, 0.0), np.where(free, -np.inf, 0.0)
        matrix = self.matrix[:, self.up]
        for sets in self.column_sets():
            regular = regular_inverses(matrix[:, sets].transpose(1, 0, 2), sets)
            if regular is None:
                return None
            sets, inverse = regular
            low, high = batch_ranges(inverse @ right, inverse @ constant, lo[z], hi[z])
            one_sided = (sets >= self.free) & (self.other[sets] < 0)
            possible = ~(one_sided & (high < -ROUNDING)).any(axis=1)
            sets, low, high = sets[possible], low[possible], high[possible]
            np.maximum.at(greatest, self.up[sets], high)
            np.minimum.at(least, self.up[sets], low)
            two = self.other[sets] >= 0
            np.maximum.at(greatest, self.other[sets][two], -low[two])
        least[~free] = 0.0
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
    small, rows, columns = equilibrated(matrices)
    values = np.linalg.svd(small, compute_uv=False)
    share = values[:, -1] / np.maximum(values[:, 0], ENTRY)
    if ((share > SINGULAR) & (share < RANK)).any():
        return None
    good = share >= RANK
    inverses = np.linalg.inv(small[good])
    return sets[good], columns[good][:, :, None] * inverses * rows[good][:, None, :]


def equilibrated(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices whose rows and columns have entries of one size, so that units do not decide.

    Parameters
    ----------
    matrices
        Shape (k, r, s).

    Returns
    -------
    tuple
        (rows x matrices x columns, rows (k, r), columns (k, s)).
    """
    rows, columns = np.ones(matrices.shape[:2]), np.ones((len(matrices), matrices.shape[2]))
    small = matrices
    for _ in range(_PASSES):
        for scale, axis in ((rows, 2), (columns, 1)):
            size = np.abs(small).max(axis=axis, initial=0.0)
            scale /= np.sqrt(np.where(size > 0.0, size, 1.0))
            small = rows[:, :, None] * matrices * columns[:, None, :]
    return small, rows, columns


def opposite_columns(matrix: np.ndarray, free: int) -> tuple[np.ndarray, np.ndarray]:
    """(up, other) of `DualFace`, for the columns behind the first `free`."""
    up, other = list(range(free)), [-1] * free
    waiting: dict[bytes, list[int]] = {}
    for j in range(free, matrix.shape[1]):
        column = matrix[:, j] + 0.0  # no negative zero
        same = waiting.get((-column + 0.0).tobytes())
        if same:
            other[same.pop()] = j
        else:
            waiting.setdefault(column.tobytes(), []).append(len(up))
            up.append(j)
            other.append(-1)
    return np.array(up, dtype=int), np.array(other, dtype=int)


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
