"""Devices at a bus as plain data. Units as in `elements`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

FRONT_END_SIDES = 16
FRONT_END = math.cos(math.pi / FRONT_END_SIDES)  # greatest p of the polygon inside a unit circle


@dataclass(frozen=True, kw_only=True)
class Load:
    """A load: `kw` and `kvar` per leg at nominal voltage, in the order of `legs`.

    `connection` ``"wye"``: legs are phases ``("a", "b")``; ``"delta"``: pairs ``("ab", "ca")``.
    `model`: constant ``"power"``, ``"current"`` (P, Q ~ V) or ``"impedance"`` (~ V^2);
    ``"exponential"`` (P ~ V^n, Q ~ V^m; `coefficients` n, m); ``"zip"`` (`coefficients` shares of
    impedance, current and power of P, then of Q).
    `kv`: rated voltage of a leg (kV), None for the bus's nominal. Outside `v_low` .. `v_high`
    (pu of it) the AC power flow takes a constant impedance; the linear model does not.
    `profile`: name of one of the network's profiles.
    """

    name: str
    bus: str
    legs: tuple[str, ...]
    kw: tuple[float, ...]
    kvar: tuple[float, ...]
    connection: Literal["wye", "delta"] = "wye"
    model: Literal["power", "current", "impedance", "exponential", "zip"] = "power"
    coefficients: tuple[float, ...] = ()
    kv: float | None = None
    v_low: float = 0.0
    v_high: float = 2.0
    profile: str | None = None


class _SharedEqually:
    """A device whose power its legs share equally."""

    connection: str
    phases: str

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the legs: phases, or pairs."""
        return device_legs(self.connection, self.phases)


@dataclass(frozen=True, kw_only=True)
class Generator(_SharedEqually):
    """A dispatchable generator, shared equally by its phases. Totals in kW and kvar.

    Cost of the total: ``cost p + cost2 p^2`` with p in MW, `cost` in $/MWh, `cost2` in $/MW^2h.
    Reactive power is free within ``kvar_min .. kvar_max``, and within a circle of `kva` (as a
    polygon) and a power factor of at least `power_factor_min` where given: an inverter's
    capability. `connection` ``"delta"``: equal legs between the phases (two phases: one leg).
    `kw`, `kvar`: what it makes in an AC power flow without a dispatch.
    """

    name: str
    bus: str
    kw_max: float
    cost: float
    cost2: float = 0.0
    kw_min: float = 0.0
    kvar_min: float = 0.0
    kvar_max: float = 0.0
    phases: str = "abc"
    connection: Literal["wye", "delta"] = "wye"
    kva: float | None = None
    power_factor_min: float | None = None
    kw: float = 0.0
    kvar: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Storage(_SharedEqually):
    """A battery shared equally by its phases: it draws or makes up to `kw_max` kW (total).

    Energy `kwh` .. stored between `kwh_min` and `kwh_max`, at first and (if `cyclic`) at last
    `kwh_start`; efficiencies of charging and discharging (shares); `cost` of wear in $/MWh of
    throughput. Reactive power within ``-kvar_max .. kvar_max`` and the circle of `kva`.
    `kw` (made, negative when charging), `kvar`: in an AC power flow without a dispatch.
    """

    name: str
    bus: str
    kw_max: float
    kwh_max: float
    kwh_min: float = 0.0
    kwh_start: float = 0.0
    efficiency_charge: float = 0.95
    efficiency_discharge: float = 0.95
    cyclic: bool = True
    cost: float = 0.0
    kvar_max: float = 0.0
    kva: float | None = None
    phases: str = "abc"
    connection: Literal["wye", "delta"] = "wye"
    kw: float = 0.0
    kvar: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Capacitor:
    """A shunt capacitor: `kvar` per leg at `kv` (rated leg voltage, None for the bus's nominal).

    `closed` False: switched off. A shunt reactor is a capacitor of negative kvar.
    """

    name: str
    bus: str
    legs: tuple[str, ...]
    kvar: tuple[float, ...]
    connection: Literal["wye", "delta"] = "wye"
    kv: float | None = None
    closed: bool = True


@dataclass(frozen=True, kw_only=True)
class Datacenter:
    """A datacenter of capacity `kw` (total) whose active power its aggregator chooses.

    `floor` is the least hourly power as a share of `kw`. `balanced`: its legs share the power
    equally (to neutral or in delta: the same bus powers); else the aggregator chooses each leg, of
    at most its share of `kw`. `connection` ``"wye"``: legs are `phases`; ``"delta"``: ab, bc, ca.
    `reactive` ``"power factor"``: it draws ``q = p tan(acos(power_factor))``, lagging;
    ``"aggregator"`` or ``"dso"``: an active front end of `kva` whose reactive power that side
    chooses within p^2 + q^2 <= kva^2 (a polygon inside it). `ramp_kw`: greatest change of the total
    from one period to the next.
    """

    name: str
    bus: str
    kw: float
    floor: float = 0.0
    power_factor: float = 0.95
    phases: str = "abc"
    connection: Literal["wye", "delta"] = "wye"
    balanced: bool = True
    reactive: Literal["power factor", "aggregator", "dso"] = "power factor"
    kva: float | None = None
    ramp_kw: float | None = None

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the legs: phases, or pairs."""
        return device_legs(self.connection, self.phases)


@dataclass(frozen=True, kw_only=True)
class StaticVarGenerator:
    """An SVG of total rating `kvar`.

    `connection` ``"wye"``: one leg per phase in `phases`, equal legs where nothing grounds the bus;
    ``"delta"``: legs ab, bc, ca, whose unequal reactive powers move active power between phases.
    `sharing` ``"equal"``: each leg free in -/+ its share of `kvar`; ``"total"``: the legs' sizes
    add up to at most `kvar`. `loss_percent` of the reactive power's size is drawn as active power.
    `owner` ``"dso"`` (the lower level chooses) or ``"datacenter"`` (the aggregator above it).
    """

    name: str
    bus: str
    kvar: float
    connection: Literal["wye", "delta"] = "wye"
    phases: str = "abc"
    sharing: Literal["equal", "total"] = "equal"
    loss_percent: float = 0.0
    owner: Literal["dso", "datacenter"] = "dso"

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the legs: phases, or the pairs ab, bc, ca."""
        return ("ab", "bc", "ca") if self.connection == "delta" else tuple(self.phases)


def device_legs(connection: str, phases: str) -> tuple[str, ...]:
    """Legs of a balanced device: its phases, its one pair, or the three pairs of a delta."""
    if connection == "wye":
        return tuple(phases)
    return ("ab", "bc", "ca") if len(phases) == 3 else (pair_name(phases),)


def pair_name(phases: str) -> str:
    """Two phases as the name of a leg: ``"ca"`` for ``"ac"``."""
    return phases if phases in ("ab", "bc", "ca", "12") else phases[::-1]
