"""The devices that come with the package, as plain data. Units as in `elements`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pyomo_dlmp.network.device import (
    Device,
    Finding,
    LegPowers,
    MultiphaseDevice,
    leg_findings,
)
from pyomo_dlmp.network.fields import KV, Column, Range
from pyomo_dlmp.network.phases import DELTA_PAIRS, PHASES
from pyomo_dlmp.network.series import is_number
from pyomo_dlmp.tolerances import PRINTED

FRONT_END_SIDES = 16
FRONT_END = math.cos(math.pi / FRONT_END_SIDES)  # greatest p of the polygon inside a unit circle

KW = Range(0, unit="kW")
KVAR = Range(0, unit="kvar")
KVA = Range(0, unit="kVA", above=True)
KWH = Range(0, unit="kWh")
SHARE = Range(0, 1, above=True)  # efficiencies and power factors


@dataclass(frozen=True, kw_only=True)
class Load(Device):
    """A load with a power for each leg.

    Parameters
    ----------
    name, bus : str
        As of `Device`.
    connection : "wye" or "delta"
        Legs are phases ``("a", "b")``, to ground, or phases and a neutral ``("an", "bn")``; or
        pairs of phases ``("ab", "ca")``.
    model : str
        Constant ``"power"``, ``"current"`` (P, Q ~ V) or ``"impedance"`` (~ V^2);
        ``"exponential"`` (P ~ V^n, Q ~ V^m) or ``"zip"``.
    legs : tuple of str
    kw, kvar : tuple of float
        Power of each leg at nominal voltage (kW, kvar), in the order of `legs`.
    coefficients : tuple of float
        Of ``"exponential"``: n, m. Of ``"zip"``: shares of impedance, current and power of P, then
        of Q.
    kv : float or None
        Rated voltage of a leg (kV); None: the bus's nominal.
    v_low, v_high : float
        Outside of this range (pu of the rated voltage) the AC power flow takes a constant
        impedance; the linear model does not.
    profile : str or None
        Name of one of the network's profiles.
    """

    word = "load"
    plural = "loads"
    table_needed = True
    draws = True

    connection: Annotated[Literal["wye", "delta"], Column(always=True)] = "wye"
    model: Annotated[Literal["power", "current", "impedance", "exponential", "zip"],
                     Column(always=True)] = "power"
    legs: Annotated[tuple[str, ...], Column("leg", by_leg=True)]
    kw: Annotated[tuple[float, ...], Column(by_leg=True)]
    kvar: Annotated[tuple[float, ...], Column(by_leg=True)]
    coefficients: tuple[float, ...] = ()
    kv: Annotated[float | None, KV, Column("leg_kv")] = None
    v_low: Annotated[float, Range(0, unit="pu"), Column("v_low_pu")] = 0.0
    v_high: Annotated[float, Range(0, unit="pu", above=True), Column("v_high_pu")] = 2.0
    profile: str | None = None

    def findings(self) -> Iterator[Finding]:
        """Numbers for each leg, the legs, the voltage range, the model's coefficients."""
        if not (len(self.legs) == len(self.kw) == len(self.kvar) > 0):
            yield (f"{len(self.legs)} legs, {len(self.kw)} kw and {len(self.kvar)} kvar",
                   "Give one kw and one kvar for each leg, and at least one leg.")
        yield from leg_findings(self, "the kw and kvar")
        if self.v_low >= self.v_high:
            yield (f"v_low {self.v_low:g} is not below v_high {self.v_high:g}",
                   "Give v_low < v_high.")
        yield from self._model_findings()

    def _model_findings(self) -> Iterator[Finding]:
        size = {"exponential": 2, "zip": 6}.get(self.model, 0)
        if len(self.coefficients) != size:
            yield (f"model {self.model!r} has {len(self.coefficients)} coefficients",
                   f"Give {size}: exponents of P and Q, or shares Z, I, P of P and then of Q."
                   if size else "Leave them out.")
        elif self.model == "zip":
            for part, shares in (("P", self.coefficients[:3]), ("Q", self.coefficients[3:])):
                if abs(math.fsum(shares) - 1) > PRINTED:
                    yield (f"the shares of {part} add up to {math.fsum(shares):g}",
                           "They must add up to 1.")

    def grounds(self) -> bool:
        """True for a wye load to ground."""
        return any(len(leg) == 1 for leg in self.legs)

    def nominal_power(self) -> None:
        """None: its power follows from the voltage."""
        return


