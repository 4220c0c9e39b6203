"""A snapshot as JSON and plain numbers, and back: nothing in it can act when it is decoded."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.io.opendss.snapshot import EngineBus, EngineElement, Snapshot


def pack(snapshot: Snapshot) -> tuple[dict[str, Any], bytes]:
    """A snapshot to be sent.

    Parameters
    ----------
    snapshot : Snapshot

    Returns
    -------
    (dict, bytes)
        What goes into JSON; and all arrays as complex numbers of 16 bytes, element by element:
        ``y``, ``volts``, ``kva``.
    """
    arrays: list[np.ndarray] = []
    elements = []
    for element in snapshot.elements.values():
        arrays += [element.y.ravel(), element.volts, element.kva]
        elements.append([element.full, element.record, element.ends, element.shut.tolist()])
    buses = []
    for bus in snapshot.buses.values():
        arrays.append(np.array(list(bus.volts.values()), dtype=complex))
        buses.append([bus.name, bus.kv_base, list(bus.volts), bus.x, bus.y])
    header = {
        "name": snapshot.name, "frequency": snapshot.frequency, "load_mult": snapshot.load_mult,
        "elements": elements, "buses": buses, "disabled": snapshot.disabled,
        "controls": snapshot.controls, "shapes": snapshot.shapes, "places": snapshot.places,
    }
    body = np.concatenate(arrays) if arrays else np.zeros(0, dtype=complex)
    return header, body.astype("<c16").tobytes()


def unpack(header: dict[str, Any], body: bytes) -> Snapshot:
    """A snapshot that was sent.

    Parameters
    ----------
    header : dict
    body : bytes
        Both as of `pack`.

    Returns
    -------
    Snapshot
    """
    numbers = np.frombuffer(body, dtype="<c16").astype(complex)
    at = 0

    def take(count: int) -> np.ndarray:
        nonlocal at
        at += count
        return numbers[at - count:at]

    snapshot = Snapshot(
        header["name"], header["frequency"], header["load_mult"], disabled=header["disabled"],
        controls=header["controls"], shapes=header["shapes"], places=header["places"])
    for full, record, ends, shut in header["elements"]:
        n = len(shut)
        snapshot.elements[full.lower()] = EngineElement(
            full, record, [(bus, tuple(nodes)) for bus, nodes in ends],
            take(n * n).reshape(n, n), take(n), take(n), np.array(shut, dtype=bool))
    for name, kv_base, nodes, x, y in header["buses"]:
        volts = dict(zip(nodes, take(len(nodes)).tolist(), strict=True))
        snapshot.buses[name] = EngineBus(name, kv_base, volts, x, y)
    return snapshot
