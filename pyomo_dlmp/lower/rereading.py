"""Read some rows of a compiled lower level again, after mutable Params in them have changed.

A loop that linearises anew changes few rows of many: those without such Params stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.form import (
    Compiler,
    LowerForm,
    check_convex,
    compile_lower,
    split_quadratic,
)
from pyomo_dlmp.lower.polynomials import RowPolynomials
from pyomo_dlmp.lower.terms import NoPolynomial

# what is the same in both
_KEPT = ("names_x", "names_row", "row_number", "column_number", "row_polynomials")


def reread(form: LowerForm, rows: Iterable[Any], objective: bool = True) -> LowerForm:
    """A form in which rows, the objective and all bounds have their present numbers.

    Parameters
    ----------
    form : LowerForm
        Of `compile_lower`; it stays as it is.
    rows : iterable of ConstraintData
        Those that may have changed; none may have been added or deactivated since.
    objective : bool
        Whether the objective may have changed.

    Returns
    -------
    LowerForm
        With the same Vars and rows in the same order. Where a Var has been fixed or freed, or a
        row has come or gone, it is compiled anew.

    Raises
    ------
    ModelError
        A row or the objective is not of the form of a lower level; lists all faults.
    """
    with PauseGC():
        changed = _reread(form, list(rows), objective)
    return compile_lower(form.block) if changed is None else changed


def _reread(form: LowerForm, rows: list, objective: bool) -> LowerForm | None:
    """None: the form does not hold all that is needed now."""
    places = [form.row_number.get(row) for row in rows]
    if None in places or any(not row.active for row in rows) or any(x.fixed for x in form.x):
        return None
    n = len(form.x)
    column = {id(var): i for i, var in enumerate([*form.x, *form.u])}
    compiler = Compiler(form.block)
    read = _by_polynomials(form, rows, column)
    for row in rows if read is None else ():
        compiler.row(row)
    quad, lin = compiler.objective(form.objective) if objective else ({}, {})
    if compiler.faults:
        raise ModelError(compiler.faults)
    if not set(compiler.ids).union(lin, *quad) <= column.keys():
        return None
    changes = _rows(form, read or _as_read(compiler, column), np.array(places, dtype=int))
    if objective:
        x_ids = {id(var) for var in form.x}
        position = {vid: i if i < n else i - n for vid, i in column.items()}
        Q, D = split_quadratic(quad, position, x_ids, n, len(form.u))
        c = np.zeros(n)
        for vid, coef in lin.items():
            if vid in x_ids:
                c[position[vid]] = coef
        changes |= {"Q": Q, "c": c, "D": D}
    lb, ub = bounds_of(form.x)
    new = renewed_form(form, {"lb": lb, "ub": ub, **changes})
    if objective:
        check_convex(new.Q * new.sense, new, new.objective.name)
    return new


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


Read = tuple[sp.csr_matrix, np.ndarray, np.ndarray]


def _by_polynomials(form: LowerForm, rows: list, column: dict) -> Read | None:
    """Rows by polynomials of their Params, which are kept with the form; None: not of this kind."""
    key = list(map(id, rows))
    held = form.__dict__.get("row_polynomials")
    if held is None or held[0] != key:
        form.__dict__["row_polynomials"] = key, None
        return None  # the walk pays from the second time on
    if held[1] is None:
        try:
            held = key, RowPolynomials(rows, column)
        except NoPolynomial:
            held = key, False
        form.__dict__["row_polynomials"] = held
    if not isinstance(held[1], RowPolynomials):
        return None
    try:
        return held[1].values()
    except NoPolynomial:  # a Var has been freed, or a value is missing: that is for the compiler
        return None


def _as_read(compiler: Compiler, column: dict) -> Read:
    at = np.fromiter((column[vid] for vid in compiler.ids), dtype=np.int32,
                     count=len(compiler.ids))
    read = sp.csr_matrix((np.array(compiler.values), at, np.array(compiler.ends)),
                         shape=(len(compiler.lo), len(column)))
    return read, np.array(compiler.lo), np.array(compiler.hi)


def _rows(form: LowerForm, found: Read, places: np.ndarray) -> dict[str, Any]:
    """A, B, lo and hi with the rows that were read at their places."""
    n, count = len(form.x), len(form.rows)
    read, low, high = found
    read.eliminate_zeros()
    read.sort_indices()
    order = np.arange(count)
    order[places] = count + np.arange(len(places))
    A, B = (sp.vstack([old, new], format="csr")[order]
            for old, new in ((form.A, read[:, :n]), (form.B, read[:, n:])))
    lo, hi = form.lo.copy(), form.hi.copy()
    lo[places], hi[places] = low, high
    return {"A": A, "B": B, "lo": lo, "hi": hi}
