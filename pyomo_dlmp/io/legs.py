"""Loads and capacitors: elements of several legs, one row of a table for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pyomo_dlmp.errors import Fault
from pyomo_dlmp.io.csv_table import Row
from pyomo_dlmp.network import Capacitor, Load

D = TypeVar("D", Load, Capacitor)
BY_LEG: dict[Any, tuple[str, ...]] = {Load: ("kw", "kvar"), Capacitor: ("kvar",)}
SHARED: dict[Any, tuple[str, ...]] = {
    Load: ("bus", "connection", "model", "coefficients", "kv", "v_low", "v_high", "profile"),
    Capacitor: ("bus", "connection", "kv", "closed"),
}


def leg_rows(device: Load | Capacitor) -> Iterator[dict[str, Any]]:
    """A device as one row per leg."""
    kind = type(device)
    shared = {key: getattr(device, key) for key in SHARED[kind]}
    for place, leg in enumerate(device.legs):
        figures = {key: getattr(device, key)[place] for key in BY_LEG[kind]}
        yield {"name": device.name, **shared, "leg": leg, **figures}


def read_legs(kind: type[D], rows: Iterable[Row], faults: list[Fault]) -> Iterator[D]:
    """Devices from their legs; all rows of one must agree in everything but leg and figures."""
    what = kind.__name__.lower()
    legs: dict[str, list[Row]] = {}
    for row in rows:
        if "name" in row.values:
            legs.setdefault(row.values["name"], []).append(row)
    for name, same in legs.items():
        first = same[0]
        shared = {key: first.values[key] for key in SHARED[kind] if key in first.values}
        for row in same[1:]:
            for key in SHARED[kind]:
                if row.values.get(key) != first.values.get(key):
                    faults.append(row.fault(
                        key, f"{row.values.get(key)!r} differs from {first.values.get(key)!r} of "
                        f"{what} {name!r} in row {first.line}",
                        f"Make them equal, or give the {what}s two names."))
        if all(row.complete for row in same):
            figures: dict[str, Any] = {
                key: tuple(row.values[key] for row in same) for key in BY_LEG[kind]}
            yield kind(name=name, legs=tuple(row.values["leg"] for row in same),
                       **figures, **shared)
