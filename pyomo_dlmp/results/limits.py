"""When a price is flagged as one that a penalty makes, as readers of tables need it."""

from pyomo_dlmp.opf.voltage_penalties import CURE, LARGE_SHARE, penalty_share

__all__ = ["CURE", "LARGE_SHARE", "penalty_share"]
