"""How a search or a market ended: the words of every `status`, once.

They are strings that print, compare and are written to files as the plain words they stand for.
"""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """A member prints as its value, in f-strings, tables and CSV files too."""

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


class Status(Word):
    """The state in which a solve ended.

    A solver's own word for an end that is none of these stays a plain string.
    """

    OPTIMAL = "optimal"  # to the gap that was asked for
    LOCALLY_OPTIMAL = "locally optimal"  # by a local solver, which proves nothing
    TIME_LIMIT = "time limit"
    MEMORY_LIMIT = "memory limit"
    WORK_LIMIT = "work limit"  # of a step inside a solve; a solve itself has none
    INTERRUPTED = "interrupted"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INFEASIBLE_OR_UNBOUNDED = "infeasible or unbounded"
    GAP_NOT_REACHED = "gap not reached"
    SEARCHING = "searching"  # in a checkpoint that is written before the end
    CYCLES = "cycles"  # a market whose schedules come back without end
    ROUNDS_USED_UP = "rounds used up"  # a market that has not converged


STOPPED = (Status.TIME_LIMIT, Status.INTERRUPTED, Status.MEMORY_LIMIT)  # a search that was ended
ENDED = (*STOPPED, Status.WORK_LIMIT)  # a step inside one, too
NO_POINT = (Status.INFEASIBLE, Status.UNBOUNDED, Status.INFEASIBLE_OR_UNBOUNDED)
