"""Lines and series reactors of a circuit, switches among them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.errors import Fault
from pyomo_dlmp.network import Line, NodalAdmittance
from pyomo_dlmp.network.kinds import Branch
from pyomo_dlmp.network.phases import NEUTRAL
from pyomo_dlmp.opendss.reading.circuit import Draft, Unsupported, tidy
from pyomo_dlmp.opendss.reading.codes import Codes, PerKm, Series, all_series, per_km, series
from pyomo_dlmp.opendss.reading.nodal import general
from pyomo_dlmp.tolerances import ENTRY, ROUNDING

KM = {"none": 1.0, "mi": 1.609344, "kft": 0.3048, "km": 1.0, "m": 0.001, "ft": 0.0003048,
      "me": 0.001, "in": 2.54e-5, "cm": 1e-5, "mm": 1e-6}
LONGEST = 200.0  # km: beyond it, with an impedance that no line has, its unit is wrong
WEAK = 10.0  # ohm per kV^2: the impedance that no line has
IDLE = 0.001  # kvar: charging of an open line that nobody would miss


def length_of(element: EngineElement) -> float:
    """Length of a line (km).

    Parameters
    ----------
    element : EngineElement
        Of class line.

    Returns
    -------
    float
    """
    record = element.record
    return float(record["length"]) * KM.get(str(record["units"]).lower(), 1.0)


def prepare(draft: Draft, codes: Codes) -> None:
    """Impedances of all plain lines, many at a time.

    Parameters
    ----------
    draft : Draft
        With the nodes that the source feeds.
    codes : Codes
        Gets them, by full name.
    """
    groups: dict[int, list[EngineElement]] = {}
    for element in draft.snapshot.of("line"):
        plain = all(place in draft.live for place in element.nodes) and element.shut.all()
        if plain:
            groups.setdefault(len(element.nodes), []).append(element)
    for group in groups.values():
        found = all_series(np.array([element.y for element in group]))
        codes.prepared.update(
            {element.full: one for element, one in zip(group, found, strict=True)})
        sound = [(element, one, km) for element, one in zip(group, found, strict=True)
                 if one is not None and (km := length_of(element)) > 0
                 and abs(one.z[0, 0]) > ROUNDING and one.z[0, 0].real >= 0 and km < LONGEST]
        if sound:
            whole = per_km(np.array([one.z for _, one, _ in sound]),
                           np.array([one.b for _, one, _ in sound]),
                           np.array([km for _, _, km in sound]))
            usual = (np.diagonal(whole.stacked[:, 0], axis1=1, axis2=2) >= 0).all(axis=1)
            codes.per_km.update({
                sound[i][0].full: PerKm(whole.stacked[i], whole.room[i])
                for i in np.flatnonzero(usual).tolist()})


def read_line(draft: Draft, element: EngineElement, codes: Codes) -> list[Branch]:
    """A line, or a general admittance where it is more than one.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Of class line.
    codes : Codes
        Of the circuit.

    Returns
    -------
    list of Branch
    """
    length = length_of(element)
    if not length > 0:
        raise _fault(draft, element.full, f"its length is {length:g} km", "Give a length above 0.")
    if element.full not in codes.per_km and not np.isfinite(element.y).all():
        raise _fault(draft, element.full, "its impedance is not finite", "Correct r, x and c.")
    if not element.shut.all():
        return _opened(draft, element, length, codes)
    ends = _conductors(draft, element)
    if ends is None or element.full.lower() in draft.coupled:
        return general(draft, element, _whole(draft, element))
    own = codes.per_km.get(element.full)
    if own is not None and len(ends[0]) == own.stacked.shape[1]:  # as nearly all
        return [_plain(draft, element, own, length, ends[1:], codes)]
    rows, first, second = ends
    n = len(element.nodes) // 2
    pick = [*rows, *(n + row for row in rows)]
    found = (codes.prepared[element.full] if element.full in codes.prepared
             and len(rows) == n else series(element.y[np.ix_(pick, pick)]))
    if found is None:
        return general(draft, element, _whole(draft, element))
    dead = [row for row in range(n) if row not in rows and element.nodes[row][1]]
    if dead:
        draft.leave_out(element.full, "nothing feeds its conductors at nodes "
                        f"{sorted(element.nodes[row][1] for row in dead)}: these are left out")
        # they carry no current, so their rows of Z go
        both = sorted([*rows, *dead])
        every = [*both, *(n + k for k in both)]
        whole = series(element.y[np.ix_(every, every)])
        if whole is None:
            return general(draft, element, _whole(draft, element))
        held = [both.index(row) for row in rows]
        found = Series(whole.z[np.ix_(held, held)], whole.b[np.ix_(held, held)])
    return [_made(draft, element, found, length, (first, second), codes)]


def _made(draft: Draft, element: EngineElement, found: Series, length: float,
          ends: tuple[str, str], codes: Codes, closed: bool = True) -> Line:
    first = element.ends[0][0]
    z, b = found
    size = np.abs(z).max()
    if length > LONGEST and size > WEAK * draft.bus_kv[first] ** 2:
        raise _fault(draft, element.full, f"its length is {length:g} km",
                     "No distribution line is that long: check its units.")
    if size < ROUNDING:  # no voltage across it can be measured: a joint
        if np.abs(b).max() * draft.kv_ln(first) ** 2 * 1e3 > IDLE:
            z = z if size > 0 else np.eye(len(z)) * ENTRY
        else:
            z, b = np.zeros_like(z), np.zeros_like(b)
    if (np.diag(z).real < 0).any():
        draft.note(element.full, "its resistance is negative, and is read as it is")
    whole = per_km(z[None], b[None], np.array([length]))
    return _plain(draft, element, PerKm(whole.stacked[0], whole.room[0]), length, ends, codes,
                  closed)


def _plain(draft: Draft, element: EngineElement, own: PerKm, length: float,
           ends: tuple[str, str], codes: Codes, closed: bool = True) -> Line:
    (first, _), (second, _) = element.ends
    code = codes.share(str(element.record.get("linecode") or element.name), own)
    return Line(name=draft.name(element.full), from_bus=first, to_bus=second, code=code,
                length=tidy(length, 12), phases=ends[0], closed=closed,
                to_conductors=None if ends[0] == ends[1] else ends[1],
                rating_kva=draft.stated_kva(element), rated=draft.ratings)


def _conductors(draft: Draft, element: EngineElement) -> tuple[list[int], str, str] | None:
    """Rows of the line that are conductors of ours, and their letters at both ends.

    Conductors grounded at both ends go; one grounded at one end is at a neutral of that bus that is
    solidly grounded.
    """
    n = len(element.nodes) // 2
    rows: list[int] = []
    letters: tuple[list[str], list[str]] = [], []
    for row in range(n):
        places = element.nodes[row], element.nodes[row + n]
        if not any(node for _, node in places):
            continue
        if not any(place in draft.live for place in places):
            continue
        names = []
        for place, other in (places, places[::-1]):
            if place[1]:
                names.append(draft.letter(*place))
            elif draft.letter(*other) == NEUTRAL and _grounded(draft, place[0]):
                names.append(NEUTRAL)
            else:
                return None
        rows.append(row)
        for side, name in zip(letters, names, strict=True):
            side.append(name)
    if not rows or any(len(set(side)) < len(side) for side in letters):
        return None
    if element.ends[0][0] == element.ends[1][0]:
        return None
    return rows, "".join(letters[0]), "".join(letters[1])


def _grounded(draft: Draft, bus: str) -> bool:
    """Whether a bus has, or may get, a solidly grounded neutral."""
    used = any(place[0] == bus and draft.letter(*place) == NEUTRAL for place in draft.live)
    if not used:
        draft.ground[bus] = 0j
    return not used


def _opened(draft: Draft, element: EngineElement, length: float, codes: Codes) -> list[Branch]:
    """A switch that is open; what is left of a line that is open in part."""
    n = len(element.nodes) // 2
    shut = element.shut[:n] & element.shut[n:]
    first, second = (bus for bus, _ in element.ends)
    rest = general(draft, element, _whole(draft, element))
    idle = max((np.abs(made.y).max() * draft.kv_ln(made.from_bus) ** 2 * 1e3 for made in rest
                if isinstance(made, NodalAdmittance)), default=0.0)
    if shut.any():
        return rest
    if idle < IDLE:
        rest = []
    alive = [any(place in draft.live for place in nodes)
             for nodes in (element.nodes[:n], element.nodes[n:])]
    ends = _conductors(draft, element)
    if not all(alive) or ends is None or first == second or len(ends[0]) < n or not all(
            place in draft.live for place in element.nodes):
        draft.leave_out(element.full, "it is open")
        return rest
    record = element.record
    scale = float(record["length"])
    frequency = draft.snapshot.frequency / float(record.get("basefreq") or 60.0)
    z = (np.array(record["rmatrix"]) + 1j * frequency * np.array(record["xmatrix"])) * scale
    b = np.array(record["cmatrix"]) * scale * 2e-9 * math.pi * draft.snapshot.frequency
    if z.shape != (n, n) or not np.isfinite(z).all() or not np.isfinite(b).all():
        draft.leave_out(element.full, "it is open")
        return rest
    line = _made(draft, element, Series((z + z.T) / 2, (b + b.T) / 2), length, ends[1:], codes,
                 closed=False)
    charging = [replace(made, name=draft.further(element.full, "_charging")) for made in rest]
    return [line, *charging]


def read_series_reactor(draft: Draft, element: EngineElement, codes: Codes) -> list[Branch]:
    """A reactor between two buses, as a line of one km if it is one.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Between two buses.
    codes : Codes
        Of the circuit.

    Returns
    -------
    list of Branch
    """
    ends = _conductors(draft, element) if element.shut.all() else None
    if ends is None:
        return general(draft, element, _whole(draft, element))
    rows, first, second = ends
    n = len(element.nodes) // 2
    pick = [*rows, *(n + row for row in rows)]
    found = series(element.y[np.ix_(pick, pick)])
    if found is None or len(rows) < sum(1 for _, node in element.nodes[:n] if node):
        return general(draft, element, _whole(draft, element))
    return [_made(draft, element, found, 1.0, (first, second), codes)]


def _whole(draft: Draft, element: EngineElement) -> float | None:
    """What all phases of its first end may carry together (kVA)."""
    kva = draft.stated_kva(element)
    phases = sum(draft.is_phase(place) for place in element.nodes[:len(element.nodes) // 2])
    return None if kva is None else kva * max(phases, 1)


def _fault(draft: Draft, full: str, what: str, cure: str) -> Unsupported:
    """A number that is wrong rather than unmodeled: an error also with on_unsupported="warn"."""
    draft.faults.append(Fault(draft.where(full), what, cure))
    return Unsupported(what, cure)


