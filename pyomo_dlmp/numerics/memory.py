"""How much memory this process holds, and a limit that long work asks about."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _State:
    limit: float | None = None
    asked: float = 0.0
    over: bool = False


_state = _State()
_EVERY = 0.1  # seconds between two looks


def used() -> float:
    """Resident memory in GB: now where the system says it (Linux), else the greatest so far."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e9
    except OSError:
        import resource  # not on Windows, which has no such file either

        unit = 1.0 if sys.platform == "darwin" else 1024.0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


@contextmanager
def memory_limit(gigabytes: float | None) -> Iterator[None]:
    """Within, `over_limit` says whether the process holds more than this; None: no limit."""
    global _state
    before, _state = _state, _State(gigabytes)
    try:
        yield
    finally:
        _state = before


def lift_limit() -> None:
    """No limit from here to the end of the `with`: what is found is judged whatever it takes."""
    _state.limit, _state.over = None, False


def over_limit() -> bool:
    """Whether the limit was passed since it was set (cheap: looks ten times a second at most)."""
    if _state.limit is None or _state.over:
        return _state.over
    now = time.monotonic()
    if now - _state.asked >= _EVERY:
        _state.asked = now
        _state.over = used() > _state.limit
    return _state.over
