"""Capacities with controls acting: against the file itself in the engine, and what is told."""

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.connection import applicants
from tests.connection.test_capacity import two_buses
from tests.opendss.test_controls import SCRIPT, of_file

LOW, HIGH = .95, 1.06


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("dss") / "two.dss"
    path.write_text(SCRIPT)
    return dlmp.read_opendss(path)


@pytest.fixture(scope="module")
def study(network):
    return dlmp.connection_study(network, "end", load_scale=[.5, 1.0], v_min=LOW, v_max=HIGH,
                                 controls="acting")


def keeps(scale, kw):
    """Whether the file's own controls keep all limits with a site at the end."""
    volts = {node: abs(v) for node, v in of_file(scale, kw).items() if not node.startswith("s.")}
    return min(volts.values()) >= LOW and max(volts.values()) <= HIGH


def test_the_firm_kw_is_that_of_the_file_in_the_engine(study):
    acting = study.acting
    assert acting.hour == 1 and acting.searched == (1, 0) and acting.looked_at == 2
    good, bad = 0.0, acting.step_kw
    while keeps(1.0, bad):
        good, bad = bad, bad + max(acting.step_kw, .05 * bad)
    while bad - good > .2:
        middle = .5 * (good + bad)
        good, bad = (middle, bad) if keeps(1.0, middle) else (good, middle)
    assert acting.alone_kw == pytest.approx(good, rel=3e-3)  # each hour from the file's state
    assert acting.in_order == 2 and acting.firm_kw <= acting.alone_kw
    assert keeps(.5, acting.firm_kw) and not acting.existing and not acting.unsettled
    assert acting.confirmed
    assert acting.firm_kw != pytest.approx(study.firm_kw, rel=.02)  # taps that move matter
    moves = acting.moves.set_index("element")
    assert moves["with"]["gang"] > moves["without"]["gang"]
    assert moves["fixed"]["bank"] == 0 and moves["with"]["bank"] == 1
    assert str(study.check.worst) and "instead of" in str(acting)


def test_a_limit_broken_before_on_both_sides_is_moved_on_both():
    network = two_buses()
    pv = dlmp.Generator(name="pv", bus="end", kw=600, kw_max=600, cost=0.0)
    load = dlmp.Load(name="l", bus="end", legs=("a", "b", "c"), kw=(400.0,) * 3,
                     kvar=(150.0,) * 3, v_low=0.5)
    busy = network.with_devices(pv, load)
    given = {"load_scale": {"l": [0.0, 1.5]}, "v_min": .99, "v_max": 1.005}
    study = dlmp.connection_study(busy, "end", **given)
    ends = {(e.limit.phase, e.value > 1) for e in study.existing}
    assert ends == {(k, high) for k in "abc" for high in (False, True)}
    assert study.check.passed


def test_queues_have_the_ones_before(network):
    given = {"v_min": .85, "v_max": HIGH, "controls": "acting"}
    found = applicants(network, ["m", "end"], [500, None], check=True, **given)
    assert found[0].firm_kw == 500 and found[1].check.passed
    dc = dlmp.Datacenter(name="first", bus="m", kw=500, power_factor=.95)
    alone = dlmp.connection_study(network.with_devices(dc), "end", **given)
    assert found[1].firm_kw == pytest.approx(alone.firm_kw, abs=.1)
    assert found[1].acting.firm_kw == pytest.approx(alone.acting.firm_kw, rel=2e-3)


def test_a_feeder_without_controls_is_told():
    with pytest.raises(dlmp.ModelError, match="regulator_controls"):
        dlmp.connection_study(two_buses(), "end", controls="acting")
    with pytest.raises(dlmp.ModelError, match="'fixed' or 'acting'"):
        dlmp.connection_study(two_buses(), "end", controls="on")
