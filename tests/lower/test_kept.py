"""A kept lower level equals one compiled afresh, whatever changed, and keeps what it can."""

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyomo_dlmp as dlmp
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kept import NOTHING, NUMBERS, STRUCTURE, KeptLower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver

PARAMS = ("price", "slope", "load", "top", "share", "cap", "mix", "below")


def model():
    """A lower level with numbers wherever they may stand."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2), initialize=0.5)
    m.low = low = dlmp.LowerLevel()
    for name in PARAMS:
        low.add_component(name, pyo.Param(initialize=1.0, mutable=True))
    m.held = pyo.Var(initialize=0.5)
    m.held.fix()
    low.x = pyo.Var([0, 1, 2], bounds=(-9, 9), initialize=0.0)
    low.x[0].setub(8 * low.cap)
    low.z = pyo.Var(bounds=(0, 10))
    low.bought = pyo.Expression(expr=low.x[0] + low.share * low.x[1] - low.load * (1 + low.mix))
    low.balance = pyo.Constraint(expr=low.bought + m.held * low.x[2] - low.z / low.below == m.u)
    low.limit = pyo.Constraint(expr=(-3.0, low.x[1] + low.price * m.held, 3 * low.top**2 + 1))
    low.other = pyo.Constraint(expr=low.x[2] - low.x[1] >= -abs(low.mix) - 1)
    low.plain = pyo.Constraint(expr=low.x[2] <= 5)
    worth = 0.5 * (low.price + abs(low.price))
    low.cost = pyo.Objective(expr=low.price * low.x[0] + worth * (low.x[0]**2 + 2 * low.x[1]**2)
                             + (low.slope * low.x[2] - low.mix * m.u)**2 + low.z * (m.u + 2)
                             + low.x[1] + low.x[2] * (low.top - m.held))
    return m


def dense(form):
    """All arrays of a form by the names of its Vars and rows."""
    found = {"x": form.names_x, "rows": form.names_row, "u": [v.name for v in form.u]}
    for key in ("Q", "D", "A", "B"):
        found[key] = getattr(form, key).toarray()
    return found | {key: getattr(form, key) for key in ("c", "lo", "hi", "lb", "ub")}


def check_as_compiled(kept):
    """Form, KKT arrays and solution are those of a lower level that is compiled afresh."""
    fresh = build_kkt(compile_lower(kept.block))
    here, there = dense(kept.kkt.form), dense(fresh.form)
    for key, value in there.items():
        if isinstance(value, list):
            assert here[key] == value
        else:
            np.testing.assert_allclose(here[key], value, rtol=1e-12, atol=1e-12, err_msg=key)
    for key in ("equality_rows", "b_eq", "s0", "is_row", "is_lower", "index"):
        np.testing.assert_allclose(getattr(kept.kkt, key), getattr(fresh, key), rtol=1e-12,
                                   atol=1e-12, err_msg=key)
    for key in ("A_eq", "B_eq", "S", "T"):
        np.testing.assert_allclose(getattr(kept.kkt, key).toarray(),
                                   getattr(fresh, key).toarray(), rtol=1e-12, atol=1e-12)
    one, other = kept.solver.solve_here(), LowerSolver(fresh).solve_here()
    np.testing.assert_allclose(one.x, other.x, atol=1e-9)
    np.testing.assert_allclose(one.y, other.y, atol=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.dictionaries(
    st.sampled_from([*PARAMS, "held", "lb"]),
    st.floats(-2, 2).filter(lambda v: abs(v) > 0.05).map(lambda v: round(v, 3)), min_size=1),
    min_size=1, max_size=4))
def test_numbers_of_either_sign_are_read_again(changes):
    m = model()
    kept = KeptLower(m.low)
    for change in changes:
        for name, value in change.items():
            if name == "held":
                m.held.fix(value)
            elif name == "lb":
                m.low.x[2].setlb(value - 4)
            else:
                m.low.component(name).set_value(abs(value) if name in ("cap", "below") else value)
        assert kept.update() in (NUMBERS, NOTHING)
        check_as_compiled(kept)
        assert kept.update() == NOTHING


@pytest.mark.parametrize("name, shared", [
    ("load", {"A", "B", "A_eq", "S", "Q", "D", "c"}), ("top", {"A", "A_eq", "S", "Q"}),
    ("price", {"A", "A_eq", "S", "T", "D"}), ("cap", {"A", "S", "T", "Q", "c", "lo", "hi"}),
    ("slope", {"A", "A_eq", "c"})])
def test_what_did_not_change_is_the_same_object(name, shared):
    m = model()
    kept = KeptLower(m.low)
    m.low.price.set_value(2.0)
    kept.update()
    before, solver = kept.kkt, kept.solver
    m.low.component(name).set_value(1.5)
    assert kept.update() == NUMBERS
    for key in shared:
        where = [(before, kept.kkt), (before.form, kept.kkt.form)][not hasattr(before, key)]
        assert getattr(where[0], key) is getattr(where[1], key), key
    assert kept.solver.factor is solver.factor and kept.solver.elimination is solver.elimination


def _fix(m):
    m.low.x[1].fix(0.0)


def _row(m):
    m.low.more = pyo.Constraint(expr=m.low.x[0] + m.low.x[1] <= 3)


@pytest.mark.parametrize("change", [
    _fix, _row, lambda m: m.low.plain.deactivate(), lambda m: m.low.del_component("plain"),
    lambda m: m.low.declare_upper(m.low.x[2]), lambda m: m.held.unfix() or m.held.fix(0.7),
    lambda m: m.low.plain.set_value(m.low.x[2] <= 4),
    lambda m: m.low.bought.set_value(m.low.x[0] + m.low.x[1]),
    lambda m: m.low.z.setub(3) or m.low.price.set_value(3.0)],
    ids=["fixed", "row", "deactivated", "deleted", "declared", "held", "replaced", "expression",
         "bound and number"])
def test_whatever_changes_it_is_as_if_compiled_anew(change):
    m = model()
    kept = KeptLower(m.low)
    change(m)
    assert kept.update() != NOTHING
    check_as_compiled(kept)
    assert kept.update() == NOTHING


def test_a_var_that_leaves_all_rows_leaves_the_form_and_comes_back():
    m = model()
    m.low.del_component("plain")
    m.low.other.deactivate()
    m.held.fix(0.0)
    m.low.top.set_value(0.0)
    kept = KeptLower(m.low)
    for value, expected in ((0.0, STRUCTURE), (1.0, STRUCTURE), (2.0, NUMBERS)):
        m.low.slope.set_value(value)
        assert kept.update() == expected
        check_as_compiled(kept)


def test_a_number_that_cannot_be_is_named_each_time_and_forgotten_when_mended():
    m = model()
    m.low.curved = pyo.Param(initialize=1.0, mutable=True)
    m.low.cost.set_value(m.low.cost.expr + m.low.curved * m.low.z**2)
    kept = KeptLower(m.low)
    for param, wrong, words in ((m.low.curved, -1.0, "is not convex in z"),
                                (m.low.load, float("nan"), "low.load")):
        param.set_value(wrong)
        for _ in range(2):
            with pytest.raises(dlmp.ModelError, match=words):
                kept.update()
        param.set_value(1.0)
        assert kept.update() == STRUCTURE
        check_as_compiled(kept)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.dictionaries(st.sampled_from(PARAMS), st.integers(-8, 8).filter(bool).map(
    lambda v: v / 4), min_size=1), min_size=2, max_size=5))
def test_a_solver_that_was_renewed_solves_as_a_new_one(changes):
    """Round numbers, so that rows meet and multipliers vanish: then, too, duals are the same."""
    m = model()
    kept = KeptLower(m.low)
    for change in changes:
        kept.solver.solve_here()
        for name, value in change.items():
            m.low.component(name).set_value(abs(value) if name in ("cap", "below") else value)
        kept.update()
        check_as_compiled(kept)
        one, other = kept.solver.solve_here(), LowerSolver(kept.kkt).solve_here()
        np.testing.assert_allclose(one.mu, other.mu, atol=1e-8)
