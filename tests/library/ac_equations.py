"""The AC equations of a network as matrices, assembled apart from the package's own room for them.

Voltages are in pu of `Bus.kv_ln` at every conductor, powers in MVA, so currents in MVA per pu. With
V the voltages of all conductors but solidly grounded neutrals, J the currents of the source and of
ideal branches:

    Y V + C' J = sum over legs of conj(s / u) (generated),   C V + Z J = E,   u = V_a - V_b
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from pyomo_dlmp.network import CenterTappedTransformer, Line, Regulator, Transformer
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.kinds import kind
from pyomo_dlmp.network.windings import admittance, rated_kv
from pyomo_dlmp.network.zones import grounded_buses

KILO = 1e3
TURN = {"a": 0.0, "b": -120.0, "c": 120.0, "1": 0.0, "2": 180.0}
LOW = 0.5  # pu: below it every load is an impedance
DELTA = ("ab", "bc", "ca")
EXPONENTS = {"power": (0, 0), "current": (1, 1), "impedance": (2, 2)}


class Leg(NamedTuple):
    """Where a device acts: between nodes `a` and `b` (-1: ground), named as a user names it."""

    device: str
    name: str
    a: int
    b: int


class Drawn(NamedTuple):
    """A leg of a load: nominal power (MVA), and `per_rated`, pu of its rating per pu of the bus."""

    leg: Leg
    s: complex
    per_rated: float
    load: object


class Equations:
    """Of a network.

    Attributes
    ----------
    place : dict
        [bus, conductor]: number of the node.
    y : sparse matrix, shape (n, n), complex
        Of all branches, capacitors, shunts and groundings (MVA).
    c, z, e : ndarrays
        Rows of the source's conductors, then of ideal branches.
    loads : list of Drawn
    legs : dict
        [device]: legs of each device whose power a dispatch sets.
    """

    def __init__(self, net):
        self.net, self.place, self.kv = net, {}, []
        for bus in net.buses.values():
            for k in bus.conductors:
                if not (k == "n" and bus.ground_z == 0):
                    self.place[bus.name, k] = len(self.kv)
                    self.kv.append(bus.kv_ln)
        self.n = len(self.kv)
        self._entries, self._rows, self.e = [], [], []
        self._z = {}
        self._source()
        for branch in net.branches.values():
            self._branch(branch)
        for shunt in net.shunts.values():
            self._add(shunt.y, shunt.terminals)
        for bus in net.buses.values():
            if bus.ground_z:
                self._add(np.array([[1 / bus.ground_z]]), [(bus.name, "n")])
        self._capacitors()
        self.grounded = grounded_buses(net)
        self.loads = list(self._loads())
        self.legs = {name: self.device_legs(device) for name, device in net.devices.items()
                     if device.nominal_power() is not None}
        self._finish()

    # ------------------------------------------------------------------------------ assembling

    def _add(self, y, terminals):
        """Admittance in S between conductors."""
        at = [self.place.get(t, -1) for t in terminals]
        for i, row in zip(at, np.asarray(y), strict=True):
            for j, value in zip(at, row, strict=True):
                if i >= 0 and j >= 0 and value:
                    self._entries.append((i, j, value * self.kv[i] * self.kv[j]))

    def node(self, bus, k):
        """Number of a conductor's node; -1: ground."""
        return self.place.get((bus, k), -1)

    def _ideal(self, terms, e=0.0):
        """A row: sum of coefficient x V (pu of the row's own) = e, terms by node."""
        self._rows.append([(i, c) for i, c in terms if i >= 0])
        self.e.append(e)

    def _source(self):
        place = self.net.substation
        bus = self.net.buses[place.bus]
        angles = place.angles or [place.angle + TURN[k] for k in bus.phases]
        for k, v, angle in zip(bus.phases, place.v_pu, angles, strict=True):
            self._ideal([(self.node(bus.name, k), 1.0)], v * np.exp(1j * np.radians(angle)))
        self.fed = [self.node(bus.name, k) for k in bus.phases]
        self.source_z = (np.zeros((len(self.fed),) * 2) if place.z is None
                         else place.z / bus.kv_ln**2)

    def _branch(self, branch):
        first, second = branch.from_bus, branch.to_bus
        if isinstance(branch, Line) and branch.joins:
            for k, other in zip(branch.from_phases, branch.to_phases, strict=True):
                self._joint([(first, k, 1.0), (second, other, -1.0)])
        elif isinstance(branch, Regulator) and branch.kva is None:
            for leg, ratio in branch.ratio.items():
                signs = list(zip(leg, (1.0, -1.0), strict=False))
                self._joint([(first, k, ratio * s) for k, s in signs]
                            + [(second, k, -s) for k, s in signs])
        elif kind(branch) == "admittance":
            self._add(branch.y, branch.terminals)
        else:
            ends = [[(bus, k) for k in phases] for bus, phases in (
                (first, branch.from_phases), (second, branch.to_phases))]
            self._add(admittance(branch, self.net.buses), ends[0] + ends[1])
            self._antifloat(branch)
            if isinstance(branch, Line) and branch.code.b is not None:
                for end in ends:
                    self._add(0.5e-6j * branch.length * np.array(branch.code.b), end)

        if isinstance(branch, Regulator) and branch.connection == "open_delta":
            common = next(k for k in "abc" if all(k in leg for leg in branch.taps))
            self._joint([(first, common, 1.0), (second, common, -1.0)])

    def _antifloat(self, branch):
        """The engine's small reactors from each end of each coil to ground."""
        buses, ppm = self.net.buses, getattr(branch, "antifloat_ppm", 1.0)
        sides = (branch.from_bus, branch.to_bus)
        if isinstance(branch, Regulator):
            coils = [(bus, leg, buses[bus].nominal_kv(leg), branch.kva)
                     for leg in branch.taps for bus in sides]
        elif isinstance(branch, Transformer):
            coils = [(bus, leg, rated_kv(kv, legs, buses[bus]), branch.kva / len(legs))
                     for bus, legs, kv in zip(sides, branch.legs, (branch.from_kv, branch.to_kv),
                                              strict=True) for leg in legs]
        elif isinstance(branch, CenterTappedTransformer):
            coils = [(sides[0], branch.leg, rated_kv(branch.from_kv, (branch.leg,),
                                                     buses[sides[0]]), branch.kva)]
            coils += [(sides[1], leg, branch.to_kv or buses[sides[1]].kv_ln, branch.kva)
                      for leg in "12"]
        else:
            return
        for bus, leg, kv, kva in coils:
            for k in leg:
                self._add(np.array([[-0.5e-9j * ppm * kva / kv**2]]), [(bus, k)])

    def _joint(self, terms):
        """Voltages in kV whose weighted sum is 0, scaled to pu of the first conductor."""
        kv = self.net.buses[terms[0][0]].kv_ln
        row = [(self.node(bus, k), c * self.net.buses[bus].kv_ln / kv) for bus, k, c in terms]
        if any(i >= 0 for i, _ in row):
            self._ideal(row)

    def _capacitors(self):
        for cap in self.net.capacitors.values():
            bus = self.net.buses[cap.bus]
            for leg, kvar in zip(cap.legs, cap.kvar, strict=True):
                y = 1j * kvar / KILO * cap.closed / (cap.kv or bus.nominal_kv(leg)) ** 2
                self._add(y * np.array([[1, -1], [-1, 1]])[:len(leg), :len(leg)],
                          [(cap.bus, k) for k in leg])

    def leg(self, device, bus, name):
        """A leg by its name."""
        return Leg(device, name, self.node(bus, name[0]),
                   self.node(bus, name[1]) if len(name) == 2 else -1)

    def _loads(self):
        for load in self.net.loads.values():
            bus = self.net.buses[load.bus]
            for name, kw, kvar in zip(load.legs, load.kw, load.kvar, strict=True):
                leg = self.leg(load.name, load.bus, name)
                if leg.a != leg.b:
                    yield Drawn(leg, complex(kw, kvar) / KILO,
                                bus.kv_ln / (load.kv or bus.nominal_kv(name)), load)

    def device_legs(self, device):
        """Legs between which a device acts; a star that nothing grounds is a delta."""
        names = leg_names(device)
        if names == ("a", "b", "c") and device.bus not in self.grounded:
            names = DELTA
        return [self.leg(device.name, device.bus, name) for name in names]

    def _finish(self):
        i, j, values = zip(*self._entries, strict=True) if self._entries else ((), (), ())
        self.y = sp.csr_matrix((np.array(values, dtype=complex), (i, j)), shape=(self.n,) * 2)
        self._pin()
        m = len(self._rows)
        self.c = np.zeros((m, self.n), dtype=complex)
        for r, terms in enumerate(self._rows):
            for i, value in terms:
                self.c[r, i] += value
        self.z = np.zeros((m, m), dtype=complex)
        self.z[:len(self.fed), :len(self.fed)] = self.source_z
        self.e = np.array(self.e, dtype=complex)

    def _pin(self):
        """A row for each bus that nothing holds to ground: its phases' voltages add up to 0.

        One bus of each zone is enough; which buses are in a zone is seen in what is singular.
        """
        loads = [(leg.a, leg.b, np.conj(s) * w**2) for leg, s, w, _ in self.loads]
        whole = np.zeros((self.n + len(self._rows),) * 2, dtype=complex)
        whole[:self.n, :self.n] = self.y.toarray()
        for a, b, y in loads:
            for i, j, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
                if i >= 0 and j >= 0:
                    whole[i, j] += sign * y
        for r, terms in enumerate(self._rows):
            for i, value in terms:
                whole[self.n + r, i] += value
                whole[i, self.n + r] += value
        if not set(self.net.buses) - self.grounded:
            return
        size = np.abs(whole).max(axis=1)
        whole /= np.sqrt(np.outer(size, size))
        _, sizes, basis = np.linalg.svd(whole)
        loose = basis[sizes < 1e-12 * sizes[0]][:, :self.n] / np.sqrt(size[:self.n])
        done = np.zeros(self.n, dtype=bool)
        for name in self.net.buses:
            at = [self.node(name, k) for k in self.net.buses[name].phases]
            if name in self.grounded or done[at].all():
                continue
            mine = np.abs(loose[:, at]).max(axis=1) > 1e-6 * np.abs(loose).max(axis=1)
            if mine.any():
                self._ideal([(i, 1.0) for i in at])
                done |= np.abs(loose[mine]).max(axis=0) > 1e-6 * np.abs(loose[mine]).max()

    def rated(self):
        """(kVA, nodes, rows of the admittance at the first bus) of each branch with a rating."""
        for branch in self.net.branches.values():
            if isinstance(branch, Line):
                kva = None if branch.joins else branch.rating_kva
            elif isinstance(branch, Transformer | CenterTappedTransformer):
                kva = branch.kva / len(branch.to_phases) if branch.rated else None
            else:
                kva = None
            if kva is None:
                continue
            alone = Equations.__new__(Equations)
            alone.net, alone.place, alone.kv, alone.n = self.net, self.place, self.kv, self.n
            alone._entries, alone._rows, alone.e = [], [], []
            alone._branch(branch)
            y = np.zeros((self.n, self.n), dtype=complex)
            for i, k, value in alone._entries:
                y[i, k] += value
            rows = [self.node(branch.from_bus, k) for k in branch.from_phases
                    if k in self.net.buses[branch.from_bus].phases]
            used = np.flatnonzero(np.abs(y).sum(axis=0))
            yield kva, used.tolist(), y[np.ix_(rows, used)]

    # --------------------------------------------------------------------------------- solving

    def power_flow(self, generated=None, scale=None, q_scale=None, rounds=500):
        """(V, J) for powers of devices' legs, [(leg, MVA)], by fixed-point iteration."""
        generated, scale, q_scale = generated or [], scale or {}, q_scale or {}
        given = [(leg, lambda u, s=s: np.conj(s / u)) for leg, s in generated if leg.a != leg.b]
        for leg, s, w, load in self.loads:
            f = scale.get(load.name, 1.0)
            s = complex(s.real * f, s.imag * q_scale.get(load.name, f))
            given.append((leg, lambda u, s=s, w=w, of=load: -np.conj(
                load_power(of, s, abs(u) * w) / u)))
        whole = sp.bmat([[self.y, -sp.csr_matrix(self.c.T)],
                         [sp.csr_matrix(self.c), sp.csr_matrix(self.z)]]).tocsc()
        lu = spl.splu(whole)
        start = np.concatenate([np.zeros(self.n), self.e])
        x, last = lu.solve(start), np.inf
        for _ in range(rounds):
            right = start.copy()
            for leg, current in given:
                i = current(self.across(x, leg))
                for node, sign in ((leg.a, 1), (leg.b, -1)):
                    if node >= 0:
                        right[node] += sign * i
            new = lu.solve(right)
            change, x = float(np.abs(new - x)[:self.n].max()), new
            if change < 1e-12 or (last <= 2 * change < 1e-8):  # rounding
                return x[:self.n], x[self.n:]
            last = change
        raise AssertionError(f"the AC equations do not settle: {change:.1e} pu")

    def outside(self, v):
        """Legs of loads beyond their range, where the law has another form."""
        return [drawn for drawn in self.loads if not drawn.load.v_low
                <= abs(self.across(v, drawn.leg)) * drawn.per_rated <= drawn.load.v_high]

    @staticmethod
    def across(v, leg):
        """Voltage of a leg."""
        return (v[leg.a] if leg.a >= 0 else 0.0) - (v[leg.b] if leg.b >= 0 else 0.0)

    def bought(self, v, j):
        """Power from the source into its bus (MVA)."""
        k = len(self.fed)
        return complex(np.sum(v[self.fed] * np.conj(j[:k])))


