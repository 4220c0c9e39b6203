"""The KKT conditions of a `LowerForm` as sparse arrays.

With sigma = +1 (min) or -1 (max), y the duals of equality rows and mu >= 0 the multiplier of each
inequality side or finite bound ("pair"), whose slack is  s = S x + T u + s0 >= 0:

    stationarity   Q x + c + D u - A_eq' y - sigma S' mu = 0
    pairs          0 <= s  complementary to  mu >= 0

The dual of an inequality row, as the user reads it, is  sigma (mu of its lower side - mu of its
upper side); y is already what the user reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.lower.form import LowerForm


@dataclass
class KktSystem:
    """KKT arrays of one lower level. Pairs are ordered: rows' lower, rows' upper, lb, ub.

    `kind[p]` is "row" or "bound", `side[p]` "lower" or "upper", `index[p]` the row's or the
    column's number in the form, `label[p]` a readable name.
    """

    form: LowerForm
    equality_rows: np.ndarray
    A_eq: sp.csr_matrix
    B_eq: sp.csr_matrix
    b_eq: np.ndarray
    S: sp.csr_matrix
    T: sp.csr_matrix
    s0: np.ndarray
    kind: list[str]
    side: list[str]
    index: np.ndarray

    @cached_property
    def label(self) -> list[str]:
        """Names of the pairs, made when asked for."""
        names = {kind: getattr(self.form, attribute) for kind, attribute in (
            ("row", "names_row"), ("bound", "names_x")) if kind in set(self.kind)}
        return [f"{names[k][i]}.{s}"
                for k, i, s in zip(self.kind, self.index, self.side, strict=True)]

    @property
    def sigma(self) -> int:
        """+1 for a minimising, -1 for a maximising lower level."""
        return self.form.sense

    @property
    def pairs(self) -> int:
        """Number of complementarity pairs."""
        return len(self.kind)

    def slack(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Slack of each pair at a point."""
        return self.S @ x + self.T @ u + self.s0

    def row_duals(self, y: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """Dual of each row of the form, in the user's sign."""
        duals = np.zeros(len(self.form.rows))
        duals[self.equality_rows] = y
        is_row = np.array([k == "row" for k in self.kind], dtype=bool)
        sign = np.where(np.array(self.side) == "lower", 1.0, -1.0) * self.sigma
        np.add.at(duals, self.index[is_row], (sign * mu)[is_row])
        return duals

    def stationarity(self, x, u, y, mu) -> np.ndarray:
        """Residual of stationarity per column of x, in units of cost per unit of x."""
        form = self.form
        gradient = form.Q @ x + form.c + form.D @ u
        return gradient - self.A_eq.T @ y - self.sigma * (self.S.T @ mu)


def build_kkt(form: LowerForm) -> KktSystem:
    """KKT arrays of a compiled lower level. Rows without lower Vars get no pair (no multiplier)."""
    equality = form.equality
    has_x = np.diff(form.A.indptr) > 0
    rows_eq = np.flatnonzero(equality & has_x)
    lower = np.flatnonzero(~equality & has_x & np.isfinite(form.lo))
    upper = np.flatnonzero(~equality & has_x & np.isfinite(form.hi))
    at_lb = np.flatnonzero(np.isfinite(form.lb))
    at_ub = np.flatnonzero(np.isfinite(form.ub))
    unit = sp.identity(len(form.x), format="csr")
    none = sp.csr_matrix((len(at_lb) + len(at_ub), len(form.u)))
    S = sp.vstack([form.A[lower], -form.A[upper], unit[at_lb], -unit[at_ub]], format="csr")
    T = sp.vstack([form.B[lower], -form.B[upper], none], format="csr")
    s0 = np.concatenate([-form.lo[lower], form.hi[upper], -form.lb[at_lb], form.ub[at_ub]])
    kind = ["row"] * (len(lower) + len(upper)) + ["bound"] * (len(at_lb) + len(at_ub))
    side = (["lower"] * len(lower) + ["upper"] * len(upper)
            + ["lower"] * len(at_lb) + ["upper"] * len(at_ub))
    index = np.concatenate([lower, upper, at_lb, at_ub]).astype(int)
    return KktSystem(
        form, rows_eq, form.A[rows_eq], form.B[rows_eq], form.lo[rows_eq],
        S, T, s0, kind, side, index,
    )
