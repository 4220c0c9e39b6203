"""Who makes and draws how much, by period (MW, Mvar)."""

from __future__ import annotations

import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.blocks.registry import device_components
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.results.schema import DISPATCH

UNITS = {"active": "MW", "reactive": "Mvar"}


@renamed_arguments(net="network")
def dispatch_table(dso, network) -> pd.DataFrame:
    """Substation (per phase, and its price), then devices that are drawn, then those that make.

    Parameters
    ----------
    dso : Block
        Filled by `build_opf` and solved.
    network : Network
        Its feeder.

    Returns
    -------
    DataFrame
        Columns kind, element, bus, phase, period, quantity (active, reactive, price), value (MW,
        Mvar, $/MWh), unit.
        `phase` is empty for totals, a leg for SVGs and (beside the total) for unbalanced
        datacenters. A device's rows are those of its block's `dispatch`.
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
    for cls, component in sorted(device_components(dso), key=lambda pair: not pair[0].draws):
        for name, block in component.items():
            rows += [(cls.word, name, block.bus_name, leg, t, quantity, power, UNITS[quantity])
                     for t in dso.periods for leg, quantity, power in block.dispatch(t)]
    return DISPATCH.frame(rows)
