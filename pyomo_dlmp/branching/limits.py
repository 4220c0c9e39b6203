"""Limits of the rows and columns of a node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.tolerances import ROUNDING


@dataclass
class Limits:
    """Limits of rows and columns of a node: shapes (m,), (m,), (n,), (n,)."""

    lo: np.ndarray
    hi: np.ndarray
    lb: np.ndarray
    ub: np.ndarray

    @property
    def contradict(self) -> bool:
        """Whether a low limit is above its high one."""
        return bool((self.lo > self.hi + ROUNDING * (1 + np.abs(self.hi))).any()
                    or (self.lb > self.ub + ROUNDING * (1 + np.abs(self.ub))).any())
