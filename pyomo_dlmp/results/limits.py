"""Soft voltage limits that do not hold: `opf.penalised`, under the name that tables use."""

from pyomo_dlmp.opf.penalised import (
    CURE,
    LARGE_SHARE,
    BrokenLimits,
    broken_limits,
    penalty_share,
    soft_limits,
)

__all__ = ["CURE", "LARGE_SHARE", "BrokenLimits", "broken_limits", "penalty_share", "soft_limits"]
