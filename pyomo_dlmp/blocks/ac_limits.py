"""Further limits at a bus of the AC form: symmetrical components, and a neutral's voltage.

With a = e^{j 120 deg},  V+ = (V_a + a V_b + a^2 V_c) / 3,  V- = (V_a + a^2 V_b + a V_c) / 3: both
linear in the voltages. |V+| is taken linear at the operating point,  Re(conj(V+0) V+) / |V+0|.

    |V_k| <= v_max of a neutral k, as an inscribed polygon:
    cos(t_s) vr + sin(t_s) vi - excess <= v_max cos(pi/K),    cost rho h excess
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.blocks.horizon import constraint_over
from pyomo_dlmp.blocks.polygon import Polygon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.phases import NEUTRALS, PHASES

_TURN = np.exp(2j * np.pi / 3)
PLUS = np.array([1.0, _TURN, _TURN**2]) / 3
_MINUS = np.array([1.0, _TURN**2, _TURN]) / 3


def add_sequences(bus: Any, horizon: Any) -> None:
    """Expressions `plus[t]` (magnitude, pu), `minus_r[t]` and `minus_i[t]` (pu) of a bus.

    Parameters
    ----------
    bus : AcBusBlock
        With three phases.
    horizon : Horizon
        Periods and shared indices.
    """
    if bus.component("plus") is not None:
        return
    bus.plus_point = horizon.point([PHASES], ("plus_r", "plus_i"))
    parts = {name: {} for name in ("plus", "minus_r", "minus_i")}  # type: dict[str, dict]
    for t in horizon.labels:
        (pr, pi), (mr, mi) = (_sum(bus, weights, t) for weights in (PLUS, _MINUS))
        parts["plus"][t] = (bus.plus_point["plus_r", PHASES, t] * pr
                            + bus.plus_point["plus_i", PHASES, t] * pi)
        parts["minus_r"][t], parts["minus_i"][t] = mr, mi
    for name, values in parts.items():
        bus.add_component(name, pyo.Expression(horizon.periods, initialize=values))
    set_sequences(bus)


def _sum(bus: Any, weights: np.ndarray, t: Any) -> tuple[Any, Any]:
    """Real and imaginary part of sum_k weight_k V_k."""
    terms = [(complex(c), bus.vr[k, t], bus.vi[k, t]) for c, k in zip(weights, PHASES, strict=True)]
    return (sum(c.real * vr - c.imag * vi for c, vr, vi in terms),
            sum(c.real * vi + c.imag * vr for c, vr, vi in terms))


def set_sequences(bus: Any) -> None:
    """Take the direction of V+ at the bus's operating point."""
    values = {}
    for t in bus.plus:
        v = complex(PLUS @ np.array([bus.v0[k, t] for k in PHASES]))
        way = v / abs(v) if v else 1.0 + 0j
        values["plus_r", PHASES, t], values["plus_i", PHASES, t] = way.real, way.imag
    bus.plus_point.store_values(values, check=False)


def limit_neutral(bus: Any, horizon: Any, v_max: float, sides: int = 12,
                  penalty: float | None = None) -> None:
    """Rows `neutral[conductor, t, side]`: the magnitude to ground of all neutrals of a bus.

    Parameters
    ----------
    bus : AcBusBlock
        With neutrals that are not solidly grounded.
    horizon : Horizon
        Periods and shared indices.
    v_max : float
        In pu of the nominal phase voltage.
    sides : int
        Of the polygon, at least 4.
    penalty : float or None
        Soft limit: $ per pu beyond it and hour (Expression `neutral_cost`, $); None: hard.

    Raises
    ------
    ModelError
        If the bus has no such neutral, or there are fewer than 4 sides.
    """
    own = [k for k in bus.conductors if k in NEUTRALS]
    if not own or sides < 4:
        raise ModelError.at(
            f"bus {bus.bus_name!r}", "has no neutral that is not solidly grounded" if not own else
            f"has a polygon of {sides} sides", "Limit a bus with a neutral, by 8 or 12 sides.")
    circle, index = Polygon(sides), horizon.index(own)
    bus.neutral_v_max = v_max * circle.inscribed
    if penalty is not None:
        bus.neutral_excess = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
        bus.neutral_cost = pyo.Expression(
            expr=penalty * bus.hours * sum(bus.neutral_excess.values()))
    bus.neutral = constraint_over(
        [(k, t, side) for k, t in index for side in range(sides)], lambda k, t, side: (
            circle.along(side, bus.vr[k, t], bus.vi[k, t])
            - (0.0 if penalty is None else bus.neutral_excess[k, t])
            <= v_max * circle.inscribed))
