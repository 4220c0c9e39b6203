"""Does a point satisfy the upper level: its rows, the bounds and integrality of its Vars?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.common.collections import ComponentSet
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.bilevel import guard_of, is_inside, levels_of, upper_data
from pyomo_dlmp.bilevel.values import VarsOf
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.tolerances import AUDITED_ROW, ENTRY
from pyomo_dlmp.transform.record import SingleLevel

Found = list[tuple[str, float]]


def upper_rows(model: Any, record: SingleLevel | None) -> list:
    """The user's active upper Constraints.

    Parameters
    ----------
    model
        A bilevel model.
    record
        Of ``dlmp.single_level`` where it was applied: the rows that it replaced are included, those
        that it added are not. None: untransformed.

    Returns
    -------
    list of ConstraintData
    """
    own = [] if record is None else [model.component(name) for name in record.added]
    rows = list(upper_data(model, pyo.Constraint))
    if record is not None:
        guards = {id(guard_of(level)) for level in levels_of(model)}
        rows += [c for c in record.deactivated if c.ctype is pyo.Constraint
                 and id(c) not in guards]
    return [row for row in rows if not any(is_inside(row, block) for block in own)]


def upper_vars(model: Any, record: SingleLevel | None, objective: Any, decided: Iterable,
               rows: list | None = None, vars_of: VarsOf | None = None) -> Iterator:
    """The VarData that the upper level decides, declared ones inside a LowerLevel included.

    A fixed Var is data, and one in no active row or objective is not decided.

    Parameters
    ----------
    model
        A bilevel model.
    record
        Of ``dlmp.single_level`` where it was applied: Vars that it added are left out.
    objective
        The upper Objective.
    decided
        VarData of the upper level that the lower levels use.
    rows
        `upper_rows`, where the caller has found them; None: they are found here.
    vars_of
        Where the caller asks it, too.

    Returns
    -------
    iterator
    """
    own = [] if record is None else [model.component(name) for name in record.added]
    levels = list(levels_of(model))
    used = ComponentSet(var for var in decided if not var.fixed)
    rows = upper_rows(model, record) if rows is None else rows
    for part in (objective, *rows):
        used.update((vars_of or VarsOf())(part))
    # wherever they stand: on a deactivated block, on another model
    for var in used:
        inside = next((b for b in levels if is_inside(var, b)), None)
        if not any(is_inside(var, block) for block in own) and (
                inside is None or inside.is_upper(var)):
            yield var


def broken_rows(rows: Iterable) -> Found:
    """Rows that the values on the Vars violate by more than the audit allows.

    Parameters
    ----------
    rows
        ConstraintData.

    Returns
    -------
    list
        [(name, violation relative to 1 + |limit|)], worst first.

    Raises
    ------
    ModelError
        A Var in a row has no value.
    """
    found = []
    for row in rows:
        value = pyo.value(row.body, exception=False)
        if value is None:
            missing = [v.name for v in identify_variables(row.body) if v.value is None]
            raise ModelError.at(row.name, f"cannot be checked: '{missing[0]}' has no value"
                                if missing else "cannot be evaluated", "Solve the model first.")
        for limit, sign in ((row.lb, -1.0), (row.ub, 1.0)):
            if limit is not None:
                over = sign * (value - limit) / (1.0 + abs(limit))
                if not over <= AUDITED_ROW:  # a NaN does not hold either
                    found.append((row.name, float(over)))
    return sorted(found, key=lambda item: -item[1])


def outside_bounds(variables: Iterable) -> Found:
    """Vars beyond their bounds by more than the audit allows.

    Parameters
    ----------
    variables
        VarData; those without a value are left out.

    Returns
    -------
    list
        [(name, distance relative to 1 + |bound|)], worst first.
    """
    found = []
    for var in variables:
        if var.value is None:
            continue
        for bound, sign in ((var.lb, -1.0), (var.ub, 1.0)):
            if bound is not None:
                over = sign * (var.value - bound) / (1.0 + abs(bound))
                if not over <= AUDITED_ROW:
                    found.append((var.name, float(over)))
    return sorted(found, key=lambda item: -item[1])


def off_whole_numbers(variables: Iterable) -> Found:
    """Integer Vars away from whole numbers.

    Parameters
    ----------
    variables
        VarData; those without a value are left out.

    Returns
    -------
    list
        [(name, distance)], worst first.
    """
    found = [(var.name, abs(var.value - round(var.value))) for var in variables
             if var.value is not None and not var.is_continuous()]
    return sorted((item for item in found if item[1] > ENTRY), key=lambda item: -item[1])
