"""Lines, series reactors and transformers of a solved engine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyomo_dlmp.errors import Fault
from pyomo_dlmp.io.opendss.circuit import (
    Draft,
    Unsupported,
    activate,
    primitive,
    terminals,
    tidy,
)
from pyomo_dlmp.network import (
    Bus,
    CenterTappedTransformer,
    Line,
    LineCode,
    Regulator,
    Transformer,
)
from pyomo_dlmp.network.windings import admittance
from pyomo_dlmp.tolerances import ENTRY, NOMINAL, PRINTED, ROUNDING

KM = {0: 1.0, 1: 1.609344, 2: 0.3048, 3: 1.0, 4: 0.001, 5: 0.0003048, 6: 2.54e-5, 7: 1e-5,
      8: 1e-6}  # none, mi, kft, km, m, ft, in, cm, mm
LONGEST = 200.0  # km: beyond it, a distribution line's unit is wrong
STEP = 0.00625


# ------------------------------------------------------------------------------------- lines


def read_lines(draft: Draft) -> None:
    """All lines of a draft, switches among them, with codes shared where their matrices agree."""
    circuit = draft.engine.ActiveCircuit
    codes = _Codes()
    i = circuit.Lines.First
    while i:
        full = f"Line.{circuit.Lines.Name}"
        with draft.reading(full):
            draft.elements.append(_line(draft, circuit, full, codes))
        i = circuit.Lines.Next


def _line(draft: Draft, circuit: Any, full: str, codes: _Codes) -> Line:
    lines, element = circuit.Lines, circuit.ActiveCktElement
    (first, nodes), (second, others) = terminals(element)
    if len(nodes) > len(set(nodes)) or 0 in nodes:
        raise Unsupported(f"its conductors are at nodes {nodes} of bus {first!r}",
                          "Give each conductor a phase of its own.")
    if nodes != others:
        raise Unsupported(
            f"it leads from nodes {nodes} of {first!r} to nodes {others} of {second!r}",
            "A line keeps the phases of its conductors: number both ends alike.")
    phases = "".join(draft.letter(first, node) for node in nodes)
    for node in others:
        draft.letter(second, node)
    n = len(nodes)
    length = lines.Length * KM.get(int(lines.Units), 1.0)
    if not length > 0:
        raise _fault(draft, full, f"its length is {length:g} km", "Give a length above 0.")
    if length > LONGEST:
        raise _fault(draft, full, f"its length is {length:g} km",
                     "No distribution line is that long: check its units.")
    shut = [element.IsOpen(terminal, 0) for terminal in (1, 2)]
    if any(shut):
        if not any(all(element.IsOpen(t, k + 1) for k in range(n)) for t in (1, 2)):
            raise Unsupported("some of its conductors are open", "Open or close all of them.")
        scale = lines.Length / length
        z = (np.reshape(lines.Rmatrix, (n, n)) + 1j * np.reshape(lines.Xmatrix, (n, n))) * scale
        b = np.reshape(lines.Cmatrix, (n, n)) * scale * 2e-3 * math.pi * circuit.Solution.Frequency
    else:
        y = primitive(element)
        between = -y[:n, n:]
        if not np.isfinite(y).all() or np.abs(between).max() == 0:
            raise _fault(draft, full, "its impedance is not finite", "Correct r, x and c.")
        with np.errstate(all="ignore"):
            z = np.linalg.inv(between) / length
        b = (y[:n, :n] + y[:n, n:]).imag * 2e6 / length
        scale_y = np.abs(between).max()
        b[np.abs(b) * length < ROUNDING * scale_y] = 0.0
    if not np.isfinite(z).all() or np.abs(z).max() * length < ROUNDING:
        raise _fault(draft, full, "it has no impedance", "Give r and x, or join its two buses.")
    code = codes.share(lines.LineCode or circuit.ActiveCktElement.Name.split(".", 1)[1], z, b)
    return Line(name=draft.name(full), from_bus=first, to_bus=second, code=code,
                length=tidy(length, 12), phases=phases, closed=not any(shut))


class _Codes:
    """Line codes by name, a new one whenever the matrices differ."""

    def __init__(self):
        self.by_name: dict[str, list[tuple[np.ndarray, LineCode]]] = {}

    def share(self, name: str, z: np.ndarray, b: np.ndarray) -> LineCode:
        stacked = np.stack([z.real, z.imag, b])
        known = self.by_name.setdefault(name.lower(), [])
        size = np.abs(stacked).max(axis=(1, 2), keepdims=True) + 1e-300
        for matrices, code in known:
            if matrices.shape == stacked.shape and (
                    np.abs(matrices - stacked) <= 3 * ROUNDING * size).all():
                return code
        r, x, charge = (_matrix(m) for m in stacked)
        suffix = f"_{len(known) + 1}" if known else ""
        code = LineCode(name=name.lower() + suffix, r=r, x=x,
                        b=charge if np.any(b) else None)
        known.append((stacked, code))
        return code


def _matrix(values: np.ndarray):
    """Symmetric, with the digits that matter."""
    values = (values + values.T) / 2.0
    least = np.abs(values).max() * ENTRY
    return tuple(tuple(tidy(v) if abs(v) > least else 0.0 for v in row) for row in values.tolist())


def read_reactors(draft: Draft, records: list[dict[str, Any]]) -> None:
    """Series reactors, as lines of one km; shunt ones are read with the capacitors.

    Parameters
    ----------
    draft : Draft
        Its elements are filled.
    records : list of dict
        Of `circuit.records`.
    """
    for record in records:
        full = f"Reactor.{record['name']}"
        element = activate(draft.engine, full)
        ends = terminals(element)
        if len(ends) != 2 or ends[0][0] == ends[1][0] or not any(ends[1][1]):
            continue
        with draft.reading(full):
            (first, nodes), (second, others) = ends
            if nodes != others:
                raise Unsupported("its two ends are at different phases")
            n = len(nodes)
            y = primitive(element)
            z = np.linalg.inv(-y[:n, n:])
            phases = "".join(draft.letter(first, node) for node in nodes)
            for node in others:
                draft.letter(second, node)
            code = LineCode(name=f"reactor_{record['name'].lower()}", r=_matrix(z.real),
                            x=_matrix(z.imag))
            draft.elements.append(Line(name=draft.name(full), from_bus=first, to_bus=second,
                                       code=code, length=1.0, phases=phases))


# ------------------------------------------------------------------------------ transformers


def read_transformers(draft: Draft, records: list[dict[str, Any]], regulated: set[str]) -> None:
    """All transformers; those with a regulator control and whole taps become Regulators.

    Parameters
    ----------
    draft : Draft
        Its elements are filled.
    records : list of dict
        Of `circuit.records`.
    regulated : set of str
        Names of those with a control.
    """
    for record in records:
        full = f"Transformer.{record['name']}"
        with draft.reading(full):
            made = _transformer(draft, record, full, record["name"].lower() in regulated)
            _same_admittance(draft, full, made)
            draft.elements.extend(made)


def _transformer(draft: Draft, record: dict[str, Any], full: str, regulated: bool) -> list[Any]:
    ends = terminals(activate(draft.engine, full))
    windings = len(ends)
    connections = ["delta" if c.lower().startswith(("d", "ll")) else "wye" for c in record["conn"]]
    for winding, (ohm, reactance) in enumerate(
            zip(record["rneut"], record["xneut"], strict=True)):
        if ohm > 0 or reactance > 0:
            raise Unsupported(f"winding {winding + 1} has a neutral impedance",
                              "Ground the neutral solidly, or leave it open.")
    common = {
        "kva": tidy(record["kva"][0]), "no_load_percent": record["pctnoloadloss"],
        "magnetizing_percent": record["pctimag"], "antifloat_ppm": record["ppm_antifloat"]}
    if windings == 3 and ends[1][0] == ends[2][0] and record["phases"] == 1:
        return [_center_tapped(draft, record, full, ends, connections, common)]
    if windings == 3:
        return _star(draft, record, full, ends, connections, common)
    if windings != 2:
        raise Unsupported(f"it has {windings} windings", "Two or three windings are modeled.")
    legs, floats = zip(*(_winding(draft, record["phases"], c, bus, nodes) for c, (bus, nodes)
                         in zip(connections, ends, strict=True)), strict=True)
    (first, _), (second, _) = ends
    if regulated and (reg := _regulator(draft, record, full, first, second, connections, legs)):
        return [reg]
    return [Transformer(
        name=draft.name(full), from_bus=first, to_bus=second,
        r_percent=tidy(sum(record["pctrs"])), x_percent=record["xhl"],
        connection=_windings(*connections), **_legs(connections, legs),
        lead=_lead(record, connections), floating=_floating(*floats),
        from_kv=record["kv"][0], to_kv=record["kv"][1],
        from_tap=tidy(record["tap"][0], 12), tap=tidy(record["tap"][1], 12), **common)]


def _winding(draft: Draft, phases: int, connection: str, bus: str, nodes: list[int]):
    """Legs of one winding, and whether its star point floats."""
    if connection == "delta":
        if phases == 1:
            if 0 in nodes[:2]:  # one end grounded: a phase to neutral after all
                raise Unsupported("its single-phase delta winding has a grounded end",
                                  "Write conn=wye.")
            return (draft.letter(bus, nodes[0]) + draft.letter(bus, nodes[1]),), False
        if phases != 3:
            raise Unsupported(f"it has a delta winding of {phases} phases")
        letters = [draft.letter(bus, node) for node in nodes[:3]]
        return tuple(letters), False  # turned into pairs by `_legs`
    neutral = nodes[-1]
    if phases == 1 and neutral in (1, 2, 3):
        raise Unsupported("its single-phase wye winding is between two phases",
                          "Write conn=delta.")
    if neutral != 0:
        draft.floating.add((bus, neutral))
    return tuple(draft.letter(bus, node) for node in nodes[:-1]), neutral != 0


def _legs(connections: list[str], legs) -> dict[str, Any]:
    """`phases`, or the explicit legs where they do not follow from it."""
    three = [len(group) == 3 for group in legs]
    if all(three):
        if legs[0] == legs[1] == ("a", "b", "c"):
            return {"phases": "abc"}
        raise Unsupported(f"its windings are at phases {''.join(legs[0])} and {''.join(legs[1])}",
                          "Number the nodes of both windings 1, 2, 3.")
    if connections == ["wye", "wye"] and legs[0] == legs[1]:
        return {"phases": "".join(legs[0])}
    if connections == ["delta", "delta"] and legs[0] == legs[1]:
        return {"phases": legs[0][0]}
    return {"phases": "".join(dict.fromkeys("".join((*legs[0], *legs[1])))),
            "from_legs": legs[0], "to_legs": legs[1]}


def _lead(record: dict[str, Any], connections: list[str]) -> bool:
    """Whether the to-side leads: OpenDSS states it for the low side."""
    leads = str(record["leadlag"]).lower().startswith(("lead", "eu"))
    return connections[0] != connections[1] and leads != (record["kv"][1] > record["kv"][0])


def _windings(first: str, second: str) -> Any:
    return f"{first}-{second}"


def _floating(first: bool, second: bool) -> Any:
    return {(True, True): "both", (True, False): "from", (False, True): "to"}.get(
        (first, second), "")


def _regulator(draft: Draft, record, full, first, second, connections, legs) -> Regulator | None:
    """A Regulator, if the transformer is one: wye, equal voltages, one winding tapped in steps."""
    taps, kv = record["tap"], record["kv"]
    moved = [k for k in (0, 1) if abs(taps[k] - 1.0) > ROUNDING]
    winding = moved[0] if moved else 1
    steps = (taps[winding] - 1.0) / STEP * (1 if winding else -1)
    nominal = kv[0] if record["phases"] == 1 else kv[0] / math.sqrt(3.0)
    plain = (
        connections == ["wye", "wye"] and legs[0] == legs[1] and kv[0] == kv[1] and len(moved) < 2
        and abs(steps - round(steps)) < PRINTED and not record["pctnoloadloss"]
        and not record["pctimag"] and abs(nominal / draft.kv_ln(first) - 1) < NOMINAL
        and not draft.floating & {(first, 4), (second, 4)})
    if not plain:
        return None
    phases = "".join(legs[0])
    scale = (nominal / draft.kv_ln(first)) ** 2
    return Regulator(
        name=draft.name(full), from_bus=first, to_bus=second, phases=phases,
        taps=dict.fromkeys(phases, round(steps)), kind="B" if winding else "A",
        kva=tidy(record["kva"][0] / len(phases)), r_percent=tidy(sum(record["pctrs"]) * scale),
        x_percent=tidy(record["xhl"] * scale))


def _center_tapped(draft, record, full, ends, connections, common) -> CenterTappedTransformer:
    (first, nodes), (second, one), (_, two) = ends
    if [one, two] != [[1, 0], [0, 2]]:
        raise Unsupported(
            f"its secondary windings are at nodes {one} and {two} of bus {second!r}",
            "A centre-tapped secondary is connected .1.0 and .0.2.")
    if record["kv"][1] != record["kv"][2] or record["tap"][1] != record["tap"][2]:
        raise Unsupported("its two legs have different voltages or taps")
    leg = (draft.letter(first, nodes[0]) if connections[0] == "wye"
           else draft.letter(first, nodes[0]) + draft.letter(first, nodes[1]))
    for node in (1, 2):
        draft.letter(second, node)
    return CenterTappedTransformer(
        name=draft.name(full), from_bus=first, to_bus=second, leg=leg,
        r_percent=tuple(record["pctrs"]),
        x_percent=(record["xhl"], record["xht"], record["xlt"]), from_kv=record["kv"][0],
        to_kv=record["kv"][1], from_tap=tidy(record["tap"][0], 12),
        tap=tidy(record["tap"][1], 12), **common)


def _star(draft, record, full, ends, connections, common) -> list[Transformer]:
    """Three windings as three transformers that meet at a star bus (an exact equivalent)."""
    if record["phases"] != 3 or common["no_load_percent"] or common["magnetizing_percent"]:
        raise Unsupported("it has three windings and is single-phase or has an exciting branch",
                          "Three-phase ones without %imag and %noloadloss are modeled.")
    for connection, (bus, nodes) in zip(connections, ends, strict=True):
        legs, floats = _winding(draft, 3, connection, bus, nodes)
        if legs != ("a", "b", "c") or floats:
            raise Unsupported("its windings are not at nodes 1, 2, 3, or float")
    x12, x13, x23 = record["xhl"], record["xht"], record["xlt"]
    reactances = [(x12 + x13 - x23) / 2, (x12 + x23 - x13) / 2, (x13 + x23 - x12) / 2]
    star = f"{draft.name(full)}_star"
    draft.bus_kv[star] = record["kv"][0]
    draft.phases[star] = set("abc")
    if any(r == 0 and x == 0 for r, x in zip(record["pctrs"], reactances, strict=True)):
        raise Unsupported("one of its windings has no impedance of its own")

    def winding(k: int, turned: bool) -> Transformer:
        high, connection, bus = k == 0, connections[k], ends[k][0]
        return Transformer(
            name=f"{draft.name(full)}_{k + 1}", from_bus=bus if high else star,
            to_bus=star if high else bus,
            connection=_windings(connection, "wye") if high else _windings("wye", connection),
            lead=connection == "delta" and turned != high,
            r_percent=record["pctrs"][k], x_percent=tidy(reactances[k]),
            from_kv=record["kv"][k] if high else record["kv"][0],
            to_kv=record["kv"][0] if high else record["kv"][k],
            from_tap=record["tap"][k] if high else 1.0, tap=1.0 if high else record["tap"][k],
            **common)

    theirs = primitive(activate(draft.engine, full))
    for turned in (False, True):  # which way all deltas turn: as the engine has it
        made = [winding(k, turned) for k in range(3)]
        if _star_error(draft, made, theirs) < 10 * PRINTED:
            return made
    raise Unsupported("its admittance is not that of three transformers at a star point",
                      "Its windings, core or neutral are not as modeled.")


def _star_error(draft: Draft, made: list[Transformer], theirs: np.ndarray) -> float:
    """Greatest relative difference of admittances, the star eliminated; nodes 1, 2, 3 of each."""
    whole = np.zeros((12, 12), dtype=complex)
    for k, t in enumerate(made):
        buses = {bus: Bus(name=bus, kv=draft.bus_kv[bus]) for bus in (t.from_bus, t.to_bus)}
        own, star = list(range(3 * k, 3 * k + 3)), [9, 10, 11]
        places = own + star if k == 0 else star + own
        whole[np.ix_(places, places)] += admittance(t, buses)
    ours = whole[:9, :9] - whole[:9, 9:] @ np.linalg.solve(whole[9:, 9:], whole[9:, :9])
    pick = np.array([4 * k + phase for k in range(3) for phase in range(3)])
    y = theirs[np.ix_(pick, pick)]
    size = np.sqrt(np.outer(np.abs(np.diag(y)), np.abs(np.diag(y))))
    return float((np.abs(ours - y) / size).max())


def _same_admittance(draft: Draft, full: str, made: list[Any]) -> None:
    """What was read must have the admittance that the engine has (floating points aside)."""
    if len(made) != 1 or (isinstance(made[0], Transformer) and made[0].floating):
        return
    branch = made[0]
    element = activate(draft.engine, full)
    ends = terminals(element)
    first, second = (
        Bus(name=bus, kv=draft.bus_kv[bus], phases="12" if bus in draft.split else "abc")
        for bus in (branch.from_bus, branch.to_bus))
    ours = admittance(branch, {first.name: first, second.name: second})
    y = primitive(element)
    wanted = [(0, p) for p in branch.from_phases] + [(1, p) for p in branch.to_phases]
    pick = np.zeros((len(wanted), len(y)))
    column = 0
    for terminal, (bus, nodes) in enumerate(ends):
        for node in nodes:
            if node:
                pick[wanted.index((min(terminal, 1), draft.letter(bus, node))), column] = 1.0
            column += 1
    theirs = pick @ y @ pick.T
    size = np.sqrt(np.outer(np.abs(np.diag(theirs)), np.abs(np.diag(theirs))))
    ppm = PRINTED * (1.0 + getattr(branch, "antifloat_ppm", 0.0))
    if not (np.abs(ours - theirs) <= 10 * ppm * size + 1e-300).all():
        worst = float((np.abs(ours - theirs) / size).max())
        raise Unsupported(f"its admittance differs from the engine's by {100 * worst:.3g} %",
                          "Its windings, core or neutral are not as modeled.")


def _fault(draft: Draft, full: str, what: str, cure: str) -> Unsupported:
    """A number that is wrong rather than unmodeled: an error also with on_unsupported="warn"."""
    draft.faults.append(Fault(draft.where(full), what, cure))
    return Unsupported(what, cure)

