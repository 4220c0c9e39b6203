"""Elements of a feeder as plain data. Keyword-only, engineers' units, no Pyomo.

Units: kV (nominal, line to line), kW, kvar, kVA (totals of the element unless a line says per
phase), ohm/km, microsiemens/km, km, $/MWh, $/MW^2h. Phases are strings such as ``"abc"``; delta
legs are pairs such as ``("ab", "ca")``. Checks live in `pyomo_dlmp.network.checks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Bus:
    """A bus with some of the phases a, b, c; `kv` is the nominal line-to-line voltage (kV).

    `v_min`, `v_max`: limits of the line-to-neutral magnitude (pu), None for the study's default.
    `x`, `y`: drawing coordinates, any unit.
    """

    name: str
    kv: float
    phases: str = "abc"
    v_min: float | None = None
    v_max: float | None = None
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, kw_only=True)
class Substation:
    """The feeder's source: fixed voltage `v_pu` per phase (pu) at `bus`; energy is bought here."""

    name: str
    bus: str
    v_pu: tuple[float, ...] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class LineCode:
    """Impedance of a line type: `r`, `x` in ohm/km, `b` shunt susceptance in microsiemens/km.

    Symmetric matrices, n x n for n phases, tuples of rows (arrays are turned into them); `b` None
    means none.
    """

    name: str
    r: Matrix
    x: Matrix
    b: Matrix | None = None

    def __post_init__(self) -> None:
        for key in ("r", "x", "b"):  # arrays do not compare to a plain True or False
            value = getattr(self, key)
            if isinstance(value, np.ndarray) and value.ndim == 2:
                object.__setattr__(self, key, tuple(tuple(row) for row in value.tolist()))


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of `length` km between two buses. `rating_kva` limits the apparent power per phase.

    `phases` lists the conductors in the order of the code's matrices.
    """

    name: str
    from_bus: str
    to_bus: str
    code: LineCode
    length: float
    phases: str = "abc"
    rating_kva: float | None = None

    @property
    def z(self) -> np.ndarray:
        """Series impedance in ohm, complex, n x n."""
        return (np.array(self.code.r) + 1j * np.array(self.code.x)) * self.length


@dataclass(frozen=True, kw_only=True)
class Regulator:
    """Step-voltage regulators at fixed taps, 0.625 % a tap, without series impedance.

    `connection` ``"wye"``: `taps` per phase, e.g. ``{"a": 8, "b": 5, "c": 5}``;
    ``"open_delta"``: taps of two line-to-line units, e.g. ``{"ab": 7, "cb": 4}``.
    `kind` ``"B"`` (usual) raises the output with positive taps, ``"A"`` is its inverse ratio.
    """

    name: str
    from_bus: str
    to_bus: str
    taps: dict[str, int]
    phases: str = "abc"
    connection: Literal["wye", "open_delta"] = "wye"
    kind: Literal["A", "B"] = "B"

    @property
    def ratio(self) -> dict[str, float]:
        """Output voltage over input voltage per unit: ``1 + 0.00625 tap``, type A inverted."""
        if self.kind == "A":
            return {k: 1.0 / (1.0 - 0.00625 * tap) for k, tap in self.taps.items()}
        return {k: 1.0 + 0.00625 * tap for k, tap in self.taps.items()}


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """A three-phase transformer, or a bank of single-phase ones between phases and neutral.

    `connection`: ``"wye-wye"`` (both grounded; any phases) or ``"delta-delta"`` (three phases).
    `kva` is the rating of the whole bank; `r_percent` (both windings together) and `x_percent`
    are on that rating. `tap` multiplies the nominal ratio. `rated` True adds a thermal limit.
    """

    name: str
    from_bus: str
    to_bus: str
    kva: float
    r_percent: float
    x_percent: float
    phases: str = "abc"
    connection: Literal["wye-wye", "delta-delta"] = "wye-wye"
    tap: float = 1.0
    rated: bool = False


@dataclass(frozen=True, kw_only=True)
class Load:
    """A load: `kw` and `kvar` per leg at nominal voltage, in the order of `legs`.

    `connection` ``"wye"``: legs are phases ``("a", "b")``; ``"delta"``: pairs ``("ab", "ca")``.
    `model`: constant ``"power"``, ``"current"`` (P ~ V) or ``"impedance"`` (P ~ V^2).
    """

    name: str
    bus: str
    legs: tuple[str, ...]
    kw: tuple[float, ...]
    kvar: tuple[float, ...]
    connection: Literal["wye", "delta"] = "wye"
    model: Literal["power", "current", "impedance"] = "power"


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A dispatchable generator, shared equally by its phases. Totals in kW and kvar.

    Cost of the total: ``cost p + cost2 p^2`` with p in MW, `cost` in $/MWh, `cost2` in $/MW^2h.
    Reactive power is free within ``kvar_min .. kvar_max``.
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


@dataclass(frozen=True, kw_only=True)
class Datacenter:
    """A datacenter of capacity `kw` (total) whose active power its aggregator chooses.

    `floor` is the least hourly power as a share of `kw`; `power_factor` is lagging (it draws
    ``q = p tan(acos(pf))``); balanced over `phases`, connected to neutral or in delta (equal
    legs: the same bus powers).
    """

    name: str
    bus: str
    kw: float
    floor: float = 0.0
    power_factor: float = 0.95
    phases: str = "abc"


@dataclass(frozen=True, kw_only=True)
class StaticVarGenerator:
    """An SVG of total rating `kvar`, shared equally by its legs, each free in -/+ its share.

    `connection` ``"wye"``: one leg per phase in `phases`; ``"delta"``: legs ab, bc, ca, whose
    unequal reactive powers move active power between phases.
    """

    name: str
    bus: str
    kvar: float
    connection: Literal["wye", "delta"] = "wye"
    phases: str = "abc"

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the legs: phases, or the pairs ab, bc, ca."""
        return ("ab", "bc", "ca") if self.connection == "delta" else tuple(self.phases)


Branch = Line | Regulator | Transformer
Device = Load | Generator | Datacenter | StaticVarGenerator
Element = Bus | Substation | Branch | Device

__all__ = [
    "Branch", "Bus", "Datacenter", "Device", "Element", "Generator", "Line", "LineCode", "Load",
    "Regulator", "StaticVarGenerator", "Substation", "Transformer",
]
