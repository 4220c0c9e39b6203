"""When a price is flagged as made by a penalty, and what to do about it; needs no model."""

from __future__ import annotations

from pyomo_dlmp.tolerances import ROUNDING

CURE = ('Widen v_min and v_max, or take hard limits (voltage_limits="hard") or none '
        '(voltage_limits=None; in a study file "none").')
LARGE_SHARE = 0.2
"""Share of a price that is the penalty of a broken limit, above which the price is flagged."""


def penalty_share(penalty: float, price: float) -> float:
    """How much of a price is the penalty of broken limits.

    Parameters
    ----------
    penalty, price : float
        The part, and all of it ($/MWh).

    Returns
    -------
    float
        |penalty| / |price|; above `LARGE_SHARE` the price is flagged, with the limit.
    """
    return abs(penalty) / max(abs(price), ROUNDING)
