"""Bus: squared voltage, angle, and the power balance whose duals are the prices.

Symbols, for each phase and period k:  w = |V|^2 (pu), theta (rad, from the nominal angle),
net_p, net_q = sum of all injections (MW, Mvar; generation and inflow positive).

    balance_p[k]: net_p == 0        balance_q[k]: net_q == 0

The dual of ``balance_p[phase, t]`` in a cost minimisation is the active DLMP ($/MW for the period:
divide by its hours for $/MWh), that of ``balance_q`` the reactive one ($/Mvar).
Voltage limits, soft at a penalty rho ($ per pu^2 and hour) or hard:

    v_low[k]: w + under >= v_min^2    v_high[k]: w - over <= v_max^2    cost rho h (under + over)

so that the multiplier of a soft limit never exceeds rho h.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NoReturn

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block
from pyomo.core.expr.relational_expr import EqualityExpression, InequalityExpression

from pyomo_dlmp.blocks.data_checks import by_hand, check_data, drop_limits
from pyomo_dlmp.blocks.horizon import GivenRows, Horizon, Term, number
from pyomo_dlmp.blocks.legs import leg_shares
from pyomo_dlmp.errors import Fault, ModelError
from pyomo_dlmp.expressions import WeightedSum, add_to, plus
from pyomo_dlmp.network.elements import Bus
from pyomo_dlmp.network.fields import PU
from pyomo_dlmp.network.kinds import label
from pyomo_dlmp.network.phases import between_phases
from pyomo_dlmp.tolerances import ENTRY

_ONE, _ABOVE, _BELOW = (1.0,), (1.0, 1.0), (1.0, -1.0)  # coefficients that all buses share


@declare_custom_block(name="BusBlock")
class BusBlockData(BlockData):
    """A bus; see the module's text. Devices are connected by their legs, or `inject` by phase.

    Attributes
    ----------
    w : Var
        [phase, t]: squared voltage magnitude (pu).
    theta : Var
        [phase, t]: deviation from the nominal angle (rad); only where the model has angles.
    net_p, net_q : Expression
        [phase, t]: sum of the injections (MW, Mvar).
    balance_p, balance_q : Constraint
        [phase, t]; their duals are the prices.
    """

    form = "lindist"

    def build(self, bus: Bus, horizon: Horizon) -> None:
        """Declare voltages and balances for the bus's phases.

        Limits of the data act at once where the bus is not one of a `Network` (whose options say
        how they act): hard, until `limit_voltage` is called.

        Parameters
        ----------
        bus : Bus
            The data.
        horizon : Horizon
            Periods and shared indices.

        Raises
        ------
        ModelError
            If it has a neutral that is not at ground.
        """
        check_data(bus)
        if bus.neutrals and bus.ground_z != 0:
            raise ModelError.at(
                label(bus), f"has the conductors {bus.neutrals!r}, which are not solidly grounded",
                "Give ground_r=0 and ground_x=0, or let build_opf reduce the network.")
        self.bus_name = bus.name
        index = horizon.index(bus.phases)
        self.phases, self.hours = bus.phases, horizon.hours
        self.kv, self.kv_ln = bus.kv, bus.kv_ln
        self.w = pyo.Var(index, initialize=1.0)
        if horizon.angles:
            self.theta = pyo.Var(index, initialize=0.0)
        self.net_p = pyo.Expression(index, initialize=0.0)
        self.net_q = pyo.Expression(index, initialize=0.0)
        self.balance_p = GivenRows(index, _balance(self.net_p))
        self.balance_q = GivenRows(index, _balance(self.net_q))
        if by_hand() and (bus.v_min, bus.v_max) != (None, None):
            self.limit_voltage(bus.v_min, bus.v_max)

    def inject(self, k: tuple[str, Hashable], p: Any, q: Any) -> None:
        """Add an injection to the balances.

        Parameters
        ----------
        k : (str, hashable)
            (phase, period).
        p, q : expression or float
            Power into the bus (MW, Mvar).

        Raises
        ------
        ModelError
            If the bus lacks the phase.
        """
        if k not in self.net_p:
            self._refuse_phase(k[0])
        for net, power in ((self.net_p[k], p), (self.net_q[k], q)):
            net.set_value(plus(net.args[0], power))

    def inject_sums(self, phase: str, horizon: Horizon, p: Sequence[Term],
                    q: Sequence[Term]) -> None:
        """Add the same weighted sum of Vars to the balances of every period.

        Parameters
        ----------
        phase : str
            Where it is injected.
        horizon : Horizon
            Periods of the model.
        p, q : sequence of (float, Var, hashable)
            (coefficient, var, k): coefficient x var[k, t] into the bus in period t (MW, Mvar).

        Raises
        ------
        ModelError
            If the bus lacks the phase.
        """
        if phase not in self.phases:
            self._refuse_phase(phase)
        for net, terms in ((self.net_p, p), (self.net_q, q)):
            add_to(horizon.column(net, phase), [float(c) for c, _, _ in terms],
                   [horizon.column(var, k) for _, var, k in terms])

    def _refuse_phase(self, phase: str) -> NoReturn:
        raise ModelError.at(self.name, f"has no phase '{phase}' (it has {self.phases})",
                            "Connect the device to phases that the bus has.")

    def connect(self, device: Any, periods: Iterable[Hashable]) -> None:
        """Add the injections of a device's legs to the balances.

        Only here are legs mapped to phases.

        Parameters
        ----------
        device : DeviceBlockData
            It has `legs` and ``leg_power(leg, t)``.
        periods : iterable
            Labels of the periods.

        Raises
        ------
        ModelError
            If a leg is on a phase that the bus lacks.
        """
        parts: dict[str, list[tuple[str, float, float]]] = {}
        for leg in device.legs:
            for phase, real, imag in self.leg_shares(leg, device.device.name):
                parts.setdefault(phase, []).append((leg, real, imag))
        for t in periods:
            powers = {leg: device.leg_power(leg, t) for leg in device.legs}
            for phase, shares in parts.items():
                active = reactive = 0.0
                for leg, real, imag in shares:
                    p, q = powers[leg]
                    active = active + _part(real, p) - _part(imag, q)
                    reactive = reactive + _part(real, q) + _part(imag, p)
                self.inject((phase, t), active, reactive)

    def leg_shares(self, leg: str, name: str = "") -> tuple[tuple[str, float, float], ...]:
        """Shares of a leg's power p + jq that the phases get.

        Parameters
        ----------
        leg : str
            A phase or a pair of phases.
        name : str
            Of the device, in messages.

        Returns
        -------
        tuple of (str, float, float)
            (phase, real part, imaginary part) of each share that is not 0.

        Raises
        ------
        ModelError
            If the bus lacks a phase of the leg.
        """
        return leg_shares(leg, self.phases, name or str(self.name))

    def leg_voltage(self, leg: str, t: Hashable, name: str = "") -> Any:
        """Squared voltage of a leg.

        Parameters
        ----------
        leg : str
            A phase or a pair of phases.
        t : hashable
            The period.
        name : str
            Of the device, in messages.

        Returns
        -------
        expression
            In pu of the leg's squared nominal voltage; linear in w and theta.

        Raises
        ------
        ModelError
            If the bus lacks a phase of the leg, or the leg needs angles and the model has none.
        """
        terms = []
        for phase, real, imag in self.leg_shares(leg, name):
            terms.append(real * self.w[phase, t])
            if abs(imag) > ENTRY:
                if self.component("theta") is None:
                    raise ModelError.at(
                        name or str(self.name),
                        "depends on a line-to-line voltage, which needs angles",
                        "Build with angles=True.")
                terms.append(-2.0 * imag * self.theta[phase, t])
        return sum(terms)

    def leg_kv(self, leg: str) -> float:
        """Nominal voltage of a leg: of a phase to neutral, or between two phases.

        Parameters
        ----------
        leg : str
            A phase or a pair of phases.

        Returns
        -------
        float
            In kV.
        """
        return self.kv if between_phases(leg) else self.kv_ln

    def limit_voltage(self, v_min: float | None, v_max: float | None,
                      penalty: float | None = None) -> None:
        """Limit the line-to-neutral magnitude: rows `v_low` and `v_high`.

        The numbers become mutable Params `v_min`, `v_max`, `penalty`. Limits from before are
        replaced.

        Parameters
        ----------
        v_min, v_max : float or None
            Limits (pu); None: no such limit.
        penalty : float or None
            Soft limits: $ per pu^2 of squared voltage and hour (Expression `cost`, $, to be added
            to the objective); None: hard.

        Raises
        ------
        ModelError
            A limit is no voltage in pu, or they contradict each other.
        """
        self._check_limits(v_min, v_max)
        drop_limits(self)
        index, w = self.w.index_set(), self.w
        low: dict = {k: WeightedSum(_ONE, (w[k],)) for k in index}
        high = low
        if penalty is not None:
            self.penalty = number(penalty)
            self.under = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
            self.over = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
            beyond = tuple(var[k] for k in index for var in (self.under, self.over))
            self.cost = pyo.Expression(expr=(self.penalty * self.hours) * WeightedSum(
                _ONE * len(beyond), beyond))
            low = {k: WeightedSum(_ABOVE, (w[k], self.under[k])) for k in index}
            high = {k: WeightedSum(_BELOW, (w[k], self.over[k])) for k in index}
        if v_min is not None:
            self.v_min = number(v_min)
            least = self.v_min**2
            self.v_low = GivenRows(index, {
                k: InequalityExpression((least, body), False) for k, body in low.items()})
        if v_max is not None:
            self.v_max = number(v_max)
            most = self.v_max**2
            self.v_high = GivenRows(index, {
                k: InequalityExpression((body, most), False) for k, body in high.items()})

    def _check_limits(self, v_min: float | None, v_max: float | None) -> None:
        faults = [Fault(str(self.name), f"{key} {found[0]}", found[1])
                  for key, span, value in (("v_min", PU._replace(above=False), v_min),
                                           ("v_max", PU, v_max))
                  if (found := span.finding(value, none="no limit"))]
        if not faults and v_min is not None and v_max is not None and v_min >= v_max:
            faults = [Fault(str(self.name), f"v_min {v_min:g} pu is not below v_max {v_max:g} pu",
                            "Give v_min < v_max.")]
        if faults:
            raise ModelError(faults)


def _balance(net: pyo.Expression) -> dict:
    return {k: EqualityExpression((power, 0.0)) for k, power in net.items()}


def _part(share: float, power: Any) -> Any:
    """share x power, without a product where the share is 0 or 1."""
    if share == 0.0:
        return 0.0
    return power if share == 1.0 else share * power
