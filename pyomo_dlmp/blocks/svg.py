"""SVG (static var generator), wye or delta.

Each leg is free in -Q..Q (Mvar, its equal share of the rating; positive: generates). A wye leg
injects jq at its phase. A delta leg acts through the delta map and moves *active* power between
phases: for leg ab, p_a = +q/(2 sqrt3), p_b = -q/(2 sqrt3) as injections, q/2 each. That is how an
SVG balances a feeder. Source of the map: Byeon, Ryu, Kim, arXiv 2211.07942.
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.frame import Frame
from pyomo_dlmp.blocks.legs import inject_legs, leg_map
from pyomo_dlmp.network.devices import StaticVarGenerator


@declare_custom_block(name="SvgBlock")
class SvgBlockData(BlockData):
    """An SVG; Var `q[leg, t]` in Mvar, generated."""

    def build(self, svg: StaticVarGenerator, frame: Frame, bus) -> None:
        """Connect to a BusBlock. ModelError for a leg on a phase that the bus lacks."""
        share = svg.kvar / 1000 / len(svg.legs)
        D = leg_map(svg.name, svg.legs, svg.connection, bus.phases)
        self.q = pyo.Var(frame.index(svg.legs), bounds=(-share, share), initialize=0.0)
        for t in frame.labels:
            for row, leg in enumerate(svg.legs):
                inject_legs(bus, D, row, t, 0.0, self.q[leg, t])
