"""Transformers and regulators of a circuit.

A class of ours is tried first; if its admittance is not the engine's, the engine's is taken as it
is.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.network import CenterTappedTransformer, Regulator, Transformer
from pyomo_dlmp.network.elements import MAX_TAP
from pyomo_dlmp.network.kinds import Branch
from pyomo_dlmp.network.phases import NEUTRALS, PHASES
from pyomo_dlmp.opendss.reading.circuit import Draft, Unsupported, in_delta, tidy
from pyomo_dlmp.opendss.reading.nodal import general, same
from pyomo_dlmp.opendss.reading.nominal import tapped_at
from pyomo_dlmp.opendss.reading.three_windings import star
from pyomo_dlmp.tolerances import NOMINAL, PRINTED, ROUNDING

STEP = 0.00625


class Winding(NamedTuple):
    """One winding as the network has it.

    Attributes
    ----------
    bus : str
    legs : tuple of str
        Of its units.
    connection : str
        "wye" or "delta".
    floats : bool
        Whether its star point is open.
    kv, tap, r : float
        Rated voltage (kV), factor of it (1), resistance (%).
    """

    bus: str
    legs: tuple[str, ...]
    connection: str
    floats: bool
    kv: float
    tap: float
    r: float


def read_transformer(draft: Draft, element: EngineElement, regulated: bool) -> list[Branch]:
    """A transformer as what it is.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Of class transformer.
    regulated : bool
        Whether a regulator control acts on it.

    Returns
    -------
    list of Branch
        A Regulator, one or three Transformers, a centre-tapped one, or general admittances.
    """
    buses = list(dict.fromkeys(bus for bus, _ in element.ends))
    made: list[Any] = []
    if element.shut.all() and len(buses) > 1:
        made = _tried(draft, element, regulated)
    return made or general(draft, element, _rating(element))


def _rating(element: EngineElement) -> float | None:
    kva = float(element.record["kvas"][0])
    return tidy(kva) if kva > 0 and math.isfinite(kva) else None


def _tried(draft: Draft, element: EngineElement, regulated: bool) -> list[Any]:
    """Classes of ours, the first whose admittance is the engine's; else nothing."""
    try:
        if tapped_at(element) == 0:
            made = [replace(_center_tapped(draft, element), rated=draft.ratings)]
            return made if not same(draft, element, made) else []
        windings = [_winding(draft, element, k) for k in range(len(element.ends))]
    except Unsupported:
        return []
    if len(windings) == 3:
        return [replace(leg, rated=draft.ratings)
                for leg in star(draft, element, windings, common(element))]
    if len(windings) != 2:
        return []
    for made in _two(draft, element, windings, regulated):
        if not same(draft, element, [made]):
            return [made if isinstance(made, Regulator) else replace(made, rated=draft.ratings)]
    return []


def common(element: EngineElement) -> dict[str, Any]:
    """Fields that all classes share: rating, exciting branch, antifloat.

    Parameters
    ----------
    element : EngineElement
        Of class transformer.

    Returns
    -------
    dict
    """
    record = element.record
    return {"kva": tidy(record["kvas"][0]), "no_load_percent": record["pctnoloadloss"],
            "magnetizing_percent": record["pctimag"], "antifloat_ppm": record["ppm_antifloat"]}


def _winding(draft: Draft, element: EngineElement, k: int) -> Winding:
    record = element.record
    bus, nodes = element.ends[k]
    n = int(record["phases"])
    delta = in_delta(record["conns"][k])
    floats = False
    if delta and n == 3:
        legs = tuple(draft.letter(bus, node) for node in nodes[:3])  # pairs follow from these
    elif delta and n == 1:
        legs = (_pair(draft, bus, nodes[0], nodes[1]),)
    elif delta:
        raise Unsupported(f"it has a delta winding of {n} phases")
    else:
        neutral = nodes[-1]
        if n == 1 and neutral:
            legs = (_pair(draft, bus, nodes[0], neutral),)
        else:
            floats = neutral != 0 and draft.private((bus, neutral))
            point = "" if floats or not neutral else draft.letter(bus, neutral)
            legs = tuple(draft.letter(bus, node) + point for node in nodes[:-1])
    if any(leg[0] in NEUTRALS for leg in legs):
        raise Unsupported("it has a unit at a neutral")
    between = len(legs[0]) == 2 and legs[0][1] not in NEUTRALS
    return Winding(bus, legs, "delta" if (delta and n == 3) or between else "wye", floats,
                   float(record["kvs"][k]), tidy(record["taps"][k], 12),
                   float(record["pctrs"][k]))


def _pair(draft: Draft, bus: str, first: int, second: int) -> str:
    """The leg between two nodes, in the order of the winding."""
    if not second:
        return draft.letter(bus, first)
    if not first:
        raise Unsupported("its first end is grounded")
    return draft.letter(bus, first) + draft.letter(bus, second)


