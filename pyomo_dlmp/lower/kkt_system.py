"""The KKT conditions of a `LowerForm` as sparse arrays.

With sigma = +1 (min) or -1 (max), y the duals of equality rows and mu >= 0 the multiplier of each
inequality side or finite bound ("pair"), whose slack is  s = S x + T u + s0 >= 0:

    stationarity   Q x + c + D u - A_eq' y - sigma S' mu = 0
    pairs          0 <= s  complementary to  mu >= 0

`duals` ties y and mu to the rows, bounds and dual Vars of the model (`lower.duals`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.lower.duals import DualMap
from pyomo_dlmp.lower.form import LowerForm


@dataclass
class KktSystem:
    """KKT arrays of one lower level; see the module's text for the symbols.

    Pairs are ordered: rows' lower sides, rows' upper sides, lower bounds, upper bounds.

    Attributes
    ----------
    form
        The compiled lower level, with n own and m upper Vars.
    equality_rows
        Numbers of the equality rows in the form, shape (e,).
    A_eq, B_eq, b_eq
        These rows, shapes (e, n), (e, m), (e,).
    S, T, s0
        Slacks of the pairs, shapes (pairs, n), (pairs, m), (pairs,).
    is_row, is_lower, index
        Of each pair: whether it belongs to a row (else to a bound of a column), to the lower side
        (else to the upper), and the number of the row or column in the form. Shape (pairs,).
    """

    form: LowerForm
    equality_rows: np.ndarray
    A_eq: sp.csr_matrix
    B_eq: sp.csr_matrix
    b_eq: np.ndarray
    S: sp.csr_matrix
    T: sp.csr_matrix
    s0: np.ndarray
    is_row: np.ndarray
    is_lower: np.ndarray
    index: np.ndarray

    @cached_property
    def duals(self) -> DualMap:
        """Where each dual stands, and its sign."""
        return DualMap(self.form, self.equality_rows, self.is_row, self.is_lower, self.index)

    @cached_property
    def label(self) -> list[str]:
        """Readable names of the pairs, made at first use."""
        form = self.form
        rows = form.names_row if self.is_row.any() else []
        columns = form.names_x if not self.is_row.all() else []
        return [f"{(rows if of_row else columns)[i]}.{'lower' if low else 'upper'}"
                for of_row, low, i in zip(self.is_row, self.is_lower, self.index, strict=True)]

    @cached_property
    def row_pairs(self) -> np.ndarray:
        """Numbers of the pairs that belong to rows."""
        return np.flatnonzero(self.is_row)

    @cached_property
    def bound_pairs(self) -> np.ndarray:
        """Numbers of the pairs that belong to bounds of columns."""
        return np.flatnonzero(~self.is_row)

    @property
    def sigma(self) -> int:
        """+1 for a minimising, -1 for a maximising lower level."""
        return self.form.sense

    @property
    def pairs(self) -> int:
        """Number of complementarity pairs."""
        return len(self.index)

    def owner(self, p: int) -> Any:
        """The row (ConstraintData) or the Var (VarData) that a pair belongs to."""
        return (self.form.rows if self.is_row[p] else self.form.x)[self.index[p]]

    def slack(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Slack of each pair at x, shape (n,), and u, shape (m,); shape (pairs,)."""
        return self.S @ x + self.T @ u + self.s0

    def row_duals(self, y: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """Dual of each row of the form, in the user's sign; see `DualMap.row_duals`."""
        return self.duals.row_duals(y, mu)

    def stationarity(self, x: np.ndarray, u: np.ndarray, y: np.ndarray,
                     mu: np.ndarray) -> np.ndarray:
        """Residual of stationarity at a primal-dual point.

        Parameters
        ----------
        x, u, y, mu
            Shapes (n,), (m,), (e,), (pairs,).

        Returns
        -------
        np.ndarray
            Per column of x, in lower cost per unit of x, shape (n,).
        """
        return self.form.gradient(x, u) - self.A_eq.T @ y - self.sigma * (self.S.T @ mu)

    def bound_multipliers(self, reduced_cost: np.ndarray) -> np.ndarray:
        """Multipliers of bounds from columns' reduced costs.

        Parameters
        ----------
        reduced_cost
            sigma x what stationarity leaves with the bounds' multipliers at zero, shape (n,).

        Returns
        -------
        np.ndarray
            Shape (pairs,), >= 0; 0 for the pairs of rows.
        """
        value = np.zeros(self.pairs)
        mine = self.bound_pairs
        value[mine] = np.where(self.is_lower[mine], 1.0, -1.0) * reduced_cost[self.index[mine]]
        return np.maximum(value, 0.0)

    def multipliers_from(self, x: np.ndarray, u: np.ndarray,
                         row_duals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(y, mu) from the duals of rows: bounds' multipliers are what stationarity leaves.

        Parameters
        ----------
        x, u
            A point, shapes (n,) and (m,).
        row_duals
            In the user's sign, shape (rows,).

        Returns
        -------
        tuple
            (y, mu), shapes (e,) and (pairs,).
        """
        y, mu = self.duals.from_row_duals(row_duals)
        rest = self.sigma * self.stationarity(x, u, y, mu)
        return y, mu + self.bound_multipliers(rest)


def build_kkt(form: LowerForm) -> KktSystem:
    """KKT arrays of a compiled lower level.

    Parameters
    ----------
    form
        Its rows without a lower Var get no pair, as they have no multiplier.

    Returns
    -------
    KktSystem
    """
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
    sizes = [len(lower), len(upper), len(at_lb), len(at_ub)]
    index = np.concatenate([lower, upper, at_lb, at_ub]).astype(int)
    return KktSystem(
        form, rows_eq, form.A[rows_eq], form.B[rows_eq], form.lo[rows_eq], S, T, s0,
        np.repeat([True, True, False, False], sizes), np.repeat([True, False, True, False], sizes),
        index)


def renewed_kkt(kkt: KktSystem, form: LowerForm) -> KktSystem:
    """KKT arrays after a change of numbers.

    Parameters
    ----------
    kkt
        It stays as it is.
    form
        With the same Vars and rows as that of `kkt`; matrices that did not change are the same
        objects.

    Returns
    -------
    KktSystem
        Sharing with `kkt` what did not change.
    """
    old = kkt.form
    alike = all(np.array_equal(np.isfinite(getattr(old, side)), np.isfinite(getattr(form, side)))
                for side in ("lo", "hi", "lb", "ub"))
    if not (alike and old.A is form.A and old.B is form.B
            and np.array_equal(old.equality, form.equality)):
        return build_kkt(form)
    row, low, index = kkt.is_row, kkt.is_lower, kkt.index
    s0 = np.zeros(kkt.pairs)
    for mine, limit in ((row & low, -form.lo), (row & ~low, form.hi),
                        (~row & low, -form.lb), (~row & ~low, form.ub)):
        s0[mine] = limit[index[mine]]
    return replace(kkt, form=form, b_eq=form.lo[kkt.equality_rows], s0=s0)
