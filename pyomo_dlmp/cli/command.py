"""The command ``pyomo-dlmp``. Exit codes: 0 solved, 1 an error, 2 wrong usage, 3 not to the gap
(time limit, or no solution), 130 interrupted."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from rich.console import Console

from pyomo_dlmp.cli import (
    buses,
    compare,
    connect,
    explain,
    feeders,
    init,
    show,
    solvers,
    study,
    validate,
)
from pyomo_dlmp.errors import DlmpError

# one file for each: add(commands) states its arguments, run(args, console) returns the exit code
COMMANDS: dict[str, Any] = {
    "init": init, "study": study, "show": show, "explain": explain, "compare": compare,
    "connect": connect,
    "feeders": feeders, "buses": buses, "validate": validate, "solvers": solvers}

# Thousands of systems of twenty rows: threads that wait for each other cost more than they save.
# Read when numpy is loaded, which no import above does.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; by default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="pyomo-dlmp", description="Distribution prices against datacenters, on real feeders.")
    parser.add_argument("--version", action="version",
                        version=f"pyomo-dlmp {version('pyomo_dlmp')}")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(commands)
    args = parser.parse_args(argv)
    console = Console(file=sys.stdout)  # the one of now: to run a solver may replace sys.stdout
    if not console.is_terminal:
        console.width = 110  # a log file has no width of its own
    try:
        with _plain_warnings(console):
            return COMMANDS[args.command].run(args, console)
    except DlmpError as err:
        console.print(f"pyomo-dlmp: {err} [{err.code}]", style="red", markup=False, highlight=False)
        _print_notes(err, console)
        return 1
    except OSError as err:  # a folder that cannot be written, a full disk
        console.print(f"pyomo-dlmp: {err}", style="red", markup=False, highlight=False)
        _print_notes(err, console)
        return 1
    except KeyboardInterrupt as err:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more must not break the line
        try:
            said = " ".join(map(str, err.args))
            console.print(f"\npyomo-dlmp: interrupted. {said}".rstrip(), markup=False,
                          highlight=False)
        finally:
            signal.signal(signal.SIGINT, before)
        return 130


@contextmanager
def _plain_warnings(console: Console) -> Iterator[None]:
    """Warnings as sentences, each once, without the place in Python from which they come."""
    said: set[str] = set()

    def show(message, category, filename, lineno, file=None, line=None):
        text = re.sub(r"^(?P<file>[^:\n]+): (?=(?P=file)\b)", "", str(message))  # file: file, line
        if text not in said:
            said.add(text)
            console.print(f"warning: {text}", style="yellow", markup=False, highlight=False)

    before, warnings.showwarning = warnings.showwarning, show
    try:
        yield
    finally:
        warnings.showwarning = before


def _print_notes(err: Exception, console: Console) -> None:
    for note in getattr(err, "__notes__", []):
        console.print(f"pyomo-dlmp: {note}", markup=False, highlight=False)
