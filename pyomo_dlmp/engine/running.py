"""The OpenDSS engine (dss-python) behind a small interface: no editor, no shell, no forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from pyomo_dlmp.engine.command import Command
from pyomo_dlmp.errors import Fault, OpenDssError
from pyomo_dlmp.tolerances import POWER_FLOW

WARNINGS = {  # messages that the engine raises although it goes on, by their number
    266: "an element is defined twice",
    404: "a fuse has many phases",
    485: "controls do not settle",
}
ABSENT_BUS = 28722  # coordinates of a bus that the circuit does not have: OpenDSS passes over it
WATCHING = ("monitor.", "energymeter.", "sensor.")  # elements that the power flow does without
SOLVES = ("solve", "calcvoltagebases")
MOST_FAULTS = 100
ACTIONS = 100  # of controls: those that still act then do not come to rest
ITERATIONS = 200  # at least: the engine's own 15 are too few for 8500 nodes from a flat start


def new_engine() -> Any:
    """A new engine context.

    Returns
    -------
    object
        The engine.

    Raises
    ------
    OpenDssError
        If dss-python is not installed.
    """
    try:
        from dss import DSS
    except ImportError as error:
        raise OpenDssError.at(
            "OpenDSS", f"its engine is not installed ({error})",
            "Install it: pip install dss-python.") from None
    engine = DSS.NewContext()
    engine.AllowForms = engine.AllowEditor = engine.AllowChangeDir = False
    engine.AllowDOScmd = False
    return engine


def stored_energies(engine: Any) -> dict[str, str]:
    """Energy that each storage of a circuit holds.

    Parameters
    ----------
    engine : object
        Of `new_engine`.

    Returns
    -------
    dict of str to str
        [name]: kWh.
    """
    if not engine.NumCircuits:
        return {}
    circuit = engine.ActiveCircuit
    circuit.SetActiveClass("storage")
    found = {}
    for name in circuit.ActiveClass.AllNames:
        engine.Text.Command = f'? "storage.{name}.kwhstored"'
        found[name] = str(engine.Text.Result)
    return {name: kwh for name, kwh in found.items() if name.lower() != "none"}


def run(engine: Any, commands: Iterable[Command], at: Callable[[int], None] | None = None,
        energies: dict[str, str] | None = None) -> tuple[list[Fault], list[Fault]]:
    """Run commands.

    Parameters
    ----------
    engine : object
        Of `new_engine`.
    commands : iterable of Command
        In their order.
    at : callable, optional
        Told the number of the command that begins.
    energies : dict, optional
        Gets what storages hold before the first study over time: `stored_energies`.

    Returns
    -------
    (list of Fault, list of Fault)
        Errors, and what the engine warns of.
    """
    faults: list[Fault] = []
    notes: list[Fault] = []
    text = engine.Text
    for number, command in enumerate(commands):
        if at is not None:
            at(number)
        if faults and command.text in SOLVES:  # the engine may crash on what is broken
            continue
        if energies is not None and not energies and command.text.startswith("set mode="):
            energies.update(stored_energies(engine))
        try:
            text.Command = command.text
        except Exception as error:  # the engine's own class is not importable without it
            code, said = _message(error)
            if code == ABSENT_BUS and command.text.startswith("setbusxy"):
                continue
            what = f"OpenDSS reports: {said}"
            if command.about:
                what = f"{command.about}: {what}"
            if code in WARNINGS or "warning" in said[:20].lower():
                notes.append(Fault(command.where, what))
            elif command.about.startswith(WATCHING):
                notes.append(Fault(command.where, what, "The circuit is read all the same."))
            else:
                faults.append(Fault(command.where, what, "Correct the line."))
                if command.text in SOLVES or len(faults) >= MOST_FAULTS:
                    break
    return faults, notes


def _message(error: Exception) -> tuple[int, str]:
    """Number and text of an engine's error; of its many lines those that say something."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return code, " ".join(str(error).split())[:300].rstrip(". ")


