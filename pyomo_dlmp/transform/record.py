"""What `dlmp.single_level` did to a model: kept with it, so that it can be read and undone."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.common.autoslots import AutoSlots

from pyomo_dlmp.transform.products.identity import Payment


class SingleLevel(AutoSlots.Mixin):
    """What the transformation did; kept in private data, so that clones keep it.

    `lowers`: one LowerKkt per lower level; `payment`: what became of the products;
    `original`, `objective`: the user's upper objective and the one that replaces it;
    `relaxed`: products stand in a relaxation (the objective of a solution must be re-evaluated);
    `restricted`: upper Vars are held to a grid (the bound of a solve is the restriction's);
    `exact`: every point of the single level is one of the bilevel (False: a lower level is only
    optimal to a tolerance or in a relaxation);
    `unproved_prices`: lower levels whose duals the upper level uses and whose multipliers have no
    proved bound;
    `products`: those that stand-ins were written for;
    `added`, `deactivated`: names of blocks added to the model, components switched off.
    """

    __slots__ = (
        "added", "block", "deactivated", "exact", "lowers", "objective", "original", "payment",
        "products", "relaxed", "restricted", "unproved_prices")

    def __init__(self):
        self.block: Any = None
        self.lowers: list = []
        self.payment = Payment()
        self.original: Any = None
        self.objective: Any = None
        self.relaxed = self.restricted = False
        self.exact = True
        self.unproved_prices: list[str] = []
        self.products: list = []
        self.added: list[str] = []
        self.deactivated: list = []


pyo.Block.register_private_data_initializer(SingleLevel)


def record_on(block) -> SingleLevel:
    """The (new, empty) record on a block; private data belong to the module that asks for them."""
    return block.private_data()


def single_level_data(model) -> SingleLevel | None:
    """The record of `dlmp.single_level` on a model, or None before it was applied."""
    for block in model.component_objects(pyo.Block, descend_into=False):
        if block.local_name.startswith("dlmp_single_level") and not block.is_indexed():
            record = record_on(block)
            if record.block is not None:
                return record
    return None


def undo_single_level(model) -> None:
    """Take `dlmp.single_level` off a model again: its blocks go, what it switched off is back."""
    record = single_level_data(model)
    if record is None:
        return
    for component in record.deactivated:
        component.activate()
    for lower in record.lowers:
        lower.restore()
    for name in record.added:
        model.del_component(name)