@dataclass(frozen=True, kw_only=True)
class Generator(MultiphaseDevice):
    """A dispatchable generator, shared equally by its phases; powers are totals.

    The cost is ``cost p + cost2 p^2`` ($/h) with p in MW.

    Parameters
    ----------
    name, bus, phases, connection
        As of `MultiphaseDevice`; delta has equal legs between the phases (two phases: one leg).
    kw_min, kw_max : float
        Limits of active power (kW).
    kvar_min, kvar_max : float
        Limits of reactive power (kvar).
    cost : float
        In $/MWh.
    cost2 : float
        In $/MW^2h.
    kva : float or None
        Rating of an inverter (kVA): a circle, as a polygon inside it; None: no such limit.
    power_factor_min : float or None
        Least power factor of an inverter; None: no such limit.
    kw, kvar : float
        Generated in an AC power flow without a dispatch (kW, kvar).
    profile : str or None
        Name of one of the network's profiles, such as that of the sun: `kw_max`, `kw` and `kvar`
        are multiplied by it where loads follow theirs (``load_scale="profiles"``), and `kw_min` is
        at most the `kw_max` of the period.
    """

    word = "generator"
    plural = "generators"

    kw_min: Annotated[float, KW, Column(always=True)] = 0.0
    kw_max: Annotated[float, KW]
    kvar_min: Annotated[float, Column(always=True)] = 0.0
    kvar_max: Annotated[float, Column(always=True)] = 0.0
    cost: Annotated[float, Column("cost_per_mwh")]
    cost2: Annotated[float, Range(0, unit="$/MW^2h, or the cost is not convex"),
                     Column("cost2_per_mw2h", always=True)] = 0.0
    kva: Annotated[float | None, KVA] = None
    power_factor_min: Annotated[float | None, SHARE] = None
    kw: float = 0.0
    kvar: float = 0.0
    profile: str | None = None

    def findings(self) -> Iterator[Finding]:
        """Limits in the wrong order, and what a delta needs."""
        for low, high, unit in (("kw_min", "kw_max", "kW"), ("kvar_min", "kvar_max", "kvar")):
            least, most = getattr(self, low), getattr(self, high)
            if least > most:
                yield (f"{low} {least:g} {unit} exceeds {high} {most:g} {unit}",
                       f"Give {low} <= {high}.")
        yield from super().findings()

    def nominal_power(self) -> tuple[float, float]:
        """Its `kw` and `kvar`."""
        return self.kw, self.kvar


