"""What an inverter can do: its rating as a polygon, and a least power factor.

    cos(t_k) p + sin(t_k) q <= S cos(pi/K),  k = 0..K-1     (`blocks.polygon`)
    -p tan(acos pf) <= q <= p tan(acos pf)                   (p >= 0)

with totals p, q (MW, Mvar).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyomo_dlmp.blocks.device import BalancedBlockData
from pyomo_dlmp.blocks.horizon import constraint_over
from pyomo_dlmp.blocks.polygon import Polygon
from pyomo_dlmp.network.units import mega

CIRCLE = Polygon(16)


def limit_inverter(block: BalancedBlockData, kva: float | None, power_factor_min: float | None,
                   periods: Sequence) -> None:
    """Rows `rating[t, k]` and `power_factor[t, side]` of a device's totals.

    Parameters
    ----------
    block : BalancedBlockData
        Of the device.
    kva : float or None
        Rating (kVA); None: no such rows.
    power_factor_min : float or None
        Least power factor of a device that only generates; None: no such rows.
    periods : sequence
        Labels of the periods.
    """
    if kva is not None:
        top = mega(kva) * CIRCLE.inscribed
        block.rating = constraint_over(
            [(t, k) for t in periods for k in range(CIRCLE.sides)],
            lambda t, k: CIRCLE.along(k, *block.total(t)) <= top)
    if power_factor_min is not None:
        slope = math.tan(math.acos(power_factor_min))
        block.power_factor = constraint_over(
            [(t, side) for t in periods for side in (-1, 1)],
            lambda t, side: side * block.total(t)[1] - slope * block.total(t)[0] <= 0)
