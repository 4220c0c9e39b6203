"""A mathematical program with complementarity pairs, as arrays.

    min  c'z + 1/2 z'Qz + constant    s.t.  lo <= A z + (quadratic terms) <= hi,   lb <= z <= ub,
    some z integer,    0 <= slack_k(z)  complementary to  z[mu_k] >= 0

The slack of a pair is the distance to one side of a row of A, or to one bound of a column; so a
pair is fixed by changing the limits of one row or column: *tight* (slack zero) or *off* (multiplier
zero). Nothing here bounds a multiplier.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.tolerances import ROW_HOLDS

FREE, TIGHT, OFF = 0, 1, 2  # what a node states of a pair


@dataclass
class Pairs:
    """Complementarity pairs of a program, K of them.

    Attributes
    ----------
    mu
        Column of each multiplier, shape (K,).
    of_row
        Whether the slack belongs to a row (else to a bound of a column), shape (K,).
    index
        Number of that row or column, shape (K,).
    is_lower
        Whether it is the distance to the lower side, shape (K,).
    """

    mu: np.ndarray
    of_row: np.ndarray
    index: np.ndarray
    is_lower: np.ndarray

    def __len__(self) -> int:
        return len(self.mu)


@dataclass
class PairProgram:
    """A program with pairs; see the module's text.

    Attributes
    ----------
    program
        The program without complementarity.
    pairs
        Its pairs.
    quadratic_rows
        {row: symmetric Q}: 1/2 z'Qz is added to that row.
    is_dual
        Mask of the columns that are duals of a lower level, shape (n,).
    state
        What is known of each pair beforehand: FREE, TIGHT or OFF, shape (K,).
    upper_rows
        The first of A's rows, those of the upper level.
    """

    program: Program
    pairs: Pairs
    is_dual: np.ndarray
    quadratic_rows: dict[int, sp.csr_matrix] = field(default_factory=dict)
    state: np.ndarray = None  # type: ignore[assignment]  # filled in __post_init__
    upper_rows: int = 0

    def __post_init__(self):
        if self.state is None:
            self.state = np.zeros(len(self.pairs), dtype=np.int8)

    def slack_rows(self) -> tuple[sp.csr_matrix, np.ndarray]:
        """(S, s0): the slacks as S z + s0, shapes (K, n) and (K,)."""
        program, pairs = self.program, self.pairs
        rows, columns = np.flatnonzero(pairs.of_row), np.flatnonzero(~pairs.of_row)
        n = len(program.c)
        unit = sp.csr_matrix(
            (np.ones(len(columns)), (np.arange(len(columns)), pairs.index[columns])),
            shape=(len(columns), n))
        stacked = sp.vstack([program.A[pairs.index[rows]], unit], format="csr")
        order = np.empty(len(pairs), dtype=int)
        order[np.concatenate([rows, columns])] = np.arange(len(pairs))
        sign = np.where(pairs.is_lower, 1.0, -1.0)
        S = sp.diags(sign) @ stacked[order]
        return S.tocsr(), -sign * self.limits()

    def limits(self) -> np.ndarray:
        """The side of the row, or the bound, that each slack is the distance to; shape (K,)."""
        program, pairs = self.program, self.pairs
        found = np.empty(len(pairs))
        for of_row, low, high in ((True, program.lo, program.hi), (False, program.lb, program.ub)):
            mine = pairs.of_row == of_row
            at = pairs.index[mine]
            found[mine] = np.where(pairs.is_lower[mine], low[at], high[at])
        return found

    def limits_at(self, state: np.ndarray) -> tuple[np.ndarray, ...]:
        """Limits of rows and columns where some pairs are fixed.

        Parameters
        ----------
        state
            FREE, TIGHT or OFF of each pair, shape (K,).

        Returns
        -------
        tuple
            (lo, hi, lb, ub); a low limit above the high one where pairs contradict each other.
        """
        program, pairs = self.program, self.pairs
        lo, hi, lb, ub = (v.copy() for v in (program.lo, program.hi, program.lb, program.ub))
        tight = state == TIGHT
        for of_row, low, high in ((True, lo, hi), (False, lb, ub)):
            own = (program.lo, program.hi) if of_row else (program.lb, program.ub)
            for is_lower, moved, to in ((True, high, own[0]), (False, low, own[1])):
                at = pairs.index[tight & (pairs.of_row == of_row) & (pairs.is_lower == is_lower)]
                moved[at] = to[at]
        ub[pairs.mu[state == OFF]] = 0.0
        return lo, hi, lb, ub

    def quadratic_rows_hold(self, z: np.ndarray) -> bool:
        """Whether a point, shape (n,), obeys the quadratic rows."""
        program = self.program
        for row, Q in self.quadratic_rows.items():
            value = float((program.A[row] @ z)[0] + 0.5 * z @ (Q @ z))
            room = ROW_HOLDS * (1.0 + abs(value))
            if value < program.lo[row] - room or value > program.hi[row] + room:
                return False
        return True
