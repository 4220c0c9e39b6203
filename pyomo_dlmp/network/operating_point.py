"""The state of a feeder in an AC power flow, as data that a linear model can be fitted to."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from warnings import warn

from pyomo_dlmp.network.devices import Load
from pyomo_dlmp.network.elements import Bus


def leg_voltage_pu(load: Load, bus: Bus, point: OperatingPoint, leg: str, t: Hashable) -> float:
    """Voltage magnitude of a load's leg at a point, in pu of the load's rated voltage."""
    ends = [point.voltages[bus.name, k, t] for k in leg]
    kv = abs(ends[0] - (ends[1] if len(ends) > 1 else 0.0)) * bus.kv_ln
    return float(kv / (load.kv or (bus.kv if len(leg) > 1 else bus.kv_ln)))


@dataclass
class OperatingPoint:
    """Voltages and flows by period, per unit and MVA.

    `voltages[bus, phase, period]`: complex, pu of the bus's nominal phase voltage; on ungrounded
    parts without their zero sequence. `flows[branch, phase, period]`: complex MVA that reach the
    to-bus (a line's before its charging). `injections[device, period]`: MW and Mvar by leg that
    each datacenter (negative), SVG, generator and storage makes. `source[phase, period]`: MVA
    bought.
    `losses[period]`: MW in all branches. `settled[period]`: whether the AC power flow converged.
    `impedance_legs[load]`: further (leg, period) that a model takes for impedances, as at earlier
    points.
    """

    periods: list[Hashable] = field(default_factory=list)
    voltages: dict[tuple[str, str, Hashable], complex] = field(default_factory=dict)
    flows: dict[tuple[str, str, Hashable], complex] = field(default_factory=dict)
    injections: dict[tuple[str, Hashable], tuple[tuple[float, ...], tuple[float, ...]]] = field(
        default_factory=dict)
    source: dict[tuple[str, Hashable], complex] = field(default_factory=dict)
    losses: dict[Hashable, float] = field(default_factory=dict)
    settled: dict[Hashable, bool] = field(default_factory=dict)
    impedance_legs: dict[str, set] = field(default_factory=dict)

    @property
    def made(self) -> dict:
        """Older name of `injections`."""
        warn("OperatingPoint.made is now called injections", DeprecationWarning, stacklevel=2)
        return self.injections

    @property
    def beyond(self) -> dict[str, set]:
        """Older name of `impedance_legs`."""
        warn("OperatingPoint.beyond is now called impedance_legs", DeprecationWarning,
             stacklevel=2)
        return self.impedance_legs
