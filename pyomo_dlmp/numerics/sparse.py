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

