"""Measures of risk: formulas on costs, and two scenarios of two hours against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import pyomo_dlmp as dlmp
from pyomo_dlmp.uncertainty import CVaR, Wasserstein, scenario_distances
from pyomo_dlmp.uncertainty.risk import WorstExpectation
from tests.uncertainty.tiny import MWH, PRICE, SUN, market, paid, pays, scenarios

FLEX, DEVIATION = 0.1, 8.0
numbers = st.floats(-50, 50).map(lambda x: round(x, 2))


def solve(**options):
    return dlmp.solve_stochastic(market(), scenarios(), **{
        "flexibility": FLEX, "deviation_price": DEVIATION, **options})


@st.composite
def costs_and_weights(draw):
    many = draw(st.integers(1, 6))
    costs = np.array(draw(st.lists(numbers, min_size=many, max_size=many)))
    raw = np.array(draw(
        st.lists(st.integers(0, 9), min_size=many, max_size=many).filter(any)), float)
    return costs, raw / raw.sum()


def by_rows(measure, costs, p):
    """The measure's value by an LP of its rows, at costs that are given."""
    rows = measure.rows(p)
    many, k = len(costs), len(rows.c)
    A = rows.A.toarray()
    shift = A[:, :many] @ costs
    answer = linprog(rows.c, A_ub=np.vstack([A[:, many:], -A[:, many:]])[
        np.concatenate([np.isfinite(rows.hi), np.isfinite(rows.lo)])],
        b_ub=np.concatenate([rows.hi - shift, shift - rows.lo])[
            np.concatenate([np.isfinite(rows.hi), np.isfinite(rows.lo)])],
        bounds=list(zip(rows.lb, rows.ub, strict=True))[:k])
    assert answer.status == 0
    return float(rows.weights @ costs) + answer.fun


def check_measure(measure, costs, p):
    """Value, rows, columns and slopes say the same."""
    value = measure.value(costs, p)
    assert by_rows(measure, costs, p) == pytest.approx(value, abs=1e-6)
    rows, e = measure.rows(p), measure.columns(costs, p)
    assert float(rows.weights @ costs + rows.c @ e) == pytest.approx(value, abs=1e-7)
    body = rows.A @ np.concatenate([costs, e])
    assert (body >= rows.lo - 1e-9).all() and (body <= rows.hi + 1e-9).all()
    for s in range(len(costs)):
        more = costs + 0.01 * np.eye(len(costs))[s]
        rise = (measure.value(more, p) - value) / 0.01
        assert -1e-6 <= rise <= rows.slope[s] + 1e-6


@given(costs_and_weights(), st.sampled_from((0.0, 0.3, 1.0)),
       st.sampled_from((0.0, 0.3, 0.5, 0.9, 1.0)))
@settings(max_examples=60, deadline=None)
def test_cvar_is_the_mean_of_the_tail(drawn, weight, level):
    costs, p = drawn
    measure = CVaR(weight, level)
    check_measure(measure, costs, p)
    order = np.argsort(-costs)
    left, tail = 1.0 - level, 0.0
    for s in order:  # the worst first, until their probability is that of the tail
        used = min(p[s], left)
        tail, left = tail + used * costs[s], left - used
    tail = costs[p > 0].max() if level == 1.0 else tail / (1.0 - level)
    assert measure.value(costs, p) == pytest.approx(
        (1 - weight) * p @ costs + weight * tail, abs=1e-7)


