"""Files that a script names: found within allowed folders only, and read here alone."""

from __future__ import annotations

import codecs
import ntpath
import os
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyomo_dlmp.engine.tokens import Line, Variables

MOST_BYTES, MOST_IN_ALL = 200_000_000, 500_000_000  # of one file, and of all that are read
OF_A_FILE = 100_000  # bytes that opening one counts as
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PLAIN_ROW = re.compile(r"[0-9eE.+\-, \t]*")
_EMPTY_CELL = re.compile(r"(^|,)[ \t]*(,|$)")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
         (codecs.BOM_UTF16_BE, "utf-16-be"))


class FileFault(Exception):
    """A file that cannot be used.

    Parameters
    ----------
    what, cure : str
        As of a `Fault`.
    """

    def __init__(self, what: str, cure: str):
        super().__init__(what)
        self.what, self.cure = what, cure


class Outside(FileFault):
    """A file that lies where none may be read."""


class Folders:
    """Where files may be read from.

    Parameters
    ----------
    master : Path
        The master file: its folder and all below are allowed.
    more : iterable of str or Path
        Other folders that are.
    """

    def __init__(self, master: Path, more: Iterable[str | Path] = ()):
        self.home = master.parent.resolve()
        self._read = 0
        self.roots = tuple(dict.fromkeys([self.home, *(Path(p).resolve() for p in more)]))

    def find(self, name: str, starts: Iterable[Path]) -> Path:
        """A file by a name as Windows would find it: any case, either slash.

        Parameters
        ----------
        name : str
            As written.
        starts : iterable of Path
            Folders that a relative name may be meant from, themselves resolved.

        Returns
        -------
        Path
            Resolved.

        Raises
        ------
        FileFault
            If there is none, or it lies outside; a path outside is never looked at.
        """
        plain = name.strip().replace("\\", "/")
        if not plain or len(plain) > 1000 or "\0" in plain:
            raise FileFault(f"the name {name[:60]!r} is none of a file", "Correct it.")
        absolute = plain.startswith("/") or bool(ntpath.splitdrive(plain)[0])
        starts = list(dict.fromkeys(starts))
        outside: Path | None = None
        for start in starts[:1] if absolute else starts:
            path = Path(os.path.normpath(plain if absolute else start / plain))
            root = next((root for root in self.roots if path.is_relative_to(root)), None)
            if root is None:
                outside = outside or path.parent
                continue
            found = self._descend(root, path.relative_to(root).parts)
            if found is None:
                continue
            if self._holds(found):
                return self._counted(found)
            outside = found.parent
        if outside is not None and os.name != "nt" and ntpath.splitdrive(plain)[0]:
            raise FileFault(f"the file {name!r} has a path of Windows, not of this machine",
                            "Put the file beside the master, and give its name alone.")
        if outside is None:
            raise FileFault(f"the file {name!r} is missing in {str(starts[0])!r}",
                            "Give its path relative to this file.")
        raise Outside(
            f"the file {name!r} lies outside the folder of the master file",
            f"If it is to be read: read_opendss(..., allow_folders=[{str(outside)!r}]).")

    def find_script(self, name: str, starts: Sequence[Path]) -> Path:
        """As `find`; a name without an ending may lack ``.dss``."""
        try:
            return self.find(name, starts)
        except FileFault:
            if "." in name:
                raise
            return self.find(name + ".dss", starts)

    def _holds(self, real: Path) -> bool:
        return any(real.is_relative_to(root) for root in self.roots)

    def _descend(self, here: Path, parts: tuple[str, ...]) -> Path | None:
        """A file below a folder, resolved; or the first link on the way that leads outside."""
        try:
            for part in parts:
                exact = here / part
                if not exact.exists():
                    alike = [p for p in here.iterdir() if p.name.lower() == part.lower()]
                    if not alike:
                        return None
                    exact = alike[0]
                here = exact.resolve()
                if not self._holds(here):
                    return here
            return here if here.is_file() else None
        except (OSError, ValueError, RuntimeError):  # the last one: a ring of links
            return None

    def _counted(self, path: Path) -> Path:
        """The file, unless files that include each other many times add up to too much."""
        self._read += path.stat().st_size + OF_A_FILE
        if self._read > MOST_IN_ALL:
            raise FileFault(f"with the file {path.name!r} more than {MOST_IN_ALL} bytes are read",
                            "Include every file once, and shorten its data.")
        return path


