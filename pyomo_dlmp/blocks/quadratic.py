"""A symmetric matrix as the rows of a quadratic form (`expressions.QuadraticForm`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.core.expr.numeric_expr import NPV_UnaryFunctionExpression

from pyomo_dlmp.expressions import Row
from pyomo_dlmp.tolerances import ENTRY


def upper_rows(H: np.ndarray) -> tuple[Row, ...]:
    """The upper triangle of a symmetric matrix, each pair counted once.

    Parameters
    ----------
    H : ndarray, shape (n, n)
        Symmetric.

    Returns
    -------
    tuple of (int, tuple of int, tuple of float)
        (i, numbers j >= i, coefficients of x_i x_j), without zeros.
    """
    n = len(H)
    upper = (np.triu(H) + np.triu(H, 1)).tolist()
    kept = (np.abs(H) > ENTRY / 1000).tolist()
    rows = [(i, [j for j in range(i, n) if kept[i][j]]) for i in range(n)]
    return tuple((i, tuple(at), tuple(upper[i][j] for j in at)) for i, at in rows if at)


def priced(hours: float, linear: Any, quadratic: Any, x: Any) -> Any:
    """The cost  hours (linear x + quadratic x^2).

    Parameters
    ----------
    hours : float
        Length of the period (h).
    linear, quadratic : Param
        $ per unit of x and hour, and per its square.
    x : Var

    Returns
    -------
    expression
        In $, in the form of `sum_of_products`.
    """
    return (hours * linear) * x + ((hours * quadratic) * x) * x


def positive_part(param: Any) -> Any:
    """max(param, 0), exactly, as an expression that follows the Param.

    Parameters
    ----------
    param : Param
        Mutable.

    Returns
    -------
    expression
        Of a kind that Pyomo's solver interfaces know (SCIP's has neither max nor `abs` of a Param).
    """
    return 0.5 * (param + NPV_UnaryFunctionExpression((param,), "abs", abs))
