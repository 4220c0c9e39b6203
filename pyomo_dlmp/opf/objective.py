"""The DSO's cost: energy at the substation, losses valued there, generators, soft limits ($)."""

from __future__ import annotations

import pyomo.environ as pyo

from pyomo_dlmp.errors import ModelError


def add_cost(model, frame, losses: str | None) -> None:
    """Objective `cost` from the blocks' `cost` Expressions and the branches' `loss`.

    Quadratic losses are costed at the substation price; where that is negative the term would be
    concave: ModelError naming the period.
    """
    (substation,) = model.substation.values()
    terms = [substation.cost[t] for t in frame.labels]
    makers = [*model.generator.values(), *model.storage.values()]
    terms += [g.cost[t] for g in makers for t in frame.labels]
    limited = [b for name in ("bus", "line", "transformer", "datacenter", "svg")
               for b in model.component(name).values()]
    terms += [b.cost for b in limited if b.component("cost") is not None]
    terms += [b.unbalance_cost for b in model.bus.values()
              if b.component("unbalance_cost") is not None]
    if losses is not None:
        for t in frame.labels:
            if pyo.value(substation.price[t]) < 0:
                raise ModelError.at(
                    f"period {t}", f"has the price {pyo.value(substation.price[t])} $/MWh: losses "
                    "valued at a negative price are not convex", "Use losses=None.")
        branches = [b for kind in (model.line, model.transformer) for b in kind.values()]
        terms += [
            substation.price[t] * frame.hours * branch.loss[t]
            for branch in branches for t in frame.labels]
    model.cost = pyo.Objective(expr=sum(terms))
