"""Generator, or any inverter-based source: p and q within limits, at a convex cost.

    kw_min <= p <= kw_max,  kvar_min <= q <= kvar_max   (total, in MW and Mvar)
    cost[t] = h (cost p + cost2 p^2)                     ($)

and the limits of `blocks.inverter` where it has a `kva` or a `power_factor_min`. Each leg makes
p/n and q/n; equal delta legs between three phases are the same as equal phases.
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.blocks.inverter import limit_inverter
from pyomo_dlmp.blocks.legs import inject_legs, leg_map
from pyomo_dlmp.network.devices import Generator


@declare_custom_block(name="GeneratorBlock")
class GeneratorBlockData(BlockData):
    """A generator; Vars `p[t]`, `q[t]`: totals in MW and Mvar."""

    def build(self, generator: Generator, horizon: Horizon, bus) -> None:
        """Connect to a BusBlock. ModelError for a phase that the bus lacks."""
        g = generator
        self.p = pyo.Var(horizon.periods, bounds=(g.kw_min / 1000, g.kw_max / 1000),
                         initialize=g.kw_min / 1000)
        self.q = pyo.Var(horizon.periods, bounds=(g.kvar_min / 1000, g.kvar_max / 1000),
                         initialize=0.0)
        share_equally(bus, g, horizon, lambda t: self.p[t], lambda t: self.q[t])
        limit_inverter(self, g.name, g.kva, g.power_factor_min, horizon.labels, lambda t: self.p[t])
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: horizon.hours * (g.cost * self.p[t] + g.cost2 * self.p[t] ** 2)
            for t in horizon.labels})


def share_equally(bus, device, horizon: Horizon, p, q) -> None:
    """Inject p(t) and q(t) in equal parts at the device's legs."""
    legs, connection = device.legs, device.connection
    if connection == "delta" and len(legs) == 3:  # equal legs: the same as equal phases
        legs, connection = tuple(device.phases), "wye"
    D = leg_map(device.name, legs, connection, bus.phases)
    n = len(legs)
    for t in horizon.labels:
        for row in range(n):
            inject_legs(bus, D, row, t, p(t) / n, q(t) / n)
