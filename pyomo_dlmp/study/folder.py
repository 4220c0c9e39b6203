"""The folder that a study writes into, so that results are never lost to an accident.

The first results of a folder are written into it. Where it holds some already, new ones are written
beside it, into ``<folder>.unfinished``, and change places with them when they are whole. A folder
without a journal is whole (`study.journal`); what a killed process has left is continued
(``resume``), replaced (``overwrite``), or named. Nothing is ever deleted but files of ours.

    <folder>               results, or the first ones, unfinished
    <folder>.unfinished    new results, until they are whole; then for a moment the old ones
    <folder>.replaced      the old ones, for a moment, where two folders cannot change places
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pyomo_dlmp.errors import DlmpError, StudyFileError, listed
from pyomo_dlmp.results import schema
from pyomo_dlmp.study.journal import MARK, PART, Journal, KeptRun, read_journal

OWN = {f"{table.name}.csv" for table in (*schema.OF_A_RUN, schema.ROUNDS, *schema.OF_THE_STUDY)}
OWN |= {"report.html", MARK}
"""What a study writes; anything else in a folder is somebody's."""


@dataclass
class Place:
    """Where a study writes, and where its results are to be.

    Attributes
    ----------
    folder : Path
        Where they are to be.
    path : Path
        Where they are written; `folder` itself unless it holds older ones.
    journal : Journal
        What is whole.
    made : bool
        Whether `path` was not there before.
    """

    folder: Path
    path: Path
    journal: Journal
    made: bool = False

    def keep(self, name: str, run: KeptRun) -> None:
        """Record that a run is whole with all its tables.

        Parameters
        ----------
        name : str
            Of the run.
        run : KeptRun
        """
        self.journal.runs[name] = run
        self.journal.sizes = {path.name: path.stat().st_size for path in _by_run(self.path)}
        self.journal.write(self.path)

    def finish(self) -> None:
        """All is written: put it into its place."""
        self.journal.complete = True
        self.journal.write(self.path)
        _put_in_place(self.folder)
        self.path = self.folder

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Leave no folder behind in which nothing is written.

        Returns
        -------
        context manager
        """
        try:
            yield
        finally:
            if self.path.is_dir() and not _holds(self.path):
                for file in self.path.iterdir():
                    file.unlink()
                if self.made:
                    self.path.rmdir()


def open_place(folder: Path, key: dict[str, str], *, overwrite: bool = False,
               resume: bool = False) -> Place:
    """Where a study may write, with what is kept of an earlier run of it.

    Parameters
    ----------
    folder : Path
        For the results; resolved, and locked by the caller.
    key : dict of str to str
        What the results depend on.
    overwrite : bool
        Whether results that are there are to be replaced.
    resume : bool
        Whether whole runs that are there are kept and the others solved.

    Returns
    -------
    Place

    Raises
    ------
    StudyFileError
        For a file, something that no study has written, results that are not to go, or an
        unfinished study that is not to be continued or cannot be.
    """
    if overwrite and resume:
        raise StudyFileError.at(str(folder), "is to be overwritten and resumed",
                                "Give one of the two.")
    new = unfinished(folder)
    for path in (folder, new, _replaced(folder)):
        _refuse_foreign(path)
    _put_in_place(folder)
    if not _holds(new):
        _clear(new)
    elif read_journal(new) is None and (new / "study.csv").exists():
        raise StudyFileError.at(
            str(new), "holds results, where new ones are to be written until they are whole",
            "Move it elsewhere, or name another folder for the results (--results).")
    if resume:
        return _resumed(folder, new, key)
    if not overwrite:
        _refuse_results(folder, new)
    return _fresh(folder, new, key)


def unfinished(folder: Path) -> Path:
    """Where new results lie until they are whole, beside the old ones.

    Parameters
    ----------
    folder : Path
        Of the results.

    Returns
    -------
    Path
    """
    return folder.with_name(f"{folder.name}.unfinished")


def _replaced(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.replaced")


def _fresh(folder: Path, new: Path, key: dict[str, str]) -> Place:
    _clear(new)
    path = new if _holds(folder) else folder
    if path is new and os.path.ismount(folder):
        raise StudyFileError.at(
            str(folder), "is where a file system begins, so that new results cannot change places "
            "with those in it", f"Name a folder inside it, such as {folder / 'study'}.")
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    place = Place(folder, path, Journal(key), made)
    place.journal.write(path)
    return place


def _resumed(folder: Path, new: Path, key: dict[str, str]) -> Place:
    path = new if _holds(new) else folder
    journal = read_journal(path)
    if journal is None:
        found = _key_of_results(path, list(key))
        if not found:  # nothing, or tables of which none is known to be whole
            return _fresh(folder, new, key)
        journal = Journal(found, complete=True)
    if journal.key and journal.key != key:
        raise _other_study(path, journal.key, key)
    journal.key = key
    if not journal.complete:
        _cut(path, journal)
    return Place(folder, path, journal)


def _cut(path: Path, journal: Journal) -> None:
    """Cut off what was written after the last whole run."""
    for file in path.iterdir():
        if file.name.endswith(PART):
            file.unlink()
    for file in _by_run(path):
        size = journal.sizes.get(file.name, 0)
        if size:
            os.truncate(file, size)
        else:
            file.unlink()


def _by_run(path: Path) -> list[Path]:
    """Tables to which every run adds its rows."""
    tables = (path / f"{table.name}.csv" for table in (*schema.OF_A_RUN, schema.ROUNDS))
    return [file for file in tables if file.exists()]


def _key_of_results(path: Path, names: list[str]) -> dict[str, str]:
    """What whole results depend on, from their ``study.csv``; empty where there are none."""
    try:
        table = pd.read_csv(path / "study.csv", dtype=str, keep_default_na=False)
        keys = dict(zip(table["key"], table["value"], strict=True))
    except (OSError, ValueError, KeyError):
        return {}
    return {name: keys.get(name, "") for name in names}


# ------------------------------------------------------------------ into its place

def _put_in_place(folder: Path) -> None:
    """Where the new results are whole, let them change places with the old ones and delete these.

    Also after a kill at any moment of it: a complete journal says that it is to be ended.
    """
    new, old = unfinished(folder), _replaced(folder)
    if not _complete(folder) and _complete(new):
        if not folder.exists():
            os.replace(new, folder)
        elif not _change_places(folder, new):
            _clear(old)
            os.replace(folder, old)
            os.replace(new, folder)
    if _complete(folder):
        _clear(new)
        _clear(old)
        (folder / MARK).unlink()


def _complete(path: Path) -> bool:
    journal = read_journal(path)
    return journal is not None and journal.complete


def _change_places(one: Path, other: Path) -> bool:
    """Let two folders change places in one step, where the system can; False: nothing is done."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of linux/fs.h
    return call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _clear(path: Path) -> None:
    """Delete a folder with files of ours, and no other; what appears in it meanwhile stays.

    The journal is the last to go: until then the folder is known to be unfinished.
    """
    if not path.is_dir():
        return
    for file in sorted(path.iterdir(), key=lambda file: file.name == MARK):
        if file.name.removesuffix(PART) in OWN and not file.is_dir():
            file.unlink()
    with contextlib.suppress(OSError):
        path.rmdir()


