"""A snapshot as JSON and plain numbers, and back: nothing in it can act when it is decoded."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.engine.snapshot import (
    EngineBus,
    EngineElement,
    Records,
    Snapshot,
    by_name,
    take,
)


class _Unread(Records):
    """Records are taken as the engine writes them, and read only where they arrive."""

    def __init__(self, circuit: Any):
        super().__init__(circuit)
        self.texts: dict[str, str] = {}

    def every(self, kind: str) -> dict[str, dict[str, Any]]:
        if kind not in self.texts:
            self.texts[kind] = self.text(kind)
        return self.known.setdefault(kind, {})


def pack(engine: Any) -> tuple[dict[str, Any], bytes]:
    """The snapshot of a solved engine, to be sent.

    Parameters
    ----------
    engine : object
        As of `snapshot.take`.

    Returns
    -------
    (dict, bytes)
        What goes into JSON; and all arrays as complex numbers of 16 bytes, element by element:
        ``y``, ``volts``, ``kva``.
    """
    records = _Unread(engine.ActiveCircuit)
    snapshot = take(engine, {}, records)
    arrays: list[np.ndarray] = []
    elements = []
    for element in snapshot.elements.values():
        arrays += [element.y.ravel(), element.volts, element.kva]
        elements.append([element.full, element.ends, element.shut.tolist()])
    buses = []
    for bus in snapshot.buses.values():
        arrays.append(np.array(list(bus.volts.values()), dtype=complex))
        buses.append([bus.name, bus.kv_base, list(bus.volts), bus.x, bus.y])
    header = {
        "name": snapshot.name, "frequency": snapshot.frequency, "load_mult": snapshot.load_mult,
        "elements": elements, "buses": buses, "disabled": snapshot.disabled,
        "controls": {kind: [record["name"] for record in found]
                     for kind, found in snapshot.controls.items()}, "records": records.texts,
        "amps": snapshot.amps,
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
    records = {kind: by_name(text) for kind, text in header["records"].items()}
    numbers = np.frombuffer(body, dtype="<c16").astype(complex)
    at = 0

    def some(count: int) -> np.ndarray:
        nonlocal at
        at += count
        return numbers[at - count:at]

    snapshot = Snapshot(
        header["name"], header["frequency"], header["load_mult"], disabled=header["disabled"],
        controls={kind: [records[kind].get(name, {"name": name}) for name in names]
                  for kind, names in header["controls"].items()}, shapes=records["loadshape"],
        amps=header["amps"])
    for full, ends, shut in header["elements"]:
        n = len(shut)
        kind, name = full.lower().split(".", 1)
        record = records[kind].get(name, {"name": name})
        snapshot.elements[full.lower()] = EngineElement(
            full, record, [(bus, tuple(nodes)) for bus, nodes in ends],
            some(n * n).reshape(n, n), some(n), some(n), np.array(shut, dtype=bool))
    for name, kv_base, nodes, x, y in header["buses"]:
        volts = dict(zip(nodes, some(len(nodes)).tolist(), strict=True))
        snapshot.buses[name] = EngineBus(name, kv_base, volts, x, y)
    return snapshot