@dataclass(frozen=True, kw_only=True)
class Storage(MultiphaseDevice):
    """A battery shared equally by its phases; powers are totals.

    Parameters
    ----------
    name, bus, phases, connection
        As of `MultiphaseDevice`.
    kw_max : float
        Greatest power of charging and of discharging (kW).
    kwh_max, kwh_min : float
        Limits of the stored energy (kWh).
    kwh_start : float
        Stored at first (kWh).
    efficiency_charge, efficiency_discharge : float
        Shares, above 0 and at most 1.
    cyclic : bool
        Whether at least `kwh_end` is stored at the end.
    kwh_end : float or None
        Of that (kWh); None: `kwh_start`.
    cost : float
        Of wear, in $/MWh of energy charged or discharged.
    kvar_max : float
        Reactive power lies within ``-kvar_max .. kvar_max`` (kvar).
    kva : float or None
        Rating of the inverter (kVA): a circle, as a polygon inside it; None: no such limit.
    kw, kvar : float
        Generated (negative when charging) in an AC power flow without a dispatch (kW, kvar).
    """

    word = "storage"
    plural = "storages"

    kw_max: Annotated[float, KW]
    kwh_max: Annotated[float, KWH]
    kwh_min: Annotated[float, KWH, Column(always=True)] = 0.0
    kwh_start: Annotated[float, KWH, Column(always=True)] = 0.0
    efficiency_charge: Annotated[float, SHARE, Column(always=True)] = 0.95
    efficiency_discharge: Annotated[float, SHARE, Column(always=True)] = 0.95
    cyclic: bool = True
    cost: Annotated[float, Range(0, unit="$/MWh"), Column("cost_per_mwh")] = 0.0
    kvar_max: Annotated[float, KVAR] = 0.0
    kva: Annotated[float | None, KVA] = None
    kw: float = 0.0
    kvar: float = 0.0
    kwh_end: Annotated[float | None, KWH] = None

    def findings(self) -> Iterator[Finding]:
        """An energy at first or last outside of its limits, and what a delta needs."""
        for key, kwh in (("kwh_start", self.kwh_start), ("kwh_end", self.kwh_end)):
            if kwh is not None and not self.kwh_min <= kwh <= self.kwh_max:
                yield (f"{key} {kwh:g} is not within kwh_min {self.kwh_min:g} .. kwh_max "
                       f"{self.kwh_max:g}", f"Give kwh_min <= {key} <= kwh_max.")
        yield from super().findings()

    def nominal_power(self) -> tuple[float, float]:
        """Its `kw` and `kvar`."""
        return self.kw, self.kvar


@dataclass(frozen=True, kw_only=True)
class Capacitor(Device):
    """A shunt capacitor; a shunt reactor is a capacitor of negative kvar.

    Parameters
    ----------
    name, bus : str
        As of `Device`.
    connection : "wye" or "delta"
        Legs as of `Load`.
    legs : tuple of str
    kvar : tuple of float
        Generated by each leg at its rated voltage (kvar), in the order of `legs`.
    kv : float or None
        Rated voltage of a leg (kV); None: the bus's nominal.
    closed : bool
        False: switched off.
    """

    word = "capacitor"
    plural = "capacitors"

    connection: Annotated[Literal["wye", "delta"], Column(always=True)] = "wye"
    legs: Annotated[tuple[str, ...], Column("leg", by_leg=True)]
    kvar: Annotated[tuple[float, ...], Column(by_leg=True)]
    kv: Annotated[float | None, KV, Column("leg_kv")] = None
    closed: bool = True

    def findings(self) -> Iterator[Finding]:
        """One number for each leg, and the legs."""
        if not len(self.legs) == len(self.kvar) > 0:
            yield (f"{len(self.legs)} legs and {len(self.kvar)} kvar",
                   "Give one kvar for each leg, and at least one leg.")
        yield from leg_findings(self, "the kvar")

    def grounds(self) -> bool:
        """True for a wye capacitor to ground."""
        return any(len(leg) == 1 for leg in self.legs)

    def nominal_power(self) -> None:
        """None: its power follows from the voltage."""
        return


