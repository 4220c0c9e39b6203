"""Seconds by stage, and the progress call."""

from __future__ import annotations

import time
from collections.abc import Callable

from pyomo_dlmp.numerics.memory import lift_limit, over_limit

Progress = Callable[[str, float | None, float | None], None]


_BEFORE = {"compile", "condense", "regions", "region costs", "compile and bounds", "reduce",
           "first point", "ranges of products"}  # stages of which nothing could be kept


class OutOfMemory(Exception):
    """The memory limit is passed before a stage that has no point yet; its text is the stage."""


class Clock:
    """Measures the stages of a solve.

    Parameters
    ----------
    progress
        progress(stage, incumbent, bound), called as each stage begins; None: not at all.

    Attributes
    ----------
    times
        {stage: seconds}.
    """

    def __init__(self, progress: Progress | None):
        self.progress = progress or (lambda *_: None)
        self.times: dict[str, float] = {}
        self._stage, self._since = "", time.monotonic()

    def stage(self, name: str) -> None:
        """Begin a stage, and end the last one; "": only end it.

        Raises
        ------
        OutOfMemory
            The memory limit is passed and the stage would not leave a point.
        """
        self.stop()
        if name in _BEFORE and over_limit():
            raise OutOfMemory(name)
        if name == "audit":
            lift_limit()
        self._stage, self._since = name, time.monotonic()
        if name:
            self.progress(name, None, None)

    def stop(self) -> dict[str, float]:
        """End the stage; returns `times`."""
        if self._stage:
            spent = time.monotonic() - self._since
            self.times[self._stage] = self.times.get(self._stage, 0.0) + spent
        self._stage, self._since = "", time.monotonic()
        return self.times
