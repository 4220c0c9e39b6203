"""Capacitors and shunt reactors of a circuit, and whatever else is a linear shunt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.network import Capacitor
from pyomo_dlmp.network.device import pair_name
from pyomo_dlmp.network.phases import NEUTRAL, NEUTRALS
from pyomo_dlmp.opendss.reading.circuit import Draft, Unsupported, in_delta, tidy
from pyomo_dlmp.opendss.reading.nodal import Terminal, at_nodes, at_terminals, general
from pyomo_dlmp.tolerances import PRINTED, RANK, ROUNDING

SQRT3 = math.sqrt(3.0)


def spans(draft: Draft, element: EngineElement) -> bool:
    """Whether an element joins buses that the source feeds.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Any element.

    Returns
    -------
    bool
    """
    return len({bus for bus, node in element.nodes if node and (bus, node) in draft.live}) > 1


def read_capacitor(draft: Draft, element: EngineElement) -> list[Any]:
    """A capacitor with the admittance that the engine has: steps, cuf, cmatrix, opened.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Of class capacitor.

    Returns
    -------
    list of Capacitor or NodalAdmittance
    """
    if spans(draft, element):
        return general(draft, element)
    if _is_nothing(element):
        return _switched_off(draft, element)
    return lossless(draft, element) or general(draft, element)


def read_shunt_reactor(draft: Draft, element: EngineElement) -> list[Any]:
    """A shunt reactor: a capacitor of negative kvar, the grounding of a neutral, or an admittance.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Of class reactor, at one bus.

    Returns
    -------
    list of Capacitor or NodalAdmittance
        Empty if it is the grounding of its bus.
    """
    if _is_nothing(element):
        draft.leave_out(element.full, "it is open")
        return []
    places, y = at_nodes(element)
    if len(places) == 1:
        bus, node = places[0]
        if draft.letter(bus, node) == NEUTRAL and bus not in draft.ground:
            draft.ground[bus] = complex(1.0 / y[0, 0])
            return []
    return lossless(draft, element) or general(draft, element)


def _is_nothing(element: EngineElement) -> bool:
    """Whether it is open, all of its steps are off, or all of it is at ground."""
    _, y = at_nodes(element)
    record = element.record
    kv = float(record.get("kv") or 1.0)
    return not np.any(y) or bool(
        np.abs(y).max() * kv**2 * 1e3 < PRINTED * max(1.0, _most(record.get("kvar"))))


def _most(value: Any) -> float:
    return max(map(float, value)) if isinstance(value, list) and value else float(value or 0.0)


def lossless(draft: Draft, element: EngineElement) -> list[Capacitor]:
    """A lossless shunt as capacitors: its legs to ground or neutral, and those between phases.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        A linear shunt at one bus.

    Returns
    -------
    list of Capacitor
        Empty if it has losses, is not symmetric, or has legs that no capacitor has.
    """
    terminals, y = at_terminals(draft, element, keep=True)
    size = np.abs(y).max()
    if np.abs(y.real).max() > RANK * size or np.abs(y - y.T).max() > RANK * size:
        return []
    legs = _legs(terminals, y.imag, RANK * size)
    made = []
    for connection, own in (("wye", _star), ("delta", _pair)):
        group = {leg: b for leg, b in legs.items() if own(leg)}
        if group:
            made.append(_capacitor(draft, element, terminals[0][0], connection, group))
    if sum(len(c.legs) for c in made) < len(legs):
        return []
    for capacitor, suffix in zip(made[1:], ("_delta",), strict=False):
        made[1] = Capacitor(**{**capacitor.__dict__,
                               "name": draft.further(element.full, suffix)})
    return made


def _star(leg: str) -> bool:
    return len(leg) == 1 or leg[1] in NEUTRALS


def _pair(leg: str) -> bool:
    return len(leg) == 2 and not set(leg) & set(NEUTRALS)


def _legs(terminals: list[Terminal], b: np.ndarray, least: float) -> dict[str, float]:
    """[leg]: susceptance (S), of a symmetric matrix."""
    legs = {}
    own = b.sum(axis=1)
    for i, (_, first) in enumerate(terminals):
        if abs(own[i]) > least:
            legs[first] = float(own[i])
        for j in range(i + 1, len(terminals)):
            if abs(b[i, j]) > least:
                legs[pair_name(first + terminals[j][1])] = float(-b[i, j])
    return legs


def _capacitor(draft: Draft, element: EngineElement, bus: str, connection: Any,
               legs: dict[str, float]) -> Capacitor:
    kv = _rated(draft, element, bus, next(iter(legs)))
    digits = 9  # of kvar: the engine makes farads of it, and we kvar of these
    return Capacitor(
        name=draft.name(element.full, "device"), bus=bus, legs=tuple(legs), connection=connection,
        kvar=tuple(tidy(b * kv**2 * 1e3, digits) for b in legs.values()),
        kv=None if abs(kv / draft.leg_kv(bus, next(iter(legs))) - 1.0) < ROUNDING else kv)


def _rated(draft: Draft, element: EngineElement, bus: str, leg: str) -> float:
    """Voltage of a leg that its kvar are for: the rated one if its legs are the rated ones."""
    record = element.record
    nominal = draft.leg_kv(bus, leg)
    kv = float(record.get("kv") or 0.0)
    delta = in_delta(record.get("conn"))
    if not delta and record["phases"] > 1:
        kv /= SQRT3
    fits = kv > 0 and abs(kv / nominal - 1.0) < 0.3
    return tidy(kv, 12) if fits else nominal


def _switched_off(draft: Draft, element: EngineElement) -> list[Any]:
    """A bank that is off, with what it would have, where that is plain."""
    record = element.record
    bus, nodes = element.ends[0]
    n = int(record["phases"])
    delta = in_delta(record["conn"])
    pairs = [(nodes[k], nodes[(k + 1) % len(nodes)] if delta else 0) for k in range(n)]
    whole = float(sum(record["kvar"]))
    try:
        legs = tuple(draft.leg(bus, *pair) for pair in pairs)
    except Unsupported:
        legs = ()
    known = _pair if delta else _star
    if not whole > 0 or not legs or len(set(legs)) < len(legs) or not all(map(known, legs)):
        draft.leave_out(element.full, "it is switched off")
        return []
    kv = _rated(draft, element, bus, legs[0])
    return [Capacitor(
        name=draft.name(element.full, "device"), bus=bus, legs=legs, closed=False,
        kvar=(tidy(whole / n, 12),) * n, connection="delta" if delta else "wye",
        kv=None if abs(kv / draft.leg_kv(bus, legs[0]) - 1.0) < ROUNDING else kv)]


def read_linear(draft: Draft, element: EngineElement) -> list[Any]:
    """Any other linear element, such as a fault that is on or an autotransformer.

    Parameters
    ----------
    draft : Draft
    element : EngineElement

    Returns
    -------
    list of NodalAdmittance
    """
    if not np.any(at_nodes(element)[1]):
        draft.leave_out(element.full, "it is off")
        return []
    kvas = element.record.get("kvas")
    return general(draft, element, float(kvas[0]) if kvas and kvas[0] > 0 else None)
