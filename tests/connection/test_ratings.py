"""Ratings in connection studies: transformers by hand, overloads that are there before."""

import math
from dataclasses import replace

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.connection.feeding import branches_to, unrated, unrated_words
from pyomo_dlmp.connection.limits import LimitOptions
from pyomo_dlmp.connection.pages import lead_words

CODE = dlmp.LineCode(name="c", r=np.diag([.1] * 3), x=np.diag([.2] * 3))


def feeder(kva=500.0, kw=150.0, **more):
    """A source, a line without a rating, and behind it two transformers side by side."""
    transformer = {"from_bus": "m", "connection": "delta-wye", "r_percent": 1.0, "x_percent": 4.0}
    return dlmp.Network("two transformers", [
        dlmp.Bus(name="s", kv=12.47), dlmp.Bus(name="m", kv=12.47), dlmp.Bus(name="own", kv=.48),
        dlmp.Bus(name="other", kv=.48), dlmp.Substation(name="grid", bus="s"),
        dlmp.Line(name="l", from_bus="s", to_bus="m", code=CODE, length=1.0),
        dlmp.Transformer(name="t", to_bus="own", kva=kva, **transformer),
        dlmp.Transformer(name="u", to_bus="other", kva=100.0, **transformer),
        dlmp.Load(name="x", bus="other", legs=("a", "b", "c"), kw=(kw / 3,) * 3, kvar=(0.0,) * 3)])


def study(network, bus="own", **more):
    return dlmp.connection_study(network, bus, power_factor=1.0, v_min=.5, v_max=None, **more)


def test_a_nameplate_ends_what_is_firm_at_the_current_of_its_wye_winding():
    found = study(feeder(kw=0.0))
    assert (found.binding.what, found.binding.element) == ("loading", "t") and found.check.passed
    point = dlmp.ac_power_flow(feeder(kw=0.0).with_devices(*found.site.devices(found.firm_kw)), {
        found.site.name: -found.firm_kw}).point
    rated = 500 / (math.sqrt(3) * .48)
    for k in "abc":
        assert abs(point.currents["t", "own", k, 0]) == pytest.approx(rated, rel=2e-6)


def test_one_phase_of_a_delta_wye_transformer_is_its_own_winding():
    """A third of the rating, though lines of the delta carry less than they may."""
    found = study(feeder(kw=0.0), phases="a")
    v = abs(dlmp.ac_power_flow(feeder(kw=0.0).with_devices(*found.site.devices(found.firm_kw)), {
        found.site.name: -found.firm_kw}).point.voltages["own", "a", 0])
    assert found.firm_kw == pytest.approx(500 / 3 * v, rel=1e-5)
    assert found.binding.phase == "a" and found.check.passed


def test_an_overload_that_does_not_feed_the_site_is_told_and_does_not_count():
    found, alone = study(feeder()), study(feeder(kw=0.0))
    assert {e.limit.element for e in found.existing} == {"u"}
    assert found.check.passed and found.firm_kw == pytest.approx(alone.firm_kw, rel=.01)
    behind = study(feeder(), "other")
    assert behind.firm_kw < 1.0 and behind.binding.element == "u" and behind.check.passed
    assert study(feeder(), "other", existing="left out").firm_kw > 500
    # more in parallel is what helps
    remedies = behind.remedies().set_index("remedy")
    assert "second unit" in remedies.index[0]  # alone or with another
    assert remedies["firm_kw"]["second unit"] == pytest.approx(
        study(feeder().replacing(replace(feeder().branches["u"], kva=200.0)), "other").firm_kw,
        rel=1e-3)


def test_what_is_not_known_is_said():
    network = feeder()
    assert unrated(network) == ["l"]
    found = study(network)
    assert "No rating of 1 of 3 lines, regulators and transformers is known" in lead_words(found)
    rated = network.replacing(replace(network.branches["l"], rating_kva=1e4, rated=False))
    assert unrated_words(rated, LimitOptions()) == ""
    assert "not checked" in unrated_words(rated, LimitOptions(thermal=False))
    assert study(network, thermal=False, max_kw=900.0).firm_kw == 900.0
    small = network.replacing(replace(network.branches["l"], rating_kva=100.0, rated=False))
    assert study(small).binding.element == "l"


def test_effects_have_the_greatest_loading():
    found = study(feeder())
    row = found.effects.iloc[0]
    assert row["most_loaded_before"][0] == "u" and row["loading_percent_before"] > 140
    assert row["most_loaded"][0] == "u" and row["loading_percent"] >= row["loading_percent_before"]
    clean = study(feeder(kw=0.0)).effects.iloc[0]
    assert clean["most_loaded"][0] == "t"
    assert clean["loading_percent"] == pytest.approx(100, abs=.01)


def test_what_feeds_a_bus():
    network = feeder()
    assert branches_to(network, "own") == {"l", "t"}
    assert branches_to(network, "m") == {"l"} and branches_to(network, "s") == set()
    beside = dlmp.Network("ring", [*network.elements, replace(network.branches["t"], name="v")])
    assert branches_to(beside, "own") == {"l", "t", "v"}
