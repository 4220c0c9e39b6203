"""A single-level Pyomo model as sparse arrays: the hand-over to the embedded solver.

    min  c'z + 1/2 z'Qz + constant    s.t.  lo <= A z <= hi,   lb <= z <= ub,   some z integer

A maximisation is stored as the minimisation of its negative (`sign` = -1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp

from pyomo_dlmp.bilevel.components import statements
from pyomo_dlmp.bilevel.quadratics import QuadraticParts, quadratic_parts
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.form import LowerForm
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.transform.record import SingleLevel
from pyomo_dlmp.transform.rows import Rows


def compile_program(model: Any, record: SingleLevel | None = None,
                    forms: Iterable[LowerForm] = ()) -> Program:
    """Compile a model with linear rows and a linear or quadratic objective.

    Parameters
    ----------
    model
        A Pyomo model with one active objective.
    record
        Of `dlmp.single_level`, where the model is one: its rows that are arrays are taken as they
        are, and bounds of multipliers that follow from the rows are left out.
    forms
        Lower levels that have been compiled: their rows are not read again.

    Returns
    -------
    Program
        Its columns are the VarData in use, its rows the active ConstraintData, or what stands for
        them (`transform.rows`).

    Raises
    ------
    ModelError
        A row is not linear, there are SOS sets, Disjunctions or the like, or not one active
        objective.
    """
    for step, components in statements(model).items():
        raise ModelError.at(
            components[0].name, f"is a {components[0].ctype.__name__}, which HiGHS does not take",
            "Use a complementarity mode without it, or a solver with SOS1." if step == "sos" else
            f"Apply TransformationFactory('{step}') to the model first.")
    parts, sign = _goal(model, record)
    lowers = record.lowers if record is not None else []
    found = _Rows()
    if record is not None and record.as_arrays:
        forms = [lower.kkt.form for lower in lowers]
    for form in forms:
        found.take(Rows("", list, [(form.A, form.x), (form.B, form.u)],
                        np.zeros(len(form.rows)), form.lo, form.hi, form.rows))
    for rows in (rows for lower in lowers for rows in lower.writer.kept()):
        found.take(rows)
    for con in model.component_data_objects(pyo.Constraint, active=True, descend_into=pyo.Block):
        found.read(con)
    for vid, var in parts.var_map.items():
        found.place_of(vid, var)
    return found.program(parts, sign, [v for lower in lowers for v in lower.implied])


def _goal(model: Any, record: SingleLevel | None) -> tuple[QuadraticParts, int]:
    """(the objective's terms, +1 where it is minimised, else -1)."""
    if record is not None and record.goal is not None:
        return record.goal, 1 if record.original.sense == pyo.minimize else -1
    objectives = list(model.component_data_objects(pyo.Objective, active=True))
    if len(objectives) != 1:
        raise ModelError.at(
            model.name, f"has {len(objectives)} active objectives",
            "Apply dlmp.single_level to a bilevel model first; keep one objective.")
    objective = objectives[0]
    return (quadratic_parts(objective.expr, objective.name),
            1 if objective.sense == pyo.minimize else -1)


class _Rows:
    """Rows over columns that are numbered as they come."""

    def __init__(self):
        self.reader = RowReader()
        self.columns: list = []
        self.place: dict[int, int] = {}
        self.rows: list = []
        self.lo: list = []
        self.hi: list = []
        self.entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # (row, column, value)
        self.taken: set[int] = set()
        self._lists: dict[int, tuple[list, np.ndarray]] = {}
        self._i: list[int] = []
        self._j: list[int] = []
        self._v: list[float] = []

    def place_of(self, vid: int, var: Any) -> int:
        """Number of a Var's column."""
        if vid not in self.place:
            self.place[vid] = len(self.columns)
            self.columns.append(var)
        return self.place[vid]

    def _places(self, variables: list) -> np.ndarray:
        """Numbers of the columns of a list, which most often comes again."""
        if id(variables) not in self._lists:
            at = np.fromiter((self.place_of(id(v), v) for v in variables), int, len(variables))
            self._lists[id(variables)] = variables, at
        return self._lists[id(variables)][1]

    def take(self, rows: Rows) -> None:
        """Rows that are arrays."""
        limits.check()
        constant = rows.constant.copy()
        for M, variables in rows.parts:
            at, part = self._places(variables), M.tocoo()
            fixed = [k for k, v in enumerate(variables) if v.fixed]
            value = part.data
            if fixed:
                held = np.zeros(len(variables), dtype=bool)
                held[fixed] = True
                known = np.array([float(v.value) if v.fixed else 0.0 for v in variables])
                constant += M @ known
                value = np.where(held[part.col], 0.0, value)
            self.entries.append((part.row + len(self.rows), at[part.col], value))
        self.lo += (rows.lo - constant).tolist()
        self.hi += (rows.hi - constant).tolist()
        of = list(rows.of or ())
        self.rows += of
        self.taken.update(map(id, of))

    def read(self, con: Any) -> None:
        """A Pyomo row, where it is not one of those taken."""
        if id(con) in self.taken:
            return
        limits.check()
        read = self.reader.read(con)
        if read is None:
            raise ModelError.at(
                con.name, "is not linear",
                "Linearise products (dlmp.mccormick, dlmp.binary_expansion) or use a solver "
                "that takes quadratic rows.")
        terms, lo, hi = read
        for vid, value in terms.items():
            self._i.append(len(self.rows))
            self._j.append(self.place_of(vid, self.reader.var_map[vid]))
            self._v.append(value)
        self.rows.append(con)
        self.lo.append(lo)
        self.hi.append(hi)

    def program(self, parts: QuadraticParts, sign: int, implied: Iterable) -> Program:
        """The program; columns that nothing uses are left out."""
        i, j, v = (np.concatenate([np.asarray(own, dtype=kind), *(e[k] for e in self.entries)])
                   for k, (own, kind) in enumerate(
                       ((self._i, int), (self._j, int), (self._v, float))))
        n = len(self.columns)
        A = sp.coo_matrix((v, (i, j)), shape=(len(self.rows), n)).tocsr()
        A.eliminate_zeros()
        c = np.zeros(n)
        used = np.zeros(n, dtype=bool)
        used[A.indices] = True
        for vid, value in parts.linear.items():
            c[self.place[vid]] = value
            used[self.place[vid]] = True
        quad = []
        for (one, other), value in parts.quadratic.items():
            a, b = self.place[one], self.place[other]
            used[a] = used[b] = True
            quad += [(a, b, value), (b, a, value)]
        kept = np.flatnonzero(used)
        columns = [self.columns[k] for k in kept]
        lb, ub = bounds_of(columns)
        drop = np.isin(kept, [self.place[id(var)] for var in implied if id(var) in self.place])
        lb[drop], ub[drop] = -np.inf, np.inf
        return Program(
            A=A[:, kept], lo=np.array(self.lo, dtype=float), hi=np.array(self.hi, dtype=float),
            lb=lb, ub=ub, c=sign * c[kept], Q=sign * csr_of(quad, (n, n))[kept][:, kept],
            constant=sign * float(parts.constant),
            integer=np.array([not var.is_continuous() for var in columns], dtype=bool), sign=sign,
            columns=columns, rows=self.rows)
