"""How much memory this process holds, and a limit that long computations check."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass
class _State:
    limit: float | None = None
    asked: float = 0.0
    over: bool = False


_state = _State()
_EVERY = 0.1  # seconds between two looks


def used() -> float:
    """Resident memory of this process now.

    Returns
    -------
    float
        In GB.
    """
    return psutil.Process().memory_info().rss / 1e9


def peak() -> float:
    """Greatest resident memory of this process so far.

    Where the system keeps no peak it is what is held now.

    Returns
    -------
    float
        In GB.
    """
    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):
        return info.peak_wset / 1e9
    try:
        import resource  # a module that Windows does not have
    except ImportError:
        return info.rss / 1e9
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


@contextmanager
def memory_limit(gigabytes: float | None) -> Iterator[None]:
    """Limit this process's memory inside the `with`: `over_limit` says whether it is exceeded.

    Parameters
    ----------
    gigabytes
        GB of resident memory; None: no other limit than that around it.

    Returns
    -------
    context manager
    """
    global _state
    before = _state
    if gigabytes is not None:
        _state = _State(gigabytes)
    try:
        yield
    finally:
        _state = before


def over_limit() -> bool:
    """Whether the limit was passed since it was set (cheap: looks ten times a second at most).

    Returns
    -------
    bool
    """
    if _state.limit is None or _state.over:
        return _state.over
    now = time.monotonic()
    if now - _state.asked >= _EVERY:
        _state.asked = now
        _state.over = used() > _state.limit
    return _state.over
