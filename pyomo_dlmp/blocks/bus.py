"""Bus: squared voltage, angle, and the power balance whose duals are the prices.

Symbols, for each phase and period k:  w = |V|^2 (pu), theta (rad, from the nominal angle),
net_p, net_q = sum of all injections (MW, Mvar; generation and inflow positive).

    balance_p[k]: net_p == 0        balance_q[k]: net_q == 0

(a model corrected at an AC operating point has `p_residual`, `q_residual` on the right: the losses
there and whatever else the linear flows miss).

The dual of ``balance_p[phase, t]`` in a cost minimisation is the active DLMP ($/MW for the period:
divide by its hours for $/MWh), that of ``balance_q`` the reactive one ($/Mvar).
Voltage limits, soft at a penalty rho ($ per pu^2 and hour) or hard:

    v_low[k]: w + under >= v_min^2    v_high[k]: w - over <= v_max^2    cost rho h (under + over)

so that the multiplier of a soft limit never exceeds rho h.
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.horizon import Horizon, constraint_over
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.elements import Bus


@declare_custom_block(name="BusBlock")
class BusBlockData(BlockData):
    """A bus; see the module's text. Devices only call `inject`."""

    def build(self, bus: Bus, horizon: Horizon) -> None:
        """Declare voltages and balances for the bus's phases."""
        index = horizon.index(bus.phases)
        self.phases, self.kv_ln, self.hours = bus.phases, bus.kv_ln, horizon.hours
        self.w = pyo.Var(index, initialize=1.0)
        if horizon.angles:
            self.theta = pyo.Var(index, initialize=0.0)
        self.net_p = pyo.Expression(index, initialize=0.0)
        self.net_q = pyo.Expression(index, initialize=0.0)
        self.p_residual, self.q_residual = horizon.residual(index), horizon.residual(index)
        p_left, q_left = self.p_residual, self.q_residual
        self.balance_p = constraint_over(index, lambda *k: (
            self.net_p[k] if p_left is None else self.net_p[k] - p_left[k]) == 0)
        self.balance_q = constraint_over(index, lambda *k: (
            self.net_q[k] if q_left is None else self.net_q[k] - q_left[k]) == 0)

    def inject(self, k, p, q) -> None:
        """Add an injection (MW, Mvar, into the bus) at k = (phase, period) to the balances.

        ModelError when the bus lacks the phase.
        """
        if k not in self.net_p:
            raise ModelError.at(
                self.name, f"has no phase '{k[0]}' (it has {self.phases})",
                "Connect the device to phases that the bus has.")
        self.net_p[k].expr = self.net_p[k].expr + p
        self.net_q[k].expr = self.net_q[k].expr + q

    def limit_voltage(self, v_min: float, v_max: float, penalty: float | None = None) -> None:
        """Limits of the line-to-neutral magnitude (pu): soft at `penalty`, hard when it is None."""
        index = self.w.index_set()
        soft = penalty is not None
        if penalty is not None:
            self.under = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
            self.over = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
            self.cost = pyo.Expression(expr=penalty * self.hours * sum(
                self.under[k] + self.over[k] for k in index))
        self.v_low = constraint_over(index, lambda *k: (
            self.w[k] + (self.under[k] if soft else 0.0) >= v_min**2))
        self.v_high = constraint_over(index, lambda *k: (
            self.w[k] - (self.over[k] if soft else 0.0) <= v_max**2))
