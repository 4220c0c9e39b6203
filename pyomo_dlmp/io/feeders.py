"""The feeders that come with the package, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from os import PathLike
from pathlib import Path

import pandas as pd

from pyomo_dlmp.errors import FeederFileError, nearest, shown
from pyomo_dlmp.io.tables import HEADER, read_licence, read_tables
from pyomo_dlmp.network import Network
from pyomo_dlmp.opendss import read_opendss


def load_feeder(name: str) -> Network:
    """A shipped feeder.

    Parameters
    ----------
    name : str
        One of `list_feeders`.

    Returns
    -------
    Network

    Raises
    ------
    FeederFileError
        If the name is unknown; the message has the closest one.

    Examples
    --------
    >>> load_feeder("ieee37")
    Network('ieee37': 38 buses, 37 branches, 30 loads of 2457 kW)
    """
    folders = _folders()
    if not (isinstance(name, str) and name in folders):
        raise FeederFileError.at(
            f"feeder {shown(name)}", "there is no shipped feeder of this name",
            f"{nearest(name, folders)} list_feeders() has all; read_tables(folder) reads others.")
    return _load(folders[name])


def find_feeder(what: str, progress: Callable[[str], None] | None = None) -> Network:
    """A network by a name or path, as users give it.

    Parameters
    ----------
    what : str
        Name of a shipped feeder, a folder of tables, or a .dss file.
    progress : callable, optional
        progress(stage) is called before what may take seconds.

    Returns
    -------
    Network

    Raises
    ------
    FeederFileError
        If there is no such feeder, or its tables cannot be read.
    OpenDssError
        If the .dss file cannot be read.
    NetworkError
        If the data are wrong.
    """
    if not isinstance(what, str | PathLike) or "\0" in str(what):
        raise FeederFileError.at(
            f"feeder {shown(what)}", "is no name or path",
            "Give a shipped feeder's name, a folder of tables, or a .dss file.")
    path = Path(what)
    if progress is not None:
        progress(f"reading {what}")
    if path.suffix.lower() == ".dss":
        return read_opendss(path)
    try:
        folder = path.is_dir()
    except OSError:  # a name that no file can have
        folder = False
    return read_tables(path) if folder else load_feeder(str(what))


def list_feeders(progress: Callable[[str], None] | None = None) -> pd.DataFrame:
    """The shipped feeders.

    Parameters
    ----------
    progress : callable, optional
        progress(stage) is called before each is read.

    Returns
    -------
    DataFrame
        Columns name, buses, branches, loads (counts), kw (all loads), source, licence; one row per
        feeder, sorted by name.
    """
    rows = []
    for name, folder in _folders().items():
        if progress is not None:
            progress(f"reading {name}")
        network = _load(folder)
        rows.append((name, len(network.buses), len(network.branches), len(network.loads),
                     network.total_kw, network.source, read_licence(folder)))
    columns = ["name", "buses", "branches", "loads", "kw", "source", "licence"]
    return pd.DataFrame(rows, columns=columns)


def _folders() -> dict[str, Path]:
    """Folders of the shipped feeders by name, sorted.

    In a wheel they lie inside the package; in a checkout (editable installs too) beside it.
    """
    package = Path(str(files("pyomo_dlmp")))
    for root in (package / "feeders", package.parent / "feeders"):
        found = {path.parent.name: path.parent for path in sorted(root.glob(f"*/{HEADER}"))}
        if found:
            return found
    return {}


@cache
def _load(folder: Path) -> Network:
    return read_tables(folder)  # a Network never changes, so that callers may share it
