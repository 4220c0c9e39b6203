"""The helpers for users' tests pass on right models and fail on wrong ones."""

import dataclasses
import subprocess
import sys

import pyomo.environ as pyo
import pytest
from pyomo.common.collections import ComponentMap
from pyomo.core import Transformation, TransformationFactory

import pyomo_dlmp as dlmp
from pyomo_dlmp.testing import (
    assert_bilevel_feasible,
    assert_bilevel_optimal,
    assert_duals_by_finite_differences,
    assert_reformulated,
)
from tests.models import bard, consumer, ranged_maximiser


def splits(m, count=25):
    """Decisions of the consumer that use its 5 MWh: a grid would miss its equation."""
    for k in range(count):
        first = 1 + 3 * k / (count - 1)
        yield ComponentMap([(m.d[0], first), (m.d[1], 5 - first)])


def test_an_optimum_is_one():
    m = bard()
    result = dlmp.solve_bilevel(m)
    assert assert_bilevel_optimal(m, result, points=21) == pytest.approx(-12)
    assert (m.x.value, m.low.y.value) == pytest.approx((4, 4))  # the answer is loaded again


def test_an_optimum_with_an_equation_above():
    m = consumer()
    result = dlmp.solve_bilevel(m, gap=1e-5)
    best = assert_bilevel_optimal(m, result, decisions=lambda: splits(m))
    assert best == pytest.approx(110.0, rel=1e-3)
    with pytest.raises(AssertionError, match="give `decisions`"):
        assert_bilevel_optimal(m, result, points=2)


def test_an_optimum_that_a_point_beats():
    m = bard()
    m.less = pyo.Constraint(expr=m.x <= 3)
    result = dlmp.solve_bilevel(m)
    m.less.deactivate()
    with pytest.raises(AssertionError, match=r"objective .* at {'x': 4"):
        assert_bilevel_optimal(m, result, points=21)


def test_a_bound_that_a_point_beats():
    m = bard()
    result = dataclasses.replace(dlmp.solve_bilevel(m), bound=-5.0)
    with pytest.raises(AssertionError, match="bound -5"):
        assert_bilevel_optimal(m, result, points=21)


def test_values_that_are_not_the_lower_levels():
    m = bard()
    result = dataclasses.replace(dlmp.solve_bilevel(m), objective=4 - 4 * 3.9)
    m.low.y.set_value(3.9)
    with pytest.raises(AssertionError, match=r"cost 3\.9, .* optimum is 4"):
        assert_bilevel_feasible(m, result)


@pytest.mark.parametrize("x", [4.5, 11.0])
def test_values_that_break_the_upper_level(x):
    m = bard()
    m.less = pyo.Constraint(expr=m.x <= 4.2)
    result = dlmp.solve_bilevel(m)
    m.x.set_value(x, skip_validation=True)
    if x > 10:
        m.less.deactivate()
    with pytest.raises(AssertionError, match="breaks the row" if x < 10 else "outside its bounds"):
        assert_bilevel_feasible(m, result)


def test_an_objective_that_is_not_that_of_the_values():
    m = bard()
    result = dataclasses.replace(dlmp.solve_bilevel(m), objective=-12.5)
    with pytest.raises(AssertionError, match=r"objective -12\.5"):
        assert_bilevel_feasible(m, result)


def test_a_grid_without_bounds_is_refused():
    m = bard()
    result = dlmp.solve_bilevel(m)
    m.x.setub(None)
    with pytest.raises(dlmp.ModelError, match="bounds"):
        assert_bilevel_optimal(m, result)


@pytest.mark.parametrize("make", [consumer, ranged_maximiser, bard])
def test_duals_are_slopes(make):
    m = make()
    low = m.low
    for var in m.component_data_objects(pyo.Var, descend_into=False):
        var.set_value(3.5 if make is bard else 1.3)
    dlmp.solve_opf(low)
    assert assert_duals_by_finite_differences(low) == len(
        [row for row in low.component_data_objects(pyo.Constraint, active=True)
         if "apply_dlmp" not in row.name])


def test_duals_with_a_wrong_sign():
    m = ranged_maximiser()
    m.u.set_value(1.3)
    dlmp.solve_opf(m.low)
    m.low.dual[m.low.same] *= -1
    with pytest.raises(AssertionError, match=r"low\.same: dual -1"):
        assert_duals_by_finite_differences(m.low)


class _Wrong(Transformation):
    """Breaks the promise that its options name."""

    def _apply_to(self, model, promise="", **_):
        if promise == "delete":
            model.del_component("cost")
        if promise == "move":
            model.x.set_value(1.0)
        if promise == "touch twice":
            model.added_too = pyo.Block()
        if promise == "anonymous":
            model.added = pyo.Block()
            model.added.rows = pyo.ConstraintList()
            model.added.rows.add(model.x <= 9)
        if model.component("added") is None:
            model.added = pyo.Block()

    def _create_using(self, model, **kwds):
        if kwds.get("promise") == "original":
            model.cost.deactivate()
        new = model.clone()
        self._apply_to(new, **kwds)
        return new


@pytest.mark.parametrize("promise, words", [
    ("original", "create_using changed the original"), ("delete", "deleted: cost"),
    ("move", "values have changed: x"), ("touch twice", "in 2 places"),
    ("anonymous", "names that say nothing"), ("", "second application")])
def test_a_transformation_that_breaks_a_promise(promise, words):
    TransformationFactory.register("tests.wrong", doc="for this test")(_Wrong)
    try:
        with pytest.raises(AssertionError, match=words):
            assert_reformulated(bard, "tests.wrong", promise=promise)
    finally:
        TransformationFactory.unregister("tests.wrong")


def test_it_needs_no_pytest():
    code = "import sys, pyomo_dlmp.testing; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
