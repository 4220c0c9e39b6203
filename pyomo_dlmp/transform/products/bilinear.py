"""Find the bilinear products of a Pyomo model and group them for linearisation.

Products of distinct Vars are grouped by the Var that is expanded or enveloped:  v * Y  with Y the
linear expression of everything v is multiplied by, so that each v needs one set of auxiliaries for
each expression. Squares and convex quadratics are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentSet
from pyomo.core.expr import LinearExpression, SumExpression
from pyomo.repn.quadratic import QuadraticRepnVisitor
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.bilevel.numbers import wrong_numbers
from pyomo_dlmp.errors import BoundError, Fault, ModelError


@dataclass
class Product:
    """The product v * Y.

    Attributes
    ----------
    where
        Name of the row or objective that it stands in.
    v
        A VarData with finite bounds.
    Y, lo, hi
        A LinearExpression and its range.
    """

    where: str
    v: Any
    Y: LinearExpression
    lo: float
    hi: float


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
        raise ModelError.at(
            where, "has terms beyond products of two Vars",
            "Only quadratic expressions can be linearised or solved as MIQP.")
    return QuadraticParts(float(repn.constant), repn.linear, repn.quadratic or {}, var_map)


def group_products(parts: QuadraticParts, where: str,
                   prefer: ComponentSet) -> tuple[list[Product], dict]:
    """Group the products of two Vars by the Var that is expanded or enveloped.

    Parameters
    ----------
    parts
        The expression.
    where
        Name of its row or objective.
    prefer
        Vars to expand where one is in a product; otherwise the Var in more products is chosen.

    Returns
    -------
    tuple
        (products, remaining quadratic terms: squares).

    Raises
    ------
    BoundError
        A Var of a product has no finite bounds.
    """
    count: dict[int, int] = {}
    pairs = [(i, j, c) for (i, j), c in parts.quadratic.items() if i != j and c]
    rest = {k: c for k, c in parts.quadratic.items() if k[0] == k[1]}
    for i, j, _ in pairs:
        count[i] = count.get(i, 0) + 1
        count[j] = count.get(j, 0) + 1
    grouped: dict[int, list[tuple[int, float]]] = {}
    for i, j, c in pairs:
        liked = [k for k in (i, j) if parts.var_map[k] in prefer]
        chosen = liked[0] if liked else max((i, j), key=lambda k: count[k])
        grouped.setdefault(chosen, []).append((j if chosen == i else i, c))
    return [_product(parts, v, terms, where) for v, terms in grouped.items()], rest


def _product(parts, v, terms, where: str) -> Product:
    variables = [parts.var_map[k] for k, _ in terms]
    coefs = [c for _, c in terms]
    lo, hi = linear_range(coefs, variables, where)
    linear_range([1.0], [parts.var_map[v]], where)
    return Product(
        where, parts.var_map[v],
        LinearExpression(constant=0.0, linear_coefs=coefs, linear_vars=variables), lo, hi)


def linear_range(coefs: Sequence[float], variables: Sequence, where: str) -> tuple[float, float]:
    """Range of a linear expression over its Vars' bounds.

    Parameters
    ----------
    coefs, variables
        Coefficients and VarData.
    where
        Name of the row or objective, for the error.

    Returns
    -------
    tuple
        (least, greatest) value.

    Raises
    ------
    BoundError
        A Var has no finite bounds; names all of them.
    """
    faults = [
        Fault(v.name, f"has bounds {v.bounds} but stands in a product in '{where}'",
              "Give it finite bounds.")
        for v in variables if v.lb is None or v.ub is None]
    if faults:
        raise BoundError(faults)
    ends = np.array([[c * v.lb, c * v.ub] for c, v in zip(coefs, variables, strict=True)])
    ends = ends.reshape(len(coefs), 2)
    return float(ends.min(axis=1).sum()), float(ends.max(axis=1).sum())


def bilinear_rows(
    model: Any, known_linear: Collection[int] = frozenset(),
) -> Iterator[tuple[Any, QuadraticParts]]:
    """Active constraints and objectives of a model that are not linear.

    Parameters
    ----------
    model
        A Pyomo model.
    known_linear
        Ids of rows that need not be read.

    Returns
    -------
    iterator
        (ConstraintData or ObjectiveData, its parts).

    Raises
    ------
    ModelError
        One of them is neither linear nor quadratic.
    """
    for ctype in (pyo.Objective, pyo.Constraint):
        for data in model.component_data_objects(ctype, active=True, descend_into=pyo.Block):
            if id(data) in known_linear:
                continue
            if data.expr.polynomial_degree() != 1 and data.expr.polynomial_degree() != 0:
                body = data.expr if ctype is pyo.Objective else data.body
                yield data, quadratic_parts(body, data.name)
