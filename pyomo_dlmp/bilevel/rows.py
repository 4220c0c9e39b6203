"""Pyomo rows as numbers: coefficients by Var, and limits."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from pyomo.core.expr.relational_expr import EqualityExpression, InequalityExpression
from pyomo.repn.linear import LinearRepnVisitor
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.bilevel.numbers import wrong_numbers_of_row
from pyomo_dlmp.bilevel.sums import SumReader
from pyomo_dlmp.errors import Fault, ModelError


class RowReader:
    """Reads linear rows; `var_map` collects {id of a Var: Var} of all rows that were read.

    Parameters
    ----------
    recorder
        Of a caller that reads quadratic expressions into the same map, too; None: a new one.
    cache
        Of named Expressions, for a caller that empties it; None: a new one.
    """

    def __init__(self, recorder: OrderedVarRecorder | None = None, cache: dict | None = None):
        recorder = recorder or OrderedVarRecorder({}, {}, None)
        self.var_map: dict = recorder.var_map
        self._visitor = LinearRepnVisitor({} if cache is None else cache, var_recorder=recorder)
        self._sums = SumReader(recorder)

    def read(self, row: Any) -> tuple[dict[int, float], float, float] | None:
        """A row as numbers; fixed Vars and Params enter with their values.

        Parameters
        ----------
        row
            ConstraintData.

        Returns
        -------
        tuple or None
            ({id of a Var: coefficient}, lower limit, upper limit), limits infinite where there is
            none; None where the row is not linear.

        Raises
        ------
        ModelError
            A number in it is missing or not finite.
        """
        try:
            lower, body, upper = plain_limits(row.expr) or row.to_bounded_expression(
                evaluate_bounds=True)
            if (plain := self._sums.linear(body)) is not None:
                linear, constant = plain
                return (linear, -np.inf if lower is None else lower - constant,
                        np.inf if upper is None else upper - constant)
            repn = self._visitor.walk_expression(body)
            finite = isfinite(sum(repn.linear.values(), repn.constant))
        except Exception as err:  # of Pyomo, which names neither the number nor a cure
            raise ModelError(self._faults(row, err)) from None
        if repn.nonlinear is not None:
            return None
        if not finite:
            raise ModelError(self._faults(row, "a coefficient is not finite"))
        return (repn.linear, -np.inf if lower is None else lower - repn.constant,
                np.inf if upper is None else upper - repn.constant)

    @staticmethod
    def _faults(row: Any, why: object) -> list[Fault]:
        first = (str(why).splitlines() or [type(why).__name__])[0]
        return list(wrong_numbers_of_row(row)) or [Fault(
            row.name, f"cannot be compiled ({first})", "Give every Param and fixed Var a value.")]


def finite(value: Any) -> float | None:
    """A finite float as it is; None for anything else."""
    return value if type(value) is float and isfinite(value) else None


def plain_limits(statement: Any, number: Callable[[Any], float | None] = finite,
                 ) -> tuple[float | None, Any, float | None] | None:
    """A row with one limit, a finite number.

    Parameters
    ----------
    statement
        Relational expression of a row.
    number
        The value of a limit, None where it is no such number; by default floats alone.

    Returns
    -------
    tuple or None
        (lower limit, body, upper limit), None where there is none; None for any other row.
    """
    kind = type(statement)
    if kind is not EqualityExpression and kind is not InequalityExpression:
        return None
    left, right = statement.args
    if (value := number(right)) is not None:
        return value if kind is EqualityExpression else None, left, value
    if kind is InequalityExpression and (value := number(left)) is not None:
        return value, right, None
    return None
