"""Sources of a circuit: the main one becomes the substation, others what they deliver."""

from __future__ import annotations

import math

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.network import Bus, Line, LineCode, Substation
from pyomo_dlmp.network.phases import ALPHA, NEUTRALS
from pyomo_dlmp.opendss.reading.circuit import Draft, Unsupported, tidy
from pyomo_dlmp.tolerances import NOMINAL, PRINTED, ROUNDING

LEAST_KV, MOST_KV = 0.02, 2000.0  # line to line: beyond them a number is not in kV


def line_kv(element: EngineElement) -> float:
    """Nominal voltage of a source.

    Parameters
    ----------
    element : EngineElement
        A Vsource.

    Returns
    -------
    float
        Line to line (kV).
    """
    record = element.record
    return float(record["basekv"]) * (1.0 if record["phases"] > 1 else math.sqrt(3.0))


def thevenin(element: EngineElement) -> tuple[np.ndarray, np.ndarray]:
    """Voltages behind a source's impedance, and its admittance.

    Both are taken from the solution, so that every way of writing a source is known.

    Parameters
    ----------
    element : EngineElement
        A Vsource, its first terminal alive.

    Returns
    -------
    (ndarray, shape (n,), ndarray, shape (n, n))
        Voltages (V) and admittance (S), complex.

    Raises
    ------
    Unsupported
        If a conductor of its first terminal is at 0 V.
    """
    n = len(element.ends[0][1])
    volts = element.volts[:n]
    record = element.record
    scale = float(record["basekv"]) * 1e3 * max(float(record["pu"]), NOMINAL)
    if np.abs(volts).min() < NOMINAL * scale:
        raise Unsupported("it is at 0 V, as if short-circuited or at another frequency than the "
                          "solution", "Set DefaultBaseFrequency before the circuit is made.")
    current = np.conj(element.kva[:n] * 1e3 / volts)  # into the source
    y = element.y[:n, :n]
    inner = volts - (element.volts[n:2 * n] if len(element.volts) >= 2 * n else 0.0)
    return inner - np.linalg.solve(y, current), y


def read_sources(draft: Draft, main: EngineElement, sources: list[EngineElement]) -> None:
    """The substation, of the main source and others at its bus that are grounded like it.

    Parameters
    ----------
    draft : Draft
        With the voltages of its buses; its elements are filled.
    main : EngineElement
        The source that feeds most.
    sources : list of EngineElement
        All of them; those that feed something else are noted.
    """
    bus = main.ends[0][0]
    together = []
    apart: set[str] = set()
    for source in sources:
        here = source.ends[0][0] == bus and not any(
            any(nodes) for _, nodes in source.ends[1:])
        if source is main or here:
            together.append(source)
        elif not draft.is_live(source):
            draft.refuse(source.full, f"it feeds bus {source.ends[0][0]!r}, which nothing joins "
                         f"with what {main.full} feeds", "Keep one of them in a file, or leave it "
                         "out: on_unsupported='warn'.")
            apart.add(source.full.lower())
    draft.elements.extend(_substation(draft, bus, main, together))
    draft.sources = {source.full.lower() for source in together} | apart


def _substation(draft: Draft, bus: str, main: EngineElement, together: list[EngineElement]):
    for source in together:
        if any(any(nodes) for _, nodes in source.ends[1:]):
            raise Unsupported("its second terminal is not grounded",
                              "Give sources between phase and ground.")
    places = list(dict.fromkeys(
        place for source in together for place in source.nodes[:len(source.ends[0][1])]
        if place[1]))
    places.sort(key=lambda place: place[1])
    letters = "".join(draft.letter(*place) for place in places)
    if set(letters) & set(NEUTRALS) or not letters:
        raise Unsupported(f"it is at nodes {[node for _, node in places]}",
                          "Give a source at nodes 1, 2, 3.")
    total = np.zeros((len(places),) * 2, dtype=complex)
    drive = np.zeros(len(places), dtype=complex)
    for source in together:
        volts, y = thevenin(source)
        spread = np.zeros((len(volts), len(places)))
        for i, place in enumerate(source.nodes[:len(volts)]):
            if place[1]:
                spread[i, places.index(place)] = 1.0
        total += spread.T @ y @ spread
        drive += spread.T @ y @ volts
    volts, z = np.linalg.solve(total, drive), np.linalg.inv(total)
    at = bus
    extra = []
    if set(letters) != {draft.letter(bus, p[1]) for p in draft.live if p[0] == bus
                        and draft.letter(bus, p[1]) not in NEUTRALS}:
        at = f"{bus}_source"  # phases of the bus that are not the source's
        draft.bus_kv[at] = draft.bus_kv[bus]
        zero = tuple((0.0,) * len(letters) for _ in letters)
        extra = [Bus(name=at, kv=draft.bus_kv[bus], phases=letters),
                 Line(name=draft.further(main.full, "_joint"), from_bus=at, to_bus=bus, length=1.0,
                      phases=letters, code=LineCode(name=f"{at}_joint", r=zero, x=zero))]
    yield from extra
    yield Substation(
        name=main.name, bus=at, r=_matrix(z.real, z), x=_matrix(z.imag, z),
        **_voltages(draft, main, letters, volts / (1e3 * draft.kv_ln(bus))))


def _voltages(draft: Draft, main: EngineElement, letters: str, pu: np.ndarray) -> dict:
    """`v_pu` and angles, with the figures of the file where they agree."""
    size = [float(v) for v in np.abs(pu)]
    stated = float(main.record["pu"]) * line_kv(main) / draft.bus_kv[main.ends[0][0]]
    if all(abs(v - stated) <= PRINTED * stated for v in size):
        size = [stated] * len(size)
    turns = np.angle(pu / np.array([ALPHA[k] for k in letters]), deg=True)
    stated = float(main.record["angle"])
    for angle in (stated, float(turns[0])):
        if all(abs((t - angle + 180.0) % 360.0 - 180.0) < 0.1 * NOMINAL for t in turns):
            return {"v_pu": tuple(tidy(v, 12) for v in size), "angle": tidy(angle, 9)}
    seen = np.angle(pu, deg=True)
    # 0, 120 and -120 degrees between phases are meant where they are nearly so
    steps = np.round((seen - stated) / 30.0) * 30.0
    near = np.abs(seen - stated - steps) < 0.1 * NOMINAL
    angles = tuple(tidy(float(a), 9) for a in np.where(near, stated + steps, seen))
    return {"v_pu": tuple(tidy(v, 12) for v in size), "angle": angles[0], "angles": angles}


def _matrix(values: np.ndarray, whole: np.ndarray):
    least = np.abs(whole).max() * 0.1 * ROUNDING
    symmetric = (values + values.T) / 2
    if np.abs(values - symmetric).max() <= PRINTED * np.abs(whole).max():
        values = symmetric
    return tuple(tuple(tidy(v, 9) if abs(v) > least else 0.0 for v in row)
                 for row in values.tolist())
