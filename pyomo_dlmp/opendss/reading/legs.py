"""Legs of devices, and their powers at the solution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.network.phases import NEUTRALS
from pyomo_dlmp.opendss.reading.circuit import Draft, Place, Unsupported, in_delta
from pyomo_dlmp.tolerances import PRINTED

Ends = tuple[Place, Place]  # of a leg
ENOUGH = 10 * PRINTED  # share of a device's power by which ours may differ from the engine's
STILL = 1e-6  # kVA: a device below it does nothing


def ends_of_legs(element: EngineElement) -> list[Ends]:
    """The two nodes of each leg of a device of one terminal.

    Parameters
    ----------
    element : EngineElement
        With `phases` and `conn`.

    Returns
    -------
    list of (Place, Place)
        Of a wye the second is the star point.
    """
    bus, nodes = element.ends[0]
    n = int(element.record["phases"])
    if in_delta(element.record["conn"]):
        pairs = [(nodes[k], nodes[(k + 1) % len(nodes)]) for k in range(n)]
    else:
        star = nodes[n] if len(nodes) > n else 0
        pairs = [(node, star) for node in nodes[:n]]
    return [((bus, a), (bus, b)) for a, b in pairs]


def leg_volts(draft: Draft, legs: Sequence[Ends]) -> np.ndarray:
    """Voltages of legs at the solution.

    Parameters
    ----------
    draft : Draft
    legs : sequence of (Place, Place)

    Returns
    -------
    ndarray, shape (n,), complex
        In volts.
    """
    return np.array([draft.volts(a) - draft.volts(b) for a, b in legs])


def node_powers(draft: Draft, legs: Sequence[Ends], powers: np.ndarray) -> dict[Place, complex]:
    """Power into each node's conductor, of powers drawn by legs.

    Parameters
    ----------
    draft : Draft
    legs : sequence of (Place, Place)
    powers : ndarray, shape (n,), complex
        Drawn by each leg (kVA).

    Returns
    -------
    dict of Place to complex
        In kVA; nothing at ground.
    """
    found: dict[Place, complex] = {}
    for (a, b), u, s in zip(legs, leg_volts(draft, legs), powers, strict=True):
        if u == 0:
            continue
        current = np.conj(s / u)
        for place, sign in ((a, 1.0), (b, -1.0)):
            if place[1]:
                found[place] = found.get(place, 0j) + draft.volts(place) * np.conj(sign * current)
    return found


def engine_powers(element: EngineElement) -> dict[Place, complex]:
    """Power into each node's conductor, as the engine has it.

    Parameters
    ----------
    element : EngineElement
        Any element.

    Returns
    -------
    dict of Place to complex
        In kVA; nothing at ground.
    """
    found: dict[Place, complex] = {}
    for place, s in zip(element.nodes, element.kva.tolist(), strict=True):
        if place[1]:
            found[place] = found.get(place, 0j) + s
    return found


def apart(draft: Draft, element: EngineElement, legs: Sequence[Ends], powers: np.ndarray) -> float:
    """How far powers of legs are from the engine's.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        A device.
    legs : sequence of (Place, Place)
    powers : ndarray, shape (n,), complex
        Drawn by each leg (kVA).

    Returns
    -------
    float
        Greatest difference of a conductor's power, as a share of the device's; 0 within the
        tolerance.
    """
    theirs, ours = engine_powers(element), node_powers(draft, legs, powers)
    size = max((abs(s) for s in theirs.values()), default=0.0)
    most = max((abs(theirs.get(place, 0j) - ours.get(place, 0j)) for place in {*theirs, *ours}),
               default=0.0)
    return 0.0 if most <= max(ENOUGH * size, STILL) else float(most / max(size, STILL))


def solved_legs(draft: Draft, element: EngineElement, legs: Sequence[Ends]) -> np.ndarray:
    """Powers of legs that give the engine's currents; without a circulating one in a delta.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        A device.
    legs : sequence of (Place, Place)

    Returns
    -------
    ndarray, shape (n,), complex
        Drawn by each leg (kVA).

    Raises
    ------
    Unsupported
        If no powers of these legs do.
    """
    theirs = engine_powers(element)
    places = list(theirs)
    currents = np.array([np.conj(theirs[p] / draft.volts(p)) if draft.volts(p) else 0j
                         for p in places])
    incidence = np.zeros((len(places), len(legs)))
    for k, (a, b) in enumerate(legs):
        for place, sign in ((a, 1.0), (b, -1.0)):
            if place in theirs:
                incidence[places.index(place), k] += sign
    sure = [i for i, p in enumerate(places) if draft.volts(p)]
    found = np.linalg.lstsq(incidence[sure], currents[sure], rcond=None)[0]
    powers = leg_volts(draft, legs) * np.conj(found)
    if far := apart(draft, element, legs, powers):
        raise Unsupported(f"its power differs from the engine's by {100 * far:.3g} %",
                          "Its legs are not as modeled: split it by phase.")
    return powers


def add_up(draft: Draft, legs: Sequence[Ends], values: np.ndarray) -> dict[str, complex]:
    """Values by the name of their leg; legs without a voltage go, repeated ones are added up.

    Parameters
    ----------
    draft : Draft
    legs : sequence of (Place, Place)
    values : ndarray, shape (n,), complex

    Returns
    -------
    dict of str to complex
    """
    found: dict[str, complex] = {}
    for (a, b), value in zip(legs, values.tolist(), strict=True):
        if a == b or not (a[1] or b[1]):
            continue
        name = draft.leg(a[0], a[1], b[1])
        found[name] = found.get(name, 0j) + value
    return found


def is_star(leg: str) -> bool:
    """Whether a leg is to ground or to a neutral."""
    return len(leg) == 1 or leg[1] in NEUTRALS
