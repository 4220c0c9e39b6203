"""Sources, loads, capacitors, generators, PV systems and storages of a solved engine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyomo_dlmp.io.opendss.circuit import (
    NODE,
    Draft,
    Unsupported,
    activate,
    primitive,
    terminals,
    tidy,
)
from pyomo_dlmp.network import Capacitor, Generator, Load, Storage, Substation
from pyomo_dlmp.network.device import pair_name
from pyomo_dlmp.tolerances import PRINTED, RANK, ROUNDING

SQRT3 = math.sqrt(3.0)


def read_source(draft: Draft, record: dict[str, Any]) -> Substation:
    """The source, with its own impedance.

    Parameters
    ----------
    draft : Draft
        With the voltages of its buses.
    record : dict
        Of `records`.

    Returns
    -------
    Substation

    Raises
    ------
    Unsupported
        If it does not have one or three grounded phases of a symmetric impedance.
    """
    ends = terminals(activate(draft.engine, f"Vsource.{record['name']}"))
    bus, nodes = ends[0]
    if len(ends) > 1 and any(ends[1][1]):
        raise Unsupported("its second terminal is not grounded")
    if len(nodes) not in (1, 3) or nodes != sorted(nodes):
        raise Unsupported(f"it has {len(nodes)} phases at nodes {nodes}",
                          "A source of one or three phases is modeled.")
    for node in nodes:
        draft.letter(bus, node)
    n = len(nodes)
    line = record["basekv"] * (1.0 if n == 3 else SQRT3)
    y = primitive(activate(draft.engine, f"Vsource.{record['name']}"))[:n, :n]
    z = np.linalg.inv(y)
    if np.abs(z - z.T).max() > PRINTED * np.abs(z).max():
        raise Unsupported("its negative-sequence impedance differs from the positive one")
    return Substation(
        name=record["name"].lower(), bus=bus,
        v_pu=(tidy(record["pu"] * line / draft.bus_kv[bus], 12),) * n,
        r=_matrix(z.real, z), x=_matrix(z.imag, z), angle=record["angle"])


def _matrix(values: np.ndarray, whole: np.ndarray):
    least = np.abs(whole).max() * 0.1 * ROUNDING
    return tuple(tuple(tidy(v, 9) if abs(v) > least else 0.0 for v in row)
                 for row in ((values + values.T) / 2).tolist())


def device_legs(draft: Draft, full: str, phases: int,
                connection: str) -> tuple[str, tuple[str, ...], Any, float]:
    """Legs of a device of one terminal.

    A single-phase wye whose neutral is at another phase is a leg between the two.

    Parameters
    ----------
    draft : Draft
        With the voltages of its buses.
    full : str
        OpenDSS name of the device.
    phases : int
        Number of its phases.
    connection : str
        As OpenDSS has it.

    Returns
    -------
    (str, tuple of str, str, float)
        Bus, legs, "wye" or "delta", and voltage of a leg over the rated kV (1).

    Raises
    ------
    Unsupported
        If its neutral is not grounded, or its legs are not of one kind.
    """
    bus, nodes = terminals(activate(draft.engine, full))[0]
    delta = connection.lower().startswith(("d", "ll"))
    if delta:
        pairs = [(nodes[k], nodes[(k + 1) % len(nodes)]) for k in range(phases)]
    else:
        neutral = nodes[phases] if len(nodes) > phases else 0
        if neutral and phases > 1:
            raise Unsupported(f"its neutral is at node {neutral} of bus {bus!r}",
                              "Ground its neutral (node 0).")
        pairs = [(node, neutral) for node in nodes[:phases]]
    if any(a == b for a, b in pairs):
        raise Unsupported(f"both ends of a leg are at node {pairs[0][0]} of bus {bus!r}")
    legs = tuple(draft.leg(bus, a, b) for a, b in pairs)
    kinds = {len(leg) for leg in legs}
    if len(kinds) > 1 or len(set(legs)) < len(legs):
        raise Unsupported(f"its legs are {', '.join(legs)}", "Split it into devices of one kind.")
    scale = 1.0 if delta or phases == 1 else 1.0 / SQRT3
    return bus, legs, "delta" if kinds == {2} else "wye", scale


def leg_kv(draft: Draft, bus: str, legs: tuple[str, ...], kv: float) -> float | None:
    """Rated voltage of a leg.

    Parameters
    ----------
    draft : Draft
        With the voltages of its buses.
    bus : str
        Name of the bus.
    legs : tuple of str
        Phases, or pairs of phases.
    kv : float
        Rated voltage of a leg (kV).

    Returns
    -------
    float or None
        In kV; None if it is the bus's nominal.
    """
    nominal = draft.bus_kv[bus] if len(legs[0]) == 2 else draft.kv_ln(bus)
    return None if abs(kv / nominal - 1.0) < ROUNDING else tidy(kv, 12)


def read_loads(draft: Draft, records: list[dict[str, Any]], shapes: set[str]) -> None:
    """All loads, each of its models mapped or refused.

    Parameters
    ----------
    draft : Draft
        Its elements are filled.
    records : list of dict
        Of `circuit.records`.
    shapes : set of str
        Names of load shapes.
    """
    for record in records:
        full = f"Load.{record['name']}"
        with draft.reading(full):
            draft.elements.append(_load(draft, record, full, shapes))


def _load(draft: Draft, record: dict[str, Any], full: str, shapes: set[str]) -> Load:
    bus, legs, connection, scale = device_legs(draft, full, record["phases"], record["conn"])
    model, coefficients = _model(record)
    n = len(legs)
    kw, kvar = (tidy(record[key] * draft.loadmult / n, 12) for key in ("kw", "kvar"))
    if record.get("rneut", -1) > 0 or record.get("xneut", 0) > 0:
        raise Unsupported("it has a neutral impedance", "Ground its neutral (node 0).")
    if int(record["model"]) in (6, 7):
        _within_range(draft, record, full, bus, legs)
    profile = (record.get("daily") or record.get("yearly") or "").lower()
    return Load(
        name=draft.name(full), bus=bus, legs=legs, kw=(kw,) * n, kvar=(kvar,) * n,
        connection=connection, model=model, coefficients=coefficients,
        kv=leg_kv(draft, bus, legs, record["kv"] * scale), v_low=record["vminpu"],
        v_high=record["vmaxpu"], profile=profile if profile in shapes else None)


def _within_range(draft: Draft, record: dict[str, Any], full: str, bus: str, legs) -> None:
    """Models 6 and 7 are models 1 and 3 as long as their voltage stays in vminpu .. vmaxpu."""
    element = activate(draft.engine, full)
    flat = np.asarray(element.Voltages, dtype=float).view(complex)
    v = dict(zip(terminals(element)[0][1], flat.tolist(), strict=False))
    rated = record["kv"] * 1e3 / (SQRT3 if record["phases"] > 1 and len(legs[0]) == 1 else 1.0)
    for leg in legs:
        ends = [v[NODE[k]] for k in leg]
        pu = abs(ends[0] - (ends[1] if len(ends) > 1 else 0.0)) / rated
        if not record["vminpu"] < pu < record["vmaxpu"]:
            raise Unsupported(
                f"its model {record['model']} is used at {pu:.3f} pu, outside vminpu .. vmaxpu",
                "Widen vminpu and vmaxpu, or use model 1 or 3.")


def _model(record: dict[str, Any]) -> tuple[Any, tuple[float, ...]]:
    """Our model and coefficients of OpenDSS's load models 1 to 8."""
    number = int(record["model"])
    if number in (1, 6):
        return "power", ()
    if number == 2:
        return "impedance", ()
    if number in (3, 7):
        return "exponential", (0.0, 2.0)
    if number == 4:
        if record.get("cvrcurve"):
            raise Unsupported("its model 4 follows a CVR curve", "Give constant CVRwatts, CVRvars.")
        return "exponential", (float(record["cvrwatts"]), float(record["cvrvars"]))
    if number == 5:
        return "current", ()
    if number == 8:
        shares = tuple(float(v) for v in record["zipv"][:6])
        if len(record["zipv"]) > 6 and record["zipv"][6] > record["vlowpu"]:
            raise Unsupported("its ZIP model has a cut-off voltage", "Set the seventh ZIPV to 0.")
        return "zip", shares
    raise Unsupported(f"its load model is {number}", "Models 1 to 8 are known.")


