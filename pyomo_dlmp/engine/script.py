"""OpenDSS scripts as a flat list of harmless commands, each with its file and line.

A script is a program: it may load libraries, run shell commands, open editors and write files. So
files are read and included here, every line is taken apart as the engine would, and only what
describes or solves a circuit is written anew for the engine: the resolved command, class and
properties, each value as one quoted token.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path

from pyomo_dlmp.engine import allowed, bus_commands, studies
from pyomo_dlmp.engine.allowed import CLASSES, lower
from pyomo_dlmp.engine.command import Command, LeftOut
from pyomo_dlmp.engine.files import FileFault, Folders, Outside, lines
from pyomo_dlmp.engine.properties import Properties, Refused
from pyomo_dlmp.engine.references import References
from pyomo_dlmp.engine.tokens import Line, Variables, quoted
from pyomo_dlmp.errors import Fault, nearest

MAX_DEPTH, MAX_COMMANDS = 20, 1_000_000
LONG = 500
MAX_FAULTS, MAX_NOTES = 1000, 1000  # then a file is no script
MOST = 10_000  # iterations
MISSPELLED = 0.7  # a word as near as that to a command was meant as one


class Script:
    """All commands of a file and the files that it includes.

    Parameters
    ----------
    path : Path
        The master file.
    allow_folders : iterable of str or Path
        Folders besides the master's own, and all below it, that files may be read from.
    is_long : callable, optional
        Called once there are `LONG` commands.
    run_studies : bool
        Whether studies over time are run.

    Attributes
    ----------
    commands : list of Command
        In their order.
    faults : list of Fault
        What is misspelled or not allowed, files that are missing.
    notes : list of Fault
        What was left out.
    places : dict of str to str
        File and line where an element was made, by its full name in lower case.
    """

    def __init__(self, path: Path, allow_folders: Iterable[str | Path] = (),
                 is_long: Callable[[], object] | None = None, run_studies: bool = True):
        self._is_long, self._full = is_long, False
        self.commands: list[Command] = []
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self.places: dict[str, str] = {}
        self._folders = Folders(path, allow_folders)
        self._variables = Variables()
        self._chain: list[Path] = []
        self._here = (path.name, 0)  # file and line
        self._folder = self._base = self._folders.home  # of this file; and as `compile` set it
        self._kind = self._about = ""  # class and full name of the active element
        self._study, self._mode_text = studies.Study(run_studies), ""
        self._cleared: tuple[int, dict[str, str], str] | None = None
        self._left_out, self._references = LeftOut(), References()
        self._properties = Properties(self._variables, self._file, self._note)
        self._include(path, path.resolve())
        self._unclear()
        self._unwatch()
        self.notes += self._left_out.notes()

    # files

    def _include(self, path: Path, real: Path) -> None:
        try:
            text = lines(real)
        except FileFault as error:
            self._fault(error.what, error.cure)
            return
        outer = self._here, self._folder
        self._chain.append(real)
        self._folder = path.parent.resolve() if len(self._chain) == 1 else real.parent
        inside = False  # a block comment, which begins in the first column
        for number, line in enumerate(text, 1):
            self._here = path.name, number
            if inside or line.startswith("/*"):
                inside = "*/" not in line
            elif line and not line.isspace() and not self._take(line):
                break
        self._chain.pop()
        self._here, self._folder = outer

    def _follow(self, line: Line, verb: str) -> None:
        name = line.pair()[1]
        if not name:
            return
        try:
            found = self._folders.find_script(name, (self._folder, self._base, self._folders.home))
        except FileFault as error:
            self._fault(error.what, error.cure)
            return
        if found in self._chain or len(self._chain) > MAX_DEPTH:
            self._fault(f"it includes {found.name!r}, which is being read",
                        "Files must not include each other.")
            return
        self._include(found, found)
        if verb == "compile":  # the engine stays in the folder of the compiled file
            self._base = found.parent

    def _file(self, name: str) -> Path:
        return self._folders.find(name, (self._folder, self._base, self._folders.home))

    def _coordinates(self, line: Line, verb: str) -> None:
        """Bus coordinates, one command for each bus."""
        try:
            rows = lines(self._file(line.pair()[1]))
        except Outside as error:  # the circuit is the same without
            self._note(f"{error.what}: buses are without coordinates", error.cure)
            return
        except FileFault as error:  # OpenDSS reads no line after it
            self._fault(error.what, f"{error.cure} Or make the line a comment: OpenDSS stops here.")
            return
        for text in bus_commands.from_rows(rows, verb == "latlongcoords"):
            self._run(text)

    # lines

    def _take(self, text: str) -> bool:
        """One line; whether to go on."""
        line = Line(text, self._variables)
        name, word = line.pair()
        if not word:
            return True
        verb = None if name else allowed.command(word)
        try:
            if name:
                self._assign(name, word, line)
            elif verb is None:
                self._unknown(word)
            else:
                self._do(verb, line)
        except Refused as error:
            self._fault(error.what, error.cure)
        for found, most, what in ((self.commands, MAX_COMMANDS, "commands"),
                                  (self.notes, MAX_NOTES, "lines that no circuit needs")):
            if len(found) > most and not self._full:
                self._fault(f"there are more than {most} {what}", "Is it a script of OpenDSS?")
                self._full = True
        self._full = self._full or len(self.faults) > MAX_FAULTS
        return not self._full

    def _do(self, verb: str, line: Line) -> None:
        if verb in allowed.INCLUDE:
            self._follow(line, verb)
        elif verb in allowed.COORDINATES:
            self._coordinates(line, verb)
        elif verb in allowed.ON_ELEMENTS:
            self._edit(verb, line)
        elif verb in ("set", "solve"):
            self._set(line)
            if verb == "solve" and self._study.runs(len(self.places)):
                self._run("solve")
            elif verb == "solve":
                self._leave("studies over time", f"solve in mode {self._mode_text}"[:60])
        elif verb == "var":
            self._var(line)
        elif verb in allowed.AS_THEY_ARE:
            if verb.startswith("clear"):
                self._clear()
            self._run(verb)
        elif verb in allowed.SWITCHES:
            self._switch(verb, line)
        elif verb in allowed.ON_BUSES:
            text = bus_commands.of_one(verb, line)
            if text is None:
                raise Refused(f"{verb} has values that cannot be read", "Correct it.")
            self._run(text)
        else:
            self._pass_over(verb)

    def _pass_over(self, verb: str) -> None:
        """Commands that are left out, with a note; and those that are refused."""
        if verb in allowed.REFUSED:
            raise Refused(f"the command {verb!r} is not allowed",
                          "A feeder file may only describe and solve a circuit: remove it.")
        if verb in allowed.REPORTS:
            self._leave("reports", verb)
        elif verb in allowed.OVER_TIME:
            self._leave("studies over time", verb)
        elif verb != "//":
            self._note(f"the command {verb!r} is left out", "The circuit is read without it.")

    def _clear(self) -> None:
        if self.places:
            self._cleared = len(self.commands), self.places, self._where
        self.places, self._kind, self._about = {}, "", ""

    def _unclear(self) -> None:
        """What is cleared last, with nothing after it, is the circuit to be read."""
        if self._cleared and "vsource.source" not in self.places:
            count, self.places, where = self._cleared
            del self.commands[count:]
            self.notes.append(Fault(where, "it clears the circuit: read as it was before"))

    def _unwatch(self) -> None:
        """Controls and meters of what does not exist: faults; meters are left out."""
        faults, notes, watches = self._references.missing()
        self.faults, self.notes = self.faults + faults, self.notes + notes
        self.commands = [c for c in self.commands if c.about not in watches]

    def _unknown(self, word: str) -> None:
        if difflib.get_close_matches(lower(word), allowed.CIRCUIT, n=1, cutoff=MISSPELLED):
            raise Refused(f"the command {word!r} is not known", nearest(word, allowed.CIRCUIT))
        self._note(f"the command {word[:60]!r} is not known and left out",
                   "Correct its spelling, or make it a comment with '!'.")

    def _var(self, line: Line) -> None:
        name, value = line.pair()
        while name:
            if not name.startswith("@"):
                raise Refused(f"{name!r} is no name of a variable", "It begins with '@'.")
            self._variables[lower(name)] = value
            name, value = line.pair()

    # elements

    def _object(self, line: Line) -> tuple[str, str]:
        """Class and name of the element that a command is about; "" where it gives none."""
        key, full = line.pair()
        key = lower(key)
        if key and not ("object".startswith(key) or key.startswith("object")):
            raise Refused(f"{key}={full} stands where the element does", "Write class.name first.")
        kind, dot, name = full.partition(".")
        kind, name = (lower(kind), name) if dot else ("", full)
        name = self._variables.substituted(name)
        if kind and kind not in CLASSES and kind != "circuit":
            raise Refused(f"{full}: OpenDSS has no class {kind!r}", nearest(kind, CLASSES))
        return kind, name

    def _edit(self, verb: str, line: Line) -> None:
        if verb in ("~", "more", "m"):
            if not self._kind:
                raise Refused("no element is active", "Begin with: new class.name ..."
                              if self.places else "Create a circuit first: new circuit.NAME ...")
            self._apply("~", self._kind, self._about, line.pairs())
            return
        kind, name = self._object(line)
        if verb == "select":
            kind = kind or self._kind
            if not name or not kind or kind == "circuit":
                return
        elif not kind or not name:
            raise Refused(f"{verb} names no element", "Write class.name.")
        elif kind == "circuit" and verb != "new":
            return
        full = quoted(f"{kind}.{name}")
        if full is None:
            raise Refused(f"the name {name!r} has all kinds of quotes", "Rename it.")
        about = f"{kind}.{lower(name)}"
        self._kind, self._about = kind, about
        if verb == "new":
            if kind == "circuit":
                if "vsource.source" in self.places:
                    raise Refused(f"a second circuit {name!r} is made, after that of "
                                  f"{self.places['vsource.source']}",
                                  "Remove one, or put 'clear' before the second.")
                self._kind, self._about = "vsource", "vsource.source"
            self.places.setdefault(self._about, self._where)
            self._properties.new(self._about)
        if verb == "select":
            self._run(f"select {full}", about)
        else:
            self._apply(f"{verb} {full}", self._kind, "" if verb == "batchedit" else self._about,
                        line.pairs(), int(kind == "circuit"), always=verb != "batchedit")

    def _apply(self, head: str, kind: str, about: str, pairs: Iterable[tuple[str, str]],
               first: int = 0, always: bool = False) -> None:
        """A command with properties, written anew; faults of some do not hide the others."""
        words, faults = self._properties.read(kind, about, pairs, first)
        for error in faults:
            self._fault(f"{about or kind}: {error.what}", error.cure)
        self._references.note(kind, about, words, self._where, self.places)
        if words or always:
            self._run(" ".join([head, *words]), about)

    def _assign(self, name: str, value: str, line: Line) -> None:
        """``class.name.property=value``, ``name.property=value`` or ``property=value``.

        The engine would put the value between other quotes: so the element is selected, and then
        edited.
        """
        parts = name.split(".", 2)
        kind = lower(parts[0]) if len(parts) == 3 else self._kind
        if kind not in CLASSES:
            if len(parts) == 1 and not kind:
                self._unknown(name)
                return
            raise Refused(f"{name}: OpenDSS has no class {kind!r}", nearest(kind, CLASSES))
        about = self._about
        if len(parts) > 1:
            about = f"{kind}.{lower(parts[-2])}"
            full = quoted(f"{kind}.{parts[-2]}")
            if full is None:
                raise Refused(f"the name {name!r} has all kinds of quotes", "Rename it.")
            self._run(f"select {full}", about)
            self._kind, self._about = kind, about
        self._apply("~", kind, about, [(parts[-1], value), *line.pairs()])

    def _switch(self, verb: str, line: Line) -> None:
        """Open, close, enable, disable."""
        kind, name = self._object(line)
        if kind == "circuit":
            return
        if not kind or not name:
            raise Refused(f"{verb} names no element", "Write class.name.")
        self._kind, self._about = kind, f"{kind}.{lower(name)}"
        words = [quoted(f"{kind}.{name}")]
        if verb in ("open", "close"):
            words += [quoted(value) for _, value in line.pairs()][:2]
        if None in words:
            raise Refused(f"{verb} has values that cannot be read", "Correct it.")
        self._run(" ".join([verb, *map(str, words)]), self._about)

    # options and solutions

    def _set(self, line: Line) -> None:
        """Only options that matter to a power flow; the rest concern time, screens and files."""
        kept = []
        for key, value in line.pairs():
            option = allowed.option(key) if key else None
            value = self._variables.inside(value)
            text = quoted(value)
            if option == "mode":
                kept += self._mode(value)
            elif option in ("type", "class", "element", "object"):
                self._activate(option, value)
            elif option in allowed.PASSED_OPTIONS and text is not None:
                if option in allowed.COUNTS and value.strip().isdigit():
                    text = str(min(int(value.strip()[:18]), MOST))
                kept.append(f"{option}={text}")
            elif option in studies.OPTIONS and text is not None:
                self._study.take(option, value)
                kept.append(f"{option}={text}")
            elif option is None:
                self._note(f"the option {(key or value)[:60]!r} is not known and left out", "")
            else:
                self._leave("reports", f"set {option}")
        if kept:
            self._run("set " + " ".join(kept))

    def _activate(self, option: str, value: str) -> None:
        kind, dot, name = value.partition(".")
        if option in ("type", "class"):
            kind, name = value, ""
        elif not dot:
            kind, name = self._kind, value
        if lower(kind) not in CLASSES:
            raise Refused(f"OpenDSS has no class {kind!r}", nearest(kind, CLASSES))
        self._kind = lower(kind)
        if name and (full := quoted(f"{self._kind}.{name}")) is not None:
            self._about = f"{self._kind}.{lower(name)}"
            self._run(f"select {full}", self._about)

    def _mode(self, value: str) -> list[str]:
        mode = self._study.enter(value)
        self._mode_text = value
        if mode is None:
            self._note(f"it sets the mode {value[:60]!r}: it is left out, the snapshot is read", "")
            return []
        if mode != studies.SNAPSHOT:
            self._note(f"it sets the mode {mode!r}: the snapshot is read, with taps and switches "
                       "as that study leaves them", "")
        return [f"mode={mode}"]

    @property
    def _where(self) -> str:
        return "{}, line {}".format(*self._here)

    def _run(self, text: str, about: str = "") -> None:
        self.commands.append(Command(text, *self._here, about))
        if len(self.commands) == LONG and self._is_long is not None:
            self._is_long()

    def _fault(self, what: str, cure: str) -> None:
        where = self._where if self._here[1] else self._here[0]
        self.faults.append(Fault(where, what, cure))

    def _note(self, what: str, cure: str) -> None:
        self.notes.append(Fault(self._where, what, cure))

    def _leave(self, group: str, what: str) -> None:
        self._left_out.add(group, what, self._where)
