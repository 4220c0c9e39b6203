"""AC three-phase power flow of a network and any dispatch of its devices, in the OpenDSS engine."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.errors import OpenDssError, nearest
from pyomo_dlmp.io.opendss import engine, write
from pyomo_dlmp.io.opendss.circuit import NODE
from pyomo_dlmp.network import Line, Network, OperatingPoint
from pyomo_dlmp.network.device import LegPowers, leg_names
from pyomo_dlmp.network.units import KILO, mega
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.opf.load_scale import LoadScale, load_series, reactive_series
from pyomo_dlmp.tolerances import SAME_MONEY

Dispatch = Mapping[Hashable, Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]]


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
        """Losses in branches by period (MW)."""
        return self.point.losses

    @property
    def taps(self) -> dict[str, dict[str, int]]:
        """Taps of the regulators (fixed) by phase or pair."""
        return {name: dict(reg.taps) for name, reg in self.network.regulators.items()}

    def voltages(self) -> pd.DataFrame:
        """Columns bus, phase, period, magnitude (pu), angle (degrees)."""
        rows = [(bus, phase, t, abs(v), math.degrees(np.angle(v)))
                for (bus, phase, t), v in self.point.voltages.items()]
        return pd.DataFrame(rows, columns=["bus", "phase", "period", "magnitude", "angle"])

    def flows(self) -> pd.DataFrame:
        """Columns branch, phase, period, p (MW), q (Mvar): power that reaches the to-bus."""
        rows = [(branch, phase, t, s.real, s.imag)
                for (branch, phase, t), s in self.point.flows.items()]
        return pd.DataFrame(rows, columns=["branch", "phase", "period", "p", "q"])

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
                yield (name, k, t, max(bus.w[k, t].value, 0.0) ** 0.5,
                       abs(self.point.voltages[name, k, t]))

    def __repr__(self) -> str:
        low = min(abs(v) for v in self.point.voltages.values())
        state = "converged" if self.converged else "NOT converged"
        return (f"AcPowerFlow({self.network.name!r}: {state}, {len(self.point.periods)} period(s), "
                f"lowest voltage {low:.4f} pu, losses {sum(self.losses.values()):.4f} MW)")


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
        and `kvar`.
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
    for t, injections in by_period.items():
        solver.solve(injections, *({name: each[name][t] for name in each} for each in both))
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


class AcSolver:
    """An OpenDSS engine with a network; each solve sets loads and device powers.

    Parameters
    ----------
    network : Network
        The feeder.

    Raises
    ------
    OpenDssError
        If the extra ``opendss`` is missing, or the engine rejects the network.
    """

    def __init__(self, network: Network):
        self.network = network
        self.engine = engine.new_engine()
        base = write.default_injections(network)
        commands = [engine.Command(text, network.name, i)
                    for i, text in enumerate(write.script(network, base), 1)]
        _, faults = engine.run(self.engine, commands)
        if faults:
            raise OpenDssError(faults)
        self.grounded = grounded_buses(network)
        self.base = base
        self._nominal: dict[str, tuple[float, float]] | None = None
        self._load_of = {
            (name if len(load.legs) == 1 else f"{name}_{leg}").lower(): name
            for name, load in network.loads.items() for leg in load.legs}

    def refuse_stars(self, by_period: Dispatch) -> None:
        """Raise OpenDssError for unequal legs to neutral at a bus that is not grounded."""
        for t, injections in by_period.items():
            for name, powers in injections.items():
                device = self.network.devices[name]
                star = all(len(leg) == 1 for leg in leg_names(device))
                if not star or device.bus in self.grounded:
                    continue
                for made, unit in zip(powers, ("kW", "kvar"), strict=True):
                    if max(made) - min(made) > SAME_MONEY * (1.0 + max(map(abs, made))):
                        raise OpenDssError.at(
                            f"{device.word} {name!r}", "its legs generate "
                            f"{', '.join(f'{x:.4g}' for x in made)} {unit} to neutral in period "
                            f"{t!r} at bus {device.bus!r}, which nothing grounds",
                            "Connect it in delta.")

    def solve(self, injections: Mapping[str, tuple], scale: Mapping[str, float] | None = None,
              q_scale: Mapping[str, float] | None = None) -> None:
        """Set the powers of devices and loads, and solve.

        Parameters
        ----------
        injections : mapping
            [device]: (kW by leg, kvar by leg), generated.
        scale : mapping of str to float, optional
            Multiplier (1) of each load; 1 for those that it leaves out.
        q_scale : mapping of str to float, optional
            Of the reactive power, where it has one of its own.
        """
        loads = self.engine.ActiveCircuit.Loads
        made = {}
        for name, (kw, kvar) in injections.items():
            for leg, p, q in zip(self.base[name][1], kw, kvar, strict=True):
                made[f"{name}_{leg}".lower()] = (-p, -q)
        if self._nominal is None:
            self._nominal = {}
            i = loads.First
            while i:
                self._nominal[loads.Name] = (loads.kW, loads.kvar)
                i = loads.Next
        scale, q_scale = scale or {}, q_scale or {}
        i = loads.First
        while i:
            name = loads.Name
            p, q = self._nominal[name]
            if name in made:
                p, q = made[name]
            elif name in self._load_of:
                factor = scale.get(self._load_of[name], 1.0)
                p, q = p * factor, q * q_scale.get(self._load_of[name], factor)
            if (loads.kW, loads.kvar) != (p, q):
                loads.kW, loads.kvar = p, q
            i = loads.Next
        engine.refine(self.engine)

    def read(self, point: OperatingPoint, t: Hashable) -> None:
        """Add the solved state to an operating point, as period `t`."""
        circuit = self.engine.ActiveCircuit
        point.settled[t] = bool(circuit.Solution.Converged)
        volts = self._voltages(circuit)
        kv = {name: bus.kv_ln for name, bus in self.network.buses.items()}
        for name, bus in self.network.buses.items():
            phasors = np.array([volts[name.lower(), NODE[k]] for k in bus.phases]) / (
                KILO * kv[name])
            if bus.phases == "abc" and name not in self.grounded:
                phasors = phasors - phasors.mean()
            for k, value in zip(bus.phases, phasors.tolist(), strict=True):
                point.voltages[name, k, t] = value
        currents = self._currents(circuit)
        for name, branch in self.network.branches.items():
            for k in branch.to_phases:
                i = sum(currents.get((part, 1, NODE[k]), 0.0) for part in _parts(branch))
                v = point.voltages[branch.to_bus, k, t]
                s = v * np.conj(-i) * mega(kv[branch.to_bus])
                if isinstance(branch, Line) and branch.code.b is not None:
                    s += self._charging(branch, k, t, point)
                point.flows[name, k, t] = complex(s)
        source = self.network.substation
        for k in self.network.buses[source.bus].phases:
            total = sum(value for (part, _, node), value in currents.items()
                        if part.startswith("vsource.") and node == NODE[k])
            v = point.voltages[source.bus, k, t]
            point.source[k, t] = complex(v * np.conj(-total) * mega(kv[source.bus]))
        point.losses[t] = float(mega(circuit.LineLosses[0]) + self._transformer_losses(circuit))

    def _transformer_losses(self, circuit) -> float:
        total, i = 0.0, circuit.Transformers.First
        while i:
            total += circuit.ActiveCktElement.Losses[0]
            i = circuit.Transformers.Next
        return total / 1e6

    def _charging(self, line: Line, phase: str, t, point: OperatingPoint) -> complex:
        """Power of half the line's charging at the to-bus; its current is in the engine's."""
        row = line.phases.index(phase)
        b = np.array(line.code.b)[row] / 1e6 * line.length / 2
        kv = self.network.buses[line.to_bus].kv_ln
        v = np.array([point.voltages[line.to_bus, k, t] for k in line.phases]) * kv
        return complex(v[row] * np.conj(1j * b @ v))

    def _voltages(self, circuit) -> dict[tuple[str, int], complex]:
        values = np.asarray(circuit.YNodeVarray, dtype=float).view(complex)
        names = [name.lower().rsplit(".", 1) for name in circuit.YNodeOrder]
        return {(bus, int(node)): v for (bus, node), v in zip(names, values, strict=True)}

    def _currents(self, circuit) -> dict[tuple[str, int, int], complex]:
        """Currents (A) into each element by (name, terminal 0 or 1, node)."""
        found: dict[tuple[str, int, int], complex] = {}
        element = circuit.ActiveCktElement
        for collection, kind in ((circuit.Lines, "line"), (circuit.Transformers, "transformer"),
                                 (circuit.Vsources, "vsource")):
            i = collection.First
            while i:
                name = f"{kind}.{collection.Name.lower()}"
                flat = np.asarray(element.Currents, dtype=float).view(complex)
                nodes = element.NodeOrder
                width = len(nodes) // element.NumTerminals
                for place, (node, current) in enumerate(zip(nodes, flat.tolist(), strict=True)):
                    key = (name, min(place // width, 1), int(node))
                    found[key] = found.get(key, 0.0) + current
                    if kind == "vsource" and place + 1 == width:
                        break
                i = collection.Next
        return found


def _parts(branch) -> list[str]:
    """The engine's elements that a branch was written as."""
    name = branch.name.lower()
    if isinstance(branch, Line):
        return [f"line.{name}"]
    if hasattr(branch, "taps"):
        parts = [f"transformer.{name}_{leg}" for leg in branch.taps]
        return [*parts, f"line.{name}_through"] if branch.connection == "open_delta" else parts
    return [f"transformer.{name}"]


