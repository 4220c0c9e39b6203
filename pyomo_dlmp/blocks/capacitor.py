"""Capacitor: reactive power in proportion to the squared voltage.

    Q_leg = Q0 w_leg (kV of the leg / rated kV)^2,  made;   0 when switched off
"""

from __future__ import annotations

from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.blocks.legs import inject_legs, leg_kv, leg_map, leg_voltage
from pyomo_dlmp.network.devices import Capacitor


@declare_custom_block(name="CapacitorBlock")
class CapacitorBlockData(BlockData):
    """A shunt capacitor (reactor where its kvar is negative): no Vars of its own."""

    def build(self, capacitor: Capacitor, horizon: Horizon, bus) -> None:
        """Connect to a BusBlock. ModelError for a leg on a phase that the bus lacks."""
        if not capacitor.closed:
            return
        D = leg_map(capacitor.name, capacitor.legs, capacitor.connection, bus.phases)
        ratio = 1.0 if capacitor.kv is None else (
            leg_kv(bus, capacitor.connection) / capacitor.kv) ** 2
        for t in horizon.labels:
            for row, kvar in enumerate(capacitor.kvar):
                w = leg_voltage(bus, D, row, t, capacitor.name)
                inject_legs(bus, D, row, t, 0.0, kvar / 1000 * ratio * w)
