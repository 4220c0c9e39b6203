"""The AC power flow of a network by its nodal equations, without the OpenDSS engine.

Ideal sources, joints and ideal regulators are rows of their own (modified nodal analysis); powers
and currents of loads and devices are found by iteration.
"""

import numpy as np

import pyomo_dlmp as dlmp
from pyomo_dlmp.network import Line, Regulator
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.kinds import kind
from pyomo_dlmp.network.windings import admittance

KILO = 1e3


class Nodal:
    """Equations of a network; `volts[bus, conductor]` is the solution (V), 0 of solid neutrals."""

    def __init__(self, net):
        self.net = net
        self.place = {}
        for bus in net.buses.values():
            for k in bus.conductors:
                if not (k == "n" and bus.ground_z == 0):
                    self.place[bus.name, k] = len(self.place)
        self.y = np.zeros((len(self.place),) * 2, dtype=complex)
        self.rows, self.given = [], []  # ideal branches: row @ V = given
        self.pull = []  # and the currents that they draw: the row transposed, by default
        self.source()
        for branch in net.branches.values():
            self.branch(branch)
        for shunt in net.shunts.values():
            self.add(shunt.y, shunt.terminals)
        for bus in net.buses.values():
            if bus.ground_z:
                self.add(np.array([[1 / bus.ground_z]]), [(bus.name, "n")])
        for cap in net.capacitors.values():
            for leg, kvar in zip(cap.legs, cap.kvar, strict=True):
                kv = cap.kv or net.buses[cap.bus].nominal_kv(leg)
                self.leg(cap.bus, leg, 1j * kvar / kv**2 / KILO * cap.closed)
        self.solve()

    def add(self, y, terminals):
        kept = [i for i, t in enumerate(terminals) if t in self.place]
        at = [self.place[terminals[i]] for i in kept]
        np.add.at(self.y, np.ix_(at, at), np.asarray(y)[np.ix_(kept, kept)])

    def leg(self, bus, leg, y):
        a = self.incidence(bus, leg)
        self.y += y * np.outer(a, a)

    def incidence(self, bus, leg):
        a = np.zeros(len(self.place))
        for k, sign in zip(leg, (1.0, -1.0), strict=False):
            if (bus, k) in self.place:
                a[self.place[bus, k]] += sign
        return a

    def ideal(self, row, given=0.0):
        self.rows.append(row)
        self.given.append(given)

    def source(self):
        place = self.net.substation
        bus = self.net.buses[place.bus]
        turns = {"b": -120.0, "c": 120.0, "2": 180.0}
        angles = place.angles or [place.angle + turns.get(k, 0.0) for k in bus.phases]
        behind = KILO * bus.kv_ln * np.array(place.v_pu) * np.exp(1j * np.radians(angles))
        self.injected = np.zeros(len(self.place), dtype=complex)
        at = [self.place[bus.name, k] for k in bus.phases]
        if place.z is None:
            for i, v in zip(at, behind, strict=True):
                self.ideal(np.eye(len(self.place))[i], v)
        else:
            y = np.linalg.inv(place.z)
            self.y[np.ix_(at, at)] += y
            self.injected[at] += y @ behind

    def branch(self, branch):
        if isinstance(branch, Line) and branch.joins:
            for k, other in zip(branch.from_phases, branch.to_phases, strict=True):
                row = self.incidence(branch.from_bus, k) - self.incidence(branch.to_bus, other)
                if row.any():
                    self.ideal(row)
            return
        if isinstance(branch, Regulator) and branch.kva is None:
            for leg, ratio in branch.ratio.items():
                self.ideal(ratio * self.incidence(branch.from_bus, leg)
                           - self.incidence(branch.to_bus, leg))
            if branch.connection == "open_delta":
                common = next(k for k in "abc" if all(k in leg for leg in branch.taps))
                self.ideal(self.incidence(branch.from_bus, common)
                           - self.incidence(branch.to_bus, common))
            return
        if kind(branch) == "admittance":
            self.add(branch.y, branch.terminals)
            return
        ends = [[(bus, k) for k in phases] for bus, phases in (
            (branch.from_bus, branch.from_phases), (branch.to_bus, branch.to_phases))]
        self.add(admittance(branch, self.net.buses), ends[0] + ends[1])
        if isinstance(branch, Line) and branch.code.b is not None:
            for end in ends:
                self.add(0.5e-6j * branch.length * np.array(branch.code.b), end)

    def draws(self):
        """(incidence, current in A as a function of the leg's voltage in V) of each leg."""
        for load in self.net.loads.values():
            for leg, kw, kvar in zip(load.legs, load.kw, load.kvar, strict=True):
                rated = KILO * (load.kv or self.net.buses[load.bus].nominal_kv(leg))
                s = KILO * complex(kw, kvar)
                yield self.incidence(load.bus, leg), lambda u, s=s, r=rated, of=load: np.conj(
                    load_power(of, s, abs(u) / r) / u)
        for device in self.net.devices.values():
            power = device.nominal_power()
            if power is not None:
                for leg, kw, kvar in zip(leg_names(device), *device.equal_legs(*power),
                                         strict=True):
                    yield self.incidence(device.bus, leg), lambda u, s=complex(kw, kvar): np.conj(
                        -KILO * s / u)

    def solve(self):
        n, m = len(self.place), len(self.rows)
        whole = np.zeros((n + m,) * 2, dtype=complex)
        whole[:n, :n] = self.y
        if m:
            whole[n:, :n] = self.rows
            whole[:n, n:] = np.array(self.rows).T
        draws = [(a, f) for a, f in self.draws() if a.any()]
        v = np.linalg.solve(whole, np.concatenate([self.injected, self.given]))
        for _ in range(300):
            drawn = sum((f(a @ v[:n]) * a for a, f in draws), np.zeros(n, dtype=complex))
            new = np.linalg.solve(whole, np.concatenate([self.injected - drawn, self.given]))
            change, v = np.abs(new - v).max(), new
            if change < 1e-10 * np.abs(v[:n]).max():
                break
        else:
            raise AssertionError("the nodal equations do not settle")
        self.volts = {(bus.name, k): v[self.place[bus.name, k]] if (bus.name, k) in self.place
                      else 0.0 for bus in self.net.buses.values() for k in bus.conductors}


