"""Neutral conductors: what a model of phases leaves out exactly, and what it refuses by name."""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.library.linear import check_ac, check_small, solved
from tests.library.nodal import Nodal

Z4 = np.array([[.4, .1, .1, .12], [.1, .41, .1, .11], [.1, .1, .4, .1], [.12, .11, .1, .6]])
FOUR = dlmp.LineCode(name="four", r=Z4, x=1.6 * Z4)
ZERO4 = dlmp.LineCode(name="zero", r=0 * Z4, x=0 * Z4)
SOLID = {"neutrals": "n", "ground_r": 0.0, "ground_x": 0.0}
OPEN = {"neutrals": "n"}


def line(name, ends, code=FOUR, phases="abcn", length=0.4, **more):
    return dlmp.Line(name=name, from_bus=ends[0], to_bus=ends[1], code=code, length=length,
                     phases=phases, **more)


def load(bus, legs=("an", "bn", "cn"), kw=(12, 5, 8)):
    return dlmp.Load(name=f"load {bus}", bus=bus, legs=legs, kw=kw, kvar=tuple(x / 4 for x in kw))


def network(ground, *elements, kv=0.4):
    """`ground` [bus]: fields of its neutral; the source is at bus s."""
    return dlmp.Network("four-wire", [dlmp.Substation(name="grid", bus="s"), *(
        dlmp.Bus(name=bus, kv=kv, **fields) for bus, fields in ground.items()), *elements])


EXACT = {
    "grounded at every bus": network(
        {"s": SOLID, "e": SOLID, "f": SOLID}, line("l1", "se"), line("l2", "ef"), load("e"),
        load("f")),
    "through a joint": network(
        {"s": SOLID, "e": OPEN, "f": SOLID}, line("l1", "se"), line("j", "ef", ZERO4), load("e"),
        load("f")),
    "without current": network(
        {"s": SOLID, "e": OPEN}, line("l1", "se"), load("e", ("a", "b", "c"))),
    "without ground": network(
        {"s": {}, "e": OPEN, "f": OPEN}, dlmp.Line(
            name="l1", from_bus="s", to_bus="e", length=0.4, code=dlmp.LineCode(
                name="three", r=Z4[:3, :3], x=Z4[:3, :3])), line("l2", "ef"),
        load("f", ("a", "b", "c"))),
    "grounded at one end alone, through an impedance": network(
        {"s": {}, "e": {**OPEN, "ground_r": 5.0}, "f": OPEN}, dlmp.Line(
            name="l1", from_bus="s", to_bus="e", length=0.4, code=dlmp.LineCode(
                name="three", r=Z4[:3, :3], x=Z4[:3, :3])), line("l2", "ef"),
        load("f", ("a", "b", "c"))),
    "parallel four-wire lines": network(
        {"s": SOLID, "e": SOLID}, line("l1", "se"), line("l2", "se", length=0.7), load("e")),
    "a neutral in another place": network(
        {"s": SOLID, "e": SOLID}, line("l1", "se", phases="nabc"), load("e")),
}


@pytest.mark.parametrize("case", EXACT)
def test_what_is_left_out_exactly(case):
    check_small(EXACT[case])
    check_ac(EXACT[case])


def unit(ends="se", **more):
    return dlmp.Transformer(**{"name": "t", "from_bus": ends[0], "to_bus": ends[1], "kva": 400,
                               "r_percent": 1.0, "x_percent": 4.0, "connection": "delta-wye",
                               "to_legs": ("an", "bn", "cn"), **more})


def behind(unit, low, *elements):
    """A unit from 12.47 kV at s to 0.4 kV at e, whose neutral is as `low` says."""
    return dlmp.Network("low", [
        dlmp.Substation(name="grid", bus="s"), dlmp.Bus(name="s", kv=12.47),
        dlmp.Bus(name="e", kv=0.4, **low), unit, *elements])


STARS = {
    "grounded": behind(unit(), SOLID, load("e")),
    "its zone's only ground": behind(unit(), {**OPEN, "ground_r": 5.0}, load("e")),
    "floating": behind(unit(), OPEN, dlmp.Load(
        name="d", bus="e", connection="delta", legs=("ab", "bc"), kw=(30, 20), kvar=(10, 5))),
}


