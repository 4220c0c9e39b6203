"""A mixed-integer quadratic program as sparse arrays.

    min  c'z + 1/2 z'Qz + constant    s.t.  lo <= A z <= hi,   lb <= z <= ub,   some z integer

A maximisation is stored as the minimisation of its negative (`sign` = -1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


@dataclass
class Program:
    """MIQP arrays; `columns` are the VarData, `rows` the ConstraintData."""

    columns: list
    rows: list
    A: sp.csr_matrix
    lo: np.ndarray
    hi: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    integer: np.ndarray
    c: np.ndarray
    Q: sp.csr_matrix
    constant: float
    sign: int

    def value(self, z: np.ndarray) -> float:
        """Objective of the minimisation at a point."""
        return float(self.c @ z + 0.5 * z @ (self.Q @ z) + self.constant)

