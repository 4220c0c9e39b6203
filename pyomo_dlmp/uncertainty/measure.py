"""How the costs of the scenarios become one number: expectation, and the seam for risk.

A measure is a convex function of the costs by scenario that never falls as one of them rises,
written as rows of the master over its own columns e:

    F(cost) = min over e  weights'cost + c'e   s.t.  lo <= A (cost, e) <= hi,  lb <= e <= ub

The master knows each cost from below (tangents), so its optimum is a proven bound of F.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp


@dataclass
class Rows:
    """What a measure adds to the master of S scenarios; k columns e, m rows.

    Attributes
    ----------
    weights
        Of the costs in the objective, shape (S,).
    slope
        Greatest derivative of the measure by each cost, shape (S,): what an error of a cost is
        worth at most.
    c, lb, ub
        Of e, shape (k,).
    A, lo, hi
        Rows over (costs, e), shapes (m, S + k), (m,), (m,).
    """

    weights: np.ndarray
    slope: np.ndarray
    c: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    A: sp.csr_matrix
    lo: np.ndarray
    hi: np.ndarray


class Measure(Protocol):
    """A measure of the costs ($) of S scenarios."""

    def rows(self, probabilities: np.ndarray) -> Rows:
        """Its rows; probabilities of shape (S,)."""

    def value(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """Its exact value at costs of shape (S,) ($)."""

    def columns(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Values of e at which the measure has its value at these costs, shape (k,)."""


class Expected:
    """The expectation."""

    linear = True  # in the costs, with `weights`

    def rows(self, probabilities: np.ndarray) -> Rows:
        """Its rows: none."""
        none = np.zeros(0)
        return Rows(probabilities, probabilities, none, none, none,
                    sp.csr_matrix((0, len(probabilities))), none, none)

    def value(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """The expected cost ($)."""
        return float(probabilities @ costs)

    def columns(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """None: shape (0,)."""
        return np.zeros(0)
