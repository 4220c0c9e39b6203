"""Load, wye or delta, with any dependence on voltage, linear in the squared voltage.

    P_leg = scale[t] P0 (1 + s (u - 1)),  Q alike;   u = w_leg (kV of the leg / rated kV)^2

    s = 0 power, 1/2 current, 1 impedance, n/2 for V^n, z + i/2 for shares z, i of a ZIP load

Impedance is exact in w, the others to first order (V ~ (1 + w)/2). Delta legs act through the map
of `blocks.legs` (Byeon, Ryu, Kim, arXiv 2211.07942).
"""

from __future__ import annotations

from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.blocks.legs import inject_legs, leg_kv, leg_map, leg_voltage
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.devices import Load

SLOPE = {"power": (0.0, 0.0), "current": (0.5, 0.5), "impedance": (1.0, 1.0)}


def slopes(load: Load) -> tuple[float, float]:
    """dP/dw and dQ/dw at nominal voltage, in shares of the nominal power."""
    c = load.coefficients
    if load.model == "exponential":
        return c[0] / 2, c[1] / 2
    if load.model == "zip":
        return c[0] + c[1] / 2, c[3] + c[4] / 2
    if load.model not in SLOPE:
        raise ModelError.at(load.name, f"has the load model {load.model!r}",
                            f"Modeled: {', '.join(SLOPE)}, exponential, zip.")
    return SLOPE[load.model]


@declare_custom_block(name="LoadBlock")
class LoadBlockData(BlockData):
    """A load: no Vars of its own, it only injects into its bus."""

    def build(self, load: Load, horizon: Horizon, bus, scale=1.0, outside=frozenset()) -> None:
        """Connect to a BusBlock. `scale`: number or one per period. ModelError naming the fault.

        outside: (leg, period) whose voltage at an AC operating point is beyond `v_low` .. `v_high`:
        there they are impedances, s = 1.
        """
        D = leg_map(load.name, load.legs, load.connection, bus.phases)
        of_p, of_q = slopes(load)
        factor = horizon.series(scale, "load scale")
        nominal = leg_kv(bus, load.connection)
        ratio = 1.0 if load.kv is None else (nominal / load.kv) ** 2
        self.scale = factor
        for t in horizon.labels:
            for row, (kw, kvar) in enumerate(zip(load.kw, load.kvar, strict=True)):
                p, q = factor[t] * kw / 1000, factor[t] * kvar / 1000
                beyond = (load.legs[row], t) in outside
                slope = (1.0, 1.0) if beyond else (of_p, of_q)
                if any(slope):
                    change = ratio * leg_voltage(bus, D, row, t, load.name) - 1.0
                    p, q = (power * (1.0 + s * change) if s else power
                            for power, s in zip((p, q), slope, strict=True))
                inject_legs(bus, D, row, t, p, q, sign=-1.0)
