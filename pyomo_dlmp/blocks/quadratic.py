"""A symmetric matrix as the rows of a quadratic form (`expressions.QuadraticForm`)."""

from __future__ import annotations

import numpy as np

from pyomo_dlmp.expressions import Row
from pyomo_dlmp.tolerances import ENTRY


def upper_rows(H: np.ndarray) -> tuple[Row, ...]:
    """The upper triangle of a symmetric matrix, each pair counted once.

    Parameters
    ----------
    H : ndarray, shape (n, n)
        Symmetric.

    Returns
    -------
    tuple of (int, tuple of int, tuple of float)
        (i, numbers j >= i, coefficients of x_i x_j), without zeros.
    """
    n = len(H)
    upper = (np.triu(H) + np.triu(H, 1)).tolist()
    kept = (np.abs(H) > ENTRY / 1000).tolist()
    rows = [(i, [j for j in range(i, n) if kept[i][j]]) for i in range(n)]
    return tuple((i, tuple(at), tuple(upper[i][j] for j in at)) for i, at in rows if at)