@given(costs_and_weights(), st.floats(0.01, 3.0), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_worst_expectation_moves_probability_as_far_as_it_may(drawn, radius, seed):
    costs, p = drawn
    points = np.random.default_rng(seed).uniform(0, 3, (len(costs), 2)).round(2)
    distances = np.abs(points[:, None] - points[None, :]).sum(axis=2)
    measure = WorstExpectation(radius, distances)
    check_measure(measure, costs, p)
    many = len(costs)  # the transport problem itself
    to = np.kron(np.eye(many), np.ones(many))
    answer = linprog(-np.tile(costs, many), A_ub=[distances.ravel()], b_ub=[radius], A_eq=to,
                     b_eq=p)
    assert measure.value(costs, p) == pytest.approx(-answer.fun, abs=1e-6)


def test_distances_are_in_standard_deviations():
    given = dlmp.Scenarios.of_arrays(price=[[10.0, 10.0], [30.0, 30.0]])
    assert scenario_distances(given) == pytest.approx(np.array([[0.0, 2.0], [2.0, 0.0]]))
    out = scenarios(outages={"dark": ("pv",)}, price=(PRICE[0],) * 2, sun=(SUN[0],) * 2, mwh=None)
    assert scenario_distances(out)[0, 1] == pytest.approx(2.0)


def brute_force(measure, step=10.0):
    """Least risk over a grid of schedules and powers (kW), every hour priced by an OPF."""
    grid = np.arange(90.0, 900.1, step)
    best = np.inf
    places = [np.array([(i, j) for i in range(len(grid)) for j in range(len(grid))
                        if abs(grid[i] + grid[j] - 1e3 * MWH[s]) < 1e-6]) for s in (0, 1)]
    cost = [sum(pays(PRICE[s][t], SUN[s][t], tuple(grid))[places[s][:, t]] for t in (0, 1))
            for s in (0, 1)]
    p = np.array([0.4, 0.6])
    for x in itertools.product(np.arange(90.0, 900.1, step / 2), repeat=2):
        each = []
        for s in (0, 1):
            apart = np.abs(grid[places[s]] - np.array(x))
            able = (apart <= FLEX * 900.0 + 1e-9).all(axis=1)
            if able.any():
                each.append((cost[s] + DEVIATION / 1e3 * apart.sum(axis=1))[able].min())
        if len(each) == 2:
            best = min(best, measure.value(np.array(each), p))
    return best


MEASURES = [CVaR(1.0, 0.5), CVaR(0.5, 0.7), CVaR(1.0, 1.0), Wasserstein(0.2, [[0, 1], [1, 0]])]


@pytest.mark.parametrize("risk", MEASURES, ids=repr)
def test_two_scenarios_of_two_hours_equal_brute_force(risk):
    result = solve(risk=risk, gap=1e-5)
    assert result.status == "optimal" and result.audit.passed
    measure = risk.of(scenarios())
    table = result.by_scenario
    p, costs = table["probability"].to_numpy(), table["cost"].to_numpy()
    assert result.objective == pytest.approx(measure.value(costs, p))
    apart = paid(result.schedule)
    assert table["payment"].tolist() == pytest.approx(list(apart.values()), abs=2e-4)
    best = brute_force(measure)
    assert result.bound <= best + 1e-9 and result.bound <= result.objective + 1e-9
    assert result.objective <= best + 1e-9
    assert best - result.objective <= 0.02


def test_limits_of_the_measures():
    plain = solve(gap=1e-6)
    for risk in (CVaR(weight=0.0), CVaR(level=0.0), Wasserstein(0.0)):
        assert solve(risk=risk, gap=1e-6).objective == pytest.approx(plain.objective, rel=3e-6)
    worst = solve(risk=CVaR(level=1.0), gap=1e-6)
    far = solve(risk=Wasserstein(100.0), gap=1e-6)
    assert far.objective == pytest.approx(worst.objective, rel=3e-6)
    assert worst.objective == pytest.approx(worst.by_scenario["cost"].max(), rel=1e-6)
    assert worst.objective <= plain.by_scenario["cost"].max() + 1e-6
    assert (worst.by_scenario["probability"] @ worst.by_scenario["cost"]
            >= plain.objective * (1 - 1e-5))


@pytest.mark.parametrize(("risk", "says"), [
    (CVaR(weight=1.5), "weight"), (CVaR(level=-0.1), "level"), (Wasserstein(-1.0), "radius"),
    (Wasserstein(1.0, [[0, 1]]), "shape"), (Wasserstein(1.0, [[1, 1], [1, 0]]), "diagonal"),
    ("cvar", "Give CVaR"),
])
def test_what_is_wrong_is_said_with_everything_else(risk, says):
    with pytest.raises(dlmp.ModelError, match=f"(?s)flexibility.*{says}"):
        solve(risk=risk, flexibility=-1.0)


@given(costs_and_weights(), st.sampled_from((0.3, 1.0)), st.sampled_from((0.0, 0.5, 0.9, 1.0)),
       st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_gradient_is_a_bound_everywhere_and_exact_where_it_was_taken(drawn, weight, level, seed):
    costs, p = drawn
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 3, (len(costs), 1))
    for measure in (CVaR(weight, level), WorstExpectation(0.4, np.abs(points - points.T))):
        q = measure.gradient(costs, p)
        assert q.sum() == pytest.approx(1.0) and (q >= -1e-12).all()
        assert q @ costs == pytest.approx(measure.value(costs, p), abs=1e-5)
        other = costs + rng.normal(size=len(costs)) * 10
        assert q @ other <= measure.value(other, p) + 1e-7


def test_a_scenario_that_never_comes_is_not_the_worst():
    """Of the worst scenario, too: the dearest day has no probability here."""
    given = scenarios((0.4, 0.6, 0.0), ("sunny", "dark", "never"), [*PRICE, (120.0, 120.0)],
                      [*SUN, (0.0, 0.0)], [*MWH, MWH[1]])
    for risk in (CVaR(1.0, 1.0), CVaR(0.5, 0.9)):
        options = {"flexibility": FLEX, "deviation_price": DEVIATION, "risk": risk}
        found = dlmp.solve_stochastic(market(), given, **options)
        assert found.objective == pytest.approx(solve(risk=risk).objective, rel=2e-4)
        assert found.audit.objective == pytest.approx(found.objective, rel=1e-6)
