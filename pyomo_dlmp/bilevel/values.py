"""Values on Pyomo Vars: written, found, bounded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.errors import ModelError


def load_values(variables: Iterable, values: Iterable[float]) -> None:
    """Set the values of VarData without checking bounds and domains."""
    plain = np.fromiter(values, dtype=float).tolist()
    for var, value in zip(variables, plain, strict=True):
        var.set_value(value, True)  # by position: by name it takes longer


class VarsOf:
    """The Vars that objectives and rows see; each is looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, list]] = {}  # by id of what is kept alive

    def __call__(self, part: Any) -> list:
        """VarData that are not fixed.

        Parameters
        ----------
        part
            ObjectiveData, or ConstraintData, whose expression stays.
        """
        if id(part) not in self._known:
            expression = part.expr if part.ctype is pyo.Objective else part.body
            self._known[id(part)] = part, list(identify_variables(
                expression, include_fixed=False))
        return self._known[id(part)][1]


def value_idle_vars(parts: Iterable, idle: Iterable = (), vars_of: VarsOf | None = None) -> None:
    """Give Vars whose terms cancel, so that no solver sees them, a value within their bounds.

    Parameters
    ----------
    parts
        ObjectiveData and ConstraintData whose Vars are looked at.
    idle
        Further VarData.
    vars_of
        Where the caller asks it, too.
    """
    vars_of = vars_of or VarsOf()
    for var in chain(idle, chain.from_iterable(map(vars_of, parts))):
        if var.value is None:
            near = 0.0 if var.lb is None else max(0.0, var.lb)
            var.set_value(near if var.ub is None else min(near, var.ub))


def is_free(var: Any) -> bool:
    """Whether a Var has no bound at all, of its own or of its domain."""
    return (var._lb is None and var._ub is None and var._domain is pyo.Reals) or (
        var.bounds == (None, None))


def limits_of(var: Any) -> tuple[float | None, float | None]:
    """Bounds of a Var, None where there is none.

    Raises
    ------
    ModelError
        One is not a number, or leaves the Var no value (an infinite bound of the wrong side), or
        its domain has gaps other than those between whole numbers.
    """
    if not (var.is_continuous() or var.is_integer()):
        raise ModelError.at(
            var.name, f"has the domain {var.domain}, which is no range of reals or whole numbers",
            "Give it such a domain, and choose among values by binaries.")
    try:
        return var.bounds
    except (ValueError, TypeError) as err:  # Pyomo's own words name neither the element nor a cure
        text = str(err)
        what = text.rpartition(" bound (")[2].partition(")")[0] if " bound (" in text else ""
        raise ModelError.at(
            var.name, f"has the bound {what or 'of a Param without a value'}",
            "Give it finite bounds, or None where there is none.") from None


def bounds_of(variables: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of Vars.

    Returns
    -------
    tuple
        (lower, upper), infinite where there is none, shapes (n,).

    Raises
    ------
    ModelError
        As of `limits_of`.
    """
    pairs = [limits_of(v) for v in variables]
    lower = np.array([-np.inf if b[0] is None else b[0] for b in pairs], dtype=float)
    upper = np.array([np.inf if b[1] is None else b[1] for b in pairs], dtype=float)
    return lower, upper