def read_capacitors(draft: Draft, records: list[dict[str, Any]]) -> None:
    """Shunt capacitors, in the states that their controls left.

    Parameters
    ----------
    draft : Draft
        Its elements are filled.
    records : list of dict
        Of `circuit.records`.
    """
    for record in records:
        full = f"Capacitor.{record['name']}"
        with draft.reading(full):
            ends = terminals(activate(draft.engine, full))
            if len(ends) > 1 and any(ends[1][1]):
                raise Unsupported("it is a series capacitor", "Model it within its line.")
            if any(record["r"]) or any(record["xl"]) or any(record["harm"]):
                raise Unsupported("it has a series impedance", "Set R, XL and harm to 0.")
            bus, legs, connection, scale = device_legs(
                draft, full, record["phases"], record["conn"])
            steps = list(zip(record["kvar"], record["states"], strict=False))
            on = sum(kvar for kvar, state in steps if state)
            total = on or sum(record["kvar"])
            draft.elements.append(Capacitor(
                name=draft.name(full), bus=bus, legs=legs, closed=on > 0,
                kvar=(tidy(total / len(legs), 12),) * len(legs), connection=connection,
                kv=leg_kv(draft, bus, legs, record["kv"] * scale)))


def read_shunt_reactors(draft: Draft, records: list[dict[str, Any]]) -> None:
    """Lossless shunt reactors, as capacitors of negative kvar.

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
        if len(ends) == 2 and any(ends[1][1]) and ends[0][0] != ends[1][0]:
            continue
        with draft.reading(full):
            bus, nodes = ends[0]
            nodes = [node for node in nodes if node]
            y = primitive(element)[:len(nodes), :len(nodes)]
            diagonal = np.diag(y)
            if np.abs(y - np.diag(diagonal)).max() > RANK * np.abs(y).max():
                raise Unsupported("it is a shunt reactor in delta")
            if np.abs(diagonal.real).max() > RANK * np.abs(diagonal).max():
                raise Unsupported("it is a shunt reactor with losses", "Set R to 0.")
            legs = tuple(draft.letter(bus, node) for node in nodes)
            kvar = diagonal.imag * draft.kv_ln(bus) ** 2 * 1e3
            draft.elements.append(Capacitor(name=draft.name(full), bus=bus, legs=legs,
                                            kvar=tuple(tidy(q, 12) for q in kvar.tolist())))


def read_generators(draft: Draft, records: dict[str, list[dict[str, Any]]]) -> None:
    """Generators (constant P and Q), PV systems and storages, with their present power.

    Parameters
    ----------
    draft : Draft
        Its elements are filled.
    records : dict of str to list of dict
        By class, of `circuit.records`.
    """
    for kind, make in (("generator", _generator), ("pvsystem", _pv), ("storage", _storage)):
        for record in records[kind]:
            full = f"{kind.capitalize()}.{record['name']}"
            with draft.reading(full):
                draft.elements.append(make(draft, record, full))


def _place(draft: Draft, record: dict[str, Any], full: str) -> dict[str, Any]:
    """Name, bus, phases and connection of a balanced device, and what it makes (kW, kvar)."""
    bus, legs, connection, _ = device_legs(draft, full, record["phases"], record["conn"])
    phases = "".join(dict.fromkeys("".join(legs)))
    if connection == "delta" and len(legs) == 1:
        phases = pair_name(phases)
    elif len(phases) == 3:
        phases = "abc"
    powers = activate(draft.engine, full).Powers
    made_kw, made_kvar = -math.fsum(powers[0::2]), -math.fsum(powers[1::2])
    return {"name": draft.name(full), "bus": bus, "phases": phases, "connection": connection,
            "kw": tidy(made_kw, 12), "kvar": tidy(made_kvar, 12)}


def _generator(draft: Draft, record: dict[str, Any], full: str) -> Generator:
    if int(record["model"]) not in (1, 7):
        raise Unsupported(f"its generator model is {record['model']}",
                          "Model 1 (constant P and Q) is known.")
    place = _place(draft, record, full)
    return Generator(**place, kw_max=max(place["kw"], 0.0), kw_min=0.0, cost=0.0,
                     kvar_min=min(record["minkvar"], place["kvar"], 0.0),
                     kvar_max=max(record["maxkvar"], place["kvar"], 0.0))


def _pv(draft: Draft, record: dict[str, Any], full: str) -> Generator:
    if int(record["model"]) != 1:
        raise Unsupported(f"its PV model is {record['model']}", "Model 1 is known.")
    place = _place(draft, record, full)
    most = float(record["kvarmax"])
    return Generator(**place, kw_max=max(place["kw"], 0.0), cost=0.0, kva=record["kva"],
                     kvar_min=min(-most, place["kvar"]), kvar_max=max(most, place["kvar"]))


def _storage(draft: Draft, record: dict[str, Any], full: str) -> Storage:
    if int(record["model"]) != 1:
        raise Unsupported(f"its storage model is {record['model']}", "Model 1 is known.")
    rated = float(record["kwhrated"])
    low = rated * float(record["pctreserve"]) / 100.0
    return Storage(
        **_place(draft, record, full), kw_max=record["kwrated"], kwh_max=rated, kwh_min=low,
        kwh_start=min(max(float(record["kwhstored"]), low), rated),
        efficiency_charge=record["pcteffcharge"] / 100.0,
        efficiency_discharge=record["pcteffdischarge"] / 100.0,
        kvar_max=float(record["kvarmax"]), kva=record["kva"])
