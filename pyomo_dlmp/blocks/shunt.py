"""Shunt admittances: line charging, exciting branches, grounding banks, capacitors.

Drawn power of an admittance Y (pu) between phases, to first order in w and theta:

    S_i = V_i conj(sum_j Y_ij V_j) = sum_j conj(Y_ij) Gamma_ij ((w_i + w_j)/2 + j (theta_i - theta_j))

Angles count only where the bus carries them and Y is no mere susceptance of a line.
"""  # noqa: E501  (a formula cannot be broken)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.elements import Line
from pyomo_dlmp.network.phases import gamma
from pyomo_dlmp.tolerances import ENTRY


def inject_shunt(bus: Any, phases: Sequence[str], admittance: np.ndarray, horizon: Horizon,
                 angles: bool = False) -> None:
    """Inject the power that an admittance draws, as a loss to the bus; see the module's text.

    Parameters
    ----------
    bus : BusBlock
        Where it is connected.
    phases : sequence of str
        Its n phases.
    admittance : ndarray, shape (n, n), complex
        In pu on 1 MVA.
    horizon : Horizon
        Periods of the model.
    angles : bool
        Whether its power depends on angles, where the bus carries them.
    """
    drawn = np.conj(admittance) * gamma(phases)
    for i, phase in enumerate(phases):
        w = 0.5 * drawn[i].copy()
        w[i] += 0.5 * drawn[i].sum()
        terms = [(w[j], bus.w, other) for j, other in enumerate(phases)]
        if angles and bus.component("theta") is not None:
            turn = -1j * drawn[i]
            turn[i] += 1j * drawn[i].sum()
            terms += [(turn[j], bus.theta, other) for j, other in enumerate(phases)]
        active = [(-c.real, v, k) for c, v, k in terms if abs(c.real) > ENTRY]
        reactive = [(-c.imag, v, k) for c, v, k in terms if abs(c.imag) > ENTRY]
        bus.inject_sums(phase, horizon, active, reactive)


def inject_charging(line: Line, horizon: Horizon, ends: tuple[Any, Any]) -> None:
    """Inject a line's charging, half at each end.

    Parameters
    ----------
    line : Line
        With or without charging.
    horizon : Horizon
        Periods of the model.
    ends : (BusBlock, BusBlock)
        Its from-bus and to-bus.
    """
    if line.code.b is None:
        return
    susceptance = np.array(line.code.b) / 1e6 * line.length * ends[1].kv_ln**2
    for bus, phases in zip(ends, (line.from_phases, line.to_phases), strict=True):
        inject_shunt(bus, phases, 0.5j * susceptance, horizon)


@declare_custom_block(name="ShuntBlock")
class ShuntBlockData(BlockData):
    """A linear element at one bus, given by its nodal admittance: no Vars of its own."""

    def build(self, element: NodalAdmittance, horizon: Horizon, bus: Any) -> None:
        """Connect to a bus.

        Parameters
        ----------
        element : NodalAdmittance
            At one bus, between phases and ground.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.
        """
        check_data(element)
        self.bus_name = str(bus.index())
        inject_shunt(bus, element.conductors[0], element.y * bus.kv_ln**2, horizon,
                     horizon.angles)
