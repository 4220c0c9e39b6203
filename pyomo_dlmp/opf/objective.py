"""The DSO's cost: energy at the substation, losses valued there, devices, soft limits ($)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr import SumExpression

from pyomo_dlmp.blocks.parallel import branch_blocks
from pyomo_dlmp.blocks.registry import device_blocks

log = logging.getLogger("pyomo_dlmp")


def add_cost(model: Any, horizon: Any, losses: str | None) -> None:
    """Objective `cost` ($) from the blocks' `cost` Expressions and the branches' `loss`.

    Quadratic losses are costed at the substation price (`SubstationBlock.loss_price`): at 0 where
    that is negative, since the DSO would then want losses, which is not convex; a warning says so.
    The price is data: a sign that is set later does the same, without the warning.

    Parameters
    ----------
    model : Block
        With all its blocks.
    horizon : Horizon
        Periods of the model.
    losses : str or None
        None: losses are left out.
    """
    (substation,) = model.substation.values()
    terms = [cost for block in _blocks(model) for key in ("cost", "neutral_cost", "unbalance_cost")
             if block.component(key) is not None for cost in block.component(key).values()]
    if losses is not None:
        below = [t for t in horizon.labels if pyo.value(substation.price[t]) < 0]
        if below:
            log.warning("losses cost nothing in period(s) %s, whose price is negative",
                        ", ".join(map(str, below)))
        worth = {t: substation.loss_price(t) * horizon.hours for t in horizon.labels}
        terms += [branch.loss_cost(t, worth[t]) for _, branch in branch_blocks(model)
                  if branch.lossy for t in horizon.labels]
    # not `sum`, which would write out the quadratic forms
    model.cost = pyo.Objective(expr=SumExpression(terms) if terms else 0.0)


def _blocks(model) -> Iterator[Any]:
    """Every block that may have a cost."""
    for name in ("substation", "bus", "line", "transformer", "admittance"):
        yield from model.component(name).values()
    for bus in model.bus.values():
        if bus.form == "ac":
            yield from bus.leg.values()
    for _, block in device_blocks(model):
        yield block
