"""All columns of a part as functions of its decisions and parameters:  x = Kw w + Kp p + k0.

Which columns leave through which rows is found once (`numerics.elimination`); for other numbers in
the same places one factorisation of that square remains. It is always that one which gives the
numbers, so that they do not depend on what was known before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from pyomo_dlmp.numerics.elimination import eliminate
from pyomo_dlmp.parametric.condensed import NotExplicit
from pyomo_dlmp.tolerances import ENTRY, POLISHED

MOST_NUMBERS = 4e7  # entries of a dense condensed matrix; beyond, a part is not condensed
_GROWTH = 1e9  # of the entries of the maps, beyond which other columns are taken


@dataclass(eq=False)
class Flows:
    """The maps of a part, with local numbers of its columns and equality rows.

    Attributes
    ----------
    w
        Its decisions.
    used, gone
        Rows and columns that were eliminated.
    Kw, Kp
        Shapes (n, w) and (n, p).
    """

    w: np.ndarray
    used: np.ndarray
    gone: np.ndarray
    Kw: np.ndarray
    Kp: np.ndarray
    _factor: Any
    _size: np.ndarray

    def start(self, right: np.ndarray) -> np.ndarray:
        """k0 for right-hand sides of all equality rows."""
        k0 = np.zeros(len(self.Kw))
        if self._factor is not None:
            k0[self.gone] = self._factor.solve(self._size * right[self.used])
        return k0


    def duals(self, left: np.ndarray) -> np.ndarray:
        """Duals of the used rows from what stationarity leaves without them, shape (n,)."""
        if self._factor is None:
            return np.zeros(0)
        return self._size * self._factor.solve(left[self.gone], trans="T")


def flows_of(E: sp.csr_matrix, free: np.ndarray, penalty: np.ndarray, largest: int,
             like: Flows | None = None) -> Flows:
    """Eliminate the free columns of a part.

    Parameters
    ----------
    E
        Equality rows over the n columns and the parameters, shape (rows, n + p).
    free
        Mask of the columns that may leave, shape (n,).
    penalty
        Columns that are no decisions.
    largest
        Rows of the largest matrix that is multiplied by the maps.
    like
        Of a part with entries in the same places.

    Returns
    -------
    Flows

    Raises
    ------
    NotExplicit
        The maps are too large.
    """
    n = len(free)
    if like is not None:
        found = _solved(E, n, like.w, like.used, like.gone)
        if found is not None:
            return found
    gone = eliminate(E, np.zeros(E.shape[0]), np.append(free, np.zeros(E.shape[1] - n, bool)))
    kept = gone.kept[gone.kept < n]
    w = kept[~np.isin(kept, penalty)]
    if max(largest, n) * (len(w) + E.shape[1] - n) > MOST_NUMBERS:
        raise NotExplicit(f"it has {len(w)} decisions of its own for {n} columns in one part, "
                          "and their map does not fit into memory", too_large=True)
    left = np.setdiff1d(np.arange(n), gone.kept)
    found = _solved(E, n, w, np.sort(gone.rows_used), left)
    if found is None:
        raise NotExplicit("its flows do not follow from its decisions", too_large=False)
    return found


def _solved(E: sp.csr_matrix, n: int, w: np.ndarray, used: np.ndarray,
            gone: np.ndarray) -> Flows | None:
    """The maps by one factorisation; None where it is singular or inexact."""
    p = E.shape[1] - n
    K = np.zeros((n, len(w) + p))
    K[w, np.arange(len(w))] = 1.0
    if not len(used):
        return Flows(w, used, gone, K[:, :len(w)], K[:, len(w):], None, np.zeros(0))
    rows = E[used]
    # rows of an element of nearly no impedance have entries of 1e7: residuals are judged by row
    size = 1.0 / np.maximum(1.0, abs(rows).max(axis=1).toarray().ravel())
    block = (sp.diags(size) @ rows).tocsc()
    square = block[:, gone].tocsc()
    try:
        factor = splu(square)
    except RuntimeError:  # exactly singular
        return None
    right = -block[:, np.concatenate([w, np.arange(n, n + p)])].toarray()
    solution = factor.solve(right)
    if not np.isfinite(solution).all() or np.abs(solution).max(initial=0.0) > _GROWTH:
        return None
    residual = np.abs(square @ solution - right).max(initial=0.0)
    if residual > POLISHED * max(1.0, np.abs(right).max(initial=0.0)):
        return None
    solution[np.abs(solution) < ENTRY] = 0.0
    K[gone] = solution
    return Flows(w, used, gone, K[:, :len(w)], K[:, len(w):], factor, size)
