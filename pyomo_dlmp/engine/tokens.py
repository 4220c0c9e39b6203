"""Lines of a script as the engine's own parser takes them apart, and values quoted again.

Five kinds of quotes without nesting, ``,`` and ``=`` and blanks as delimiters, ``!`` and ``//``
before a comment, and variables ``@name`` in place of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyomo_dlmp.engine.allowed import lower

QUOTES = {'"': '"', "'": "'", "[": "]", "(": ")", "{": "}"}
_BARE = re.compile(r"(?:[^,= \t!/]|/(?!/))*")
_PLAIN = re.compile(r"[^,= \t!/\"'\[({@]*")
_BLANKS = re.compile(r"[ \t]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_COMMON = re.compile(  # name=value where nothing is special: most of all pairs
    r"""([^,=\s!/"'\[({@]+)=([^,=\s!/"'\[({@][^,=\s!/]*|"[^"]*"|'[^']*'|\[[^\]]*\]|\([^)]*\))"""
    r"[ \t]+(?![,= \t])")
_NESTED = re.compile(r"(?<![^\s,=|\[({\"'])@[^\s,=|\])}\"'!]+")


class Variables(dict[str, str]):
    """Script variables by their name, ``@`` included, in lower case."""

    def substituted(self, token: str) -> str:
        """A token after the engine's substitution, which goes to the first dot or caret.

        Parameters
        ----------
        token : str

        Returns
        -------
        str
            The token itself where it is no variable.
        """
        if len(token) < 2 or token[0] != "@":
            return token
        caret, dot = token.find("^"), token.find(".")
        end = caret if caret > 0 else dot
        name = token if end < 0 else token[:end]
        value = self.get(lower(name))
        return token if value is None else value + ("" if end < 0 else token[end:])

    def inside(self, value: str) -> str:
        """A value after substitution of the variables in its list or inline formula.

        Parameters
        ----------
        value : str

        Returns
        -------
        str
        """
        if not self or "@" not in value:
            return value

        def one(match: re.Match) -> str:
            found = self.substituted(match.group())
            return f"{{{found}}}" if " " in found and found != match.group() else found

        return _NESTED.sub(one, value)


class Line:
    """One line under the engine's parser.

    Parameters
    ----------
    text : str
        The line; control characters count as blanks.
    variables : Variables
    """

    def __init__(self, text: str, variables: Variables):
        self.buffer = _CONTROL.sub(" ", text) + " "
        self.variables = variables
        self.at = 0
        self._stop = " "
        self._blanks()

    def _blanks(self) -> None:
        found = _BLANKS.match(self.buffer, self.at)
        assert found is not None
        self.at = min(found.end(), max(len(self.buffer) - 1, self.at))

    def _token(self) -> str:
        buffer, last = self.buffer, len(self.buffer) - 1
        if self.at > last:
            return ""
        end = QUOTES.get(buffer[self.at])
        if end:
            start = self.at + 1
            close = buffer.find(end, start, last)
            close = last if close < 0 else close
            token = buffer[start:close]
            self.at = close + (close < last)
        else:
            found = _BARE.match(buffer, self.at, last)
            assert found is not None
            token, self.at = found.group(), found.end()
            if self.at < last:
                stop = buffer[self.at]
                self._stop = "!" if stop in "!/" else " " if stop == "\t" else stop
        if self._stop == "!":
            self.at = last + 1
            return token
        if self._stop == " ":
            self._blanks()
        if buffer[min(self.at, last)] in ",=":
            self._stop = buffer[self.at]
            self.at += 1
        self._blanks()
        return token

    def pair(self) -> tuple[str, str]:
        """The next name and value.

        Returns
        -------
        (str, str)
            The name is "" for a value by position; the value "" where the engine stops reading.
        """
        if found := _COMMON.match(self.buffer, self.at):
            name, value = found.groups()
            self.at = min(found.end(), len(self.buffer) - 1)
            return name, self.variables.substituted(value[1:-1] if value[0] in QUOTES else value)
        if self.at >= len(self.buffer):
            return "", ""
        self._stop = " "
        name, value = "", self._token()
        if self._stop == "=":
            name, value = value, self._token()
        return name, self.variables.substituted(value)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Names and values up to the first empty value, where the engine stops too.

        Yields
        ------
        (str, str)
        """
        name, value = self.pair()
        while value:
            yield name, value
            name, value = self.pair()


def quoted(value: str) -> str | None:
    """A value as one token, whatever is in it.

    Parameters
    ----------
    value : str
        Not empty.

    Returns
    -------
    str or None
        None if it holds the ends of all quotes.
    """
    if _PLAIN.fullmatch(value):
        return value
    for begin, end in QUOTES.items():
        if end not in value:
            return begin + value + end
    return None
