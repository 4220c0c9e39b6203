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
from pyomo.core.expr.numeric_expr import NPV_MinExpression

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.device import BalancedBlockData, Surroundings
from pyomo_dlmp.blocks.horizon import Horizon, number
from pyomo_dlmp.blocks.inverter import limit_inverter
from pyomo_dlmp.blocks.quadratic import priced
from pyomo_dlmp.network.devices import Generator
from pyomo_dlmp.network.units import mega


@declare_custom_block(name="GeneratorBlock")
class GeneratorBlockData(BalancedBlockData):
    """A generator.

    Attributes
    ----------
    p, q : Var
        [t]: totals (MW, Mvar).
    scale : Param
        [t]: multiplier (1) of `p_max`, mutable.
    p_min, p_max, q_min, q_max : Param
        Limits (MW, Mvar), mutable.
    cost_linear, cost_quadratic : Param
        $/MWh and $/MW^2h, mutable.
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
        self.scale = horizon.numbers(scale, "generator scale")
        self.p_min, self.p_max = number(mega(g.kw_min)), number(mega(g.kw_max))
        self.q_min, self.q_max = number(mega(g.kvar_min)), number(mega(g.kvar_max))
        self.cost_linear, self.cost_quadratic = number(g.cost), number(g.cost2)
        self.p = pyo.Var(horizon.periods)
        for t in horizon.labels:
            top = self.scale[t] * self.p_max
            self.p[t].setlb(NPV_MinExpression((self.p_min, top)))
            self.p[t].setub(top)
            self.p[t].set_value(self.p[t].lb)
        self.q = pyo.Var(horizon.periods, initialize=0.0)
        self.q.setlb(self.q_min)
        self.q.setub(self.q_max)
        self.attach(g, horizon, bus)
        limit_inverter(self, g.kva, g.power_factor_min, horizon.labels)
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: priced(horizon.hours, self.cost_linear, self.cost_quadratic, self.p[t])
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