@pytest.mark.parametrize("case", STARS)
def test_star_points(case):
    net = STARS[case]
    if case == "floating":  # the exact circuit has a voltage to ground that nothing defines
        m, exact = solved(net), Nodal(net)
        for pair in ("ab", "bc", "ca"):
            volts = abs(exact.pu("e", pair[0]) - exact.pu("e", pair[1]))
            ours = abs(dlmp.results.voltages_table(m).query(
                f"bus == 'e' and phase == '{pair}'")["value"].iloc[0]) * 3**.5
            assert ours == pytest.approx(volts, abs=1e-3)
        return
    if "only" in case:  # to the neutral; that to ground follows from the LEAK of the check
        m, exact = solved(net), Nodal(net)
        for k in "abc":
            assert m.bus["e"].w[k, 0].value ** .5 == pytest.approx(
                abs(exact.pu("e", k) - exact.pu("e", "n")), abs=1e-3)
        return
    check_small(net, t="transformer")


@pytest.mark.parametrize(("net", "message"), [
    (network({"s": SOLID, "e": {**OPEN, "ground_r": 5.0, "ground_x": 1.0}}, line("l1", "se"),
             load("e")),
     "bus 'e': its conductor 'n' is grounded through 5 + j1 ohm and carries current"),
    (network({"s": SOLID, "e": OPEN, "f": SOLID}, line("l1", "se"), line("l2", "ef"), load("f")),
     "bus 'e': its conductor 'n' is not grounded and carries current"),
    (network({"s": SOLID, "e": OPEN}, line("l1", "se"), load("e", ("an",), (5,))),
     "bus 'e': its conductor 'n' is not grounded and carries current"),
    (network({"s": SOLID, "e": SOLID}, line("l1", "se"), load("e", ("n",), (5,))),
     "load 'load e': its leg 'n' has no phase"),
    (network({"s": SOLID, "e": OPEN}, line("l1", "se", dlmp.LineCode(
        name="charged", r=Z4, x=Z4, b=50 * np.eye(4)))),
     "bus 'e': its conductor 'n' is not grounded and carries current"),
])
def test_what_is_refused_by_name(net, message):
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.build_opf(net)
    assert message in str(caught.value) and "ac_power_flow" in str(caught.value)


def test_results_speak_of_the_users_legs():
    """Legs 'an' in dispatch, prices and payments, with the prices of their phases."""
    from pyomo_dlmp import results
    site = dlmp.Datacenter(name="dc", bus="e", kw=60, balanced=False, neutral="n")
    svg = dlmp.StaticVarGenerator(name="svg", bus="e", kvar=30, neutral="n", owner="datacenter")
    gen = dlmp.Generator(name="gen", bus="e", kw_max=5, cost=1.0, neutral="n")
    net = network({"s": SOLID, "e": SOLID}, line("l1", "se"), load("e"), site, svg, gen)
    m = dlmp.build_opf(net)
    dlmp.solve_opf(m)
    prices, dispatch = results.prices_table(m), results.dispatch_table(m, net)
    assert set(dispatch[dispatch["element"] == "dc"]["phase"]) == {"", "an", "bn", "cn"}
    assert set(prices["phase"]) == set("abc")
    at = results.customer_prices(prices, net, "e", ("an", "bn", "cn"), "wye")
    same = results.customer_prices(prices, net, "e", ("a", "b", "c"), "wye")
    assert at["value"].tolist() == same["value"].tolist() and set(at["phase"]) == {"an", "bn", "cn"}
    paid = results.payments_table(prices, dispatch, net, 1.0)
    active = prices[(prices["bus"] == "e") & (prices["quantity"] == "active")]
    own = paid[(paid["element"] == "dc") & (paid["quantity"] == "active")]["value"].sum()
    assert own == pytest.approx(0.02 * active["value"].sum()) and own > 1.0
    assert pyo.value(m.generator["gen"].p[0]) == pytest.approx(0.005)
    assert "l1" in m.line and set(m.bus) == {"s", "e"}
