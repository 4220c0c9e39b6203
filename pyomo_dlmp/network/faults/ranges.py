"""Where the figures of each element may lie."""

from __future__ import annotations

import math
from typing import NamedTuple

from pyomo_dlmp.network.devices import (
    Capacitor,
    Datacenter,
    Generator,
    Load,
    StaticVarGenerator,
    Storage,
)
from pyomo_dlmp.network.elements import Bus, Line, Regulator, Substation
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer

MAX_TAP = 32  # twice the 16 steps of common regulators; far below the 160 where the ratio is 0


class Range(NamedTuple):
    """Where a figure may lie; `above` excludes the lower end."""

    low: float
    high: float = math.inf
    unit: str = ""
    above: bool = False

    def holds(self, value: float) -> bool:
        return (value > self.low if self.above else value >= self.low) and value <= self.high

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        high = "" if math.isinf(self.high) else f" and at most {self.high:g}"
        return f"{low}{high} {self.unit}".rstrip()


_TRANSFORMER = {
    "kva": Range(0, unit="kVA", above=True),
    "tap": Range(0, above=True),
    "from_tap": Range(0, above=True),
    "from_kv": Range(0, unit="kV", above=True),
    "to_kv": Range(0, unit="kV", above=True),
    "no_load_percent": Range(0, unit="%"),
    "magnetizing_percent": Range(0, unit="%"),
    "antifloat_ppm": Range(0, unit="ppm"),
}
RANGES: dict[type, dict[str, Range]] = {
    Bus: {
        "kv": Range(0, unit="kV", above=True),
        "v_min": Range(0, unit="pu"),
        "v_max": Range(0, unit="pu", above=True),
    },
    Substation: {"v_pu": Range(0, unit="pu", above=True)},
    Line: {
        "length": Range(0, unit="km", above=True),
        "rating_kva": Range(0, unit="kVA", above=True),
    },
    Regulator: {
        "taps": Range(-MAX_TAP, MAX_TAP, unit="steps of 0.625 %"),
        "kva": Range(0, unit="kVA", above=True),
        "r_percent": Range(0, unit="%"),
        "x_percent": Range(0, unit="%"),
    },
    Transformer: {
        **_TRANSFORMER, "r_percent": Range(0, unit="%"),
        "x_percent": Range(-20, unit="% (a leg of a three-winding star may be below 0)"),
    },
    CenterTappedTransformer: {**_TRANSFORMER, "r_percent": Range(0, unit="%")},
    Load: {
        "kv": Range(0, unit="kV", above=True),
        "v_low": Range(0, unit="pu"),
        "v_high": Range(0, unit="pu", above=True),
    },
    Generator: {
        "kw_max": Range(0, unit="kW"),
        "kw_min": Range(0, unit="kW"),
        "kva": Range(0, unit="kVA", above=True),
        "power_factor_min": Range(0, 1, above=True),
        "cost2": Range(0, unit="$/MW^2h, or the cost is not convex"),
    },
    Storage: {
        "kw_max": Range(0, unit="kW"),
        "kwh_max": Range(0, unit="kWh"),
        "kwh_min": Range(0, unit="kWh"),
        "kwh_start": Range(0, unit="kWh"),
        "efficiency_charge": Range(0, 1, above=True),
        "efficiency_discharge": Range(0, 1, above=True),
        "cost": Range(0, unit="$/MWh"),
        "kvar_max": Range(0, unit="kvar"),
        "kva": Range(0, unit="kVA", above=True),
    },
    Capacitor: {"kv": Range(0, unit="kV", above=True)},
    Datacenter: {
        "kw": Range(0, unit="kW"),
        "floor": Range(0, 1, unit="of its kw"),
        "power_factor": Range(0, 1, above=True),
        "kva": Range(0, unit="kVA", above=True),
        "ramp_kw": Range(0, unit="kW"),
    },
    StaticVarGenerator: {
        "kvar": Range(0, unit="kvar"), "loss_percent": Range(0, 50, unit="%"),
    },
}
