"""Connected components of sparse patterns: what can be solved apart from the rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components


def component_labels(A: sp.spmatrix, Q: sp.spmatrix | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Component of each column and of each row.

    Parameters
    ----------
    A
        Rows that connect their columns, shape (m, n).
    Q
        A symmetric matrix that connects columns, too, shape (n, n).

    Returns
    -------
    tuple
        Labels from 0 on, shapes (n,) and (m,).
    """
    pattern = abs(A)
    graph = sp.bmat([[None if Q is None else abs(Q), pattern.T], [pattern, None]], format="csr")
    _, label = connected_components(graph, directed=False)
    return label[:A.shape[1]], label[A.shape[1]:]


def groups_of(label: np.ndarray) -> list[np.ndarray]:
    """Positions of each label that occurs, in the order of the labels."""
    if not len(label):
        return []
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def groups_by_label(label: np.ndarray) -> dict[int, np.ndarray]:
    """{label: its positions}."""
    return {int(label[group[0]]): group for group in groups_of(label)}


def square_groups(pattern: sp.spmatrix) -> list[np.ndarray]:
    """Components of a square pattern whose rows and columns are the same things."""
    _, label = connected_components(pattern, directed=False)
    return groups_of(label)


def blocks_of(Q: sp.csr_matrix) -> list[np.ndarray]:
    """Index arrays of the connected components of a symmetric pattern, without empty columns."""
    touched = np.flatnonzero(np.diff(Q.tocsr().indptr))
    if not len(touched):
        return []
    return [touched[part] for part in square_groups(Q.tocsr()[touched][:, touched])]


def dense_blocks(Q: sp.csr_matrix) -> Iterator[tuple[np.ndarray, np.ndarray]]:
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
