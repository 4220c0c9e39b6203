"""What counts, pays and reports broken limits sees those of legs and neutrals, too."""

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market.ac_checks import count_broken
from pyomo_dlmp.opf.soft_limits import broken_limits
from pyomo_dlmp.validation import ac_report
from pyomo_dlmp.validation.model_point import model_flows
from tests.library.ac_feeders import FEEDERS


@pytest.fixture(scope="module")
def answer():
    return dlmp.solve_ac_opf(dlmp.load_feeder("ieee13"), price=30.0, voltage_legs="line",
                             v_min=1.04, check=False)


def test_limits_between_phases_are_counted_once_and_alike(answer):
    assert count_broken(answer.model) == broken_limits(answer.model).count == 33


def test_their_penalty_is_what_the_source_does_not_cost(answer):
    (source,) = answer.model.substation.values()
    bought = sum(p.value for p in source.p.values())
    # the cost is that of the last round, whose voltages were 1e-6 pu off at a slope of 2000 $
    assert answer.penalty == pytest.approx(answer.cost - 30.0 * bought, abs=1e-4)
    assert answer.penalty > 1000


def test_the_ac_report_lists_them(answer):
    limits = ac_report(answer.model, answer.loop.network).limits
    assert len(limits) == 33 and (limits["broken_by"] > 1e-5).all()
    assert set(limits["phase"]) & {"ab", "bc", "ca"}
    assert (limits["model"] - limits["ac"]).abs().max() < 1e-7


def test_limits_to_a_neutral_are_reported_to_it():
    net = FEEDERS["four_wire"](True)
    answer = dlmp.solve_ac_opf(net, v_min=.985, v_max=1.03)
    limits = ac_report(answer.model, net).limits
    assert len(limits) and (limits["model"] - limits["ac"]).abs().max() < 1e-7


def test_a_joint_may_have_the_name_of_a_bus_that_nothing_grounds():
    code = dlmp.LineCode(name="c", r=[[.3, .1, .1], [.1, .3, .1], [.1, .1, .3]],
                         x=[[.6, .2, .2], [.2, .6, .2], [.2, .2, .6]])
    zero = dlmp.LineCode(name="z", r=[[0.0] * 3] * 3, x=[[0.0] * 3] * 3)
    net = dlmp.Network("names", [
        dlmp.Substation(name="g", bus="s"), dlmp.Bus(name="s", kv=12.47),
        dlmp.Bus(name="x", kv=4.16), dlmp.Bus(name="y", kv=4.16), dlmp.Bus(name="e", kv=4.16),
        dlmp.Transformer(name="t", from_bus="s", to_bus="x", connection="delta-delta", kva=2000,
                         r_percent=1, x_percent=6, antifloat_ppm=0.0),
        dlmp.Line(name="x", from_bus="x", to_bus="y", code=zero, length=1.0),
        dlmp.Line(name="l", from_bus="y", to_bus="e", code=code, length=1.0),
        dlmp.Load(name="load", bus="e", connection="delta", legs=("ab", "bc"), kw=(100, 150),
                  kvar=(30, 40))])
    found = dlmp.solve_ac_opf(net, check=False)
    flows = model_flows(found.model, net)
    for k in "abc":
        assert flows["x", k, 0] == pytest.approx(found.loop.point.flows["x", k, 0], abs=1e-7)
