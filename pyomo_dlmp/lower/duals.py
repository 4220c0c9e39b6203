"""`DualMap`: where each dual of a lower level stands, and its sign.

The system of `kkt_system` has y, the duals of equality rows, and one multiplier mu >= 0 for each
side of an inequality row and each finite bound (a *pair*). With sigma = +1 where the lower level
minimises and -1 where it maximises, the dual as the user reads it is

    equality row         y
    inequality row       sigma (mu of its lower side - mu of its upper side)
    lower bound of a Var    sigma mu,      upper bound   - sigma mu

which is the derivative of the lower objective by the right-hand side of the row *as stated*, the
sign of Pyomo's ``dual`` Suffix after solving the lower level alone:

| sense | row              | sign of the dual            |
|-------|------------------|-----------------------------|
| min   | body == rhs      | free                        |
| min   | body >= rhs      | >= 0                        |
| min   | body <= rhs      | <= 0                        |
| max   | body == rhs      | free                        |
| max   | body >= rhs      | <= 0                        |
| max   | body <= rhs      | >= 0                        |
| both  | lo <= body <= hi | sign of the side that binds |

Bounds of Vars follow the same rule, one dual for each side (the reduced cost is their sum).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap

from pyomo_dlmp.bilevel import dual_vars_of
from pyomo_dlmp.lower.form import LowerForm

Terms = list[tuple[int, float]]
"""[(column of (y, mu), sign)]: a dual is the sum of sign x multiplier; empty: always zero."""


@dataclass(frozen=True)
class AskedDual:
    """A Var that the user got from `dual_of`.

    Attributes
    ----------
    var
        The VarData.
    owner, bound
        The row (bound None), or the Var and which of its bounds, "lower" or "upper".
    row
        Number of the row in the form; None for a bound, and for a row that is not in the form.
    known
        Whether the owner is in the form (an active row, a decision of the lower level) and has a
        lower-level Var.
    terms
        Where the dual stands.
    """

    var: Any
    owner: Any
    bound: str | None
    row: int | None
    known: bool
    terms: Terms


class DualMap:
    """Maps rows and bounds of a compiled lower level to (y, mu), the user's dual Vars and the sign.

    Parameters
    ----------
    form
        The compiled lower level.
    equality_rows
        Numbers of the rows that y belongs to, shape (e,).
    is_row, is_lower, index
        Of each pair: whether it belongs to a row (else to a bound), to the lower side (else to
        the upper), and the number of the row or column. Shape (pairs,).
    """

    def __init__(self, form: LowerForm, equality_rows: np.ndarray, is_row: np.ndarray,
                 is_lower: np.ndarray, index: np.ndarray):
        self.form, self.equality_rows = form, equality_rows
        self.pairs = len(index)
        self.sign = form.sense * np.where(is_lower, 1.0, -1.0)
        self._is_row, self._index = is_row, index
        self._equality = np.full(len(form.rows), -1)
        self._equality[equality_rows] = np.arange(len(equality_rows))
        self._keys: list | None = None  # of the rows in a Suffix
        self._asked: tuple[int, list[AskedDual]] | None = None  # when there were so many
        # pair of each (row or bound, side), -1 where there is none
        self._pair = {}
        for of_row, count in ((True, len(form.rows)), (False, len(form.x))):
            for lower in (True, False):
                mine = np.flatnonzero((is_row == of_row) & (is_lower == lower))
                self._pair[of_row, lower] = np.full(count, -1)
                self._pair[of_row, lower][index[mine]] = mine

    # ------------------------------------------------------------------ where a dual stands

    def equality_of(self, row: int) -> int | None:
        """Number of a row among the equality rows; None for an inequality."""
        k = int(self._equality[row])
        return None if k < 0 else k

    def pair_of(self, number: int, side: str, of_row: bool) -> int | None:
        """The pair of one side of a row or of a column's bounds.

        Parameters
        ----------
        number
            Of the row or column in the form.
        side
            "lower" or "upper".
        of_row
            Whether it is a row.

        Returns
        -------
        int or None
            None where that side has no finite limit.
        """
        pair = int(self._pair[of_row, side == "lower"][number])
        return None if pair < 0 else pair

    def pairs_of(self, number: int, of_row: bool) -> list[int]:
        """The pairs of a row, or of a column's bounds: up to two."""
        found = (self.pair_of(number, side, of_row) for side in ("lower", "upper"))
        return [pair for pair in found if pair is not None]

    def terms_of_row(self, row: int) -> Terms:
        """Where the dual of a row stands in (y, mu); see `Terms`."""
        k = self.equality_of(row)
        if k is not None:
            return [(k, 1.0)]
        return self._signed(self.pairs_of(row, of_row=True))

    def terms_of_bound(self, column: int, side: str) -> Terms:
        """Where the dual of a column's "lower" or "upper" bound stands in (y, mu); see `Terms`."""
        pair = self.pair_of(column, side, of_row=False)
        return [] if pair is None else self._signed([pair])

    def _signed(self, pairs: list[int]) -> Terms:
        first = len(self.equality_rows)
        return [(first + p, float(self.sign[p])) for p in pairs]

    # ------------------------------------------------------------------ the user's dual Vars

    def asked(self) -> list[AskedDual]:
        """Every VarData that `dual_of` gave for this lower level."""
        count = sum(len(dual) for *_, dual in dual_vars_of(self.form.block))
        if self._asked is None or self._asked[0] != count:  # they are only ever added
            self._asked = count, list(self._look_up())
        return self._asked[1]

    def _look_up(self) -> Iterator[AskedDual]:
        form, has_x = self.form, np.diff(self.form.A.indptr) > 0
        for component, bound, dual in dual_vars_of(form.block):
            for key, var in dual.items():
                owner = component[key]
                if bound is None:
                    row = form.row_number.get(owner)
                    terms = [] if row is None else self.terms_of_row(row)
                    known = row is not None and bool(has_x[row])
                    yield AskedDual(var, owner, None, row, known, terms)
                else:
                    column = form.column_number.get(owner)
                    terms = [] if column is None else self.terms_of_bound(column, bound)
                    yield AskedDual(var, owner, bound, None, column is not None, terms)

    def equality_vars(self) -> list:
        """The user's dual Var of each equality row, None where `dual_of` was not called for it."""
        found: list = [None] * len(self.equality_rows)
        for entry in self.asked():
            if entry.row is not None and (k := self.equality_of(entry.row)) is not None:
                found[k] = entry.var
        return found

    # ------------------------------------------------------------------------------- values

    def row_duals(self, y: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """Duals of all rows of the form.

        Parameters
        ----------
        y, mu
            Duals of equality rows and multipliers of pairs, shapes (e,) and (pairs,).

        Returns
        -------
        np.ndarray
            In the user's sign, shape (rows,).
        """
        duals = np.zeros(len(self.form.rows))
        duals[self.equality_rows] = y
        np.add.at(duals, self._index[self._is_row], (self.sign * mu)[self._is_row])
        return duals

    def from_row_duals(self, row_duals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(y, mu) from the duals of rows; multipliers of bounds are zero.

        Parameters
        ----------
        row_duals
            In the user's sign, shape (rows,); of a wrong sign they count as zero in mu.

        Returns
        -------
        tuple
            (y, mu), shapes (e,) and (pairs,).
        """
        value = np.zeros(self.pairs)
        value[self._is_row] = self.sign[self._is_row] * row_duals[self._index[self._is_row]]
        return row_duals[self.equality_rows], np.maximum(value, 0.0)

    def load(self, y: np.ndarray, mu: np.ndarray) -> None:
        """Write duals into the LowerLevel's `dual` Suffix and onto the user's dual Vars.

        Parameters
        ----------
        y, mu
            Shapes (e,) and (pairs,).
        """
        block = self.form.block
        if block.component("dual") is None:
            block.add_component("dual", pyo.Suffix(direction=pyo.Suffix.IMPORT))
        if self._keys is None:
            self._keys = list(ComponentMap((row, 0.0) for row in self.form.rows)._dict)
        # all at once: one after another they take three times as long
        block.component("dual")._dict.update(zip(self._keys, zip(
            self.form.rows, self.row_duals(y, mu).tolist(), strict=True), strict=True))
        self.load_asked(y, mu)

    def load_asked(self, y: np.ndarray, mu: np.ndarray) -> None:
        """Write duals onto the user's dual Vars alone: all that an upper objective reads.

        Parameters
        ----------
        y, mu
            Shapes (e,) and (pairs,).
        """
        both = np.concatenate([y, mu])
        for entry in self.asked():
            if entry.known:
                value = sum(sign * both[column] for column, sign in entry.terms)
                entry.var.set_value(float(value), skip_validation=True)