def raw(path: Path) -> bytes:
    """The bytes of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes

    Raises
    ------
    FileFault
        If it cannot be read or is too long.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise FileFault(f"the file {path.name!r} cannot be read: {error.strerror}",
                        "Check the path.") from None
    if len(data) > MOST_BYTES:
        raise FileFault(f"the file {path.name!r} has more than {MOST_BYTES} bytes", "Split it.")
    return data


def text(path: Path) -> str:
    """The text of a file: UTF-8, UTF-16 by its first bytes, else Windows-1252.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str

    Raises
    ------
    FileFault
        As of `raw`.
    """
    data = raw(path)
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data[len(bom):].decode(name, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def lines(path: Path) -> list[str]:
    """The lines of a text file; only CR and LF end one, as for the engine.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of str

    Raises
    ------
    FileFault
        As of `raw`.
    """
    found = re.split(r"\r\n|\r|\n", text(path))
    return found[:-1] if found and not found[-1] else found


@dataclass(frozen=True)
class Numbers:
    """What an array's file says besides its name.

    Attributes
    ----------
    kind : "file", "dblfile" or "sngfile"
        Text, or binary numbers of 8 or 4 bytes.
    column : int
        From 1.
    header : bool
        Whether the first line is one.
    """

    kind: str = "file"
    column: int = 1
    header: bool = False


def column(path: Path, how: Numbers, most: int | None = None) -> list[str]:
    """The values of one column, as they are written.

    Parameters
    ----------
    path : Path
    how : Numbers
    most : int, optional
        No more than these are read.

    Returns
    -------
    list of str

    Raises
    ------
    FileFault
        As of `raw`.
    """
    if how.kind != "file":
        return [repr(value) for value in binary(path, 4 if how.kind == "sngfile" else 8)[:most]]
    none = Variables()
    values: list[str] = []
    for row in lines(path)[how.header:]:
        if most is not None and len(values) >= most:
            break
        if _PLAIN_ROW.fullmatch(row) and not _EMPTY_CELL.search(row):
            cells = row.replace(",", " ").split()
            values.append(cells[how.column - 1] if how.column <= len(cells) else "")
            continue
        line = Line(row, none)
        value = ""
        for _ in range(min(how.column, 10_000)):
            value = line.pair()[1]
        values.append(value)
    return values


def numbers(path: Path, how: Numbers, most: int | None = None) -> list[str]:
    """The numbers of one column; an empty cell is 0, as for the engine.

    Parameters
    ----------
    path : Path
    how : Numbers
    most : int, optional
        No more than these are read.

    Returns
    -------
    list of str

    Raises
    ------
    FileFault
        As of `raw`, and if one is no number: its row is named, and nothing of it is quoted.
    """
    values = column(path, how, most)
    for i, value in enumerate(values):
        if not value:
            values[i] = "0"
        elif how.kind == "file" and not _NUMBER.fullmatch(value):
            raise FileFault(
                f"column {how.column} of the file {path.name!r} holds no number in row "
                f"{i + 1 + how.header}", "Correct the file, or give header=yes or another column.")
    return values


def binary(path: Path, size: int) -> list[float]:
    """Numbers of a binary file, little-endian.

    Parameters
    ----------
    path : Path
    size : 4 or 8
        Bytes of each.

    Returns
    -------
    list of float

    Raises
    ------
    FileFault
        As of `raw`.
    """
    data = raw(path)
    count = len(data) // size
    return list(struct.unpack(f"<{count}{'f' if size == 4 else 'd'}", data[:count * size]))
