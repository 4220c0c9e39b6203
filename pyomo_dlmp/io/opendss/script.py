"""OpenDSS scripts as a flat list of harmless commands, each with its file and line.

A script is a program: it may run shell commands, open editors and write files. So files are read
and included here, and only commands that describe or solve a circuit ever reach the engine;
those that report (show, export, plot ...) are left out, those that act on the machine refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pyomo_dlmp.errors import Fault

RUN = frozenset([
    "new", "edit", "more", "select", "clear", "clearall", "set", "solve", "calcvoltagebases",
    "setkvbase", "buscoords", "latlongcoords", "open", "close", "enable", "disable", "batchedit",
    "makebuslist", "rebuildybus", "allocateloads", "var", "interpolate",
])
INCLUDE = frozenset(("redirect", "compile"))
SKIP = frozenset([
    "show", "export", "plot", "visualize", "summary", "help", "?", "about", "get", "dump", "save",
    "sample", "formedit", "reset", "init", "closedi", "addbusmarker", "clearbusmarkers", "quit",
    "exit", "panel", "di_plot", "cleanup", "obfuscate", "seqmode", "comparecases", "yearlycurves",
    "voltage_profile", "meter", "totals", "capacity", "estimate", "relcalc", "distribute",
    "ddeltaresults", "wait", "remove", "nodelist", "classes", "userclasses", "cktlosses",
    "currents", "losses", "phaselosses", "powers", "seqcurrents", "seqpowers", "seqvoltages",
    "totalpowers", "variable", "valvarnames", "varnames", "varvalues", "voltages", "yprim", "y",
    "zsc", "zscrefresh", "zsc012", "zsc10", "alignfile", "tearcircuit", "updatestorage",
    "updatestorage_f", "guids", "cvrtloadshapes", "varget", "ysc", "uuids", "puvoltages",
])
REFUSE = frozenset([
    "doscmd", "dos", "fileedit", "system", "shell", "cd", "userdll", "connect", "disconnect",
    "newactor", "solveall", "clone", "abort", "refine_buslevels", "rotate", "bustree",
])
SET_KEYS = frozenset([
    "voltagebases", "voltagebase", "tolerance", "maxiterations", "maxiter", "maxcontroliter",
    "controlmode", "algorithm", "loadmult", "defaultbasefrequency", "defaultbasefreq",
    "frequency", "freq", "earthmodel", "loadmodel", "normvminpu", "normvmaxpu", "emergvminpu",
    "emergvmaxpu", "miniterations", "trapezoidal", "mode", "number", "hour", "sec", "time",
    "stepsize", "cktmodel", "genmult", "allocationfactors", "basefrequency",
])
SNAPSHOT = frozenset([
    "snapshot", "snap", "s",
])
_FILES = re.compile(
    r"(?i)\b((?:csv|pqcsv|sng|dbl|mmap|)file)\s*=\s*(\"[^\"]*\"|'[^']*'|\([^)]*\)|[^\s,)\]]+)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
MAX_DEPTH, MAX_COMMANDS = 20, 500_000
MOST = 10_000  # iterations


@dataclass(frozen=True)
class Command:
    """One command for the engine, and its place.

    Attributes
    ----------
    text : str
        The command.
    file : str
        Name of the file.
    line : int
        Number of the line, from 1.
    """

    text: str
    file: str
    line: int

    @property
    def where(self) -> str:
        """Its place in messages."""
        return f"{self.file}, line {self.line}"


class Script:
    """All commands of a file and the files that it includes.

    Parameters
    ----------
    path : Path
        The master file.

    Attributes
    ----------
    commands : list of Command
        In their order.
    faults : list of Fault
        Commands that are unknown or not allowed, files that are missing.
    """

    def __init__(self, path: Path):
        self.commands: list[Command] = []
        self.faults: list[Fault] = []
        self.root = path.parent
        self._include(path, [path.resolve()])

    def _include(self, path: Path, chain: list[Path]) -> None:
        try:
            text = path.read_bytes().decode("utf-8-sig", errors="replace")
        except OSError as error:
            self.faults.append(Fault(str(path), f"it cannot be read: {error}", "Check the path."))
            return
        inside = False  # a block comment
        for number, raw in enumerate(text.splitlines(), 1):
            if inside or raw.lstrip().startswith("/*"):
                inside = "*/" not in raw
                continue
            line = _CONTROL.sub(" ", _uncommented(raw)).strip()
            if line:
                self._take(Command(line, path.name, number), path.parent, chain)
            if len(self.commands) > MAX_COMMANDS:
                self.faults.append(Fault(f"{path.name}, line {number}",
                                         f"there are more than {MAX_COMMANDS} commands",
                                         "Split the circuit."))
                return

    def _take(self, command: Command, folder: Path, chain: list[Path]) -> None:
        """Sort one line into run, include, skip or refuse."""
        word, rest = _first_word(command.text)
        if word.startswith("~"):
            self._run(command, "~ " + command.text[1:], folder)
            return
        verb = _verb(word)
        if "." in word or "=" in word:  # Transformer.reg1.tap=1.05, or a property of the active one
            self._run(command, command.text, folder)
        elif verb in INCLUDE:
            self._follow(command, rest, folder, chain)
        elif verb == "set":
            self._set(command, rest)
        elif verb in ("buscoords", "latlongcoords"):
            name = _unquoted(rest.split("=", 1)[-1])
            found = self._find(command, name, folder)
            if found:
                self.commands.append(Command(f'{verb} "{found}"', command.file, command.line))
        elif verb == "solve":
            mode = re.search(r"(?i)\bmode\s*=\s*(\w+)", rest)
            if mode and mode.group(1).lower() not in SNAPSHOT:
                self._fault(command, f"it solves in mode {mode.group(1)!r}",
                            "Only the snapshot is read: remove the mode.")
            else:
                self.commands.append(Command("solve", command.file, command.line))
        elif verb in RUN:
            self._run(command, command.text, folder)
        elif verb in REFUSE:
            self._fault(command, f"the command {word!r} is not allowed",
                        "A feeder file may only describe and solve a circuit: remove it.")
        elif verb not in SKIP:
            self._fault(command, f"the command {word!r} is not known",
                        "Correct its spelling, or make it a comment with '!'.")

    def _follow(self, command: Command, rest: str, folder: Path, chain: list[Path]) -> None:
        found = self._find(command, _unquoted(rest), folder)
        if found is None:
            return
        if found.resolve() in chain or len(chain) > MAX_DEPTH:
            self._fault(command, f"it includes {found.name!r}, which is being read",
                        "Files must not include each other.")
            return
        self._include(found, [*chain, found.resolve()])

    def _set(self, command: Command, rest: str) -> None:
        """Only options that matter to a power flow; the rest concern screens and files."""
        kept = []
        for key, value in _assignments(rest):
            if key == "mode" and _unquoted(value).lower() not in SNAPSHOT:
                self._fault(command, f"it sets the mode {value!r}",
                            "Only the snapshot is read: remove the option.")
            elif key in SET_KEYS:
                count = _unquoted(value) if key.startswith("max") else ""
                kept.append(f"{key}={min(int(count), MOST)}" if count.isdigit() and len(count) < 19
                            else f"{key}={value}")
        if kept:
            self.commands.append(Command("set " + " ".join(kept), command.file, command.line))

    def _run(self, command: Command, text: str, folder: Path) -> None:
        """Pass a command on, with the names of data files made absolute."""
        missing = False

        def absolute(match: re.Match) -> str:
            nonlocal missing
            found = self._find(command, _unquoted(match.group(2)), folder)
            missing = missing or found is None
            return f'{match.group(1)}="{found}"'

        text = _FILES.sub(absolute, text)
        if not missing:
            self.commands.append(Command(text, command.file, command.line))

    def _find(self, command: Command, name: str, folder: Path) -> Path | None:
        """A file by a name as Windows would find it: any case, either slash."""
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        for start in dict.fromkeys((folder, self.root)):
            found = _descend(start, parts) if parts and len(name) < 500 else None
            if found is not None and found.is_file():
                return found
        self._fault(command, f"the file {name!r} is missing in {str(folder)!r}",
                    "Give its path relative to this file.")
        return None

    def _fault(self, command: Command, what: str, cure: str) -> None:
        self.faults.append(Fault(command.where, what, cure))


def _descend(start: Path, parts: list[str]) -> Path | None:
    here: Path | None = start
    for part in parts:
        if here is None or not here.is_dir():
            return None
        if part == "..":
            here = here.parent
            continue
        exact = here / part
        try:
            here = exact if exact.exists() else next(
                (p for p in here.iterdir() if p.name.lower() == part.lower()), None)
        except (OSError, ValueError):
            return None
    return here


def _uncommented(line: str) -> str:
    """The line without its comment: from ``!`` or ``//`` on, outside quotes."""
    quote = ""
    for i, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter if letter in line[i + 1:] else ""
        elif letter == "!" or line.startswith("//", i):
            return line[:i]
    return line


def _first_word(line: str) -> tuple[str, str]:
    word = re.split(r"[\s,]", line, maxsplit=1)
    return word[0].lower(), word[1].strip() if len(word) > 1 else ""


def _verb(word: str) -> str:
    """The command that a word abbreviates, else the word."""
    every = sorted(RUN | INCLUDE | SKIP | REFUSE)
    if word in every:
        return word
    if word == "m":
        return "more"
    begun = [verb for verb in every if len(word) >= 3 and verb.startswith(word)]
    return begun[0] if len(begun) == 1 else word


def _assignments(text: str) -> list[tuple[str, str]]:
    pattern = r"(\w+)\s*=\s*(\"[^\"]*\"|'[^']*'|\([^)]*\)|\[[^\]]*\]|\{[^}]*\}|[^\s,]+)"
    return [(key.lower(), value) for key, value in re.findall(pattern, text)]


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and (text[0], text[-1]) in (
            ('"', '"'), ("'", "'"), ("(", ")"), ("[", "]"), ("{", "}")):
        text = text[1:-1]
    return text.strip()
