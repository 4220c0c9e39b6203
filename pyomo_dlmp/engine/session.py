"""`solve_script`: a foreign script is run and solved in a process of its own, and comes as data.

The engine may crash, hang, or be made to do what it should not: this process never holds one that
has seen a foreign file. What comes back are numbers and names.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyomo_dlmp.engine.command import Command
from pyomo_dlmp.engine.packing import unpack
from pyomo_dlmp.engine.script import Script
from pyomo_dlmp.engine.snapshot import Snapshot
from pyomo_dlmp.errors import Fault, OpenDssError

Progress = Callable[[int, int], None]
# The packages are named, not imported: their own __init__ would import Pyomo, and the child's start
# would take a second. Paths come from this process, since -I leaves the user's out.
_START = """
import sys, types
sys.path[:] = sys.argv[2:]
root = sys.argv[1]
for name in ("pyomo_dlmp", "pyomo_dlmp.engine"):
    package = types.ModuleType(name)
    package.__path__ = [root + name[len("pyomo_dlmp"):].replace(".", "/")]
    sys.modules[name] = package
from pyomo_dlmp.engine.child import main
main()
"""
LOOK = 0.1  # s between two looks at the clock


@dataclass
class Solved:
    """What became of a script.

    Attributes
    ----------
    snapshot : Snapshot
        The solved circuit.
    notes : list of Fault
        What was left out of the script and what the engine warned of, with file and line.
    """

    snapshot: Snapshot
    notes: list[Fault] = field(default_factory=list)


def solve_script(path: str | Path, timeout: float = 60.0,
                 allow_folders: Iterable[str | Path] = (), run_studies: bool = True,
                 progress: Progress | None = None) -> Solved:
    """Run a script in a process of its own and solve its circuit.

    Parameters
    ----------
    path : str or Path
        The master file.
    timeout : float
        Longest duration of the run (s).
    allow_folders : iterable of str or Path
        Folders besides the master's own that files may be read from.
    run_studies : bool
        Whether studies over time in the script are run.
    progress : callable, optional
        Called with the number of the command at work and of all commands.

    Returns
    -------
    Solved

    Raises
    ------
    OpenDssError
        If the script or the circuit has faults, the engine crashes or hangs on it (with file and
        line), or the power flow does not converge.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="pyomo-dlmp-", ignore_cleanup_errors=True) as folder:
        started: list[subprocess.Popen] = []

        def start() -> None:
            if not started:
                started.append(_started(folder, path))

        try:
            # a long one is read while the child starts
            script = Script(path, allow_folders, start, run_studies)
            if script.faults:
                raise OpenDssError(script.faults)
            start()
            header, body = _answer(started[0], script.commands, timeout, progress)
        finally:  # also at Ctrl-C
            for child in started:
                _end(child)
    if "faults" in header:
        raise OpenDssError(_placed(Fault(*fault), script.places) for fault in header["faults"])
    notes = [*script.notes, *(Fault(*fault) for fault in header.pop("notes"))]
    snapshot = unpack(header, body)
    snapshot.places = script.places
    return Solved(snapshot, notes)


def _placed(fault: Fault, places: dict[str, str]) -> Fault:
    place = places.get(fault.where.lower())
    return Fault(f"{fault.where} ({place})", fault.what, fault.cure) if place else fault


class _Ear(threading.Thread):
    """Listens to the child, so that the parent can look at the clock."""

    def __init__(self, child: subprocess.Popen, job: bytes):
        super().__init__(daemon=True)
        self.child, self.job = child, job
        self.at = 0
        self.reply: tuple[dict[str, Any], bytes] | None = None

    def run(self) -> None:
        assert self.child.stdin is not None and self.child.stdout is not None
        with contextlib.suppress(OSError, ValueError), self.child.stdin as pipe:
            pipe.write(self.job)
        with contextlib.suppress(OSError, ValueError):
            for line in self.child.stdout:
                word, *numbers = line.split()
                if word == b"at":
                    self.at = int(numbers[0])
                elif word == b"done":
                    header, body = (self.child.stdout.read(int(n)) for n in numbers)
                    if len(body) == int(numbers[1]):
                        self.reply = json.loads(header), body
                    return


def _started(folder: str, master: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", _START, str(Path(__file__).parents[1]), *_paths(master)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=folder, env=_environment(folder))


def _end(child: subprocess.Popen) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):  # what was not sent has nobody to go to
            assert pipe is not None
            pipe.close()


def _answer(child: subprocess.Popen, commands: list[Command], timeout: float,
            progress: Progress | None) -> tuple[dict[str, Any], bytes]:
    job = json.dumps({"commands": [[c.text, c.file, c.line, c.about] for c in commands],
                      "seconds": timeout}).encode()
    ear = _Ear(child, job)
    ear.start()
    late = _wait(ear, timeout, len(commands), progress)
    if late:
        child.kill()
    code = child.wait() if ear.reply is None else 0
    ear.join(1.0)
    if ear.reply is not None:
        return ear.reply
    what = (f"the OpenDSS engine does not come to an end within {timeout:g} s" if late else
            f"the OpenDSS engine crashes on it (code {code})")
    if ear.at >= len(commands):
        where, cure = commands[0].file if commands else "OpenDSS", "Check the circuit."
    else:
        where = commands[ear.at].where
        cure = f"Check this line: {commands[ear.at].text[:100]!r}."
    raise OpenDssError.at(where, what, cure)


def _wait(ear: _Ear, timeout: float, count: int, progress: Progress | None) -> bool:
    """Until the child has answered or ended; whether its time was up first."""
    end = time.monotonic() + timeout
    while ear.is_alive():
        left = end - time.monotonic()
        if left <= 0:
            return True
        ear.join(min(left, LOOK))
        if progress is not None:
            progress(min(ear.at, count), count)
    return False


def _paths(master: Path) -> list[str]:
    """Where this process finds modules; neither where it stands nor beside a foreign file."""
    never = {os.path.realpath(master.parent)}
    with contextlib.suppress(OSError):  # the folder may be gone
        never.add(os.path.realpath(os.getcwd()))
    return [entry for entry in sys.path
            if os.path.isabs(entry) and os.path.realpath(entry) not in never]


def _environment(folder: str) -> dict[str, str]:
    """The user's, without what steers the engine; and every home is the temporary folder."""
    kept = {key: value for key, value in os.environ.items()
            if not key.upper().startswith(("DSS", "OPENDSS", "PYTHON"))}
    homes = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP",
             "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    return {**kept, **dict.fromkeys(homes, folder)}
