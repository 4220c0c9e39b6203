"""The KKT system after elimination, over which bounds are propagated and linear programs run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.elimination import Elimination


@dataclass
class ReducedKkt:
    """The KKT system over the columns z that elimination keeps.

    Full columns are (u, x, y, mu, rho), rho[j] being the multiplier of lb minus that of ub of
    column j. Row pairs have their mu among the columns; bound pairs read theirs from rho.

    Attributes
    ----------
    kkt, elimination
        The full system, and the map from z to its columns.
    lo, hi
        Box of z, shape (kept,).
    parts
        {"u", "x", ...: slice of the full columns}.
    rest
        (M, m0, lo, hi) over z of the equality rows that elimination did not use.
    """

    kkt: KktSystem
    elimination: Elimination
    lo: np.ndarray
    hi: np.ndarray
    parts: dict[str, slice]
    rest: tuple

    def rows(self, part: str) -> tuple[sp.csr_matrix, np.ndarray]:
        """(M, m0) of the columns named `part` as affine maps of z."""
        where = self.parts[part]
        return self.elimination.M[where], self.elimination.m0[where]

    def slack_rows(self) -> tuple[sp.csr_matrix, np.ndarray]:
        """(M, m0) of the pairs' slacks."""
        (Mu, u0), (Mx, x0) = self.rows("u"), self.rows("x")
        kkt = self.kkt
        return (kkt.S @ Mx + kkt.T @ Mu).tocsr(), kkt.S @ x0 + kkt.T @ u0 + kkt.s0

