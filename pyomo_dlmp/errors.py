"""Exceptions that carry their data: what is wrong, where, and how to cure it.

Every error of this package derives from `DlmpError`. Its message always reads
``<element>: <what is wrong>. <cure>``, and the parts stay available as attributes, so that a
program can act on them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LONGEST_PART = 4000  # of a fault: a loop of hundreds of lines still fits
_LONGEST_FILE = 255  # of a name on common file systems
_LONGEST_NAME = 200  # beyond it nobody mistyped a name, and comparing takes long


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes
    ----------
    where
        The element that is at fault, as the user knows it.
    what
        What is wrong with it, its value included.
    cure
        What to do about it; "" where nothing can be advised.
    """

    where: str
    what: str
    cure: str = ""

    def __post_init__(self) -> None:
        if self.where == "unknown":  # Pyomo's name of a model that has none
            object.__setattr__(self, "where", "the model")
        for key in ("where", "what", "cure"):  # a name may be a whole file that slipped in
            text = str(getattr(self, key))
            if len(text) > _LONGEST_PART:
                half = _LONGEST_PART // 2
                object.__setattr__(self, key, f"{text[:half]} ... {text[-half:]}")

    def __str__(self) -> str:
        return f"{self.where}: {self.what}." + (f" {self.cure}" if self.cure else "")


def shown(value: object, most: int = 60) -> str:
    """A value as messages show it: its `repr`, shortened, whatever the value is.

    Parameters
    ----------
    value
        Anything that a user may have given.
    most
        Characters at most.

    Returns
    -------
    str
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a whole number of thousands of digits, a foreign class
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= most else text[: most - 3] + "..."


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names quoted and joined by commas.

    Parameters
    ----------
    names
        Anything with a readable `repr`.
    most
        Names written out; of the others only the count is given.

    Returns
    -------
    str
    """
    quoted = [shown(n) for n in names]
    rest = len(quoted) - most
    return ", ".join(quoted[:most]) + (f" and {rest} more" if rest > 0 else "")


def nearest(wanted: object, known: Iterable[str]) -> str:
    """A cure for an unknown name: the nearest known names, else all of them.

    Parameters
    ----------
    wanted
        The name as the user wrote it; upper and lower case are the same. What is not a string, or
        longer than any name, is near to none.
    known
        Names that would have been right.

    Returns
    -------
    str
        A sentence; "" if nothing is known.
    """
    known = sorted(set(known))
    by_lower = {name.lower(): name for name in known}
    plain = isinstance(wanted, str) and len(wanted) <= _LONGEST_NAME
    word = str(wanted).lower() if plain else shown(wanted)
    close = difflib.get_close_matches(word, by_lower, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(by_lower[name]) for name in close)}?"
    return f"Known are {listed(known)}." if known else ""


class DlmpError(Exception):
    """Base of all errors of pyomo_dlmp.

    Parameters
    ----------
    faults
        What was found, one `Fault` or several; kept as a tuple in the attribute of that name.

    Attributes
    ----------
    code
        Short and stable: programs and bug reports can name the kind of an error by it, whatever
        its words become.
    """

    code = "DLMP000"

    def __init__(self, faults: Fault | Iterable[Fault]):
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__(self._message())

    @classmethod
    def at(cls, where: str, what: str, cure: str = "") -> DlmpError:
        """The error with a single fault, in one call.

        Parameters
        ----------
        where, what, cure
            As of a `Fault`; the message reads ``<where>: <what>. <cure>``.

        Returns
        -------
        DlmpError
            Of the class that it is called on; to be raised by the caller.
        """
        return cls(Fault(where, what, cure))

    def _message(self) -> str:
        if len(self.faults) == 1:
            return str(self.faults[0])
        head = f"{len(self.faults)} faults:"
        return "\n  - ".join([head, *map(str, self.faults)])

    def __reduce__(self):
        return type(self), (self.faults,)


class NetworkError(DlmpError, ValueError):
    """A feeder's data are wrong; lists all its faults at once."""

    code = "DLMP101"


class FeederFileError(DlmpError, ValueError):
    """A feeder's files cannot be read: names file, row and column."""

    code = "DLMP102"


class OpenDssError(DlmpError, ValueError):
    """An OpenDSS file or its engine cannot be used; lists all faults, each with file and line."""

    code = "DLMP103"


class StudyFileError(DlmpError, ValueError):
    """A study file is wrong; lists all its faults at once, each with its key."""

    code = "DLMP104"


class ResultsFileError(DlmpError, ValueError):
    """A results folder cannot be read: names the file and the column."""

    code = "DLMP105"


class ModelError(DlmpError, ValueError):
    """A model is used in a way that it does not allow: a wrong lower level, a dual of no row ..."""

    code = "DLMP201"


class BoundError(DlmpError, ValueError):
    """A finite bound is needed and none can be proved; names the component and how to give one."""

    code = "DLMP202"


class SolverError(DlmpError, RuntimeError):
    """A solver is missing, unlicensed, too small for the model, or has failed."""

    code = "DLMP301"


class AuditError(DlmpError, RuntimeError):
    """A solution failed its audit.

    Attributes
    ----------
    result
        The `BilevelResult` with the failed audit, for inspection.
    """

    code = "DLMP302"

    result: Any = None

    def __reduce__(self):
        return type(self), (self.faults,), {"result": self.result}


def all_at_once(*checks: Callable[[], Any]) -> list[Any]:
    """Run checks that may each raise, and raise what they found as one error.

    Parameters
    ----------
    *checks
        Called in order, without arguments.

    Returns
    -------
    list
        What they return.

    Raises
    ------
    DlmpError
        Of the class that the first of them raised, with the faults of all.
    """
    results, errors = [], []
    for check in checks:
        try:
            results.append(check())
        except DlmpError as err:
            errors.append(err)
    if errors:
        raise type(errors[0])([fault for err in errors for fault in err.faults])
    return results


def require_kind(what: object, cls: type, function: str) -> None:
    """Refuse an argument that is not an object of a class (the class itself is none).

    Parameters
    ----------
    what
        As given.
    cls
        What it must be an object of.
    function
        That takes it.

    Raises
    ------
    ModelError
        It is something else.
    """
    if not isinstance(what, cls):
        raise ModelError.at(function, f"was given {shown(what)}", f"Give it a {cls.__name__}(...).")


def path_of(given: object, what: str) -> Path:
    """The path of a file or folder that a user names.

    Parameters
    ----------
    given
        As given: a text, or an object that is a path.
    what
        What it is the path of, in messages.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        It is something else.
    """
    if isinstance(given, str | os.PathLike):
        name = os.fspath(given)
        if isinstance(name, str) and name.strip() and "\0" not in name and all(
                len(part) <= _LONGEST_FILE for part in Path(name).parts):
            return Path(name)
    raise ModelError.at(what, f"is {shown(given)}", "Give the path of a file or folder, as text.")
