"""One command for the engine."""

from __future__ import annotations

from dataclasses import dataclass


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
