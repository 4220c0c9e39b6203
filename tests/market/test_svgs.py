"""SVGs: who owns them, what they lose, how legs share a rating, and where a star may stand."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import dispatch_table, payments_table, prices_table
from tests.checks import check_answer
from tests.models import bilevel, feeder

LOAD = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(600,), kvar=(300,), connection="delta")
SITE = dlmp.Datacenter(name="dc", bus="end", kw=500)
LOW = {"v_min": 0.99, "penalty": 3000.0}


def svg(**options):
    return dlmp.StaticVarGenerator(**{
        "name": "s", "bus": "end", "kvar": 300, "connection": "delta", **options})


def alone(net, **options):
    m = dlmp.build_opf(net, price=50, **{**LOW, **options})
    dlmp.solve_opf(m)
    return m


def test_losses_are_drawn_where_it_works():
    free, lossy = (alone(feeder(LOAD, svg(loss_percent=x))) for x in (0, 2))
    s = lossy.svg["s"]
    for k in s.q:
        assert pyo.value(s.loss[k]) == pytest.approx(0.02 * abs(pyo.value(s.q[k])), abs=1e-7)
    assert sum(abs(pyo.value(s.q[k])) for k in s.q) > 0.05
    assert pyo.value(lossy.cost) > pyo.value(free.cost) + 1e-3


def test_a_total_rating_goes_where_it_is_worth_most():
    equal, total = (alone(feeder(LOAD, svg(sharing=how))) for how in ("equal", "total"))
    sizes = [abs(pyo.value(total.svg["s"].q[k])) for k in total.svg["s"].q]
    assert sum(sizes) <= 0.3 + 1e-7 and max(sizes) > 0.1 + 1e-3
    assert pyo.value(total.cost) <= pyo.value(equal.cost) + 1e-7


def test_an_aggregators_svg_is_its_own_and_paid_for():
    net = feeder(LOAD, SITE, svg(owner="datacenter", loss_percent=1.0))
    m = bilevel(net, 0.4, [50.0], **LOW)
    result = dlmp.solve_bilevel(m)
    check_answer(m, result)
    without = bilevel(feeder(LOAD, SITE), 0.4, [50.0], **LOW)
    assert result.objective < dlmp.solve_bilevel(without).objective - 0.1
    table = payments_table(prices_table(m.dso), dispatch_table(m.dso, net), net, 1.0)
    assert set(table["element"]) == {"dc", "s"}
    assert table["value"].sum() == pytest.approx(result.objective, rel=1e-6)


def test_a_star_where_nothing_grounds_has_equal_legs():
    net = dlmp.load_feeder("ieee37").with_devices(svg(bus="738", connection="wye"))
    m = alone(net, v_min=0.98)
    s = m.svg["s"]
    assert len({round(pyo.value(s.q[leg, 0]), 9) for leg in "abc"}) == 1
    assert abs(pyo.value(s.q["a", 0])) > 1e-3
    with pytest.raises(dlmp.ModelError, match="delta"):
        dlmp.build_opf(dlmp.load_feeder("ieee37").with_devices(
            svg(bus="738", connection="wye", phases="a")))
    with pytest.raises(dlmp.ModelError, match="delta"):
        dlmp.build_opf(dlmp.load_feeder("ieee37").with_devices(
            dlmp.Datacenter(name="d", bus="738", kw=100, balanced=False)))
