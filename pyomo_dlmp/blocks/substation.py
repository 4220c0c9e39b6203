"""Substation: fixed voltage, and energy bought at a price per period.

    w = v^2, theta = 0 (fixed Vars);  injection p, q per phase (MW, Mvar, free)

With an impedance of its own (z, ohm) the fixed voltage is behind it, and its bus has, with the
drop matrices of `blocks.branch`,

    w = v^2 - M^P p - M^Q q,    theta = -1/2 M^Q p + 1/2 M^P q

    cost[t] = price[t] h sum_phase p[phase, t]        ($)
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.branch import affine_rows, drop_matrices
from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.elements import Substation


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
                "Give one per phase (pu).")
        self.price = pyo.Param(
            horizon.periods, initialize=horizon.series(price, "price"), mutable=True)
        self.p = pyo.Var(bus.w.index_set(), initialize=0.0)
        self.q = pyo.Var(bus.w.index_set(), initialize=0.0)
        volts = dict(zip(bus.phases, substation.v_pu, strict=True))
        for phase, t in bus.w.index_set():
            bus.inject((phase, t), self.p[phase, t], self.q[phase, t])
        if substation.z is None:
            for phase, t in bus.w.index_set():
                bus.w[phase, t].fix(volts[phase] ** 2)
                if bus.component("theta") is not None:
                    bus.theta[phase, t].fix(0.0)
        else:
            self._behind(bus, horizon, substation.z / bus.kv_ln**2, volts)
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: self.price[t] * horizon.hours * sum(self.p[phase, t] for phase in bus.phases)
            for t in horizon.labels})

    def loss_price(self, t: Any) -> Any:
        """Cost of losses to the DSO: the price, 0 where it is negative.

        Parameters
        ----------
        t : hashable
            The period.

        Returns
        -------
        Param or float
            In $/MWh.
        """
        return self.price[t] if pyo.value(self.price[t]) >= 0 else 0.0

    def _behind(self, bus, horizon: Horizon, z_pu, volts) -> None:
        """Rows `voltage` and `angle` of the source's own impedance."""
        MP, MQ = drop_matrices(z_pu, bus.phases)
        flows = [(self.p, k) for k in bus.phases] + [(self.q, k) for k in bus.phases]
        voltage: dict = {}
        angle: dict = {}
        index = bus.w.index_set()
        self.w_residual, self.theta_residual = horizon.residual(index), horizon.residual(index)
        for i, phase in enumerate(bus.phases):
            terms = [(1.0, bus.w, phase)]
            terms += [(c, v, k) for c, (v, k) in zip((*MP[i], *MQ[i]), flows, strict=True)]
            affine_rows(voltage, phase, horizon.labels, terms, volts[phase] ** 2,
                        self.w_residual)
            if horizon.angles:
                turn = [(1.0, bus.theta, phase)]
                turn += [(c, v, k) for c, (v, k) in zip(
                    (*(0.5 * MQ[i]), *(-0.5 * MP[i])), flows, strict=True)]
                affine_rows(angle, phase, horizon.labels, turn, 0.0, self.theta_residual)
        self.voltage = pyo.Constraint(index, rule=voltage)
        if horizon.angles:
            self.angle = pyo.Constraint(index, rule=angle)
