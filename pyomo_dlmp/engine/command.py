"""One command for the engine, and what of a script does not reach it."""

from __future__ import annotations

from dataclasses import dataclass

from pyomo_dlmp.errors import Fault


@dataclass(frozen=True)
class Command:
    """One command for the engine, and its place.

    Attributes
    ----------
    text : str
        The command.
    file : str
        Name of the file.
    line : int
        Number of the line, from 1.
    about : str
        Class and name of the element at work; "" if none.
    """

    text: str
    file: str
    line: int
    about: str = ""

    @property
    def where(self) -> str:
        """Its place in messages."""
        return f"{self.file}, line {self.line}"


class LeftOut:
    """What of a script is left out, by groups."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, list[str]]] = {}

    def add(self, group: str, what: str, where: str) -> None:
        """Note one thing.

        Parameters
        ----------
        group, what, where : str
            Its group, itself, and file and line.
        """
        self.found.setdefault(group, {}).setdefault(what, []).append(where)

    def notes(self) -> list[Fault]:
        """All of it.

        Returns
        -------
        list of Fault
            One for each group, at the place of its first.
        """
        made = []
        for group, found in self.found.items():
            listed = ", ".join(what if len(at) == 1 else f"{what} ({len(at)} times)"
                               for what, at in found.items())
            made.append(Fault(next(iter(found.values()))[0], f"{group} are left out: {listed}"))
        return made
