"""Measures of risk over the costs of the scenarios, as rows of the master over its cost columns.

    CVaR         (1 - w) E[cost] + w CVaR_a[cost],
                 CVaR_a = min eta + 1/(1 - a) sum_s pi_s delta_s,   delta_s >= cost_s - eta, 0
    Wasserstein  sup of E_Q[cost] over Q on the same scenarios that is within `radius` of pi
                 = min gamma radius + sum_s pi_s delta_s,   delta_s >= cost_j - gamma dist(s, j)

Both are convex and rise with each cost, so that costs known from below (tangents) prove a bound of
them. Sources: Rockafellar and Uryasev, Journal of Risk 2 (2000) 21-41; Mohajerin Esfahani and Kuhn,
Mathematical Programming 171 (2018) 115-166, here with Q on the points of the sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.tolerances import ROUNDING
from pyomo_dlmp.uncertainty.measure import Expected, Measure, Rows
from pyomo_dlmp.uncertainty.scenarios import Scenarios

_SHARE, _RADIUS = Range(0, 1), Range(0)
_KINKS = 200  # of the worst expectation as a function of gamma, that are met at most


@dataclass(frozen=True)
class CVaR:
    """Expected cost, and the mean of the worst ones.

    Parameters
    ----------
    weight : float
        Of the conditional value at risk, 0 to 1; the expectation has the rest.
    level : float
        0 to 1: the mean of the worst (1 - level) of the probability. 1: the worst scenario.
    """

    weight: float = 1.0
    level: float = 0.9

    def _tail(self, probabilities: np.ndarray) -> float:
        """Probability of the tail; 0 where it is the worst scenario alone."""
        tail = 1.0 - self.level
        return tail if tail > probabilities[probabilities > 0].min() else 0.0

    def rows(self, probabilities: np.ndarray) -> Rows:
        """See `Measure`: e = (eta, delta)."""
        many, tail, w = len(probabilities), self._tail(probabilities), self.weight
        share = probabilities / tail if tail else np.zeros(many)
        # without a tail eta is above each scenario's cost, but for those that never come
        free = (probabilities <= 0.0) | (tail > 0.0)
        eye = sp.identity(many)
        return Rows(
            weights=(1.0 - w) * probabilities,
            slope=(1.0 - w) * probabilities + w * (
                np.minimum(1.0, share) if tail else ~free),
            c=np.concatenate([[w], w * share]), lb=np.append(-np.inf, np.zeros(many)),
            ub=np.append(np.inf, np.where(free, np.inf, 0.0)),
            A=sp.hstack([-eye, np.ones((many, 1)), eye], format="csr"),
            lo=np.zeros(many), hi=np.full(many, np.inf))

    def value(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """See `Measure`."""
        mean = float(probabilities @ costs)
        if self.weight == 0.0:
            return mean
        return (1.0 - self.weight) * mean + self.weight * self.tail_mean(costs, probabilities)

    def tail_mean(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """The conditional value at risk of costs ($), by itself.

        Parameters
        ----------
        costs, probabilities
            Shape (S,).

        Returns
        -------
        float
        """
        eta = self.quantile(costs, probabilities)
        tail = self._tail(probabilities)
        beyond = float(probabilities @ np.maximum(costs - eta, 0.0))
        return eta + (beyond / tail if tail else 0.0)

    def quantile(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """The value at risk of costs ($): the least that is not exceeded with that probability."""
        order = np.argsort(costs)
        if not self._tail(probabilities):
            return float(costs[probabilities > 0].max())
        reached = np.cumsum(probabilities[order]) >= self.level - ROUNDING
        return float(costs[order][int(np.argmax(reached))])

    def columns(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """See `Measure`."""
        eta = self.quantile(costs, probabilities)
        return np.append(eta, np.maximum(costs - eta, 0.0))

    def gradient(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """A subgradient at costs, shape (S,): the measure is nowhere below its sum of costs."""
        tail, share = self._tail(probabilities), np.zeros(len(costs))
        left = tail or 1.0
        for s in np.argsort(-np.where(probabilities > 0, costs, -np.inf)):
            share[s] = min(left, probabilities[s] if tail else 1.0)
            left -= share[s]
        return (1.0 - self.weight) * probabilities + self.weight * share / (tail or 1.0)

    def findings(self, scenarios: Scenarios) -> Iterator[Fault]:
        """What is wrong with it for a set of scenarios."""
        for word in ("weight", "level"):
            if finding := _SHARE.finding(getattr(self, word)):
                yield Fault(f"risk, {word}", *finding)

    def of(self, scenarios: Scenarios) -> Measure:
        """The measure for a set of scenarios."""
        return self if self.weight > 0.0 else Expected()


@dataclass(frozen=True)
class Wasserstein:
    """The worst expected cost over probabilities near the given ones.

    Parameters
    ----------
    radius : float
        How far probability may be moved in all: share of probability x distance.
    distances : array, optional
        Of scenarios, shape (S, S), in a unit of your own. None: `scenario_distances`, in mean
        standard deviations, so that a radius of .1 moves a tenth of the probability by one.
    """

    radius: float
    distances: Any = None

    def findings(self, scenarios: Scenarios) -> Iterator[Fault]:
        """What is wrong with it for a set of scenarios."""
        if finding := _RADIUS.finding(self.radius):
            yield Fault("risk, radius", *finding)
        if self.distances is None:
            return
        many, cure = scenarios.count, "Give distances that are 0 from a scenario to itself."
        try:
            given = np.asarray(self.distances, dtype=float)
        except (TypeError, ValueError):
            yield Fault("risk, distances", f"is {shown(self.distances)}", cure)
            return
        if given.shape != (many, many):
            yield Fault("risk, distances", f"has the shape {given.shape}",
                        f"Give one of ({many}, {many}).")
        elif not np.isfinite(given).all() or (given < 0).any() or np.diag(given).any():
            yield Fault("risk, distances", "holds numbers below 0, not finite, or on its diagonal",
                        cure)

    def of(self, scenarios: Scenarios) -> Measure:
        """The measure for a set of scenarios."""
        if self.radius == 0.0:
            return Expected()
        distances = scenario_distances(scenarios) if self.distances is None else (
            np.asarray(self.distances, dtype=float))
        return WorstExpectation(float(self.radius), distances)


@dataclass(frozen=True, eq=False)
class WorstExpectation:
    """`Wasserstein` with its distances; e = (gamma, delta)."""

    radius: float
    distances: np.ndarray

    def rows(self, probabilities: np.ndarray) -> Rows:
        """See `Measure`; a row for each pair of scenarios."""
        many, d = len(probabilities), self.distances
        s, j = (k.ravel() for k in np.meshgrid(np.arange(many), np.arange(many), indexing="ij"))
        row = np.arange(many * many)
        A = sp.csr_matrix(
            (np.concatenate([-np.ones(len(row)), d.ravel(), np.ones(len(row))]),
             (np.tile(row, 3), np.concatenate([j, np.full(len(row), many), many + 1 + s]))),
            shape=(many * many, 2 * many + 1))
        apart = d + np.diag(np.full(many, np.inf))
        near = np.maximum(apart.min(axis=0), ROUNDING)
        return Rows(
            weights=np.zeros(many), slope=np.minimum(1.0, probabilities + self.radius / near),
            c=np.append(self.radius, probabilities),
            lb=np.append(0.0, np.full(many, -np.inf)), ub=np.full(many + 1, np.inf), A=A,
            lo=np.zeros(len(row)), hi=np.full(len(row), np.inf))

    def value(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """See `Measure`."""
        gamma = self._price(costs, probabilities)
        return gamma * self.radius + float(probabilities @ self._worst(costs, gamma)[0])

    def columns(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """See `Measure`."""
        gamma = self._price(costs, probabilities)
        return np.append(gamma, self._worst(costs, gamma)[0])

    def gradient(self, costs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """As of `CVaR.gradient`: what is moved just above and just below the price of moving it,
        mixed so that it is moved as far as it may.
        """
        gamma = self._price(costs, probabilities)
        stay = (probabilities, 0.0)
        near, far = (self._moved(costs, probabilities, gamma + side * ROUNDING * (1.0 + gamma))
                     for side in (1.0, -1.0))
        for low, high in ((near, far), (stay, near)):
            if low[1] <= self.radius < high[1]:
                share = (self.radius - low[1]) / (high[1] - low[1])
                return (1.0 - share) * low[0] + share * high[0]
        return far[0] if far[1] <= self.radius else probabilities

    def _moved(self, costs: np.ndarray, probabilities: np.ndarray,
               gamma: float) -> tuple[np.ndarray, float]:
        """(probabilities, how far they were moved in all) where moving costs gamma."""
        to = (costs[None, :] - gamma * self.distances).argmax(axis=1)
        spent = float(probabilities @ self.distances[np.arange(len(to)), to])
        return np.bincount(to, probabilities, len(costs)).astype(float), spent

    def _worst(self, costs: np.ndarray, gamma: float) -> tuple[np.ndarray, np.ndarray]:
        """(delta, distance to where it is had) of each scenario; of equals the nearest."""
        gain = costs[None, :] - gamma * self.distances
        best = gain.max(axis=1)
        far = np.where(gain >= best[:, None], self.distances, np.inf).min(axis=1)
        return best, far

    def _price(self, costs: np.ndarray, probabilities: np.ndarray) -> float:
        """The gamma of the least value: convex and piecewise linear, by its tangents at kinks."""
        d = self.distances
        rise = np.maximum(costs[None, :] - costs[:, None], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(d > 0, rise / d, 0.0)
        low, high = 0.0, float(ratio.max(initial=0.0))  # beyond it no probability is moved

        def at(gamma: float) -> tuple[float, float]:
            best, far = self._worst(costs, gamma)
            return (gamma * self.radius + float(probabilities @ best),
                    self.radius - float(probabilities @ far))

        f_low, g_low = at(low)
        if g_low >= 0.0:
            return low
        f_high, g_high = at(high)[0], self.radius
        for _ in range(_KINKS):
            gamma = (f_high - f_low + g_low * low - g_high * high) / (g_low - g_high)
            gamma = float(np.clip(gamma, low, high))
            value, slope = at(gamma)
            guess = f_low + g_low * (gamma - low)
            if value - guess <= ROUNDING * (1.0 + abs(value)):
                return gamma
            if slope < 0.0:
                low, f_low, g_low = gamma, value, slope
            else:
                high, f_high, g_high = gamma, value, slope
        return high


def scenario_distances(scenarios: Scenarios) -> np.ndarray:
    """Distances of scenarios by their data.

    The mean over columns (and elements out of service in some) and periods of the absolute
    difference, each over the column's standard deviation between scenarios.

    Parameters
    ----------
    scenarios : Scenarios

    Returns
    -------
    ndarray
        Shape (S, S).
    """
    many = scenarios.count
    out = dict.fromkeys(x for elements in scenarios.outages.values() for x in elements)
    columns = [np.asarray(x, float) for x in scenarios.numbers.values()]
    columns += [np.array([[float(x in scenarios.outages.get(name, ()))]
                          for name in scenarios.names]) for x in out]
    found = np.zeros((many, many))
    used = 0
    for values in columns:
        spread = float(np.sqrt(values.var(axis=0).mean()))
        if spread <= ROUNDING * (1.0 + np.abs(values).max(initial=0.0)):
            continue
        used += 1
        found += np.abs(values[:, None] - values[None, :]).mean(axis=2) / spread
    return found / max(used, 1)


def measure_of(risk: Any, scenarios: Scenarios) -> Measure:
    """The measure that a call asks for.

    Parameters
    ----------
    risk : CVaR, Wasserstein, Measure or None
    scenarios : Scenarios

    Returns
    -------
    Measure
    """
    if risk is None:
        return Expected()
    return risk.of(scenarios) if hasattr(risk, "of") else risk


def check_risk(risk: Any, scenarios: Any) -> None:
    """Raise an error with everything that is wrong with the argument `risk`.

    Parameters
    ----------
    risk, scenarios
        As of `solve_stochastic`.

    Raises
    ------
    ModelError
    """
    if risk is None or not isinstance(scenarios, Scenarios):
        return
    faults: list[Fault] = []
    if hasattr(risk, "findings"):
        faults = list(risk.findings(scenarios))
    elif not all(callable(getattr(risk, word, None)) for word in ("rows", "value", "columns")):
        faults = [Fault("solve_stochastic, risk", f"is {shown(risk)}",
                        "Give CVaR(weight=0.5, level=0.9) or Wasserstein(radius=0.1) of "
                        "dlmp.uncertainty.")]
    if faults:
        raise ModelError(faults)
