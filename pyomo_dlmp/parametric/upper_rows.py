"""The upper level's own rows and linear objective, as a program over its Vars."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.bilevel.values import bounds_of, is_free
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.boxes import propagate
from pyomo_dlmp.numerics.numbering import Numbering
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.parametric.condensed import NotExplicit
from pyomo_dlmp.parametric.upper_terms import UpperTerms


def upper_program(upper: UpperTerms, systems: list[KktSystem]) -> Program:
    """The upper Vars, their rows and linear objective, boxes tightened by the rows.

    Parameters
    ----------
    upper
        The upper level's terms and rows.
    systems
        Its compiled lower levels.

    Returns
    -------
    Program

    Raises
    ------
    NotExplicit
        A row is not linear in upper Vars alone, or a dual is fixed or bounded.
    """
    inner = {id(v) for kkt in systems for v in kkt.form.x}
    inner |= {id(dual.var) for kkt in systems for dual in kkt.duals.asked()}
    if any(id(v) in inner for kkt in systems for v in kkt.form.u):
        raise NotExplicit("a lower level uses Vars of another one")
    refuse_held_duals(systems)
    reader = RowReader()
    found = [_read_upper_row(reader, row, inner) for row in upper.rows]
    found += [row for kkt in systems for row in _rows_without_x(kkt)]
    var_map = {**upper.var_map, **reader.var_map, **{id(v): v for k in systems for v in k.form.u}}
    used = {vid for terms, *_ in found for vid in terms} | set(upper.linear)
    used |= {id(v) for kkt in systems for v in kkt.form.u}
    columns = [var for vid, var in var_map.items() if vid in used and vid not in inner]
    place = Numbering(columns).by_id()
    entries = [(i, place[vid], value) for i, (terms, *_) in enumerate(found)
               for vid, value in terms.items()]
    c = np.zeros(len(columns))
    for vid, coef in upper.linear.items():
        c[place[vid]] = coef
    A = csr_of(entries, (len(found), len(columns)))
    lo, hi = (np.array([row[k] for row in found], dtype=float) for k in (1, 2))
    lb, ub = propagate((A, np.zeros(len(found)), lo, hi), *bounds_of(columns))
    return Program(A=A, lo=lo, hi=hi, lb=lb, ub=ub, c=c, constant=upper.constant,
                   integer=np.array([not v.is_continuous() for v in columns], dtype=bool),
                   columns=columns)


def refuse_held_duals(systems: list[KktSystem]) -> None:
    """NotExplicit where a dual of a lower level is fixed or bounded.

    Parameters
    ----------
    systems
        The compiled lower levels.
    """
    for dual in (dual for kkt in systems for dual in kkt.duals.asked()):
        if dual.var.fixed or not is_free(dual.var):
            raise NotExplicit(f"the dual '{dual.var.name}' is fixed or bounded")


def _rows_without_x(kkt: KktSystem) -> Iterator[tuple[dict[int, float], float, float]]:
    """Rows of a lower level that restrict the upper decisions alone, or nothing at all."""
    form = kkt.form
    for r in np.flatnonzero(np.diff(form.A.indptr) == 0):
        terms = form.B[r]
        yield ({id(form.u[j]): float(value) for j, value in
                zip(terms.indices, terms.data, strict=True)}, form.lo[r], form.hi[r])


def _read_upper_row(reader: RowReader, row, inner: set[int]):
    """An upper row as numbers; NotExplicit where it is not linear in upper Vars alone."""
    read = reader.read(row)
    if read is None:
        raise NotExplicit(f"the upper row '{row.name}' is not linear")
    if any(vid in inner for vid, value in read[0].items() if value):
        raise NotExplicit(f"the upper row '{row.name}' uses Vars or duals of the lower level")
    return read
