"""The OpenDSS engine (dss-python) behind a small interface: no editor, no shell, no forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from pyomo_dlmp.errors import Fault, OpenDssError
from pyomo_dlmp.io.opendss.script import Command


def new_engine() -> Any:
    """A new engine context.

    Returns
    -------
    object
        The engine.

    Raises
    ------
    OpenDssError
        If the extra ``opendss`` is not installed.
    """
    try:
        from dss import DSS
    except ImportError as error:
        raise OpenDssError.at(
            "OpenDSS", f"its engine is not installed ({error})",
            "Install the extra: pip install 'pyomo-dlmp[opendss]'.") from None
    engine = DSS.NewContext()
    engine.AllowForms = engine.AllowEditor = engine.AllowChangeDir = False
    engine.AllowDOScmd = False
    return engine


def run(engine: Any, commands: Iterable[Command], at: Callable[[int], None] | None = None,
        ) -> tuple[dict[str, str], list[Fault]]:
    """Run commands.

    Parameters
    ----------
    engine : object
        Of `new_engine`.
    commands : iterable of Command
        In their order.
    at : callable, optional
        Told the number of the command that begins.

    Returns
    -------
    (dict of str to str, list of Fault)
        File and line of each element made, by its full name (``"line.l1"``); and every fault.
    """
    places: dict[str, str] = {}
    faults: list[Fault] = []
    active = ""
    for number, command in enumerate(commands):
        if at is not None:
            at(number)
        words = command.text.split(None, 2)
        if words[0].lower() == "new" and len(words) > 1:
            active = words[1].lower().removeprefix("object=").strip("\"'")
            places.setdefault("vsource.source" if active.startswith("circuit.") else active,
                              command.where)
        try:
            engine.Text.Command = command.text
        except Exception as error:  # the engine's own class is not importable without it
            text = " ".join(str(error).split())
            what = f"OpenDSS reports: {text[:300].rstrip('. ')}"
            if active and words[0].lower() in ("new", "~", "more"):
                what = f"{active}: {what}"
            faults.append(Fault(command.where, what, "Correct the line."))
            if words[0].lower() in ("solve", "calcvoltagebases"):
                break
            if len(faults) >= 100:
                break
    return places, faults


def refine(engine: Any) -> bool:
    """Solve to the last digits, with taps and switches as they are.

    Floating sections do not reach 1e-9 (relative) in double precision: then 1e-8, 1e-7.

    Parameters
    ----------
    engine : object
        With a circuit.

    Returns
    -------
    bool
        Whether that converged.
    """
    solution = engine.ActiveCircuit.Solution
    for tolerance in ("1e-9", "1e-8", "1e-7"):
        engine.Text.Command = f"set controlmode=off maxiterations=200 tolerance={tolerance}"
        solution.Solve()
        if solution.Converged:
            return True
    return False


def suspects(engine: Any, places: dict[str, str]) -> list[Fault]:
    """Elements that no engine could solve: lengths, voltages or ratings of 0 or less.

    Parameters
    ----------
    engine : object
        Of `new_engine`.
    places : dict of str to str
        File and line of elements, as of `run`.

    Returns
    -------
    list of Fault
    """
    found: list[Fault] = []
    if not engine.NumCircuits:
        return found
    circuit = engine.ActiveCircuit

    def check(full: str, what: str, value: float, unit: str) -> None:
        if not 0.0 < value < math.inf:
            place = places.get(full.lower())
            found.append(Fault(f"{full} ({place})" if place else full,
                               f"its {what} is {value:g} {unit}", f"Give a {what} above 0."))

    i = circuit.Lines.First
    while i:
        check(f"Line.{circuit.Lines.Name}", "length", circuit.Lines.Length, "of its unit")
        i = circuit.Lines.Next
    transformers = circuit.Transformers
    i = transformers.First
    while i:
        for winding in range(1, transformers.NumWindings + 1):
            transformers.Wdg = winding
            full = f"Transformer.{transformers.Name}"
            check(full, "kV", transformers.kV, "kV")
            check(full, "kVA", transformers.kVA, "kVA")
        i = transformers.Next
    i = circuit.Loads.First
    while i:
        check(f"Load.{circuit.Loads.Name}", "kV", circuit.Loads.kV, "kV")
        i = circuit.Loads.Next
    return found

