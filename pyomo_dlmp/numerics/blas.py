"""One thread for BLAS while a call of the user's runs.

The dense arrays here are small (a part's optimality equations, a vector of a feeder's columns):
threads that wait for one another cost more than they do, several times the work itself where the
cores are busy. Whoever has many problems uses processes. The setting is the whole process's, so
calls that overlap in several threads of the user's share it, and the last one out restores it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController


class _Setting:
    """How many calls hold it, and what restores the number of threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held = 0
        self.controller: ThreadpoolController | None = None
        self.limiter: Any = None


_setting = _Setting()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside the `with` BLAS and LAPACK use one thread; afterwards as many as before."""
    with _setting.lock:
        _setting.held += 1
        if _setting.held == 1:
            if _setting.controller is None:  # numpy and scipy have been imported by now
                _setting.controller = ThreadpoolController()
            _setting.limiter = _setting.controller.limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _setting.lock:
            _setting.held -= 1
            if _setting.held == 0:
                _setting.limiter.restore_original_limits()
