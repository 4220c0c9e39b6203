"""The process in which a foreign script runs: the engine, its solution, and the way back as data.

It is started by `session` with an empty temporary folder as its working folder. It imports nothing
of Pyomo, and what it sends are lines of progress, then JSON and plain arrays.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any, BinaryIO

from pyomo_dlmp.engine.command import Command
from pyomo_dlmp.engine.packing import pack
from pyomo_dlmp.engine.running import solved
from pyomo_dlmp.errors import OpenDssError

MOST_BYTES = 16 << 30  # of address space: numbers in a file may ask for more than any machine has


def main() -> None:
    """Read a job from standard input, and answer on standard output."""
    with contextlib.suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    answer = _own_output()
    with contextlib.suppress(ImportError):  # told later
        import dss  # noqa: F401 (while the parent reads the script)
    job = json.load(sys.stdin.buffer)
    _confine(job["seconds"])
    try:
        reply = solve([Command(*entry) for entry in job["commands"]], answer)
    except OpenDssError as error:
        reply = {"faults": [[f.where, f.what, f.cure] for f in error.faults]}, b""
    header, body = json.dumps(reply[0]).encode(), reply[1]
    answer.write(b"done %d %d\n" % (len(header), len(body)))
    answer.write(header)
    answer.write(body)
    answer.flush()
    os._exit(0)  # the engine has nothing to put away


def _own_output() -> BinaryIO:
    """Standard output for us alone: what the engine prints goes nowhere."""
    answer = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    return answer


def _confine(seconds: float) -> None:
    """Where the system can: no file gets longer than it is, no core, an end to computing."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0),
                       (resource.RLIMIT_AS, MOST_BYTES),
                       (resource.RLIMIT_CPU, int(min(4 * seconds, 1e8)) + 5)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def solve(commands: list[Command], answer: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Run a script, solve its circuit to the last digits, and pack what came out.

    Parameters
    ----------
    commands : list of Command
        Of a script, checked.
    answer : file
        Where progress is reported: the number of the command that begins.

    Returns
    -------
    (dict, bytes)
        ``"faults"`` or a snapshot with ``"notes"``, and its arrays.

    Raises
    ------
    OpenDssError
        If the engine is missing.
    """
    def at(i: int) -> None:
        answer.write(b"at %d\n" % i)
        answer.flush()

    engine, faults, notes = solved(commands, at)
    if faults:
        return {"faults": [[f.where, f.what, f.cure] for f in faults]}, b""
    header, body = pack(engine)
    header["notes"] = [[f.where, f.what, f.cure] for f in notes]
    return header, body
