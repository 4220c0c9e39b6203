"""A bound of two settlements by the convexity of the DSO's cost, and a schedule from it.

With V_s the DSO's cost of an hour in scenario s, and q any weights of the measure of risk,

    (u - x)'p_s(u) >= V_s(u) - V_s(x)
    objective >= min  g(x) + sum_s q_s V_s(u_s) + ...,     g(x) = x'p(x) - sum_s q_s V_s(x)

V_s(u) is convex, so what is left are cells of x: on a region of the day-ahead clearing x'p(x) is a
quadratic, and the concave -V_s lies above any affine function that is below it at the cell's
corners. Cells are cut in two where that errs. What is lost is of second order in the deviations, as
long as no price jumps between x and u.

V_s follows from its slope: prices are integrated along a line to the centre of each region.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.polytopes import Polytope, make_polytope
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.condensed import width
from pyomo_dlmp.parametric.region_costs import Quadratic, RegionCost
from pyomo_dlmp.tolerances import ROUNDING
from pyomo_dlmp.uncertainty.measure import Rows
from pyomo_dlmp.uncertainty.products import Price
from pyomo_dlmp.uncertainty.scenario_parts import PartRange
from pyomo_dlmp.uncertainty.settlements import TwoSettlements
from pyomo_dlmp.uncertainty.two_stage import TwoStage


@dataclass
class Weighted:
    """A weighted sum of costs, as a measure."""

    weights: np.ndarray
    linear = False

    def rows(self, probabilities: np.ndarray) -> Rows:
        """See `Measure`."""
        none = np.zeros(0)
        return Rows(self.weights, self.weights, none, none, none,
                    sp.csr_matrix((0, len(self.weights))), none, none)

    def value(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """See `Measure`."""
        return float(self.weights @ costs)

    def columns(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """See `Measure`."""
        return np.zeros(0)


class Potential:
    """The DSO's cost of a part ($) over v, the range of u scaled to 0 .. 1, up to a constant.

    Parameters
    ----------
    pieces : list of RegionCost
        Of the payment, whose polytopes are the regions.
    prices : list of Price
        On each.
    part : PartRange
    """

    def __init__(self, pieces: list[RegionCost], prices: list[Price], part: PartRange):
        span = width(part)  # type: ignore[arg-type]
        self.A = np.vstack([p.polytope.A for p in pieces])
        self.b = np.concatenate([p.polytope.b for p in pieces])
        self.first = np.concatenate([[0], np.cumsum([len(p.polytope.b) for p in pieces])])[:-1]
        self.slopes = np.array([q.slope * np.outer(span, span) for q in prices])
        self.starts = np.array([span * (q.slope @ part.lo + q.start) for q in prices])
        self.constants = np.zeros(len(pieces))
        centers = np.array([p.polytope.center for p in pieces])
        worth = np.array([self._along(np.full(len(span), 0.5), center) for center in centers])
        self.constants = worth - self._on(np.arange(len(pieces)), centers)

    def __call__(self, v: np.ndarray) -> float:
        return float(self.values(v[None, :])[0])

    def values(self, points: np.ndarray) -> np.ndarray:
        """The cost at points, shapes (k, m) and (k,)."""
        r = self._regions(points)
        return self.constants[r] + self._on(r, points)

    def tangent(self, v: np.ndarray) -> tuple[np.ndarray, float]:
        """(slope, value at 0) of the tangent at v."""
        r = int(self._regions(v[None, :])[0])
        slope = self.slopes[r] @ v + self.starts[r]
        return slope, self(v) - float(slope @ v)

    def _regions(self, points: np.ndarray) -> np.ndarray:
        """Numbers of the regions that hold points, or are nearest."""
        return np.maximum.reduceat(points @ self.A.T - self.b, self.first, axis=1).argmin(axis=1)

    def _on(self, r: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The quadratics of regions at points, without their constants."""
        return 0.5 * np.einsum("ki,kij,kj->k", points, self.slopes[r], points) + np.einsum(
            "ki,ki->k", points, self.starts[r])

    def _along(self, start: np.ndarray, end: np.ndarray) -> float:
        """Integral of the prices from one point to another."""
        step = end - start
        rate, room = self.A @ step, self.b - self.A @ start
        moving = np.abs(rate) > ROUNDING
        at = room[moving] / rate[moving]
        ends = np.unique(np.concatenate([[0.0], at[(at > 0.0) & (at < 1.0)], [1.0]]))
        middles = start + 0.5 * (ends[:-1] + ends[1:])[:, None] * step  # prices are affine between
        r = self._regions(middles)
        prices = np.einsum("kij,kj->ki", self.slopes[r], middles) + self.starts[r]
        return float(np.diff(ends) @ (prices @ step))


