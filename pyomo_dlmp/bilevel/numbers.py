"""Numbers that no row can hold: a NaN, an infinite coefficient, a Param without a value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept
from pyomo.core.expr.numvalue import native_numeric_types, native_types

from pyomo_dlmp.bilevel.lower_level import upper_data
from pyomo_dlmp.bilevel.values import limits_of
from pyomo_dlmp.errors import Fault, ModelError


@contextmanager
def without_pyomos_words() -> Iterator[None]:
    """While numbers are read: what Pyomo logs of a Param without a value is said by an error."""
    with LoggingIntercept(StringIO(), "pyomo"):
        yield


def refuse_upper_numbers(model: Any) -> None:
    """Check the numbers that the upper rows and objectives use.

    Parameters
    ----------
    model
        ConcreteModel or Block.

    Raises
    ------
    ModelError
        One is not finite, or missing; lists all.
    """
    seen: set[int] = set()
    faults: list[Fault] = []
    with without_pyomos_words():
        for row in upper_data(model, pyo.Constraint):
            faults += wrong_numbers_of_row(row, seen)
        for objective in upper_data(model, pyo.Objective):
            faults += wrong_numbers(objective.name, [objective.expr], seen)
    if faults:
        raise ModelError(faults)


def wrong_numbers_of_row(row: Any, seen: set[int] | None = None) -> Iterator[Fault]:
    """Faults of the numbers in a row; its limits may be infinite where that means none.

    Parameters
    ----------
    row
        ConstraintData.
    seen
        Ids of what was looked at before, which is not looked at again; None: nothing.
    """
    try:
        _, body, _ = row.to_bounded_expression(evaluate_bounds=True)
    except (ValueError, TypeError) as err:
        found = [f for f in wrong_numbers(row.name, [row.expr], seen) if f.where != row.name]
        yield from found or [Fault(row.name, f"has a limit that is no number ({_brief(err)})",
                                   "Give it a finite limit, or None where there is none.")]
        return
    yield from wrong_numbers(row.name, [body], seen)


def wrong_numbers(where: str, expressions: Iterable, seen: set[int] | None = None
                  ) -> Iterator[Fault]:
    """Faults of the numbers, Params and Vars that expressions reach.

    Parameters
    ----------
    where
        Name of the row or objective.
    expressions
        Of Pyomo.
    seen
        As of `wrong_numbers_of_row`.
    """
    stack, seen = list(expressions), set() if seen is None else seen
    while stack:
        node = stack.pop()
        if type(node) in native_types:
            if not _is_finite(node):
                yield Fault(where, f"has the coefficient {node!r}", "Give finite numbers.")
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.is_expression_type():
            stack.extend(node.args)
        elif node.is_variable_type() and not node.fixed:
            try:
                limits_of(node)
            except ModelError as err:
                yield from err.faults
        elif not _is_finite(value := pyo.value(node, exception=False)):
            what = "has no value" if value is None else f"is {value!r}"
            yield Fault(node.name, f"{what} and stands in '{where}'",
                        "Give every Param and fixed Var a finite value.")


def _is_finite(value: Any) -> bool:
    """Whether it is a finite number, or not a number at all (a text, an argument of a function)."""
    if value is None:
        return False
    return type(value) not in native_numeric_types or math.isfinite(value)


def _brief(err: Exception) -> str:
    return (str(err).splitlines() or [type(err).__name__])[0]
