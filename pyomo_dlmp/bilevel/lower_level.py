"""`LowerLevel`: a Pyomo Block that holds an optimization problem inside another one.

Vars inside the block are the lower level's decisions; Vars outside it are constants for it. A Var
inside that the upper level decides is named by `declare_upper`. `dual_of` gives a Var for the
multipliers of a lower row, for use in any expression of the upper level.

The sign of a dual is that of Pyomo's ``dual`` Suffix after solving the lower level alone: the
derivative of the lower objective with respect to the row's right-hand side, as the row is stored.
The table of signs stands beside its implementation, in `lower.duals`, and in docs/conventions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.common.autoslots import AutoSlots
from pyomo.common.collections import ComponentMap, ComponentSet
from pyomo.common.modeling import unique_component_name
from pyomo.core.base.block import BlockData, declare_custom_block
from pyomo.core.expr.numvalue import is_potentially_variable

from pyomo_dlmp.bilevel.guard import GuardedBlock, add_guard
from pyomo_dlmp.errors import ModelError, shown

log = logging.getLogger("pyomo_dlmp")


class _LowerLevelState(AutoSlots.Mixin):
    """State of a LowerLevel; deep-copied with the block, so that clones keep it."""

    __slots__ = ("duals", "upper")

    def __init__(self):
        self.upper = ComponentSet()  # VarData inside the block that the upper level decides
        self.duals = ComponentMap()  # Constraint -> Var; Var -> {"lower": Var, "upper": Var}


pyo.Block.register_private_data_initializer(_LowerLevelState)


@declare_custom_block(name="LowerLevel")
class LowerLevelData(GuardedBlock, BlockData):
    """A lower-level problem, built like any Pyomo Block; see the module's text.

    Its Vars, linear Constraints and one convex Objective make up the lower level.
    """

    def __init__(self, component):
        super().__init__(component)
        add_guard(self)

    @property
    def _state(self) -> _LowerLevelState:
        return self.private_data()

    def declare_upper(self, *variables: Any) -> None:
        """Declare that the upper level decides some Vars inside this block.

        Parameters
        ----------
        *variables
            Scalar or indexed Vars, or single elements of one.

        Raises
        ------
        ModelError
            One of them is not a Var of this block.
        """
        for var in variables:
            for data in _var_datas(var, self):
                self._state.upper.add(data)

    def declared_upper(self) -> Iterator:
        """The VarData inside that the upper level decides."""
        yield from self._state.upper

    def is_upper(self, data: Any) -> bool:
        """Whether a VarData is a decision of the upper level (declared, or outside the block)."""
        return data in self._state.upper or not self.contains(data)

    def contains(self, component: Any) -> bool:
        """Whether a component or component data is in this block, at any depth."""
        return is_inside(component, self)

    def dual_of(self, component: Any, bound: str | None = None) -> Any:
        """Var of the duals of a constraint, or of a Var's bound, for use in the upper level.

        A second call gives the same Var. Signs are those of the table in `lower.duals`, units those
        of the lower objective per unit of the row ($/MW for a power balance).

        Parameters
        ----------
        component
            A Constraint of this lower level, or a Var; scalar, indexed or one element.
        bound
            "lower" or "upper": which bound of a Var. None for a constraint.

        Returns
        -------
        Var or VarData
            Scalar for a scalar component, over the same index for an indexed one, an element for an
            element.

        Raises
        ------
        ModelError
            The component is not a row or Var of this lower level, or `bound` does not fit it.
        """
        parent = _parent_component(component)
        is_row = getattr(parent, "ctype", None) is pyo.Constraint
        is_var = getattr(parent, "ctype", None) is pyo.Var
        if not (is_row or is_var):
            raise ModelError.at(
                str(component), f"is a {type(component).__name__}, which has no dual",
                "Ask for the dual of a Constraint, or of a Var with bound='lower' or 'upper'.",
            )
        if not self.contains(parent):
            raise ModelError.at(
                component.name, f"is not in the lower level '{self.name}'",
                "Only rows inside the LowerLevel block have lower-level duals.",
            )
        if is_var and bound not in ("lower", "upper"):
            raise ModelError.at(
                component.name, f"is a Var and bound={bound!r} names none of its bounds",
                "Give bound='lower' or bound='upper'.",
            )
        if is_row and bound is not None:
            raise ModelError.at(component.name, "is a row, not a Var", "Leave out `bound`.")
        if is_row:
            _warn_of_turned_rows(parent)
        dual = self._dual_component(parent, bound)
        if component is parent:
            return dual
        return dual[component.index()]

    def _dual_component(self, parent, bound: str | None) -> pyo.Var:
        duals = self._state.duals
        store = duals.setdefault(parent, {}) if bound else duals
        key = bound or parent
        if key not in store:
            block = parent.parent_block()
            suffix = f"_{bound}_dual" if bound else "_dual"
            name = unique_component_name(block, parent.local_name + suffix)
            if parent.is_indexed():
                whole = len(parent) == len(parent.index_set())
                index = parent.index_set() if whole else list(parent.keys())
                var = pyo.Var(index, initialize=0.0)
            else:
                var = pyo.Var(initialize=0.0)
            block.add_component(name, var)
            store[key] = var
        return store[key]

    def dual_vars(self) -> Iterator[tuple[Any, str | None, pyo.Var]]:
        """(component, bound or None, dual Var) of every dual that `dual_of` was called for."""
        for component, entry in self._state.duals.items():
            if isinstance(entry, dict):
                for bound, var in entry.items():
                    yield component, bound, var
            else:
                yield component, None, entry


# `declare_custom_block` has made LowerLevel; help() shows what it is
globals()["LowerLevel"].__doc__ = LowerLevelData.__doc__


def is_inside(component: Any, block: Any) -> bool:
    """Whether a component or component data is in a block, at any depth."""
    parent = component.parent_block()
    while parent is not None:
        if parent is block:
            return True
        parent = parent.parent_block()
    return False


def upper_among(block: Any, variables: Iterable) -> set[int]:
    """Ids of those VarData that are decisions of the upper level, as `is_upper` tells.

    Whether a Var is inside is asked once for each component. A model that is not a LowerLevel has
    no upper level: none is.
    """
    if not isinstance(block, LowerLevelData):
        return set()
    upper = {id(var) for var in block.declared_upper()}
    outside: dict[int, bool] = {}
    for var in variables:
        component = var.parent_component()
        if id(component) not in outside:
            outside[id(component)] = not block.contains(var)
        if outside[id(component)]:
            upper.add(id(var))
    return upper


def dual_vars_of(block: Any) -> Iterator[tuple[Any, str | None, pyo.Var]]:
    """`dual_vars` of a LowerLevel; nothing for another model (a DSO's OPF alone)."""
    if isinstance(block, LowerLevelData):
        yield from block.dual_vars()


def lower_levels(model: Any) -> list[LowerLevelData]:
    """Active LowerLevel blocks of a model, in order.

    Parameters
    ----------
    model
        ConcreteModel or Block.

    Returns
    -------
    list of LowerLevelData

    Raises
    ------
    ModelError
        One of them is inside another, or `model` is not a model.
    """
    if not isinstance(model, BlockData):
        raise ModelError.at("model", f"is {shown(model)}, not a model of Pyomo",
                            "Give a ConcreteModel or a Block.")
    found = [
        b for b in model.component_data_objects(pyo.Block, active=True, descend_into=pyo.Block)
        if isinstance(b, LowerLevelData)
    ]
    for block in found:
        outer = block.parent_block()
        while outer is not None:
            if isinstance(outer, LowerLevelData):
                raise ModelError.at(
                    block.name, f"is a LowerLevel inside the LowerLevel '{outer.name}'",
                    "Three levels are not supported; make one of them a plain Block.",
                )
            outer = outer.parent_block()
    return found


def upper_data(model: Any, ctype: type, active: bool | None = True) -> Iterator:
    """Component data outside every active LowerLevel (whose many components are not visited).

    Parameters
    ----------
    model
        ConcreteModel or Block.
    ctype
        Kind of component, such as ``pyo.Constraint``.
    active
        True, False: only components that are (not) active; None: all.

    Returns
    -------
    iterator
    """
    yield from model.component_data_objects(ctype, active=active, descend_into=False)
    for block in model.component_data_objects(pyo.Block, active=active, descend_into=False):
        if not (isinstance(block, LowerLevelData) and block.active):
            yield from upper_data(block, ctype, active)


def levels_of(model: Any) -> Iterator[LowerLevelData]:
    """Active LowerLevel blocks, without a look inside them: quicker than `lower_levels`.

    Parameters
    ----------
    model
        ConcreteModel or Block whose lower levels are not nested.

    Returns
    -------
    iterator
    """
    for block in model.component_data_objects(pyo.Block, active=True, descend_into=False):
        if isinstance(block, LowerLevelData):
            yield block
        else:
            yield from levels_of(block)


def upper_objective(model: Any) -> Any:
    """The one active objective outside the lower levels.

    Parameters
    ----------
    model
        ConcreteModel or Block.

    Returns
    -------
    ObjectiveData

    Raises
    ------
    ModelError
        There is none, or there are several.
    """
    found = list(upper_data(model, pyo.Objective))
    if len(found) > 1:
        raise ModelError.at(
            model.name, f"has {len(found)} active upper objectives: "
            + ", ".join(o.name for o in found), "Keep one.")
    if not found:
        raise ModelError.at(model.name, "has no active upper objective",
                            "Add one outside the LowerLevel.")
    return found[0]



def _warn_of_turned_rows(constraint) -> None:
    """Warn of inequalities with Vars on both sides, whose dual may have an unexpected sign.

    Pyomo stores ``g >= u`` and ``u <= g`` alike, as ``u - g <= 0``: its dual is <= 0 when
    minimising.
    """
    for data in constraint.values():
        args = getattr(data.expr, "args", ())
        if len(args) == 2 and not data.equality and all(
                is_potentially_variable(arg) for arg in args):
            log.warning(
                "%s has Vars on both sides of an inequality. Pyomo stores it as  %s <= 0, and its "
                "dual has the sign of that row. Write  body >= number  (as in g - u >= 0) to say "
                "which sign is meant.", data.name, data.body)
            return


def _parent_component(component):
    return component.parent_component() if hasattr(component, "parent_component") else component


def _var_datas(var, block: LowerLevelData):
    parent = _parent_component(var)
    if getattr(parent, "ctype", None) is not pyo.Var or not block.contains(parent):
        raise ModelError.at(
            str(var), f"is not a Var inside the lower level '{block.name}'",
            "Only Vars inside the block need declare_upper; others are the upper level's already.",
        )
    return var.values() if var is parent and var.is_indexed() else [var]
