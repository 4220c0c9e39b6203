"""Which numbers of a lower level moved, part by part: a part whose own did not stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.parametric.condensed import CondensedQp


class Moved:
    """Which numbers of a lower level differ from those of an earlier one with the same places.

    Parameters
    ----------
    old, new
        Lower levels of which `same_places` holds.
    """

    def __init__(self, old: KktSystem, new: KktSystem):
        a, b = old.form, new.form
        self._bent = _moved_rows(a.Q, b.Q) | _moved_rows(a.D, b.D)
        self._columns = (a.c != b.c) | (a.lb != b.lb) | (a.ub != b.ub)
        self._rows, self._pairs = old.b_eq != new.b_eq, old.s0 != new.s0
        self._turned = [_moved_rows(old.A_eq, new.A_eq) | _moved_rows(old.B_eq, new.B_eq),
                        _moved_rows(old.S, new.S) | _moved_rows(old.T, new.T)]

    def turned(self, part: Any) -> bool:
        """Whether a coefficient of a row of a part differs."""
        return bool(self._turned[0][part.rows].any() or self._turned[1][part.pairs].any())

    def bent(self, part: Any) -> bool:
        """Whether a quadratic term of a part (`condensing.Members`) differs."""
        return bool(self._bent[part.columns].any())

    def shifted(self, part: Any, before: CondensedQp, box: tuple[np.ndarray, np.ndarray],
                number: int) -> bool:
        """Whether a cost, a limit, a right-hand side or a range of a part differs."""
        return bool(
            self._columns[part.columns].any() or self._rows[part.rows].any()
            or self._pairs[part.pairs].any() or before.lower != number
            or (before.lo != box[0][before.u]).any() or (before.hi != box[1][before.u]).any())


def _moved_rows(a: sp.csr_matrix, b: sp.csr_matrix) -> np.ndarray:
    """Mask of the rows whose entries, in the same places, differ."""
    found = np.zeros(a.shape[0], dtype=bool)
    if a is not b:
        found[np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))[a.data != b.data]] = True
    return found


def same_places(before: tuple, now: tuple) -> bool:
    """Whether all but the numbers of two lower levels is the same.

    Parameters
    ----------
    before, now
        (lower level, paid rows, wanted columns).
    """
    (old, *asked), (new, *wanted) = before, now
    if not all(np.array_equal(a, b) for a, b in zip(asked, wanted, strict=True)):
        return False
    if old is new:
        return True
    arrays = ((old.equality_rows, new.equality_rows), (old.index, new.index),
              (old.is_row, new.is_row), (old.is_lower, new.is_lower))
    if old.sigma != new.sigma or not all(a is b or np.array_equal(a, b) for a, b in arrays):
        return False
    return all(
        a is b or (a.shape == b.shape and np.array_equal(a.indptr, b.indptr)
                   and np.array_equal(a.indices, b.indices))
        for a, b in ((old.A_eq, new.A_eq), (old.B_eq, new.B_eq), (old.S, new.S), (old.T, new.T),
                     (old.form.Q, new.form.Q), (old.form.D, new.form.D)))