def polynomial(load) -> Callable:
    """f(x), the factors of P and of Q at x pu of the rated voltage, of numbers or expressions."""
    if load.model == "zip":
        z, i, p, zq, iq, pq = load.coefficients
        return lambda x: (z * x**2 + i * x + p, zq * x**2 + iq * x + pq)
    n, m = EXPONENTS.get(load.model, load.coefficients)
    return lambda x: (1.0 if n == 0 else x**n, 1.0 if m == 0 else x**m)


def load_power(load, s, x):
    """Power of a leg of a load at x pu of its rating, beyond its range as the engine has it.

    Above: an impedance. Below: down to LOW the current goes on a straight line to that of the
    nominal impedance, then that impedance. An exponential load there is one of constant power.
    """
    if load.v_low <= x <= load.v_high or load.model == "impedance":
        fp, fq = polynomial(load)(x)
    elif load.model == "zip":
        laws = [_outside(load, x, model) for model in ("impedance", "current", "power")]
        fp, fq = (np.dot(part, laws) for part in (load.coefficients[:3], load.coefficients[3:]))
    else:
        fp = fq = _outside(load, x, "current" if load.model == "current" else "power")
    return complex(s.real * fp, s.imag * fq)


def _outside(load, x, model):
    """Factor of the power beyond the range."""
    if model == "impedance":
        return x**2
    edge = {"current": lambda v: 1.0, "power": lambda v: 1.0 / v}[model]  # current at the edge
    if x > load.v_high:
        return x**2 / load.v_high * edge(load.v_high)
    if x <= LOW:
        return x**2
    return x * (LOW + (x - LOW) / (load.v_low - LOW) * (edge(load.v_low) - LOW))
