"""Totally unimodular matrices, up to the scale of their columns.

Their square submatrices have the determinants 1, -1 and 0 only, as have the inverses' entries.

Recognised are those of networks: each row, or each column, has at most two entries where it
counts, and the lines that they stand in can be put on two sides such that two entries of opposite
sign are on one side and two of the same sign are not (Heller and Tompkins 1956). Columns with a
single entry do not count.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.tolerances import ENTRY


def unit_scale(G: sp.spmatrix) -> np.ndarray | None:
    """Scale of the columns of a totally unimodular matrix.

    Parameters
    ----------
    G
        Shape (r, k).

    Returns
    -------
    np.ndarray or None
        s > 0, shape (k,), so that G / s is recognised as totally unimodular; None where it is not.
    """
    G = G.tocsc()
    count = np.diff(G.indptr)
    single = count == 1
    size = np.ones(G.shape[1])
    size[single] = np.abs(G.data[G.indptr[:-1][single]])
    rest = G[:, ~single].tocsr()
    rest.eliminate_zeros()
    if (np.abs(np.abs(rest.data) - 1.0) > ENTRY).any() or (size < ENTRY).any():
        return None
    return size if _two_sides(rest) or _two_sides(rest.T.tocsr()) else None


def _two_sides(M: sp.csr_matrix) -> bool:
    """Whether rows with at most two entries put the columns on two sides; see the module's text."""
    if (np.diff(M.indptr) > 2).any():
        return False
    side = np.zeros(M.shape[1])
    links: list[list[tuple[int, float]]] = [[] for _ in range(M.shape[1])]
    for i in np.flatnonzero(np.diff(M.indptr) == 2):
        (a, b), (v, w) = M.indices[M.indptr[i]:M.indptr[i + 1]], M.data[M.indptr[i]:M.indptr[i + 1]]
        sign = -v * w  # +1: on one side
        links[a].append((int(b), sign))
        links[b].append((int(a), sign))
    for first in range(M.shape[1]):
        if side[first]:
            continue
        side[first], waiting = 1.0, [first]
        while waiting:
            a = waiting.pop()
            for b, sign in links[a]:
                if not side[b]:
                    side[b] = side[a] * sign
                    waiting.append(b)
                elif side[b] != side[a] * sign:
                    return False
    return True
