"""What `pyomo-dlmp connect` says where a call speaks of its keywords: options by their names."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyomo_dlmp.errors import Fault, ModelError

_OPTIONS = {"max_kw": "--kw", "kw": "--kw", "load": "--series", "load_scale": "--load-scale",
            "price": "--price", "power_factor": "--power-factor", "svg": "--svg",
            "v_min": "--v-min", "v_max": "--v-max", "vuf": "--vuf", "phases": "--phases",
            "hours_per_year": "--hours-per-year", "controls": "--controls"}
_KEYWORD = re.compile(r"^(connection[ _]study|hosting_map|applicants|flexible), (\w+)$")


def by_options(error: ModelError) -> ModelError:
    """An error of a connection study in words of the command.

    Parameters
    ----------
    error : ModelError

    Returns
    -------
    ModelError
        Keywords stand as options, None as "none".
    """
    found = []
    for fault in error.faults:
        match = _KEYWORD.match(fault.where)
        if match is None or match[2] not in _OPTIONS:
            found.append(fault)
            continue
        option = _OPTIONS[match[2]]
        cure = fault.cure.replace("None", "none") if option in ("--v-min", "--v-max") else (
            fault.cure.replace(", or None", ""))
        found.append(Fault(f"connect, {option}", fault.what, cure))
    return ModelError(found)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """A process that is told to end (SIGTERM) ends as by Ctrl-C: what was found is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number, frame):
        raise KeyboardInterrupt("It was told to end.")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
