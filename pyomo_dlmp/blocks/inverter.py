"""What an inverter can do: its rating as a polygon, and a least power factor.

    cos(t_k) p + sin(t_k) q <= S cos(pi/K),  k = 0..K-1     (inscribed in p^2 + q^2 <= S^2, safe)
    -p tan(acos pf) <= q <= p tan(acos pf)                   (p >= 0)

with totals p, q (MW, Mvar).
"""

from __future__ import annotations

import math

import pyomo.environ as pyo

from pyomo_dlmp.errors import ModelError


def limit_inverter(block, name: str, kva: float | None, power_factor_min: float | None,
                   periods, p, sides: int = 16) -> None:
    """Rows `rating[t, k]` and `power_factor[t, side]` of a device with p(t) and Var q[t]."""
    q = block.q
    if kva is not None:
        top = kva / 1000.0 * math.cos(math.pi / sides)
        turn = [2 * math.pi * k / sides for k in range(sides)]
        block.rating = pyo.Constraint(
            [(t, k) for t in periods for k in range(sides)],
            rule={(t, k): round(math.cos(turn[k]), 15) * p(t) + round(math.sin(turn[k]), 15) * q[t]
                  <= top for t in periods for k in range(sides)})
    if power_factor_min is not None:
        if block.component("charge") is not None:
            raise ModelError.at(name, "has a least power factor and may charge",
                                "Give a battery kva instead.")
        slope = math.tan(math.acos(power_factor_min))
        block.power_factor = pyo.Constraint(
            [(t, side) for t in periods for side in (-1, 1)],
            rule={(t, side): side * q[t] - slope * p(t) <= 0
                  for t in periods for side in (-1, 1)})
