"""One file for many tables: a zip archive, which any other program can open, too."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from pyomo_dlmp.errors import ResultsFileError

SUFFIX = ".dlmp"
"""How the files are named."""
PART = ".part"  # a file that is being written; it takes its name when it is whole
_DAY = (1980, 1, 1, 0, 0, 0)  # of all members: the same results give the same file


def pack(path: Path, members: Mapping[str, str]) -> None:
    """Write texts into one file; whoever looks meanwhile sees the file as it was.

    Parameters
    ----------
    path : Path
    members : mapping of str to str
        Texts by their name inside, with / between folders.
    """
    part = path.with_name(path.name + PART)
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(members):
                info = zipfile.ZipInfo(name, _DAY)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, members[name].encode("utf-8"))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def unpack(path: Path, folder: Path) -> None:
    """Put what a file holds into a folder.

    Parameters
    ----------
    path : Path
        Written by `pack`.
    folder : Path
        It is there, and empty.

    Raises
    ------
    ResultsFileError
        For anything else than a whole file of `pack`.
    """
    cure = "Give a results folder, or a file that save_results has written."
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            if broken is None:
                archive.extractall(folder)  # never outside of it: zipfile drops .. and /
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError,
            RuntimeError) as error:
        raise ResultsFileError.at(str(path), f"is not a file of results ({error})", cure) from None
    if broken is not None:
        raise ResultsFileError.at(str(path), f"is damaged at {broken}", "Copy or write it again.")
