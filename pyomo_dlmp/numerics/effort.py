"""How much an intermediate step may cost before another method is used.

The choice of method must not depend on how busy the machine is, so cost is counted in units of
work, not in seconds (as by `limits.work`, where HiGHS does the work); only a limit that the user
sets is one of time or memory.
"""

from __future__ import annotations

import time

import numpy as np

from pyomo_dlmp.numerics import limits


class Effort:
    """Units of work that remain; one is about a millisecond of one core.

    Parameters
    ----------
    most
        Units at the start; infinite where the user asked for the step.
    deadline
        The user's time limit, as a time of ``time.monotonic``.
    """

    def __init__(self, most: float = np.inf, deadline: float = np.inf):
        self.most, self.deadline = most, deadline
        self.spent = 0.0

    def spend(self, units: float) -> None:
        """Count work that is done, in units."""
        self.spent += units

    @property
    def is_used_up(self) -> bool:
        """Whether the units are spent, or the user's limits end the step."""
        return (self.spent > self.most or time.monotonic() > self.deadline
                or limits.stopped(last=True) is not None)
