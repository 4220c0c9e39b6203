"""Values on Pyomo Vars."""

from __future__ import annotations

from itertools import chain

from pyomo.core.expr.visitor import identify_variables


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

