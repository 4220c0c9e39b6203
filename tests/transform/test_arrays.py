"""The rows that HiGHS gets as arrays are the ones that Pyomo's Constraints state, in another order.

Both ways state each row once (`transform.rows`); what is compared is everything behind it: names,
fixed Vars, bounds, the objective.
"""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.record import single_level_data, undo_single_level
from pyomo_dlmp.transform.single_level import SingleLevelAsArrays, SingleLevelTransformation
from tests.library.textbook import textbook
from tests.models import bard, price_payer, ranged_maximiser
from tests.transform.canonical import canonical_text


def linear_payer():
    return price_payer(quadratic=False)


def a_price_that_is_fixed():
    m = price_payer()
    dual = next(d for low in dlmp.bilevel.lower_levels(m)
                for _, _, var in dlmp.bilevel.dual_vars_of(low) for d in var.values())
    dual.fix(1.5)
    return m


def small_market():
    net = dlmp.load_feeder("ieee13").with_devices(
        dlmp.Datacenter(name="dc", bus="671", kw=300, floor=0.1, power_factor=0.95))
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(net, into=m.dso, price=[30, 50], periods=2, v_min=0.95, v_max=1.10)
    m.dca = dlmp.AggregatorBlock()
    m.dca.build(m.dso, 0.3, "active and reactive")
    return m


MODELS = {make.__name__: make for make in (
    bard, price_payer, linear_payer, ranged_maximiser, a_price_that_is_fixed, small_market)}
OPTIONS = {
    "bigm": {"complementarity": "bigm"},
    "envelopes": {"complementarity": "bigm", "products": "mccormick", "segments": 2},
    "bits": {"complementarity": "bigm", "products": "binary_expansion", "bits": 2},
    "strong_duality": {"complementarity": "strong_duality", "bits": 2},
    "blind": {"complementarity": "bigm", "tighten": "off", "bounds": {}},
}


def compiled(make, way, options):
    """({row: (lo, terms, hi)}, {column: bounds ...}, {term of the objective: value}, sense)."""
    m = make()
    way().apply_to(m, **options)
    record = single_level_data(m)
    program = compile_program(m, record)
    names = [var.name for var in program.columns]
    rows = {}
    for i, row in enumerate(program.rows):
        mine = program.A[i]
        terms = {names[j]: v for j, v in zip(mine.indices, mine.data, strict=True) if v}
        assert row.name not in rows
        rows[row.name] = (program.lo[i], terms, program.hi[i])
    columns = {name: ends for name, *ends in zip(
        names, program.lb, program.ub, program.integer, strict=True)}
    goal = {name: c for name, c in zip(names, program.c, strict=True) if c}
    Q = program.Q.tocoo()
    goal |= {(names[i], names[j]): v for i, j, v in zip(Q.row, Q.col, Q.data, strict=True) if v}
    return rows, columns, goal, (program.sign, program.constant), m


def same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert value == pytest.approx(other[key], rel=1e-12, abs=1e-12), key


def check_same_program(make, options):
    try:
        by_pyomo = compiled(make, SingleLevelTransformation, options)
    except (dlmp.ModelError, dlmp.BoundError) as err:
        with pytest.raises(type(err)) as found:
            compiled(make, SingleLevelAsArrays, options)
        assert str(found.value) == str(err)
        return
    arrays = compiled(make, SingleLevelAsArrays, options)
    assert by_pyomo[0].keys() == arrays[0].keys()
    for name, (lo, terms, hi) in by_pyomo[0].items():
        same(terms, arrays[0][name][1])
        assert (lo, hi) == pytest.approx(arrays[0][name][::2], rel=1e-12, abs=1e-12), name
    same(by_pyomo[1], arrays[1])
    same(by_pyomo[2], arrays[2])
    assert by_pyomo[3] == pytest.approx(arrays[3], rel=1e-12, abs=1e-12)
    assert single_level_data(arrays[-1]).as_arrays


@pytest.mark.parametrize("way", OPTIONS)
@pytest.mark.parametrize("make", MODELS)
def test_same_program(make, way):
    check_same_program(MODELS[make], OPTIONS[way])


@pytest.mark.parametrize("way", ["bigm", "bits", "strong_duality"])
@pytest.mark.parametrize("problem", textbook(), ids=lambda p: p.name)
def test_same_program_of_textbook_problems(problem, way):
    check_same_program(problem.model, OPTIONS[way])


def test_nothing_is_left_on_the_model():
    m = price_payer()
    before = canonical_text(m)
    SingleLevelAsArrays().apply_to(m, complementarity="bigm")
    block = m.dlmp_single_level
    assert not list(block.component_data_objects(pyo.Constraint, descend_into=True))
    assert not list(block.component_data_objects(pyo.Var, descend_into=True))
    undo_single_level(m)
    assert canonical_text(m) == before


def test_vars_without_a_block_have_values_bounds_and_names():
    m = bard()
    SingleLevelAsArrays().apply_to(m, complementarity="bigm")
    lower = single_level_data(m).lowers[0]
    var = next(var for var in lower.mu if var is not None)
    assert var.name.startswith("dlmp_single_level.lower[low].mu[") and var.lb == 0.0
    var.set_value(2.0)
    assert np.max(lower.multipliers()[1]) == 2.0 and (3 * var + 1)() == 7.0
