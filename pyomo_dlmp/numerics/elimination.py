"""Exact elimination of free columns through equality rows.

For rows E z = r, free (unbounded, continuous) columns are matched to rows; where the matched square
matrix is nonsingular its columns become affine functions of the others:

    z = M z_kept + m0

A power flow eliminates to its injections this way, and the multipliers of a KKT system to those of
its inequalities. The work is done per connected component, so periods that do not touch cost the
sum of their sizes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.sparse.linalg import splu

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.components import component_labels, square_groups
from pyomo_dlmp.tolerances import ENTRY, PIVOT, POLISHED

_GROWTH = 1e9
_MOST_ENTRIES = 2e7  # of the map of one component, which is dense: beyond, its columns stay
_LARGE = 2000  # columns of a component from which its matching is avoided, being slow


@dataclass
class Elimination:
    """The map  z = M z[kept] + m0  that eliminated columns obey.

    Attributes
    ----------
    kept
        Numbers of the columns that stay, shape (k,).
    M, m0
        The map, shapes (n, k) and (n,).
    rows_used
        Numbers of the equality rows that the map satisfies by itself.
    """

    kept: np.ndarray
    M: sp.csr_matrix
    m0: np.ndarray
    rows_used: np.ndarray

    def lift(self, kept_values: np.ndarray) -> np.ndarray:
        """All columns, shape (n,), from values of the kept ones, shape (k,)."""
        return self.M @ kept_values + self.m0


def eliminate(E: sp.csr_matrix, r: np.ndarray, free: np.ndarray) -> Elimination:
    """Eliminate free columns through rows of E z = r; see the module's text.

    Components whose matched matrix is numerically singular, or whose map would take gigabytes, stay
    as they are.

    Parameters
    ----------
    E, r
        Equality rows, shapes (m, n) and (m,).
    free
        Mask of the columns that may leave, shape (n,): continuous and unbounded.

    Returns
    -------
    Elimination
    """
    count = E.shape[1]
    E = E.tocsr()
    pattern = E[:, np.flatnonzero(free)]
    pattern = sp.csr_matrix(
        ((np.abs(pattern.data) > PIVOT).astype(int), pattern.indices, pattern.indptr),
        shape=pattern.shape)
    pattern.eliminate_zeros()
    free_columns = np.flatnonzero(free)
    solved, left = _solve_squares(E, r, pattern, free_columns)
    rest = pattern[:, left]
    row_of = maximum_bipartite_matching(rest, perm_type="row") if rest.nnz else (
        np.full(len(left), -1))
    matched = np.flatnonzero(row_of >= 0)
    columns, rows = free_columns[left[matched]], row_of[matched]
    return _assemble(count, solved + _solve_all(E, r, rows, columns))


def _solve_squares(E, r, pattern, free_columns):
    """Large connected parts with as many rows as free columns (a power flow) need no matching.

    Returns (what `_solve` made of them, positions of the free columns that are left).
    """
    n = pattern.shape[1]
    if n <= _LARGE:
        return [], np.arange(n)
    of_column, of_row = component_labels(pattern)
    columns, rows = np.bincount(of_column), np.bincount(of_row, minlength=of_column.max() + 1)
    columns = np.pad(columns, (0, len(rows) - len(columns)))
    solved, gone = [], np.zeros(n, dtype=bool)
    for part in np.flatnonzero((columns == rows) & (columns > _LARGE)):
        mine = of_column == part
        piece = _solve(E, r, np.flatnonzero(of_row == part), free_columns[mine])
        if piece is not None:
            solved.append(piece)
            gone |= mine
    return solved, np.flatnonzero(~gone)


def eliminate_in_stages(E: sp.csr_matrix, r: np.ndarray,
                        stages: Iterable[tuple[np.ndarray, np.ndarray]]) -> Elimination:
    """`eliminate` stage after stage, each on what the ones before left.

    A KKT system needs its primal rows first, so that flows are functions of injections: one joint
    matching could express them by multipliers, with coefficients of 1e6.

    Parameters
    ----------
    E, r
        Equality rows, shapes (m, n) and (m,).
    stages
        (rows, columns) of each stage as masks, shapes (m,) and (n,).

    Returns
    -------
    Elimination
        The map of all stages together.
    """
    M, m0 = sp.identity(E.shape[1], format="csr"), np.zeros(E.shape[1])
    kept = np.arange(E.shape[1])
    used = []
    for rows, free in stages:
        number = np.flatnonzero(rows)
        if not len(number):
            continue
        stage = eliminate((E[number] @ M).tocsr(), r[number] - E[number] @ m0, free[kept])
        m0 = m0 + M @ stage.m0
        M = (M @ stage.M).tocsr()
        kept = kept[stage.kept]
        used.append(number[stage.rows_used])
    M.data[np.abs(M.data) < ENTRY] = 0.0
    M.eliminate_zeros()
    return Elimination(kept, M, m0, np.concatenate(used) if used else np.empty(0, dtype=int))


def _solve_all(E, r, rows, columns):
    """[(rows, columns, others, K, k0)]: x[columns] = K x[others] + k0, for each component."""
    parts = _components(E, rows, columns)
    single = np.array([part[0] for part in parts if len(part) == 1], dtype=int)
    solved = [_solve_singles(E, r, rows[single], columns[single])] if len(single) else []
    for part in parts:
        limits.check()
        if len(part) > 1:
            piece = _solve(E, r, rows[part], columns[part])
            if piece is not None:
                solved.append(piece)
    return solved


def _solve_singles(E, r, rows, columns):
    """All components of one row and one column at once: a division each."""
    block = E[rows].tocoo()
    pivot = np.asarray(E[rows, columns]).ravel()
    span = np.maximum(abs(E[rows]).max(axis=1).toarray().ravel(), np.abs(r[rows]))
    good = span <= _GROWTH * np.abs(pivot)
    place = np.cumsum(good) - 1
    entry = good[block.row] & (block.col != columns[block.row])
    others = np.unique(block.col[entry])
    K = sp.coo_matrix(
        (-block.data[entry] / pivot[block.row[entry]],
         (place[block.row[entry]], np.searchsorted(others, block.col[entry]))),
        shape=(int(good.sum()), len(others)))
    return rows[good], columns[good], others, K, (r[rows] / pivot)[good]


def _components(E, rows, columns):
    """Positions (into rows and columns alike) of each connected component of the matched part."""
    if not len(rows):
        return []
    square = abs(E[rows][:, columns])
    return square_groups(square + square.T)


def _solve(E, r, rows, columns):
    # rows of an element of nearly no impedance have entries of 1e7: residuals are judged by row
    size = 1.0 / np.maximum(1.0, abs(E[rows]).max(axis=1).toarray().ravel())
    block = (sp.diags(size) @ E[rows]).tocsc()
    inside = np.zeros(E.shape[1], dtype=bool)
    inside[columns] = True
    others = np.flatnonzero((np.diff(block.indptr) > 0) & ~inside)
    if len(rows) * len(others) > _MOST_ENTRIES:
        return None
    try:
        factor = splu(block[:, columns].tocsc())
    except RuntimeError:  # exactly singular
        return None
    right = np.column_stack([-block[:, others].toarray(), size * r[rows]])
    solution = factor.solve(right)
    residual = np.abs(block[:, columns] @ solution - right).max(initial=0.0)
    if not np.isfinite(solution).all() or np.abs(solution).max(initial=0.0) > _GROWTH:
        return None
    if residual > POLISHED * max(1.0, np.abs(right).max(initial=0.0)):
        return None
    K = solution[:, :-1]
    K[np.abs(K) < ENTRY] = 0.0
    return rows, columns, others, sp.coo_matrix(K), solution[:, -1]


def _assemble(count: int, solved) -> Elimination:
    dependent = np.zeros(count, dtype=bool)
    for _, columns, *_ in solved:
        dependent[columns] = True
    kept = np.flatnonzero(~dependent)
    position = np.full(count, -1)
    position[kept] = np.arange(len(kept))
    m0 = np.zeros(count)
    i, j, v = [kept], [np.arange(len(kept))], [np.ones(len(kept))]
    for _, columns, others, K, k0 in solved:
        m0[columns] = k0
        i.append(columns[K.row])
        j.append(position[others[K.col]])
        v.append(K.data)
    M = sp.coo_matrix(
        (np.concatenate(v), (np.concatenate(i), np.concatenate(j))), shape=(count, len(kept)))
    used = np.concatenate([s[0] for s in solved]) if solved else np.empty(0, dtype=int)
    return Elimination(kept, M.tocsr(), m0, used)
