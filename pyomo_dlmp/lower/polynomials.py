"""Rows and objectives as polynomials of their Params: walked once, evaluated with numpy after.

Whatever changes thousands of Params between solves need not walk the same expressions again; see
`lower.terms`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import numpy as np
import scipy.sparse as sp
from pyomo.core.expr.numvalue import native_numeric_types

from pyomo_dlmp.lower.terms import MOST_FACTORS, NONE, Monomials, NoPolynomial, Walk

_CONSTANT, _LOW, _HIGH, _FIRST = range(4)  # places of a row, before those of its columns


class _Packed:
    """Monomials as arrays, and the places to which they add up.

    Parameters
    ----------
    entries : list of (int, float, tuple of int)
        Place, coefficient, values that are multiplied.
    """

    def __init__(self, entries: list[tuple[int, float, tuple[int, ...]]]):
        place, number, keys = zip(*entries, strict=True) if entries else ((), (), ())
        self.places, self._sums_to = np.unique(
            np.array(place, dtype=np.int64), return_inverse=True)
        self._numbers = np.array(number, dtype=float)
        # value 0 is 1, so that all monomials have as many factors
        self._factors = np.array([[k + 1 for k in key] + [0] * (MOST_FACTORS - len(key))
                                  for key in keys], dtype=np.int32).reshape(-1, MOST_FACTORS)
        self._used = [k for k in range(MOST_FACTORS) if self._factors[:, k].any()]
        self.moves = np.zeros(len(self.places), dtype=bool)
        self.moves[self._sums_to[self._factors.any(axis=1)]] = True

    def at(self, values: np.ndarray) -> np.ndarray:
        """The sum at each place; or NoPolynomial, where one is not finite."""
        product = self._numbers.copy()
        for k in self._used:
            product *= values[self._factors[:, k]]
        found = np.bincount(self._sums_to, product, minlength=len(self.places))
        if not np.isfinite(found).all():
            raise NoPolynomial
        return found


class RowPolynomials:
    """Linear rows whose coefficients and limits are polynomials of values.

    Parameters
    ----------
    rows : iterable of ConstraintData
    column : mapping
        {id of a Var: its column}.

    Attributes
    ----------
    moving_matrix : bool
        Whether a coefficient of a Var depends on values.

    Raises
    ------
    NoPolynomial
        A row is not linear with such coefficients.
    """

    def __init__(self, rows: Iterable[Any], column: Mapping[int, int]):
        self._walk = Walk()
        self._columns = max(column.values(), default=-1) + 1
        strange: dict[int, int] = {}  # Vars without a column, whose coefficients must be 0
        low: list[float] = []
        high: list[float] = []
        entries: list[tuple[int, int, float, tuple[int, ...]]] = []
        for i, row in enumerate(rows):
            lower, body, upper = row.to_bounded_expression()
            for at, limit, into in ((_LOW, lower, low), (_HIGH, upper, high)):
                number, monomials = self._limit(limit, -np.inf if at == _LOW else np.inf)
                into.append(number)
                entries += [(i, at, c, key) for key, c in monomials.items()]
            for vid, monomials in self._walk.terms(body).items():
                if isinstance(vid, tuple):
                    raise NoPolynomial
                at = _CONSTANT if vid == NONE else _FIRST + column.get(
                    vid, self._columns + strange.setdefault(vid, len(strange)))
                entries += [(i, at, c, key) for key, c in monomials.items()]
        self._walk.done()
        self._low, self._high = np.array(low), np.array(high)
        self._width = _FIRST + self._columns + len(strange)
        self._packed = _Packed([(i * self._width + at, c, key) for i, at, c, key in entries])
        self._row, self._at = np.divmod(self._packed.places, self._width)
        self.moving_matrix = bool((self._packed.moves & (self._at >= _FIRST)).any())

    def _limit(self, limit: Any, none: float) -> tuple[float, Monomials]:
        """(number, or what the monomials add to; its monomials)."""
        if limit is None:
            return none, {}
        if type(limit) in native_numeric_types:
            if not isfinite(limit) and limit != none:
                raise NoPolynomial
            return float(limit), {}
        terms = self._walk.terms(limit)
        if not set(terms) <= {NONE}:
            raise NoPolynomial
        return 0.0, terms.get(NONE, {})

    def values(self) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
        """The rows at the present values.

        Returns
        -------
        tuple
            (matrix over the columns, lower limits, upper limits).

        Raises
        ------
        NoPolynomial
            A fixed Var has been freed, a value is missing or not finite, or a Var without a column
            now has a coefficient.
        """
        found = self._packed.at(self._walk.values())
        sums = []
        for at in (_CONSTANT, _LOW, _HIGH):
            here = self._at == at
            whole = np.zeros(len(self._low))
            whole[self._row[here]] = found[here]
            sums.append(whole)
        used = (self._at >= _FIRST) & (found != 0.0)
        if (self._at[used] >= _FIRST + self._columns).any():
            raise NoPolynomial
        matrix = sp.csr_matrix((found[used], (self._row[used], self._at[used] - _FIRST)),
                               shape=(len(self._low), self._columns))
        return matrix, self._low + sums[1] - sums[0], self._high + sums[2] - sums[0]


class ObjectivePolynomial:
    """A quadratic objective whose coefficients are polynomials of values.

    Parameters
    ----------
    expression : expression
        Of the objective.
    column : mapping
        {id of a Var: its column}; the first n are the lower level's own.
    n : int
        Number of own columns.

    Attributes
    ----------
    moving_quadratic : bool
        Whether a coefficient of a product depends on values.

    Raises
    ------
    NoPolynomial
        It is not quadratic with such coefficients.
    """

    def __init__(self, expression: Any, column: Mapping[int, int], n: int):
        self._walk = Walk()
        known, self._n = dict(column), n
        self._all = len(known)
        entries = []
        for key, monomials in self._walk.terms(expression).items():
            ids = () if key == NONE else key if isinstance(key, tuple) else (key,)
            places = sorted(known.setdefault(vid, len(known)) for vid in ids)
            if places:
                entries += [(places, c, each) for each, c in monomials.items()]
        self._walk.done()
        # 0: none, so that a single column has a pair's place, too
        self._width = len(known) + 1
        self._packed = _Packed([((p[-2] + 1 if len(p) > 1 else 0) * self._width + p[-1] + 1, c, k)
                                for p, c, k in entries])
        first, second = np.divmod(self._packed.places, self._width)
        self._first, self._second = first - 1, second - 1
        self.moving_quadratic = bool((self._packed.moves & (self._first >= 0)).any())

    def values(self) -> tuple[sp.csr_matrix, np.ndarray, sp.csr_matrix, np.ndarray]:
        """The objective at the present values.

        Returns
        -------
        tuple
            (Q, c, D) as of a `LowerForm`, and the mask of the columns that have a coefficient.

        Raises
        ------
        NoPolynomial
            As of `RowPolynomials.values`.
        """
        found = self._packed.at(self._walk.values())
        one, other = self._first, self._second
        here = found != 0.0
        used = np.zeros(self._width - 1, dtype=bool)
        used[other[here]] = True
        used[one[here & (one >= 0)]] = True
        if used[self._all:].any():
            raise NoPolynomial
        n = self._n
        c = np.zeros(n)
        linear = here & (one < 0) & (other < n)
        c[other[linear]] = found[linear]
        own, mixed = here & (one >= 0) & (other < n), here & (one >= 0) & (one < n) & (other >= n)
        # a square stands once on the diagonal, with twice its coefficient: 1/2 x'Qx
        i, j, q = one[own], other[own], found[own]
        Q = sp.coo_matrix((np.r_[q, q], (np.r_[i, j], np.r_[j, i])), shape=(n, n)).tocsr()
        D = sp.coo_matrix((found[mixed], (one[mixed], other[mixed] - n)),
                          shape=(n, self._all - n)).tocsr()
        return Q, c, D, used[:self._all]
