"""Line: a `BranchBlock` with the identity connection and the impedance of its code and length.

z (pu) = z (ohm) / kV_ln^2, for powers in MW per phase. Charging (shunt susceptance B, pu on that
base: S kV_ln^2), half at each end, is linear in w like the rest of the model; injected at a bus:

    p + jq = j sum_psi B_{phi psi} / 2  Gamma_{phi psi} (w_phi + w_psi) / 2

which is exact for the diagonal of B and for off-diagonal entries at nominal angles
(`blocks.shunt`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.branch import BranchBlockData
from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.blocks.shunt import inject_charging
from pyomo_dlmp.network.elements import Line
from pyomo_dlmp.network.phases import Connection, alpha, identity_connection


@declare_custom_block(name="LineBlock")
class LineBlockData(BranchBlockData):
    """A line; Vars `p`, `q` (MW, Mvar per phase towards the to-bus)."""

    def build(self, line: Line, horizon: Horizon, from_bus: Any, to_bus: Any,
              thermal_sides: int = 12, thermal_penalty: float | None = None,
              grounded: bool = True) -> None:
        """Connect two buses, with a thermal polygon (`limit_flow`) if the line has a rating.

        Parameters
        ----------
        line : Line
            The data.
        horizon : Horizon
            Periods and shared indices.
        from_bus, to_bus : BusBlock
            Its ends.
        thermal_sides : int
            Sides of the polygon.
        thermal_penalty : float or None
            $ per MVA beyond the rating and hour; None: hard rating.
        grounded : bool
            Whether the voltage to ground is held here; if not, the drop is taken without its zero
            sequence, which has no effect there.

        Raises
        ------
        ModelError
            If a bus lacks a phase.
        """
        check_data(line, from_bus=from_bus, to_bus=to_bus)
        z_pu = line.z / to_bus.kv_ln**2
        if not grounded and len(line.phases) == 3:
            centred = np.eye(3) - 1.0 / 3.0
            z_pu = centred @ z_pu @ centred
        connection = identity_connection(line.phases)
        if line.to_phases != line.phases:  # another name at the other end turns its angle
            connection = Connection.linearise(
                np.eye(len(line.phases)), line.phases, line.to_phases, alpha(line.phases),
                alpha(line.to_phases))
        self.connect(line.name, horizon, from_bus, to_bus, z_pu, connection)
        if line.rated and line.rating_kva is not None:
            self.limit_flow(line.rating_kva, thermal_sides, thermal_penalty, horizon.hours)
        inject_charging(line, horizon, (from_bus, to_bus))
