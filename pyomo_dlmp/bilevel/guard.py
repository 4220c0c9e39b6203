"""A row that no solver can read: it stops a bilevel model from being solved untransformed.

Some of Pyomo's solver interfaces silently use one of several active objectives and would solve the
model as if the lower-level constraints belonged to the upper level. Each LowerLevel therefore holds
one active row whose expression no solver interface knows. What it raises, or what Pyomo prints when
it finds it, names the LowerLevel and the cure. Its value is zero. ``dlmp.single_level`` deactivates
it.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr.numvalue import NumericValue

from pyomo_dlmp.errors import ModelError

NAME = "apply_dlmp_single_level_first"


class Untransformed(NumericValue):
    """A leaf of value zero; asking for its structure raises ModelError with the reason."""

    __slots__ = ("_var",)

    def __init__(self, var):
        self._var = var  # a Var of the LowerLevel, which knows its block, in clones too

    def __call__(self, exception=True):
        return 0.0

    def __str__(self):
        return (f"(LowerLevel '{self._var.parent_block().name}' is not transformed: call "
                "dlmp.solve_bilevel, or apply dlmp.single_level first)")

    def is_potentially_variable(self):
        """True, so that a row of it is not a constant."""
        return True

    def is_fixed(self):
        """Raises ModelError, as `fixed` and `polynomial_degree` do."""
        self._refuse()

    def polynomial_degree(self):
        """Raises ModelError."""
        self._refuse()

    @property
    def fixed(self):
        """Raises ModelError."""
        self._refuse()

    def _refuse(self):
        raise ModelError.at(
            self._var.parent_block().name, "is a LowerLevel that has not been transformed: a "
            "solver would ignore its objective, or the upper level's",
            "Call dlmp.solve_bilevel(model), or apply dlmp.single_level first.")


def add_guard(block: Any) -> None:
    """Add the row, and the Var that it refers to, to a LowerLevel."""
    block.add_component(f"{NAME}_var", pyo.Var(initialize=0.0))
    block.add_component(NAME, pyo.Constraint(
        expr=Untransformed(block.component(f"{NAME}_var")) == 0.0))


def guard_of(block: Any) -> Any:
    """The guarding row (a Constraint) of a LowerLevel; None where there is none."""
    return block.component(NAME)
