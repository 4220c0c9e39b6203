"""Capacitor: reactive power in proportion to the squared voltage.

    Q_leg = Q0 w_leg (kV of the leg / rated kV)^2,  made;   0 when switched off
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.device import DeviceBlockData
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.network.devices import Capacitor
from pyomo_dlmp.network.units import mega


@declare_custom_block(name="CapacitorBlock")
class CapacitorBlockData(DeviceBlockData):
    """A shunt capacitor (reactor where its kvar is negative): no Vars of its own."""

    def build(self, device: Capacitor, horizon: Horizon, bus: Any) -> None:
        """Connect to a bus.

        Parameters
        ----------
        device : Capacitor
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.

        Raises
        ------
        ModelError
            If a leg is on a phase that the bus lacks, or needs angles and the model has none.
        """
        check_data(device, bus=bus)
        self.made_mvar = {}
        for leg, kvar in zip(device.legs, device.kvar, strict=True) if device.closed else ():
            ratio = 1.0 if device.kv is None else (bus.leg_kv(leg) / device.kv) ** 2
            for t in horizon.labels:
                self.made_mvar[leg, t] = mega(kvar) * ratio * bus.leg_voltage(leg, t, device.name)
        self.attach(device, horizon, bus, device.legs if device.closed else ())

    def leg_power(self, leg: str, t: Any) -> tuple[Any, Any]:
        """Reactive power, proportional to the squared voltage."""
        return 0.0, self.made_mvar[leg, t]

    def dispatch(self, t: Any) -> Iterator[tuple[str, str, float]]:
        """No rows: nothing is dispatched."""
        yield from ()
