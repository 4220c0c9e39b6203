"""Which column each Var of a lower level has, and its objective's matrices by these columns."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.bilevel.lower_level import upper_among


class Places:
    """Columns of the lower level's own Vars, and behind them those of the upper level's.

    Parameters
    ----------
    block
        The lower level.
    var_map
        {id of a Var: Var} of all that were met, in the order of columns.
    used
        Ids of those that have a coefficient, repeated or not.

    Attributes
    ----------
    x, u, idle : list of VarData
        The lower level's own, the upper level's, those without a coefficient.
    """

    def __init__(self, block: Any, var_map: dict[int, Any], used: np.ndarray):
        ids, variables = ids_of(var_map), list(var_map.values())
        live = np.isin(ids, used)
        upper = ids_of(upper_among(block, compress(variables, live)))
        is_u = live & np.isin(ids, upper)
        is_x = live & ~is_u
        self.x, self.u = list(compress(variables, is_x)), list(compress(variables, is_u))
        self.idle = list(compress(variables, ~live))
        number = np.where(is_x, np.cumsum(is_x) - 1, len(self.x) + np.cumsum(is_u) - 1)
        order = np.argsort(ids)
        self._ids, self._numbers = ids[order], number[order].astype(np.int32)

    def of(self, ids: np.ndarray) -> np.ndarray:
        """Columns of Vars by their ids; those of u are counted on from those of x."""
        return self._numbers[np.searchsorted(self._ids, ids)]

    def linear(self, lin: dict[int, float]) -> np.ndarray:
        """c of the linear terms; those in u alone are left out."""
        n = len(self.x)
        c = np.zeros(n)
        at, values = self.of(ids_of(lin)), np.fromiter(lin.values(), float, len(lin))
        c[at[at < n]] = values[at < n]
        return c

    def quadratic(self, quad: dict[tuple[int, int], float]) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """Q and D of the products; those in u alone are left out."""
        n, m = len(self.x), len(self.u)
        values = np.fromiter(quad.values(), float, len(quad))
        one, other = (self.of(np.fromiter((pair[k] for pair in quad), np.int64, len(quad)))
                      for k in (0, 1))
        one, other = np.minimum(one, other), np.maximum(one, other)
        xx, xu = other < n, (one < n) & (other >= n)
        rows, columns = one[xx], other[xx]
        Q = sp.coo_matrix((np.tile(values[xx], 2), (np.concatenate([rows, columns]),
                                                    np.concatenate([columns, rows]))), (n, n))
        D = sp.coo_matrix((values[xu], (one[xu], other[xu] - n)), (n, m))
        return Q.tocsr(), D.tocsr()


def ids_of(found: Iterable[int]) -> np.ndarray:
    """Ids as an array."""
    return np.fromiter(found, np.int64)
