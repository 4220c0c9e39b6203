"""What of a feeder is linear in AC: admittances, ideal branches, the source.

Voltages are in pu of each bus's nominal phase voltage (`Bus.kv_ln`, neutrals too), powers in MVA,
currents in MVA per pu; an admittance is  Y_pu = Y[S] kv_i kv_j.  A solidly grounded neutral
is ground: it has no voltage and appears in no element.

    element       I = y V               currents into the element
    ideal row     coefs . V = 0         with a current J: coefs_k J is drawn from terminal k
    source        V + z J = emf         J is injected at its nodes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyomo_dlmp.network import Line, Network, Regulator
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.elements import Bus
from pyomo_dlmp.network.kinds import Branch, kind
from pyomo_dlmp.network.phases import NEUTRAL, NEUTRALS, SPLIT, alpha, legs_matrix
from pyomo_dlmp.network.transformers import CenterTappedTransformer
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.network.windings import admittance, rated_kv

PPM = mega(mega(1.0))  # as kW in MW, twice
Terminal = tuple[str, str]  # bus and conductor


@dataclass(frozen=True, eq=False)
class Element:
    """A linear element by its admittance; see the module's text.

    Attributes
    ----------
    kind : str
        ``"line"``, ``"transformer"``, ``"regulator"``, ``"admittance"``, ``"shunt"``,
        ``"grounding"``.
    name : str
    terminals : tuple of (str, str)
        Bus and conductor of each row.
    y : ndarray, shape (m, m), complex
        MVA/pu^2.
    """

    kind: str
    name: str
    terminals: tuple[Terminal, ...]
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class IdealRow:
    """A relation of voltages without an impedance; see the module's text.

    Attributes
    ----------
    kind : str
        ``"line"`` (a joint), ``"regulator"``, or ``"zone"``, which sets the zero sequence of a part
        that nothing grounds (its current is 0).
    name : str
        Unique together with `kind`.
    terminals : tuple of (str, str)
    coefs : ndarray, shape (m,)
    """

    kind: str
    name: str
    terminals: tuple[Terminal, ...]
    coefs: np.ndarray


@dataclass(frozen=True, eq=False)
class Source:
    """The source behind its impedance; see the module's text.

    Attributes
    ----------
    name : str
    terminals : tuple of (str, str)
    emf : ndarray, shape (m,), complex
        In pu.
    z : ndarray, shape (m, m), complex
        In pu^2/MVA; 0: ideal.
    """

    name: str
    terminals: tuple[Terminal, ...]
    emf: np.ndarray
    z: np.ndarray


def is_ground(bus: Bus, conductor: str) -> bool:
    """Whether a conductor of a bus is solidly grounded.

    Parameters
    ----------
    bus : Bus
    conductor : str

    Returns
    -------
    bool
    """
    return conductor == NEUTRAL and bus.ground_z == 0


def linear_elements(network: Network) -> list[Element]:
    """Every element with an admittance: branches, shunts, groundings of neutrals.

    Parameters
    ----------
    network : Network
        The feeder.

    Returns
    -------
    list of Element
        A line's charging is part of it. Capacitors and loads are legs (`ac.legs`).
    """
    found = []
    for branch in network.branches.values():
        if not ideal(branch):
            found.append(_branch(network, branch))
    for shunt in network.shunts.values():
        found.append(_element(network, "shunt", shunt.name, shunt.terminals, shunt.y))
    for bus in network.buses.values():
        if bus.ground_z and NEUTRAL in bus.neutrals:
            y = np.array([[1.0 / bus.ground_z]])
            found.append(_element(network, "grounding", bus.name, [(bus.name, NEUTRAL)], y))
    return found


def ideal(branch: Branch) -> bool:
    """Whether a branch has no impedance.

    Parameters
    ----------
    branch : Branch

    Returns
    -------
    bool
    """
    if isinstance(branch, Line):
        return branch.joins
    return isinstance(branch, Regulator) and branch.kva is None


def charging(network: Network, line: Line) -> np.ndarray:
    """Charging of a line, half of it at each end.

    Parameters
    ----------
    network : Network
    line : Line
        With a shunt susceptance.

    Returns
    -------
    ndarray, shape (m, m), complex
        Over the terminals of the line's element, in MVA/pu^2.
    """
    return _element(network, "line", line.name, _ends(line), _charging(line)).y


def _charging(line: Line) -> np.ndarray:
    """In siemens, over the from-conductors and then the to-conductors."""
    half = 0.5e-6j * line.length * np.array(line.code.b)
    none = np.zeros_like(half)
    return np.block([[half, none], [none, half]])


def _ends(branch: Branch) -> list[Terminal]:
    """Terminals in the order of the branch's admittance."""
    if isinstance(branch, NodalAdmittance):
        return list(branch.terminals)
    return [*((branch.from_bus, k) for k in branch.from_phases),
            *((branch.to_bus, k) for k in branch.to_phases)]


def _branch(network: Network, branch: Branch) -> Element:
    y = admittance(branch, network.buses)
    terminals = _ends(branch)
    if not isinstance(branch, Line):
        y = y + np.diag(_antifloat(network, branch, terminals))
    elif branch.code.b is not None:
        y = y + _charging(branch)
    return _element(network, str(kind(branch)), branch.name, terminals, y)


