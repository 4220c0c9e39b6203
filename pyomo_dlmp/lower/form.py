"""Compile a LowerLevel block once into sparse rows.

    sense  1/2 x'Qx + (c + D u)'x      s.t.  lo <= A x + B u <= hi,   lb <= x <= ub

x: the lower level's own Vars; u: upper Vars that occur in its rows or objective. Fixed Vars and
mutable Params enter with their current values. Everything that is not of this form is refused by
name, before anything is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.gc_manager import PauseGC
from pyomo.core.base.block import BlockData
from pyomo.repn.quadratic import QuadraticRepnVisitor
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.bilevel import LowerLevelData, dual_vars_of, guard_of
from pyomo_dlmp.bilevel.components import lower_fault, refuse_dual_name, refuse_no_vars
from pyomo_dlmp.bilevel.numbers import without_pyomos_words, wrong_numbers
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.bilevel.sums import SumReader
from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.errors import Fault, ModelError
from pyomo_dlmp.lower.places import Places, ids_of
from pyomo_dlmp.lower.row_table import RowTable
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.components import dense_blocks
from pyomo_dlmp.numerics.numbering import Numbering
from pyomo_dlmp.tolerances import CONVEX

_CHECKED = 100  # rows after which the limits of the call are looked at
_CACHED = 10_000  # named Expressions after which the cache is emptied


@dataclass
class LowerForm:
    """Sparse form of one lower level; see the module's text for the symbols.

    Attributes
    ----------
    block
        The LowerLevel.
    sense
        +1 minimises, -1 maximises.
    x, u, rows
        Its n own VarData, the m upper VarData that it uses, its ConstraintData.
    Q, c, D
        Objective, shapes (n, n) symmetric, (n,), (n, m).
    A, B, lo, hi
        Rows, shapes (rows, n), (rows, m), (rows,), (rows,); equality rows have lo == hi.
    lb, ub
        Bounds of x, shape (n,).
    objective
        The ObjectiveData.
    idle
        Vars whose terms cancel everywhere.
    """

    block: LowerLevelData
    sense: int
    x: list
    u: list
    rows: list
    Q: sp.csr_matrix
    c: np.ndarray
    D: sp.csr_matrix
    A: sp.csr_matrix
    B: sp.csr_matrix
    lo: np.ndarray
    hi: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    objective: Any
    idle: list

    @cached_property
    def names_x(self) -> list[str]:
        """Names of x relative to the block; made at first use, as many thousand take a second."""
        return self._relative(self.x)

    @cached_property
    def names_row(self) -> list[str]:
        """Names of the rows relative to the block."""
        return self._relative(self.rows)

    def _relative(self, components) -> list[str]:
        prefix = self.block.name + "."
        return [component.name.removeprefix(prefix) for component in components]

    @cached_property
    def row_number(self) -> Numbering:
        """Number of a row by its ConstraintData."""
        return Numbering(self.rows)

    @cached_property
    def column_number(self) -> Numbering:
        """Number of a column of x by its VarData."""
        return Numbering(self.x)

    def cost(self, x: np.ndarray, u: np.ndarray) -> float:
        """Lower objective at a point, without its terms in u alone and its constant.

        Parameters
        ----------
        x, u
            Shapes (n,) and (m,).

        Returns
        -------
        float
            In the objective's unit ($), of the user's sense.
        """
        return float(self.c @ x + 0.5 * x @ (self.Q @ x) + x @ (self.D @ u))

    def gradient(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Derivative of the lower objective by x, shape (n,)."""
        return self.Q @ x + self.c + self.D @ u

    @property
    def equality(self) -> np.ndarray:
        """Mask of the rows with lo == hi."""
        return self.lo == self.hi

    def u_box(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the upper Vars, infinite where there is none, shapes (m,), (m,)."""
        return bounds_of(self.u)


def compile_lower(block: LowerLevelData) -> LowerForm:
    """Compile a lower level once; see the module's text.

    Parameters
    ----------
    block
        A LowerLevel, or a model that is a lower level alone (all its Vars are then its own).

    Returns
    -------
    LowerForm

    Raises
    ------
    ModelError
        It is not a convex LP or QP in its own Vars; lists all faults found.
    """
    with PauseGC(), without_pyomos_words():
        return _compile(block)


def _compile(block: LowerLevelData) -> LowerForm:
    found = active_parts(block)
    rows = found[pyo.Constraint]
    if isinstance(block, LowerLevelData):
        refuse_no_vars(block, rows)
        refuse_dual_name(block)
    objective = _the_objective(block, found[pyo.Objective])
    sense = 1 if objective.sense == pyo.minimize else -1
    compiler = Compiler(block)
    compiler.rows(rows)
    quad, lin = compiler.objective(objective)
    if compiler.faults:
        raise ModelError(compiler.faults)
    return compiler.form(rows, quad, lin, objective, sense)


def active_parts(block: BlockData) -> dict[type, list]:
    """Active rows and objectives of a lower level, in one walk.

    Parameters
    ----------
    block
        As of `compile_lower`.

    Returns
    -------
    dict
        {pyo.Constraint: [ConstraintData], pyo.Objective: [ObjectiveData]}, without the guarding row
        of a LowerLevel.

    Raises
    ------
    ModelError
        It has a component that a lower level cannot hold; lists all.
    """
    found: dict[type, list] = {pyo.Constraint: [], pyo.Objective: []}
    guard = guard_of(block)
    for comp in active_components(block):
        found[comp.ctype].extend(
            data for data in comp.values() if data.active and data is not guard)
    return found


def active_components(block: BlockData) -> list:
    """Active Constraints and Objectives of a lower level, as components; see `active_parts`."""
    found, faults = [], []
    for part in block.block_data_objects(active=True, descend_into=pyo.Block):
        for comp in part.component_objects(active=True, descend_into=False):
            if comp.ctype in (pyo.Constraint, pyo.Objective):
                found.append(comp)
            elif (fault := lower_fault(comp)) is not None:
                faults.append(fault)
    if faults:
        raise ModelError(faults)
    return found


def _the_objective(block: BlockData, found: list):
    if len(found) == 1:
        return found[0]
    what = "has no active objective" if not found else (
        "has several active objectives: " + ", ".join(o.name for o in found))
    raise ModelError.at(block.name, what, "A lower level needs exactly one active Objective.")


class Compiler:
    """Walks rows and objective with shared variable maps."""

    def __init__(self, block: LowerLevelData):
        self.block = block
        # a model that is not a LowerLevel has no upper level: every Var is its own
        self.is_upper = getattr(block, "is_upper", lambda var: False)
        self.faults: list[Fault] = []
        self.var_map: dict = {}
        recorder = OrderedVarRecorder(self.var_map, {}, None)
        self.cache: dict = {}  # of named Expressions, most of which stand in one row only
        self.linear = RowReader(recorder, self.cache)
        self.sums = SumReader(recorder)
        self.table = table = RowTable(recorder, self._row)
        self.ids, self.values, self.ends = table.ids, table.values, table.ends
        self.lo, self.hi = table.lo, table.hi
        self.quadratic = QuadraticRepnVisitor({}, var_recorder=recorder)

    def row(self, con) -> None:
        """Take a linear row; a fault for any other."""
        coefs, lo, hi = self._row(con)
        if len(self.cache) > _CACHED:
            self.cache.clear()
        self.table.add(coefs, lo, hi)

    def rows(self, found) -> None:
        """Take all rows; those that are weighted sums many at a time."""
        for i, con in enumerate(found):
            if i % _CHECKED == 0:
                limits.check()
            if not self.table.take(con):
                self.table.settle()
                self.row(con)
        self.table.settle()

    def _row(self, con):
        """(coefficients by id(var), lo, hi)."""
        if type(con).__name__.startswith("Template"):
            self.faults.append(Fault(
                con.name, "is a templatized row, which has no expression of its own",
                "Build the model without Pyomo's TEMPLATIZE_CONSTRAINTS."))
            return {}, -np.inf, np.inf
        try:
            read = self.linear.read(con)
        except ModelError as err:
            self.faults += err.faults
            return {}, -np.inf, np.inf
        if read is None:
            self._refuse_nonlinear(con)
            return {}, -np.inf, np.inf
        return read

    def _refuse_nonlinear(self, con) -> None:
        repn = self.quadratic.walk_expression(con.body)
        pairs = [(self.var_map[i], self.var_map[j]) for i, j in (repn.quadratic or {})]
        mixed = [p for p in pairs if self.is_upper(p[0]) != self.is_upper(p[1])]
        if repn.nonlinear is None and mixed and len(mixed) == len(pairs):
            upper, lower = sorted(mixed[0], key=lambda v: not self.is_upper(v))
            self.faults.append(Fault(
                con.name, f"multiplies the upper Var '{upper.name}' by the lower Var '{lower.name}'"
                " (an upper Var in the lower matrix)",
                "Upper Vars may stand in right-hand sides and in the objective only.",
            ))
        else:
            self.faults.append(Fault(
                con.name, "is not linear",
                "Rows of a lower level are linear: use polygons or envelopes.",
            ))

    def objective(self, objective):
        """(quadratic, linear) coefficient dicts of the lower objective."""
        plain = self.sums.quadratic(objective.expr)
        if plain is not None:
            return plain[0], plain[1]
        self.faults += wrong_numbers(objective.name, [objective.expr])
        if self.faults:
            return {}, {}
        repn = self.quadratic.walk_expression(objective.expr)
        if repn.nonlinear is not None:
            self.faults.append(Fault(
                objective.name, "is neither linear nor quadratic",
                "A lower objective is a convex quadratic: replace other terms by linear pieces.",
            ))
        return repn.quadratic or {}, repn.linear

    def form(self, rows, quad, lin, objective, sense) -> LowerForm:
        ids = np.array(self.ids)
        pairs = ids_of(vid for pair in quad for vid in pair)
        place = Places(self.block, self.var_map, np.concatenate([ids, ids_of(lin), pairs]))
        x, u = place.x, place.u
        self._check_columns(x, u)
        A, B = _split_rows(place.of(ids), self.values, self.ends, len(x), len(u))
        Q, D = place.quadratic(quad)
        c = place.linear(lin)
        lb, ub = bounds_of(x)
        form = LowerForm(
            self.block, sense, x, u, rows, Q, c, D, A, B,
            np.array(self.lo), np.array(self.hi), lb, ub, objective, place.idle,
        )
        check_convex(form.Q * sense, form, objective.name)
        return form

    def _check_columns(self, x, u) -> None:
        bounds_of(u)  # refuses a NaN, as that of x does
        duals = {id(d) for _, _, var in dual_vars_of(self.block) for d in var.values()}
        for var in x:
            if not var.is_continuous():
                self.faults.append(Fault(
                    var.name, f"is {var.domain} in a lower level",
                    "A lower level is continuous: relax it, or declare_upper it.",
                ))
            if id(var) in duals:
                self.faults.append(Fault(
                    var.name, "is a dual of this lower level used in its own rows or objective",
                    "Duals may be used in the upper level only.",
                ))
        if self.faults:
            raise ModelError(self.faults)


def _split_rows(columns, values, ends, n, m):
    """(A, B) from one matrix, in which the columns of u stand behind those of x."""
    both = sp.csr_matrix((np.array(values), columns, np.array(ends)), shape=(len(ends) - 1, n + m))
    both.eliminate_zeros()
    both.sort_indices()
    return both[:, :n], both[:, n:]


def check_convex(Q: sp.csr_matrix, form: LowerForm, where: str) -> None:
    """Check that a symmetric matrix is positive semidefinite, block by connected block.

    Parameters
    ----------
    Q
        Of the minimisation, shape (n, n).
    form
        The lower level, for the names in the error.
    where
        What the error names as the element at fault.

    Raises
    ------
    ModelError
        An eigenvalue is negative, relative to its block; names Vars of the block.
    """
    for group, dense in dense_blocks(Q):
        least = np.linalg.eigvalsh(dense)[:, 0]
        bad = np.flatnonzero(least < -CONVEX * np.maximum(1.0, np.abs(dense).max(axis=(1, 2))))
        if len(bad):
            members = group[bad[0]]
            listed = ", ".join(form.names_x[i] for i in members[:4])
            listed += " ..." if len(members) > 4 else ""
            raise ModelError.at(
                where, f"is not convex in {listed} (least eigenvalue {least[bad[0]]:.3g})",
                "A lower level needs a convex objective (concave when it maximises).",
            )
