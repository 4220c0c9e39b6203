"""Any nodal admittance as OpenDSS reactors: one between each two nodes, and to ground."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.kinds import label
from pyomo_dlmp.opendss.writing.sources import is_cyclic, sequences
from pyomo_dlmp.opendss.writing.wording import Wording, figure
from pyomo_dlmp.tolerances import RANK

_NOISE = 16 * np.finfo(float).eps  # of a sum of entries that cancel, in their sizes


def admittances(words: Wording) -> Iterator[str]:
    """All nodal admittances.

    A symmetric Y is a reactor of impedance ``-1 / Y_ij`` between each two nodes and
    ``1 / sum_j Y_ij`` to ground. A Y that is not (of a source whose negative sequence differs) is a
    three-phase reactor of its sequence impedances, if it is cyclic.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str

    Raises
    ------
    OpenDssError
        If Y is neither symmetric nor cyclic.
    """
    for element in words.network.admittances.values():
        places = [(bus, node) for bus, k in element.terminals for node in words.nodes(bus, k)]
        kept = [i for i, (_, node) in enumerate(places) if node]
        y = element.y[np.ix_(kept, kept)]
        nodes = [places[i] for i in kept]
        if not np.any(y):
            continue
        if np.abs(y - y.T).max() <= RANK * np.abs(y).max():
            yield from _pairs(words, element, nodes, (y + y.T) / 2)
        else:
            yield from _cyclic(words, element, nodes, y)


def _pairs(words: Wording, element: NodalAdmittance, nodes: list[tuple[str, int]],
           y: np.ndarray) -> Iterator[str]:
    for i, j in combinations(range(len(y)), 2):
        if y[i, j]:
            yield (f"{words.new('reactor', element, f'{i + 1}_{j + 1}')} phases=1 "
                   f"bus1={words.node(*nodes[i])} bus2={words.node(*nodes[j])} "
                   f"{_ohms(-y[i, j])}")
    for i, total in enumerate(y.sum(axis=1)):
        if abs(total) > _NOISE * np.abs(y[i]).sum():
            yield (f"{words.new('reactor', element, str(i + 1))} phases=1 "
                   f"bus1={words.node(*nodes[i])} {_ohms(total)}")


def _ohms(y: complex) -> str:
    z = 1.0 / complex(y)
    return f"r={figure(z.real)} x={figure(z.imag)}"


def _cyclic(words: Wording, element: NodalAdmittance, nodes: list[tuple[str, int]],
            y: np.ndarray) -> Iterator[str]:
    """A shunt of three nodes of one bus, or a series element between three and three."""
    own = y[:3, :3]
    second = nodes[3:]
    whole = own if not second else np.block([[own, -own], [-own, own]])
    buses = [{bus for bus, _ in group} for group in (nodes[:3], second)]
    alike = whole.shape == y.shape and np.abs(whole - y).max() <= RANK * np.abs(y).max()
    if not (alike and is_cyclic(own) and len(buses[0]) == 1 and len(buses[1]) == bool(second)):
        raise OpenDssError.at(
            label(element), "its admittance matrix is neither symmetric nor that of a cyclic "
            "three-phase element", "OpenDSS has no element for it; give a symmetric one.")
    ends = [words.node(group[0][0], *(node for _, node in group))
            for group in (nodes[:3], second) if group]
    place = " ".join(f"bus{k}={end}" for k, end in enumerate(ends, 1))
    yield f"{words.new('reactor', element, 'z')} phases=3 {place} {sequences(np.linalg.inv(own))}"
