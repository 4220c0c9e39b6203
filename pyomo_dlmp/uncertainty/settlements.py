"""Two settlements: a schedule is paid at day-ahead prices, what differs from it at real-time ones.

    day ahead   x'p(x)           prices p of the clearing of the expected scenario at the schedule x
    real time   (u - x)'p_s(u)   prices p_s of scenario s at the powers u that come

Prices are gradients of the DSO's convex clearing cost V: p = dV/du, on a critical region L u + l
with L symmetric and positive semidefinite. With d = u - x the real-time payment is d'(L u + l)
there: a part borrows d beside u, and its cost is a sum of products (`uncertainty.products`), which
are cut in two where their envelopes err, until the gap is proven. At a fixed x it is convex in u on
each region.

By convexity (u - x)'p_s(u) >= V_s(u) - V_s(x), so at a schedule that all scenarios keep the whole
bill is the day-ahead one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.condensed import width
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.parametric.region_costs import Quadratic, RegionCost, piece_of
from pyomo_dlmp.tolerances import SAME_MONEY
from pyomo_dlmp.uncertainty.first_stage import FirstStage, Recourse, Terms
from pyomo_dlmp.uncertainty.measure import Measure, Rows
from pyomo_dlmp.uncertainty.products import Price, deviating
from pyomo_dlmp.uncertainty.scenario_parts import PartRange, ScenarioParts
from pyomo_dlmp.uncertainty.two_stage import TwoStage

DAY_AHEAD = "day ahead"


def price_on(piece: RegionCost, part: PartRange) -> Price:
    """The prices of which a piece's cost is the payment u'p(u).

    Parameters
    ----------
    piece
        Of the payment.
    part
        Its range.

    Returns
    -------
    Price

    Raises
    ------
    ModelError
        The cost is another one: something else than power at prices is paid for.
    """
    span = width(part)  # type: ignore[arg-type]
    P, p = piece.cost.P / np.outer(span, span), piece.cost.p / span
    start = p - P @ part.lo
    left = piece.cost.c - p @ part.lo + 0.5 * part.lo @ P @ part.lo
    if abs(left) > SAME_MONEY * (1.0 + abs(piece.cost.c)):
        raise ModelError.at(
            "solve_stochastic, settlement", "is 'two', and a site pays for something else than "
            "its power at prices", "Give balanced sites at a power factor, which pay for active "
            "and reactive power.")
    return Price(0.5 * P, start)


@dataclass
class AfterDayAhead:
    """A measure of the scenarios' costs, with the day-ahead payment before them.

    Attributes
    ----------
    inner
        Of the costs by scenario.
    """

    inner: Measure

    @property
    def linear(self) -> bool:
        """False: no bound by multipliers, which are not better where products are relaxed."""
        return False

    def rows(self, probabilities: np.ndarray) -> Rows:
        """See `Measure`."""
        rows = self.inner.rows(probabilities[1:])
        none = sp.csr_matrix((rows.A.shape[0], 1))
        return replace(rows, weights=np.append(1.0, rows.weights),
                       slope=np.append(1.0, rows.slope),
                       A=sp.hstack([none, rows.A], format="csr"))

    def value(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """See `Measure`."""
        return float(costs[0]) + self.inner.value(costs[1:], probabilities[1:])

    def columns(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """See `Measure`."""
        return self.inner.columns(costs[1:], probabilities[1:])

    def weights(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Weights whose sum of costs the measure is never below, and reaches at these: (S,)."""
        own = getattr(self.inner, "gradient", None)
        return probabilities[1:] if own is None else own(costs, probabilities[1:])


