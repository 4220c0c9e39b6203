"""Load, wye or delta, of constant power, current or impedance, linear in the squared voltage.

    P_leg = scale[t] P0 (1 - n/2 + n/2 w_leg),  Q alike;   n = 0 power, 1 current, 2 impedance

Impedance is exact in w, current to first order (V ~ (1 + w)/2). Delta legs act through the map of
`blocks.legs` (Byeon, Ryu, Kim, arXiv 2211.07942).
"""

from __future__ import annotations

from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.frame import Frame
from pyomo_dlmp.blocks.legs import inject_legs, leg_map, leg_voltage
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.devices import Load

EXPONENT = {"power": 0, "current": 1, "impedance": 2}


@declare_custom_block(name="LoadBlock")
class LoadBlockData(BlockData):
    """A load: no Vars of its own, it only injects into its bus."""

    def build(self, load: Load, frame: Frame, bus, scale=1.0) -> None:
        """Connect to a BusBlock. `scale`: number or one per period. ModelError naming the fault."""
        if load.model not in EXPONENT:
            raise ModelError.at(load.name, f"has the load model {load.model!r}",
                                f"Modeled: {', '.join(EXPONENT)}.")
        D = leg_map(load.name, load.legs, load.connection, bus.phases)
        n = EXPONENT[load.model]
        factor = frame.series(scale, "load scale")
        for t in frame.labels:
            for row, (kw, kvar) in enumerate(zip(load.kw, load.kvar, strict=True)):
                share = factor[t] * (
                    1.0 if n == 0 else
                    1.0 - n / 2 + n / 2 * leg_voltage(bus, D, row, t, load.name))
                inject_legs(bus, D, row, t, kw / 1000 * share, kvar / 1000 * share, sign=-1.0)