def _two(draft: Draft, element: EngineElement, windings: list[Winding], regulated: bool):
    """Candidates for a transformer of two windings, led away from the source."""
    first, second = windings
    away = draft.depth.get(first.bus, 0) <= draft.depth.get(second.bus, 0)
    if away and regulated and (found := _regulator(draft, element, first, second)):
        yield found
    record = element.record
    high, low = (first, second) if away else (second, first)
    legs = _legs(high, low)
    if legs is None:
        return
    made = Transformer(
        name=draft.name(element.full), from_bus=high.bus, to_bus=low.bus,
        r_percent=tidy(high.r + low.r), x_percent=record["xhl"],
        connection=windings_of(high.connection, low.connection), **legs,
        floating=_floating(high.floats, low.floats), from_kv=high.kv, to_kv=low.kv,
        from_tap=high.tap, tap=low.tap, **common(element))
    stated = str(record["leadlag"]).lower().startswith(("lead", "eu"))
    mixed = high.connection != low.connection
    for lead in (stated != (low.kv > high.kv), stated == (low.kv > high.kv)):
        yield replace(made, lead=lead and mixed)
        if not mixed:
            return


def _legs(high: Winding, low: Winding) -> dict[str, Any] | None:
    """`phases`, or the explicit legs where they do not follow from it."""
    plain = all(w.legs == ("a", "b", "c") for w in (high, low))
    if plain:
        return {"phases": "abc"}
    if any(len(w.legs) == 3 and w.connection == "delta" and w.legs != ("a", "b", "c")
           for w in (high, low)) or len(high.legs) != len(low.legs):
        return None
    # the pairs of a delta follow from the connection and the way it turns
    given = [None if w.connection == "delta" and len(w.legs) == 3 else w.legs for w in (high, low)]
    if None in given:
        return {"phases": "abc", "from_legs": given[0], "to_legs": given[1]}
    legs = high.legs, low.legs
    if high.connection == low.connection and legs[0] == legs[1] and len(legs[0][0]) == 1:
        return {"phases": "".join(legs[0])}
    if high.connection == low.connection == "delta" and legs[0] == legs[1] and len(legs[0]) == 1:
        return {"phases": legs[0][0]}
    used = dict.fromkeys(k for group in legs for leg in group for k in leg if k not in NEUTRALS)
    phases = "".join(used)
    if not (set(phases) <= set(PHASES)):
        phases = "".join(k for k in phases if k in PHASES) or "a"
    return {"phases": phases, "from_legs": legs[0], "to_legs": legs[1]}


def windings_of(first: str, second: str) -> Any:
    """The name of a connection, such as ``"delta-wye"``."""
    return f"{first}-{second}"


def _floating(first: bool, second: bool) -> Any:
    return {(True, True): "both", (True, False): "from", (False, True): "to"}.get(
        (first, second), "")


def _regulator(draft: Draft, element: EngineElement, first: Winding, second: Winding,
               ) -> Regulator | None:
    """A Regulator, if the transformer is one: wye, equal voltages, one winding tapped in steps."""
    taps = (first.tap, second.tap)
    record = element.record
    moved = [k for k in (0, 1) if abs(taps[k] - 1.0) > ROUNDING]
    winding = moved[0] if moved else 1
    steps = (taps[winding] - 1.0) / STEP * (1 if winding else -1)
    n = len(first.legs)
    nominal = first.kv if n == 1 else first.kv / math.sqrt(3.0)
    plain = (
        first.connection == second.connection == "wye" and first.legs == second.legs
        and first.kv == second.kv and len(moved) < 2 and not first.floats and not second.floats
        and abs(steps - round(steps)) < PRINTED and abs(steps) <= MAX_TAP
        and not record["pctnoloadloss"] and not record["pctimag"]
        and all(len(leg) == 1 for leg in first.legs)
        and abs(nominal / draft.kv_ln(first.bus) - 1) < NOMINAL)
    if not plain:
        return None
    phases = "".join(first.legs)
    scale = (nominal / draft.kv_ln(first.bus)) ** 2
    return Regulator(
        name=draft.name(element.full), from_bus=first.bus, to_bus=second.bus, phases=phases,
        taps=dict.fromkeys(phases, round(steps)), kind="B" if winding else "A",
        kva=tidy(record["kvas"][0] / n), r_percent=tidy((first.r + second.r) * scale),
        x_percent=tidy(record["xhl"] * scale))


def _center_tapped(draft: Draft, element: EngineElement) -> CenterTappedTransformer:
    record = element.record
    high = _winding(draft, element, 0)
    second = element.ends[1][0]
    kvs, taps = record["kvs"], record["taps"]
    if kvs[1] != kvs[2] or taps[1] != taps[2] or len(high.legs) != 1 or (
            set(high.legs[0]) & set(NEUTRALS)) or element.ends[1][1][0] != 1 or (
            draft.depth.get(high.bus, 0) > draft.depth.get(second, 0)):
        raise Unsupported("it is no plain centre-tapped transformer")
    return CenterTappedTransformer(
        name=draft.name(element.full), from_bus=high.bus, to_bus=second, leg=high.legs[0],
        r_percent=tuple(record["pctrs"]),
        x_percent=(record["xhl"], record["xht"], record["xlt"]), from_kv=high.kv,
        to_kv=float(kvs[1]), from_tap=high.tap, tap=tidy(taps[1], 12), **common(element))