def load_power(load, s, u):
    """Power of a leg of a load (in the unit of `s`) at a voltage in pu of its rating."""
    if not load.v_low <= u <= load.v_high:
        raise AssertionError("beyond the range of the load")
    if load.model == "zip":
        z, i, p, zq, iq, pq = load.coefficients
        return complex(s.real * (z * u**2 + i * u + p), s.imag * (zq * u**2 + iq * u + pq))
    n, m = {"power": (0, 0), "current": (1, 1), "impedance": (2, 2)}.get(
        load.model, load.coefficients)
    return complex(s.real * u**n, s.imag * u**m)


def check_is_the_nodal_solution(net, tolerance=1e-6):
    """The engine's voltages of every conductor are those of the nodal equations (pu)."""
    ac = dlmp.ac_power_flow(net)
    exact = Nodal(net).volts
    errors = {(bus, k): abs(ac.point.voltages[bus, k, 0] - v / KILO / net.buses[bus].kv_ln)
              for (bus, k), v in exact.items()}
    worst = max(errors, key=errors.get)
    assert errors[worst] < tolerance, (worst, errors[worst])
    return ac, errors[worst]


def check_power_balance(net, ac, tolerance=1e-6):
    """What the source and the devices give is what loads draw and branches lose (MVA)."""
    bought = sum(ac.point.source[k, 0] for k in net.buses[net.substation.bus].phases)
    drawn = 0.0
    for load in net.loads.values():
        base = net.buses[load.bus]
        for leg, kw, kvar in zip(load.legs, load.kw, load.kvar, strict=True):
            ends = [ac.point.voltages[load.bus, k, 0] for k in leg]
            u = abs(ends[0] - (ends[1] if len(leg) == 2 else 0.0)) * base.kv_ln
            drawn += load_power(load, complex(kw, kvar), u / (load.kv or base.nominal_kv(leg))).real
    made = sum(sum(p) for p, _ in ac.point.injections.values())
    balance = bought.real + made - drawn / KILO - ac.losses[0]
    assert abs(balance) < tolerance * max(1.0, abs(bought)), balance
    return balance
