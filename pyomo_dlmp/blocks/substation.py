"""Substation: fixed voltage, and energy bought at a price per period.

    w = v^2, theta: deviation from the nominal angle (fixed Vars)
    injection p, q per phase (MW, Mvar, free)

With an impedance of its own (z, ohm) the fixed voltage is behind it, and its bus has, with the
drop matrices of `blocks.branch`,

    w = v^2 - M^P p - M^Q q,    theta = (as above) - 1/2 M^Q p + 1/2 M^P q

    cost[t] = price[t] h sum_phase p[phase, t]        ($)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.branch import affine_rows, drop_matrices
from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.horizon import GivenRows, Horizon
from pyomo_dlmp.blocks.quadratic import positive_part
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.elements import Substation
from pyomo_dlmp.network.phases import alpha


def source_angles(source: Substation, phases: str) -> tuple[float, dict[str, float]]:
    """Angles of a source as a turn of all its phases, and what is left.

    Parameters
    ----------
    source : Substation
        With or without `angles`.
    phases : str
        Of its bus.

    Returns
    -------
    (float, dict of str to float)
        The turn (rad), and the deviation of each phase from its nominal angle and the turn (rad);
        the mean of these is 0.
    """
    if source.angles is None:
        return math.radians(source.angle), dict.fromkeys(phases, 0.0)
    off = np.radians(source.angles) - np.angle(alpha(phases))
    off = [math.remainder(x - off[0], 2 * math.pi) + off[0] for x in off]
    mean = math.fsum(off) / len(off)
    return mean, {k: x - mean for k, x in zip(phases, off, strict=True)}


@declare_custom_block(name="SubstationBlock")
class SubstationBlockData(BlockData):
    """The source bus.

    Attributes
    ----------
    price : Param
        [t]: $/MWh, mutable.
    p, q : Var
        [phase, t]: bought (MW, Mvar).
    cost : Expression
        [t]: $.
    """

    def build(self, substation: Substation, horizon: Horizon, bus: Any, price: Any) -> None:
        """Fix the voltage of the source and buy energy.

        Parameters
        ----------
        substation : Substation
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.
        price : float or sequence of float
            Of energy ($/MWh), one or one per period.

        Raises
        ------
        ModelError
            If there is not one voltage per phase, or not one price per period.
        """
        check_data(substation, bus=bus)
        if len(substation.v_pu) != len(bus.phases):
            raise ModelError.at(
                substation.name, f"gives {len(substation.v_pu)} voltages for phases {bus.phases}",
                f"Give one voltage (pu) for each phase: {len(bus.phases)}.")
        self.price = pyo.Param(
            horizon.periods, initialize=horizon.series(price, "price"), mutable=True,
            within=pyo.Reals)
        self.p = pyo.Var(bus.w.index_set(), initialize=0.0)
        self.q = pyo.Var(bus.w.index_set(), initialize=0.0)
        volts = dict(zip(bus.phases, substation.v_pu, strict=True))
        for phase, t in bus.w.index_set():
            bus.inject((phase, t), self.p[phase, t], self.q[phase, t])
        self._hold(substation, horizon, bus, volts, source_angles(substation, bus.phases))
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: self.price[t] * horizon.hours * sum(self.p[phase, t] for phase in bus.phases)
            for t in horizon.labels})

    def loss_price(self, t: Any) -> Any:
        """Cost of losses to the DSO: the price, 0 where it is negative, whenever that is set.

        Parameters
        ----------
        t : hashable
            The period.

        Returns
        -------
        expression of the Param
            In $/MWh.
        """
        return positive_part(self.price[t])

    def _hold(self, substation: Substation, horizon: Horizon, bus: Any, volts: dict,
              turns: tuple[float, dict[str, float]]) -> None:
        """Fix the voltage of the bus, or write the rows of the source's own impedance."""
        if substation.z is not None:
            self._behind(bus, horizon, substation.z / bus.kv_ln**2, volts, turns[1])
            return
        for phase, t in bus.w.index_set():
            bus.w[phase, t].fix(volts[phase] ** 2)
            if bus.component("theta") is not None:
                bus.theta[phase, t].fix(turns[1][phase])

    def _behind(self, bus, horizon: Horizon, z_pu, volts, turns) -> None:
        """Rows `voltage` and `angle` of the source's own impedance."""
        MP, MQ = drop_matrices(z_pu, bus.phases)
        flows = [(self.p, k) for k in bus.phases] + [(self.q, k) for k in bus.phases]
        voltage: dict = {}
        angle: dict = {}
        index = bus.w.index_set()
        for i, phase in enumerate(bus.phases):
            terms = [(1.0, bus.w, phase)]
            terms += [(c, v, k) for c, (v, k) in zip((*MP[i], *MQ[i]), flows, strict=True)]
            affine_rows(voltage, phase, horizon, terms, volts[phase] ** 2)
            if horizon.angles:
                turn = [(1.0, bus.theta, phase)]
                turn += [(c, v, k) for c, (v, k) in zip(
                    (*(0.5 * MQ[i]), *(-0.5 * MP[i])), flows, strict=True)]
                affine_rows(angle, phase, horizon, turn, turns[phase])
        self.voltage = GivenRows(index, voltage)
        if horizon.angles:
            self.angle = GivenRows(index, angle)
