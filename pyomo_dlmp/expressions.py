"""Pyomo expressions of few objects: weighted sums of Vars, and quadratic forms.

Pyomo keeps a sum of n Vars as 2 n + 2 objects, some 120 bytes for each term. A large model writes
the same sum for every period, over other Vars: here the coefficients are one tuple that all periods
share, and a sum is that tuple and the tuple of its Vars. Whoever asks for the terms (`args`) gets
them as Pyomo would have made them; our own readers (`bilevel.sums`) look at the tuples.

Pyomo chooses what to do with a node by its `__class__`, often without regard to subclasses. So both
kinds say there what they are to Pyomo, a LinearExpression and a SumExpression; `type()` tells them
apart. When their terms are asked for, they become just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from pyomo.core.expr import LinearExpression, SumExpression
from pyomo.core.expr.numeric_expr import MonomialTermExpression, NumericExpression

Row = tuple[int, tuple[int, ...], tuple[float, ...]]
# the two fields of Pyomo's sums, in which ours keep what they are; one more would bar the way back
_FIRST: Any = NumericExpression.__dict__["_args_"]
_SECOND: Any = SumExpression.__dict__["_nargs"]
_CLASS: Any = object.__dict__["__class__"]


def _blank(kind: Any) -> Any:
    return kind.__new__(kind)


def _become(node: Any, kind: type, terms: list) -> list:
    """Make a node what it said it is, with its terms."""
    _CLASS.__set__(node, kind)
    node._args_, node._nargs = terms, len(terms)
    return terms


class WeightedSum(LinearExpression):
    """sum_i coefs[i] variables[i], coefficients as numbers.

    Parameters
    ----------
    coefs : tuple of float
        Finite; shared by sums that differ in their Vars alone.
    variables : tuple of VarData
        As many.
    """

    __slots__ = ()
    variables: Any = _FIRST
    coefs: Any = _SECOND

    def __init__(self, coefs: tuple[float, ...], variables: tuple[Any, ...]):
        self.coefs, self.variables = coefs, variables

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return LinearExpression

    @property
    def _args_(self) -> list:  # type: ignore[misc]
        return _become(self, LinearExpression, list(map(
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

    __slots__ = ()
    variables: Any = _FIRST
    matrix: Any = _SECOND  # rows and factor

    def __init__(self, rows: tuple[Row, ...], variables: tuple[Any, ...], factor: Any = 1.0):
        self.variables, self.matrix = variables, (rows, factor)

    @property
    def rows(self) -> tuple[Row, ...]:
        """H."""
        return self.matrix[0]

    @property
    def factor(self) -> Any:
        """Of every term."""
        return self.matrix[1]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return SumExpression

    @property
    def _args_(self) -> list:  # type: ignore[misc]
        x, (rows, factor) = self.variables, self.matrix
        return _become(self, SumExpression, [
            (factor * x[i]) * WeightedSum(coefs, tuple([x[j] for j in at]))
            for i, at, coefs in rows])

    @property
    def _nargs(self) -> int:
        return len(self.rows)

    def __reduce__(self) -> tuple:
        return _blank, (QuadraticForm,), (self.matrix, self.variables)

    def __setstate__(self, state: tuple) -> None:
        self.matrix, self.variables = state

    def __deepcopy__(self, memo: dict) -> QuadraticForm:
        copied = memo[id(self)] = _blank(QuadraticForm)
        copied.matrix = self.rows, deepcopy(self.factor, memo)
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
    plans: dict[int, _Join] = {}  # periods that shared their coefficients go on to share them
    for named, variables in zip(expressions, zip(*columns, strict=True), strict=True):
        now = named.args[0]  # `expr` makes an object of a number
        first, rest = _parted(now)
        had, both = ((), variables) if first is None else (
            first.coefs, first.variables + variables)
        plan = plans.get(id(had))
        if plan is None or not plan.fits(both):
            plan = plans[id(had)] = _Join(had, (*had, *more), both)
        one = plan.sum_of(both)
        named.set_value(SumExpression([one, *rest]) if rest else one)


class _Join:
    """How the terms of a sum are put together: a Var that stands twice has one coefficient.

    Parameters
    ----------
    had : tuple
        Kept, so that its id stays its own.
    coefs, variables : tuple
        All terms.
    """

    def __init__(self, had: tuple, coefs: tuple[float, ...], variables: tuple[Any, ...]):
        self.had = had
        total: dict[int, float] = {}
        places: dict[int, int] = {}
        for i, (coef, var) in enumerate(zip(coefs, variables, strict=True)):
            total[id(var)] = total.get(id(var), 0.0) + coef
            places.setdefault(id(var), i)
        self.places = [places[vid] for vid, coef in total.items() if coef]
        self.coefs = tuple([coef for coef in total.values() if coef])
        self.group = None if len(total) == len(coefs) else self._groups(variables)

    @staticmethod
    def _groups(variables: tuple[Any, ...]) -> list[int]:
        number: dict[int, int] = {}
        return [number.setdefault(id(var), len(number)) for var in variables]

    def fits(self, variables: tuple[Any, ...]) -> bool:
        """Whether the same terms are of one Var in another period."""
        if self.group is None:
            return len(set(map(id, variables))) == len(variables)
        return self.group == self._groups(variables)

    def sum_of(self, variables: tuple[Any, ...]) -> WeightedSum:
        """The sum in a period."""
        if len(self.places) < len(variables):
            variables = tuple([variables[i] for i in self.places])
        return WeightedSum(self.coefs, variables)


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
