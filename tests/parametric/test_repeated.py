"""Repeat solves: the same answers as fresh ones, and what did not change is not done again."""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.models import consumer, day_market

PRICES = [30.0, 50.0, 80.0, 45.0, 60.0, 35.0, 40.0]


def window(first, hours=4, work=2.2):
    return day_market(work, PRICES[first:first + hours])


def test_a_rolling_horizon_pays_for_the_new_hour_only():
    atlas = dlmp.Atlas()
    for first in range(4):
        fast = dlmp.solve_bilevel(window(first), atlas=atlas, gap=1e-4)
        fresh = dlmp.solve_bilevel(window(first), gap=1e-4)
        assert fast.objective == pytest.approx(fresh.objective, rel=2e-4)
        assert fast.status == "optimal" and fast.audit.passed
    assert atlas.counts["enumerated"] + atlas.counts["known"] == 7
    assert atlas.counts["recalled"] == 9


def test_a_sweep_of_the_upper_level_compiles_once():
    m, atlas = consumer(), dlmp.Atlas()
    m.del_component("work")
    m.need = pyo.Param(initialize=0.0, mutable=True)
    m.work = pyo.Constraint(expr=m.d[0] + m.d[1] == m.need)
    found = []
    for need in (3.0, 4.0, 5.0):
        m.need = need
        found.append(dlmp.solve_bilevel(m, atlas=atlas, gap=1e-5).objective)
    assert found == sorted(found) and found[0] < found[-1]
    assert found[-1] == pytest.approx(dlmp.solve_bilevel(consumer(), gap=1e-5).objective, rel=1e-4)
    assert atlas.counts == {
        "compiled": 1, "kept": 2, "enumerated": 1, "known": 1, "recalled": 4}


@pytest.mark.parametrize("change", ["row", "bound", "param", "fixed", "objective", "upper"])
def test_a_change_in_the_lower_level_is_seen(change):
    def make():
        m = consumer()
        m.low.extra = pyo.Param(initialize=0.0, mutable=True)
        m.low.more = pyo.Constraint(expr=m.low.g[0, 0] - m.low.extra >= 0)
        m.low.idle = pyo.Var(initialize=0.0, bounds=(0, 1))
        m.low.idle.fix(0.0)
        m.low.less = pyo.Constraint(expr=m.low.g[1, 0] + m.low.idle <= 3)
        return m

    def alter(m):
        if change == "row":
            m.low.new = pyo.Constraint(expr=m.low.g[0, 1] <= 2)
        elif change == "bound":
            m.low.g[0, 1].setub(2)
        elif change == "param":
            m.low.extra = 2.5
        elif change == "upper":
            m.low.declare_upper(m.low.g[0, 1])
        elif change == "fixed":
            m.low.idle.fix(1.0)
        else:
            m.low.cost.set_value(m.low.cost.expr + 8 * m.low.g[0, 0])

    m, atlas = make(), dlmp.Atlas()
    before = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-6)
    again = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-6)
    assert again.objective == pytest.approx(before.objective)
    assert atlas.counts["compiled"] == 1 and atlas.counts["kept"] == 1
    alter(m)
    after = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-6)
    other = make()
    alter(other)
    fresh = dlmp.solve_bilevel(other, gap=1e-6)
    kind = "renewed" if change in ("bound", "param", "fixed") else "compiled"
    assert atlas.counts == atlas.counts | {"compiled": 1, "kept": 1} | {
        kind: 1 + (kind == "compiled")}
    assert after.objective == pytest.approx(fresh.objective, rel=1e-5)


def test_the_last_answer_is_a_start(monkeypatch):
    from pyomo_dlmp.parametric import explicit

    seen = []
    real = explicit.solve_master

    def look(*args):
        seen.append(args[-1])
        return real(*args)

    monkeypatch.setattr(explicit, "solve_master", look)
    m, atlas = consumer(), dlmp.Atlas()
    for gap in (1e-4, 1e-4, 1e-5):
        found = dlmp.solve_bilevel(m, atlas=atlas, gap=gap)
    # the same model to the same gap is not searched again
    assert len(seen) == 2 and seen[0] is None and np.isfinite(seen[1]).all()
    assert found.status == "optimal" and found.gap <= 1e-5


def test_one_changed_hour_leaves_the_others_as_they_are():
    m, atlas = day_market(2.2, PRICES[:4]), dlmp.Atlas()
    (grid,) = m.dso.substation.values()
    dlmp.solve_bilevel(m, atlas=atlas, gap=1e-6)
    before = list(atlas.flows_of(0))
    grid.price[2].set_value(57.0)
    found = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-6)
    same = [a is b for a, b in zip(before, atlas.flows_of(0), strict=True)]
    assert same == [True, True, False, True]
    fresh = dlmp.solve_bilevel(day_market(2.2, [*PRICES[:2], 57.0, PRICES[3]]), gap=1e-6)
    assert found.objective == pytest.approx(fresh.objective, rel=1e-6)
    assert found.audit.passed and found.notes == fresh.notes


UPPER_CHANGES = {
    "param of the objective": lambda m: m.bonus.set_value(3.0),
    "param of a row": lambda m: m.need.set_value(4.0),
    "param of a bound": lambda m: m.most.set_value(2.6),
    "bound": lambda m: m.d[1].setub(1.8),
    "row": lambda m: m.add_component("more", pyo.Constraint(expr=m.d[0] <= 2.4)),
    "expression of a row": lambda m: m.less.set_value(m.d[0] <= 2.4),
    "deactivated": lambda m: m.work.deactivate(),
    "fixed": lambda m: m.d[0].fix(2.2),
    "domain": lambda m: setattr(m.d[1], "domain", pyo.Integers),
    "objective": lambda m: m.pay.set_value(m.pay.expr - 20 * m.d[0]),
    "sense": lambda m: setattr(m.pay, "sense", pyo.maximize),
}


