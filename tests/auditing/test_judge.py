"""The one judge: it fails what is wrong, and says the same of a result as `solve_bilevel`."""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.auditing.finalize import Claim, LowerPoint, finalize_result
from pyomo_dlmp.errors import AuditError, ModelError
from pyomo_dlmp.lower import LowerSolver, build_kkt, compile_lower
from pyomo_dlmp.search.clock import Clock
from pyomo_dlmp.transform.record import SingleLevel


def capped(**lower):
    """Upper u in 0 .. 2, lower max y <= 1 + u; upper row u + y <= 2: u = .5, y = 1.5 is best."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2), **lower)
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 10))
    m.low.row = pyo.Constraint(expr=m.low.y - m.u <= 1)
    m.low.cost = pyo.Objective(expr=m.low.y, sense=pyo.maximize)
    m.cap = pyo.Constraint(expr=m.u + m.low.y <= 2)
    m.gain = pyo.Objective(expr=m.low.y, sense=pyo.maximize)
    return m


def at(m, u, y):
    m.u.set_value(u, skip_validation=True)
    m.low.y.set_value(y, skip_validation=True)
    return dlmp.audit(m)


def failing(audit):
    return list(audit.table().query("not passed")["check"])


def test_a_right_point_passes():
    found = at(capped(), 0.5, 1.5)
    assert found.passed and found.failures() == ""
    assert found.recomputed == pytest.approx(1.5)
    assert found.optimistic == found.pessimistic == pytest.approx(1.5)


def test_a_broken_upper_row_fails_by_name():
    found = at(capped(), 2.0, 3.0)
    assert failing(found) == ["upper rows broken"]
    assert found.broken == [("cap", pytest.approx(1.0))]
    assert "cap" in found.failures()


def test_an_upper_var_beyond_its_bound_fails_by_name():
    m = capped()
    m.cap.deactivate()
    found = at(m, 9.0, 10.0)
    assert failing(found) == ["upper Vars beyond their bounds"]
    assert found.outside == [("u", pytest.approx(7 / 3))]


def test_an_integer_between_whole_numbers_fails():
    found = at(capped(domain=pyo.Integers), 0.5, 1.5)
    assert failing(found) == ["integer Vars off whole numbers"]
    assert found.fractional == [("u", 0.5)]


def test_a_declared_upper_var_is_judged_like_others():
    m = capped()
    m.low.v = pyo.Var(bounds=(0, 1))
    m.low.more = pyo.Constraint(expr=m.low.y + m.low.v <= 20)
    m.low.declare_upper(m.low.v)
    m.low.v.set_value(3.0, skip_validation=True)
    assert at(m, 0.5, 1.5).outside == [("low.v", pytest.approx(1.0))]


def test_a_lower_answer_that_is_not_best_fails():
    assert "cost gap" in failing(at(capped(), 0.5, 1.0))


def test_a_lower_row_of_upper_vars_alone_is_judged():
    m = capped()
    m.low.only_u = pyo.Constraint(expr=m.u <= 0.25)
    assert at(m, 0.5, 1.5).broken == [("low.only_u", pytest.approx(0.2))]


def test_a_model_without_a_lower_level_is_an_error():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(initialize=1.0)
    m.cost = pyo.Objective(expr=m.x)
    with pytest.raises(ModelError, match="no active LowerLevel"):
        dlmp.audit(m)
    n = capped()
    n.low.deactivate()
    with pytest.raises(ModelError, match="no active LowerLevel"):
        dlmp.audit(n)


def test_a_var_without_a_value_is_an_error():
    m = capped()
    m.w = pyo.Var()
    m.rows = pyo.Constraint(expr=m.w + m.u <= 7)
    with pytest.raises(ModelError, match="'w' has no value"):
        at(m, 0.5, 1.5)


def priced():
    """The upper level sells u at the dual of the balance; generators cost 10 and 30."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 3))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([1, 2], bounds=(0, 2))
    m.low.balance = pyo.Constraint(expr=m.low.g[1] + m.low.g[2] + m.u == 3.5)
    m.low.cost = pyo.Objective(expr=10 * m.low.g[1] + 30 * m.low.g[2])
    m.gain = pyo.Objective(expr=m.low.dual_of(m.low.balance) * m.u, sense=pyo.maximize)
    return m


def test_a_dual_var_that_is_no_dual_fails_by_name():
    m = priced()
    result = dlmp.solve_bilevel(m)
    assert result.audit.passed and dlmp.audit(m).passed
    m.low.dual_of(m.low.balance).set_value(500.0)
    assert failing(dlmp.audit(m)) == ["dual Vars against duals"]


def test_a_price_within_its_range_is_a_dual():
    m = priced()
    dlmp.solve_bilevel(m)
    m.u.set_value(1.5)  # between the generators: any price of 10 .. 30
    m.low.g[1].set_value(2.0)
    m.low.g[2].set_value(0.0)
    m.low.dual[m.low.balance] = 20.0
    m.low.dual_of(m.low.balance).set_value(20.0)
    found = dlmp.audit(m)
    assert found.passed
    assert found.lowers[0].price_range == {0: (pytest.approx(10), pytest.approx(30))}
    assert list(found.lowers[0].price_ranges()) == ["low.balance"]
    assert "duals that are not unique: low.balance 10 .. 30" in found.notes
    assert (found.optimistic, found.pessimistic) == (pytest.approx(45), pytest.approx(15))
    m.low.dual_of(m.low.balance).set_value(31.0)
    assert failing(dlmp.audit(m)) == ["dual Vars against duals"]