@dataclass
class TwoSettlements(TwoStage):
    """A two-stage problem whose first recourse is the day-ahead market.

    Attributes
    ----------
    prices
        Of each scenario, part and piece.
    one
        Each scenario with the payment of one settlement.
    """

    prices: list[list[list[Price]]] = field(default_factory=list)
    one: list[Recourse] = field(default_factory=list)

    @property
    def plain(self) -> list[ScenarioParts]:
        """Each scenario with the payment of one settlement."""
        return [r.scenario for r in self.one]

    def recourse_hull(self, s: int, x: np.ndarray | None = None) -> Hull:
        """As of `TwoStage`; at a first stage pieces are over the powers alone, and convex."""
        if x is None or s == 0:
            return super().recourse_hull(s, x)
        recourse, one = self.recourses[s], self.plain[s - 1]
        pieces = real_time_pieces(one, self.prices[s - 1], self.schedule(x))
        return build_hull(recourse.at(x), one.parts, pieces, one.u)  # type: ignore[arg-type]

    def schedule(self, x: np.ndarray) -> np.ndarray:
        """The scheduled powers among the columns of the first stage, by site and period (MW)."""
        return scheduled(self.first, x)


def scheduled(first: FirstStage, x: np.ndarray) -> np.ndarray:
    """The scheduled powers among the columns of a first stage, by site and period (MW)."""
    return x[[j for j, label in enumerate(first.labels) if label[0] == "schedule"]]


def prices_on(one: ScenarioParts) -> list[list[Price]]:
    """As of `price_on`, of each part and piece of a scenario."""
    return [[price_on(piece, part) for piece in pieces]
            for part, pieces in zip(one.parts, one.pieces, strict=True)]


def real_time_pieces(one: ScenarioParts, prices: list[list[Price]],
                     schedule: np.ndarray) -> list[list[RegionCost]]:
    """The real-time payment of a scenario at a schedule, over the powers alone.

    Parameters
    ----------
    one
        The scenario, with the payment of one settlement.
    prices
        Of each part and piece.
    schedule
        MW, shape (sites x periods,).

    Returns
    -------
    list of list of RegionCost
    """
    where, pieces = _places(one), []
    for part, mine, own_prices, at in zip(one.parts, one.pieces, prices, one.u, strict=True):
        own = schedule[[where[int(column)] for column in at]]
        pieces.append([piece_of(piece.polytope, piece.region, _at(price, part, own))
                       for piece, price in zip(mine, own_prices, strict=True)])
    return pieces


def two_settlements(expected: ScenarioParts, recourses: Sequence[Recourse], first: FirstStage,
                    terms: Terms, measure: Measure) -> TwoSettlements:
    """A two-stage problem with a day-ahead and a real-time settlement.

    Parameters
    ----------
    expected
        The expected scenario, which the day-ahead market clears.
    recourses
        Of the scenarios, with payments of one settlement and deviations from a schedule.
    first, terms, measure
        As of `TwoStage`.

    Returns
    -------
    TwoSettlements

    Raises
    ------
    ModelError
        As of `price_on`.
    """
    plain = [r.scenario for r in recourses]
    prices = [prices_on(one) for one in plain]
    room = [terms.flexibility[site] * terms.capacity_mw[site] for site in expected.sites]
    found = [_real_time(r, mine, np.array(room)) for r, mine in zip(recourses, prices, strict=True)]
    return TwoSettlements(first, [_day_ahead(expected, first), *found], AfterDayAhead(measure),
                          terms, prices, list(recourses))


def _places(one: ScenarioParts) -> dict[int, int]:
    """Position among (site, period) of each column of a power."""
    return {int(column): k for k, column in enumerate(one.power.ravel())}


def _at(price: Price, part: PartRange, x: np.ndarray) -> Quadratic:
    """(u - x)'p(u) in the range of u scaled to 0 .. 1."""
    span, L, lo = width(part), price.slope, part.lo  # type: ignore[arg-type]
    P, p = 2.0 * L, price.start - L @ x
    return Quadratic(P * np.outer(span, span), (p + P @ lo) * span,
                     float(0.5 * lo @ P @ lo + p @ lo - x @ price.start))


