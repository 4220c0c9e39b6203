"""One thread for BLAS while a call of the user's runs.

The dense arrays here are small (a part's optimality equations, a vector of a feeder's columns):
threads that wait for one another cost more than they do, several times the work itself where the
cores are busy. Whoever has many problems uses processes.

The number is the whole process's, and OpenBLAS takes another one from the main thread alone: a
call in any other thread leaves it as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_held = [0]  # calls of the main thread, one inside another


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside the `with` BLAS and LAPACK use one thread; afterwards as many as before."""
    if _held[0] or threading.current_thread() is not threading.main_thread():
        yield
        return
    _held[0] += 1
    limiter = _controller().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        limiter.restore_original_limits()
        _held[0] -= 1


@cache
def _controller() -> ThreadpoolController:
    """Of the libraries of numpy and scipy, which have been imported by now."""
    return ThreadpoolController()
