"""`read_opendss`: an OpenDSS circuit, as the engine solves it, becomes a Network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import Fault, NetworkError, OpenDssError
from pyomo_dlmp.io.opendss import branches, devices, session
from pyomo_dlmp.io.opendss.circuit import (
    CONTROLS,
    Draft,
    bus_of,
    find_split_buses,
    find_voltages,
    plain_names,
    records,
)
from pyomo_dlmp.io.opendss.engine import solved
from pyomo_dlmp.io.opendss.script import Script
from pyomo_dlmp.network import Bus, Network, Profile

LEAST_KV, MOST_KV = 0.02, 2000.0  # line to line: beyond them a number is not in kV
READ = frozenset([
    "line", "transformer", "load", "capacitor", "reactor", "generator", "pvsystem", "storage",
    "vsource",
])


def read_opendss(path: str | Path, *, name: str | None = None, on_unsupported: str = "error",
                 timeout: float = 60.0, allow_folders: Iterable[str | Path] = ()) -> Network:
    """The circuit of an OpenDSS file and all that it includes, taps and switches as solved.

    The script runs in the OpenDSS engine (extra ``opendss``) until its own last command; then the
    solved circuit is read: regulators have the taps, capacitors and switches the states that their
    controls chose. Names are lower case, as OpenDSS is not case-sensitive; where a transformer and
    a line share a name, the second read becomes ``transformer.name``. Three-winding transformers
    become three that meet at a star bus.

    A script can neither load a library, nor run a shell command, nor open an editor, nor write a
    file: only commands that describe or solve a circuit reach the engine.

    Parameters
    ----------
    path : str or Path
        The master file.
    name : str, optional
        Of the network; by default that of the circuit.
    on_unsupported : "error" or "warn"
        "warn" leaves out what cannot be represented, with a warning that lists it; "error" refuses
        all of it at once.
    timeout : float
        The script first runs in a separate process, since the engine crashes or hangs on some
        damaged input: the longest duration of that (s). The 8500-node feeder takes one second.
    allow_folders : iterable of str or Path
        Folders besides the master's own, and all below it, that files may be read from.

    Returns
    -------
    Network
        Voltages in kV, lengths in km.

    Raises
    ------
    OpenDssError
        With file and line of everything that the engine refuses, and every element that cannot be
        represented; also if the extra ``opendss`` is missing or the power flow does not converge.
    NetworkError
        If the circuit is not a radial feeder.
    """
    if on_unsupported not in ("error", "warn"):
        raise OpenDssError.at("read_opendss, on_unsupported", f"is {on_unsupported!r}",
                              "Use 'error' or 'warn'.")
    path = Path(path)
    if not path.is_file():
        raise OpenDssError.at(str(path), "there is no such file", "Give the master .dss file.")
    engine, places = solve_script(path, timeout, allow_folders)
    draft = Draft(engine, places)
    _read(draft)
    faults = [*draft.faults, *(draft.unsupported if on_unsupported == "error" else ())]
    if faults:
        raise OpenDssError(faults)
    if draft.unsupported:
        listed = "\n  - ".join(map(str, draft.unsupported))
        warnings.warn(f"{path.name}: left out:\n  - {listed}", stacklevel=2)
    circuit = engine.ActiveCircuit
    try:
        return Network(name or circuit.Name.lower(), draft.elements,
                       source=f"OpenDSS file {path.name}", profiles=_profiles(draft),
                       frequency=float(circuit.Solution.Frequency))
    except NetworkError as error:
        raise NetworkError(_placed(fault, places) for fault in error.faults) from None


def solve_script(path: Path, timeout: float = 60.0, allow_folders: Iterable[str | Path] = (),
                 ) -> tuple[Any, dict[str, str]]:
    """Run a script and solve its circuit.

    Parameters
    ----------
    path : Path
        The master file.
    timeout : float
        Longest duration of the run in a separate process (s).
    allow_folders : iterable of str or Path
        Folders besides the master's own that files may be read from.

    Returns
    -------
    (object, dict of str to str)
        The engine; file and line of each element made.

    Raises
    ------
    OpenDssError
        If the script or the circuit has faults, or the power flow does not converge.
    """
    done = session.solve_script(path, timeout, allow_folders)
    engine, faults, _ = solved(Script(path, allow_folders).commands)
    if faults:
        raise OpenDssError(faults)
    return engine, done.snapshot.places


def _read(draft: Draft) -> None:
    engine = draft.engine
    draft.loadmult = float(engine.ActiveCircuit.Solution.LoadMult)
    kinds = _classes(draft)
    got = {kind: records(engine, kind) if kind in kinds else [] for kind in READ - {"line"}}
    sources = got["vsource"]
    if len(sources) != 1:
        names = ", ".join(record["name"] for record in sources)
        draft.faults.append(Fault("circuit", f"it has {len(sources)} sources: {names}",
                                  "Keep exactly one Vsource."))
        return
    source = sources[0]
    kv = source["basekv"] * (1.0 if source["phases"] > 1 else math.sqrt(3.0))
    if not LEAST_KV < kv < MOST_KV:
        draft.faults.append(Fault(draft.where(f"Vsource.{source['name']}"), f"its basekv is {kv:g}",
                                  "Give the nominal voltage in kV."))
        return
    find_split_buses(draft, got["transformer"])
    find_voltages(draft, got["transformer"], (bus_of(source["bus1"]), kv))
    plain_names(draft)
    with draft.reading(f"Vsource.{source['name']}"):
        draft.elements.append(devices.read_source(draft, source))
    branches.read_lines(draft)
    regulated = {r["transformer"].lower() for r in records(engine, "regcontrol")} if (
        "regcontrol" in kinds) else set()
    branches.read_transformers(draft, got["transformer"], regulated)
    branches.read_reactors(draft, got["reactor"])
    devices.read_loads(draft, got["load"], _shape_names(draft))
    devices.read_capacitors(draft, got["capacitor"])
    devices.read_shunt_reactors(draft, got["reactor"])
    devices.read_generators(draft, got)
    _read_buses(draft)


def _classes(draft: Draft) -> set[str]:
    """Classes of the circuit's elements; those that we do not know are refused."""
    kinds = set()
    for full in draft.engine.ActiveCircuit.AllElementNames:
        kind = full.split(".", 1)[0].lower()
        kinds.add(kind)
        if kind not in READ and kind not in CONTROLS:
            draft.engine.ActiveCircuit.SetActiveElement(full)
            if draft.engine.ActiveCircuit.ActiveCktElement.Enabled:
                draft.refuse(full, f"elements of class {kind} are not modeled",
                             "Remove it, or replace it by what is modeled.")
    return kinds


