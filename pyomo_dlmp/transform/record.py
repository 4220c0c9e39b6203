"""What `dlmp.single_level` did to a model: kept with it, so that it can be read and undone."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.common.autoslots import AutoSlots

from pyomo_dlmp.bilevel.quadratics import QuadraticParts, quadratic_parts
from pyomo_dlmp.transform.products.identity import Payment
from pyomo_dlmp.transform.products.linearise import replace_row


class SingleLevel(AutoSlots.Mixin):
    """What the transformation did; kept in private data, so that clones keep it.

    Attributes
    ----------
    block
        The block that was added; None before the transformation.
    lowers
        One `LowerKkt` for each lower level.
    payment
        What became of the products of prices and quantities.
    original, objective
        The user's upper objective and the one that replaces it.
    as_arrays
        Whether rows are kept as arrays (`transform.rows`) in place of Pyomo's Constraints.
    goal
        The terms of what replaces the upper objective, where that is kept so.
    relaxed
        Products stand in a relaxation: the objective of a solution must be evaluated again.
    restricted
        Upper Vars are restricted to a grid: the bound of a solve is the restriction's.
    exact
        Every point of the single level is one of the bilevel problem (False: a lower level is only
        optimal to a tolerance or in a relaxation).
    unproved_prices
        Lower levels whose duals the upper level uses and whose multipliers have no proved bound.
    products
        Those that linear stand-ins were written for.
    added, deactivated
        Names of blocks added to the model, components that were deactivated.
    """

    __slots__ = (
        "added", "as_arrays", "block", "deactivated", "exact", "goal", "lowers", "objective",
        "original", "payment", "products", "relaxed", "restricted", "unproved_prices")

    def __init__(self):
        self.block: Any = None
        self.lowers: list = []
        self.payment = Payment()
        self.original: Any = None
        self.objective: Any = None
        self.as_arrays = self.relaxed = self.restricted = False
        self.goal: QuadraticParts | None = None
        self.exact = True
        self.unproved_prices: list[str] = []
        self.products: list = []
        self.added: list[str] = []
        self.deactivated: list = []

    def goal_parts(self) -> QuadraticParts:
        """Terms of the objective of the single level, in the user's sense."""
        if self.goal is not None:
            return self.goal
        return quadratic_parts(self.objective.expr, self.objective.name)

    def replace_goal(self, parts: QuadraticParts) -> None:
        """Let an expression take the place of the upper objective."""
        self.deactivated.append(self.original)
        if self.as_arrays:
            self.goal = parts
            self.original.deactivate()
            return
        replace_row(self.block, self.original, parts.expression())
        self.objective = self.block.objective


pyo.Block.register_private_data_initializer(SingleLevel)


def record_on(block: Any) -> SingleLevel:
    """The record on a block, new and empty at first.

    Private data belong to the module that asks for them, so every use goes through here.
    """
    return block.private_data()


def single_level_data(model: Any) -> SingleLevel | None:
    """The record of `dlmp.single_level` on a model; None where it was not applied."""
    for block in model.component_objects(pyo.Block, descend_into=False):
        if block.local_name.startswith("dlmp_single_level") and not block.is_indexed():
            record = record_on(block)
            if record.block is not None:
                return record
    return None


def undo_single_level(model: Any) -> None:
    """Undo `dlmp.single_level`: remove its blocks, activate what it deactivated."""
    record = single_level_data(model)
    if record is None:
        return
    for component in record.deactivated:
        component.activate()
    for lower in record.lowers:
        lower.restore()
    for name in record.added:
        model.del_component(name)

