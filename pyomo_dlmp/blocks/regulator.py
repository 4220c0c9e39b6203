"""Regulator at fixed taps, without series impedance, as a `BranchBlock` (z = 0).

Wye: w_to = a^2 w_from per phase, a = 1 + 0.00625 tap (type B). Open delta: the two units act on
line-to-line voltages, V'_ab = a_ab V_ab, V'_cb = a_cb V_cb, and the third follows; the exact map of
phase voltages is linearised (`network.phases.open_delta_turns`), which couples phases by angles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.branch import BranchBlockData
from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.elements import Regulator
from pyomo_dlmp.network.phases import (
    Connection,
    alpha,
    identity_connection,
    open_delta_turns,
)


@declare_custom_block(name="RegulatorBlock")
class RegulatorBlockData(BranchBlockData):
    """A bank of step-voltage regulators at fixed taps."""

    lossy = False

    def build(self, regulator: Regulator, horizon: Horizon, from_bus: Any, to_bus: Any) -> None:
        """Connect two buses.

        Parameters
        ----------
        regulator : Regulator
            The data.
        horizon : Horizon
            Periods and shared indices.
        from_bus, to_bus : BusBlock
            Its ends.

        Raises
        ------
        ModelError
            If the connection is unknown, the taps do not fit it, or a bus lacks a phase.
        """
        check_data(regulator, from_bus=from_bus, to_bus=to_bus)
        phases, ratio = regulator.phases, regulator.ratio
        if regulator.connection == "wye":
            if set(ratio) != set(phases):
                raise ModelError.at(
                    regulator.name, f"has taps for {sorted(ratio)} on phases {phases}",
                    "Give one tap per phase.")
            connection = identity_connection(phases, [ratio[phase] for phase in phases])
        elif regulator.connection == "open_delta":
            try:
                turns = open_delta_turns(ratio)
            except ValueError as err:
                raise ModelError.at(regulator.name, str(err), "Regulate two pairs.") from None
            nominal = alpha("abc")
            connection = Connection.linearise(turns, "abc", "abc", nominal, nominal)
        else:
            raise ModelError.at(
                regulator.name, f"has the connection {regulator.connection!r}",
                "Modeled: wye, open_delta.")
        n = len(phases)
        self.connect(regulator.name, horizon, from_bus, to_bus, np.zeros((n, n), dtype=complex),
                     connection)
