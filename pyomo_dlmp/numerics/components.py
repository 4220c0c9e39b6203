"""Connected components of sparse patterns."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components


def dense_blocks(Q: sp.csr_matrix):
    """(members, dense blocks) of the connected components of Q, those of one size together.

    Shapes (blocks, size) and (blocks, size, size): thousands of small blocks cost one call.
    """
    by_size: dict[int, list[np.ndarray]] = {}
    for members in blocks_of(Q):
        by_size.setdefault(len(members), []).append(members)
    entries = Q.tocoo()
    for size, blocks in by_size.items():
        group = np.array(blocks)
        block_of, place = np.full(Q.shape[0], -1), np.zeros(Q.shape[0], int)
        block_of[group] = np.arange(len(group))[:, None]
        place[group] = np.arange(size)[None, :]
        mine = block_of[entries.row] >= 0
        row, col = entries.row[mine], entries.col[mine]
        dense = np.zeros((len(group), size, size))
        np.add.at(dense, (block_of[row], place[row], place[col]), entries.data[mine])
        yield group, dense


def blocks_of(Q: sp.csr_matrix) -> list[np.ndarray]:
    """Index arrays of the connected components of a symmetric pattern, without empty columns."""
    touched = np.flatnonzero(np.diff(Q.tocsr().indptr))
    if not len(touched):
        return []
    sub = Q.tocsr()[touched][:, touched]
    _, label = connected_components(sub, directed=False)
    order = np.argsort(label, kind="stable")
    return [touched[part] for part in np.split(order, np.cumsum(np.bincount(label))[:-1])]

