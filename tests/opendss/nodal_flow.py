"""An AC power flow of its own: nodal equations of a Network, with nothing of the engine in it."""

import math

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from pyomo_dlmp.network import Line, NodalAdmittance, Regulator
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.windings import admittance
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.opendss.reading.loads import Model

GROUND = ("", "")
ANTIFLOAT = 1e-11  # S


class NodalFlow:
    """Nodes, admittances and currents of a network."""

    def __init__(self, net):
        self.net = net
        self.over = {}
        for line in net.branches.values():
            if isinstance(line, Line) and line.joins:
                for a, b in zip(line.from_phases, line.to_phases, strict=True):
                    self.join((line.from_bus, a), (line.to_bus, b))
        for bus in net.buses.values():
            if bus.ground_z == 0:
                self.join((bus.name, "n"), GROUND)
        places = [(b.name, k) for b in net.buses.values() for k in b.conductors]
        roots = dict.fromkeys(self.root(p) for p in places)
        roots.pop(self.root(GROUND), None)
        self.row = {root: i for i, root in enumerate(roots)}
        self.entries = ([], [], [])
        self.drive = np.zeros(len(self.row), dtype=complex)
        self._branches()
        self._rest()

    def root(self, place):
        while self.over.get(place, place) != place:
            place = self.over[place]
        return place

    def join(self, first, second):
        first, second = self.root(first), self.root(second)
        if first != second:
            self.over[first] = second

    def at(self, bus, conductor):
        """Row of a conductor; None of ground."""
        return self.row.get(self.root((bus, conductor)))

    def add(self, places, y):
        rows = [self.at(*p) for p in places]
        for i, r in enumerate(rows):
            for j, c in enumerate(rows):
                if r is not None and c is not None and y[i, j]:
                    self.entries[0].append(r)
                    self.entries[1].append(c)
                    self.entries[2].append(y[i, j])

    def _branches(self):
        net = self.net
        for branch in [*net.branches.values(), *net.shunts.values()]:
            if isinstance(branch, Line) and branch.joins:
                continue
            assert not isinstance(branch, Regulator) or branch.kva
            if isinstance(branch, NodalAdmittance):
                self.add(branch.terminals, branch.y)
                continue
            places = [(branch.from_bus, k) for k in branch.from_phases]
            places += [(branch.to_bus, k) for k in branch.to_phases]
            y = admittance(branch, net.buses)
            if isinstance(branch, Line) and branch.code.b is not None:
                half = 0.5e-6j * np.array(branch.code.b) * branch.length
                zero = np.zeros_like(half)
                y = y + np.block([[half, zero], [zero, half]])
            self.add(places, y)

    def _rest(self):
        net = self.net
        for bus in net.buses.values():
            if bus.ground_z:
                self.add([(bus.name, "n")], np.array([[1 / bus.ground_z]]))
        for cap in net.capacitors.values():
            for leg, kvar in zip(cap.legs, cap.kvar, strict=True):
                kv = cap.kv or net.buses[cap.bus].nominal_kv(leg)
                self.leg(cap.bus, leg, 1e-3j * kvar / kv**2 if cap.closed else 0.0)
        source = net.substation
        bus = net.buses[source.bus]
        turns = source.angles or [source.angle + math.degrees(np.angle(
            {"a": 1, "b": np.exp(-2j * np.pi / 3), "c": np.exp(2j * np.pi / 3)}[k]))
            for k in bus.phases]
        volts = np.array(source.v_pu) * bus.kv_ln * 1e3 * np.exp(1j * np.radians(turns))
        y = np.linalg.inv(source.z)
        self.add([(bus.name, k) for k in bus.phases], y)
        for k, i in zip(bus.phases, y @ volts, strict=True):
            self.drive[self.at(bus.name, k)] += i

    def leg(self, bus, leg, y):
        ends = [(bus, k) for k in leg]
        if len(ends) == 1:
            self.add(ends, np.array([[y]]))
        else:
            self.add(ends, y * np.array([[1, -1], [-1, 1]]))

    def devices(self):
        """(rows of the two ends, function from volts of legs to kVA drawn)."""
        net = self.net
        for load in net.loads.values():
            model = Model(load.model, tuple(load.coefficients), load.v_low, load.v_high)
            for leg, kw, kvar in zip(load.legs, load.kw, load.kvar, strict=True):
                kv = load.kv or net.buses[load.bus].nominal_kv(leg)
                yield self.ends(load.bus, leg), lambda u, m=model, p=kw, q=kvar, kv=kv: complex(
                    m.power(np.array([p]), np.array([q]), np.array([abs(u) / kv / 1e3]))[0])
        for device in net.devices.values():
            if device.nominal_power() is None:
                continue
            kw, kvar = device.nominal_power()
            legs = leg_names(device)
            own = -complex(kw, kvar) / len(legs)
            for leg in legs:
                yield self.ends(device.bus, leg), lambda u, s=own: s

    def ends(self, bus, leg):
        return self.at(bus, leg[0]), self.at(bus, leg[1]) if len(leg) == 2 else None

    def solve(self, start, most=200):
        """Voltages (V) by (bus, conductor), from those of the engine where it has them.

        Devices act as the impedances that they are at the start, and as currents for the rest.
        """
        n = len(self.row)
        v = np.zeros(n, dtype=complex)
        for place, value in start.items():
            if self.root(place) in self.row:
                v[self.row[self.root(place)]] = value
        devices = list(self.devices())
        r, c, y = (list(x) for x in self.entries)
        at_first = []
        for (i, j), power in devices:
            u = (v[i] if i is not None else 0) - (v[j] if j is not None else 0)
            own = np.conj(power(u)) * 1e3 / abs(u) ** 2 if u else 0.0
            at_first.append(own)
            for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
                if a is not None and b is not None:
                    r.append(a), c.append(b), y.append(sign * own)
        matrix = sp.csc_matrix((y, (r, c)), shape=(n, n)) + ANTIFLOAT * sp.identity(n)
        lu = splu(matrix.tocsc())
        for _ in range(most):
            current = self.drive.copy()
            for ((i, j), power), own in zip(devices, at_first, strict=True):
                u = (v[i] if i is not None else 0) - (v[j] if j is not None else 0)
                drawn = (np.conj(power(u) * 1e3 / u) if u else 0.0) - own * u
                if i is not None:
                    current[i] -= drawn
                if j is not None:
                    current[j] += drawn
            new = lu.solve(current)
            new = new + lu.solve(current - matrix @ new)
            moved, v = (np.abs(new - v) / np.maximum(np.abs(new), 1.0)).max(), new
            if moved < 1e-9:
                break
        return {(bus.name, k): (v[self.at(bus.name, k)] if self.at(bus.name, k) is not None
                                else 0j)
                for bus in self.net.buses.values() for k in bus.conductors}


def conductor_volts(draft):
    """The engine's voltages (V) by (bus, conductor), of what the draft holds."""
    return {(bus, draft.letter(bus, node)): draft.volts((bus, node))
            for bus, node in draft.live if node in draft.letters(bus)}


def worst_difference(net, draft):
    """Greatest difference to the engine (pu), and where."""
    theirs = conductor_volts(draft)
    ours = NodalFlow(net).solve(theirs)
    for name in set(net.buses) - grounded_buses(net):  # what nothing holds is not compared
        for volts in (ours, theirs):
            own = [(name, k) for k in net.buses[name].phases if (name, k) in volts]
            mean = sum(volts[p] for p in own) / max(len(own), 1)
            volts.update({p: volts[p] - mean for p in own})
    apart = {p: abs(ours[p] - v) / (1e3 * net.buses[p[0]].kv_ln) for p, v in theirs.items()
             if p in ours}
    where = max(apart, key=apart.get)
    return apart[where], where
