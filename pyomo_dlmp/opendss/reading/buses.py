"""Buses with the conductors that elements use, their grounding and place."""

from __future__ import annotations

from pyomo_dlmp.network import Bus, Substation
from pyomo_dlmp.network.device import Device
from pyomo_dlmp.network.kinds import BRANCHES
from pyomo_dlmp.network.phases import NEUTRAL, NEUTRALS
from pyomo_dlmp.network.topology import ends
from pyomo_dlmp.opendss.reading.circuit import RISEN, Draft


def make_buses(draft: Draft) -> None:
    """Put the buses before the other elements of a draft.

    Parameters
    ----------
    draft : Draft
        Its elements are read.
    """
    wires: dict[str, set[str]] = {}
    given = {e.name for e in draft.elements if isinstance(e, Bus)}
    for element in draft.elements:
        if isinstance(element, Device):
            wires.setdefault(element.bus, set()).update(element.touched())
        elif isinstance(element, BRANCHES):
            for _, bus, held in ends(element):
                wires.setdefault(bus, set()).update(held)
        elif isinstance(element, Substation):
            source = {draft.letter(bus, node) for bus, node in draft.live if bus == element.bus}
            wires.setdefault(element.bus, set()).update(source - set(NEUTRALS))
    known = draft.snapshot.buses
    order = [*(name for name in known if name in wires), *(n for n in wires if n not in known)]
    draft.elements[:0] = [_bus(draft, name, wires[name]) for name in order if name not in given]
    _lost(draft, wires)


def _lost(draft: Draft, wires: dict[str, set[str]]) -> None:
    """Note energised nodes that no element of the network reaches, such as a conductor that hangs
    at one end of an opened line."""
    for name, bus in draft.snapshot.buses.items():
        if name not in wires:
            continue
        letters = draft.letters(name)
        for node, volt in bus.volts.items():
            lost = node in letters and letters[node] not in wires[name]
            if (lost and abs(volt) > RISEN * 1e3 * draft.kv_ln(name)
                    and not draft.private((name, node))):
                draft.note(f"bus {name!r}", f"its node {node} is at {abs(volt):.4g} V in OpenDSS, "
                           "but nothing feeds it: it is left out")


def _bus(draft: Draft, name: str, wires: set[str]) -> Bus:
    at = draft.snapshot.buses.get(name)
    ground = draft.ground.get(name) if NEUTRAL in wires else None
    return Bus(
        name=name, kv=draft.bus_kv[name], phases="".join(sorted(wires - set(NEUTRALS))),
        neutrals="".join(sorted(wires & set(NEUTRALS), key=NEUTRALS.find)),
        ground_r=None if ground is None else ground.real,
        ground_x=None if ground is None else ground.imag,
        x=at.x if at else None, y=at.y if at else None)
