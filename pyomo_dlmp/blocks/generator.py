"""Generator, or any inverter-based source: p and q within limits, at a convex cost.

    kw_min <= p <= kw_max,  kvar_min <= q <= kvar_max   (total, in MW and Mvar)
    cost[t] = h (cost p + cost2 p^2)                     ($)

and the limits of `blocks.inverter` where it has a `kva` or a `power_factor_min`. Each leg makes
p/n and q/n; equal delta legs between three phases are the same as equal phases.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.device import BalancedBlockData
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.blocks.inverter import limit_inverter
from pyomo_dlmp.network.devices import Generator
from pyomo_dlmp.network.units import mega


@declare_custom_block(name="GeneratorBlock")
class GeneratorBlockData(BalancedBlockData):
    """A generator.

    Attributes
    ----------
    p, q : Var
        [t]: totals (MW, Mvar).
    """

    def build(self, device: Generator, horizon: Horizon, bus: Any) -> None:
        """Connect to a bus.

        Parameters
        ----------
        device : Generator
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.

        Raises
        ------
        ModelError
            If the bus lacks a phase.
        """
        check_data(device, bus=bus)
        g = device
        self.p = pyo.Var(horizon.periods, bounds=(mega(g.kw_min), mega(g.kw_max)),
                         initialize=mega(g.kw_min))
        self.q = pyo.Var(horizon.periods, bounds=(mega(g.kvar_min), mega(g.kvar_max)),
                         initialize=0.0)
        self.attach(g, horizon, bus)
        limit_inverter(self, g.kva, g.power_factor_min, horizon.labels)
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: horizon.hours * (g.cost * self.p[t] + g.cost2 * self.p[t] ** 2)
            for t in horizon.labels})

    def total(self, t: Any) -> tuple[Any, Any]:
        """The Vars p and q."""
        return self.p[t], self.q[t]

    def settings(self, t: Any, p: tuple[float, ...],
                 q: tuple[float, ...]) -> list[tuple[Any, float]]:
        """Totals."""
        return [(self.p[t], sum(p)), (self.q[t], sum(q))]