def _day_ahead(expected: ScenarioParts, first: FirstStage) -> Recourse:
    """The day-ahead market: its powers are the schedule, and nothing else binds it."""
    where, many = _places(expected), expected.power.size
    columns = expected.power.ravel()
    p = expected.program
    if any(int(column) not in where for at in expected.u for column in at):
        raise ModelError.at("solve_stochastic, settlement", "is 'two', and sites decide more than "
                            "their power", "Give balanced sites at a power factor.")
    # the schedule is bound by its sites, and not by the work of the expected scenario, to which
    # the bounds of its program are drawn together
    lb, ub = p.lb.copy(), p.ub.copy()
    for part, mine in zip(expected.parts, expected.u, strict=True):
        lb[mine], ub[mine] = part.lo, part.hi
    place = {label: j for j, label in enumerate(first.labels)}
    at = [place["schedule", site, t] for site in expected.sites
          for t in range(expected.power.shape[1])]
    program = Program(
        A=sp.identity(many, format="csr"), lo=np.zeros(many), hi=np.zeros(many),
        lb=lb[columns], ub=ub[columns], c=np.zeros(many), constant=0.0,
        integer=np.zeros(many, bool), columns=[p.columns[column] for column in columns])
    B = sp.csr_matrix((-np.ones(many), (np.arange(many), at)), shape=(many, first.size))
    one = replace(expected, name=DAY_AHEAD, probability=0.0, program=program,
                  u=[np.array([where[int(c)] for c in columns]) for columns in expected.u],
                  power=np.arange(many).reshape(expected.power.shape), starts={})
    return Recourse(one, program, np.arange(many), B, None)


def _real_time(recourse: Recourse, prices: list[list[Price]], room: np.ndarray) -> Recourse:
    """A scenario whose parts have the deviations beside the powers; one column more for each."""
    one, p = recourse.scenario, recourse.program
    assert recourse.deviations is not None
    many, base = one.power.size, len(p.c)
    up, down = recourse.deviations.reshape(2, -1)
    where = _places(one)
    most = np.repeat(room, one.power.shape[1])
    number = np.arange(many)
    rows = sp.csr_matrix(
        (np.repeat([1.0, -1.0, 1.0], many),
         (np.tile(number, 3), np.concatenate([base + number, up, down]))),
        shape=(many, base + many))
    wide = sp.csr_matrix((p.A.data, p.A.indices, p.A.indptr), shape=(p.A.shape[0], base + many))
    none = np.zeros(many)
    program = Program(
        A=sp.vstack([wide, rows], format="csr"), lo=np.append(p.lo, none),
        hi=np.append(p.hi, none), lb=np.append(p.lb, -most), ub=np.append(p.ub, most),
        c=np.append(p.c, none), constant=p.constant, integer=np.append(p.integer, none != 0))
    parts, pieces, u = [], [], []
    for part, mine, price, at in zip(one.parts, one.pieces, prices, one.u, strict=True):
        own = np.array([where[int(column)] for column in at])
        borrowed = PartRange(np.append(part.lo, -most[own]), np.append(part.hi, most[own]))
        parts.append(borrowed)
        pieces.append([half for piece, q in zip(mine, price, strict=True)
                       for half in deviating(piece, q, borrowed)])
        u.append(np.append(at, base + own))
    return Recourse(replace(one, parts=parts, pieces=pieces, u=u), program, recourse.links,
                    sp.vstack([recourse.B, sp.csr_matrix((many, recourse.B.shape[1]))],
                              format="csr"), recourse.deviations)


def site_price(point: Any, dc: Any) -> np.ndarray:
    """Price of a balanced site's power by period, shape (periods,).

    Parameters
    ----------
    point : ScenarioPoint
    dc : Datacenter

    Returns
    -------
    ndarray
        $ per MWh of active power, with the reactive power that comes with it.
    """
    lagging = float(np.tan(np.arccos(dc.power_factor)))
    total = np.zeros(len(point.periods))
    for bus, phase, quantity, values in point.read.prices:
        if bus == dc.bus and phase in dc.phases:
            total += np.asarray(values) * (1.0 if quantity == "active" else lagging)
    return total / len(dc.phases)
