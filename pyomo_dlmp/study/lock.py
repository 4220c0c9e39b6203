"""One study at a time in a results folder, across processes.

The lock is a file beside the folder, ``<folder>.lock``, which names its process. It appears with
its text at once (a link to a finished file), and a lock whose process has ended is taken over.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil

from pyomo_dlmp.errors import DlmpError, StudyFileError

_SAME_START = 2.0  # seconds: the start of a process as told twice, its clock set in between
_TRIES = 8  # others that may take over a lock in the same moment


@contextmanager
def locked(folder: Path, calm: Callable[[], AbstractContextManager] = nullcontext,
           ) -> Iterator[Path]:
    """Hold the lock of a results folder.

    Parameters
    ----------
    folder : Path
        It need not exist; its parents are made.
    calm : callable
        Gives a context in which Ctrl-C waits, for the release.

    Returns
    -------
    context manager
        Gives the lock's path; the file is gone afterwards.

    Raises
    ------
    StudyFileError
        When another study holds it; names the process.
    OSError
        When the folder beside which the lock lies cannot be written.
    """
    path = folder.with_name(f"{folder.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"pid": os.getpid(), "started": psutil.Process().create_time(),
                       "host": socket.gethostname()})
    _acquire(path, text, folder)
    try:
        yield path
    finally:
        with calm():
            if _text(path) == text:  # else somebody has removed it by hand
                path.unlink()


def _acquire(path: Path, text: str, folder: Path) -> None:
    _sweep(path)
    mine = path.with_name(f"{path.name}.{os.getpid()}")
    mine.write_text(text, encoding="utf-8")
    try:
        for _ in range(_TRIES):
            if _placed(mine, path, text):
                return
            _remove_stale(path, folder)
    finally:
        mine.unlink()
    raise _refusal(path, folder, "another process")


def _sweep(path: Path) -> None:
    """Delete what processes have left that were killed while they took the lock."""
    for file in path.parent.iterdir():
        pid = file.name.removeprefix(f"{path.name}.").removesuffix(".stale")
        if file.name != pid and pid.isdecimal() and not psutil.pid_exists(int(pid)):
            file.unlink(missing_ok=True)


def _placed(mine: Path, path: Path, text: str) -> bool:
    """Whether the lock is ours now; False: somebody's lies there."""
    try:
        os.link(mine, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return False
    return True


def _remove_stale(path: Path, folder: Path) -> None:
    """Remove the lock of a process that has ended; refuse where it runs."""
    text = _text(path)
    if text is None:
        return  # released meanwhile
    holder = _holder(text)
    if holder:
        raise _refusal(path, folder, holder)
    aside = path.with_name(f"{path.name}.{os.getpid()}.stale")
    try:
        path.rename(aside)  # of two that see it, one moves it
    except FileNotFoundError:
        return
    if _text(aside) != text:  # another process took it over between the two lines above
        with contextlib.suppress(OSError):
            os.link(aside, path)
        aside.unlink()
        return
    aside.unlink()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _holder(text: str) -> str:
    """The running process that a lock names, in words; empty where it has ended."""
    if not text:
        return "a process that begins just now"  # see `_placed`, where there are no links
    try:
        data: Any = json.loads(text)
        pid, started, host = int(data["pid"]), float(data["started"]), str(data["host"])
    except (ValueError, TypeError, KeyError):
        return ""  # no lock of ours
    if host != socket.gethostname():
        return f"process {pid} on {host}"
    try:
        process = psutil.Process(pid)
        runs = (abs(process.create_time() - started) < _SAME_START
                and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        runs = False
    except psutil.AccessDenied:
        runs = True
    return f"process {pid}" if runs else ""


def _refusal(path: Path, folder: Path, holder: str) -> DlmpError:
    return StudyFileError.at(
        str(folder), f"another study writes into it ({holder})",
        f"Wait for it or end it, or name another folder (--results). If it does not run any more, "
        f"delete {path}.")
