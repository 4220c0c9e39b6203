"""Load, wye or delta, with any dependence on voltage, linear in the squared voltage.

    P_leg = scale[t] P0 (1 + s (u - 1)),   Q alike by q_scale[t]
    u = w_leg (kV of the leg / rated kV)^2

    s = 0 power, 1/2 current, 1 impedance, n/2 for V^n, z + i/2 for shares z, i of a ZIP load

In the AC form it is linear at an operating point, and drawn with the slope that it has there. Near
`v_high` (w_h), above which it is an impedance, its slope jumps by D: the lesser law is exceeded by
D (w - w_h) above, the upper law by D (w_h - w) below, so that with the law at the point

    P_leg = P(w0) + P'(w0) (w - w0) + D e,    e >= 0,  e >= +-(w - w_h)

which is exact where more load costs more (e is then as small as it can be).

Impedance is exact in w, the others to first order (V ~ (1 + w)/2). Delta legs act through the map
of `blocks.legs` (Byeon, Ryu, Kim, arXiv 2211.07942).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.device import DeviceBlockData, Surroundings
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.devices import Load
from pyomo_dlmp.network.units import mega

LAW = ("p_at", "q_at", "p_slope", "q_slope", "w_at")
MOST_BEYOND = 0.5  # pu^2 beyond a bend; it bounds the model where more load is wanted
SLOPE = {"power": (0.0, 0.0), "current": (0.5, 0.5), "impedance": (1.0, 1.0)}


def slopes(load: Load) -> tuple[float, float]:
    """Slopes of a load's power over the squared voltage, at nominal voltage.

    Parameters
    ----------
    load : Load
        Its model and coefficients count.

    Returns
    -------
    (float, float)
        dP/dw and dQ/dw (1/pu^2), as shares of the nominal power.

    Raises
    ------
    ModelError
        If the load model is unknown.
    """
    c = load.coefficients
    if load.model == "exponential":
        return c[0] / 2, c[1] / 2
    if load.model == "zip":
        return c[0] + c[1] / 2, c[3] + c[4] / 2
    if load.model not in SLOPE:
        raise ModelError.at(load.name, f"has the load model {load.model!r}",
                            f"Modeled: {', '.join(SLOPE)}, exponential, zip.")
    return SLOPE[load.model]


@declare_custom_block(name="LoadBlock")
class LoadBlockData(DeviceBlockData):
    """A load: no Vars of its own.

    Attributes
    ----------
    scale : Param
        [t]: multiplier (1) of its nominal power, mutable. In the AC form a change acts with the
        next operating point.
    own_q_scale : Param, optional
        [t]: that of its reactive power, if it has one of its own.
    point : Param
        [name, leg, t], in the AC form: power drawn at the operating point ``p_at, q_at`` (MW,
        Mvar), its derivatives ``p_slope, q_slope`` over the squared voltage, and that there,
        ``w_at`` (pu^2 of the leg's nominal); mutable.
    beyond : Var
        [leg, t], of legs near the upper end of their range in the AC form: e of the module's text.
    """

    def build(self, device: Load, horizon: Horizon, bus: Any, scale: Any = 1.0,
              q_scale: Any = None) -> None:
        """Connect to a bus.

        Parameters
        ----------
        device : Load
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.
        scale : float or sequence of float
            Multiplier (1) of its nominal power, one or one per period.
        q_scale : float or sequence of float, optional
            Multiplier (1) of its reactive power; `scale` if not given.

        Raises
        ------
        ModelError
            If a leg is on a phase that the bus lacks or needs angles, or the scale does not fit.
        """
        check_data(device, bus=bus)
        slope = slopes(device)
        self.scale = horizon.numbers(scale, "load scale")
        if q_scale is not None:
            self.own_q_scale = horizon.numbers(q_scale, "load scale of Q")
        if bus.form == "ac":
            self._at_point(device, horizon, bus, slope)
        else:
            self._at_nominal(device, horizon, bus, slope)
        self.attach(device, horizon, bus)

    @property
    def q_scale(self) -> pyo.Param:
        """[t]: multiplier (1) of its nominal reactive power: `scale`, if it has none of its own."""
        own = self.component("own_q_scale")
        return self.scale if own is None else own

    def _at_nominal(self, device: Load, horizon: Horizon, bus: Any,
                    slope: tuple[float, float]) -> None:
        """Power linear at nominal voltage."""
        self.drawn = {}
        of_p, of_q = self.scale, self.q_scale
        for leg, kw, kvar in zip(device.legs, device.kw, device.kvar, strict=True):
            ratio = self._ratio(device, bus, leg)
            for t in horizon.labels:
                power = [mega(kw) * of_p[t], mega(kvar) * of_q[t]]
                if any(slope):
                    change = ratio * bus.leg_voltage(leg, t, device.name) - 1.0
                    power = [x * (1.0 + s * change) if s else x
                             for x, s in zip(power, slope, strict=True)]
                self.drawn[leg, t] = tuple(power)

    def _at_point(self, device: Load, horizon: Horizon, bus: Any,
                  slope: tuple[float, float]) -> None:
        """Power linear at an operating point, that of nominal voltage at first."""
        self.point = horizon.point(device.legs, LAW)
        self.drawn = {}
        for leg, t in horizon.index(device.legs):
            p_at, q_at, p_slope, q_slope, w_at = (self.point[name, leg, t] for name in LAW)
            change = bus.leg_voltage(leg, t, device.name) - w_at
            self.drawn[leg, t] = p_at + p_slope * change, q_at + q_slope * change
            ratio = self._ratio(device, bus, leg)
            p, q = self.nominal(device, leg, t)
            power = p * (1 + slope[0] * (ratio - 1)), q * (1 + slope[1] * (ratio - 1))
            self.set_law((leg, t), power, (p * slope[0] * ratio, q * slope[1] * ratio), 1.0)

    @staticmethod
    def _ratio(device: Load, bus: Any, leg: str) -> float:
        """Squared voltage of the leg per squared rated voltage, at nominal voltage."""
        return 1.0 if device.kv is None else (bus.leg_kv(leg) / device.kv) ** 2

    def nominal(self, device: Load, leg: str, t: Any) -> tuple[float, float]:
        """Power that a leg draws at its rated voltage.

        Parameters
        ----------
        device : Load
            The data.
        leg : str
            One of its legs.
        t : hashable
            The period.

        Returns
        -------
        (float, float)
            MW and Mvar.
        """
        i = device.legs.index(leg)
        return (self.scale[t].value * mega(device.kw[i]),
                self.q_scale[t].value * mega(device.kvar[i]))

    def set_law(self, k: tuple[str, Any], power: tuple[float, float],
                slope: tuple[float, float], w: float) -> None:
        """Take the power of a leg and its slopes at an operating point, in the AC form.

        Parameters
        ----------
        k : (str, hashable)
            (leg, period).
        power : (float, float)
            Drawn there (MW, Mvar).
        slope : (float, float)
            Derivatives by the squared voltage (MW, Mvar per pu^2 of the leg's nominal).
        w : float
            Squared voltage there (pu^2 of the leg's nominal).
        """
        self.point.store_values({(name, *k): value for name, value in zip(
            LAW, (*power, *slope, w), strict=True)}, check=False)

    def build_at(self, device: Load, horizon: Horizon, bus: Any, at: Surroundings) -> None:
        """As `build`, at its scale in the OPF."""
        self.build(device, horizon, bus, at.scale, at.q_scale)

    def leg_power(self, leg: str, t: Any) -> tuple[Any, Any]:
        """Power that a leg draws, negative."""
        p, q = self.drawn[leg, t]
        return -p, -q

    def set_kink(self, place: Any, k: tuple[str, Any], jump: tuple[float, float], w: float,
                 above: bool) -> None:
        """Let the law of a leg bend at a voltage, in the AC form; made when it is first needed.

        Parameters
        ----------
        place : AcLegBlock
            The leg of the bus.
        k : (str, hashable)
            (leg, period).
        jump : (float, float)
            By how much the slopes of P and Q are greater above w (MW, Mvar per pu^2); 0 and 0:
            no bend.
        w : float
            Squared voltage of the bend (pu^2 of the leg's nominal).
        above : bool
            Whether the operating point is above it.
        """
        if self.component("beyond") is None:
            self.beyond = pyo.Var(pyo.Any, dense=False)
            self.bend = pyo.Param(pyo.Any, mutable=True, initialize=0.0, default=0.0)
            self.bent_at = pyo.Expression(pyo.Any)
            self.kink = pyo.Constraint(pyo.Any)
        if k not in self.kink:
            for name in ("p", "q", "side", "w"):
                self.bend[(name, *k)] = 0.0
            e = self.beyond[k]
            e.setlb(0.0)
            e.set_value(0.0)
            more = [self.bend[(name, *k)] * e for name in ("p", "q")]
            self.drawn[k] = tuple(old + x for old, x in zip(self.drawn[k], more, strict=True))
            place.add(k[1], -more[0], -more[1])
            self.bent_at[k] = self.bend[("side", *k)] * (place.w[k[1]] - self.bend[("w", *k)])
            self.kink[k] = e - self.bent_at[k] >= 0
        off = not any(jump)
        self.beyond[k].setub(0.0 if off else MOST_BEYOND)
        for name, value in (("p", jump[0]), ("q", jump[1]), ("w", w),
                            ("side", 0.0 if off else -1.0 if above else 1.0)):
            self.bend[(name, *k)] = value

    def power_at_point(self, leg: str, t: Any) -> complex:
        """As of its law, without a walk through expressions."""
        return -complex(self.point["p_at", leg, t].value, self.point["q_at", leg, t].value)

    def dispatch(self, t: Any) -> Iterator[tuple[str, str, float]]:
        """No rows: nothing is dispatched."""
        yield from ()
