"""Connected components of sparse patterns: what can be solved independently of the rest."""

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
    """Positions of each label that occurs.

    Parameters
    ----------
    label
        Labels of a list's members, shape (n,).

    Returns
    -------
    list of np.ndarray
        One array of positions for each label, in the order of the labels.
    """
    if not len(label):
        return []
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def groups_by_label(label: np.ndarray, wanted: np.ndarray | None = None) -> dict[int, np.ndarray]:
    """Positions of each label that occurs, by label, as of `groups_of`.

    Parameters
    ----------
    label
        Labels of a list's members, shape (n,).
    wanted
        Mask of the labels that are asked for, which may be few of very many; None: all.

    Returns
    -------
    dict
        {label: its positions}.
    """
    if wanted is None:
        return {int(label[group[0]]): group for group in groups_of(label)}
    place = np.flatnonzero(wanted[label])
    return {int(label[place[group[0]]]): place[group] for group in groups_of(label[place])}


def square_groups(pattern: sp.spmatrix) -> list[np.ndarray]:
    """Connected components of a square pattern whose rows and columns are the same things.

    Parameters
    ----------
    pattern
        Shape (n, n); an entry (i, j) connects i and j.

    Returns
    -------
    list of np.ndarray
        Members of each component.
    """
    _, label = connected_components(pattern, directed=False)
    return groups_of(label)


def blocks_of(Q: sp.csr_matrix) -> list[np.ndarray]:
    """Connected components of a symmetric matrix, without its empty columns.

    Parameters
    ----------
    Q
        Shape (n, n).

    Returns
    -------
    list of np.ndarray
        Members of each component.
    """
    touched = np.flatnonzero(np.diff(Q.tocsr().indptr))
    if not len(touched):
        return []
    return [touched[part] for part in square_groups(Q.tocsr()[touched][:, touched])]


def dense_blocks(Q: sp.csr_matrix) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Connected components of a symmetric matrix as dense blocks, those of one size together.

    Thousands of small blocks so cost one call of a dense routine for each size.

    Parameters
    ----------
    Q
        Shape (n, n).

    Returns
    -------
    iterator
        (members, blocks) of each size, shapes (k, size) and (k, size, size).
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
