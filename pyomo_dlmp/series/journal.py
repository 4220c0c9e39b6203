"""Finished problems of a series in a file that grows by a line each, so that a kill loses none."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from pyomo_dlmp.errors import ResultsFileError
from pyomo_dlmp.market import Market
from pyomo_dlmp.series.answers import Answer
from pyomo_dlmp.series.table import Table

FILE = "series.jsonl"
_EVERY = 1.0  # seconds between two waits for the disk
_WORDS = {"table": "another table", "market": "another market", "options": "other options",
          "version": "another version of the package"}


def key_of(name: str, market: Market, table: Table, options: Mapping[str, Any]) -> dict[str, str]:
    """What finished rows depend on.

    Parameters
    ----------
    name : str
        Of the market.
    market : Market
    table : Table
    options : mapping
        Of the solves, and of the horizon.

    Returns
    -------
    dict of str to str
        Hashes of table, market and options; the package's version.
    """
    network = market.network
    rest = {key: getattr(market, key) for key in (
        "workload", "opf", "pays", "tariff", "takers", "averaged", "max_rounds", "ac_rounds",
        "deviations", "seed", "limits_kw", "demand_charge", "capacity_charge", "curtailable")}
    return {
        "table": table.content(),
        "market": _hash(name, *map(repr, network.elements),
                        repr(sorted(network.profiles.items())), repr(_plain(rest))),
        "options": _hash(repr(_plain(dict(sorted(options.items()))))),
        "version": _version()}


def _plain(value: Any) -> Any:
    """With lists for arrays, whose `repr` leaves numbers out."""
    if isinstance(value, Mapping):
        return {key: _plain(x) for key, x in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(x) for x in value]
    return _plain(value.tolist()) if hasattr(value, "tolist") else value


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode("utf-8")).hexdigest()


def _version() -> str:
    try:
        return version("pyomo-dlmp")
    except PackageNotFoundError:  # run from its sources
        return ""


class Journal:
    """The file, open for finished problems.

    Parameters
    ----------
    folder : path
        It is made where it is not there.
    key : dict of str to str
        As of `key_of`.

    Attributes
    ----------
    answers : list of Answer
        That were finished before.

    Raises
    ------
    ResultsFileError
        The folder cannot be written, or holds a series of another table or market.
    """

    def __init__(self, folder: str | Path, key: dict[str, str]):
        self.path = Path(folder) / FILE
        self.answers: list[Answer] = []
        self._synced = 0.0
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            whole = self._read(key) if self.path.exists() else 0
            self._file: IO[bytes] = self.path.open("ab")
            self._file.truncate(whole)  # a line that a kill has cut off
            if not whole:
                self._write({"series": key})
        except OSError as err:
            raise ResultsFileError.at(
                str(folder), f"cannot be written ({err.strerror or err})",
                "Give a folder that you may write.") from None

    def _read(self, key: dict[str, str]) -> int:
        """Answers that are there; the bytes up to the end of the last whole line."""
        whole = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file):
                data = None
                if line.endswith(b"\n"):
                    with contextlib.suppress(ValueError, TypeError, KeyError):
                        data = json.loads(line)
                        if number:
                            self.answers.append(Answer.of(data))
                        elif not isinstance(data["series"], dict):
                            data = None
                if data is None:
                    if not number and line.endswith(b"\n"):
                        raise ResultsFileError.at(
                            str(self.path), "is not a file of a series", "Give another folder.")
                    return whole
                if not number:
                    self._refuse_other(data["series"], key)
                whole += len(line)
        return whole

    def _refuse_other(self, found: dict[str, str], key: dict[str, str]) -> None:
        other = [_WORDS[name] for name in key if found.get(name) != key[name]]
        if other:
            raise ResultsFileError.at(
                str(self.path.parent), f"holds rows of a series with {' and '.join(other)}",
                "Give another folder, or delete this one to begin anew.")

    def add(self, answer: Answer) -> None:
        """Write a finished problem.

        Parameters
        ----------
        answer : Answer
        """
        self.answers.append(answer)
        self._write(answer.plain())

    def _write(self, data: dict[str, Any]) -> None:
        self._file.write(json.dumps(data).encode() + b"\n")
        self._file.flush()  # from here on a kill of the process loses nothing
        if time.monotonic() - self._synced > _EVERY:  # and nor does a power cut, but for a second
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