def _read_buses(draft: Draft) -> None:
    """Buses with the phases that elements use; unused nodes are named."""
    circuit = draft.engine.ActiveCircuit
    buses = []
    for i in range(circuit.NumBuses):
        bus = circuit.Buses(i)
        name = bus.Name.lower()
        place = {"x": bus.x, "y": bus.y} if bus.Coorddefined else {}
        if name in draft.phases:
            buses.append(Bus(name=name, kv=draft.bus_kv[name],
                             phases="".join(sorted(draft.phases[name])), **place))
    made = {bus.name for bus in buses}
    buses += [Bus(name=name, kv=draft.bus_kv[name], phases="".join(sorted(phases)))
              for name, phases in draft.phases.items() if name not in made]
    draft.elements[:0] = buses


def _shape_names(draft: Draft) -> set[str]:
    return {name.lower() for name in draft.engine.ActiveCircuit.LoadShapes.AllNames} - {
        "default", "none"}


def _profiles(draft: Draft) -> list[Profile]:
    """The daily shapes that loads use; shapes in kW, or of uneven steps, are refused."""
    used = {load.profile for load in draft.elements if isinstance(load, devices.Load)} - {None}
    shapes = draft.engine.ActiveCircuit.LoadShapes
    found, faults = [], []
    for name in shapes.AllNames:
        if name.lower() not in used:
            continue
        shapes.Name = name
        minutes = float(shapes.MinInterval)
        if shapes.UseActual or minutes <= 0:
            faults.append(Fault(f"Loadshape.{name}", "it is in kW, or of uneven steps",
                                "Give multipliers at a fixed interval."))
            continue
        found.append(Profile(name=name.lower(), values=tuple(map(float, shapes.Pmult)),
                             minutes=minutes))
    if faults:
        raise OpenDssError(faults)
    return found


def _placed(fault: Fault, places: dict[str, str]) -> Fault:
    """A network's fault with the file and line of its element, where known."""
    words = fault.where.split("'")
    if len(words) < 2:
        return fault
    kinds = {"svg": "", "bus": ""}.get(words[0].strip(), "line transformer load capacitor reactor")
    for kind in kinds.split():
        if place := places.get(f"{kind}.{words[1]}"):
            return Fault(f"{fault.where} ({place})", fault.what, fault.cure)
    return fault
