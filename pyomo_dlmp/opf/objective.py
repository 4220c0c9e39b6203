"""The DSO's cost: energy at the substation, losses valued there, generators, soft limits ($)."""

from __future__ import annotations

import logging

import pyomo.environ as pyo

log = logging.getLogger("pyomo_dlmp")


def add_cost(model, horizon, losses: str | None) -> None:
    """Objective `cost` from the blocks' `cost` Expressions and the branches' `loss`.

    Quadratic losses are costed at the substation price (`SubstationBlock.loss_price`): at 0 where
    that is negative, since the DSO would then want losses, which is not convex; a warning says so.
    """
    (substation,) = model.substation.values()
    terms = [substation.cost[t] for t in horizon.labels]
    makers = [*model.generator.values(), *model.storage.values()]
    terms += [g.cost[t] for g in makers for t in horizon.labels]
    limited = [b for name in ("bus", "line", "transformer", "datacenter", "svg")
               for b in model.component(name).values()]
    terms += [b.cost for b in limited if b.component("cost") is not None]
    terms += [b.unbalance_cost for b in model.bus.values()
              if b.component("unbalance_cost") is not None]
    if losses is not None:
        below = [t for t in horizon.labels if pyo.value(substation.price[t]) < 0]
        if below:
            log.warning("losses cost nothing in period(s) %s, whose price is negative",
                        ", ".join(map(str, below)))
        branches = [b for kind in (model.line, model.transformer) for b in kind.values()]
        terms += [substation.loss_price(t) * horizon.hours * branch.loss[t]
                  for branch in branches for t in horizon.labels if t not in below]
    model.cost = pyo.Objective(expr=sum(terms))
