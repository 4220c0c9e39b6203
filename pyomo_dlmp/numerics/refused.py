"""Why HiGHS does not take a model: the number that it refuses, and where it stands."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.tolerances import CONVEX

_GREATEST = 1e15  # entry of a matrix that HiGHS takes (its option large_matrix_value)
_CURE = ("Look for a penalty, an impedance or a bound of this size in the data: models are in MW, "
         "per unit and $, with numbers near 1 to 1e4; lower the penalty, or leave the bound out.")


def convex_diagonal(lower: sp.csc_matrix) -> np.ndarray:
    """Values of a Hessian's lower triangle, without rounding below zero on its diagonal.

    HiGHS ends without a word at a negative diagonal entry. One that is below zero by no more than
    `CONVEX` of the greatest entry is rounding.

    Parameters
    ----------
    lower
        The triangle, shape (n, n).

    Returns
    -------
    np.ndarray
        Shape (nnz,).
    """
    values = lower.data.astype(float)
    columns = np.repeat(np.arange(lower.shape[1]), np.diff(lower.indptr))
    negative = (lower.indices == columns) & (values < 0.0)
    least = -CONVEX * np.abs(values).max(initial=0.0)
    values[negative & (values >= least)] = 0.0
    return values


def refuse_model(lp: Any, hessian: Any) -> NoReturn:
    """Raise for a model that HiGHS did not take; it would solve an empty one in its place.

    Parameters
    ----------
    lp, hessian
        As they were passed.

    Raises
    ------
    SolverError
        With the number that is the reason, as far as it is known.
    """
    found = [*_entries("the matrix", lp.a_matrix_.value_), *_entries(
        "the quadratic costs", hessian.value_)]
    found += _bounds("row", lp.row_lower_, lp.row_upper_)
    found += _bounds("column", lp.col_lower_, lp.col_upper_)
    what = "; ".join(found) or "no single number of it is out of range"
    raise SolverError.at("HiGHS", f"does not take the model: {what}", _CURE)


def refuse_run(h: Any) -> NoReturn:
    """Raise for a model that HiGHS took and does not run: a QP that is not convex.

    Parameters
    ----------
    h
        The instance.

    Raises
    ------
    SolverError
        With the column and the number.
    """
    hessian = h.getModel().hessian_
    values, rows = np.asarray(hessian.value_), np.asarray(hessian.index_)
    columns = np.repeat(np.arange(max(0, len(hessian.start_) - 1)), np.diff(hessian.start_))
    diagonal = np.where(rows == columns, values, 0.0) if len(values) else np.zeros(1)
    worst = int(diagonal.argmin())
    if diagonal[worst] >= 0.0:
        raise SolverError.at(
            "HiGHS", "did not begin to solve a model in which no number is out of range",
            "Give `threads=1`: other HiGHS runs of this process may hold its threads.")
    raise SolverError.at(
        "HiGHS", f"did not run the model: its objective is not convex in column {columns[worst]} "
        f"(the factor of its square is {0.5 * values[worst]:.3g}, the greatest "
        f"{0.5 * np.abs(values).max():.3g})", _CURE)


def refuse_rows(A: sp.csr_matrix, lo: np.ndarray, hi: np.ndarray) -> NoReturn:
    """Raise for further rows that HiGHS did not take; shapes (k, n), (k,), (k,)."""
    found = [*_entries("the matrix", A.data), *_bounds("row", lo, hi)]
    what = "; ".join(found) or "no single number of them is out of range"
    raise SolverError.at("HiGHS", f"does not take {A.shape[0]} further rows: {what}", _CURE)


def _entries(where: str, values: Any) -> list[str]:
    values = np.abs(np.asarray(values, dtype=float))
    wrong = values[~(values < _GREATEST)]
    return [f"{len(wrong)} numbers of {where} are {_GREATEST:g} or more, up to {wrong.max():.3g}"
            ] if len(wrong) else []


def _bounds(kind: str, low: Any, high: Any) -> list[str]:
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    wrong = np.flatnonzero(np.isnan(low) | np.isnan(high) | (low >= 1e30) | (high <= -1e30))
    return [f"{kind} {k} is to be within {low[k]:g} .. {high[k]:g}" for k in wrong[:3]]
