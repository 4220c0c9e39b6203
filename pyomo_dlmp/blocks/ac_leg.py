"""Leg of a bus in the AC form: the current of a power, linear at an operating point.

u = V_a - V_b: voltage of the leg between conductors a and b (b may be ground: V_b = 0), in pu of
the phase base. A power s injected by the leg's devices has the current  conj(i) = s / u,  whose
tangent at (u0, s0) is

    conj(i) = (s + s0 - (s0 / u0) u) / u0

and enters the balances of a and b multiplied by those rows' m:

    row a gets  m_a conj(i),     row b gets  -m_b conj(i)

(for a phase to ground with m = V0 that is s + s0 - conj(i0) u). Its squared magnitude, in pu of
the leg's squared nominal voltage, n = that voltage in pu of the phase base:

    w = (2 Re(conj(u0) u) - |u0|^2) / n^2
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.horizon import Horizon, constraint_over

RATES = ("power_r", "power_i", "slope_r", "slope_i", "const_r", "const_i")  # of a row's currents
_W = ("w_r", "w_i", "w_c")


class LimitedPhasor(NamedTuple):
    """Rows on the magnitude of a phasor T V, linear at the operating point.

    Attributes
    ----------
    rows : list of (hashable, ConstraintData)
        Period and row of each.
    weight : float or Param
        Of |T V|^power in the rows' bodies.
    phasor : mapping of str to complex
        T: coefficients of the voltages of the bus's conductors (pu of the phase base).
    power : int
        2: rows on squared magnitudes, 1: on magnitudes.
    """

    rows: list[tuple[Hashable, Any]]
    weight: Any
    phasor: Mapping[str, complex]
    power: int = 2


def add_to(total: Any, part: Any) -> None:
    """Add to a named Expression; the first part replaces its 0.

    Parameters
    ----------
    total : Expression
        One entry of it.
    part : expression or float
    """
    none = type(total.expr) is float and total.expr == 0.0
    total.set_value(part if none else total.expr + part)


@declare_custom_block(name="AcLegBlock")
class AcLegBlockData(BlockData):
    """All that is connected between two conductors of a bus; see the module's text.

    Attributes
    ----------
    p, q : Expression
        [t]: power injected (MW, Mvar).
    w : Expression
        [t]: squared voltage (pu of the leg's nominal), linear at the point.
    u0 : dict
        [t]: voltage at the operating point, complex (pu of the phase base).
    point : Param
        [name, conductor, t]: coefficients that follow from the operating point; mutable.
    ends : tuple of str
        Its one or two conductors that are not ground.
    """

    def build(self, ends: tuple[str, ...], nominal: float, horizon: Horizon, bus: Any) -> None:
        """Declare its voltage; its currents enter the balances with the first power.

        Parameters
        ----------
        ends : tuple of str
            One conductor (the leg is to ground) or two.
        nominal : float
            Its nominal voltage (pu of the phase base).
        horizon : Horizon
            Periods and shared indices.
        bus : AcBusBlock
            Where it is.
        """
        periods = horizon.periods
        self.ends, self.nominal, self._labels = ends, nominal, horizon.labels
        self._place, self._injects = (bus,), False  # a block as an attribute would be a component
        self.p = pyo.Expression(periods, initialize=0.0)
        self.q = pyo.Expression(periods, initialize=0.0)
        self.point = horizon.point(ends, (*RATES, *_W))
        self.u0: dict[Hashable, complex] = {}
        squared = {}
        for t in horizon.labels:
            ur, ui = self._voltage(t)
            wr, wi, wc = (self.point[name, ends[0], t] for name in _W)
            squared[t] = wr * ur + wi * ui - wc
        self.w = pyo.Expression(periods, initialize=squared)

    @property
    def phasor(self) -> dict[str, complex]:
        """Coefficients of the conductors' voltages in u."""
        return dict(zip(self.ends, (1.0 + 0j, -1.0 + 0j), strict=False))

    def _voltage(self, t: Hashable) -> list[Any]:
        """Real and imaginary part of u."""
        (bus,), ends = self._place, self.ends
        return [(v[ends[0], t] if len(ends) == 1 else v[ends[0], t] - v[ends[1], t])
                for v in (bus.vr, bus.vi)]

    def _inject(self) -> None:
        """Add to the ends' balances m conj(i), as coefficients of power and voltage."""
        (bus,), self._injects = self._place, True
        for t in self._labels:
            (ur, ui), p, q = self._voltage(t), self.p[t], self.q[t]
            for k in ((end, t) for end in self.ends):
                ar, ai, hr, hi, cr, ci = (self.point[(name, *k)] for name in RATES)
                bus.add_net(k, ar * p - ai * q + cr - hr * ur + hi * ui,
                            ar * q + ai * p + ci - hr * ui - hi * ur)

    def add(self, t: Hashable, p: Any, q: Any) -> None:
        """Add a power that is injected.

        Parameters
        ----------
        t : hashable
            The period.
        p, q : expression or float
            In MW, Mvar.
        """
        if not self._injects:
            self._inject()
        for total, power in ((self.p[t], p), (self.q[t], q)):
            add_to(total, power)

    def set_voltage(self, volts: Mapping[tuple[str, Hashable], complex]) -> None:
        """Take the voltage of the point; `set_power` must follow.

        Parameters
        ----------
        volts : mapping
            [conductor, t]: complex (pu of the phase base).
        """
        square, first = self.nominal**-2, self.ends[0]
        values = {}
        for t in self._labels:
            u = complex(volts[first, t])
            if len(self.ends) == 2:
                u -= volts[self.ends[1], t]
            self.u0[t] = u
            values["w_r", first, t], values["w_i", first, t] = (
                2 * square * u.real, 2 * square * u.imag)
            values["w_c", first, t] = square * abs(u) ** 2
        self.point.store_values(values, check=False)

    def set_power(self, powers: Mapping[Hashable, complex],
                  rows: Mapping[tuple[str, Hashable], complex]) -> None:
        """Take the power of the point, and with it all coefficients.

        Parameters
        ----------
        powers : mapping
            [t]: complex (MVA), injected at the point.
        rows : mapping
            [conductor, t]: m of the balances (pu).
        """
        values = {}
        for t in self._labels:
            u, s = self.u0[t], powers[t]
            for k, sign in zip(self.ends, (1.0, -1.0), strict=False):
                rate = complex(1.0 if rows[k, t] == u else sign * rows[k, t] / u)
                const, slope = rate * s, rate * s / u
                for name, value in zip(RATES, (rate.real, rate.imag, slope.real, slope.imag,
                                               const.real, const.imag), strict=True):
                    values[name, k, t] = value
        self.point.store_values(values, check=False)

    def limit_voltage(self, v_min: float, v_max: float, penalty: float | None,
                      horizon: Horizon) -> None:
        """Limit the leg's voltage: rows `v_low[t]` and `v_high[t]`, as of a bus.

        Parameters
        ----------
        v_min, v_max : float
            Limits (pu of the leg's nominal voltage).
        penalty : float or None
            $ per pu^2 of squared voltage and hour; None: hard.
        horizon : Horizon
            Periods of the model.
        """
        periods, soft = horizon.periods, penalty is not None
        if penalty is not None:
            self.under = pyo.Var(periods, domain=pyo.NonNegativeReals, initialize=0.0)
            self.over = pyo.Var(periods, domain=pyo.NonNegativeReals, initialize=0.0)
            self.cost = pyo.Expression(expr=penalty * horizon.hours * sum(
                self.under[t] + self.over[t] for t in horizon.labels))
        self.v_low = constraint_over(horizon.labels, lambda t: (
            self.w[t] + (self.under[t] if soft else 0.0) >= v_min**2))
        self.v_high = constraint_over(horizon.labels, lambda t: (
            self.w[t] - (self.over[t] if soft else 0.0) <= v_max**2))

    def limited_phasors(self) -> Iterator[LimitedPhasor]:
        """Its rows on squared magnitudes: `v_low` and `v_high`, if there are limits."""
        for name in ("v_low", "v_high"):
            rows = self.component(name)
            if rows is not None:
                yield LimitedPhasor(list(rows.items()), self.nominal**-2, self.phasor)
