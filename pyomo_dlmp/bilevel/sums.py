"""Sums of numbers, Vars and their multiples, read in one pass.

Nearly all rows of a large model, and most of its objective, are such sums. Pyomo's own walker
(`pyomo.repn`) reads every expression, but takes several times as long for each node; here
everything that is not a plain sum is left to it. Both find Vars in the same order, so that columns
do not depend on who read them.
"""

from __future__ import annotations

from math import isfinite, nan
from typing import Any

from pyomo.core.base.expression import ExpressionData, ScalarExpression
from pyomo.core.base.var import ScalarVar, VarData
from pyomo.core.expr import value
from pyomo.core.expr.numeric_expr import (
    LinearExpression,
    MonomialTermExpression,
    NegationExpression,
    PowExpression,
    ProductExpression,
    SumExpression,
)
from pyomo.core.expr.numvalue import native_numeric_types
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.expressions import QuadraticForm, WeightedSum

_VARS = frozenset([VarData, ScalarVar])
_PARTS = frozenset([SumExpression, LinearExpression, QuadraticForm, ExpressionData,
                    ScalarExpression])
_MOST_REPEATS = 100  # of shared sums: Pyomo's walker keeps what it has read, this one does not
Linear = dict[int, float]
Quadratic = dict[tuple[int, int], float]


class SumReader:
    """Reads sums; Vars that are met are recorded as Pyomo's walker would.

    Parameters
    ----------
    recorder
        Of the Vars, shared with a walker that reads what is no sum.
    """

    def __init__(self, recorder: OrderedVarRecorder):
        self._recorder = recorder
        self._known = recorder.var_map.keys()

    def linear(self, expression: Any) -> tuple[Linear, float] | None:
        """An affine sum.

        Parameters
        ----------
        expression
            Of Pyomo.

        Returns
        -------
        tuple or None
            ({id of a Var: coefficient}, constant); None for what is no such sum, or holds a number
            that is missing or not finite.
        """
        if type(expression) is WeightedSum:
            # most rows: of Vars that were met before, hence free, each once
            linear = dict(zip(map(id, expression.variables), expression.coefs, strict=True))
            if len(linear) == len(expression.coefs) and linear.keys() <= self._known:
                return linear, 0.0
        return self._read(expression, None)

    def quadratic(self, expression: Any) -> tuple[Quadratic, Linear, float] | None:
        """A sum that may hold products of two affine sums.

        Parameters
        ----------
        expression
            Of Pyomo.

        Returns
        -------
        tuple or None
            ({(id, id): coefficient}, {id: coefficient}, constant), as of `linear`.
        """
        products: Quadratic = {}
        found = self._read(expression, products)
        if found is None or not isfinite(sum(products.values())):
            return None
        return {k: c for k, c in products.items() if c}, *found

    def _read(self, expression: Any, products: Quadratic | None) -> tuple[Linear, float] | None:
        linear: Linear = {}
        constant = 0.0
        known, add = self._recorder.var_map, self._recorder.add
        stack = [(1.0, iter((expression,)))]
        seen: set[int] = set()
        repeats = 0
        while stack:
            factor, rest = stack[-1]
            for node in rest:
                kind = type(node)
                if kind is MonomialTermExpression:
                    coef, var = node.args
                    coef = factor * (coef if type(coef) is float else _number(coef))
                elif kind in _VARS:
                    coef, var = factor, node
                elif kind in native_numeric_types:
                    constant += factor * node
                    continue
                elif kind is WeightedSum:
                    constant += self._weighted(node, factor, linear)
                    continue
                elif kind is QuadraticForm and self._form(node, factor, products):
                    continue
                else:
                    inner = _inside(kind, node, factor)
                    if inner is not None:
                        repeats += id(node) in seen
                        seen.add(id(node))
                        stack.append(inner)
                        break
                    if products is None:
                        return None
                    more = self._product(kind, node, factor, linear, products)
                    if more is None:
                        return None
                    constant += more
                    continue
                vid = id(var)
                if vid not in known:
                    if var.fixed:
                        constant += coef * _number(var)
                        continue
                    add(var)
                linear[vid] = linear.get(vid, 0.0) + coef
            else:
                stack.pop()
                continue
            if repeats > _MOST_REPEATS:
                return None
        if not isfinite(sum(linear.values(), constant)):
            return None
        return {vid: coef for vid, coef in linear.items() if coef}, constant

    def _weighted(self, node: WeightedSum, factor: float, linear: Linear) -> float:
        """Add a sum whose coefficients are numbers; what its fixed Vars amount to."""
        constant = 0.0
        known, add = self._known, self._recorder.add
        for coef, var in zip(node.coefs, node.variables, strict=True):
            vid = id(var)
            if vid not in known:
                if var.fixed:
                    constant += factor * coef * _number(var)
                    continue
                add(var)
            linear[vid] = linear.get(vid, 0.0) + factor * coef
        return constant

    def _form(self, node: QuadraticForm, factor: float, products: Quadratic | None) -> bool:
        """Add a quadratic form; False, and nothing is added, where a Var is fixed or in a row."""
        if products is None:
            return False
        known, place, x = self._known, self._recorder.var_order, node.variables
        for i, at, _ in node.rows:
            for var in (x[i], *(x[j] for j in at)):
                if id(var) not in known:
                    if var.fixed:
                        return False
                    self._recorder.add(var)
        factor *= _number(node.factor)
        ids = [id(var) for var in x]
        for i, at, coefs in node.rows:
            for j, coef in zip(at, coefs, strict=True):
                one, other = ids[i], ids[j]
                key = (one, other) if place[one] < place[other] else (other, one)
                products[key] = products.get(key, 0.0) + factor * coef
        return True

    def _product(self, kind: type, node: Any, factor: float, linear: Linear,
                 products: Quadratic) -> float | None:
        """Add a product of two affine sums, or a square; its constant, or None for all else."""
        square = kind is PowExpression and type(node.args[1]) in (int, float) and node.args[1] == 2
        if not square and kind is not ProductExpression:
            return None
        first = self._read(node.args[0], None)
        second = first if square else self._read(node.args[1], None)
        if first is None or second is None:
            return None
        (one, a), (other, b) = first, second
        place = self._recorder.var_order
        for i, x in one.items():
            for j, y in other.items():
                key = (i, j) if place[i] < place[j] else (j, i)
                products[key] = products.get(key, 0.0) + factor * x * y
        for terms, times in ((one, b), (other, a)):
            if times:
                for vid, coef in terms.items():
                    linear[vid] = linear.get(vid, 0.0) + factor * times * coef
        return factor * a * b


def _number(node: Any) -> float:
    """Value of what is fixed, NaN where there is none."""
    found = value(node, exception=False)
    return nan if found is None else found


def _inside(kind: type, node: Any, factor: float) -> tuple[float, Any] | None:
    """(factor, parts) of a sum, a named Expression, a negation, a number (times something)."""
    if kind in _PARTS:
        return factor, iter(node.args)
    if kind is NegationExpression:
        return -factor, iter(node.args)
    if kind is ProductExpression:
        first, second = node.args
        if type(first) in native_numeric_types or not first.is_potentially_variable():
            return factor * _number(first), iter((second,))
    elif hasattr(node, "is_potentially_variable") and not node.is_potentially_variable():
        return factor, iter((_number(node),))
    return None
