"""The time limit of a market whose answer takes several parts, each of which has it anew."""

from __future__ import annotations

import time


class Deadline:
    """When a part of a market's answer ends that can end.

    Parameters
    ----------
    seconds : float or None
        From now on; None: never.
    """

    def __init__(self, seconds: float | None):
        self.seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds until then, at least 0; None without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Whether nothing is left."""
        return self.left() == 0.0

    def anew(self) -> Deadline:
        """The same time for the next part."""
        return type(self)(self.seconds)
