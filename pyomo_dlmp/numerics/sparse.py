"""Sparse matrices from their entries."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def csr_of(entries, shape) -> sp.csr_matrix:
    """Sparse matrix of (row, column, value) entries; those of one place add up."""
    if not entries:
        return sp.csr_matrix(shape)
    rows, cols, values = zip(*entries, strict=True)
    return sp.coo_matrix((np.array(values, dtype=float), (rows, cols)), shape=shape).tocsr()

