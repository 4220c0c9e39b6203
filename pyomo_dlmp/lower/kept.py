"""A compiled lower level that follows its model: only what changed is read again.

- nothing: the same arrays and the same solver;
- numbers (mutable Params, values of fixed Vars, bounds): rows and objective stay polynomials of
  these (`lower.polynomials`), which are evaluated again; matrices that did not change are the same
  objects, so that whoever factorised one need not do it again;
- structure (a row, an expression, a Var fixed or freed): compiled anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.lower.form import LowerForm, check_convex, compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt, renewed_kkt
from pyomo_dlmp.lower.leaves import Leaves
from pyomo_dlmp.lower.polynomials import ObjectivePolynomial, RowPolynomials
from pyomo_dlmp.lower.solver import LowerSolver, same_places
from pyomo_dlmp.lower.terms import NoPolynomial
from pyomo_dlmp.numerics.components import component_labels

# what is the same in both forms
_KEPT = ("names_x", "names_row", "row_number", "column_number")
NOTHING, NUMBERS, STRUCTURE = "nothing", "numbers", "structure"


class KeptLower:
    """A lower level, compiled, with its solver; `update` before each use.

    Parameters
    ----------
    block
        A LowerLevel, which is compiled.

    Attributes
    ----------
    kkt : KktSystem
        Its arrays at the last `update`. It is never changed in place: after a change of numbers it
        is another one, which shares with the last (as the same objects) the matrices of rows
        ``form.A, form.B, A_eq, B_eq, S, T`` where no coefficient of a row changed, ``form.Q`` and
        ``form.D`` where none of the objective did, and always ``form.x, form.u, form.rows``.

    Raises
    ------
    ModelError
        It is not a convex LP or QP.
    """

    def __init__(self, block: Any):
        self.block = block
        self.kkt: KktSystem
        self._solver: LowerSolver | None
        self._leaves: Leaves | None
        self._rows: RowPolynomials | None
        self._objective: ObjectivePolynomial | None
        self._compile()

    @property
    def solver(self) -> LowerSolver:
        """Of `kkt`; made at first use, and after a change of numbers from the last one."""
        if self._solver is None:
            self._solver = LowerSolver(self.kkt)
        elif self._solver.kkt is not self.kkt:
            self._solver = self._solver.renewed(self.kkt)
        return self._solver

    def keep(self, solver: LowerSolver) -> None:
        """Take a solver that was made of `kkt` elsewhere."""
        self._solver = solver

    def update(self) -> str:
        """Find out what changed since the last call, and follow.

        Returns
        -------
        str
            "nothing", "numbers" or "structure": what changed.

        Raises
        ------
        ModelError
            It is no longer a convex LP or QP; it stays out of date then, and is compiled anew at
            the next call.
        """
        if self._leaves is None or not self._leaves.same_structure():
            self._compile()
            return STRUCTURE
        leaves, self._leaves = self._leaves, None  # whatever goes wrong now is compiled anew
        moved, bounded = leaves.changed()
        if not (moved or bounded):
            self._leaves = leaves
            return NOTHING
        try:
            changes = self._bounds(bounded) if bounded else {}
            if moved:
                changes |= self._numbers(leaves)
        except NoPolynomial:
            self._compile()
            return STRUCTURE
        self._leaves = leaves
        if not changes:
            return NOTHING
        form = self.kkt.form
        new = renewed_form(form, changes)
        if new.Q is not form.Q:
            self._leaves = None
            check_convex(_changed_blocks(form.Q, new.Q) * new.sense, new, new.objective.name)
            self._leaves = leaves
        self.kkt = renewed_kkt(self.kkt, new)
        return NUMBERS

    def _compile(self) -> None:
        self._leaves = self._rows = self._objective = self._solver = None
        with PauseGC():
            form = compile_lower(self.block)
            self.kkt, leaves = build_kkt(form), Leaves(self.block)
            try:  # from the start, so that what does not change later is the same to the last bit
                changes = self._numbers(leaves)
            except NoPolynomial:
                changes = {}
            if changes:
                self.kkt = build_kkt(renewed_form(form, changes))
            self._leaves = leaves

    # ------------------------------------------------------------------ what is read again

    def _bounds(self, bounded: list) -> dict[str, np.ndarray]:
        """lb and ub, where they changed."""
        form = self.kkt.form
        found = [(j, var) for var in bounded if (j := form.column_number.get(var)) is not None]
        places = [j for j, _ in found]
        sides = bounds_of(var for _, var in found)
        changes = {}
        for key, old, new in zip(("lb", "ub"), (form.lb, form.ub), sides, strict=True):
            if not np.array_equal(old[places], new):
                changes[key] = old.copy()
                changes[key][places] = new
        return changes

    def _numbers(self, leaves: Leaves) -> dict[str, Any]:
        """Arrays of rows and objective that changed; NoPolynomial where it must be compiled."""
        form = self.kkt.form
        changes: dict[str, Any] = {}
        with PauseGC():
            if leaves.moving_rows:
                changes |= self._read_rows(leaves)
            if not (leaves.moving_objective or changes.keys() & {"A", "B"}):
                return changes
            if self._objective is None:
                self._objective = ObjectivePolynomial(
                    leaves.objectives[0].expr, self._columns(), len(form.x))
            Q, c, D, used = self._objective.values()
        A, B = changes.get("A", form.A), changes.get("B", form.B)
        used[np.r_[A.indices, len(form.x) + B.indices]] = True
        if not used.all():
            raise NoPolynomial  # a Var stands nowhere now: compiled anew it is left out
        if self._objective.moving_quadratic:
            changes |= {key: new for key, old, new in (("Q", form.Q, Q), ("D", form.D, D))
                        if not same_matrix(old, new)}
        if not np.array_equal(form.c, c):
            changes["c"] = c
        return changes

    def _columns(self) -> dict[int, int]:
        form = self.kkt.form
        return {id(var): i for i, var in enumerate([*form.x, *form.u])}

    def _read_rows(self, leaves: Leaves) -> dict[str, Any]:
        form, places = self.kkt.form, np.array(leaves.moving_rows)
        if self._rows is None:
            self._rows = RowPolynomials((leaves.rows[i] for i in places), self._columns())
        read, low, high = self._rows.values()
        changes: dict[str, Any] = {}
        for key, old, new in (("lo", form.lo, low), ("hi", form.hi, high)):
            if not np.array_equal(old[places], new):
                changes[key] = old.copy()
                changes[key][places] = new
        if self._rows.moving_matrix:
            changes |= _placed(form, read, places)
        return changes


def renewed_form(form: LowerForm, changes: Mapping[str, Any]) -> LowerForm:
    """A form with other numbers of the same Vars and rows.

    Parameters
    ----------
    form : LowerForm
        It stays as it is.
    changes : mapping
        {name of an array: the new one}.

    Returns
    -------
    LowerForm
    """
    new = replace(form, **changes)
    new.__dict__.update({key: form.__dict__[key] for key in _KEPT if key in form.__dict__})
    return new


def _changed_blocks(old: sp.csr_matrix, new: sp.csr_matrix) -> sp.csr_matrix:
    """Of a symmetric matrix the connected blocks that hold other numbers than those of another."""
    if not same_places(old, new):
        return new
    label = component_labels(new)[0]
    row = np.repeat(np.arange(len(label)), np.diff(new.indptr))
    touched = np.zeros(len(label), dtype=bool)
    touched[label[row[new.data != old.data]]] = True
    here = touched[label[row]]
    return sp.csr_matrix((new.data[here], (row[here], new.indices[here])), shape=new.shape)


def _placed(form: LowerForm, read: sp.csr_matrix, places: np.ndarray) -> dict[str, sp.csr_matrix]:
    """A and B with rows that were read, of those that changed."""
    n, order = len(form.x), np.arange(len(form.rows))
    order[places] = len(form.rows) + np.arange(len(places))
    read.sort_indices()
    changes = {}
    for key, old, new in (("A", form.A, read[:, :n]), ("B", form.B, read[:, n:])):
        if not same_matrix(old[places], new):
            changes[key] = sp.vstack([old, new], format="csr")[order]
    return changes


def same_matrix(one: sp.csr_matrix, other: sp.csr_matrix) -> bool:
    """Whether two matrices with sorted indices are equal."""
    return one is other or (
        one.shape == other.shape and np.array_equal(one.indptr, other.indptr)
        and np.array_equal(one.indices, other.indices) and np.array_equal(one.data, other.data))
