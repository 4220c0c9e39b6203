"""Voltage unbalance in the DSO's problem: a limit (hard or soft) or a penalty, at chosen buses.

With line-to-line squared voltages w_ab, w_bc, w_ca (pu, linear in w and theta) and their mean,

    X = (2 w_ab - w_bc - w_ca) / sqrt6,   Y = (w_bc - w_ca) / sqrt2
    VUF <= tau  is, to first order,  |X + jY| <= sqrt6 tau mean

inscribed as a polygon of K sides, so that it is safe:

    cos(t_k) X + sin(t_k) Y - sqrt6 tau cos(pi/K) mean - excess <= 0,   cost rho h excess

In the AC form V- and V+ are linear in the voltages: X + jY = sqrt6 V-, mean = |V+|, linear at the
operating point, and VUF = |V-| / |V+| is what is limited.

excess is 0 for a hard limit. A penalty alone (no limit) prices the unbalance itself, in $ per
percent of VUF and hour:

    cos(t_k) X + sin(t_k) Y <= sqrt6 cos(pi/K) u / 100,    cost price h u
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.blocks.horizon import constraint_over
from pyomo_dlmp.blocks.polygon import Polygon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.phases import DELTA_PAIRS, PHASES
from pyomo_dlmp.network.series import is_number, items_of


@dataclass(frozen=True, kw_only=True)
class Unbalance:
    """Limits or a price on voltage unbalance; see the module's text.

    Parameters
    ----------
    limit : float or None
        Greatest voltage unbalance factor, VUF (%).
    penalty : float or None
        Soft limit: $ per pu^2 beyond it and hour; None: hard limit.
    price : float or None
        $ per percent of VUF, bus and hour.
    buses : iterable of str or None
        Where it applies; None: all buses with three phases.
    sides : int
        Of the polygon, at least 6.
    """

    limit: float | None = None
    penalty: float | None = None
    price: float | None = None
    buses: Iterable[str] | None = None
    sides: int = 12

    def __post_init__(self) -> None:
        items = None if self.buses is None else items_of(self.buses)
        if items is not None:  # read more than once, and not to change with the caller's list
            object.__setattr__(self, "buses", tuple(items))


def add_unbalance(m: Any, what: Unbalance) -> None:
    """Rows `unbalance_limit[t, k]` and `unbalance_price[t, k]` at the chosen buses of a model.

    Parameters
    ----------
    m : Block
        With its buses.
    what : Unbalance
        Limit, price and buses.

    Raises
    ------
    ModelError
        If a bus does not have three phases, a number is not above 0, there is neither limit nor
        price, there are fewer than 6 sides, or the model has no angles.
    """
    three = [name for name, bus in m.bus.items() if bus.phases == PHASES]
    chosen = three if what.buses is None else list(what.buses)
    wrong = [name for name in chosen if name not in three]
    if wrong:
        raise ModelError.at("unbalance", f"names bus {wrong[0]!r}",
                            "Unbalance is defined at buses with phases a, b, c.")
    for key in ("limit", "penalty", "price"):
        value = getattr(what, key)
        if value is not None and not (is_number(value) and value > 0):
            raise ModelError.at("unbalance", f"has {key}={value!r}", "Give a number above 0.")
    if what.limit is None and what.price is None:
        raise ModelError.at("unbalance", "has neither limit nor price", "Give one of them.")
    if what.sides < 6:
        raise ModelError.at("unbalance", f"has {what.sides} sides", "Use 8, 12 or 16.")
    for name in chosen:
        _at_bus(m.bus[name], list(m.periods), what)


def _at_bus(bus, periods, what: Unbalance) -> None:
    circle = Polygon(what.sides)
    sides = [(t, k) for t in periods for k in range(what.sides)]
    x, y, mean = (_ac_parts if bus.form == "ac" else _linear_parts)(bus, periods)

    def along(t, k):
        return circle.along(k, x[t], y[t])

    costs = []
    if what.limit is not None:
        reach = math.sqrt(6) * what.limit / 100 * circle.inscribed
        bus.unbalance_reach = reach
        soft = what.penalty is not None
        if soft:
            bus.unbalance_excess = pyo.Var(periods, domain=pyo.NonNegativeReals, initialize=0.0)
            costs += [what.penalty * bus.hours * e for e in bus.unbalance_excess.values()]
        bus.unbalance_limit = constraint_over(sides, lambda t, k: (
            along(t, k) - reach * mean[t]
            - (bus.unbalance_excess[t] if soft else 0.0) <= 0))
    if what.price is not None:
        bus.vuf = pyo.Var(periods, domain=pyo.NonNegativeReals, initialize=0.0)  # percent
        bus.unbalance_price = constraint_over(sides, lambda t, k: (
            along(t, k) - math.sqrt(6) * circle.inscribed / 100 * bus.vuf[t] <= 0))
        costs += [what.price * bus.hours * u for u in bus.vuf.values()]
    if costs:
        bus.unbalance_cost = pyo.Expression(expr=sum(costs))


def _linear_parts(bus, periods) -> tuple[dict, dict, dict]:
    """X, Y and the mean, by period."""
    if bus.component("theta") is None:
        raise ModelError.at(bus.name, "has no angles, which unbalance needs",
                            "Build with angles=True.")
    ll = {t: [bus.leg_voltage(pair, t) for pair in DELTA_PAIRS] for t in periods}
    return ({t: (2 * ab - bc - ca) / math.sqrt(6) for t, (ab, bc, ca) in ll.items()},
            {t: (bc - ca) / math.sqrt(2) for t, (ab, bc, ca) in ll.items()},
            {t: (ab + bc + ca) / 3 for t, (ab, bc, ca) in ll.items()})


def _ac_parts(bus, periods) -> tuple[dict, dict, dict]:
    """sqrt6 V- and |V+|, which stand for the same within second order, but exact."""
    bus.add_sequences()
    root = math.sqrt(6)
    return ({t: root * bus.minus_r[t] for t in periods},
            {t: root * bus.minus_i[t] for t in periods}, {t: bus.plus[t] for t in periods})
