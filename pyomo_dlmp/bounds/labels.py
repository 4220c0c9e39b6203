"""The words for a pair: its state, and where its bounds come from."""

from __future__ import annotations

from pyomo_dlmp.status import Word


class PairState(Word):
    """What the bounds of a pair prove about it."""

    OPEN = "open"  # needs complementarity
    NEVER_BINDS = "never binds"  # its multiplier is zero
    ALWAYS_BINDS = "always binds"  # its slack is zero
    SETTLED = "settled"  # complementary at every solution and multiplier that is left


class Source(Word):
    """Where a bound comes from."""

    NONE = ""  # there is none
    USER = "user"
    INTERVAL = "interval"  # propagated along the rows
    VERTEX = "vertex"  # of the dual face: holds for some optimal dual, not for each
    LP = "lp"  # a linear program, with a certificate
    INTERVAL_CUTOFF = "interval, cutoff"  # holds for points at least as good as the cutoff
    LP_CUTOFF = "lp, cutoff"
    SOLVED = "solved"  # the lower level alone, at upper decisions that are given
    VERTEX_CUTOFF = "vertex, cutoff"
