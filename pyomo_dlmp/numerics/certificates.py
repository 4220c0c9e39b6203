"""Certificates: why a bound of a slack or a multiplier holds, in a form that can be checked.

A bound from a linear program is proved by weights y of the rows (its duals) without trusting the
solver: over  lo <= A z <= hi,  lb <= z <= ub,  weak duality gives

    z_c <= - sum_i (y_i lo_i or y_i hi_i) - sum_j (d_j lb_j or d_j ub_j),   d = - e_c - A'y

with the lower limit for positive and the upper one for negative weights. Any y gives a valid bound;
the solver's gives a tight one (Neumaier and Shcherbina 2004, Mathematical Programming 99).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.numerics.boxes import least_over_box
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.tolerances import ENTRY, ROUNDING


@dataclass
class Certificate:
    """Weights of rows that prove  sign z[column] <= value().

    Attributes
    ----------
    rows
        The linear program that the weights are of; its cost is not used.
    column
        The bounded column.
    at
        Numbers of the rows with a weight, shape (k,).
    weights
        Their weights, positive on the lower limit and negative on the upper, shape (k,).
    sign
        -1: the column is bounded from below.
    zero
        Columns that are zero wherever `column` is not.
    """

    rows: Program
    column: int
    at: np.ndarray
    weights: np.ndarray
    sign: float = 1.0
    zero: tuple[int, ...] = ()

    def value(self) -> float:
        """The bound that the weights prove by weak duality alone; infinite if they prove none."""
        r, (y, d) = self.rows, self._slopes()
        return -(least_over_box(y, r.lo[self.at], r.hi[self.at]) + least_over_box(d, r.lb, r.ub))

    def uses(self, columns: np.ndarray, rows: np.ndarray) -> bool:
        """Whether the proof needs the bounds of some columns or some rows (masks of all)."""
        y, d = self._slopes()
        return bool((d[columns] != 0).any() or (y[rows[self.at]] != 0).any())

    def _slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """(weights of `at`, what they leave of each column)."""
        r, y = self.rows, self.weights
        lo, hi = r.lo[self.at], r.hi[self.at]
        y = np.where((y > 0) & np.isinf(lo) | (y < 0) & np.isinf(hi), 0.0, y)
        d = -(r.A[self.at].T @ y)
        d[self.column] -= self.sign
        d[list(self.zero)] = 0.0
        tiny = np.abs(d) <= ROUNDING * (1.0 + np.abs(y).max(initial=0.0))
        d[tiny & (np.where(d > 0, np.isinf(r.lb), np.isinf(r.ub)))] = 0.0  # rounding, not a slope
        return y, d


def certificate(rows: Program, column: int, duals: np.ndarray, sign: float = 1.0,
                zero: tuple[int, ...] = ()) -> Certificate:
    """The certificate that the row duals of a linear program  min - sign z[column]  are.

    Parameters
    ----------
    rows
        The linear program.
    column
        The column that was maximised.
    duals
        Row duals as the solver gave them, exact or not, shape (m,).
    sign, zero
        As of `Certificate`.

    Returns
    -------
    Certificate
        Of the rows with a weight beyond rounding.
    """
    at = np.flatnonzero(np.abs(duals) > ENTRY)
    return Certificate(rows, column, at, duals[at], sign, zero)
