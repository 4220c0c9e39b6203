"""Values on Pyomo Vars: written, found, bounded."""

from __future__ import annotations

from itertools import chain

import numpy as np
from pyomo.core.expr.visitor import identify_variables


def load_values(variables, values) -> None:
    """Set the values of VarData, whatever their bounds and domains."""
    for var, value in zip(variables, values, strict=True):
        var.set_value(float(value), skip_validation=True)


def value_idle_vars(objective, rows, idle=()) -> None:
    """Vars that no solver saw (their terms cancelled) get a value within their bounds.

    Those of an objective and some rows, and further ones.
    """
    parts = [objective.expr, *(c.body for c in rows)]
    seen = (v for part in parts for v in identify_variables(part, include_fixed=False))
    for var in chain(idle, seen):
        if var.value is None:
            near = 0.0 if var.lb is None else max(0.0, var.lb)
            var.set_value(near if var.ub is None else min(near, var.ub))


def bounds_of(variables) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of Vars, infinite where there is none: shapes (n,), (n,)."""
    pairs = [v.bounds for v in variables]
    lower = np.array([-np.inf if b[0] is None else b[0] for b in pairs], dtype=float)
    upper = np.array([np.inf if b[1] is None else b[1] for b in pairs], dtype=float)
    return lower, upper

