"""Transformers of three windings as three transformers that meet at a star bus, where exact."""

from __future__ import annotations

import itertools
from typing import Any

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.network import Transformer
from pyomo_dlmp.network.phases import NEUTRALS
from pyomo_dlmp.opendss.reading.circuit import Draft, tidy
from pyomo_dlmp.opendss.reading.nodal import same

LEAST_X = -20.0  # % of a leg: below, no transformer of the network


def star(draft: Draft, element: EngineElement, windings: list[Any], common: dict[str, Any],
         ) -> list[Transformer]:
    """Three transformers with the admittance of the engine's one.

    The exciting branch is across the second winding, as the engine has it.

    Parameters
    ----------
    draft : Draft
        Gets the voltage of the star bus.
    element : EngineElement
        Of class transformer, with three windings.
    windings : list of Winding
        Of `transformers`.
    common : dict
        Fields of all transformers.

    Returns
    -------
    list of Transformer
        Empty if they are no exact star.
    """
    record = element.record
    kvas = [float(kva) for kva in record["kvas"]]
    x12, x13, x23 = record["xhl"], record["xht"], record["xlt"]
    reactances = [(x12 + x13 - x23) / 2, (x12 + x23 - x13) / 2, (x13 + x23 - x12) / 2]
    units = len(windings[0].legs)
    unfit = (
        len({w.bus for w in windings}) < 3 or units not in (1, 3)
        or any(w.floats or set("".join(w.legs)) & set(NEUTRALS) for w in windings)
        or (units == 3 and any(w.legs != ("a", "b", "c") for w in windings))
        or any((r.r == 0 and x == 0) or x < LEAST_X for r, x in zip(
            windings, reactances, strict=True)))
    if unfit:
        return []
    near = min(range(3), key=lambda k: draft.depth.get(windings[k].bus, 0))
    bus = _star_bus(draft, element, windings[near].kv, units)
    letters = "abc" if units == 3 else _single(windings)
    names = [draft.further(element.full, f"_{k + 1}") for k in range(3)]

    def winding(k: int, turned: bool) -> Transformer:
        w, high = windings[k], k == near
        delta = w.connection == "delta"
        legs = {"phases": "abc"} if units == 3 else {
            "phases": "abc", "from_legs": w.legs if high else (letters,),
            "to_legs": (letters,) if high else w.legs}
        kv = draft.bus_kv[bus] if units == 3 else draft.kv_ln(bus)
        # percentages of the file are of the first winding's rating
        share = kvas[k] / kvas[0] if 0 < kvas[k] <= kvas[0] else 1.0
        own = {"kva": tidy(kvas[0] * share), "antifloat_ppm": common["antifloat_ppm"] / share}
        for key in ("no_load_percent", "magnetizing_percent"):
            own[key] = common[key] / share if k == 1 else 0.0
        return Transformer(
            name=names[k], from_bus=w.bus if high else bus, to_bus=bus if high else w.bus,
            connection=f"{w.connection}-wye" if high else f"wye-{w.connection}",  # type: ignore[arg-type]
            lead=delta and units == 3 and turned != high, r_percent=tidy(w.r * share),
            x_percent=tidy(reactances[k] * share), from_kv=w.kv if high else kv,
            to_kv=kv if high else w.kv, from_tap=w.tap if high else 1.0,
            tap=1.0 if high else w.tap, **legs, **{**common, **own})

    deltas = [k for k in range(3) if windings[k].connection == "delta"] if units == 3 else []
    for ways in itertools.product((False, True), repeat=len(deltas)):
        turned = dict(zip(deltas, ways, strict=True))
        made = [winding(k, turned.get(k, False)) for k in range(3)]
        if not same(draft, element, made, inner=[bus]):
            # the branch towards the source first: the order of a radial feeder
            return [made[near], *(made[k] for k in range(3) if k != near)]
    del draft.bus_kv[bus]
    return []


def _star_bus(draft: Draft, element: EngineElement, kv: float, units: int) -> str:
    name = wanted = f"{draft.name(element.full)}_star"
    count = 1
    while name in draft.bus_kv:
        count += 1
        name = f"{wanted}_{count}"
    draft.bus_kv[name] = kv if units == 3 else tidy(kv * 3**0.5, 12)
    return name


def _single(windings: list[Any]) -> str:
    """The phase of a star of single-phase windings."""
    return next((w.legs[0] for w in windings if w.legs[0] in ("a", "b", "c")), "a")
