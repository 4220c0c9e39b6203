"""Every kind of component that a bilevel model may hold: one table for upper and lower levels.

| kind                                       | upper level                | lower level |
|--------------------------------------------|----------------------------|-------------|
| Var, Constraint, Objective, Block, data    | yes                        | yes         |
| Disjunction, Disjunct, Complementarity, Arc|                            |             |
| LogicalConstraint, SOSConstraint,          | rewritten by solve_bilevel | refused     |
| PiecewiseLinearFunction                    |                            |             |
| BooleanVar, Port                           | belong to the former       | refused     |
| DerivativeVar, Integral, Connector         | refused                    | refused     |
| any other                                  | refused                    | refused     |

What is deactivated is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap
from pyomo.contrib.piecewise import PiecewiseLinearFunction
from pyomo.core.base.block import BlockData
from pyomo.core.base.connector import Connector
from pyomo.core.base.external import ExternalFunction
from pyomo.core.expr.visitor import identify_variables
from pyomo.dae import ContinuousSet, DerivativeVar, Integral
from pyomo.gdp import Disjunct, Disjunction
from pyomo.mpec import Complementarity
from pyomo.network import Arc, Port

from pyomo_dlmp.bilevel.guard import NAME, Notice
from pyomo_dlmp.bilevel.lower_level import LowerLevelData
from pyomo_dlmp.errors import Fault, ModelError, listed, nearest


@dataclass(frozen=True)
class Kind:
    """How a kind of component is handled.

    Attributes
    ----------
    step
        Transformation of Pyomo that makes it Vars and Constraints; "": it is none of the upper
        level's statements by itself.
    lower
        Whether it may stand in a lower level.
    cure
        What to do about it where it may not stand; "": apply the step, or move it out.
    allowed
        Whether the upper level may hold it.
    """

    step: str = ""
    lower: bool = False
    cure: str = ""
    allowed: bool = True


_PLAIN = Kind(lower=True)
_DISCRETISE = "Discretise first: TransformationFactory('dae.finite_difference').apply_to(model)."
KINDS: dict[type, Kind] = {
    **dict.fromkeys((
        pyo.Block, pyo.Var, pyo.Constraint, pyo.Objective, pyo.Param, pyo.Set, pyo.RangeSet,
        pyo.Expression, pyo.Suffix, pyo.BuildAction, pyo.BuildCheck, ExternalFunction,
        ContinuousSet, Notice), _PLAIN),
    pyo.SOSConstraint: Kind("sos"),
    Disjunction: Kind("gdp.bigm"),
    Disjunct: Kind("gdp.bigm"),
    pyo.BooleanVar: Kind(),
    pyo.LogicalConstraint: Kind("contrib.logical_to_disjunctive"),
    Complementarity: Kind("mpec.simple_disjunction"),
    Arc: Kind("network.expand_arcs"),
    Port: Kind(),
    PiecewiseLinearFunction: Kind("contrib.piecewise.disaggregated_logarithmic"),
    DerivativeVar: Kind(cure=_DISCRETISE, allowed=False),
    Integral: Kind(cure=_DISCRETISE, allowed=False),
    Connector: Kind(cure="Use pyomo.network's Port and Arc.", allowed=False),
}
"""{ctype of Pyomo: how it is handled}; a ctype that is not here is refused by name."""


def upper_components(model: Any) -> Iterator[Any]:
    """Active components outside the LowerLevels, those in Disjuncts included.

    Parameters
    ----------
    model
        ConcreteModel or Block.
    """
    for block in _upper_blocks(model):
        yield from block.component_objects(active=True, descend_into=False)


def _upper_blocks(block: Any) -> Iterator[Any]:
    yield block
    for ctype in (pyo.Block, Disjunct):
        for part in block.component_data_objects(ctype, active=True, descend_into=False):
            if not isinstance(part, LowerLevelData):
                yield from _upper_blocks(part)
            elif is_in_disjunct(part):
                raise ModelError.at(
                    part.name, "is a LowerLevel inside a Disjunct",
                    "Move it out: state in the Disjunct which upper decisions it allows.")


def is_in_disjunct(block: Any) -> bool:
    """Whether a block stands in a Disjunct, at any depth."""
    outer = block.parent_block()
    while outer is not None:
        if outer.ctype is Disjunct:
            return True
        outer = outer.parent_block()
    return False


def statements(model: Any) -> dict[str, list]:
    """Components of the upper level that are more than Vars, Constraints and data.

    Parameters
    ----------
    model
        ConcreteModel or Block.

    Returns
    -------
    dict
        {step of their `Kind`: components}.

    Raises
    ------
    ModelError
        A component is of a kind that is not known, or not allowed; lists all of them.
    """
    found: dict[str, list] = {}
    faults = []
    for component in upper_components(model):
        kind = KINDS.get(component.ctype)
        if kind is None or not kind.allowed:
            faults.append(_fault(component, kind, "in the upper level"))
        elif kind.step and len(component):
            found.setdefault(kind.step, []).append(component)
    if faults:
        raise ModelError(faults)
    return found


def refuse_statements(model: Any, besides: tuple[str, ...] = ()) -> None:
    """Refuse an upper level that has to be rewritten before it is read as rows.

    Parameters
    ----------
    model
        ConcreteModel or Block.
    besides
        Steps of kinds that may stay.

    Raises
    ------
    ModelError
        It has such a component, or one that is not known.
    """
    faults = [Fault(c.name, f"is a {c.ctype.__name__}, which this transformation does not read",
                    f"Apply TransformationFactory('{step}') to the model first, or call "
                    "dlmp.solve_bilevel, which does so on a copy.")
              for step, components in statements(model).items() if step not in besides
              for c in components]
    if faults:
        raise ModelError(faults)


def lower_fault(component: Any) -> Fault | None:
    """What is wrong with a component as part of a lower level; None where nothing is.

    Parameters
    ----------
    component
        Of Pyomo, active.
    """
    kind = KINDS.get(component.ctype)
    if kind is not None and kind.lower:
        return None
    return _fault(component, kind, "in a lower level")


def _fault(component: Any, kind: Kind | None, where: str) -> Fault:
    name = component.ctype.__name__
    if kind is None:
        like = nearest(name, [ctype.__name__ for ctype in KINDS])
        return Fault(component.name, f"is a {name} {where}, a kind of component that is not known",
                     f"Write it with Vars and Constraints, or deactivate it. {like}".strip())
    return Fault(component.name, f"is a {name} {where}", kind.cure or (
        "A lower level holds Vars, linear Constraints and one convex Objective only; move it out "
        "or deactivate it."))


def refuse_no_vars(block: LowerLevelData, rows: list) -> None:
    """Refuse a lower level that decides nothing, whose Vars were declared outside it by mistake.

    Parameters
    ----------
    block
        A LowerLevel.
    rows
        Its active ConstraintData.

    Raises
    ------
    ModelError
        It has no Var of its own, or declares all of them the upper level's.
    """
    if any(True for _ in own_vars(block)):
        return
    used = ComponentMap((var, var.name) for row in rows
                        for var in identify_variables(row.body, include_fixed=False))
    raise ModelError.at(
        block.name, "has no Var of its own" + (
            f": {listed(used.values(), 4)} are the upper level's" if used else ""),
        f"Move the Vars that it decides inside, as in {block.name}.y = Var().")


def refuse_dual_name(block: LowerLevelData) -> None:
    """Refuse a component of a LowerLevel that has the name of the Suffix for its duals.

    Raises
    ------
    ModelError
        `block.dual` is something else than a Suffix.
    """
    dual = block.component("dual")
    if dual is not None and dual.ctype is not pyo.Suffix:
        raise ModelError.at(dual.name, f"is a {dual.ctype.__name__} with the name of the Suffix "
                            "that takes the lower level's duals", "Give it another name.")


def own_vars(block: LowerLevelData) -> Iterator[Any]:
    """The VarData of a lower level that it decides or that are fixed, not the duals' Vars."""
    duals = {id(data) for _, _, var in block.dual_vars() for data in var.values()}
    for data in block.component_data_objects(pyo.Var, active=True, descend_into=pyo.Block):
        if not (block.is_upper(data) or id(data) in duals or is_guard_var(data, block)):
            yield data


def is_guard_var(data: Any, block: BlockData) -> bool:
    """Whether a VarData is the one that the guarding row of a LowerLevel refers to."""
    return data is block.component(f"{NAME}_var")
