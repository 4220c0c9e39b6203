"""How far a long step is: found, as the limits are, by everything that runs below the call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_tell: ContextVar[Callable[[str], None] | None] = ContextVar("tell", default=None)


@contextmanager
def told(tell: Callable[[str], None]) -> Iterator[None]:
    """What `how_far` passes on inside the `with` goes to `tell`."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


def how_far(words: str) -> None:
    """Pass on how far the present step is.

    Parameters
    ----------
    words
        Such as "bound 12 of 600".
    """
    tell = _tell.get()
    if tell is not None:
        tell(words)
