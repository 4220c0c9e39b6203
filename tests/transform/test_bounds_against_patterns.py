"""No proved bound cuts off the optimum: random bilevels over every pattern of their pairs."""

import math

import pytest

import pyomo_dlmp as dlmp
from tests.transform.patterns import KINDS, Patterns, missing, random_bilevel


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_pattern_is_as_good_within_the_bounds(kind):
    """The share without a missing bound is asked for, too: who proves nothing is never wrong."""
    seeds = range({"network": 1, "whole": 4}.get(kind, 10))
    without = 0
    for seed in seeds:
        patterns = Patterns(random_bilevel(seed, kind))
        bounds = patterns.proved()
        without += missing(bounds) > 0
        value, within = patterns.optimum(), patterns.optimum(bounds)
        if value is None or math.isinf(value):
            assert value is not None or within is None, (kind, seed, within)
            continue
        assert within == pytest.approx(value, rel=1e-5, abs=1e-5), (kind, seed)
    assert without <= 0.4 * len(seeds)


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_hold(kind):
    for seed in range(5):
        assert dlmp.tighten(random_bilevel(seed, kind)).check() <= 1e-9, (kind, seed)


@pytest.mark.parametrize("kind", ["repeated", "qp", "capped"])
def test_big_m_on_highs_is_the_best_pattern(kind):
    for seed in range(20, 26):
        m = random_bilevel(seed, kind)
        patterns = Patterns(m)
        value = patterns.optimum()
        if missing(patterns.proved()) or value is None or math.isinf(value):
            continue
        result = dlmp.solve_bilevel(m, complementarity="bigm", search="single_level",
                                    solver="highs", explain=False)
        assert (result.status, result.objective) == (
            "optimal", pytest.approx(value, rel=2e-4, abs=2e-4)), (kind, seed)
