"""Options of the AC form for limits: what is refused, and limits that are broken or cannot hold."""

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.opf.soft_limits import broken_limits, soft_limits
from tests.library.ac_feeders import FEEDERS


def test_options_of_the_ac_form_are_refused_elsewhere():
    net = FEEDERS["four_wire"]()
    for options, message in (
            ({"voltage_legs": "line"}, "voltage_legs: is 'line', but the linear .*solve_ac_opf"),
            ({"neutral_v_max": .02}, "neutral_v_max: is given, but the linear form has no neutr")):
        with pytest.raises(dlmp.ModelError, match=message):
            dlmp.build_opf(net, **options)
    for options, message in (
            ({"voltage_legs": "lines"}, "voltage_legs: is 'lines'.*Did you mean 'line'"),
            ({"neutral_v_max": 0.0}, "neutral_v_max: is 0"),
            ({"angles": False}, "angles: is False"),
            ({"neutral_penalty": -1}, "neutral_penalty: is -1")):
        with pytest.raises(dlmp.ModelError, match=message):
            dlmp.solve_ac_opf(net, **options)
    with pytest.raises(dlmp.ModelError, match="every neutral of the network is solidly grounded"):
        dlmp.solve_ac_opf(FEEDERS["mesh"](), neutral_v_max=.02)


@pytest.mark.parametrize(("options", "where"), [
    ({"voltage_legs": "line", "v_min": .999}, "q.bc"), ({"neutral_v_max": .004}, "q.n")])
def test_soft_limits_that_are_broken_are_told(options, where):
    """Between phases and at neutrals as well: prices contain their penalty."""
    m = dlmp.solve_ac_opf(FEEDERS["four_wire"](), check=False, **options).model
    broken = broken_limits(m)
    assert soft_limits(m) and f"{broken.bus}.{broken.phase}" == where
    assert broken.count > 0 and f"{where}, period 0" in str(broken)


@pytest.mark.parametrize(("options", "message"), [
    ({"neutral_v_max": .002, "neutral_penalty": None}, "bus 'q', neutral n, period 0: its limit"),
    ({"voltage_limits": "hard", "voltage_legs": "line", "v_min": 1.0},
     "bus 'q', leg bc, period 0: its voltage limit of 1 pu cannot be kept in AC")])
def test_hard_limits_that_nothing_keeps_are_named(options, message):
    with pytest.raises(dlmp.SolverError, match=message):
        dlmp.solve_ac_opf(FEEDERS["four_wire"](True), check=False, **options)
