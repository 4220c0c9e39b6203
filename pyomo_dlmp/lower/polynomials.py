"""Linear rows as polynomials of their mutable Params: walked once, evaluated with numpy after.

    coefficient of a Var = sum of  number x value x value ...   (values of Params and fixed Vars)

A loop that linearises a model at ever new points changes thousands of Params; reading the same
expressions again would take most of its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from pyomo.core.base.expression import ExpressionData, ScalarExpression
from pyomo.core.base.param import ParamData, ScalarParam
from pyomo.core.base.var import ScalarVar, VarData
from pyomo.core.expr.numeric_expr import (
    DivisionExpression,
    LinearExpression,
    MonomialTermExpression,
    NegationExpression,
    NPV_DivisionExpression,
    NPV_NegationExpression,
    NPV_ProductExpression,
    NPV_SumExpression,
    ProductExpression,
    SumExpression,
)
from pyomo.core.expr.numvalue import NumericConstant, native_numeric_types

_SUMS = (SumExpression, NPV_SumExpression, LinearExpression, ExpressionData, ScalarExpression)
_PRODUCTS = (ProductExpression, NPV_ProductExpression, MonomialTermExpression)
_NEGATIONS = (NegationExpression, NPV_NegationExpression)
_DIVISIONS = (DivisionExpression, NPV_DivisionExpression)
_VARS, _PARAMS = (VarData, ScalarVar), (ParamData, ScalarParam)
MOST_FACTORS = 4
NONE = -1  # the place of a row's constant
Monomials = dict[tuple[int, ...], float]  # numbers of values: coefficient
Terms = dict[int, Monomials]  # id of a Var, or NONE


class NoPolynomial(Exception):
    """An expression is not of this kind; it is read by other means."""


class RowPolynomials:
    """Rows whose coefficients are polynomials of Params and fixed Vars.

    Parameters
    ----------
    rows : iterable of ConstraintData
    column : mapping
        {id of a Var: its column}.

    Raises
    ------
    NoPolynomial
        A row is not linear with such coefficients, or has a Var without a column.
    """

    def __init__(self, rows: Iterable[Any], column: Mapping[int, int]):
        self._number: dict[int, int] = {}  # of a Param or fixed Var, by id
        self.leaves: list[Any] = []
        self.fixed: list[Any] = []
        self._known: dict[int, Terms] = {}  # named Expressions, which several rows share
        ends = [(row, row.to_bounded_expression(evaluate_bounds=True)) for row in rows]
        self.low = np.array([-np.inf if low is None else low for _, (low, _, _) in ends])
        self.high = np.array([np.inf if high is None else high for _, (_, _, high) in ends])
        entries: list[tuple[int, int, float, tuple[int, ...]]] = []
        for i, (_, (_, body, _)) in enumerate(ends):
            for vid, monomials in self._terms(body).items():
                at = NONE if vid == NONE else column.get(vid)
                if at is None:
                    raise NoPolynomial
                entries += [(i, at, number, key) for key, number in monomials.items()]
        self._known.clear()
        self._pack(entries, len(ends), max(column.values(), default=-1) + 1)

    def _pack(self, entries: list, rows: int, columns: int) -> None:
        """Arrays of the monomials, and the places to which they add up."""
        row, at, number, keys = zip(*entries, strict=True) if entries else ((), (), (), ())
        place = np.array(row, dtype=np.int64) * (columns + 1) + (np.array(at, dtype=np.int64) + 1)
        self._places, self._sums_to = np.unique(place, return_inverse=True)
        self._numbers = np.array(number, dtype=float)
        # value 0 is 1, so that all monomials have as many factors
        self._factors = np.array([[k + 1 for k in key] + [0] * (MOST_FACTORS - len(key))
                                  for key in keys], dtype=np.int32).reshape(-1, MOST_FACTORS)
        self._shape = rows, columns

    def values(self) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
        """The rows at the present values.

        Returns
        -------
        tuple
            (matrix over the columns, lower limits, upper limits).

        Raises
        ------
        NoPolynomial
            A fixed Var has been freed, or a value is missing.
        """
        if not all(var.fixed for var in self.fixed):
            raise NoPolynomial
        try:
            leaves = np.array([1.0, *(leaf.value for leaf in self.leaves)], dtype=float)
        except TypeError:
            raise NoPolynomial from None
        product = self._numbers.copy()
        for k in range(MOST_FACTORS):
            product *= leaves[self._factors[:, k]]
        found = np.bincount(self._sums_to, product, minlength=len(self._places))
        if not np.isfinite(found).all():
            raise NoPolynomial
        rows, columns = self._shape
        row, at = np.divmod(self._places, columns + 1)
        constant = at == 0
        shift = np.zeros(rows)
        shift[row[constant]] = found[constant]
        used = ~constant & (found != 0.0)
        matrix = sp.csr_matrix((found[used], (row[used], at[used] - 1)), shape=(rows, columns))
        return matrix, self.low - shift, self.high - shift

    # ---------------------------------------------------------------------- the walk

    def _terms(self, node: Any) -> Terms:
        """An expression as terms, polynomials by Var."""
        kind = type(node)
        if kind is NumericConstant:
            node = node.value
            kind = type(node)
        if kind in native_numeric_types:
            return {NONE: {(): float(node)}} if node else {}
        if isinstance(node, _VARS) and not node.fixed:
            return {id(node): {(): 1.0}}
        if isinstance(node, (*_VARS, *_PARAMS)):
            return {NONE: {(self._leaf(node),): 1.0}}
        if isinstance(node, ExpressionData | ScalarExpression):
            return self._named(node)
        if isinstance(node, _SUMS):
            return _sum([self._terms(part) for part in node.args])
        if isinstance(node, _NEGATIONS):
            return _times(self._terms(node.args[0]), {(): -1.0})
        if isinstance(node, _PRODUCTS):
            return _product(*(self._terms(part) for part in node.args))
        if isinstance(node, _DIVISIONS) and type(node.args[1]) in native_numeric_types:
            return _times(self._terms(node.args[0]), {(): 1.0 / node.args[1]})
        raise NoPolynomial

    def _named(self, node: Any) -> Terms:
        if id(node) not in self._known:
            self._known[id(node)] = self._terms(node.expr)
        return self._known[id(node)]

    def _leaf(self, node: Any) -> int:
        if id(node) not in self._number:
            self._number[id(node)] = len(self.leaves)
            self.leaves.append(node)
            if isinstance(node, _VARS):
                self.fixed.append(node)
        return self._number[id(node)]


def _sum(parts: list[Terms]) -> Terms:
    found: Terms = {}
    for part in parts:
        for vid, monomials in part.items():
            into = found.setdefault(vid, {})
            for key, number in monomials.items():
                into[key] = into.get(key, 0.0) + number
    return found


def _product(first: Terms, second: Terms) -> Terms:
    """A product of which one side has no Var."""
    if not first or not second:
        return {}
    if set(first) <= {NONE}:
        first, second = second, first
    if not set(second) <= {NONE}:
        raise NoPolynomial
    return _times(first, second[NONE])


def _times(terms: Terms, by: Monomials) -> Terms:
    found: Terms = {}
    for vid, monomials in terms.items():
        into: Monomials = {}
        for key, number in monomials.items():
            for other, factor in by.items():
                both = tuple(sorted(key + other))
                if len(both) > MOST_FACTORS:
                    raise NoPolynomial
                into[both] = into.get(both, 0.0) + number * factor
        found[vid] = into
    return found