@dataclass
class ConvexPiece(RegionCost):
    """A part whose cost is convex on its whole range: one piece."""

    cost: Potential  # type: ignore[assignment]
    below: Potential  # type: ignore[assignment]

    @classmethod
    def of(cls, cost: Potential) -> ConvexPiece:
        """The piece of a potential."""
        m = len(cost.starts[0])
        box = make_polytope(np.vstack([np.eye(m), -np.eye(m)]),
                            np.concatenate([np.ones(m), np.zeros(m)]))
        assert box is not None
        return cls(box, 0, cost, cost, 0.0, np.ones((m, 1)))

    def halves(self, v: np.ndarray) -> list[RegionCost]:
        """Itself."""
        return [self]


@dataclass
class Sum:
    """A quadratic and an affine function, less potentials with their weights where they are exact.

    Attributes
    ----------
    paid
        The day-ahead payment over v.
    minus
        (weight, potential) of each scenario; the empty list where `slope` and `start` stand for it.
    slope, start
        Of the affine function.
    """

    paid: Quadratic
    minus: list[tuple[float, Potential]]
    slope: np.ndarray
    start: float

    def __call__(self, v: np.ndarray) -> float:
        return self.paid(v) + float(self.slope @ v) + self.start - sum(
            w * potential(v) for w, potential in self.minus)

    def tangent(self, v: np.ndarray) -> tuple[np.ndarray, float]:
        """(slope, value at 0) of the tangent at v, without `minus`."""
        slope, start = self.paid.tangent(v)
        return slope + self.slope, start + self.start


@dataclass
class Cell(RegionCost):
    """A piece of g on a part of a region of the day-ahead clearing."""

    cost: Sum  # type: ignore[assignment]
    below: Sum  # type: ignore[assignment]

    def halves(self, v: np.ndarray) -> list[RegionCost]:
        """The cell cut in two near v, across the coordinate in which it is widest."""
        corners = self.polytope.vertices
        low, high = corners.min(axis=0), corners.max(axis=0)
        j = int(np.argmax(high - low))
        at = float(np.clip(v[j], low[j] + 0.25 * (high[j] - low[j]),
                           high[j] - 0.25 * (high[j] - low[j])))
        e = np.eye(len(low))[j]
        found = [make_polytope(np.vstack([self.polytope.A, side * e]),
                               np.append(self.polytope.b, side * at)) for side in (1.0, -1.0)]
        if any(half is None for half in found):
            return [self]
        return [cell_of(half, self.region, self.cost) for half in found]  # type: ignore[arg-type]


def cell_of(polytope: Polytope, region: int, cost: Sum) -> Cell:
    """A cell with the affine function below -sum q V that is highest at its centre."""
    corners = polytope.vertices
    worth = np.zeros(len(corners))
    for w, potential in cost.minus:
        worth -= w * potential.values(corners)
    k, m = corners.shape
    centre = corners.mean(axis=0)
    answer = Highs.of(Program(
        A=sp.csr_matrix(np.hstack([corners, np.ones((k, 1))])), lo=np.full(k, -np.inf), hi=worth,
        lb=np.full(m + 1, -np.inf), ub=np.full(m + 1, np.inf), c=-np.append(centre, 1.0),
        constant=0.0, integer=np.zeros(m + 1, bool))).solve()
    slope = np.zeros(m) if answer.z is None else answer.z[:m]
    start = float((worth - corners @ slope).min())  # exactly below all corners
    return Cell(polytope, region, cost, Sum(cost.paid, [], slope, start), 0.0, np.ones((m, 1)))


def convex_bound(problem: TwoSettlements, weights: np.ndarray) -> TwoStage | None:
    """The problem whose optimum is a bound; None where a scenario's sites have other limits.

    Parameters
    ----------
    problem
        With two settlements.
    weights
        Of the scenarios' costs, shape (S,): no measure of them is below that weighted sum.

    Returns
    -------
    TwoStage or None
    """
    ahead, real = problem.recourses[0], problem.one
    parts = ahead.scenario.parts
    for r in real:
        if len(r.scenario.parts) != len(parts) or any(
                not (np.allclose(a.lo, b.lo, rtol=0, atol=ROUNDING)
                     and np.allclose(a.hi, b.hi, rtol=0, atol=ROUNDING))
                for a, b in zip(parts, r.scenario.parts, strict=True)):
            return None
    found = [[Potential(*each) for each in zip(r.scenario.pieces, prices, r.scenario.parts,
                                               strict=True)]
             for r, prices in zip(real, problem.prices, strict=True)]
    cells: list[Any] = []
    for k, (part, mine) in enumerate(zip(parts, ahead.scenario.pieces, strict=True)):
        minus = [(float(w), each[k]) for w, each in zip(weights, found, strict=True)]
        none = np.zeros(part.m)
        cells.append([cell_of(p.polytope, p.region, Sum(p.cost, minus, none, 0.0)) for p in mine])
    convex = [replace(r, scenario=replace(r.scenario, pieces=[
        [ConvexPiece.of(each)] for each in mine]))
        for r, mine in zip(real, found, strict=True)]
    day = replace(ahead, scenario=replace(ahead.scenario, pieces=cells))
    return TwoStage(problem.first, [day, *convex], Weighted(np.append(1.0, weights)),
                    problem.terms)