def _antifloat(network: Network, branch: Branch, terminals) -> np.ndarray:
    """Shunts (S) by which the engine keeps windings' voltages to ground defined, by terminal."""
    shunt = np.zeros(len(terminals), dtype=complex)
    if kind(branch) == "admittance":
        return shunt
    place = {end: i for i, end in enumerate(terminals)}
    for bus, legs, kva, kv, ppm in _windings(network, branch):
        y = -0.5j * PPM * ppm * mega(kva) / kv**2
        for leg in legs:
            for k in leg:
                if (bus, k) in place:
                    second = k in NEUTRALS or k == SPLIT[1]  # a wye's second conductor has twice
                    shunt[place[bus, k]] += 2 * y if second else y
    return shunt


def _windings(network: Network, branch: Any):
    """(bus, legs, kVA of a leg, rated kV of a leg, ppm) of each winding."""
    ends = [network.buses[branch.from_bus], network.buses[branch.to_bus]]
    if isinstance(branch, Regulator):
        for bus in ends:
            for leg in branch.ratio:
                yield bus.name, (leg,), branch.kva, ends[0].nominal_kv(leg), 1.0
        return
    given = branch.from_kv, branch.to_kv
    if isinstance(branch, CenterTappedTransformer):
        sides = ((branch.leg,), ("1", "2"))
        kv = [rated_kv(given[0], sides[0], ends[0]), given[1] or ends[1].kv_ln]
    else:
        sides = branch.legs
        kv = [rated_kv(*side) for side in zip(given, sides, ends, strict=True)]
    kva = branch.kva / (1 if isinstance(branch, CenterTappedTransformer) else len(sides[0]))
    for bus, legs, volts in zip(ends, sides, kv, strict=True):
        yield bus.name, legs, kva, volts, branch.antifloat_ppm


def _element(network: Network, word: str, name: str, terminals, y) -> Element:
    """In pu, without terminals at ground."""
    y = np.asarray(y, dtype=complex)
    kept = [i for i, (bus, k) in enumerate(terminals) if not is_ground(network.buses[bus], k)]
    ends = tuple(terminals[i] for i in kept)
    kv = np.array([network.buses[bus].kv_ln for bus, _ in ends])
    return Element(word, name, ends, y[np.ix_(kept, kept)] * np.outer(kv, kv))


def source(network: Network) -> Source:
    """The substation.

    Parameters
    ----------
    network : Network
        The feeder.

    Returns
    -------
    Source
    """
    place = network.substation
    bus = network.buses[place.bus]
    if place.angles is None:
        turn = np.exp(1j * np.radians(place.angle)) * alpha(bus.phases)
    else:
        turn = np.exp(1j * np.radians(place.angles))
    emf = np.array(place.v_pu) * turn
    z = np.zeros((len(emf),) * 2, dtype=complex) if place.z is None else place.z / bus.kv_ln**2
    return Source(place.name, tuple((bus.name, k) for k in bus.phases), emf, z)


def ideal_rows(network: Network) -> list[IdealRow]:
    """Joints, ideal regulators, and the common conductor of every open delta.

    A joint of two grounded conductors is no row.

    Parameters
    ----------
    network : Network
        The feeder.

    Returns
    -------
    list of IdealRow
        Those of parts that nothing grounds are found by `ac.circuit.Circuit`.
    """
    found = []
    for branch in network.branches.values():
        if isinstance(branch, Regulator):
            rows = list(_regulator_rows(network, branch))
        elif ideal(branch):
            rows = [(k, {(branch.from_bus, k): 1.0, (branch.to_bus, other): -1.0})
                    for k, other in zip(branch.from_phases, branch.to_phases, strict=True)]
        else:
            continue
        for part, terms in rows:
            kept = {end: c for end, c in terms.items()
                    if c and not is_ground(network.buses[end[0]], end[1])}
            if kept:
                found.append(IdealRow(str(kind(branch)), f"{branch.name}.{part}", tuple(kept),
                                      np.array(list(kept.values()))))
    return found


def _regulator_rows(network: Network, regulator: Any):
    """(part, {terminal: coefficient}) of ideal units, and of the common conductor of an open delta.
    """
    ends = (regulator.from_bus, regulator.to_bus)
    ratios = np.array([network.buses[end].kv_ln for end in ends])
    for leg, ratio in regulator.ratio.items() if ideal(regulator) else ():
        terms: dict[Terminal, float] = {}
        signs = legs_matrix((leg,), regulator.phases)[0]
        for end, factor in zip(ends, (ratio * ratios[0], -ratios[1]), strict=True):
            terms |= {(end, k): factor * sign / ratios[0]
                      for k, sign in zip(regulator.phases, signs, strict=True)}
        yield leg, terms
    if regulator.connection == "open_delta":
        common = next(k for k in regulator.phases if all(k in leg for leg in regulator.taps))
        yield common, {(ends[0], common): 1.0, (ends[1], common): -ratios[1] / ratios[0]}
