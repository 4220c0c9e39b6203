"""Prices against central differences of the OpenDSS engine, at a sample of nodes.

The engine solves the answer's dispatch with a little more, and a little less, drawn at a node. At
fixed dispatch and multipliers the difference of

    price x power bought + limits weighed by their multipliers

is the price (envelope theorem). Nothing of it comes from the package's own AC equations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.ac.adjoint import referred
from pyomo_dlmp.ac_opf.loop import AcLoop
from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.network import Generator, OperatingPoint
from pyomo_dlmp.network.phases import NEUTRAL, PHASES
from pyomo_dlmp.network.units import KILO, mega
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.power_flow.ac_solver import AcSolver
from pyomo_dlmp.power_flow.dispatch import dispatch_by_period

_STEP = {True: 5.0, False: 0.1}  # kW, kvar: above 1 kV and below
_LEGS = {"a": ("ab", "ca"), "b": ("bc", "ab"), "c": ("ca", "bc")}  # where nothing grounds the bus


def difference_quotients(loop: AcLoop, count: int = 8, seed: int = 0) -> pd.DataFrame:
    """Central differences at a sample of phases, periods and both quantities.

    Parameters
    ----------
    loop : AcLoop
        Solved at its point.
    count : int
        How many.
    seed : int
        Of the sample.

    Returns
    -------
    DataFrame
        Columns bus, phase, period, quantity, difference_quotient ($/MWh, $/Mvarh).

    Raises
    ------
    OpenDssError
        If the engine does not converge.
    """
    rng, network = np.random.default_rng(seed), loop.network
    grounded = loop.circuit.grounded
    places = [(bus.name, k) for bus in network.buses.values()
              if bus.name != network.substation.bus
              and (bus.name in grounded or bus.phases == PHASES)
              for k in bus.phases if k in PHASES]
    chosen = [places[i] for i in rng.choice(len(places), min(count, len(places)), replace=False)]
    probes = {place: _probes(loop, *place) for place in chosen}
    made = network.with_devices(*(g for found in probes.values() for g in found))
    engine = _Engine(loop, AcSolver(made))
    rows = []
    for number, place in enumerate(chosen):
        i = int(rng.integers(len(loop.labels)))
        quantity = ("active", "reactive")[number % 2]
        step = _STEP[network.buses[place[0]].kv > 1.0]
        drawn = _powers(loop, place[0], place[1], i, 1.0 if quantity == "active" else 1j)
        names = [g.name for g in probes[place]]
        up, down = (engine.cost(i, dict(zip(names, sign * step * drawn, strict=True)))
                    for sign in (1.0, -1.0))
        rows.append((*place, loop.labels[i], quantity, (up - down) / mega(2 * step) / loop.hours))
    return pd.DataFrame(rows, columns=["bus", "phase", "period", "quantity",
                                       "difference_quotient"])


class _Engine:
    """The engine with probes, at the dispatch of a loop's model."""

    def __init__(self, loop: AcLoop, solver: AcSolver):
        self.loop, self.solver = loop, solver
        self.dispatch = dispatch_by_period(loop.network, loop.model)
        self.scales = [series(loop.network, loop.load_scale, loop.labels, loop.hours)
                       for series in (load_series, reactive_series)]
        gradient = np.add.reduce(list(loop.limit_gradients().values()))
        self.weights = gradient[:len(loop.circuit.nodes)]

    def cost(self, i: int, drawn: dict[str, complex]) -> float:
        """price x power bought + weighed limits ($), with powers drawn at probes (kW, kvar)."""
        loop, t = self.loop, self.loop.labels[i]
        injections: dict[str, Any] = dict(self.dispatch[t])
        injections |= {name: ((-s.real,), (-s.imag,)) for name, s in drawn.items()}
        self.solver.solve(injections, *({name: each[name][t] for name in each}
                                        for each in self.scales))
        point = OperatingPoint(periods=[t])
        self.solver.read(point, t)
        if not point.settled[t]:
            raise OpenDssError.at(f"network {loop.network.name!r}", f"does not converge in {t!r}",
                                  "Ask for fewer central differences.")
        volts = np.array([point.voltages[bus, k, t] for bus, k in loop.circuit.nodes])
        limits = (self.weights[:, i].real * volts.real + self.weights[:, i].imag * volts.imag).sum()
        return float(loop.prices[i] * self.solver.bought_kw() / KILO + limits)


def _probes(loop: AcLoop, bus: str, phase: str) -> list[Generator]:
    """Devices between a phase and its reference."""
    at = loop.network.buses[bus]
    base: dict[str, Any] = {"bus": bus, "kw_max": 1.0, "cost": 0.0}
    if bus not in loop.circuit.grounded and at.phases == PHASES:
        return [Generator(name=f"probe {bus}.{phase} {leg}", phases=leg, connection="delta", **base)
                for leg in _LEGS[phase]]
    neutral = NEUTRAL if loop.circuit.at.get((bus, NEUTRAL), -1) >= 0 else ""
    return [Generator(name=f"probe {bus}.{phase}", phases=phase, neutral=neutral, **base)]


def _powers(loop: AcLoop, bus: str, phase: str, i: int, power: complex) -> np.ndarray:
    """What the probes draw where 1 MW (1j Mvar) is drawn at the phase (MVA).

    Where nothing grounds the bus the current returns through all three phases: a third of it
    through each of two legs.
    """
    at = loop.network.buses[bus]
    if bus in loop.circuit.grounded or at.phases != PHASES:
        return np.array([power])
    volts = referred(loop.state)[[loop.circuit.at[bus, k] for k in PHASES], i]
    v = dict(zip(PHASES, volts, strict=True))
    return np.array([power * (v[leg[0]] - v[leg[1]]) / (3.0 * v[phase]) * (
        1.0 if leg[0] == phase else -1.0) for leg in _LEGS[phase]])
