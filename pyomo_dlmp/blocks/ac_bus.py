"""Bus in the AC form: the voltage of each conductor, and the balance of its currents.

Symbols, for each conductor k (phases, and neutrals that are not solidly grounded) and period:
V = vr + j vi (pu of the nominal phase voltage), c = cr + j ci: the current that branches bring
(MVA/pu), i_l: the currents that legs inject (`blocks.ac_leg`), m: a fixed multiplier of the row.

    current      c == sum of the branches' currents         (linear, exact, the same at any point)
    balance      sum_l m conj(i_l) + m conj(c) == 0         (balance_p: Re, balance_q: Im)

The balance is one of *currents*: m is the voltage V0 of the operating point, so that the duals of
the rows are prices of power ($/MW, $/Mvar), and 1 at neutrals and where |V0| is small. The
operating point stands in mutable Params, and in the balance and the limits alone.

Limits are on squared magnitudes, linear at the point: with T V the phasor (T: to the bus's
neutral, if it has one that is not solidly grounded; where nothing grounds the bus, less the mean of
its phases; else to ground)

    w = 2 Re(conj(T V0) T V) - |T V0|^2
    v_low[k]: w + under >= v_min^2    v_high[k]: w - over <= v_max^2    cost rho h (under + over)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.ac_leg import AcLegBlock, LimitedPhasor, add_to
from pyomo_dlmp.blocks.ac_limits import add_sequences, limit_neutral, set_sequences
from pyomo_dlmp.blocks.data_checks import by_hand, check_data, drop_limits
from pyomo_dlmp.blocks.horizon import Horizon, constraint_over, number
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.elements import Bus
from pyomo_dlmp.network.fields import PU
from pyomo_dlmp.network.phases import ALPHA, NEUTRAL, PHASES, between_phases

SMALL = 0.3  # pu; below it a row is not multiplied by its voltage
_DELTA_OF = {"a": "ab", "b": "bc", "c": "ca"}  # the leg of an equal delta in place of a star's


@declare_custom_block(name="AcBusBlock")
class AcBusBlockData(BlockData):
    """A bus of the AC form; see the module's text.

    Attributes
    ----------
    vr, vi : Var
        [conductor, t]: voltage (pu of the nominal phase voltage).
    cr, ci : Var
        [conductor, t]: current that branches bring (MVA/pu).
    v0 : dict
        [conductor, t]: voltage of the operating point, complex (pu).
    point : Param
        ["mr" or "mi", conductor, t]: multiplier of the balance (pu), and coefficients of `w`;
        mutable.
    w : Expression
        [phase, t]: squared voltage magnitude (pu), linear at the point.
    leg : AcLegBlock
        By name of the leg.
    net_p, net_q : Expression
        [conductor, t]: what legs inject (MW, Mvar; at neutrals MVA/pu).
    balance_p, balance_q : Constraint
        [conductor, t]; their duals are the prices.
    current_r, current_i : Constraint
        [conductor, t].
    """

    form = "ac"

    def build(self, bus: Bus, horizon: Horizon, grounded: bool = True) -> None:
        """Declare voltages, currents and balances for the bus's conductors.

        Parameters
        ----------
        bus : Bus
            The data.
        horizon : Horizon
            Periods and shared indices.
        grounded : bool
            Whether its voltage to ground is held.
        """
        check_data(bus)
        self.bus_name, self.grounded = bus.name, grounded
        self.phases, self.hours = bus.phases, horizon.hours
        self.kv, self.kv_ln = bus.kv, bus.kv_ln
        self.solid = NEUTRAL if NEUTRAL in bus.neutrals and bus.ground_z == 0 else ""
        self.conductors = "".join(k for k in bus.conductors if k != self.solid)
        self._horizon = horizon
        self._members: list[tuple[Any, str, str]] = []
        self._loose: dict[tuple[str, Hashable], list[tuple[Any, Any]]] = {}
        index = horizon.index(self.conductors)
        flat = {(k, t): complex(ALPHA.get(k, 0.0)) for k, t in index}
        real, imag = ({k: part(v) for k, v in flat.items()} for part in (np.real, np.imag))
        self.vr, self.vi = pyo.Var(index, initialize=real), pyo.Var(index, initialize=imag)
        self.cr, self.ci = pyo.Var(index, initialize=0.0), pyo.Var(index, initialize=0.0)
        self.point = horizon.point(self.conductors, ("mr", "mi", "w_r", "w_i", "w_c"))
        self._declare_w(horizon)
        self.net_p = pyo.Expression(index, initialize=0.0)
        self.net_q = pyo.Expression(index, initialize=0.0)
        self.bring_r = pyo.Expression(index, initialize=0.0)
        self.bring_i = pyo.Expression(index, initialize=0.0)
        self.current_r = constraint_over(index, lambda *k: self.cr[k] - self.bring_r[k] == 0)
        self.current_i = constraint_over(index, lambda *k: self.ci[k] - self.bring_i[k] == 0)
        at = self.point
        self.balance_p = constraint_over(index, lambda *k: (
            self.net_p[k] + at[("mr", *k)] * self.cr[k] + at[("mi", *k)] * self.ci[k] == 0))
        self.balance_q = constraint_over(index, lambda *k: (
            self.net_q[k] + at[("mi", *k)] * self.cr[k] - at[("mr", *k)] * self.ci[k] == 0))
        self.leg = AcLegBlock(pyo.Any)
        self.set_voltage(flat)
        if by_hand() and (bus.v_min, bus.v_max) != (None, None):
            self.limit_voltage(bus.v_min or 0.0, bus.v_max or PU.high)

    def _declare_w(self, horizon: Horizon) -> None:
        """w of the phases, by Params of T V0 (twice) and its squared magnitude."""
        index = horizon.index(self.phases) if self.phases else []
        at = self.point
        self.w = pyo.Expression(index, initialize={
            k: at[("w_r", *k)] * self._referred(self.vr, k)
            + at[("w_i", *k)] * self._referred(self.vi, k) - at[("w_c", *k)] for k in index})

    @property
    def floats(self) -> bool:
        """Whether its phases are read less their mean."""
        return not self.grounded and self.phases == PHASES

    def phasor(self, phase: str) -> dict[str, complex]:
        """T of the module's text.

        Parameters
        ----------
        phase : str
            One of its phases.

        Returns
        -------
        dict of str to complex
            Real coefficients of the conductors' voltages.
        """
        if NEUTRAL in self.conductors:
            return {phase: 1.0, NEUTRAL: -1.0}
        if not self.floats:
            return {phase: 1.0}
        third = 1.0 / 3.0
        return {k: 2 * third if k == phase else -third for k in self.phases}

    def _referred(self, v: Any, k: tuple[str, Hashable]) -> Any:
        """T V of the module's text."""
        terms = self.phasor(k[0])
        if len(terms) == 1:
            return v[k]  # sums of products are read fast, a product of 1 is none
        return sum(c * v[other, k[1]] for other, c in terms.items())

    # -------------------------------------------------------------------- what is connected

    def bring(self, k: tuple[str, Hashable], real: Any, imag: Any) -> None:
        """Add a current that a branch brings to a conductor.

        Parameters
        ----------
        k : (str, hashable)
            (conductor, period).
        real, imag : expression
            In MVA/pu.
        """
        for total, part in ((self.bring_r[k], real), (self.bring_i[k], imag)):
            add_to(total, part)

    def add_net(self, k: tuple[str, Hashable], p: Any, q: Any) -> None:
        """Add m conj(i) of a leg to the balances of a conductor.

        Parameters
        ----------
        k : (str, hashable)
            (conductor, period).
        p, q : expression
            Real and imaginary part (MW, Mvar where m = V0).
        """
        add_to(self.net_p[k], p)
        add_to(self.net_q[k], q)

    def inject(self, k: tuple[str, Hashable], p: Any, q: Any) -> None:
        """Inject a power between a phase and ground.

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
        place = self.at(k[0])
        place.add(k[1], p, q)
        self._loose.setdefault((place.index(), k[1]), []).append((p, q))

    def connect(self, device: Any, periods: Iterable[Hashable]) -> None:
        """Connect a device's legs; those of a device in equal legs are its own, phases or pairs.

        Parameters
        ----------
        device : DeviceBlockData
            It has `legs` and ``leg_power(leg, t)``.
        periods : iterable
            Labels of the periods.

        Raises
        ------
        ModelError
            If a leg is on a conductor that the bus lacks.
        """
        own = leg_names(device.device)
        names = own if len(own) == len(device.legs) else device.legs
        for name, leg in zip(names, device.legs, strict=True):
            place = self.at(name, device.device.name)
            self._members.append((device, leg, place.index()))
            for t in periods:
                place.add(t, *device.leg_power(leg, t))

    def at(self, leg: str, name: str = "") -> Any:
        """The block of a leg, made when it is first asked for.

        Where nothing grounds the bus, a star has equal legs and acts as a delta.

        Parameters
        ----------
        leg : str
            A phase (to ground) or a pair of conductors.
        name : str
            Of the device, in messages.

        Returns
        -------
        AcLegBlock

        Raises
        ------
        ModelError
            If the bus lacks a conductor of the leg.
        """
        if self.floats and len(leg) == 1:
            leg = _DELTA_OF[leg]
        ends = tuple(k for k in leg if k != self.solid)
        missing = [k for k in ends if k not in self.conductors]
        if missing or not ends:
            raise ModelError.at(
                name or str(self.name), f"has the leg {leg!r} at bus {self.bus_name!r}, which has "
                f"the conductors {self.conductors!r}", "Connect it to conductors of the bus.")
        if leg not in self.leg:
            self.leg[leg].build(ends, self.leg_kv(leg) / self.kv_ln, self._horizon, self)
            self.leg[leg].set_voltage(self.v0)
            self.leg[leg].set_power(dict.fromkeys(self._horizon.labels, 0j), self._m)
        return self.leg[leg]

    def leg_voltage(self, leg: str, t: Hashable, name: str = "") -> Any:
        """Squared voltage of a leg, linear at the operating point.

        Parameters
        ----------
        leg : str
            A phase or a pair of conductors.
        t : hashable
            The period.
        name : str
            Of the device, in messages.

        Returns
        -------
        expression
            In pu of the leg's squared nominal voltage.
        """
        return self.at(leg, name).w[t]

    def leg_kv(self, leg: str) -> float:
        """Nominal voltage of a leg (kV): of a phase to neutral, or between two phases."""
        return self.kv if between_phases(leg) else self.kv_ln

    # ------------------------------------------------------------------ the operating point

    def set_voltage(self, volts: Mapping[tuple[str, Hashable], complex]) -> None:
        """Take the voltages of an operating point, for rows and as values; `set_powers` follows.

        Parameters
        ----------
        volts : mapping
            [conductor, t]: complex (pu of the nominal phase voltage).
        """
        self.v0 = {k: complex(volts[k]) for k in self.vr}
        self._m, values = {}, {}
        for k, v in self.v0.items():
            m = v if k[0] in self.phases and abs(v) >= SMALL else 1.0 + 0j
            self._m[k], values[("mr", *k)], values[("mi", *k)] = m, m.real, m.imag
            for var, value in ((self.vr[k], v.real), (self.vi[k], v.imag)):
                if not var.fixed:
                    var.set_value(value, skip_validation=True)
        for k in self.w:
            x = self._referred(self.v0, k)
            for name, value in (("w_r", 2 * x.real), ("w_i", 2 * x.imag), ("w_c", abs(x) ** 2)):
                values[(name, *k)] = value
        self.point.store_values(values, check=False)
        for leg in self.leg.values():
            leg.set_voltage(self.v0)
        if self.component("plus") is not None:
            set_sequences(self)

    def set_powers(self) -> None:
        """Take the legs' powers at the point from the values of the devices' Vars and Params."""
        rows, labels = self._m, self._horizon.labels
        powers: dict[str, dict] = {leg: dict.fromkeys(labels, 0j) for leg in self.leg}
        for device, own, leg in self._members:
            for t in labels:
                powers[leg][t] += device.power_at_point(own, t)
        for (leg, t), parts in self._loose.items():
            powers[leg][t] += sum(complex(pyo.value(p), pyo.value(q)) for p, q in parts)
        net = dict.fromkeys(rows, 0j)
        for name, leg in self.leg.items():
            leg.set_power(powers[name], rows)
            for t in labels:
                share = powers[name][t] / leg.u0[t]
                for k, sign in zip(leg.ends, (1.0, -1.0), strict=False):
                    net[k, t] += sign * share
        for k, current in net.items():
            self.cr[k].set_value(-current.real, skip_validation=True)
            self.ci[k].set_value(current.imag, skip_validation=True)

    # -------------------------------------------------------------------------------- limits

    def limit_voltage(self, v_min: float, v_max: float, penalty: float | None = None) -> None:
        """Limit the magnitudes of the phases, anew: rows `v_low` and `v_high`.

        Parameters
        ----------
        v_min, v_max : float
            Limits (pu).
        penalty : float or None
            Soft limits: $ per pu^2 of squared voltage and hour (Expression `cost`, $); None: hard.
        """
        drop_limits(self)
        self.v_min, self.v_max = number(v_min), number(v_max)
        low, high = self.v_min**2, self.v_max**2
        index = self.w.index_set()
        soft = penalty is not None
        if penalty is not None:
            self.penalty = number(penalty)
            self.under = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
            self.over = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
            self.cost = pyo.Expression(expr=self.penalty * self.hours * sum(
                self.under[k] + self.over[k] for k in index))
        self.v_low = constraint_over(index, lambda *k: (
            self.w[k] + (self.under[k] if soft else 0.0) >= low))
        self.v_high = constraint_over(index, lambda *k: (
            self.w[k] - (self.over[k] if soft else 0.0) <= high))

    def limit_neutral(self, v_max: float, sides: int = 12, penalty: float | None = None) -> None:
        """Limit the magnitudes of neutrals to ground; see `ac_limits.limit_neutral`."""
        limit_neutral(self, self._horizon, v_max, sides, penalty)

    def limit_leg(self, leg: str, v_min: float, v_max: float,
                  penalty: float | None = None) -> None:
        """Limit the magnitude of a leg's voltage, such as of a phase to its neutral.

        Parameters
        ----------
        leg : str
            A phase (to ground) or a pair of conductors, such as ``"an"``.
        v_min, v_max : float
            Limits (pu of the leg's nominal voltage).
        penalty : float or None
            Soft limits: $ per pu^2 of squared voltage and hour (Expression `cost` of the leg's
            block, $); None: hard.

        Raises
        ------
        ModelError
            If the bus lacks a conductor of the leg.
        """
        self.at(leg).limit_voltage(v_min, v_max, penalty, self._horizon)

    def limited_phasors(self) -> Iterator[LimitedPhasor]:
        """Its rows on squared magnitudes, and those of its legs: `v_low` and `v_high`."""
        for name in ("v_low", "v_high"):
            rows = self.component(name)
            for phase in self.phases if rows is not None else ():
                yield LimitedPhasor([(t, rows[phase, t]) for t in self._horizon.labels],
                                    1.0, self.phasor(phase))
        for leg in self.leg.values():
            yield from leg.limited_phasors()

    def add_sequences(self) -> None:
        """Declare symmetrical components; see `ac_limits.add_sequences`."""
        add_sequences(self, self._horizon)
