"""The state of a feeder in an AC power flow, as data that a linear model can be fitted to."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from warnings import warn

from pyomo_dlmp.network.devices import Load
from pyomo_dlmp.network.elements import Bus


def leg_voltage_pu(load: Load, bus: Bus, point: OperatingPoint, leg: str, t: Hashable) -> float:
    """Voltage magnitude of a load's leg at an operating point.

    Parameters
    ----------
    load : Load
        Its leg is meant.
    bus : Bus
        That of the load.
    point : OperatingPoint
        Phasors of the AC power flow.
    leg : str
        A phase or a pair of phases.
    t : hashable
        The period.

    Returns
    -------
    float
        In pu of the load's rated voltage.
    """
    ends = [point.voltages[bus.name, k, t] if k in bus.phases
            else point.voltages.get((bus.name, k, t), 0.0) for k in leg]
    kv = abs(ends[0] - (ends[1] if len(ends) > 1 else 0.0)) * bus.kv_ln
    return float(kv / (load.kv or bus.nominal_kv(leg)))


@dataclass
class OperatingPoint:
    """Voltages and flows by period, per unit and MVA.

    Attributes
    ----------
    periods : list
        Labels of the periods.
    voltages : dict
        [bus, conductor, period]: complex, in pu of the bus's nominal phase voltage, neutrals
        included; on ungrounded parts without their zero sequence.
    flows : dict
        [branch, conductor, period]: complex power (MVA) that reaches the to-bus, for a line before
        its charging.
    currents : dict
        [branch, bus, conductor, period]: complex current (A) into the branch at each of its ends,
        its charging included; of the engine's power flow only.
    injections : dict
        [device, period]: (MW by leg, Mvar by leg) generated, negative for a datacenter.
    source : dict
        [phase, period]: complex power bought (MVA).
    losses : dict
        [period]: losses of all branches, nodal admittances and groundings (MW).
    settled : dict
        [period]: whether the AC power flow converged.
    """

    periods: list[Hashable] = field(default_factory=list)
    voltages: dict[tuple[str, str, Hashable], complex] = field(default_factory=dict)
    flows: dict[tuple[str, str, Hashable], complex] = field(default_factory=dict)
    currents: dict[tuple[str, str, str, Hashable], complex] = field(default_factory=dict)
    injections: dict[tuple[str, Hashable], tuple[tuple[float, ...], tuple[float, ...]]] = field(
        default_factory=dict)
    source: dict[tuple[str, Hashable], complex] = field(default_factory=dict)
    losses: dict[Hashable, float] = field(default_factory=dict)
    settled: dict[Hashable, bool] = field(default_factory=dict)

    @property
    def made(self) -> dict:
        """Older name of `injections`."""
        warn("OperatingPoint.made is now called injections", DeprecationWarning, stacklevel=2)
        return self.injections