@pytest.mark.parametrize("change", UPPER_CHANGES)
def test_a_change_in_the_upper_level_is_seen(change):
    def make():
        m = consumer()
        m.del_component("work")
        m.need = pyo.Param(initialize=5.5, mutable=True)
        m.bonus = pyo.Param(initialize=0.0, mutable=True)
        m.most = pyo.Param(initialize=4.0, mutable=True)
        m.work = pyo.Constraint(expr=m.d[0] + m.d[1] >= m.need)
        m.less = pyo.Constraint(expr=m.d[0] <= 3.9)
        m.d[0].setub(m.most)
        m.pay.set_value(m.pay.expr - m.bonus * m.d[0])
        return m

    m, other, atlas = make(), make(), dlmp.Atlas()
    for _ in range(2):
        before = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-6).objective
    for model in (m, other):
        UPPER_CHANGES[change](model)
    right = dlmp.solve_bilevel(other, gap=1e-6)
    for _ in range(2):
        after = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-6)
        assert after.objective == pytest.approx(right.objective, rel=1e-5)
        assert after.notes == right.notes
    assert after.objective != pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("what", ["fixed", "param", "expression"])
@pytest.mark.parametrize("where", ["data", "other", "low.inner", "elsewhere"])
def test_a_change_outside_is_seen_wherever_it_stands(what, where, hidden):
    """In a block of data, another LowerLevel, a block of the LowerLevel, or another model."""
    homes = []

    def make():
        m = consumer()
        m.data = pyo.Block()
        m.other = dlmp.LowerLevel()
        m.other.z = pyo.Var(bounds=(0, 1))
        m.other.cost = pyo.Objective(expr=m.other.z)
        m.other.row = pyo.Constraint(expr=m.other.z + m.d[0] >= 0)
        m.low.inner = pyo.Block()
        home = pyo.ConcreteModel() if where == "elsewhere" else m.find_component(where)
        homes.append(home)
        home.fixed = pyo.Var(initialize=0.0)
        home.fixed.fix(0.0)
        home.param = pyo.Param(initialize=0.0, mutable=True)
        home.expression = pyo.Expression(expr=0.0)
        number = home.component(what)
        m.low.more = pyo.Constraint(expr=m.low.g[0, 0] - number >= 0)
        if hidden and where != "elsewhere":
            home.deactivate()
        return m

    def alter(home):
        number = home.component(what)
        if what == "expression":
            number.expr = 2.5
        else:
            number.value = 2.5

    m, atlas = make(), dlmp.Atlas()
    before = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-5).objective
    alter(homes[0])
    fresh = make()
    alter(homes[1])
    right = dlmp.solve_bilevel(fresh, gap=1e-5).objective
    assert dlmp.solve_bilevel(m, atlas=atlas, gap=1e-5).objective == pytest.approx(right, rel=1e-4)
    assert right != pytest.approx(before, rel=1e-3)


def test_expressions_within_expressions_and_bounds_of_params_are_seen():
    m, atlas = consumer(), dlmp.Atlas()
    m.top = pyo.Param(initialize=3.0, mutable=True)
    m.inner = pyo.Expression(expr=0.0)
    m.outer = pyo.Expression(expr=m.inner + 0.0)
    m.low.more = pyo.Constraint(expr=m.low.g[0, 0] - m.outer >= 0)
    m.low.g[0, 1].setub(m.top)
    for change in (lambda: m.inner.set_value(2.5), lambda: m.top.set_value(1.0),
                   lambda: m.low.more.deactivate()):
        dlmp.solve_bilevel(m, atlas=atlas, gap=1e-5)
        seen = atlas.counts["compiled"] + atlas.counts["renewed"]
        dlmp.solve_bilevel(m, atlas=atlas, gap=1e-5)
        assert atlas.counts["compiled"] + atlas.counts["renewed"] == seen
        change()
        again = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-5)
        assert atlas.counts["compiled"] + atlas.counts["renewed"] == seen + 1
        assert again.objective == pytest.approx(
            dlmp.solve_bilevel(m, gap=1e-5).objective, rel=1e-4)


def test_the_last_master_is_where_the_next_begins(monkeypatch):
    from pyomo_dlmp.parametric import master

    solved = []
    real = master.Highs.solve

    def look(self, *args):
        found = real(self, *args)
        solved.append(self._h.getInfo().simplex_iteration_count)
        return found

    monkeypatch.setattr(master.Highs, "solve", look)
    prices, steps = list(PRICES[:6]), {}
    m, atlas = day_market(2.2, prices), dlmp.Atlas()
    (grid,) = m.dso.substation.values()
    dlmp.solve_bilevel(m, atlas=atlas, gap=1e-7)
    for k, price in enumerate((57.0, 20.0, 90.0, 5.0)):
        prices[k] = price
        grid.price[k].set_value(price)
        for key, model, kept in (("warm", m, atlas), ("cold", day_market(2.2, prices), None)):
            solved.clear()
            found = dlmp.solve_bilevel(model, atlas=kept, gap=1e-7)
            steps[key] = steps.get(key, 0) + sum(solved)
            assert found.status == "optimal" and found.audit.passed and found.gap <= 1e-7
            steps[key, k] = found.objective
        assert steps["warm", k] == pytest.approx(steps["cold", k], rel=2e-7)
    assert steps["warm"] < 0.8 * steps["cold"]