def test_a_dual_of_a_bound_follows_the_loaded_answer():
    m = priced()
    m.low.dual_of(m.low.g, bound="upper")
    dlmp.solve_bilevel(m)
    loaded = {k: v.value for k, v in m.low.dual_of(m.low.g, bound="upper").items()}
    assert loaded[1] == pytest.approx(-20) and loaded[2] == pytest.approx(0, abs=1e-9)
    assert dlmp.audit(m).passed


def test_a_checkpoint_of_a_broken_point_does_not_pass(tmp_path):
    (tmp_path / "point.json").write_text(
        '{"objective": 3, "bound": 3, "gap": 0, "status": "optimal", "upper": {"u": 2.0}}')
    m = capped()
    dlmp.load_checkpoint(m, tmp_path / "point.json")
    assert failing(dlmp.audit(m)) == ["upper rows broken"]


def test_no_time_for_ranges_is_said_and_the_rest_judged():
    m = priced()
    dlmp.solve_bilevel(m)
    m.u.set_value(1.5)
    m.low.g[1].set_value(2.0)
    m.low.g[2].set_value(0.0)
    m.low.dual[m.low.balance] = 20.0
    m.low.dual_of(m.low.balance).set_value(20.0)
    found = dlmp.audit(m, time_limit=0.0)
    assert found.passed and found.optimistic is None
    assert "optimistic" in found.notes[-1]


def settled(m, claim, duals_at=None):
    """`finalize_result` of a claim at the values on m; duals of the lower level at u = duals_at."""
    kkt = build_kkt(compile_lower(m.low))
    solver = LowerSolver(kkt)
    solution = solver.solve_here()
    solution.load()
    if duals_at is not None:
        solution = solver.solve(np.array([duals_at]))
    record = SingleLevel()
    record.original = m.gain
    record.lowers = [LowerPoint(kkt, solver, solution.y, solution.mu)]
    return finalize_result(m, record, claim, "highs", Clock(None), 1e-4)


def test_a_solution_that_fails_is_never_returned():
    m = capped()
    m.u.set_value(2.0)
    with pytest.raises(AuditError, match=r"upper rows broken .* at cap") as caught:
        settled(m, Claim("optimal", 3.0, 3.0))
    assert caught.value.result.audit.broken


@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize])
@pytest.mark.parametrize("held, price", [(1.4, 30.0), (1.6, 10.0)])
def test_duals_that_a_search_left_behind_are_replaced_by_better_ones(sense, held, price):
    """A search stopped early may hold a dual that is right and not the best: no failure."""
    m = priced()
    m.gain.sense = sense
    m.u.set_value(1.5)  # between the generators: any price of 10 .. 30
    bound = 0.0 if sense == pyo.minimize else 100.0
    result = settled(m, Claim("time limit", price * 1.5, bound), duals_at=held)
    assert result.audit.as_found == pytest.approx(price * 1.5)
    worse = (result.objective - price * 1.5) * (1 if sense == pyo.minimize else -1)
    assert worse <= 1e-6
    with pytest.raises(AuditError, match="objective against prices x quantities"):
        settled(m, Claim("time limit", 20.0 * 1.5, bound), duals_at=held)


@pytest.mark.parametrize("sense, objective, bound, held", [
    (pyo.minimize, 45.0, 46.0, 1.4),  # a price of 30
    (pyo.maximize, 15.0, 14.0, 1.6),  # a price of 10
])
def test_a_point_better_than_the_bound_refutes_it(sense, objective, bound, held):
    m = priced()
    m.gain.sense = sense
    m.u.set_value(1.5)
    with pytest.raises(AuditError, match="objective beyond its bound"):
        settled(m, Claim("time limit", objective, bound), duals_at=held)


def test_no_time_for_ranges_of_prices_is_said():
    m = priced()
    dlmp.solve_bilevel(m)
    found = dlmp.audit(m, time_limit=-1.0)
    assert found.passed and found.optimistic is None
    assert not found.lowers[0].ranges_known
    assert "ranges of prices" in found.notes[0]


def _idle_bound(m):
    m.z = pyo.Var(bounds=(1, 2))
    m.z.set_value(0.0, skip_validation=True)


def _inactive_row(m):
    _idle_bound(m)
    m.off = pyo.Constraint(expr=m.z >= 1)
    m.off.deactivate()


def _idle_integer(m):
    m.z = pyo.Var(domain=pyo.Integers)
    m.z.set_value(0.5, skip_validation=True)


@pytest.mark.parametrize("more", [_idle_bound, _inactive_row, _idle_integer])
def test_a_var_that_nothing_uses_is_not_judged(more):
    m = capped()
    more(m)
    result = dlmp.solve_bilevel(m)
    assert result.status == "optimal" and result.objective == pytest.approx(1.5)


def test_a_fixed_var_is_data():
    m = capped()
    m.u.setlb(0.0)
    m.u.fix(-0.5, skip_validation=True)
    assert dlmp.solve_bilevel(m).objective == pytest.approx(0.5)


def test_a_lower_row_broken_by_hand_is_named():
    m = priced()
    dlmp.solve_bilevel(m)
    m.low.g[1].set_value(0.0)
    m.low.g[2].set_value(0.0)
    assert "at low.balance" in dlmp.audit(m).failures()
