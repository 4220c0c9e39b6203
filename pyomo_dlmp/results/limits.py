"""Soft voltage limits that do not hold: `opf.soft_limits`, under the name that tables use."""

from pyomo_dlmp.opf.soft_limits import (
    CURE,
    LARGE_SHARE,
    BrokenLimits,
    broken_limits,
    penalty_share,
    soft_limits,
)

__all__ = ["CURE", "LARGE_SHARE", "BrokenLimits", "broken_limits", "penalty_share", "soft_limits"]
