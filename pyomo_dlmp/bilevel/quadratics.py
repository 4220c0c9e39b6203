"""Pyomo expressions as numbers: constant, linear and quadratic terms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyomo.core.expr import LinearExpression, SumExpression
from pyomo.core.expr.visitor import identify_variables
from pyomo.repn.quadratic import QuadraticRepnVisitor
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.bilevel.numbers import wrong_numbers
from pyomo_dlmp.errors import Fault, ModelError, listed


@dataclass
class QuadraticParts:
    """An expression as constant, linear and quadratic terms.

    Attributes
    ----------
    constant, linear, quadratic
        A number, {id: coefficient} and {(id, id): coefficient}.
    var_map
        {id of a Var: Var}.
    """

    constant: float
    linear: dict
    quadratic: dict
    var_map: dict

    def expression(self, quadratic: dict | None = None, extra: Iterable = ()) -> SumExpression:
        """The Pyomo expression of the parts.

        Parameters
        ----------
        quadratic
            Other quadratic terms in place of its own; None: its own.
        extra
            Further summands.
        """
        keep = self.quadratic if quadratic is None else quadratic
        linear = LinearExpression(
            constant=self.constant, linear_coefs=list(self.linear.values()),
            linear_vars=[self.var_map[i] for i in self.linear])
        terms = [c * (self.var_map[i] * self.var_map[j]) for (i, j), c in keep.items()]
        return SumExpression([linear, *terms, *extra])

    def plus(self, quadratic: dict, others: Iterable[QuadraticParts], extra: list,
             where: str) -> QuadraticParts:
        """The sum with the terms of others.

        Parameters
        ----------
        quadratic
            Quadratic terms in place of its own.
        others
            Further parts.
        extra
            Further Pyomo expressions.
        where
            Name of the place, for an error.
        """
        total = QuadraticParts(
            self.constant, dict(self.linear), dict(quadratic), dict(self.var_map))
        read = [quadratic_parts(SumExpression(extra), where)] if extra else []
        for part in (*others, *read):
            total.constant += part.constant
            total.var_map.update(part.var_map)
            for i, c in part.linear.items():
                total.linear[i] = total.linear.get(i, 0.0) + c
            for (i, j), c in part.quadratic.items():
                key = (j, i) if (j, i) in total.quadratic else (i, j)
                total.quadratic[key] = total.quadratic.get(key, 0.0) + c
        return total


def quadratic_parts(expression: Any, where: str) -> QuadraticParts:
    """Constant, linear and quadratic terms of an expression.

    Parameters
    ----------
    expression
        A Pyomo expression.
    where
        What the error names as its place.

    Returns
    -------
    QuadraticParts

    Raises
    ------
    ModelError
        It is neither linear nor quadratic, or a number in it is missing or not finite.
    """
    var_map: dict = {}
    visitor = QuadraticRepnVisitor({}, var_recorder=OrderedVarRecorder(var_map, {}, None))
    try:
        repn = visitor.walk_expression(expression)
    except Exception as err:  # of Pyomo: a number in it is missing or not finite
        raise ModelError(list(wrong_numbers(where, [expression])) or [Fault(
            where, f"cannot be compiled ({err})", "Give every Param and fixed Var a value.")]
        ) from None
    if repn.nonlinear is not None:
        names = sorted({var.name for var in identify_variables(
            repn.nonlinear, include_fixed=False)})
        raise ModelError.at(
            where, f"has terms beyond products of two Vars, in {listed(names)}",
            "Only quadratic expressions can be linearised or solved as MIQP: make a product within "
            "the term a Var of its own, with the row  var == product.")
    return QuadraticParts(float(repn.constant), repn.linear, repn.quadratic or {}, var_map)
