"""Substation: fixed voltage, and energy bought at a price per period.

    w = v^2, theta = 0 (fixed Vars);  injection p, q per phase (MW, Mvar, free)
    cost[t] = price[t] h sum_phase p[phase, t]        ($)
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.frame import Frame
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.elements import Substation


@declare_custom_block(name="SubstationBlock")
class SubstationBlockData(BlockData):
    """The source bus; mutable Param `price[t]` in $/MWh."""

    def build(self, substation: Substation, frame: Frame, bus, price) -> None:
        """Fix the bus's voltage and buy energy. ModelError: wrong number of voltages or prices."""
        if len(substation.v_pu) != len(bus.phases):
            raise ModelError.at(
                substation.name, f"gives {len(substation.v_pu)} voltages for phases {bus.phases}",
                "Give one per phase (pu).")
        self.price = pyo.Param(
            frame.periods, initialize=frame.series(price, "price"), mutable=True)
        self.p = pyo.Var(bus.w.index_set(), initialize=0.0)
        self.q = pyo.Var(bus.w.index_set(), initialize=0.0)
        volts = dict(zip(bus.phases, substation.v_pu, strict=True))
        for phase, t in bus.w.index_set():
            bus.w[phase, t].fix(volts[phase] ** 2)
            if bus.component("theta") is not None:
                bus.theta[phase, t].fix(0.0)
            bus.inject((phase, t), self.p[phase, t], self.q[phase, t])
        self.cost = pyo.Expression(frame.periods, initialize={
            t: self.price[t] * frame.hours * sum(self.p[phase, t] for phase in bus.phases)
            for t in frame.labels})
