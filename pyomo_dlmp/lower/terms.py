"""Expressions as polynomials of values: those of mutable Params and fixed Vars.

    coefficient of a Var, or of a product of two = sum of  number x value x value ...

What is fixed as a whole and is no polynomial (max(p, 0), |p|, 1 / p) is one value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo
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
    PowExpression,
    ProductExpression,
    SumExpression,
)
from pyomo.core.expr.numvalue import NumericConstant, native_numeric_types

from pyomo_dlmp.expressions import QuadraticForm, WeightedSum

_SUMS = frozenset([SumExpression, NPV_SumExpression, LinearExpression])
_NAMED = frozenset([ExpressionData, ScalarExpression])
_PRODUCTS = frozenset([ProductExpression, NPV_ProductExpression, MonomialTermExpression])
_NEGATIONS = frozenset([NegationExpression, NPV_NegationExpression])
_DIVISIONS = frozenset([DivisionExpression, NPV_DivisionExpression])
_VARS, _PARAMS = frozenset([VarData, ScalarVar]), frozenset([ParamData, ScalarParam])
MOST_FACTORS = 4
NONE = -1  # the place of a constant
Monomials = dict[tuple[int, ...], float]  # numbers of values: coefficient
Key = int | tuple[int, int]  # id of a Var, ids of two that are multiplied, or NONE
Terms = dict[Key, Monomials]
_ONE: Monomials = {(): 1.0}


class NoPolynomial(Exception):
    """An expression is not of this kind; it is read by other means."""


class Walk:
    """Expressions as `Terms`; numbers the values that they use."""

    def __init__(self) -> None:
        self._number: dict[int, int] = {}  # of a value, by id of what has it
        self.leaves: list[Any] = []
        self.fixed: list[Any] = []
        self._known: dict[int, Terms] = {}  # named Expressions, which several rows share

    def terms(self, expression: Any) -> Terms:
        """An expression as terms, or NoPolynomial."""
        found: Terms = {}
        try:
            self._collect(expression, _ONE, found)
        except RecursionError:
            raise NoPolynomial from None
        return found

    def done(self) -> None:
        """Forget what named Expressions are."""
        self._known.clear()

    def values(self) -> np.ndarray:
        """Present values, behind a 1 that stands for no value; or NoPolynomial."""
        if not all(leaf.is_fixed() for leaf in self.fixed):
            raise NoPolynomial
        try:
            return np.array([1.0, *map(_value, self.leaves)], dtype=float)
        except (TypeError, ValueError, ArithmeticError):
            raise NoPolynomial from None

    def _collect(self, node: Any, by: Monomials, into: Terms) -> None:
        """Add a multiple of an expression."""
        kind = type(node)
        if kind is MonomialTermExpression:
            coef, var = node.args
            if type(coef) in native_numeric_types and not var.fixed:
                _add(into, id(var), by, float(coef))
                return
        if kind is WeightedSum:
            self._weighted(node.coefs, node.variables, by, into)
        elif kind in native_numeric_types:
            if node:
                _add(into, NONE, by, float(node))
        elif kind in _VARS and not node.fixed:
            _add(into, id(node), by)
        elif kind in _VARS or kind in _PARAMS:
            _add(into, NONE, _times(by, {(self._leaf(node),): 1.0}))
        elif kind in _SUMS:
            for part in node.args:
                self._collect(part, by, into)
        elif kind in _NAMED:
            for key, monomials in self._named(node).items():
                _add(into, key, _times(by, monomials))
        elif kind in _NEGATIONS:
            self._collect(node.args[0], _times(by, {(): -1.0}), into)
        elif kind in _PRODUCTS:
            self._product(node.args[0], node.args[1], by, into)
        elif kind is QuadraticForm:
            self._form(node, by, into)
        else:
            self._other(node, kind, by, into)

    def _weighted(self, coefs: Iterable[float], variables: Iterable[Any], by: Monomials,
                  into: Terms) -> None:
        """A weighted sum, whose terms Pyomo need not make for that."""
        for coef, var in zip(coefs, variables, strict=True):
            if var.fixed:
                _add(into, NONE, _times(by, {(self._leaf(var),): coef}))
            else:
                _add(into, id(var), by, coef)

    def _form(self, node: QuadraticForm, by: Monomials, into: Terms) -> None:
        whole: Terms = {}
        self._collect(node.factor, by, whole)
        for i, at, coefs in node.rows if whole else ():
            one: Terms = {}
            self._collect(node.variables[i], whole[NONE], one)
            other: Terms = {}
            self._weighted(coefs, (node.variables[j] for j in at), _ONE, other)
            for key, monomials in one.items():
                for more, factor in other.items():
                    _add(into, _pair(key, more), _times(monomials, factor))

    def _other(self, node: Any, kind: type, by: Monomials, into: Terms) -> None:
        """A quotient, a square, or a whole that is one value."""
        if kind is NumericConstant:
            self._collect(node.value, by, into)
        elif not node.is_potentially_variable() or node.is_fixed():
            _add(into, NONE, _times(by, {(self._leaf(node),): 1.0}))
        elif kind in _DIVISIONS:
            below = node.args[1]
            if type(below) in native_numeric_types:
                self._collect(node.args[0], _times(by, {(): 1.0 / below}), into)
            elif below.is_fixed():
                self._collect(node.args[0], _times(by, {(self._leaf(1.0 / below),): 1.0}), into)
            else:
                raise NoPolynomial
        elif kind is PowExpression and type(node.args[1]) in (int, float) and node.args[1] == 2:
            self._product(node.args[0], node.args[0], by, into)
        else:
            raise NoPolynomial

    def _product(self, first: Any, second: Any, by: Monomials, into: Terms) -> None:
        if type(first) in native_numeric_types:
            if first:
                self._collect(second, _times(by, {(): float(first)}), into)
            return
        one: Terms = {}
        self._collect(first, by, one)
        if set(one) <= {NONE}:  # a number
            if one:
                self._collect(second, one[NONE], into)
            return
        other: Terms = {}
        self._collect(second, _ONE, other)
        for key, monomials in one.items():
            for more, factor in other.items():
                _add(into, _pair(key, more), _times(monomials, factor))

    def _named(self, node: Any) -> Terms:
        if id(node) not in self._known:
            found: Terms = {}
            self._collect(node.args[0], _ONE, found)
            self._known[id(node)] = found
        return self._known[id(node)]

    def _leaf(self, node: Any) -> int:
        if id(node) not in self._number:
            self._number[id(node)] = len(self.leaves)
            self.leaves.append(node)  # which keeps it alive, and its id its own
            if node.is_potentially_variable():
                self.fixed.append(node)
        return self._number[id(node)]


def _value(leaf: Any) -> float:
    return leaf.value if type(leaf) in _VARS or type(leaf) in _PARAMS else pyo.value(leaf)


def _pair(one: Key, other: Key) -> Key:
    if one == NONE:
        return other
    if other == NONE:
        return one
    if isinstance(one, tuple) or isinstance(other, tuple):
        raise NoPolynomial  # of the third degree
    return (one, other) if one <= other else (other, one)


def _add(into: Terms, key: Key, monomials: Monomials, by: float = 1.0) -> None:
    held = into.setdefault(key, {})
    for each, number in monomials.items():
        held[each] = held.get(each, 0.0) + by * number


def _times(first: Monomials, second: Monomials) -> Monomials:
    found: Monomials = {}
    for key, number in first.items():
        for other, factor in second.items():
            both = tuple(sorted(key + other)) if key and other else key or other
            if len(both) > MOST_FACTORS:
                raise NoPolynomial
            found[both] = found.get(both, 0.0) + number * factor
    return found
