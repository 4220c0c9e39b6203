"""AC three-phase power flow of a network and any dispatch of its devices, in the OpenDSS engine."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.network import Network, OperatingPoint
from pyomo_dlmp.network.device import LegPowers
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.opf.load_scale import LoadScale, load_series, reactive_series
from pyomo_dlmp.power_flow.ac_solver import AcSolver
from pyomo_dlmp.power_flow.dispatch import dispatch_by_period


@dataclass
class AcPowerFlow:
    """Result of an AC power flow.

    Attributes
    ----------
    network : Network
        The feeder, with its taps.
    point : OperatingPoint
        Phasors and flows; tables are made from it.
    """

    network: Network
    point: OperatingPoint

    @property
    def converged(self) -> bool:
        """Whether every period converged."""
        return all(self.point.settled.values())

    @property
    def losses(self) -> dict[Hashable, float]:
        """Losses in branches, nodal admittances and groundings by period (MW)."""
        return self.point.losses

    @property
    def taps(self) -> dict[str, dict[str, int]]:
        """Taps of the regulators (fixed) by phase or pair."""
        return {name: dict(reg.taps) for name, reg in self.network.regulators.items()}

    @property
    def lowest_voltage(self) -> float:
        """Least magnitude of a phase (pu); neutrals do not count."""
        buses = self.network.buses
        return min(abs(v) for (bus, k, _), v in self.point.voltages.items()
                   if k in buses[bus].phases)

    def voltages(self) -> pd.DataFrame:
        """Columns bus, phase (or neutral), period, magnitude (pu), angle (degrees)."""
        rows = [(bus, phase, t, abs(v), math.degrees(np.angle(v)))
                for (bus, phase, t), v in self.point.voltages.items()]
        return pd.DataFrame(rows, columns=["bus", "phase", "period", "magnitude", "angle"])

    def flows(self) -> pd.DataFrame:
        """Columns branch, phase, period, p (MW), q (Mvar): power that reaches the to-bus."""
        rows = [(branch, phase, t, s.real, s.imag)
                for (branch, phase, t), s in self.point.flows.items()]
        return pd.DataFrame(rows, columns=["branch", "phase", "period", "p", "q"])

    def currents(self) -> pd.DataFrame:
        """Currents into the branches at each of their ends, neutrals included.

        Returns
        -------
        DataFrame
            Columns branch, bus, conductor, period, magnitude (A), angle (degrees).
        """
        rows = [(branch, bus, k, t, abs(i), math.degrees(np.angle(i)))
                for (branch, bus, k, t), i in self.point.currents.items()]
        return pd.DataFrame(
            rows, columns=["branch", "bus", "conductor", "period", "magnitude", "angle"])

    def against(self, m: Any) -> Iterator[tuple[str, str, Hashable, float, float]]:
        """Voltage magnitudes of a solved model beside these.

        Parameters
        ----------
        m : Block
            Filled by `build_opf`, of the same network and periods.

        Yields
        ------
        (str, str, hashable, float, float)
            Bus, phase, period, magnitude in the model, magnitude in AC (pu).
        """
        for name, bus in m.bus.items():
            for k, t in bus.w.index_set():
                yield (name, k, t, _magnitude(bus, k, t), abs(self.point.voltages[name, k, t]))

    def __repr__(self) -> str:
        state = "converged" if self.converged else "NOT converged"
        count = len(self.point.periods)
        losses = "losses" if count == 1 else "mean losses"
        return (f"AcPowerFlow({self.network.name!r}: {state}, {count} period(s), "
                f"lowest voltage {self.lowest_voltage:.4f} pu, "
                f"{losses} {sum(self.losses.values()) / max(1, count):.4f} MW)")


def _magnitude(bus: Any, k: str, t: Hashable) -> float:
    """Of a phase in a solved model (pu); on ungrounded parts less the mean of the phases."""
    if bus.component("vr") is None:
        return max(bus.w[k, t].value, 0.0) ** 0.5
    volts = [complex(bus.vr[other, t].value, bus.vi[other, t].value) for other in bus.phases]
    mean = sum(volts) / len(volts) if bus.floats else 0.0
    return abs(volts[bus.phases.index(k)] - mean)


def ac_power_flow(network: Network, dispatch: Any = None, *, load_scale: LoadScale = 1.0,
                  hours: float = 1.0) -> AcPowerFlow:
    """AC power flow of a network under a dispatch, taps and switches fixed.

    Parameters
    ----------
    network : Network
        The feeder.
    dispatch : Block, DataFrame, mapping or None
        A solved model of `build_opf`; a table of `results.dispatch_table`; a mapping from device
        name to kW, or (kW, kvar), totals *generated* (a datacenter draws: negative), of SVGs kvar
        by leg; or None: datacenters at capacity, SVGs at 0, generators and storages at their `kw`
        and `kvar` (times the multiplier of a generator that follows its profile).
    load_scale : float, sequence, mapping or "profiles"
        As of `OpfOptions`, for the periods of the dispatch.
    hours : float
        Length of a period (h).

    Returns
    -------
    AcPowerFlow
        Voltages (pu, zero sequence removed on ungrounded parts), flows (MVA) and losses (MW).

    Raises
    ------
    OpenDssError
        If the extra ``opendss`` is missing, a device is unknown, or a period does not converge.
    """
    by_period = dispatch_by_period(network, dispatch)
    both = [series(network, load_scale, list(by_period), hours)
            for series in (load_series, reactive_series)]
    solver = AcSolver(network)
    solver.refuse_stars(by_period)
    point = OperatingPoint(periods=list(by_period))
    for t, given in by_period.items():
        scales = [{name: each[name][t] for name in each} for each in both]
        injections = {**_following(solver.base, *scales), **given}
        solver.solve(injections, *scales)
        solver.read(point, t)
        for name, (_, _, kw, kvar) in solver.base.items():
            p, q = injections.get(name, (kw, kvar))
            point.injections[name, t] = tuple(map(mega, p)), tuple(map(mega, q))
    bad = [t for t, settled in point.settled.items() if not settled]
    if bad:
        raise OpenDssError.at(f"network {network.name!r}",
                              f"its AC power flow does not converge in period {bad[0]!r}",
                              "Lower the loads, or correct impedances.")
    return AcPowerFlow(network, point)


def _following(base: Mapping[str, tuple], scale: Mapping[str, float], q_scale: Mapping[str, float],
               ) -> dict[str, LegPowers]:
    """What generators that follow a profile make in a period, unless they are dispatched."""
    return {name: (tuple(scale[name] * p for p in kw),
                   tuple(q_scale.get(name, scale[name]) * q for q in kvar))
            for name, (_, _, kw, kvar) in base.items() if name in scale}
