"""Games of several leaders with known answers: one equilibrium, several, a valley, none."""

import itertools

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.market.best_response import Rounds
from pyomo_dlmp.parametric.leaders import Leaders

GAP = 1e-6


def game(work, *, base=(10.0, 10.0), slope=(4.0, 4.0), most=None, jobs=False, sign=None,
         offers=None):
    """Owners who buy `work` each in two hours at one bus; owner `i` pays sign[i] x its bill.

    The price of hour t is base + slope x the sum of what they use, or the merit order `offers` of
    (cost, MW). `jobs`: all work is done in one hour.
    """
    m = pyo.ConcreteModel()
    owners, hours = list(range(len(work))), list(range(len(base)))
    m.u = pyo.Var(owners, hours, bounds=lambda _, i, t: (0, most or work[i]))
    m.done = pyo.Constraint(owners, rule=lambda m, i: sum(m.u[i, t] for t in hours) == work[i])
    if jobs:
        m.on = pyo.Var(owners, hours, domain=pyo.Binary)
        m.whole = pyo.Constraint(owners, hours, rule=lambda m, i, t: (
            m.u[i, t] == work[i] * m.on[i, t]))
    m.low = dlmp.LowerLevel()
    offers = offers or {t: [(base[t], None)] for t in hours}
    m.low.g = pyo.Var([(t, k) for t in hours for k in range(len(offers[t]))],
                      bounds=lambda _, t, k: (0, offers[t][k][1]))
    m.low.balance = pyo.Constraint(hours, rule=lambda low, t: (
        sum(low.g[t, k] for k in range(len(offers[t]))) - sum(m.u[i, t] for i in owners) == 0))
    m.low.cost = pyo.Objective(expr=sum(
        offers[t][k][0] * m.low.g[t, k] + 0.5 * slope[t] * m.low.g[t, k] ** 2
        for t, k in m.low.g))
    price = m.low.dual_of(m.low.balance)
    m.owner = pyo.Block(owners)
    for i in owners:
        m.owner[i].cost = pyo.Objective(expr=(sign or [1] * len(work))[i] * sum(
            price[t] * m.u[i, t] for t in hours))
        m.owner[i].cost.deactivate()
    m.total = pyo.Objective(expr=sum(m.owner[i].cost.expr for i in owners))
    return m, Leaders(m, {f"o{i}": (m.owner[i].cost, [
        *m.u[i, :], *(m.on[i, :] if jobs else ())]) for i in owners})


def schedules(m, leaders, z):
    """Rows of owners, columns of hours."""
    at = {id(var): x for var, x in zip(leaders.columns, z, strict=True)}
    return np.array([[at[id(m.u[i, t])] for t in range(2)] for i in range(len(m.owner))])


def settle(leaders, start=None, most=40, reverse=False):
    z = np.zeros(len(leaders.columns))
    for name in leaders.names:
        own = leaders.own(name)
        draws = None if start is None else np.random.default_rng(start).normal(size=len(own))
        z[own] = leaders.schedule(name, draws)
    rounds = Rounds(leaders, GAP, most, lambda *_: None)
    return rounds, rounds.run(z, leaders.names[::-1 if reverse else 1])


@pytest.mark.parametrize("work", [(1.0, 2.0), (1.0, 2.0, 3.0), (1.0, 1.5, 2.0, 2.5, 3.0)])
def test_the_one_equilibrium_of_a_quantity_game(work):
    base, slope = (10.0, 13.0), (4.0, 5.0)
    m, leaders = game(work, base=base, slope=slope)
    _, path = settle(leaders)
    # owner i: d/dx of  x (a1 + b1 X) + (w - x) (a2 + b2 (W - X))  is zero, all interior
    n, W = len(work), sum(work)
    A = np.full((n, n), slope[0] + slope[1]) + np.diag(np.full(n, slope[0] + slope[1]))
    right = [base[1] - base[0] + slope[1] * (W + w) for w in work]
    x = np.linalg.solve(A, right)
    assert ((x > 0) & (x < work)).all()
    found = schedules(m, leaders, path.point)
    assert path.status == "optimal"
    assert found[:, 0] == pytest.approx(x, abs=5e-3)
    X = x.sum()
    for i, name in enumerate(leaders.names):
        cost = x[i] * (base[0] + slope[0] * X) + (work[i] - x[i]) * (
            base[1] + slope[1] * (W - X))
        assert leaders.value(name, path.point) == pytest.approx(cost, rel=1e-3)
        assert path.bounds[name] <= leaders.value(name, path.point) * (1 + 1e-12)
        assert leaders.value(name, path.point) - path.bounds[name] <= 2 * GAP * cost


def test_a_response_is_no_worse_than_any_of_a_grid():
    m, leaders = game((1.0, 2.0), offers={0: [(10.0, 1.2), (30.0, None)], 1: [(20.0, None)]})
    z = np.concatenate([leaders.schedule(name) for name in leaders.names])
    place = {id(var): j for j, var in enumerate(leaders.columns)}
    for i, work in enumerate((1.0, 2.0)):
        found = leaders.response(f"o{i}", z, GAP)
        costs = []
        here = found.point[place[id(m.u[i, 0])]] / work  # at a jump of the price: just below it
        for share in (*np.linspace(0, 1, 101), here - 1e-6):
            trial = z.copy()
            trial[place[id(m.u[i, 0])]], trial[place[id(m.u[i, 1])]] = (
                share * work, (1 - share) * work)
            for var, x in zip(leaders.columns, trial, strict=True):
                var.set_value(x, skip_validation=True)
            dlmp.solve_opf(m.low)
            costs.append(pyo.value(m.owner[i].cost.expr))
        assert found.bound <= min(costs) + 1e-9
        assert found.cost == pytest.approx(min(costs), rel=1e-5)
        assert found.cost - found.bound <= GAP * found.cost + 2e-6


