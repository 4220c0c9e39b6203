"""Pieces of real-time payments: deviations times prices, with their envelopes.

On a critical region the price of each site is affine in the powers u, so the payment of deviations
d is sum_i d_i p_i(u). With d_i within [a, b] and p_i within [g, h] on a piece,

    d_i p_i >= max(a p_i + g d_i - a g,  b p_i + h d_i - b h)

(McCormick, Mathematical Programming 10 (1976) 147-175), and this is exact where d_i is at an end of
its range. A piece is cut at the deviation where it errs most, after which it is exact there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.numerics.polytopes import Polytope
from pyomo_dlmp.parametric.condensed import width
from pyomo_dlmp.parametric.region_costs import Quadratic, RegionCost
from pyomo_dlmp.tolerances import ROUNDING
from pyomo_dlmp.uncertainty.scenario_parts import PartRange


@dataclass
class Price:
    """Prices of the decisions of a part on a region: slope u + start ($/MW of the period).

    Attributes
    ----------
    slope, start
        Shapes (m, m) and (m,).
    """

    slope: np.ndarray
    start: np.ndarray


@dataclass
class Products:
    """sum_i (d_i + shift_i) size_i (slope v_u + start)_i over v = (v_u, v_d), and its envelope.

    Attributes
    ----------
    slope, start
        Prices over v_u, shapes (m, m) and (m,).
    shift, size
        Deviations are shift + size v_d (MW), shape (m,).
    low, high
        Range of v_d, shape (m,).
    cheap, dear
        Range of the prices, shape (m,).
    """

    slope: np.ndarray
    start: np.ndarray
    shift: np.ndarray
    size: np.ndarray
    low: np.ndarray
    high: np.ndarray
    cheap: np.ndarray
    dear: np.ndarray

    def __call__(self, v: np.ndarray) -> float:
        return float(self._faces(v).max(axis=0).sum())

    def errors(self, v: np.ndarray) -> np.ndarray:
        """How far the envelope of each product lies below it, shape (m,)."""
        d, p = self._at(v)
        return d * p - self._faces(v).max(axis=0)

    def tangent(self, v: np.ndarray) -> tuple[np.ndarray, float]:
        """(slope, value at 0) of the face that holds at v."""
        m = len(self.start)
        upper = self._faces(v).argmax(axis=0).astype(bool)
        d = self.shift + self.size * np.where(upper, self.high, self.low)
        p = np.where(upper, self.dear, self.cheap)
        slope = np.append(d @ self.slope, p * self.size)
        at_zero = float(d @ self.start + p @ self.shift - d @ p)
        assert len(slope) == 2 * m
        return slope, at_zero

    def _at(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        m = len(self.start)
        return self.shift + self.size * v[m:], self.slope @ v[:m] + self.start

    def _faces(self, v: np.ndarray) -> np.ndarray:
        d, p = self._at(v)
        a, b = self.shift + self.size * self.low, self.shift + self.size * self.high
        return np.array([a * p + self.cheap * (d - a), b * p + self.dear * (d - b)])


@dataclass
class DeviationCost(RegionCost):
    """A piece of a real-time payment ($), with its envelope `below`.

    Attributes
    ----------
    base
        The region over the powers, scaled to 0 .. 1; `polytope` is the cylinder of it over the
        range of deviations.
    """

    below: Products  # type: ignore[assignment]
    base: Polytope

    @classmethod
    def of(cls, base: Polytope, region: int, cost: Quadratic, below: Products) -> DeviationCost:
        """A piece over the range of deviations that its envelope has."""
        none = np.ones((2 * len(below.start), 1))  # not convex: no piece of a quadratic program
        return cls(cylinder(base, below.low, below.high), region, cost, below, 0.0, none, base)

    def halves(self, v: np.ndarray) -> list[RegionCost]:
        """The piece cut in two at the deviation of v that errs most; itself where none can be."""
        m = len(self.below.start)
        low, high, at = self.below.low, self.below.high, v[m:]
        inside = np.minimum(at - low, high - at) > ROUNDING
        errors = np.where(inside, self.below.errors(v), -np.inf)
        i = int(np.argmax(errors))
        if not np.isfinite(errors[i]):
            return [self]
        first, second = high.copy(), low.copy()
        first[i] = second[i] = at[i]
        return [self._within(low, first), self._within(second, high)]

    def _within(self, low: np.ndarray, high: np.ndarray) -> DeviationCost:
        b = self.below
        return DeviationCost.of(self.base, self.region, self.cost, Products(
            b.slope, b.start, b.shift, b.size, low, high, b.cheap, b.dear))


def deviating(piece: RegionCost, price: Price, part: PartRange) -> list[RegionCost]:
    """The pieces of d'p(u) over (u, d) on a region: with one site cut at d = 0.

    Parameters
    ----------
    piece
        Of the payment of the powers.
    price
        Prices on it.
    part
        Range of (u, d).

    Returns
    -------
    list of DeviationCost
    """
    span, m = width(part), len(price.start)  # type: ignore[arg-type]
    lo_u, lo_d, s_u, s_d = part.lo[:m], part.lo[m:], span[:m], span[m:]
    slope, start = price.slope * s_u, price.slope @ lo_u + price.start
    seen = piece.polytope.vertices @ slope.T + start
    zero, one = np.zeros(m), np.ones(m)
    below = Products(slope, start, lo_d, s_d, zero, one, seen.min(axis=0), seen.max(axis=0))
    cross = s_d[:, None] * slope
    none = np.zeros((m, m))
    cost = Quadratic(np.block([[none, cross.T], [cross, none]]),
                     np.append(lo_d @ slope, s_d * start), float(lo_d @ start))
    whole = DeviationCost.of(piece.polytope, piece.region, cost, below)
    if m > 1 or part.hi[-1] <= part.lo[-1]:
        return [whole]
    middle = np.append(piece.polytope.center, -lo_d / s_d)
    return whole.halves(middle)


def cylinder(base: Polytope, low: np.ndarray, high: np.ndarray) -> Polytope:
    """A polytope times a box.

    Parameters
    ----------
    base
        In m dimensions.
    low, high
        Of the box, shape (k,).

    Returns
    -------
    Polytope
        In m + k dimensions.
    """
    m, many, k = base.vertices.shape[1], len(base.vertices), len(low)
    corners = np.array(np.meshgrid(*np.column_stack([low, high]), indexing="ij")).reshape(k, -1).T
    vertices = np.hstack([np.repeat(base.vertices, len(corners), axis=0),
                          np.tile(corners, (many, 1))])
    box = np.vstack([np.eye(k), -np.eye(k)])
    A = np.vstack([np.hstack([base.A, np.zeros((len(base.A), k))]),
                   np.hstack([np.zeros((2 * k, m)), box])])
    b = np.concatenate([base.b, high, -low])
    of = np.repeat(np.arange(many), len(corners))
    touching = [np.flatnonzero(np.isin(of, mine)) for mine in base.facet_vertices]
    touching += [np.flatnonzero(vertices[:, m:] @ row == limit)
                 for row, limit in zip(box, b[len(base.A):], strict=True)]
    return Polytope(A, b, np.arange(len(A)), vertices, touching,
                    np.append(base.center, 0.5 * (low + high)),
                    min(base.radius, float(0.5 * (high - low).min())))
