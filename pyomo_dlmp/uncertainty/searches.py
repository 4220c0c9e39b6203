"""Who searches the problem of all scenarios: this process (`route`), or an engine on several."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from pyomo_dlmp.uncertainty import route
from pyomo_dlmp.uncertainty.route import Found
from pyomo_dlmp.uncertainty.two_stage import TwoStage

Progress = Callable[[str, float, float], None]
Search = Callable[..., Found]
_present: ContextVar[Search] = ContextVar("search", default=route.search)


def search(problem: TwoStage, gap: float, time_limit: float | None = None,
           progress: Progress | None = None, start: np.ndarray | None = None) -> Found:
    """Solve a two-stage problem by the present search; arguments as of `route.search`."""
    return _present.get()(problem, gap, time_limit, progress, start)


@contextmanager
def searched_by(other: Search) -> Iterator[None]:
    """Let another search take the place of `route.search` within a `with`.

    Parameters
    ----------
    other : callable
        With the arguments of `route.search`.
    """
    token = _present.set(other)
    try:
        yield
    finally:
        _present.reset(token)


@contextmanager
def together(comm: Any) -> Iterator[None]:
    """End all ranks of an MPI run where this one fails: the others would wait for it for ever.

    Parameters
    ----------
    comm
        Of mpi4py.
    """
    try:
        yield
    except SystemExit:
        raise
    except BaseException:
        if comm.size == 1:
            raise
        traceback.print_exc()
        print(f"pyomo-dlmp: rank {comm.rank} failed; all ranks end.", file=sys.stderr, flush=True)
        comm.Abort(1)
