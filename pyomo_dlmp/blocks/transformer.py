"""Transformer: an ideal connection at a fixed tap, then the leakage impedance, as a `BranchBlock`.

Impedance per phase on the to-side (pu on 1 MW per phase): z = (r + jx)/100 / (kVA per phase/1000).
Wye-wye grounded: identity connection. Delta-delta: phase voltages pass without their zero sequence,
turns I - 11'/3. Other windings are refused by name.
"""

from __future__ import annotations

import numpy as np
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.branch import BranchBlockData, identity_connection
from pyomo_dlmp.blocks.frame import Frame
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.phases import Connection, alpha
from pyomo_dlmp.network.transformers import Transformer


@declare_custom_block(name="TransformerBlock")
class TransformerBlockData(BranchBlockData):
    """A transformer with fixed tap."""

    def build(self, transformer: Transformer, frame: Frame, from_bus, to_bus,
              thermal_sides: int = 12, thermal_penalty: float | None = None) -> None:
        """Connect two BusBlocks, with a thermal polygon (`limit_flow`) if it is `rated`.

        ModelError naming a winding connection that is not modeled.
        """
        phases, n = transformer.phases, len(transformer.phases)
        maker = _CONNECTIONS.get(transformer.connection)
        if maker is None:
            raise ModelError.at(
                transformer.name, f"has the connection {transformer.connection!r}",
                f"Modeled: {', '.join(_CONNECTIONS)}.")
        per_phase = transformer.kva / n / 1000.0
        z = (transformer.r_percent + 1j * transformer.x_percent) / 100.0 / per_phase
        self.connect(transformer.name, phases, frame, from_bus, to_bus, np.eye(n) * z,
                     maker(phases, transformer.tap))
        if transformer.rated:
            self.limit_flow(transformer.kva / n, thermal_sides, thermal_penalty, frame.hours)


def _wye_wye(phases: str, tap: float) -> Connection:
    return identity_connection(phases, tap)


def _delta_delta(phases: str, tap: float) -> Connection:
    nominal = alpha(phases)
    return Connection.linearise(tap * (np.eye(3) - 1.0 / 3.0), phases, phases, nominal, nominal)


_CONNECTIONS = {"wye-wye": _wye_wye, "delta-delta": _delta_delta}
