"""`read_opendss`: an OpenDSS circuit, as the engine solves it, becomes a Network."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pyomo_dlmp.engine.session import solve_script
from pyomo_dlmp.engine.snapshot import EngineElement, Snapshot
from pyomo_dlmp.errors import Fault, NetworkError, OpenDssError
from pyomo_dlmp.network import Network
from pyomo_dlmp.opendss.names import original_elements
from pyomo_dlmp.opendss.reading import shapes, sources
from pyomo_dlmp.opendss.reading.buses import make_buses
from pyomo_dlmp.opendss.reading.circuit import Draft
from pyomo_dlmp.opendss.reading.codes import Codes
from pyomo_dlmp.opendss.reading.connectivity import LINEAR, explore
from pyomo_dlmp.opendss.reading.controls import hunting, read_controls
from pyomo_dlmp.opendss.reading.generators import read_as_power
from pyomo_dlmp.opendss.reading.lines import prepare
from pyomo_dlmp.opendss.reading.nominal import find_split_buses, find_voltages
from pyomo_dlmp.opendss.reading.originals import restore, restore_profiles
from pyomo_dlmp.opendss.reading.table import ROWS, Circuit
from pyomo_dlmp.opendss.reading.unfed import leave_out_unfed

MOST = 60  # lines of a warning


def read_opendss(path: str | Path, *, name: str | None = None, on_unsupported: str = "error",
                 timeout: float = 60.0, allow_folders: Iterable[str | Path] = (),
                 run_studies: bool = True, hour: int | None = None,
                 ratings: bool = False) -> Network:
    """The circuit of an OpenDSS file and all that it includes, taps and switches as solved.

    The script runs in the OpenDSS engine until its own last command; then the
    solved circuit is read: regulators have the taps, capacitors and switches the states that their
    controls chose. Names are lower case, as OpenDSS is not case-sensitive; where a transformer and
    a line share a name, the second read becomes ``transformer.name``. Every element is compared
    with the engine's own: admittances of branches and shunts, powers of devices at the solution.

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
        The script runs in a separate process, since the engine crashes or hangs on some damaged
        input: the longest duration of that (s). The 8500-node feeder takes three seconds.
    allow_folders : iterable of str or Path
        Folders besides the master's own, and all below it, that files may be read from.
    run_studies : bool
        Whether a study over time in the script (``solve mode=daily``) is run, so that taps,
        switches and inverters are in the states that it leaves, as in OpenDSS; False: the circuit
        is read up to there, and with what later lines say of it.
    hour : int, optional
        The loads and generators of that hour of their daily shapes, from 1 on, are the nominal
        ones: at the value with which the hour ends, as in the engine's daily mode. By default the
        shapes become profiles, of which a model takes the mean of each period.
    ratings : bool
        Whether ratings of lines and transformers are limits of the OPF (`Line.rated`,
        `Transformer.rated`): prices of a feeder that is overloaded then have the penalty for that.
        They are read in any case, and a connection study counts them.

    Returns
    -------
    Network
        Voltages in kV, lengths in km.

    Raises
    ------
    OpenDssError
        With file and line of everything that the engine refuses, and every element that cannot be
        represented; also if dss-python is missing or the power flow does not converge.
    NetworkError
        If what was read is no network.

    Warns
    -----
    UserWarning
        Once, with all that is left out since it does nothing (dead, open, disabled, off), and all
        that is read in another form than the file has it.
    """
    if on_unsupported not in ("error", "warn"):
        raise OpenDssError.at("read_opendss, on_unsupported", f"is {on_unsupported!r}",
                              "Use 'error' or 'warn'.")
    if hour is not None and (not isinstance(hour, int) or hour < 1):
        raise OpenDssError.at("read_opendss, hour", f"is {hour!r}",
                              "Give a whole number from 1 on.")
    path = Path(path)
    if not path.is_file():
        raise OpenDssError.at(str(path), "there is no such file", "Give the master .dss file.")
    solved = solve_script(path, timeout, allow_folders, run_studies)
    draft = read_snapshot(solved.snapshot, ratings)
    faults = [*draft.faults, *(draft.unsupported if on_unsupported == "error" else ())]
    if faults:
        raise OpenDssError(faults)
    profiles = shapes.attach(draft)
    if hour is not None:
        shapes.at_hour(draft, profiles, hour)
        profiles = []
    originals = original_elements(path.read_text(encoding="utf-8", errors="replace"))
    restore(draft, originals)
    profiles = restore_profiles(draft, profiles, originals)
    circuit = originals.get(f"circuit.{draft.snapshot.name}")
    _warn(path, draft, [*solved.notes, *hunting(draft, solved.notes)])
    try:
        return Network(name or (circuit.name if circuit else draft.snapshot.name), draft.elements,
                       source=f"OpenDSS file {path.name}", profiles=profiles,
                       frequency=draft.snapshot.frequency, controls=read_controls(draft))
    except NetworkError as error:
        raise NetworkError(_placed(fault, draft) for fault in error.faults) from None


def read_snapshot(snapshot: Snapshot, ratings: bool = False) -> Draft:
    """A solved circuit as elements of a network.

    Parameters
    ----------
    snapshot : Snapshot
        Of a circuit that has been solved.
    ratings : bool
        As of `read_opendss`.

    Returns
    -------
    Draft
        With elements, faults, and what cannot be represented.
    """
    draft = Draft(snapshot, ratings=ratings)
    for full in snapshot.disabled:
        draft.leave_out(full, "it is disabled")
    every = snapshot.of("vsource")
    find_split_buses(draft)  # there node 3 is a neutral
    main = explore(draft, every)
    if main is None:
        draft.faults.append(Fault("circuit", "it has no source", "Give it a Vsource."))
        return draft
    kv = sources.line_kv(main)
    if not sources.LEAST_KV < kv < sources.MOST_KV:
        draft.faults.append(Fault(draft.where(main.full), f"its basekv is {kv:g}",
                                  "Give the nominal voltage in kV."))
        return draft
    find_voltages(draft, (main.ends[0][0], kv))
    draft.claim_names()
    with draft.reading(main.full):
        sources.read_sources(draft, main, every)
    if not draft.elements:
        draft.faults += draft.unsupported
        draft.unsupported = []
        return draft
    _read(draft)
    make_buses(draft)
    return draft


def _read(draft: Draft) -> None:
    snapshot = draft.snapshot
    circuit = Circuit(Codes(), {
        str(record.get("transformer", "")).lower().removeprefix("transformer.")
        for record in snapshot.controls.get("regcontrol", ())})
    prepare(draft, circuit.codes)
    leave_out_unfed(draft)
    for full, element in snapshot.elements.items():
        if full in draft.sources or not draft.is_live(element):
            continue
        with draft.reading(element.full):
            made = _one(draft, element, circuit)
            draft.made[full] = [e.name for e in made]
            draft.elements.extend(made)


def _one(draft: Draft, element: EngineElement, circuit: Circuit) -> list[Any]:
    if element.kind not in LINEAR and not element.shut.all():
        element = replace(element, kva=np.where(element.shut, element.kva, 0.0))
    if element.kind in ROWS:
        return ROWS[element.kind].read(draft, element, circuit)
    return list(read_as_power(draft, element))


def _warn(path: Path, draft: Draft, notes: list[Fault]) -> None:
    groups = (("", [*notes]), ("read otherwise than the file has it", _grouped(draft.notes)),
              ("left out, since no source feeds it or it does nothing", _grouped(draft.left_out)),
              ("left out, since it cannot be represented", draft.unsupported))
    lines = []
    for title, faults in groups:
        if faults and title:
            lines.append(f"{title}:")
        lines += [f"  - {fault}" for fault in faults[:MOST]]
        if len(faults) > MOST:
            lines.append(f"  - and {len(faults) - MOST} more")
    if lines:
        warnings.warn(f"{path.name}: " + "\n".join(lines).lstrip(" -"), stacklevel=3)


def _grouped(faults: list[Fault]) -> list[Fault]:
    """One line for many of the same reason."""
    by_what: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        by_what.setdefault((fault.what, fault.cure), []).append(fault.where)
    return [Fault(", ".join(where[:20]) + (f" and {len(where) - 20} more" if len(where) > 20
                                           else ""), *what) for what, where in by_what.items()]


def _placed(fault: Fault, draft: Draft) -> Fault:
    """A network's fault with the file and line of its element, where known."""
    words = fault.where.split("'")
    if len(words) < 2:
        return fault
    for full, names in draft.made.items():
        if words[1] in names and (place := draft.snapshot.places.get(full)):
            return replace(fault, where=f"{fault.where} ({place})")
    return fault
