"""A row that no solver can read: it stops a bilevel model from being solved untransformed.

Some of Pyomo's solver interfaces silently use one of several active objectives and would solve the
model as if the lower-level constraints belonged to the upper level. Each LowerLevel therefore holds
one active row whose expression no solver interface knows. What it raises, or what Pyomo prints when
it finds it, names the cure. Its value is zero. ``dlmp.single_level`` deactivates it.

Tools meet the row in different ways, and each way says the same:

| a tool | meets |
|---|---|
| asks for the row's degree, or for the parts of its expression | `Untransformed`, which raises |
| prints an expression that it does not know, or its class | `Untransformed` and its class |
| counts objectives first, but has looked for unknown components before | `Notice`, a component |
| counts objectives at once, as older writers do | `GuardedBlock` |
| writes other rows in place of those of the model (scaled ones, or with slacks) | `GuardRow` |
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.component import ActiveComponent
from pyomo.core.base.constraint import ScalarConstraint
from pyomo.core.expr.numvalue import NumericValue

from pyomo_dlmp.errors import ModelError

NAME = "apply_dlmp_single_level_first"
_CURE = "call dlmp.solve_bilevel, or apply dlmp.single_level first"


class _Saying(type):
    """Of classes that read as what is wrong wherever Pyomo prints them."""

    def __repr__(cls) -> str:
        return f"a LowerLevel is not transformed: {_CURE}"


class Untransformed(NumericValue, metaclass=_Saying):
    """A leaf of value zero; asking for the structure of the active row raises ModelError."""

    __slots__ = ("_var",)

    def __init__(self, var):
        self._var = var  # a Var of the LowerLevel, which knows its block, in clones too

    def __call__(self, exception=True):
        return 0.0

    def __str__(self):
        return f"(LowerLevel '{self._var.parent_block().name}' is not transformed: {_CURE})"

    def is_potentially_variable(self):
        """True, so that a row of it is not a constant."""
        return True

    def is_fixed(self):
        """True in a row that is switched off; raises ModelError otherwise, as what follows."""
        self._refuse_if_active()
        return True

    def polynomial_degree(self):
        """0, or raises ModelError."""
        self._refuse_if_active()
        return 0

    @property
    def fixed(self):
        """True, or raises ModelError."""
        self._refuse_if_active()
        return True

    @property
    def args(self):
        """(), or raises ModelError."""
        self._refuse_if_active()
        return ()

    def _refuse_if_active(self):
        block = self._var.parent_block()
        if guard_of(block).active:
            _refuse(block)


class Notice(ActiveComponent, metaclass=_Saying):
    """A component of a kind that no writer knows, and that its error so prints."""

    def __init__(self):
        super().__init__(ctype=Notice)
        self.construct()

    def construct(self, data=None):
        """Nothing is to be made."""
        self._constructed = True

    def is_indexed(self):
        """It is one component."""
        return False

    def _pprint(self):
        return [("Active", self.active)], None, None, None


for _told in (Untransformed, Notice):  # what some tools print; pickle uses the other name
    _told.__name__ = repr(_told)


class GuardRow(ScalarConstraint):
    """The row; it takes the notice along, and refuses another expression in its place."""

    def set_value(self, expr):
        """Its expression, once; raises ModelError afterwards, while it is active."""
        if self.active and self._expr is not None:
            _refuse(self.parent_block())
        super().set_value(expr)

    def deactivate(self):
        """Of the notice, too."""
        super().deactivate()
        self._notice.deactivate()

    def activate(self):
        """Of the notice, too."""
        super().activate()
        self._notice.activate()

    @property
    def _notice(self) -> Any:
        return self.parent_block().component(f"{NAME}_notice")


class GuardedBlock:
    """What Pyomo's older writers ask of every block before they count its objectives."""

    @property
    def _gen_obj_repn(self):
        """Raises ModelError while the block is guarded; not there at all afterwards."""
        guard = guard_of(self)
        if guard is not None and guard.active:
            _refuse(self)
        raise AttributeError("_gen_obj_repn")


def _refuse(block: Any) -> None:
    raise ModelError.at(
        block.name, "is a LowerLevel that has not been transformed: a solver would ignore its "
        "objective, or the upper level's",
        "Call dlmp.solve_bilevel(model), or apply dlmp.single_level first.")


def add_guard(block: Any) -> None:
    """Add the row, the Var that it refers to, and the notice, to a LowerLevel."""
    block.add_component(f"{NAME}_notice", Notice())
    block.add_component(f"{NAME}_var", pyo.Var(initialize=0.0))
    block.add_component(NAME, GuardRow(
        expr=Untransformed(block.component(f"{NAME}_var")) == 0.0))


def guard_of(block: Any) -> Any:
    """The guarding row (a Constraint) of a LowerLevel; None where there is none."""
    return block.component(NAME)