@dataclass(frozen=True, kw_only=True)
class Datacenter(MultiphaseDevice):
    """A datacenter whose active power its aggregator chooses; powers are totals.

    Parameters
    ----------
    name, bus, phases, connection
        As of `MultiphaseDevice`.
    kw : float
        Capacity (kW).
    floor : float
        Least power, as a share of `kw`.
    power_factor : float
        Lagging (1).
    balanced : bool
        Whether its legs share the power equally (wye and delta then have the same bus powers);
        otherwise the aggregator chooses each leg, of at most its share of `kw`.
    reactive : "power factor", "aggregator" or "dso"
        It draws ``q = p tan(acos(power_factor))``; or it has an active front end, and that side
        chooses its reactive power within p^2 + q^2 <= kva^2 (a polygon inside it).
    kva : float or None
        Rating of the front end (kVA).
    ramp_kw : float or None
        Greatest change of the total from one period to the next (kW); None: free.
    """

    word = "datacenter"
    plural = "datacenters"
    draws = True

    kw: Annotated[float, KW]
    floor: Annotated[float, Range(0, 1, unit="of its kw"),
                     Column("floor_share", always=True)] = 0.0
    power_factor: Annotated[float, SHARE, Column(always=True)] = 0.95
    balanced: bool = True
    reactive: Literal["power factor", "aggregator", "dso"] = "power factor"
    kva: Annotated[float | None, KVA] = None
    ramp_kw: Annotated[float | None, KW] = None

    def findings(self) -> Iterator[Finding]:
        """What a delta needs, and what a front end needs."""
        yield from super().findings()
        if (self.reactive == "power factor") != (self.kva is None):
            yield (f"reactive is {self.reactive!r} and kva is {self.kva}",
                   "A front end (reactive 'aggregator' or 'dso') needs kva, a power factor none.")
        elif self.kva is not None and self.kw > self.kva * FRONT_END:
            yield (f"kw {self.kw:g} does not fit into the polygon inside {self.kva:g} kVA",
                   f"Give kva of at least {self.kw / FRONT_END:.6g}.")

    def nominal_power(self) -> tuple[float, float]:
        """It draws its capacity, and the reactive power of its power factor within `kva`."""
        kvar = self.kw * math.tan(math.acos(self.power_factor))
        if self.kva is not None:
            kvar = min(kvar, math.sqrt(max(0.0, self.kva**2 - self.kw**2)))
        return -self.kw, -kvar


@dataclass(frozen=True, kw_only=True)
class StaticVarGenerator(MultiphaseDevice):
    """A static var generator (SVG).

    Parameters
    ----------
    name, bus, phases : str
        As of `MultiphaseDevice`.
    connection : "wye" or "delta"
        One leg per phase, equal legs where the bus is not grounded; or legs ab, bc, ca, whose
        unequal reactive powers move active power between phases.
    kvar : float
        Total rating (kvar).
    sharing : "equal" or "total"
        Each leg is free within -/+ its share of `kvar`; or the absolute values of the legs' powers
        add up to at most `kvar`.
    loss_percent : float
        Active power drawn, in percent of the absolute reactive power.
    owner : "dso" or "datacenter"
        Who chooses it: the lower level, or the aggregator above it.
    """

    word = "svg"
    plural = "svgs"

    connection: Annotated[Literal["wye", "delta"], Column(always=True)] = "wye"
    kvar: Annotated[float, KVAR]
    sharing: Literal["equal", "total"] = "equal"
    loss_percent: Annotated[float, Range(0, 50, unit="%")] = 0.0
    owner: Literal["dso", "datacenter"] = "dso"

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the legs: phases, or the pairs ab, bc, ca."""
        return DELTA_PAIRS if self.connection == "delta" else super().legs

    def findings(self) -> Iterator[Finding]:
        """A delta has three phases."""
        if self.connection == "delta" and set(self.phases) != set(PHASES):
            yield f"delta with phases {self.phases!r}", "A delta svg needs phases 'abc'."
        yield from super().findings()

    def leg_powers(self, given: Any) -> LegPowers:
        """Power that each leg generates.

        Parameters
        ----------
        given : float or sequence of float
            Total kvar, or kvar by leg, generated.

        Returns
        -------
        (tuple of float, tuple of float)
            kW by leg (zeros) and kvar by leg.

        Raises
        ------
        ValueError
            If there is not one number for each leg.
        """
        n = len(self.legs)
        kvar = (given / n,) * n if is_number(given) else tuple(given)
        if len(kvar) != n:
            raise ValueError(f"Give kvar in all, or one for each leg of {self.legs}.")
        return (0.0,) * n, tuple(map(float, kvar))


SHIPPED: tuple[type[Device], ...] = (
    Load, Generator, Storage, Capacitor, Datacenter, StaticVarGenerator)
