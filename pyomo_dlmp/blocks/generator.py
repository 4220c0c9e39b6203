"""Generator: balanced over its phases, convex quadratic cost of the total.

    kw_min <= p <= kw_max, kvar_min <= q <= kvar_max (totals, in MW and Mvar)
    cost[t] = h (cost p + cost2 p^2)     ($; $/MWh and $/MW^2h)
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.frame import Frame
from pyomo_dlmp.network.devices import Generator


@declare_custom_block(name="GeneratorBlock")
class GeneratorBlockData(BlockData):
    """A generator; Vars `p[t]`, `q[t]`: totals in MW and Mvar."""

    def build(self, generator: Generator, frame: Frame, bus) -> None:
        """Connect to a BusBlock. ModelError for a phase that the bus lacks."""
        g, n = generator, len(generator.phases)
        self.p = pyo.Var(frame.periods, bounds=(g.kw_min / 1000, g.kw_max / 1000),
                         initialize=g.kw_min / 1000)
        self.q = pyo.Var(frame.periods, bounds=(g.kvar_min / 1000, g.kvar_max / 1000),
                         initialize=0.0)
        for t in frame.labels:
            for phase in g.phases:
                bus.inject((phase, t), self.p[t] / n, self.q[t] / n)
        self.cost = pyo.Expression(frame.periods, initialize={
            t: frame.hours * (g.cost * self.p[t] + g.cost2 * self.p[t] ** 2)
            for t in frame.labels})
