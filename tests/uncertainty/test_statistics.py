"""Intervals cover what they are for as often as they say; quantiles and CVaR by definition."""

import numpy as np
import pytest

from pyomo_dlmp.uncertainty import CVaR
from pyomo_dlmp.uncertainty.statistics import bootstrap_interval, mean_interval, share_interval

EQUAL = np.full(40, 1 / 40)


def check_coverage(hits: np.ndarray, level: float, short: float = 0.0):
    """That so many trials hit as the level says, up to three deviations of their own noise."""
    noise = 3.0 * np.sqrt(level * (1 - level) / len(hits))
    assert level - noise - short <= hits.mean() <= level + noise


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_mean_is_covered_as_often_as_it_says(level):
    rng = np.random.default_rng(3)
    found = [mean_interval(rng.normal(7.0, 2.0, 40), EQUAL, level) for _ in range(2000)]
    check_coverage(np.array([low <= 7.0 <= high for _, low, high in found]), level)


def test_the_mean_of_skewed_costs_is_covered_nearly_as_often():
    rng = np.random.default_rng(3)
    weights = np.full(400, 1 / 400)
    found = [mean_interval(rng.gamma(1.5, 2.0, 400), weights, 0.95) for _ in range(1500)]
    check_coverage(np.array([low <= 3.0 <= high for _, low, high in found]), 0.95, short=0.01)


def test_equal_weights_give_the_textbook_interval():
    values = np.random.default_rng(0).normal(size=40)
    mean, low, high = mean_interval(values, EQUAL, 0.95)
    assert mean == pytest.approx(values.mean())
    assert high - mean == pytest.approx(2.022691 * values.std(ddof=1) / np.sqrt(40), rel=1e-5)
    assert mean - low == pytest.approx(high - mean)


def test_a_point_that_counts_twice_is_two_points_of_half_the_weight_for_the_mean():
    values, weights = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 0.25])
    twice = mean_interval(np.array([1.0, 1.0, 2.0, 4.0]), np.full(4, 0.25), 0.9)
    once = mean_interval(values, weights, 0.9)
    assert once[0] == twice[0]
    assert once[1] < twice[1]  # but it is fewer draws
    assert all(np.isnan(mean_interval(np.array([3.0]), np.ones(1), 0.9)[1:]))


def test_the_share_is_covered_at_least_as_often_as_it_says():
    for truth in (0.01, 0.2, 0.7):
        counts = np.random.default_rng(1).binomial(60, truth, 3000)
        ends = {c: share_interval(c, 60, 0.9) for c in set(counts.tolist())}
        hits = np.array([ends[c][0] <= truth <= ends[c][1] for c in counts.tolist()])
        assert hits.mean() >= 0.9 - 0.015
    assert share_interval(0, 1000, 0.95) == (0.0, pytest.approx(0.003682, rel=1e-3))
    assert share_interval(1000, 1000, 0.95)[1] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_quantile_and_cvar_by_definition(seed):
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=30), rng.dirichlet(np.ones(30))
    order = np.argsort(values)
    for level in (0.05, 0.5, 0.9, 0.97):
        least = next(x for x in values[order] if weights[values <= x].sum() >= level - 1e-12)
        assert CVaR(level=level).quantile(values, weights) == least
        grid = np.append(values, np.linspace(-4, 4, 801))
        best = min(eta + weights @ np.maximum(values - eta, 0) / (1 - level) for eta in grid)
        assert CVaR(level=level).tail_mean(values, weights) == pytest.approx(best, abs=1e-9)
    assert CVaR(level=0.0).tail_mean(values, weights) == pytest.approx(weights @ values)


def test_the_bootstrap_is_as_wide_as_the_textbook_interval_and_repeats():
    values = np.random.default_rng(5).normal(10, 1, 200)
    weights = np.full(200, 1 / 200)
    low, high = bootstrap_interval(lambda v, w: float(w @ v), values, weights, 0.95)
    _, exact_low, exact_high = mean_interval(values, weights, 0.95)
    assert (low, high) == pytest.approx((exact_low, exact_high), abs=0.02)
    again = bootstrap_interval(lambda v, w: float(w @ v), values, weights, 0.95)
    assert again == (low, high)
