"""All legs of loads, capacitors and devices as arrays, and their currents.

A leg lies between nodes a and b (-1: ground), u = V_a - V_b, and injects  i = conj(s / u)  into a,
drawing it from b. s (MVA, injected) is given for a device; for a load or capacitor it follows from
|u| by its law. First order, with du a change of u:

    di = alpha du + beta conj(du)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.ac.laws import Shares, load_law
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Load, Network
from pyomo_dlmp.network.device import Device, leg_names
from pyomo_dlmp.network.kinds import label
from pyomo_dlmp.network.phases import DELTA_PAIRS
from pyomo_dlmp.network.units import mega


def ac_legs(device: Device, grounded: bool) -> tuple[str, ...]:
    """The legs between which a device's powers are drawn in AC.

    A device with three equal legs to ground is connected in delta where nothing grounds its bus:
    to ground it would ground the feeder.

    Parameters
    ----------
    device : Device
        Any device.
    grounded : bool
        Whether its bus's voltage to ground is held.

    Returns
    -------
    tuple of str
        Of the length of the device's own legs.

    Raises
    ------
    ModelError
        If fewer than three legs are between phase and ground at a bus that nothing grounds.
    """
    legs = leg_names(device)
    if grounded or device.nominal_power() is None or any(len(leg) != 1 for leg in legs):
        return legs
    if len(legs) < 3:
        raise ModelError.at(
            label(device), f"is between phase {', '.join(legs)} and ground at bus "
            f"{device.bus!r}, which nothing grounds", "Connect it in delta.")
    return DELTA_PAIRS if legs == ("a", "b", "c") else legs


class Legs:
    """Legs of a feeder; see the module's text.

    Parameters
    ----------
    network : Network
        The feeder.
    at : mapping
        {(bus, conductor): node}, -1 of ground.
    grounded : set of str
        Buses whose voltage to ground is held.

    Attributes
    ----------
    names, of : dict
        [device]: names of its legs as they are in AC, their numbers.
    keys : list of (str, int)
        Device and number of its leg.
    a, b : ndarray of int, shape (legs,)
        Nodes.
    given : ndarray of bool
        Whether its power is given (a device), not a law.
    nominal : ndarray, complex
        Drawn at rated voltage (MVA) by loads and capacitors.
    rated : ndarray
        Rated voltage (pu of the bus's phase voltage).
    """

    def __init__(self, network: Network, at: Mapping, grounded: set[str]):
        self.names: dict[str, tuple[str, ...]] = {}
        self.keys: list[tuple[str, int]] = []
        ends: list[tuple[int, int]] = []
        nominal, rated, given = [], [], []
        laws: dict[tuple, tuple[Load, list[int]]] = {}
        self.of: dict[str, list[int]] = {}
        for name, device in network.devices.items():
            bus = network.buses[device.bus]
            fixed = device.nominal_power() is not None
            self.names[name] = ac_legs(device, device.bus in grounded)
            for k, leg in enumerate(self.names[name]):
                here = len(self.keys)
                self.of.setdefault(name, []).append(here)
                self.keys.append((name, k))
                ends.append((at[bus.name, leg[0]], at[bus.name, leg[1]] if leg[1:] else -1))
                kv = getattr(device, "kv", None) or bus.nominal_kv(leg)
                rated.append(kv / bus.kv_ln)
                given.append(fixed)
                nominal.append(0j if fixed else _nominal(device, k))
                if isinstance(device, Load):
                    law = (device.model, device.coefficients, device.v_low, device.v_high)
                    laws.setdefault(law, (device, []))[1].append(here)
        self.a, self.b = (np.array([end[side] for end in ends], dtype=int) for side in (0, 1))
        self.given = np.array(given, dtype=bool)
        self.nominal = np.array(nominal, dtype=complex)
        self.rated = np.array(rated)
        self.laws = [(load, np.array(members)) for load, members in laws.values()]
        self.at_load = {name: self.of[name] for name in network.loads}

    def __len__(self) -> int:
        return len(self.keys)

    def incidence(self, n: int) -> sp.csr_matrix:
        """A, shape (legs, n): u = A V."""
        rows = np.arange(len(self))
        entries = [(rows[end >= 0], end[end >= 0], sign) for end, sign in
                   ((self.a, 1.0), (self.b, -1.0))]
        return sp.csr_matrix((
            np.concatenate([np.full(len(r), sign) for r, _, sign in entries]),
            (np.concatenate([r for r, _, _ in entries]),
             np.concatenate([c for _, c, _ in entries]))), shape=(len(self), n))

    def scaled(self, scales: tuple[Mapping, Mapping]) -> np.ndarray:
        """Nominal powers drawn under multipliers of the loads.

        Parameters
        ----------
        scales : (mapping, mapping)
            {load: multipliers of P (1), an array over the periods}, and of Q where it has its own.

        Returns
        -------
        ndarray, shape (legs, periods), complex
            MVA.
        """
        periods = max((len(np.atleast_1d(v)) for part in scales for v in part.values()), default=1)
        power = np.repeat(self.nominal[:, None], periods, axis=1)
        for name, at in self.at_load.items():
            p = np.asarray(scales[0].get(name, 1.0))
            q = np.asarray(scales[1].get(name, p))
            power[at] = self.nominal[at].real[:, None] * p + 1j * self.nominal[at].imag[
                :, None] * q
        return power

    def shares(self, x: np.ndarray) -> Shares:
        """Laws at leg voltages, 1 for given powers.

        Parameters
        ----------
        x : ndarray, shape (legs, periods)
            Voltages (pu of the rated leg voltage).

        Returns
        -------
        Shares
            Each of the same shape.
        """
        one, zero = np.ones_like(x), np.zeros_like(x)
        found = Shares(one, one.copy(), *(zero.copy() for _ in range(4)))
        constant = ~self.given  # capacitors: impedances
        for load, members in self.laws:
            constant[members] = False
            for part, value in zip(found, load_law(load, x[members]), strict=True):
                part[members] = value
        at = np.flatnonzero(constant)
        for part, value in zip(found, (x[at]**2, x[at]**2, 2 * x[at], 2 * x[at],
                                       np.full_like(x[at], 2.0), np.full_like(x[at], 2.0)),
                               strict=True):
            part[at] = value
        return found


@dataclass(frozen=True, eq=False)
class LegState:
    """Legs at a state, each shape (legs, periods), complex.

    Attributes
    ----------
    u : ndarray
        Voltage (pu).
    s : ndarray
        Power injected (MVA).
    i : ndarray
        Current injected (MVA/pu).
    slope, bend : ndarray
        First and second derivative of s over ln|u|, and over ln|u| twice in the sense that
        s(x0 (1 + e)) = s + slope e + bend e^2 / 2.
    """

    u: np.ndarray
    s: np.ndarray
    i: np.ndarray
    slope: np.ndarray
    bend: np.ndarray

    @property
    def alpha(self) -> np.ndarray:
        """Derivative of i over u."""
        return np.conj(self.slope) / (2.0 * np.abs(self.u) ** 2)

    @property
    def beta(self) -> np.ndarray:
        """Derivative of i over conj(u)."""
        return (0.5 * np.conj(self.slope) - np.conj(self.s)) / np.conj(self.u) ** 2


def leg_state(legs: Legs, u: np.ndarray, injected: np.ndarray, drawn: np.ndarray) -> LegState:
    """Powers and currents of legs at their voltages.

    Parameters
    ----------
    legs : Legs
    u : ndarray, shape (legs, periods), complex
        Voltages (pu).
    injected : ndarray, same shape, complex
        Powers of devices (MVA); 0 elsewhere.
    drawn : ndarray, same shape, complex
        Nominal powers of loads and capacitors (MVA), as of `Legs.scaled`.

    Returns
    -------
    LegState
    """
    x = np.abs(u) / legs.rated[:, None]
    law = legs.shares(x)
    s = injected - (drawn.real * law.p + 1j * drawn.imag * law.q)
    slope = -x * (drawn.real * law.dp + 1j * drawn.imag * law.dq)
    bend = -x**2 * (drawn.real * law.d2p + 1j * drawn.imag * law.d2q)
    return LegState(u, s, np.conj(s / u), slope, bend)


def _nominal(device: Device, k: int) -> complex:
    """Drawn at rated voltage (MVA): a load's power, a capacitor's reactive power."""
    if isinstance(device, Load):
        return complex(mega(device.kw[k]), mega(device.kvar[k]))
    if getattr(device, "closed", True):
        return -1j * mega(getattr(device, "kvar", (0.0,) * (k + 1))[k])
    return 0j
