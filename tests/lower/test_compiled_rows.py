"""What our readers compile is what Pyomo's own visitors give, to the rounding of products.

Factors of a load's terms are multiplied in another order; all else is the same to the last bit.
"""

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.core.expr.visitor import identify_variables

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel.sums import SumReader
from pyomo_dlmp.expressions import WeightedSum
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.row_table import RowTable


def compiled(block, monkeypatch):
    """(by our readers, by Pyomo's visitors)."""
    ours = compile_lower(block)
    with monkeypatch.context() as without:
        without.setattr(RowTable, "take", lambda *_: False)
        without.setattr(SumReader, "linear", lambda *_: None)
        without.setattr(SumReader, "quadratic", lambda *_: None)
        return ours, compile_lower(block)


def check_same(ours, theirs):
    for name in ("x", "u", "rows", "idle"):
        assert [id(part) for part in getattr(ours, name)] == [
            id(part) for part in getattr(theirs, name)], name
    for name in ("lb", "ub", "c"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    for name in ("lo", "hi"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-15, abs=1e-15)
    for name in ("A", "B", "D", "Q"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert np.array_equal(one.indptr, other.indptr), name
        assert np.array_equal(one.indices, other.indices), name
        assert one.data == pytest.approx(other.data, rel=1e-15, abs=1e-18), name


def feeder(name, **options):
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(dlmp.load_feeder(name), into=m.dso, **options)
    return m.dso


@pytest.mark.parametrize(("name", "options"), [
    ("ieee13", {"periods": 3, "price": [30, 50, 40], "load_scale": [1, 0.5, 0.8]}),
    ("ieee37", {"periods": 2, "losses": None, "voltage_limits": "hard"}),
    ("ieee123", {"periods": 1}),
    ("ieee34", {"voltage_legs": "phase", "unbalance": None, "losses": "quadratic"}),
])
def test_a_feeder_is_compiled_as_by_pyomo(name, options, monkeypatch):
    check_same(*compiled(feeder(name, **options), monkeypatch))


def test_what_the_user_changed_is_honoured(monkeypatch):
    dso = feeder("ieee13", periods=2)
    bus = dso.bus["671"]
    bus.v_low["a", 0].deactivate()
    bus.w["b", 1].fix(1.02)
    bus.v_high["c", 1].set_value(bus.w["c", 1] <= 2 * bus.over["c", 1] + 1.1)
    dso.more = pyo.Constraint(expr=bus.balance_p["a", 1].body <= 5)
    bus.net_q["a", 0].set_value(bus.net_q["a", 0].expr - 0.25)
    ours, theirs = compiled(dso, monkeypatch)
    check_same(ours, theirs)
    assert not any(row is bus.v_low["a", 0] for row in ours.rows)
    number = ours.row_number[dso.more]
    assert ours.hi[number] > 5.0  # without what the loads draw
    free = {id(var) for var in identify_variables(bus.net_p["a", 1], include_fixed=False)}
    assert ours.A[number].nnz == len(free)


def test_a_fixed_var_without_a_value_is_named():
    dso = feeder("ieee13")
    dso.bus["671"].w["b", 0].fix(1.0)
    dso.bus["671"].w["b", 0].value = None
    with pytest.raises(dlmp.ModelError, match=r"671\W+\.w\[b,0\]"):
        compile_lower(dso)


def test_a_var_that_stands_twice_in_a_row_is_one_column(monkeypatch):
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(0, 1))
    x = tuple(m.x.values())
    m.rows = pyo.Constraint([0, 1, 2])
    m.rows[0] = WeightedSum((2.0, -1.0), x) <= 1.0
    m.rows[1] = WeightedSum((2.0, -0.5, 1.0), (x[0], x[1], x[0])) == 1.0
    m.rows[2] = WeightedSum((1.0, 3.0, -1.0), (x[0], x[1], x[0])) >= 0.25
    m.cost = pyo.Objective(expr=m.x[0])
    ours, theirs = compiled(m, monkeypatch)
    check_same(ours, theirs)
    assert ours.A.toarray().tolist() == [[2.0, -1.0], [3.0, -0.5], [0.0, 3.0]]