# -------------------------------------------------------------------------------- dispatches


def dispatch_by_period(network: Network, dispatch: Any) -> Dispatch:
    """A dispatch of any form as powers of legs.

    Parameters
    ----------
    network : Network
        The feeder.
    dispatch : Block, DataFrame, mapping or None
        As of `ac_power_flow`.

    Returns
    -------
    dict
        [period][device]: (kW by leg, kvar by leg), generated.

    Raises
    ------
    OpenDssError
        If a device is unknown, or its powers are not as expected.
    """
    if dispatch is None:
        return {0: {}}
    if hasattr(dispatch, "substation") and hasattr(dispatch, "periods"):
        return _from_model(network, dispatch)
    if isinstance(dispatch, pd.DataFrame):
        return _from_table(network, dispatch)
    made = {}
    for name, power in dispatch.items():
        try:
            made[name] = _device(network, name).leg_powers(power)
        except (TypeError, ValueError) as error:
            raise OpenDssError.at(f"dispatch of {name!r}", f"is {power!r}", str(error)) from None
    return {0: made}


def _device(network: Network, name: str):
    known = [other.name for other in network.devices.values() if other.nominal_power() is not None]
    if name not in known:
        raise OpenDssError.at(f"dispatch of {name!r}", "there is no such dispatched device",
                              nearest(name, known))
    return network.devices[name]


