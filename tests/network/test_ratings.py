"""What branches may carry: rated currents by hand, from kVA and kV of windings."""

import math

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.network.ratings import known_rating, limit_kva, with_limits

HIGH, LOW = 12.47, 4.16
BUSES = {"h": dlmp.Bus(name="h", kv=HIGH), "l": dlmp.Bus(name="l", kv=LOW),
         "s": dlmp.Bus(name="s", kv=.24, phases="12")}
ENDS = {"name": "t", "from_bus": "h", "to_bus": "l", "r_percent": 1, "x_percent": 5}
ROOT = math.sqrt(3)


def amps(branch):
    """(bus, {phase: A})."""
    found = known_rating(branch, BUSES)
    return found.bus, {k: kva / BUSES[found.bus].kv_ln for k, kva in found.kva.items()}


@pytest.mark.parametrize(("more", "bus", "phases", "wanted"), [
    ({}, "h", "abc", 600 / (ROOT * HIGH)),
    ({"connection": "delta-wye"}, "l", "abc", 600 / (ROOT * LOW)),
    ({"connection": "wye-delta"}, "h", "abc", 600 / (ROOT * HIGH)),
    ({"connection": "delta-delta"}, "h", "abc", 600 / (ROOT * HIGH)),
    ({"connection": "delta-wye", "to_kv": 4.0}, "l", "abc", 600 / (ROOT * 4.0)),
    ({"phases": "b"}, "h", "b", 600 / (HIGH / ROOT)),
    ({"phases": "a", "from_legs": ("ab",), "to_legs": ("a",)}, "l", "a", 600 / (LOW / ROOT)),
    ({"connection": "delta-delta", "phases": "ab"}, "h", "ab", 600 / HIGH),
    # open wye, open delta: each unit has half of the bank, and lines carry what it carries
    ({"connection": "wye-delta", "from_legs": ("a", "b"), "to_legs": ("ab", "bc")}, "h", "ab",
     300 / (HIGH / ROOT)),
    ({"connection": "delta-delta", "from_legs": ("ab", "bc"), "to_legs": ("ab", "bc")}, "h", "abc",
     300 / HIGH),
])
def test_transformers_by_the_currents_of_their_windings(more, bus, phases, wanted):
    at, found = amps(dlmp.Transformer(kva=600, **{**ENDS, **more}))
    assert at == bus and found == pytest.approx(dict.fromkeys(phases, wanted), rel=1e-12)


def test_other_branches():
    code = dlmp.LineCode(name="c", r=((.1,),), x=((.1,),))
    line = dlmp.Line(name="x", from_bus="h", to_bus="l", code=code, length=1.0, phases="b",
                     rating_kva=100.0, rated=False)
    assert amps(line) == ("h", {"b": pytest.approx(100 * ROOT / HIGH)})
    assert limit_kva(line) is None and known_rating(None, BUSES) is None
    wye = dlmp.Regulator(name="r", from_bus="h", to_bus="h", taps={"a": 2, "b": 0, "c": 1}, kva=100)
    assert amps(wye)[1] == pytest.approx(dict.fromkeys("abc", 100 * ROOT / HIGH))
    delta = dlmp.Regulator(name="r", from_bus="h", to_bus="h", taps={"ab": 2, "cb": 0}, kva=100,
                           connection="open_delta")
    assert amps(delta)[1] == pytest.approx(dict.fromkeys("ac", 100 / HIGH))
    split = dlmp.CenterTappedTransformer(
        name="c", from_bus="h", to_bus="s", leg="a", kva=25, r_percent=(1, 1, 1),
        x_percent=(2, 2, 2))
    assert amps(split) == ("s", pytest.approx(dict.fromkeys("12", 25 / .24)))


def test_ratings_are_limits_where_that_is_wanted():
    network = dlmp.load_feeder("ieee13")
    assert limit_kva(network.branches["xfm1"]) is None
    assert limit_kva(with_limits(network).branches["xfm1"]) == pytest.approx(500 / 3)
    assert with_limits(with_limits(network)) is not None
