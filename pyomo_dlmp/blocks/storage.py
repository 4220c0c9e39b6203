"""Storage: a battery whose energy links the periods.

    energy[t] = energy[t-1] + h (eta_c charge[t] - discharge[t] / eta_d)      (MWh)
    0 <= charge, discharge <= kw_max,  kwh_min <= energy <= kwh_max,  energy[last] >= end (cyclic)
    p = discharge - charge (made),  q within its limits and the rating (`blocks.inverter`)
    cost[t] = h cost (charge + discharge)                                     ($)

Charging and discharging at once wastes energy: with efficiencies below 1 it pays only where
prices are negative, and no binaries forbid it.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.device import BalancedBlockData
from pyomo_dlmp.blocks.horizon import Horizon, number
from pyomo_dlmp.blocks.inverter import limit_inverter
from pyomo_dlmp.network.devices import Storage
from pyomo_dlmp.network.units import mega


@declare_custom_block(name="StorageBlock")
class StorageBlockData(BalancedBlockData):
    """A battery.

    Attributes
    ----------
    charge, discharge : Var
        [t]: total power (MW).
    q : Var
        [t]: total reactive power generated (Mvar).
    energy : Var
        [t]: stored at the end of the period (MWh).
    power_max, q_max : Param
        Greatest power either way (MW, Mvar), mutable.
    energy_min, energy_max, energy_start : Param
        Limits of what is stored, and what is before the first period (MWh), mutable.
    cost_linear : Param
        $/MWh of throughput, mutable.
    """

    def build(self, device: Storage, horizon: Horizon, bus: Any) -> None:
        """Connect to a bus.

        Parameters
        ----------
        device : Storage
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.

        Raises
        ------
        ModelError
            If the bus lacks a phase.
        """
        check_data(device, bus=bus)
        s = device
        self.power_max, self.q_max = number(mega(s.kw_max)), number(mega(s.kvar_max))
        self.energy_min, self.energy_max = number(mega(s.kwh_min)), number(mega(s.kwh_max))
        self.energy_start = start = number(mega(s.kwh_start))
        self.cost_linear = number(s.cost)
        self.charge = pyo.Var(horizon.periods, initialize=0.0)
        self.discharge = pyo.Var(horizon.periods, initialize=0.0)
        self.energy = pyo.Var(horizon.periods, initialize=mega(s.kwh_start))
        self.q = pyo.Var(horizon.periods, initialize=0.0)
        for var, low, high in ((self.charge, 0.0, self.power_max),
                               (self.discharge, 0.0, self.power_max),
                               (self.energy, self.energy_min, self.energy_max),
                               (self.q, -self.q_max, self.q_max)):
            var.setlb(low)
            var.setub(high)
        before = [start, *(self.energy[t] for t in horizon.labels[:-1])]
        self.balance = pyo.Constraint(horizon.periods, rule={
            t: self.energy[t] - earlier - horizon.hours * (
                s.efficiency_charge * self.charge[t]
                - self.discharge[t] / s.efficiency_discharge) == 0
            for t, earlier in zip(horizon.labels, before, strict=True)})
        if s.cyclic:
            self.cycle = pyo.Constraint(expr=self.energy[horizon.labels[-1]] >= (
                start if s.kwh_end is None else mega(s.kwh_end)))
        self.attach(s, horizon, bus)
        limit_inverter(self, s.kva, None, horizon.labels)
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: horizon.hours * self.cost_linear * (self.charge[t] + self.discharge[t])
            for t in horizon.labels})

    def total(self, t: Any) -> tuple[Any, Any]:
        """discharge - charge, and q."""
        return self.discharge[t] - self.charge[t], self.q[t]

    def settings(self, t: Any, p: tuple[float, ...],
                 q: tuple[float, ...]) -> list[tuple[Any, float]]:
        """Totals; only one of charge and discharge."""
        return [(self.charge[t], max(-sum(p), 0.0)), (self.discharge[t], max(sum(p), 0.0)),
                (self.q[t], sum(q))]