def _kilo(powers: LegPowers) -> LegPowers:
    """MW and Mvar in kW and kvar."""
    p, q = powers
    return tuple(KILO * x for x in p), tuple(KILO * x for x in q)


def _from_model(network: Network, m: Any) -> Dispatch:
    """The dispatch in the values of a model's blocks."""
    dispatched = [(name, block) for name, block in device_blocks(m)
                  if network.devices[name].nominal_power() is not None]
    return {t: {name: _kilo(block.made(t)) for name, block in dispatched} for t in m.periods}


def _from_table(network: Network, table: pd.DataFrame) -> Dispatch:
    """The dispatch in a table of `results.dispatch_table` (MW, Mvar; datacenters draw)."""
    made: dict[Hashable, dict] = {t: {} for t in dict.fromkeys(table["period"])}
    totals: dict[tuple, dict[str, float]] = {}
    for row in table.to_dict("records"):
        if row["kind"] == "substation" or row["quantity"] not in ("active", "reactive"):
            continue
        totals.setdefault((row["period"], row["element"]), {})[
            row["phase"] + row["quantity"]] = KILO * float(row["value"])
    for (t, name), power in totals.items():
        device = _device(network, name)
        sign = -1.0 if device.draws else 1.0
        if any(key in power for key in (f"{leg}reactive" for leg in device.legs)):
            made[t][name] = tuple(tuple(sign * power.get(leg + quantity, 0.0)
                                        for leg in device.legs)
                                  for quantity in ("active", "reactive"))
        else:
            made[t][name] = device.equal_legs(sign * power.get("active", 0.0),
                                              sign * power.get("reactive", 0.0))
    return made
