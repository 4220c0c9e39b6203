"""What a study has written so far, in the file ``unfinished.json`` of its folder.

It is there from before the first table until all is written, so that a folder with it is known to
be unfinished. It holds which runs are whole and how long each table was then: what a killed
process wrote after that is cut off before the study is continued.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MARK = "unfinished.json"
PART = ".part"
"""Ending of a file while it is written; it gets its name when it is whole."""


@dataclass
class KeptRun:
    """A run that is whole: how it ended, and the stages that failed, with the reason."""

    status: str
    paid: float | None
    seconds: float
    notes: list[str]
    missing: dict[str, str]


@dataclass
class Journal:
    """The journal of one folder.

    Attributes
    ----------
    key : dict of str to str
        What the results depend on; a study with another one cannot be continued.
    complete : bool
        Whether all is written and the folder only has to be put in its place.
    runs : dict of str to KeptRun
        Runs that are whole, in order.
    sizes : dict of str to int
        Bytes of each table that holds these runs and no other.
    """

    key: dict[str, str]
    complete: bool = False
    runs: dict[str, KeptRun] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all.

        Parameters
        ----------
        folder : Path
        """
        write_whole(folder / MARK, json.dumps(asdict(self), indent=1))


def read_journal(folder: Path) -> Journal | None:
    """The journal of a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Journal or None
        None where the folder has none. One that cannot be read is an empty one.
    """
    try:
        text = (folder / MARK).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        data: dict[str, Any] = json.loads(text)
        return Journal(dict(data["key"]), bool(data["complete"]),
                       {name: KeptRun(**run) for name, run in data["runs"].items()},
                       {name: int(size) for name, size in data["sizes"].items()})
    except (ValueError, TypeError, KeyError, AttributeError):
        return Journal({})


def write_whole(path: Path, text: str) -> None:
    """Write a file so that its name always holds a whole one, the old or the new.

    Parameters
    ----------
    path : Path
    text : str
    """
    part = path.with_name(path.name + PART)
    part.write_text(text, encoding="utf-8", newline="")
    os.replace(part, path)
