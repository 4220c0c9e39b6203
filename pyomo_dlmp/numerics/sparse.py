"""Sparse matrices from their entries."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def csr_of(entries: list[tuple[int, int, float]], shape: tuple[int, int]) -> sp.csr_matrix:
    """A sparse matrix from its entries.

    Parameters
    ----------
    entries
        (row, column, value); values of the same place add up.
    shape
        (m, n).

    Returns
    -------
    scipy.sparse.csr_matrix
    """
    if not entries:
        return sp.csr_matrix(shape)
    rows, cols, values = zip(*entries, strict=True)
    return sp.coo_matrix((np.array(values, dtype=float), (rows, cols)), shape=shape).tocsr()



def block(M: sp.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> sp.csr_matrix:
    """Some rows of a matrix in some of its columns, whatever the others hold.

    Parameters
    ----------
    M
        With sorted indices.
    rows, columns
        Numbers; columns in ascending order.

    Returns
    -------
    scipy.sparse.csr_matrix
        Shape (rows, columns).
    """
    first, count = M.indptr[rows], M.indptr[np.asarray(rows) + 1] - M.indptr[rows]
    ends = np.cumsum(count)
    at = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - ends + count, count)
    index, data = M.indices[at], M.data[at]
    place = np.searchsorted(columns, index)
    here = place < len(columns)
    here[here] = columns[place[here]] == index[here]
    if not here.all():
        place, data = place[here], data[here]
        count = np.bincount(np.repeat(np.arange(len(count)), count)[here], minlength=len(count))
    indptr = np.append(0, np.cumsum(count)).astype(M.indptr.dtype)
    return sp.csr_matrix((data, place.astype(M.indices.dtype), indptr),
                         shape=(len(rows), len(columns)))
