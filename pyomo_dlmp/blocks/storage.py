"""Storage: a battery whose energy links the periods.

    energy[t] = energy[t-1] + h (eta_c charge[t] - discharge[t] / eta_d)      (MWh)
    0 <= charge, discharge <= kw_max,  kwh_min <= energy <= kwh_max,  energy[last] >= start (cyclic)
    p = discharge - charge (made),  q within its limits and the rating (`blocks.inverter`)
    cost[t] = h cost (charge + discharge)                                     ($)

Charging and discharging at once wastes energy: with efficiencies below 1 it pays only where
prices are negative, and no binaries forbid it.
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.generator import share_equally
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.blocks.inverter import limit_inverter
from pyomo_dlmp.network.devices import Storage


@declare_custom_block(name="StorageBlock")
class StorageBlockData(BlockData):
    """A battery; Vars `charge[t]`, `discharge[t]` (MW), `q[t]` (Mvar), `energy[t]` (MWh, end)."""

    def build(self, storage: Storage, horizon: Horizon, bus) -> None:
        """Connect to a BusBlock. ModelError for a phase that the bus lacks."""
        s, top = storage, storage.kw_max / 1000
        self.charge = pyo.Var(horizon.periods, bounds=(0.0, top), initialize=0.0)
        self.discharge = pyo.Var(horizon.periods, bounds=(0.0, top), initialize=0.0)
        self.energy = pyo.Var(horizon.periods, bounds=(s.kwh_min / 1000, s.kwh_max / 1000),
                              initialize=s.kwh_start / 1000)
        reach = s.kvar_max / 1000
        self.q = pyo.Var(horizon.periods, bounds=(-reach, reach), initialize=0.0)
        made = {t: self.discharge[t] - self.charge[t] for t in horizon.labels}
        before = [s.kwh_start / 1000, *(self.energy[t] for t in horizon.labels[:-1])]
        self.balance = pyo.Constraint(horizon.periods, rule={
            t: self.energy[t] - earlier - horizon.hours * (
                s.efficiency_charge * self.charge[t]
                - self.discharge[t] / s.efficiency_discharge) == 0
            for t, earlier in zip(horizon.labels, before, strict=True)})
        if s.cyclic:
            self.cycle = pyo.Constraint(
                expr=self.energy[horizon.labels[-1]] >= s.kwh_start / 1000)
        share_equally(bus, s, horizon, lambda t: made[t], lambda t: self.q[t])
        limit_inverter(self, s.name, s.kva, None, horizon.labels, lambda t: made[t])
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: horizon.hours * s.cost * (self.charge[t] + self.discharge[t])
            for t in horizon.labels})
