"""Datacenter: balanced demand whose active power is decided above the DSO.

    floor kw <= p <= kw (total, in MW),   q = p tan(acos(power factor))   (lagging: it draws q)

Each phase draws p/n and q/n. In a `LowerLevel` its `p` is declared as the upper level's.
"""

from __future__ import annotations

import math

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.frame import Frame
from pyomo_dlmp.network.devices import Datacenter


@declare_custom_block(name="DatacenterBlock")
class DatacenterBlockData(BlockData):
    """A datacenter; Var `p[t]`: total in MW; `tan_phi`: Mvar drawn per MW."""

    def build(self, datacenter: Datacenter, frame: Frame, bus) -> None:
        """Connect to a BusBlock. ModelError for a phase that the bus lacks."""
        top, n = datacenter.kw / 1000, len(datacenter.phases)
        self.tan_phi = math.tan(math.acos(datacenter.power_factor))
        self.phases, self.bus_name = datacenter.phases, datacenter.bus
        self.p = pyo.Var(
            frame.periods, bounds=(datacenter.floor * top, top), initialize=datacenter.floor * top)
        for t in frame.labels:
            for phase in datacenter.phases:
                bus.inject((phase, t), -self.p[t] / n, -self.tan_phi * self.p[t] / n)
