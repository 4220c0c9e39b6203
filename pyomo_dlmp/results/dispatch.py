"""Who makes and draws how much, by period (MW, Mvar)."""

from __future__ import annotations

import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.results.schema import DISPATCH


def dispatch_table(dso, network) -> pd.DataFrame:
    """Who draws and makes how much, by period.

    The substation per phase, and its price; datacenters as drawn; generators, storage and SVGs as
    made.

    Parameters
    ----------
    dso : block
        Filled by `build_opf` and solved by `solve_bilevel` or `solve_opf`.
    network : Network
        The network that the DSO's block was built from.

    Returns
    -------
    DataFrame
        Columns kind, element, bus, phase, period, quantity (active, reactive, price), value (MW,
        Mvar, $/MWh), unit. `phase` is empty for totals, a leg for SVGs and (beside the total) for
        unbalanced datacenters.
    """
    rows: list[tuple] = []
    for name, block in dso.substation.items():
        at = network.substations[name].bus
        for phase, t in block.p:
            rows.append(("substation", name, at, phase, t, "active", block.p[phase, t].value, "MW"))
            rows.append(
                ("substation", name, at, phase, t, "reactive", block.q[phase, t].value, "Mvar"))
        rows += [("substation", name, at, "", t, "price", value(block.price[t]), "$/MWh")
                 for t in dso.periods]
    for name, block in dso.datacenter.items():
        at = network.datacenters[name].bus
        for t in dso.periods:
            parts = (("active", block.p[t], block.leg_p, "MW"),
                     ("reactive", block.q[t], block.leg_q, "Mvar"))
            rows += [("datacenter", name, at, "", t, quantity, value(total), unit)
                     for quantity, total, _, unit in parts]
            if not block.balanced:
                rows += [("datacenter", name, at, leg, t, quantity, value(by_leg[leg, t]), unit)
                         for quantity, _, by_leg, unit in parts for leg in block.legs]
    for name, block in dso.generator.items():
        at = network.generators[name].bus
        for t in dso.periods:
            rows.append(("generator", name, at, "", t, "active", value(block.p[t]), "MW"))
            rows.append(("generator", name, at, "", t, "reactive", value(block.q[t]), "Mvar"))
    for name, block in dso.storage.items():
        at = network.storages[name].bus
        for t in dso.periods:
            made = value(block.discharge[t]) - value(block.charge[t])
            rows.append(("storage", name, at, "", t, "active", made, "MW"))
            rows.append(("storage", name, at, "", t, "reactive", value(block.q[t]), "Mvar"))
    for name, block in dso.svg.items():
        at = network.svgs[name].bus
        rows += [("svg", name, at, leg, t, "reactive", value(block.q[leg, t]), "Mvar")
                 for leg, t in block.q]
        if block.split:
            rows += [("svg", name, at, leg, t, "active", -value(block.loss[leg, t]), "MW")
                     for leg, t in block.q]
    return DISPATCH.frame(rows)
