"""The expression x' H x as a sum of products, the sums in it shared by all that use them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.core.expr import LinearExpression, SumExpression
from pyomo.core.expr.numeric_expr import NPV_UnaryFunctionExpression

from pyomo_dlmp.tolerances import ENTRY

Row = tuple[int, list[int], list[float]]
Product = tuple[Any, Any]


def upper_rows(H: np.ndarray) -> list[Row]:
    """The upper triangle of a symmetric matrix, each pair counted once.

    Parameters
    ----------
    H : ndarray, shape (n, n)
        Symmetric.

    Returns
    -------
    list of (int, list of int, list of float)
        (i, numbers j >= i, coefficients of x_i x_j), without zeros.
    """
    n = len(H)
    upper = (np.triu(H) + np.triu(H, 1)).tolist()
    kept = (np.abs(H) > ENTRY / 1000).tolist()
    rows = [(i, [j for j in range(i, n) if kept[i][j]]) for i in range(n)]
    return [(i, at, [upper[i][j] for j in at]) for i, at in rows if at]


def products(rows: list[Row], x: list) -> list[Product]:
    """The products whose sum is  x' H x.

    Parameters
    ----------
    rows : list
        Of `upper_rows`.
    x : list of Var, length n

    Returns
    -------
    list of (Var, LinearExpression)
        (x_i, sum_j H_ij x_j).
    """
    return [(x[i], LinearExpression(constant=0.0, linear_coefs=coefficients,
                                    linear_vars=[x[j] for j in at]))
            for i, at, coefficients in rows]


def sum_of_products(terms: list[Product], factor: Any = 1.0) -> Any:
    """The expression  factor x' H x.

    Each term has its factor inside, as (factor x_i) (sum_j H_ij x_j): Pyomo's
    ``generate_standard_repn(compute_values=False)`` takes a mutable Param *before* a product of
    Vars for a term of no degree, and with it several solver interfaces do.

    Parameters
    ----------
    terms : list
        Of `products`.
    factor : float or expression of Params
        Of every term.

    Returns
    -------
    expression
    """
    return SumExpression([(factor * x) * rest for x, rest in terms]) if terms else 0.0


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
