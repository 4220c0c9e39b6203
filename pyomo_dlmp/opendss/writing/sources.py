"""The substation as OpenDSS sources: one, one for each phase, or ideal ones behind a reactor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.network.phases import ALPHA, PHASES
from pyomo_dlmp.opendss.names import quoted
from pyomo_dlmp.opendss.writing.wording import Wording, figure, matrix, row
from pyomo_dlmp.tolerances import ENTRY, PRINTED


def source(words: Wording) -> Iterator[str]:
    """The source, which begins the circuit.

    A balanced one with a cyclic impedance is one three-phase source; other voltages with uncoupled
    phases one source for each phase; any other impedance a reactor behind ideal sources at a bus of
    their own.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str
    """
    place = words.network.substation
    bus = words.network.buses[place.bus]
    n = len(bus.phases)
    ideal = 1j * words.ideal_ohm(place.bus)
    z = np.eye(n) * ideal if place.z is None or not np.any(place.z) else place.z
    volts = [v * np.exp(1j * np.radians(angle)) for v, angle in zip(
        place.v_pu, _angles(words), strict=True)]
    symmetric = np.abs(z - z.T).max() <= PRINTED * np.abs(z).max()
    negative = symmetric and _is_balanced([v.conjugate() for v in volts])
    if n == 3 and bus.phases == PHASES and is_cyclic(z) and (_is_balanced(volts) or negative):
        yield (f"{_begin(words, 0)} phases=3 basekv={figure(bus.kv)} pu={figure(place.v_pu[0])} "
               f"angle={figure(_angles(words)[0])} bus1={words.at(place.bus, bus.phases)} "
               f"{sequences(z)}{'' if _is_balanced(volts) else ' sequence=neg'}")
        return
    behind = np.abs(z - np.diag(np.diag(z))).max() > ENTRY * np.abs(z).max()
    name = words.names.extra_bus(f"{words.names.bus(place.bus)}_source") if behind else (
        words.names.bus(place.bus))
    own = np.full(n, ideal) if behind else np.diag(z)
    nodes = words.nodes(place.bus, bus.phases)
    for k, (node, volt, angle) in enumerate(zip(nodes, place.v_pu, _angles(words), strict=True)):
        ohms = row([complex(own[k])])
        yield (f"{_begin(words, k, bus.phases[k])} phases=1 basekv={figure(bus.kv_ln)} "
               f"pu={figure(volt)} angle={figure(angle)} bus1={quoted(f'{name}.{node}')} "
               f"Z1={ohms} Z0={ohms}")
    if behind:
        there = quoted(".".join([name, *map(str, nodes)]))
        if not symmetric and (n != 3 or not is_cyclic(z)):
            raise OpenDssError.at(
                f"substation {place.name!r}", "its impedance is neither symmetric nor cyclic",
                "Give a symmetric one; OpenDSS has no element for it.")
        ohms = (f"rmatrix={matrix(z.real)} xmatrix={matrix(z.imag)}" if symmetric
                else sequences(z))
        yield (f"{words.named('reactor', 'substation', place.name, 'z')} phases={n} bus1={there} "
               f"bus2={words.at(place.bus, bus.phases)} {ohms}")


def sequences(z: np.ndarray) -> str:
    """The properties Z1, Z2 and Z0 of a cyclic impedance.

    Parameters
    ----------
    z : ndarray, shape (3, 3), complex
        In ohm.

    Returns
    -------
    str
    """
    turn = np.exp(2j * np.pi / 3)
    first = _cyclic(z)
    zero, positive, negative = (complex(first @ np.array([1, t, t**2]))
                                for t in (1.0, turn**2, turn))
    return f"Z1={row([positive])} Z2={row([negative])} Z0={row([zero])}"


def _begin(words: Wording, k: int, phase: str = "") -> str:
    """The first source of a circuit is made with it."""
    place = words.network.substation
    if k:
        return words.named("vsource", "substation", place.name, phase)
    circuit = words.named("circuit", "network", words.network.name)
    words.names.claim("vsource.source", "substation", place.name, phase)  # the engine calls it so
    return circuit


def _angles(words: Wording) -> list[float]:
    place = words.network.substation
    if place.angles is not None:
        return list(place.angles)
    turns = {"b": -120.0, "c": 120.0, "2": 180.0}
    return [place.angle + turns.get(p, 0.0) for p in words.network.buses[place.bus].phases]


def _is_balanced(volts: list[complex]) -> bool:
    first = np.array(volts) / np.array([ALPHA[p] for p in PHASES])
    return bool(np.abs(first - first[0]).max() <= ENTRY * abs(first[0]))


def _cyclic(z: np.ndarray) -> np.ndarray:
    """The first row of the cyclic matrix nearest to a 3 x 3 matrix."""
    return np.array([np.mean([z[i, (i + shift) % 3] for i in range(3)]) for shift in range(3)])


def is_cyclic(z: np.ndarray) -> bool:
    """Whether a matrix is cyclic, so that its symmetrical components are uncoupled.

    Parameters
    ----------
    z : ndarray, shape (3, 3), complex
        An impedance or admittance.

    Returns
    -------
    bool
    """
    first = _cyclic(z)
    same = np.array([[first[(j - i) % 3] for j in range(3)] for i in range(3)])
    return bool(np.abs(same - z).max() <= PRINTED * np.abs(z).max())
