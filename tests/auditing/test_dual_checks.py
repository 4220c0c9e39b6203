"""Duals that a point carries: all of them together, their signs, their ranges."""

import math

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.auditing import optimistic_range
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.status import Status
from tests.auditing.test_judge import failing, priced


def twin_rows():
    """min 10 x, x - u >= 1, x + u >= 1 at u = 0: duals a, b >= 0 with a + b = 10."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1), initialize=0)
    m.low = dlmp.LowerLevel()
    m.low.x = pyo.Var(initialize=1.0)
    m.low.one = pyo.Constraint(expr=m.low.x - m.u >= 1)
    m.low.two = pyo.Constraint(expr=m.low.x + m.u >= 1)
    m.low.cost = pyo.Objective(expr=10 * m.low.x)
    a, b = m.low.dual_of(m.low.one), m.low.dual_of(m.low.two)
    m.gain = pyo.Objective(expr=a + b - m.u, sense=pyo.maximize)
    return m, a, b


@pytest.mark.parametrize("suffix", [True, False])
@pytest.mark.parametrize("one, two, right", [
    (10, 0, True), (4, 6, True), (0, 10, True), (10, 10, False), (0, 0, False), (-1, 11, False)])
def test_duals_are_judged_together(suffix, one, two, right):
    m, a, b = twin_rows()
    if suffix:
        dlmp.solve_opf(m.low)
    a.set_value(one)
    b.set_value(two)
    found = dlmp.audit(m)
    assert failing(found) == ([] if right else ["dual Vars against duals"])
    assert found.optimistic == pytest.approx(10) and found.pessimistic == pytest.approx(10)


def test_a_wrong_dual_is_said_with_both_values():
    m, a, b = twin_rows()
    a.set_value(0)
    b.set_value(0)
    assert any("is 0, the nearest dual" in note for note in dlmp.audit(m).notes)


@pytest.mark.parametrize("suffix, var", [(20, 20), (20, 25), (10, 30), (None, 20)])
def test_optimistic_and_pessimistic_do_not_depend_on_the_duals_at_hand(suffix, var):
    m = priced()
    m.u.set_value(1.5)
    m.low.g[1].set_value(2.0)
    m.low.g[2].set_value(0.0)
    if suffix is not None:
        dlmp.solve_opf(m.low)
        m.low.dual[m.low.balance] = suffix
    m.low.dual_of(m.low.balance).set_value(var)
    found = dlmp.audit(m)
    assert found.passed
    assert (found.optimistic, found.pessimistic) == (pytest.approx(45), pytest.approx(15))


def test_a_dual_in_the_suffix_of_a_sign_it_cannot_have_fails_by_name():
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1), initialize=1.0)
    m.low = dlmp.LowerLevel()
    m.low.x = pyo.Var(bounds=(0, 5))
    m.low.cap = pyo.Constraint(expr=m.low.x <= m.u)
    m.low.cost = pyo.Objective(expr=-m.low.x)
    m.gain = pyo.Objective(expr=m.u)
    dlmp.solve_opf(m.low)
    assert dlmp.audit(m).passed
    m.low.dual[m.low.cap] = 500.0
    found = dlmp.audit(m)
    assert "dual Vars against duals" in failing(found)
    assert "at low.cap" in found.failures()


@pytest.mark.parametrize("row, bound, right", [
    (-1, 0, True), (0, -1, True), (-0.5, -0.5, True), (-1, -1, False), (-0.5, 0, False)])
def test_a_bound_and_a_row_that_share_a_dual(row, bound, right):
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1), initialize=1.0)
    m.low = dlmp.LowerLevel()
    m.low.x = pyo.Var(bounds=(0, 1), initialize=1.0)
    m.low.cap = pyo.Constraint(expr=m.low.x <= m.u)
    m.low.cost = pyo.Objective(expr=-m.low.x)
    of_row = m.low.dual_of(m.low.cap)
    of_bound = m.low.dual_of(m.low.x, bound="upper")
    m.gain = pyo.Objective(expr=of_row + of_bound)
    of_row.set_value(row)
    of_bound.set_value(bound)
    assert dlmp.audit(m).passed == right


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_dual_without_end_is_a_range(sign):
    """u - g = 0 at u = 2 = the bound of g: its dual has no end, in either form of the row."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 3))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var(bounds=(0, 2))
    m.low.h = pyo.Var(bounds=(0, 5))
    m.low.balance = pyo.Constraint(expr=sign * (m.low.g - m.u) == 0)
    m.low.cost = pyo.Objective(expr=10 * m.low.g + m.low.h)
    m.fix = pyo.Constraint(expr=m.u == 2)
    m.gain = pyo.Objective(expr=sign * m.low.dual_of(m.low.balance) + m.u)
    found = dlmp.solve_bilevel(m).audit
    low, high = found.lowers[0].price_range[0]
    ends = (low, high) if sign > 0 else (-high, -low)
    assert ends == (pytest.approx(10), math.inf)
    assert found.optimistic == pytest.approx(12) and found.pessimistic == math.inf


def shared(at):
    """min a + b, a + b = 1.5: every split is a solution; the upper objective is a."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 1), initialize=0.0)
    m.low = dlmp.LowerLevel()
    m.low.a = pyo.Var(bounds=(0, 2), initialize=at)
    m.low.b = pyo.Var(bounds=(0, 2), initialize=1.5 - at)
    m.low.share = pyo.Constraint(expr=m.low.a + m.low.b + 0 * m.u == 1.5)
    m.low.cost = pyo.Objective(expr=m.low.a + m.low.b)
    m.loss = pyo.Objective(expr=m.low.a + m.u)
    return m


def test_a_range_that_was_not_computed_is_not_claimed(monkeypatch):
    """The time is over within the linear programs of the solutions, whose duals are unique."""
    def late(*args):
        raise limits.Stopped(Status.TIME_LIMIT)

    m = shared(0.5)
    dlmp.solve_opf(m.low)  # the point is the re-solve's: two points cannot tell it is not unique
    monkeypatch.setattr(optimistic_range, "form_ranges", late)
    found = dlmp.audit(m)
    assert found.passed and found.optimistic is None and found.pessimistic is None
    assert any("were ended" in note for note in found.notes)


@pytest.mark.parametrize("at", [0.0, 0.5, 1.5])
def test_solutions_that_are_not_unique_have_a_range_where_duals_are(at):
    m = shared(at)
    found = dlmp.audit(m)
    assert (found.optimistic, found.pessimistic) == (
        pytest.approx(0, abs=1e-5), pytest.approx(1.5, abs=1e-5))
    found = dlmp.solve_bilevel(m).audit
    assert (found.optimistic, found.pessimistic) == (
        pytest.approx(0, abs=1e-5), pytest.approx(1.5, abs=1e-5))