def solved(commands: list[Command], at: Callable[[int], None] | None = None,
           ) -> tuple[Any, list[Fault], list[Fault]]:
    """Run a script in a new engine and solve its circuit to the last digits.

    Parameters
    ----------
    commands : list of Command
        The script.
    at : callable, optional
        Told the number of the command that begins; in the end, how many there are.

    Returns
    -------
    (object, list of Fault, list of Fault)
        The engine; errors, without which its circuit is solved; warnings.

    Raises
    ------
    OpenDssError
        If dss-python is not installed.
    """
    engine = new_engine()
    name = commands[0].file if commands else "the script"
    energies: dict[str, str] = {}
    faults, notes = run(engine, commands, at, energies)
    if not faults and engine.NumCircuits and _off_frequency(engine):
        # The default frequency outlives a circuit: a second run of the script begins with it.
        engine.Text.Command = "clear"
        energies.clear()
        faults, notes = run(engine, commands, at, energies)
        notes.append(Fault(
            name, "it sets the default frequency after its source is made, so that the source "
            "feeds nothing in a new session of OpenDSS; read as when it is run again",
            "Set the frequency before: new circuit."))
    if at is not None:
        at(len(commands))
    if odd := suspects(engine):  # then a solution only says the same in other words
        solves = {c.where for c in commands if c.text in SOLVES}
        faults = [*odd, *(fault for fault in faults if fault.where not in solves)]
    if not faults and not engine.NumCircuits:
        faults = [Fault(name, "it makes no circuit", "Begin with: new circuit.NAME ...")]
    if not faults:
        # if the script solves its circuit, controls are as it leaves them
        faults = _solve(engine, any(c.text == "solve" for c in commands), name, notes)
        for name, kwh in energies.items():  # a study has emptied them
            engine.Text.Command = f'edit "storage.{name}" kwhstored={kwh}'
    return engine, faults, notes


def _off_frequency(engine: Any) -> bool:
    """Whether a source has another frequency than the solution: the engine gives it 0 V."""
    circuit = engine.ActiveCircuit
    sources, frequency = circuit.Vsources, circuit.Solution.Frequency
    i = sources.First
    while i:
        if abs(sources.Frequency - frequency) > 1.0:
            return True
        i = sources.Next
    return False


def _solve(engine: Any, is_solved: bool, name: str, notes: list[Fault]) -> list[Fault]:
    solution = engine.ActiveCircuit.Solution
    own = float(solution.Tolerance)
    try:
        engine.Text.Command = "set mode=snapshot"
        if not (is_solved and solution.Converged):
            solution.MaxIterations = max(int(solution.MaxIterations), ITERATIONS)
            try:
                solution.Solve()
            except Exception as error:
                code, said = _message(error)
                if code not in WARNINGS:
                    raise
                notes.append(Fault(name, f"OpenDSS reports: {said}"))
        reached = refine(engine, own) if solution.Converged else None
    except Exception as error:  # the engine's own class
        return [Fault(name, f"OpenDSS cannot solve it: {_message(error)[1]}",
                      "Correct the circuit.")]
    if reached is None:
        return [Fault(name, "its AC power flow does not converge",
                      "Check loads, impedances and units.")]
    if reached > POWER_FLOW[-1]:
        notes.append(Fault(name, f"its AC power flow does not converge to {POWER_FLOW[-1]:g}; "
                           f"taken at the script's own tolerance {reached:g}"))
    return []


def act(engine: Any) -> bool:
    """Solve with controls acting, in static mode, from taps and switches as they are.

    Parameters
    ----------
    engine : object
        With a circuit.

    Returns
    -------
    bool
        Whether they came to rest; False also where there is no solution.
    """
    solution = engine.ActiveCircuit.Solution
    engine.Text.Command = (f"set controlmode=static maxiterations={ITERATIONS} "
                           f"maxcontroliter={ACTIONS} tolerance={POWER_FLOW[-1]:g}")
    try:
        solution.Solve()
    except Exception as error:  # the engine's own class
        if _message(error)[0] not in WARNINGS:
            raise
        return False
    return bool(solution.Converged and solution.ControlActionsDone)


def refine(engine: Any, own: float = POWER_FLOW[-1]) -> float | None:
    """Solve to the last digits, with taps and switches as they are.

    Floating sections do not reach 1e-9 (relative) in double precision: then 1e-8, 1e-7, and last
    the tolerance of the script.

    Parameters
    ----------
    engine : object
        With a circuit.
    own : float
        The script's tolerance (relative).

    Returns
    -------
    float or None
        The tolerance to which it converged; None if it did not.
    """
    solution = engine.ActiveCircuit.Solution
    for tolerance in (*POWER_FLOW, max(own, POWER_FLOW[-1])):
        engine.Text.Command = f"set controlmode=off maxiterations=200 tolerance={tolerance:g}"
        solution.Solve()
        if solution.Converged:
            return tolerance
    return None


def suspects(engine: Any) -> list[Fault]:
    """Elements that no engine could solve: lengths, voltages or ratings of 0 or less.

    Parameters
    ----------
    engine : object
        Of `new_engine`.

    Returns
    -------
    list of Fault
        Each at the full name of its element.
    """
    found: list[Fault] = []
    if not engine.NumCircuits:
        return found
    circuit = engine.ActiveCircuit

    def check(full: str, what: str, value: float, unit: str) -> None:
        if not 0.0 < value < math.inf:
            found.append(Fault(full, f"its {what} is {value:g} {unit}", f"Give a {what} above 0."))

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
