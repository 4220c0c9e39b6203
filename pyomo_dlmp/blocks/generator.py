"""Generator, or any inverter-based source: p and q within limits, at a convex cost.

    min(kw_min, c[t] kw_max) <= p <= c[t] kw_max,  kvar_min <= q <= kvar_max   (totals, MW, Mvar)
    cost[t] = h (cost p + cost2 p^2)                     ($)

with the multiplier c[t] of its profile, and the limits of `blocks.inverter` where it has a `kva`
or a `power_factor_min`. Each leg makes p/n and q/n; equal delta legs between three
phases are the same as equal phases.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.device import BalancedBlockData, Surroundings
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

    def build(self, device: Generator, horizon: Horizon, bus: Any, scale: Any = 1.0) -> None:
        """Connect to a bus.

        Parameters
        ----------
        device : Generator
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.
        scale : float or sequence of float
            Multiplier (1) of its `kw_max`, one or one per period.

        Raises
        ------
        ModelError
            If the bus lacks a phase, or the scale does not fit.
        """
        check_data(device, bus=bus)
        g = device
        top = {t: c * mega(g.kw_max) for t, c in horizon.series(scale, "generator scale").items()}
        low = {t: min(mega(g.kw_min), most) for t, most in top.items()}
        self.p = pyo.Var(horizon.periods, initialize=low)
        for t in horizon.labels:
            self.p[t].setlb(low[t])
            self.p[t].setub(top[t])
        self.q = pyo.Var(horizon.periods, bounds=(mega(g.kvar_min), mega(g.kvar_max)),
                         initialize=0.0)
        self.attach(g, horizon, bus)
        limit_inverter(self, g.kva, g.power_factor_min, horizon.labels)
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: horizon.hours * (g.cost * self.p[t] + g.cost2 * self.p[t] ** 2)
            for t in horizon.labels})

    def build_at(self, device: Generator, horizon: Horizon, bus: Any, at: Surroundings) -> None:
        """As `build`, at its scale in the OPF."""
        self.build(device, horizon, bus, at.scale)

    def total(self, t: Any) -> tuple[Any, Any]:
        """The Vars p and q."""
        return self.p[t], self.q[t]

    def settings(self, t: Any, p: tuple[float, ...],
                 q: tuple[float, ...]) -> list[tuple[Any, float]]:
        """Totals."""
        return [(self.p[t], sum(p)), (self.q[t], sum(q))]