# ------------------------------------------------------------------ refusals

def _holds(path: Path) -> bool:
    """Whether there is more in a folder than the first line of a journal."""
    return path.is_dir() and any(not file.name.startswith(MARK) for file in path.iterdir())


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise StudyFileError.at(str(path), "is a file", "Name a folder for the results.")
    others = sorted(file.name for file in path.iterdir()
                    if file.name.removesuffix(PART) not in OWN or file.is_dir())
    if others:
        raise StudyFileError.at(
            str(path), f"holds {listed(others, 3)}, which no study has written",
            "Move it elsewhere, or name another folder for the results (--results).")


def _refuse_results(folder: Path, new: Path) -> None:
    path = new if _holds(new) else folder
    if not _holds(path):
        return
    journal = read_journal(path)
    if journal is None and (path / "study.csv").exists():
        raise StudyFileError.at(
            str(path), "holds results already",
            "Name another folder (--results), or replace them (--overwrite).")
    runs = len(journal.runs) if journal else 0
    raise StudyFileError.at(
        str(path), f"holds an unfinished study ({runs} run{'' if runs == 1 else 's'} whole)",
        "Continue it (--resume), or begin anew (--overwrite).")


def _other_study(path: Path, found: dict[str, str], key: dict[str, str]) -> DlmpError:
    words = {"input_sha256": "another study file or feeder",
             "pyomo_dlmp_version": f"version {found.get('pyomo_dlmp_version')} of the package"}
    what = " and ".join(words.get(name, name) for name in key if found.get(name) != key[name])
    return StudyFileError.at(
        str(path), f"is of {what}, so that it cannot be continued",
        "Begin anew (--overwrite), or name another folder (--results).")
