"""What no source feeds, told so that a mistyped bus is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.errors import Fault, nearest
from pyomo_dlmp.opendss.reading.circuit import Draft

MOST = 20  # buses whose nearest name is looked for, since that takes long among thousands


def leave_out_unfed(draft: Draft) -> None:
    """Note every element that is not live; an element alone at its bus with the bus that is near.

    Parameters
    ----------
    draft : Draft
        With its `live`; its `left_out` is filled: first the power of all loads among them.
    """
    unfed = [e for e in draft.snapshot.elements.values()
             if e.full.lower() not in draft.sources and not draft.is_live(e)]
    users = Counter(bus for e in draft.snapshot.elements.values() for bus in _buses(e))
    fed = {bus for bus, _ in draft.live}
    guesses = iter(range(MOST))

    def meant(bus: str, known: Iterable[str]) -> str:
        near = nearest(bus, known) if next(guesses, None) is not None else ""
        return near if near.startswith("Did") else ""

    dark = {bus for e in unfed for bus in _buses(e)} - fed
    for element in unfed:
        buses = _buses(element)
        if not buses:
            draft.leave_out(element.full, "all of it is at ground")
        elif any(place[1] and draft.risen(place) for place in element.nodes):
            draft.refuse(element.full, "it is energised, but nothing joins it with the substation",
                         "A network has one substation: remove the island, or join it.")
        elif len(buses) == 1 and users[buses[0]] == 1:
            draft.left_out.append(Fault(
                draft.where(element.full), f"{_power(element)}it is at bus {buses[0]!r}, where "
                "nothing else is", meant(buses[0], fed)))
        else:
            draft.leave_out(element.full, "no source feeds it")
    for element in draft.snapshot.of("line", "transformer") if dark else ():
        for bus in _buses(element):
            cure = meant(bus, dark if bus in fed else fed) if users[bus] == 1 else ""
            if cure:
                draft.notes.append(Fault(
                    draft.where(element.full), f"nothing else is at its bus {bus!r}, and no source "
                    f"feeds {'others' if bus in fed else 'it'}", cure))
    kw = sum(float(e.record.get("kw") or 0.0) for e in unfed if e.kind == "load")
    if kw:
        draft.left_out.insert(0, Fault("loads", f"{kw:.6g} kW of them are left out: no source "
                                       "feeds them"))


def _buses(element: EngineElement) -> list[str]:
    """Buses where an element has a conductor that is not at ground."""
    return list(dict.fromkeys(bus for bus, node in element.nodes if node))


def _power(element: EngineElement) -> str:
    kw = float(element.record.get("kw") or 0.0) if element.kind == "load" else 0.0
    return f"its {kw:.6g} kW are left out: " if kw else ""
