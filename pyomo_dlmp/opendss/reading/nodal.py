"""Nodal admittances of the engine's elements, and their comparison with those of ours.

An element's primitive matrix has a row for each of its conductors. Conductors at one node are added
up, those at ground (node 0) dropped, star points that no other element touches eliminated (Kron).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.network import Bus, NodalAdmittance
from pyomo_dlmp.network.elements import Matrix
from pyomo_dlmp.network.kinds import Branch
from pyomo_dlmp.network.phases import NEUTRALS
from pyomo_dlmp.network.windings import admittance
from pyomo_dlmp.opendss.reading.circuit import Draft, Place, Unsupported
from pyomo_dlmp.tolerances import ENTRY, PRINTED, RANK

Terminal = tuple[str, str]  # bus and conductor


def at_nodes(element: EngineElement) -> tuple[list[Place], np.ndarray]:
    """Admittance of an element over the nodes where it is connected.

    Parameters
    ----------
    element : EngineElement
        Any element.

    Returns
    -------
    (list of Place, ndarray, shape (n, n), complex)
        Nodes without ground, and Y (S).
    """
    places = element.nodes
    kept = [i for i, (_, node) in enumerate(places) if node]
    names = list(dict.fromkeys(places[i] for i in kept))
    if len(names) == len(kept):
        return names, element.y[np.ix_(kept, kept)]
    index = {place: k for k, place in enumerate(names)}
    spread = np.zeros((len(places), len(names)))
    for i in kept:
        spread[i, index[places[i]]] = 1.0
    return names, spread.T @ element.y @ spread


def without(y: np.ndarray, gone: Sequence[int]) -> np.ndarray:
    """Kron reduction.

    Parameters
    ----------
    y : ndarray, shape (n, n), complex
        Admittance (S).
    gone : sequence of int
        Rows of nodes at which nothing else is connected.

    Returns
    -------
    ndarray, complex
        Y (S) of the other nodes.
    """
    if not len(gone):
        return y
    kept = [i for i in range(len(y)) if i not in set(gone)]
    inner = y[np.ix_(gone, gone)]
    across = np.linalg.pinv(inner, rcond=ENTRY) @ y[np.ix_(gone, kept)]
    return y[np.ix_(kept, kept)] - y[np.ix_(kept, gone)] @ across


def at_terminals(draft: Draft, element: EngineElement, keep: bool = False,
                 ) -> tuple[list[Terminal], np.ndarray]:
    """Admittance of an element over conductors of buses.

    Its own star points are eliminated, and conductors that nothing feeds.

    Parameters
    ----------
    draft : Draft
        With the nodes that the source feeds.
    element : EngineElement
        Any element.
    keep : bool
        Whether its own star points stay where they have a voltage.

    Returns
    -------
    (list of (str, str), ndarray, shape (n, n), complex)
        Bus and conductor of each row; Y (S).
    """
    places, y = at_nodes(element)
    gone = [i for i, place in enumerate(places)
            if place not in draft.live or (draft.private(place) and not (
                keep and draft.risen(place)))]
    if len(gone) == len(places):
        gone = gone[1:]
    kept = [place for i, place in enumerate(places) if i not in gone]
    return [(bus, draft.letter(bus, node)) for bus, node in kept], without(y, gone)


def of_branches(draft: Draft, made: Sequence[Branch], inner: Sequence[str] = ()
                ) -> tuple[list[Terminal], np.ndarray]:
    """Admittance of branches of ours together.

    Parameters
    ----------
    draft : Draft
        With the voltages of buses.
    made : sequence of Branch
        Each with an impedance.
    inner : sequence of str
        Buses that are between them alone, and are eliminated.

    Returns
    -------
    (list of (str, str), ndarray, shape (n, n), complex)
        Bus and conductor of each row; Y (S).
    """
    rows: dict[Terminal, int] = {}
    parts = []
    for branch in made:
        buses = {bus: Bus(name=bus, kv=draft.bus_kv[bus],
                          phases="12" if bus in draft.split else "abc")
                 for bus in (branch.from_bus, branch.to_bus)}
        own = [(branch.from_bus, k) for k in branch.from_phases]
        own += [(branch.to_bus, k) for k in branch.to_phases]
        if len(made) == 1 and not inner:
            return own, admittance(branch, buses)
        parts.append(([rows.setdefault(t, len(rows)) for t in own], admittance(branch, buses)))
    y = np.zeros((len(rows),) * 2, dtype=complex)
    for places, part in parts:
        y[np.ix_(places, places)] += part
    names = list(rows)
    gone = [i for i, (bus, _) in enumerate(names) if bus in inner]
    return [name for i, name in enumerate(names) if i not in gone], without(y, gone)


def difference(first: tuple[list[Terminal], np.ndarray],
               second: tuple[list[Terminal], np.ndarray]) -> float:
    """Greatest relative difference of two admittances.

    Parameters
    ----------
    first, second : (list of (str, str), ndarray)
        Rows and Y (S), in any order of rows.

    Returns
    -------
    float
        Relative to the second one's diagonal; infinite where the conductors differ.
    """
    if first[0] == second[0]:
        return _apart(first[1], second[1])
    names = list(dict.fromkeys([*first[0], *second[0]]))
    whole = []
    for rows, y in (first, second):
        full = np.zeros((len(names),) * 2, dtype=complex)
        places = [names.index(row) for row in rows]
        full[np.ix_(places, places)] = y
        whole.append(full)
    return _apart(*whole)


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    own = np.sqrt(np.maximum(np.abs(first.diagonal()), np.abs(second.diagonal())))
    size = own[:, None] * own
    apart = np.abs(first - second)
    if size.min() > 0:
        return float((apart / size).max())
    meant = size > 0
    return float((apart[meant] / size[meant]).max()) if meant.any() else 0.0


def same(draft: Draft, element: EngineElement, made: Sequence[Branch], inner: Sequence[str] = (),
         ) -> float:
    """How far branches of ours are from the engine's element.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
    made : sequence of Branch
        What it was read as.
    inner : sequence of str
        As of `of_branches`.

    Returns
    -------
    float
        The greatest relative difference; 0 if it is within the tolerance.
    """
    apart = difference(of_branches(draft, made, inner), at_terminals(draft, element))
    ppm = 1.0 + float(element.record.get("ppm_antifloat") or 0.0)
    return 0.0 if apart <= 10 * PRINTED * ppm else apart


def general(draft: Draft, element: EngineElement, rating_kva: float | None = None,
            ) -> list[Branch]:
    """An element as general admittances, exactly the engine's.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        A linear one.
    rating_kva : float, optional
        For the record.

    Returns
    -------
    list of NodalAdmittance
        One for each group of buses that it couples; none if it does nothing.
    """
    terminals, y = at_terminals(draft, element, keep=True)
    if not np.isfinite(y).all():
        raise Unsupported("its admittance is not finite", "Correct its impedances.")
    own = np.sqrt(np.abs(np.diag(y)))
    size = np.outer(own, own)
    y = np.where(np.abs(y) > ENTRY * size, y, 0.0)
    # a conductor that is open has but a tiny rest of admittance
    kept = [i for i in range(len(y)) if own[i] ** 2 > RANK * own.max() ** 2]
    groups = _groups([terminals[i] for i in kept], y[np.ix_(kept, kept)], kept)
    made: list[Branch] = []
    for k, rows in enumerate(groups):
        buses = sorted(dict.fromkeys(terminals[i][0] for i in rows),
                       key=lambda bus: draft.depth.get(bus, 10**9))
        order = [i for bus in buses for i in sorted(
            (i for i in rows if terminals[i][0] == bus), key=lambda i: _rank(terminals[i][1]))]
        part = y[np.ix_(order, order)]
        name = draft.name(element.full, "branch") if k == 0 else draft.further(
            element.full, f"_{k + 1}")
        made.append(NodalAdmittance(
            name=name, buses=tuple(buses), g=_rows(part.real), b=_rows(part.imag),
            rating_kva=rating_kva,
            conductors=tuple("".join(terminals[i][1] for i in order if terminals[i][0] == bus)
                             for bus in buses)))
    return made


def _rows(values: np.ndarray) -> Matrix:
    return tuple(map(tuple, values.tolist()))


def _rank(letter: str) -> tuple[bool, int, str]:
    return letter in NEUTRALS, NEUTRALS.find(letter), letter


def _groups(terminals: list[Terminal], y: np.ndarray, rows: list[int]) -> list[list[int]]:
    """Rows by groups of buses between which there is an admittance."""
    group = {bus: bus for bus, _ in terminals}
    for i, (bus, _) in enumerate(terminals):
        for j in np.flatnonzero(y[i]).tolist():
            old, new = group[bus], group[terminals[j][0]]
            if old != new:
                group = {b: new if g == old else g for b, g in group.items()}
    made: dict[str, list[int]] = {}
    for row, (bus, _) in zip(rows, terminals, strict=True):
        made.setdefault(group[bus], []).append(row)
    return list(made.values())
