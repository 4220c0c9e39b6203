"""Pyomo expressions of few objects: weighted sums of Vars, and quadratic forms.

Pyomo keeps a sum of n Vars as 2 n + 2 objects, some 120 bytes for each term. A large model writes
the same sum for every period, over other Vars: here the coefficients are one tuple that all periods
share, and a sum is that tuple and the tuple of its Vars. Whoever asks for the terms (`args`) gets
them as Pyomo would have made them, from then on kept; our own readers (`bilevel.sums`) look at the
tuples.

Pyomo chooses what to do with a node by its `__class__`, often without regard to subclasses. So both
kinds say there what they are to Pyomo: a LinearExpression, a SumExpression. `type()` tells them
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from pyomo.core.expr import LinearExpression, SumExpression
from pyomo.core.expr.numeric_expr import MonomialTermExpression, NumericExpression

Row = tuple[int, tuple[int, ...], tuple[float, ...]]
_TERMS: Any = NumericExpression.__dict__["_args_"]  # where Pyomo keeps them


def _blank(kind: Any) -> Any:
    return kind.__new__(kind)


def _kept(node: Any, make: Callable[[], list]) -> list:
    """The terms, the same objects whenever they are asked for: Pyomo's derivatives need that."""
    try:
        return _TERMS.__get__(node)
    except AttributeError:
        made = make()
        _TERMS.__set__(node, made)
        return made


class WeightedSum(LinearExpression):
    """sum_i coefs[i] variables[i], coefficients as numbers.

    Parameters
    ----------
    coefs : tuple of float
        Finite; shared by sums that differ in their Vars alone.
    variables : tuple of VarData
        As many.
    """

    __slots__ = ("coefs", "variables")

    def __init__(self, coefs: tuple[float, ...], variables: tuple[Any, ...]):
        self.coefs, self.variables = coefs, variables

    @property
    def __class__(self) -> type:
        return LinearExpression

    @property
    def _args_(self) -> list:  # type: ignore[misc]
        return _kept(self, lambda: list(map(
            MonomialTermExpression, zip(self.coefs, self.variables, strict=True))))

    @property
    def _nargs(self) -> int:
        return len(self.coefs)

    def __reduce__(self) -> tuple:
        return _blank, (WeightedSum,), (self.coefs, self.variables)

    def __setstate__(self, state: tuple) -> None:
        self.coefs, self.variables = state

    def __deepcopy__(self, memo: dict) -> WeightedSum:
        copied = memo[id(self)] = _blank(WeightedSum)
        copied.coefs = self.coefs
        copied.variables = tuple([deepcopy(var, memo) for var in self.variables])
        return copied


class QuadraticForm(SumExpression):
    """factor x' H x.

    Each term has the factor inside, as (factor x_i) (sum_j H_ij x_j): Pyomo's
    ``generate_standard_repn(compute_values=False)`` takes a mutable Param *before* a product of
    Vars for a term of no degree, and with it several solver interfaces do.

    Parameters
    ----------
    rows : tuple of (int, tuple of int, tuple of float)
        (i, numbers j >= i, coefficients of x_i x_j): H, each pair counted once; shared by forms
        that differ in x and factor alone.
    variables : tuple of VarData
        x.
    factor : float or expression of Params
        Of every term.
    """

    __slots__ = ("factor", "rows", "variables")

    def __init__(self, rows: tuple[Row, ...], variables: tuple[Any, ...], factor: Any = 1.0):
        self.rows, self.variables, self.factor = rows, variables, factor

    @property
    def __class__(self) -> type:
        return SumExpression

    @property
    def _args_(self) -> list:  # type: ignore[misc]
        x, factor = self.variables, self.factor
        return _kept(self, lambda: [
            (factor * x[i]) * WeightedSum(coefs, tuple([x[j] for j in at]))
            for i, at, coefs in self.rows])

    @property
    def _nargs(self) -> int:
        return len(self.rows)

    def __reduce__(self) -> tuple:
        return _blank, (QuadraticForm,), (self.rows, self.variables, self.factor)

    def __setstate__(self, state: tuple) -> None:
        self.rows, self.variables, self.factor = state

    def __deepcopy__(self, memo: dict) -> QuadraticForm:
        copied = memo[id(self)] = _blank(QuadraticForm)
        copied.rows, copied.factor = self.rows, deepcopy(self.factor, memo)
        copied.variables = tuple([deepcopy(var, memo) for var in self.variables])
        return copied


def add_to(expressions: Iterable[Any], coefs: Sequence[float],
           columns: Sequence[Sequence[Any]]) -> None:
    """Add a weighted sum to named Expressions, one for each period.

    Parameters
    ----------
    expressions : iterable of ExpressionData
        One for each period.
    coefs : sequence of float
        The same in all periods.
    columns : sequence of sequence of VarData
        By coefficient, then by period.
    """
    if not coefs:
        return
    more = tuple(coefs)
    before, joined = None, more  # so that all periods go on to share their coefficients
    for named, variables in zip(expressions, zip(*columns, strict=True), strict=True):
        now = named.args[0]  # `expr` makes an object of a number
        first, rest = _parted(now)
        if first is None:
            one = WeightedSum(more, variables)
        else:
            if first.coefs is not before:
                before, joined = first.coefs, first.coefs + more
            one = WeightedSum(joined, first.variables + variables)
        named.set_value(SumExpression([one, *rest]) if rest else one)


def _parted(expression: Any) -> tuple[WeightedSum | None, list]:
    """A sum as its leading WeightedSum and other terms."""
    kind = type(expression)
    if kind is WeightedSum:
        return expression, []
    if kind in (int, float):
        return None, [expression] if expression else []
    if kind is SumExpression:
        args = expression.args
        return (args[0], args[1:]) if type(args[0]) is WeightedSum else (None, args)
    return None, [expression]


def plus(expression: Any, more: Any) -> Any:
    """A sum of two that leaves a WeightedSum as it is.

    Parameters
    ----------
    expression, more : expression or float

    Returns
    -------
    expression or float
    """
    if type(expression) is not WeightedSum:
        return expression + more
    if type(more) in (int, float) and not more:
        return expression
    return SumExpression([expression, more])


def reached(node: Any) -> Sequence[Any]:
    """What an expression reaches directly, without making the terms of a weighted sum.

    Parameters
    ----------
    node : expression

    Returns
    -------
    sequence
        Of Vars, expressions and numbers; without the coefficients of sums and forms.
    """
    kind = type(node)
    if kind is WeightedSum:
        return node.variables
    if kind is QuadraticForm:
        return (node.factor, *node.variables)
    return node.args
