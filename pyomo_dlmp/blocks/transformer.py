"""Transformer: any bank of single-phase units as a two-port, for a `BranchBlock`.

From the units' admittances (`network.windings`):  V_to = T V_from - Z I_to,  I_from = T' I_to +
Y_s V_from. T (turns, windings, taps) is linearised at nominal voltages into the ideal connection of
`network.phases`; Z is the impedance behind it; Y_s (what a grounded-wye delta bank draws of zero
sequence, the exciting branch) is a shunt at the from-bus. Wye, delta, open-wye open-delta,
single-phase between lines, centre-tapped (to-phases 1 and 2): all are this one form.

Branches side by side that only together determine the to-bus's voltages, such as the units of an
open-delta bank and its through conductor, are one block: their admittances add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.branch import BranchBlockData
from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.blocks.shunt import inject_shunt
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.elements import Bus, Regulator
from pyomo_dlmp.network.kinds import BRANCHES, Branch
from pyomo_dlmp.network.phases import PHASES, Connection, alpha
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer
from pyomo_dlmp.network.windings import two_port
from pyomo_dlmp.tolerances import NOMINAL, RANK

_CONNECTIONS = ("wye-wye", "delta-delta", "delta-wye", "wye-delta")


@declare_custom_block(name="TransformerBlock")
class TransformerBlockData(BranchBlockData):
    """A transformer with fixed taps, or a bank of branches between the same two buses."""

    def build(self, branches: Branch | Sequence[Branch], horizon: Horizon, from_bus: Any,
              to_bus: Any, thermal_sides: int = 12, thermal_penalty: float | None = None,
              grounded: bool = True) -> None:
        """Connect two buses, with a thermal polygon (`limit_flow`) if the first branch is `rated`.

        Parameters
        ----------
        branches : Branch or sequence of Branch
            One, or a bank of those between the same two buses.
        horizon : Horizon
            Periods and shared indices.
        from_bus, to_bus : BusBlock
            Its ends.
        thermal_sides : int
            Sides of the polygon.
        thermal_penalty : float or None
            $ per MVA beyond the rating and hour; None: hard rating.
        grounded : bool
            Whether the voltage to ground is held beyond; if not, the to-bus has voltages without
            zero sequence, which has no effect there.

        Raises
        ------
        ModelError
            If a winding connection is not modeled, an ideal unit is part of a bank, or a bus lacks
            a phase.
        """
        bank = [branches] if isinstance(
            branches, BRANCHES) else list(branches)
        check_data(bank[0], from_bus=from_bus, to_bus=to_bus)
        for branch in bank[1:]:
            check_data(branch)
        for branch in bank:
            if isinstance(branch, Transformer) and branch.connection not in _CONNECTIONS:
                raise ModelError.at(
                    branch.name, f"has the connection {branch.connection!r}",
                    f"Modeled: {', '.join(_CONNECTIONS)}.")
            if isinstance(branch, Regulator) and branch.kva is None and len(bank) > 1:
                raise ModelError.at(
                    branch.name, "is ideal and parallel to other branches",
                    "Give its kva, r_percent and x_percent.")
        buses = {
            name: Bus(name=name, kv=block.kv, phases=block.phases)
            for name, block in ((bank[0].from_bus, from_bus), (bank[0].to_bus, to_bus))}
        inputs, outputs, (turns, z, shunt) = two_port(bank, buses)
        turns = np.where(np.abs(turns) < RANK * np.abs(turns).max(), 0.0, turns)
        shunt = np.where(np.abs(shunt) < RANK * np.abs(np.linalg.pinv(z)).max(), 0.0, shunt)
        if not grounded and outputs == PHASES:
            centred = np.eye(3) - 1.0 / 3.0
            turns, z = centred @ turns, centred @ z @ centred
        nominal = alpha(inputs)
        connection = Connection.linearise(
            _real(turns), inputs, outputs, nominal, alpha(outputs))
        self.connect(bank[0].name, horizon, from_bus, to_bus, z, connection)
        if np.any(shunt):
            inject_shunt(from_bus, inputs, shunt, horizon, horizon.angles)
        first = bank[0]
        if isinstance(first, Transformer | CenterTappedTransformer) and first.rated:
            units = len(outputs)
            self.limit_flow(first.kva / units, thermal_sides, thermal_penalty, horizon.hours)


def _real(turns: np.ndarray) -> np.ndarray:
    """Turns ratios are real but for the exciting branch's tiny drop, which a shunt holds."""
    return turns.real if np.abs(turns.imag).max() < NOMINAL * np.abs(turns).max() else turns

