"""Names that OpenDSS can hold, and the comments that keep the original ones.

OpenDSS is not case-sensitive, splits words at blanks, dots, brackets and quotes, and has one name
space for each of its own classes. Every element is written under a name of letters, digits, ``-``
and ``_``; a bus keeps any name that the engine holds between double quotes, since users look for
their nodes. Where the two differ, or an element is written in several parts, a comment says so:

    ! name ["load.pump_1_a", "load", "Pump 1", "a"]

the engine's class and name, our kind and name, and the part ("" of a whole). No name can hold more
than that: what reaches the engine is made of the characters below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

LONGEST, LONGEST_BUS = 60, 120
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_IN_QUOTES = set(" _-+:;#$&%<>^?,()|")  # besides letters and digits; no = as in file=...
_OBVIOUS = {("line", "line"), ("linecode", "line_code"), ("transformer", "transformer"),
            ("transformer", "center_tapped"), ("load", "load"), ("capacitor", "capacitor"),
            ("circuit", "network"), ("vsource", "substation"), ("bus", "bus"),
            ("loadshape", "profile")}
_COMMENT = re.compile(r"\s*! name (\[.*\])\s*")


class Original(NamedTuple):
    """What an element of an OpenDSS file was written from.

    Attributes
    ----------
    kind : str
        Of our element, such as ``"load"`` or ``"regulator"``; ``"ground"``: the grounding of the
        bus of that name.
    name : str
        Of our element.
    part : str
        Such as a leg; "" of a whole.
    """

    kind: str
    name: str
    part: str

    @property
    def own(self) -> str:
        """A name of its own: of a part with the part's."""
        return f"{self.name}_{self.part}" if self.part else self.name


class Names:
    """The names of one file.

    Parameters
    ----------
    buses : iterable of str
        Names of all buses.

    Attributes
    ----------
    originals : dict of str to Original
        By the engine's class and name, in lower case.
    parts : dict of (str, str) to list of str
        [kind, name]: the engine's elements that one was written as.
    """

    def __init__(self, buses: Iterable[str]):
        self.originals: dict[str, Original] = {}
        self.parts: dict[tuple[str, str], list[str]] = {}
        self._buses: dict[str, str] = {}
        self._taken = {"loadshape.default", "loadshape.none"}  # words of the engine
        names = list(buses)
        for name in sorted(names, key=_held, reverse=True):  # unchanged ones first
            safe = name if _held(name) else _plain(name, LONGEST_BUS)
            self._buses[name] = self._free("bus", safe)
        for name in names:
            self.originals[f"bus.{self._buses[name].lower()}"] = Original("bus", name, "")

    def bus(self, name: str) -> str:
        """The name of a bus in the file, without quotes.

        Parameters
        ----------
        name : str
            Of one of the buses.

        Returns
        -------
        str
        """
        return self._buses[name]

    def extra_bus(self, wanted: str) -> str:
        """A name for a bus that the network does not have.

        Parameters
        ----------
        wanted : str
            A wish.

        Returns
        -------
        str
        """
        return self._free("bus", _plain(wanted, LONGEST_BUS))

    def element(self, word: str, kind: str, name: str, part: str = "") -> str:
        """The name of a new element.

        Parameters
        ----------
        word : str
            Class in OpenDSS, such as ``"transformer"``.
        kind, name : str
            Of our element.
        part : str
            Which of several; "" of a whole.

        Returns
        -------
        str
        """
        original = Original(kind, name, part)
        safe = self._free(word, _plain(original.own, LONGEST))
        full = f"{word}.{safe}".lower()
        self.originals[full] = original
        self.parts.setdefault((kind, name), []).append(full)
        return safe

    def claim(self, full: str, kind: str, name: str, part: str = "") -> None:
        """Note an element that the engine names itself.

        Parameters
        ----------
        full : str
            The engine's class and name.
        kind, name, part : str
            As of `element`.
        """
        self._taken.add(full)
        self.originals[full] = Original(kind, name, part)
        self.parts.setdefault((kind, name), []).append(full)

    def comments(self) -> Iterator[str]:
        """A comment for each element whose own name would not tell what it is.

        Yields
        ------
        str
        """
        for full, original in self.originals.items():
            word, bare = full.split(".", 1)
            if bare != original.name or original.part or (word, original.kind) not in _OBVIOUS:
                yield f"! name {_text([full, *original])}"

    def _free(self, word: str, wanted: str) -> str:
        name, n = wanted, 1
        while f"{word}.{name}".lower() in self._taken:
            n += 1
            name = f"{wanted}_{n}"
        self._taken.add(f"{word}.{name}".lower())
        return name


def quoted(text: str) -> str:
    """A bus with its nodes as one word of a command.

    Parameters
    ----------
    text : str
        A name of `Names.bus` with nodes, such as ``"bus 7.1.2"``.

    Returns
    -------
    str
        In double quotes, unless it is plain.
    """
    return text if _PLAIN.fullmatch(text.replace(".", "")) else f'"{text}"'


def original_elements(text: str) -> dict[str, Original]:
    """What the comments of a file say about its elements.

    Parameters
    ----------
    text : str
        An OpenDSS file, of `write_opendss` or any other.

    Returns
    -------
    dict of str to Original
        By class and name in lower case, such as ``"load.pump_1_a"``; buses as ``"bus.name"``.
        Other comments are none.
    """
    found = {}
    for line in text.split("\n"):
        match = _COMMENT.fullmatch(line)
        if not match:
            continue
        try:
            words = json.loads(match[1])
        except ValueError:
            continue
        if len(words) == 4 and all(isinstance(word, str) for word in words) and words[2]:
            found[words[0].lower()] = Original(*words[1:])
    return found


def remark(text: str) -> str:
    """A free text as a comment of one line.

    Parameters
    ----------
    text : str
        Of any characters.

    Returns
    -------
    str
    """
    return "! " + "".join(letter if letter.isprintable() else " " for letter in text)


def _held(name: str) -> bool:
    """Whether the engine holds a name of a bus between double quotes, as one bus."""
    if len(name) <= LONGEST_BUS and _PLAIN.fullmatch(name):
        return True
    return (0 < len(name) <= LONGEST_BUS and name == name.strip()
            and all(_is_letter(letter) or letter in _IN_QUOTES for letter in name))


def _is_letter(letter: str) -> bool:
    """A letter or digit whose lower case is one letter, back and forth."""
    return letter.isalnum() and len(letter.lower()) == 1 and letter.upper().lower() == (
        letter.lower())


def _plain(name: str, longest: int) -> str:
    """A name of plain letters; the same for a name that is one."""
    if _PLAIN.fullmatch(name) and len(name) <= longest:
        return name
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:longest].lstrip("-") or "_"


def _text(words: list[str]) -> str:
    """JSON in ASCII; the slash escaped, which may begin a comment."""
    return json.dumps(words).replace("/", "\\/")