def test_both_equilibria_of_two_jobs_that_avoid_each_other():
    m, leaders = game((1.0, 1.0), jobs=True)
    ends = {tuple(schedules(m, leaders, settle(leaders, start)[1].point)[:, 0].round(6))
            for start in range(8)}
    assert ends == {(1.0, 0.0), (0.0, 1.0)}


def test_three_jobs_in_three_pairs_of_hours():
    """All outcomes of a game of jobs of unequal size, by enumeration of its eight schedules."""
    work = (1.0, 2.0, 4.0)
    m, leaders = game(work, base=(10.0, 11.0), jobs=True)

    def bill(choice, i):
        used = sum(w for w, c in zip(work, choice, strict=True) if c == choice[i])
        return work[i] * ((10.0, 11.0)[choice[i]] + 4.0 * used)

    def other(choice, i):
        return tuple(1 - c if k == i else c for k, c in enumerate(choice))

    right = {c for c in itertools.product((0, 1), repeat=3)
             if all(bill(c, i) <= bill(other(c, i), i) for i in range(3))}
    found = set()
    for start in range(10):
        _, path = settle(leaders, start, reverse=bool(start % 2))
        assert path.status == "optimal"
        found.add(tuple(np.argmax(schedules(m, leaders, path.point), axis=1).tolist()))
    assert found == right and len(right) == 2


def test_a_game_without_an_equilibrium_is_not_claimed_as_one():
    """One wants the other's hour, who wants to be alone: matching pennies."""
    _m, leaders = game((1.0, 1.0), jobs=True, sign=[1, -1])
    _, path = settle(leaders)
    assert path.status == "cycles"
    # together 1 x (10 + 8), apart 1 x (10 + 4): whoever can change gains 4
    gains = [leaders.value(name, path.point) - bound for name, bound in path.bounds.items()]
    assert max(gains) == pytest.approx(4.0, abs=1e-4)


def test_a_cheap_offer_that_both_want_is_shared_at_its_own_price():
    """Prices jump at 3 MW: every split of these is an equilibrium, and all of them are one."""
    m, leaders = game((2.0, 2.0), slope=(0.0, 0.0), offers={
        0: [(10.0, 3.0), (30.0, None)], 1: [(20.0, None)]})
    rounds, one = settle(leaders)
    _, other = settle(leaders, 1, reverse=True)
    for path in (one, other):
        assert path.status == "optimal"
        found = schedules(m, leaders, path.point)
        assert found[:, 0].sum() == pytest.approx(3.0, abs=1e-5)
        solutions = leaders.shared_duals(path.point)
        assert solutions[0].residual.relative < 1e-6
        for var, x in zip(leaders.columns, path.point, strict=True):
            var.set_value(x, skip_validation=True)
        solutions[0].load()
        for i, name in enumerate(leaders.names):
            paid = 10.0 * found[i, 0] + 20.0 * found[i, 1]
            assert pyo.value(m.owner[i].cost.expr) == pytest.approx(paid, rel=1e-5)
            assert path.bounds[name] == pytest.approx(paid, rel=1e-5)
    assert rounds.joined(one.point, other.point)


def test_equilibria_that_nothing_joins_are_told_apart():
    _m, leaders = game((1.0, 1.0), base=(10.0, 10.0), jobs=True)
    rounds, one = settle(leaders)
    ends = [settle(leaders, start)[1].point for start in range(6)]
    other = next(z for z in ends if np.abs(z - one.point).max() > 0.5)
    assert not rounds.joined(one.point, other) and rounds.same_values(one.point, other)


def test_rounds_that_are_used_up_leave_the_least_regret():
    _m, leaders = game((1.0, 1.5, 2.0, 2.5, 3.0), base=(10.0, 13.0), slope=(4.0, 5.0))
    rounds, path = settle(leaders, 1, most=1)
    assert path.status == "rounds used up"
    gains = {n: leaders.value(n, path.point) - path.bounds[n] for n in leaders.names}
    assert min(gains.values()) >= -1e-9 and max(gains.values()) > 1e-3
    assert not rounds.settled(path)


def test_an_interrupted_search_keeps_what_it_met():
    _m, leaders = game((1.0, 2.0), base=(10.0, 13.0), slope=(4.0, 5.0))
    turns = []

    def stop(*told):
        turns.append(told)
        raise KeyboardInterrupt

    z = np.concatenate([leaders.schedule(name) for name in leaders.names])
    path = Rounds(leaders, GAP, 20, stop).run(z, leaders.names)
    assert path.status == "interrupted" and len(turns) == 1
    assert set(path.bounds) == set(leaders.names)


def test_a_payment_that_is_not_convex_is_cut_to_a_proof():
    """Where what a leader pays is not convex, chords are cut until the bound is near."""
    m, leaders = game((1.0, 2.0), slope=(4.0, 4.0), sign=[1, -1])
    z = np.concatenate([leaders.schedule(name) for name in leaders.names])
    found = leaders.response("o1", z, GAP)
    x = np.linspace(0, 2, 2001)
    other = schedules(m, leaders, z)[0]
    best = min(-(x * (10 + 4 * (x + other[0])) + (2 - x) * (10 + 4 * (2 - x + other[1]))))
    assert found.cost == pytest.approx(best, rel=1e-5)
    assert best - 1e-3 <= found.bound <= best + 1e-6


def test_a_decision_of_nobody_is_named():
    m, _ = game((1.0, 2.0))
    with pytest.raises(ModelError, match="decided by no leader"):
        Leaders(m, {"a": (m.owner[0].cost, list(m.u[0, :]))})
