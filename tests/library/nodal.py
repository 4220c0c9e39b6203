"""AC power flow by the nodal equations of all conductors, neutrals included: a small check.

Y of lines and of elements given by their admittance is stamped here; transformers' is that of
`network.windings` (compared with the engine's elsewhere). Loads of constant power are currents at
the last voltages, until these settle. Joints are 1e-7 ohm, a leak of 1e-7 S at each node.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyomo_dlmp.network import Line, Network, OperatingPoint
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.windings import admittance

JOINT, LEAK = 1e-7, 1e-7
TURN = {"a": 0.0, "b": -120.0, "c": 120.0}


class Nodal:
    """A solved feeder: `v` [bus, conductor] in V, `into` [branch] currents in A at its to-bus."""

    def __init__(self, network: Network, scale: Mapping[str, float] | float = 1.0):
        self.network = network
        self.place = {key: i for i, key in enumerate(
            (bus.name, k) for bus in network.buses.values() for k in bus.conductors)}
        self.y = np.eye(len(self.place), dtype=complex) * LEAK
        self.parts = {}
        for bus in network.buses.values():
            if "n" in bus.neutrals and bus.ground_z is not None:
                i = self.place[bus.name, "n"]
                self.y[i, i] += 1.0 / (bus.ground_z or 1e-7)
        for branch in (*network.branches.values(), *network.shunts.values()):
            ends, y = self._stamp(branch)
            places = [self.place[end] for end in ends]
            self.y[np.ix_(places, places)] += y
            self.parts[branch.name] = places, y
        self.v = self._solve(scale)
        self.into = {}
        for name, branch in network.branches.items():
            places, y = self.parts[name]
            flow = -(y @ self.v[places])
            n = len(branch.from_phases)
            shunt = self._charging(branch)
            self.into[name] = flow[n:n + len(branch.to_phases)] + (
                0 if shunt is None else shunt @ self.v[places[n:]])

    def _charging(self, branch):
        if not isinstance(branch, Line) or branch.code.b is None:
            return None
        return 0.5j * np.array(branch.code.b) / 1e6 * branch.length

    def _stamp(self, branch):
        if isinstance(branch, NodalAdmittance):
            return branch.terminals, branch.y
        ends = [(branch.from_bus, k) for k in branch.from_phases]
        ends += [(branch.to_bus, k) for k in branch.to_phases]
        if not isinstance(branch, Line):
            return ends, admittance(branch, self.network.buses)
        z = branch.z if np.any(branch.z) else JOINT * np.eye(len(branch.phases))
        y = np.linalg.inv(z)
        half = self._charging(branch)
        half = 0 * y if half is None else half
        return ends, np.block([[y + half, -y], [-y, y + half]])

    def _solve(self, scale) -> np.ndarray:
        source = self.network.substation
        bus = self.network.buses[source.bus]
        degrees = source.angles or [TURN[k] + source.angle for k in bus.phases]
        known = [self.place[bus.name, k] for k in bus.phases]
        fixed = np.array(source.v_pu) * bus.kv_ln * 1000 * np.exp(1j * np.radians(degrees))
        free = [i for i in range(len(self.place)) if i not in known]
        v = np.zeros(len(self.place), dtype=complex)
        v[known] = fixed
        lu = np.linalg.inv(self.y[np.ix_(free, free)])
        v[free] = -lu @ (self.y[np.ix_(free, known)] @ fixed)
        for _ in range(200):
            current = np.zeros_like(v)
            for load in self.network.loads.values():
                factor = scale if isinstance(scale, float) else scale.get(load.name, 1.0)
                for leg, kw, kvar in zip(load.legs, load.kw, load.kvar, strict=True):
                    ends = [self.place[load.bus, k] for k in leg]
                    u = v[ends[0]] - (v[ends[1]] if len(ends) == 2 else 0.0)
                    i = np.conj(factor * complex(kw, kvar) * 1000 / u)
                    current[ends[0]] -= i
                    if len(ends) == 2:
                        current[ends[1]] += i
            new = lu @ (current[free] - self.y[np.ix_(free, known)] @ fixed)
            settled = np.abs(new - v[free]).max() < 1e-10 * np.abs(fixed).max()
            v[free] = new
            if settled:
                return v
        raise AssertionError("the check's power flow does not settle")

    def pu(self, bus: str, k: str) -> complex:
        """Voltage of a conductor in pu of its bus."""
        return self.v[self.place[bus, k]] / (1000 * self.network.buses[bus].kv_ln)

    def mva(self, name: str) -> np.ndarray:
        """Power to ground that a branch brings to its to-bus, by conductor (MVA)."""
        branch = self.network.branches[name]
        v = np.array([self.v[self.place[branch.to_bus, k]] for k in branch.to_phases])
        return v * self.into[name].conj() / 1e6

    def point(self) -> OperatingPoint:
        """As `ac_power_flow(...).point`, of one period."""
        point = OperatingPoint(periods=[0])
        for bus, k in self.place:
            point.voltages[bus, k, 0] = complex(self.pu(bus, k))
        for name, branch in self.network.branches.items():
            for k, s in zip(branch.to_phases, self.mva(name).tolist(), strict=True):
                point.flows[name, k, 0] = s
        bus = self.network.substation.bus
        drawn = self.y @ self.v
        for k in self.network.buses[bus].phases:
            i = self.place[bus, k]
            point.source[k, 0] = complex(self.v[i] * drawn[i].conj() / 1e6)
        for load in self.network.loads.values():
            for leg, kw, kvar in zip(load.legs, load.kw, load.kvar, strict=True):
                if load.bus == bus and leg in self.network.buses[bus].phases:
                    point.source[leg, 0] += complex(kw, kvar) / 1000
        return point
