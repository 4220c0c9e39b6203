"""Find the bilinear products of a Pyomo model and group them for linearisation.

A product is  v * Y  where v is the Var that is expanded or enveloped. In a single level Y is the
linear expression of everything that v is multiplied by in a row (`group_products`), since the range
of the whole can be proved and is narrower than the sum of its terms' ranges. Where nothing but
bounds is known, a product of its own for each pair of Vars is tighter (`pairs`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.collections import ComponentSet
from pyomo.core.base.var import VarData
from pyomo.core.expr import LinearExpression

from pyomo_dlmp.bilevel.quadratics import QuadraticParts, quadratic_parts
from pyomo_dlmp.errors import BoundError, Fault
from pyomo_dlmp.numerics.components import dense_blocks
from pyomo_dlmp.tolerances import CONVEX, INTEGRALITY


@dataclass
class Product:
    """The product v * Y.

    Attributes
    ----------
    where
        Name of the row or objective that it stands in; "" where one product serves them all.
    v
        A VarData with finite bounds.
    Y, lo, hi
        A VarData (v itself in a square) or a LinearExpression, and its range.
    """

    where: str
    v: Any
    Y: Any
    lo: float
    hi: float

    @property
    def is_square(self) -> bool:
        """Whether both factors are the same Var."""
        return self.Y is self.v

    def range_of_product(self) -> tuple[float, float]:
        """(least, greatest) value of v * Y."""
        lo, hi = range_of(self.v)
        corners = [a * b for a in (lo, hi) for b in (self.lo, self.hi)]
        if self.is_square:
            corners = [0.0 if lo <= 0.0 <= hi else min(lo * lo, hi * hi), max(lo * lo, hi * hi)]
        return min(corners), max(corners)

    def factor_at(self, value: Callable[[Any], float]) -> float:
        """Y where value(Var) is known."""
        if isinstance(self.Y, VarData):
            return value(self.Y)
        return sum(c * value(var) for c, var in zip(
            self.Y.linear_coefs, self.Y.linear_vars, strict=True))


def range_of(var: Any) -> tuple[float, float]:
    """(least, greatest) value of a VarData with finite bounds; whole numbers of an integer one."""
    lo, hi = float(var.lb), float(var.ub)
    if not var.is_continuous():
        lo, hi = float(np.ceil(lo - INTEGRALITY)), float(np.floor(hi + INTEGRALITY))
    return lo, hi


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
            if data.expr.polynomial_degree() not in (0, 1):
                body = data.expr if ctype is pyo.Objective else data.body
                yield data, quadratic_parts(body, data.name)


def is_convex(quadratic: dict, sign: float = 1.0) -> bool:
    """Whether quadratic terms are a convex function.

    Parameters
    ----------
    quadratic
        {(id, id): coefficient}.
    sign
        -1: whether their negative is.

    Returns
    -------
    bool
    """
    if all(i == j for i, j in quadratic):
        return all(sign * coef >= 0.0 for coef in quadratic.values())
    number: dict[int, int] = {}
    for key in quadratic:
        for vid in key:
            number.setdefault(vid, len(number))
    ends = np.array([[number[i], number[j]] for i, j in quadratic])
    half = 0.5 * sign * np.fromiter(quadratic.values(), float)
    Q = sp.coo_matrix((np.tile(half, 2), (ends.T.ravel(), ends[:, ::-1].T.ravel())),
                      shape=(len(number), len(number)))
    return all(
        np.linalg.eigvalsh(dense)[:, 0].min() >= -CONVEX * max(1.0, np.abs(dense).max())
        for _, dense in dense_blocks(Q.tocsr()))
