"""A mixed-integer quadratic program as sparse arrays.

    min  c'z + 1/2 z'Qz + constant    s.t.  lo <= A z <= hi,   lb <= z <= ub,   some z integer

A maximisation is stored as the minimisation of its negative (`sign` = -1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.numbering import Numbering


@dataclass(kw_only=True)
class Program:
    """The arrays, and what their columns and rows stand for; n columns, m rows.

    Attributes
    ----------
    A, lo, hi
        Rows, shapes (m, n), (m,), (m,); infinite limits where there is none.
    lb, ub
        Bounds of the columns, shape (n,).
    c, Q, constant
        Objective, shapes (n,), (n, n) symmetric; left out: zero.
    integer
        Mask of integer columns, shape (n,); left out: none.
    sign
        -1 where the minimisation is the negative of the user's maximisation, else 1.
    columns, rows
        What they stand for (VarData, ConstraintData; None for rows made on the way).
    """

    A: sp.csr_matrix
    lo: np.ndarray
    hi: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    c: np.ndarray = None  # type: ignore[assignment]  # filled in __post_init__
    Q: sp.csr_matrix = None
    constant: float = 0.0
    integer: np.ndarray = None  # type: ignore[assignment]
    sign: int = 1
    columns: Sequence[Any] = None  # type: ignore[assignment]
    rows: Sequence[Any] = None  # type: ignore[assignment]

    def __post_init__(self):
        m, n = self.A.shape
        self.c = np.zeros(n) if self.c is None else self.c
        self.Q = sp.csr_matrix((n, n)) if self.Q is None else self.Q
        self.integer = np.zeros(n, dtype=bool) if self.integer is None else self.integer
        self.columns = range(n) if self.columns is None else self.columns
        self.rows = [None] * m if self.rows is None else self.rows

    @cached_property
    def place(self) -> Numbering:
        """Number of a column by what it stands for."""
        return Numbering(self.columns)

    def value(self, z: np.ndarray) -> float:
        """Objective of the minimisation at a point of shape (n,)."""
        return float(self.c @ z + 0.5 * z @ (self.Q @ z) + self.constant)

    def holds(self, z: np.ndarray, room: float) -> bool:
        """Whether a point satisfies rows, bounds and integrality.

        Parameters
        ----------
        z
            Shape (n,).
        room
            Tolerance, relative to 1 + |activity of the row| or 1 + |z|; absolute for integrality.

        Returns
        -------
        bool
        """
        activity = self.A @ z
        of_rows, of_columns = room * (1.0 + np.abs(activity)), room * (1.0 + np.abs(z))
        whole = z[self.integer]
        return bool(
            (activity >= self.lo - of_rows).all() and (activity <= self.hi + of_rows).all()
            and (z >= self.lb - of_columns).all() and (z <= self.ub + of_columns).all()
            and (np.abs(whole - np.round(whole)) <= room).all())

    def relaxed(self) -> Program:
        """The same program without integrality."""
        return replace(self, integer=np.zeros(len(self.c), dtype=bool))

    def restrict(self, columns: np.ndarray, rows: np.ndarray) -> Program:
        """The program of some columns and rows alone, without the constant.

        Parameters
        ----------
        columns, rows
            Their numbers, in the order that they will have.

        Returns
        -------
        Program
        """
        return Program(
            A=self.A[rows][:, columns], lo=self.lo[rows], hi=self.hi[rows], lb=self.lb[columns],
            ub=self.ub[columns], c=self.c[columns], Q=self.Q[columns][:, columns],
            integer=self.integer[columns], columns=[self.columns[j] for j in columns],
            rows=[self.rows[i] for i in rows])
