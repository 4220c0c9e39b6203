"""Seconds by stage, and the progress call."""

from __future__ import annotations

import time
from collections.abc import Callable

from pyomo_dlmp.numerics import limits

Progress = Callable[[str, float | None, float | None], None]


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
    last
        The stage that was begun last.
    """

    def __init__(self, progress: Progress | None):
        self.progress = progress or (lambda *_: None)
        self.times: dict[str, float] = {}
        self.last = ""
        self._stage, self._since = "", time.monotonic()

    def stage(self, name: str) -> None:
        """Begin a stage, and end the last one; "": only end it.

        Raises
        ------
        Stopped
            A limit is passed, and the stage would not leave a point.
        """
        self.stop()
        limits.enter(name if name in ("search", "audit") else "begin")
        self.last = name or self.last
        if name not in ("search", "audit", ""):
            limits.check()
        self._stage, self._since = name, time.monotonic()
        if name:
            self.progress(name, None, None)

    def how_far(self, words: str) -> None:
        """Say how far the present stage is: "stage: words"."""
        if self._stage:
            self.progress(f"{self._stage}: {words}", None, None)

    def stop(self) -> dict[str, float]:
        """End the stage; returns `times`."""
        if self._stage:
            spent = time.monotonic() - self._since
            self.times[self._stage] = self.times.get(self._stage, 0.0) + spent
        self._stage, self._since = "", time.monotonic()
        return self.times
