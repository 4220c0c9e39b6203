"""Settings of regulator and capacitor controls; other controls by name, since they stay as solved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.errors import Fault, NetworkError
from pyomo_dlmp.network import Capacitor, Line, Regulator, Transformer
from pyomo_dlmp.network.controls import (
    CapacitorControl,
    Control,
    FixedControl,
    RegulatorControl,
    control_faults,
)
from pyomo_dlmp.opendss.reading.circuit import Draft, Unsupported, tidy
from pyomo_dlmp.tolerances import ROUNDING

_ACT = ("regcontrol", "capcontrol", "swtcontrol", "invcontrol", "expcontrol", "storagecontroller",
        "gendispatcher", "espvlcontrol", "upfccontrol", "relay", "recloser", "fuse")
_REDUCED = ("avg", "max", "min")


def read_controls(draft: Draft) -> list[Control]:
    """Controls of a circuit, by the names of the network's elements.

    Parameters
    ----------
    draft : Draft
        With all elements, and their own names.

    Returns
    -------
    list of Control
        Those of elements that are left out are left out, too.
    """
    found: dict[str, Control] = {}
    for kind in _ACT:
        for record in _records(draft, kind):
            control = _one(draft, kind, record)
            if control is not None:
                found.setdefault(control.name, control)
    return list(found.values())


def hunting(draft: Draft, notes: Iterable[Fault]) -> list[Fault]:
    """What is taken where controls did not come to rest, and which of them act on one element.

    Parameters
    ----------
    draft : Draft
        With all elements, and their own names.
    notes : iterable of Fault
        Of the solution.

    Returns
    -------
    list of Fault
        Empty where the engine has not said so.
    """
    if not any("Control Iterations Exceeded" in note.what for note in notes):
        return []
    acting = [c for c in read_controls(draft) if not isinstance(c, FixedControl)]
    of: dict[str, list[str]] = {}
    for control in acting:
        of.setdefault(control.of, []).append(control.name)
    shared = [f"{' and '.join(names)} both act on {name}" for name, names in of.items()
              if len(names) > 1]
    states = [f"{e.name} {'closed' if e.closed else 'open'}" for e in draft.elements
              if isinstance(e, Capacitor) and e.name in of]
    states += [f"{e.name} at {', '.join(f'{k} {n:+d}' for k, n in e.taps.items())}"
               for e in draft.elements if isinstance(e, Regulator) and e.name in of]
    said = "; ".join(["do not come to rest", *shared]) + (
        f". The network has them as the last iteration left them: {', '.join(states)}")
    return [Fault(f"controls {', '.join(c.name for c in acting)}", said,
                  "Correct their settings, or set the states that you mean.")]


def _records(draft: Draft, kind: str) -> Iterable[dict[str, Any]]:
    for own, records in draft.snapshot.controls.items():
        if own.lower() == kind:
            yield from records


def _one(draft: Draft, kind: str, record: dict[str, Any]) -> Control | None:
    name = f"{kind}.{record['name']}".lower()
    made = {"regcontrol": _of_regulator, "capcontrol": _of_capacitor}.get(kind)
    if made is None:
        return FixedControl(name=name, why=f"no {kind} is modeled")
    try:
        control = made(draft, name, record)
        faults = [] if control is None else list(control_faults([control], draft.elements))
    except (Unsupported, NetworkError, KeyError, IndexError, TypeError, ValueError) as error:
        return FixedControl(name=name, why=getattr(error, "what", None) or f"{error}")
    return FixedControl(name=name, why=faults[0].what) if faults else control


def _own(draft: Draft, full: str, classes: Any) -> tuple[EngineElement, Any] | None:
    """An element of the circuit, and the one that it became; None if it is not fed or disabled."""
    element = draft.snapshot.elements.get(full)
    names = draft.made.get(full, [])
    if element is None or not names:
        return None
    known = [e for e in draft.elements if isinstance(e, classes) and e.name in names]
    if len(known) != 1:
        raise Unsupported(f"{full} is not one element of its kind in the network")
    return element, known[0]


def _of_regulator(draft: Draft, name: str, record: dict[str, Any]) -> RegulatorControl | None:
    own = _own(draft, f"transformer.{str(record['transformer']).lower()}",
               (Regulator, Transformer))
    if own is None:
        return None
    if record["inversetime"] or record["cogen"] or record["ldc_z"] or record["rev_z"]:
        raise Unsupported("it has inverse time, cogeneration mode or an impedance LDC_Z")
    element, made = own
    windings = [int(record["winding"]) - 1, int(record["tapwinding"]) - 1]
    sides = ["from" if element.ends[k][0] == made.from_bus else "to" for k in windings]
    tapped = element.record
    bus, _, node = str(record["bus"]).lower().partition(".")
    where, nodes = (bus, [int(x) for x in node.split(".") if x]) if bus else (
        element.ends[windings[0]])
    phase = str(record["ptphase"]).lower()
    if bus:
        phase = draft.letter(bus, nodes[0] if nodes else 1)
    elif phase not in ("min", "max"):
        phase = draft.letter(where, nodes[int(phase) - 1])
    remote = float(record["remoteptratio"])
    reverse = None
    if record["reversible"]:
        reverse = tuple(float(record[key]) for key in (
            "revvreg", "revband", "revr", "revx", "revthreshold", "revdelay"))
    return RegulatorControl(
        name=name, of=made.name, v_set=float(record["vreg"]), band=float(record["band"]),
        pt_ratio=float(record["ptratio"]), ct_a=float(record["ctprim"]), r_v=float(record["r"]),
        x_v=float(record["x"]), side=sides[0], tap_side=sides[1],  # type: ignore[arg-type]
        phase=phase, bus=bus,
        remote_pt_ratio=remote if bus and abs(remote - record["ptratio"]) > ROUNDING else None,
        delay_s=float(record["delay"]), tap_delay_s=float(record["tapdelay"]),
        most_taps=int(record["maxtapchange"]), tap_min=tidy(tapped["mintap"][windings[1]]),
        tap_max=tidy(tapped["maxtap"][windings[1]]), steps=int(tapped["numtaps"][windings[1]]),
        v_limit=float(record["vlimit"]), reverse=reverse,
        reverse_neutral=bool(record["revneutral"] and record["reversible"]))


def _of_capacitor(draft: Draft, name: str, record: dict[str, Any]) -> CapacitorControl | None:
    bank = f"capacitor.{str(record['capacitor']).lower()}"
    own = _own(draft, bank, Capacitor)
    if own is None:
        return None
    if int(own[0].record.get("numsteps", 1)) > 1:
        raise Unsupported("its capacitor has several steps")
    kind = next((k for k in ("current", "voltage", "kvar", "pf")
                 if k.startswith(str(record["type"]).lower())), None)
    if kind is None:
        raise Unsupported(f"it switches by {record['type']}")
    if record.get("vbus"):
        raise Unsupported("its voltage override is measured at another bus")
    full = str(record["element"]).lower()
    seen = _own(draft, full, (Line, Transformer))
    if seen is None:
        raise Unsupported(f"it measures at {full}, which nothing feeds")
    element, branch = seen
    bus, nodes = element.ends[int(record["terminal"]) - 1]
    phases = [_phase(draft, bus, nodes, str(record[key])) for key in ("ptphase", "ctphase")]
    override = bool(record["voltoverride"])
    return CapacitorControl(
        name=name, of=own[1].name, kind=kind,  # type: ignore[arg-type]
        branch=branch.name, bus=bus, on=float(record["onsetting"]),
        off=float(record["offsetting"]), pt_ratio=float(record["ptratio"]),
        ct_ratio=float(record["ctratio"]), v_phase=phases[0], i_phase=phases[1],
        v_min=float(record["vmin"]) if override else None,
        v_max=float(record["vmax"]) if override else None, delay_s=float(record["delay"]),
        delay_off_s=float(record["delayoff"]), dead_s=float(record["deadtime"]),
        least_kvar_percent=float(record["pctminkvar"]))


def _phase(draft: Draft, bus: str, nodes: tuple[int, ...], word: str) -> str:
    known: Iterator[str] = (k for k in _REDUCED if k.startswith(word.lower()))
    return next(known, "") if not word.isdigit() else draft.letter(bus, nodes[int(word) - 1])
