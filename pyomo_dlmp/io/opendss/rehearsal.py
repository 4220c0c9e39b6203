"""Run a script in a separate process first: the engine may crash or hang on damaged input.

The child only imports the engine, prints which command it is at, and solves; the parent uses
nothing of it except whether it came to the end.
"""

from __future__ import annotations

import json
import subprocess
import sys

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.io.opendss.script import Command

_CHILD = """
import json, os, sys
from dss import DSS
engine = DSS.NewContext()
engine.AllowForms = engine.AllowEditor = engine.AllowChangeDir = engine.AllowDOScmd = False
for i, command in enumerate(json.load(sys.stdin)):
    os.write(1, b"%d\\n" % i)
    try:
        engine.Text.Command = command
    except Exception:
        pass
os.write(1, b"end\\n")
"""


def rehearse(commands: list[Command], timeout: float) -> None:
    """Run a script in a separate process, to find out whether the engine survives it.

    Parameters
    ----------
    commands : list of Command
        The script.
    timeout : float
        Longest duration (s).

    Raises
    ------
    OpenDssError
        If the engine crashes or does not come to an end; the message names the line.
    """
    texts = [command.text for command in commands]
    texts += ["solve", "set controlmode=off maxiterations=200 tolerance=1e-9", "solve"]
    try:
        child = subprocess.run([sys.executable, "-c", _CHILD], input=json.dumps(texts),
                               capture_output=True, text=True, timeout=timeout, check=False)
        if "No module named 'dss'" in child.stderr:
            return  # the caller reports a missing engine itself
        said, what = child.stdout, f"the OpenDSS engine crashes on it (code {child.returncode})"
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        what = f"the OpenDSS engine does not come to an end within {timeout:g} s"
    last = said.split()[-1] if said.split() else "0"
    if last == "end":
        return
    place = commands[min(int(last), len(commands) - 1)]
    raise OpenDssError.at(place.where, what, f"Check this line: {place.text[:100]!r}.")
