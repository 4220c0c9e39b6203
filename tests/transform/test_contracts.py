"""Every transformation keeps the same contract; every mode and option goes through it."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.testing import assert_reformulated
from tests.library.prices import part_of_the_price, strategic_consumer
from tests.models import bard, bilinear, solver_or_skip


def consumer():
    return strategic_consumer().model()


def partly_paid():
    return part_of_the_price().model()


@pytest.mark.parametrize("make, name, options", [
    (bard, "dlmp.single_level", {}),
    (bard, "dlmp.single_level", {"complementarity": "sos1"}),
    (bard, "dlmp.single_level", {"complementarity": "indicator"}),
    (bard, "dlmp.single_level", {"complementarity": "strong_duality"}),
    (bard, "dlmp.single_level",
     {"complementarity": "product", "eps": 1e-6, "capabilities": {"nlp"}}),
    (consumer, "dlmp.single_level", {}),
    (partly_paid, "dlmp.single_level", {"products": "mccormick", "segments": 3}),
    (partly_paid, "dlmp.single_level", {"bits": 3, "remainder": False}),
    (bard, "dlmp.kkt", {}),
    (bilinear, "dlmp.mccormick", {"segments": 2}),
    (bilinear, "dlmp.binary_expansion", {"bits": 3, "remainder": True}),
])
def test_the_contract(make, name, options):
    assert_reformulated(make, name, refuses_twice=make is not bilinear, **options)


@pytest.mark.parametrize("mode", ["bigm", "sos1", "indicator", "product"])
def test_modes_may_be_mixed(mode):
    m = bard()
    other = "bigm" if mode != "bigm" else "product"
    result = dlmp.solve_bilevel(
        m, solver=solver_or_skip("gurobi"), complementarity=mode,
        complementarity_of={"low.y": other})
    assert (result.status, result.objective) == ("optimal", pytest.approx(-12, abs=1e-5))


def test_kkt_goes_through_pyomos_own_chain():
    """`dlmp.kkt` hands over to mpec and gdp; with a valid M the answer is the known one."""
    m = bard()
    pyo.TransformationFactory("dlmp.kkt").apply_to(m)
    pyo.TransformationFactory("mpec.simple_disjunction").apply_to(m)
    pyo.TransformationFactory("gdp.bigm").apply_to(m, bigM=100)
    pyo.SolverFactory("highs").solve(m)
    assert pyo.value(m.cost) == pytest.approx(-12, abs=1e-4)


def test_an_untransformed_model_is_refused_by_name():
    """Some interfaces would take one of the two objectives and answer."""
    m = bard()
    with pytest.raises(ValueError, match=r"'low' is not transformed.*dlmp\.solve_bilevel"):
        pyo.SolverFactory("highs").solve(m)


def test_bilinear_both_ways_bracket_the_optimum():
    """min -xy - x over xy + x <= 6 is -6; the relaxation is below, the restriction above."""
    values = {}
    for name, options in (("dlmp.mccormick", {"segments": 1}),
                          ("dlmp.binary_expansion", {"bits": 6}),
                          ("dlmp.binary_expansion", {"bits": 3, "remainder": True})):
        m = pyo.TransformationFactory(name).create_using(bilinear(), **options)
        pyo.SolverFactory("highs").solve(m)
        values[name, options.get("remainder", False)] = pyo.value(
            next(m.component_data_objects(pyo.Objective, active=True)))
    assert values["dlmp.mccormick", False] <= -6 + 1e-6
    assert values["dlmp.binary_expansion", True] <= -6 + 1e-6
    assert -6 - 1e-5 <= values["dlmp.binary_expansion", False] <= -5.8


def test_two_sided_gap_closes_with_bits():
    """Only a part of the price is paid: bound below, a feasible point above, and they meet."""
    gaps = []
    for bits in (2, 5, 9):
        result = dlmp.solve_bilevel(partly_paid(), bits=bits, gap=1e-9)
        assert result.bound <= -0.25 + 1e-6 <= result.objective + 2e-6
        gaps.append(result.objective - result.bound)
    assert gaps[2] <= 0.05 * max(gaps[0], 1e-6) or gaps[2] < 1e-5


def test_every_bound_says_where_it_comes_from():
    m = consumer()
    pyo.TransformationFactory("dlmp.single_level").apply_to(m)
    table = dlmp.bounds_table(m)
    known = table["multiplier_bound"] < float("inf")
    assert (table.loc[known, "multiplier_source"] != "").all()
    assert set(table["multiplier_source"]) <= {"user", "interval", "vertex", "lp", ""}


def test_strong_duality_with_a_tolerance_is_a_relaxation():
    """eps > 0: the bound is one of the bilevel, the point is re-solved and never better than it."""
    result = dlmp.solve_bilevel(
        bard(), solver=solver_or_skip("gurobi"), complementarity="strong_duality", eps=0.5)
    assert result.bound <= -12 + 1e-6
    assert result.objective >= -12 - 1e-6
