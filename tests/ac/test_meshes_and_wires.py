"""Meshes, secondaries and four wires: the loop settles, the engine agrees, prices are marginal.

A price is held against OPFs solved again with a little more and a little less drawn at the leg.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.ac.adjoint import sensitivities
from pyomo_dlmp.ac.curvature import Weights, hessian
from pyomo_dlmp.ac.newton import solve
from pyomo_dlmp.ac_opf import AcLoop
from pyomo_dlmp.ac_opf.answer import answer_of
from pyomo_dlmp.ac_opf.parts import price_parts
from pyomo_dlmp.network.phases import symmetrical_components
from tests.library.ac_feeders import FEEDERS

KW = {"four_wire": .02, "secondary": .5, "mesh": 1.0, "tied_123": 2.0, "service": .02}
QUANTITIES = ("active", "reactive")


def cost(net, bus, leg, kw, kvar, **options):
    """Of the OPF with a draw at a leg ($)."""
    probe = dlmp.Load(name="probe", bus=bus, legs=(leg,), kw=(kw,), kvar=(kvar,), v_low=0.0,
                      v_high=9.0, connection="delta" if set(leg) <= set("abc12") and leg[1:]
                      else "wye")
    answer = dlmp.solve_ac_opf(net.with_devices(probe), check=False, **options)
    assert answer.settled
    return answer.cost


def by_differences(net, bus, leg, kw, **options):
    """$/MWh and $/Mvarh of a leg, from OPFs solved again."""
    def slope(p, q):
        up, down = (cost(net, bus, leg, sign * kw * p, sign * kw * q, **options)
                    for sign in (1, -1))
        return (up - down) / (2e-3 * kw)

    return np.array([slope(1, 0), slope(0, 1)])


def check_marginal(net, answer, legs, kw, within=1e-3, **options):
    """Prices of legs are what re-solved OPFs cost more."""
    for bus, leg in legs:
        price = np.array(answer.leg_price(bus, leg))
        slope = by_differences(net, bus, leg, kw, **options)
        assert np.abs(price - slope).max() < within * (1 + np.abs(price).max()), (
            bus, leg, price, slope)


def solved(net, **options):
    """An answer that has settled, with the engine and the duals beside it."""
    answer = dlmp.solve_ac_opf(net, **options)
    assert answer.settled and len(answer.rounds) <= 10
    assert answer.engine_difference < 1e-7
    assert answer.certificate["difference"].abs().max() < 1e-5
    return answer


def magnitude(answer, bus, leg, t=0):
    """Of a leg, in the engine (pu of the nominal phase voltage)."""
    volts = [answer.ac.point.voltages[bus, k, t] for k in leg]
    return abs(volts[0] - (volts[1] if leg[1:] else 0.0))


# ------------------------------------------------------------------------ feeders and limits

LIMITS = {
    "four_wire": ([("q", "an"), ("q", "a"), ("p", "ab")], {"v_min": .985, "v_max": 1.03}),
    "secondary": ([("w", "b"), ("v", "ca")], {"v_min": 1.0, "v_max": 1.01, "voltage_legs": "both"}),
    "mesh": ([("q", "ab"), ("p", "c")], {"v_min": 1.0, "v_max": 1.01, "voltage_legs": "line"}),
    "service": ([("v", "1"), ("w", "12")], {"v_min": 1.0, "v_max": 1.01, "voltage_legs": "line"}),
    "tied_123": ([("66", "b")], {"v_min": .99, "v_max": 1.03}),
}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.large) if name == "tied_123" else name for name in LIMITS])
def test_they_settle_and_their_prices_are_marginal(name):
    net, (legs, limits) = FEEDERS[name](True), LIMITS[name]
    answer = solved(net, **limits)
    parts = price_parts(answer.loop)
    assert parts.query("part == 'voltage'")["value"].abs().max() > 1
    check_marginal(net, answer, legs, KW[name], **limits)


@pytest.mark.parametrize("penalty", [None, 500.0])
def test_a_neutral_limit_binds(penalty):
    """Inside a polygon of 12 sides: up to 3.5 % before the limit."""
    net = FEEDERS["four_wire"](True)
    before = magnitude(dlmp.solve_ac_opf(net), "q", "n")
    options = {"neutral_v_max": .9 * before, "neutral_penalty": penalty}
    answer = solved(net, **options)
    after = magnitude(answer, "q", "n")
    if penalty is None:
        assert .96 * .9 * before < after < .9 * before + 1e-8
    assert after < before - 1e-4
    assert greatest(answer, "voltage") > .1
    check_marginal(net, answer, [("q", "an"), ("q", "bn")], .02, **options)


def test_hard_limits_between_phases_bind():
    net = FEEDERS["four_wire"](True)
    free = dlmp.solve_ac_opf(net, voltage_limits=None)
    low = min(magnitude(free, "q", pair) for pair in ("ab", "bc", "ca")) / 3**.5
    options = {"voltage_limits": "hard", "v_min": low + 2e-4, "v_max": 1.1, "voltage_legs": "line"}
    answer = solved(net, **options)
    assert min(magnitude(answer, "q", pair) for pair in ("ab", "bc", "ca")) / 3**.5 == (
        pytest.approx(low + 2e-4, abs=1e-7))
    check_marginal(net, answer, [("q", "ab"), ("q", "cn")], .02, **options)


# ------------------------------------------------------------------------------- congestion

def rated(net, name, share, answer):
    """A line rated at a share of its greatest current."""
    branch, at = net.lines[name], net.buses[net.lines[name].from_bus]
    amperes = answer.ac.currents().query("branch == @name and bus == @at.name")
    kva = share * amperes["magnitude"].max() * at.kv_ln
    return net.replacing(replace(branch, rating_kva=kva)), kva / at.kv_ln


@pytest.mark.parametrize("penalty", [None, 5.0])
def test_a_rating_binds(penalty):
    net = FEEDERS["mesh"](True)
    options = {"thermal_penalty": penalty, "voltage_limits": None}
    net, amperes = rated(net, "sp", .75, dlmp.solve_ac_opf(net, **options))
    answer = solved(net, **options)
    carried = answer.ac.currents().query("branch == 'sp' and bus == 's'")["magnitude"].max()
    if penalty is None:
        assert .96 * amperes < carried < amperes * (1 + 1e-7)
    else:
        assert carried > amperes
    assert greatest(answer, "congestion") > .5
    check_adds_up(answer)
    check_marginal(net, answer, [("q", "ab"), ("p", "c")], 1.0, **options)


def test_a_joint_is_rated_as_well():
    """A switch without an impedance: what limits it is the current of its ideal rows."""
    net = FEEDERS["three_windings"](True)
    site = dlmp.Generator(name="gen_j", bus="j", kw_max=200, cost=60, cost2=20)
    net = net.with_devices(site)
    options = {"thermal_penalty": 200.0, "voltage_limits": None}
    net, _ = rated(net, "qj", .8, dlmp.solve_ac_opf(net, **options))
    assert net.lines["qj"].joins
    answer = solved(net, **options)
    assert greatest(answer, "congestion") > 1
    check_adds_up(answer)
    check_marginal(net, answer, [("j", "a"), ("r", "b")], 1.0, **options)


def test_a_centre_tapped_transformer_is_rated_by_its_halves():
    net = FEEDERS["service"]()
    (tapped,) = (b for b in net.branches.values() if b.name == "tu")
    answer = dlmp.solve_ac_opf(net, voltage_limits=None)
    now = answer.ac.currents().query("branch == 'tu' and bus == 'u'")["magnitude"].max()
    for share, breaks in ((.9, True), (1.1, False)):
        small = net.replacing(replace(tapped, kva=2 * share * now * .12, rated=True, **{
            key: tuple(share * 2 * now * .12 / tapped.kva * x for x in getattr(tapped, key))
            for key in ("r_percent", "x_percent")}))
        answer = solved(small, voltage_limits=None, thermal_sides=64)
        assert (greatest(answer, "congestion") > 1) == breaks


# -------------------------------------------------------------------------------- unbalance

def vuf(answer, bus, t=0):
    """Of the engine's phasors (%)."""
    v = np.array([answer.ac.point.voltages[bus, k, t] for k in "abc"])
    _, plus, minus = symmetrical_components(v)
    return 100 * abs(minus) / abs(plus)


@pytest.mark.parametrize("more", [{"limit": .6}, {"limit": .5, "penalty": 300.0},
                                  {"price": 40.0}])
def test_unbalance_of_the_answer_is_limited_or_costs(more):
    net = FEEDERS["mesh"](True)
    free = dlmp.solve_ac_opf(net, voltage_limits=None)
    if "limit" in more:
        more = {**more, "limit": more["limit"] * vuf(free, "q")}
    options = {"voltage_limits": None, "unbalance": dlmp.Unbalance(buses=["q"], **more)}
    answer = solved(net, **options)
    if more.keys() == {"limit"}:
        assert .96 * more["limit"] < vuf(answer, "q") < more["limit"] * (1 + 1e-7)
    else:
        assert more.get("limit", 0.0) < vuf(answer, "q") < vuf(free, "q") - 1e-4
    assert greatest(answer, "unbalance") > 1
    check_marginal(net, answer, [("q", "ab"), ("p", "c")], 1.0, **options)


# ------------------------------------------------------------------------------ price parts

def greatest(answer, part):
    """Greatest size of a part of all prices ($/MWh)."""
    return price_parts(answer.loop).query("part == @part")["value"].abs().max()


def check_adds_up(answer):
    """Parts add up to the prices."""
    keys = ["bus", "phase", "period", "quantity"]
    whole = price_parts(answer.loop).groupby(keys)["value"].sum()
    prices = answer.prices.set_index(keys)["value"].dropna()
    assert (whole[prices.index] - prices).abs().max() < 1e-6
    assert len(prices)


def part_of(answer, part):
    return price_parts(answer.loop).query("part == @part")["value"].to_numpy()


KINDS = {
    "phases": ("voltage", {"v_min": .999, "v_max": 1.05}),
    "between phases": ("voltage", {"v_min": .999, "v_max": 1.05, "voltage_legs": "line"}),
    "neutrals": ("voltage", {"neutral_v_max": .004, "voltage_limits": None}),
    "ratings": ("congestion", {"voltage_limits": None}),
    "unbalance": ("unbalance", {"voltage_limits": None, "unbalance": dlmp.Unbalance(
        limit=.05, penalty=500.0)}),
    "price of unbalance": ("unbalance", {"voltage_limits": None, "unbalance": dlmp.Unbalance(
        price=20.0)}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_limit_is_in_its_part_of_the_price(kind):
    """Without devices the state is the same with and without a soft limit: the difference of the
    prices is the part, and the other parts stay."""
    part, options = KINDS[kind]
    net = FEEDERS["four_wire"]()
    free = dlmp.solve_ac_opf(net, voltage_limits=None)
    if kind == "ratings":
        net, _ = rated(net, "sp", .8, free)
    answer = solved(net, **options)
    check_adds_up(answer)
    change = (answer.prices["value"] - free.prices["value"]).to_numpy()
    assert np.nanmax(np.abs(change)) > .1
    order = answer.prices[["bus", "phase", "period", "quantity"]]
    mine = price_parts(answer.loop).query("part == @part").set_index(list(order.columns))["value"]
    assert np.nanmax(np.abs(mine[[tuple(key) for key in order.to_numpy()]].to_numpy()
                            - change)) < 1e-6
    for other in ("energy", "losses", "load response"):
        assert np.allclose(part_of(answer, other), part_of(free, other), atol=1e-6)
    for other in {"voltage", "congestion", "unbalance"} - {part}:
        assert not part_of(answer, other).any()


def test_load_response_is_the_difference_to_loads_of_constant_power():
    net = FEEDERS["mesh"]()
    answer = solved(net, voltage_limits=None)
    state, legs = answer.loop.state, answer.loop.circuit.legs
    constant = net.replacing(*(replace(
        load, model="power", coefficients=(), kv=None,
        kw=tuple(-1e3 * state.legs.s[legs.of[name], 0].real),
        kvar=tuple(-1e3 * state.legs.s[legs.of[name], 0].imag)) for name, load in
        net.loads.items()))
    other = solved(constant, voltage_limits=None)
    change = (answer.prices["value"] - other.prices["value"]).to_numpy()
    assert np.abs(np.sort(part_of(answer, "load response")) - np.sort(change)).max() < 1e-6
    assert np.abs(change).max() > .05 and not part_of(other, "load response").any()


def test_a_bend_of_a_load_is_in_its_response():
    """An optimum at the upper end of loads' range: multipliers of their rows are in the part."""
    net = FEEDERS["mesh"](True)
    net = net.replacing(*(replace(
        load, model="power", coefficients=(), v_low=.5, v_high=.975,
        kw=tuple(2 * x for x in load.kw), kvar=tuple(2 * x for x in load.kvar))
        for load in net.loads.values()))
    answer = solved(net, voltage_limits=None)
    number, duals = answer.loop.form.row_number, answer.loop.solution.row_duals
    bent = [duals[number[row]] for block in answer.model.demand.values()
            if block.component("kink") for row in block.kink.values()]
    # loads at one leg share what its bend is worth in any way: the price alone is unique
    assert sum(dual > .1 for dual in bent) > 0
    check_adds_up(answer)
    check_marginal(net, answer, [("q", "ab"), ("p", "c")], 1.0, voltage_limits=None)


def test_rows_of_users_on_voltages_are_a_part_of_their_own():
    """A generator whose Q follows its voltage, and a limit of a voltage's real part."""
    loop = AcLoop(FEEDERS["mesh"](True), voltage_limits=None)
    m = loop.model
    v, gen = m.bus["q"].vr["a", 0], m.generator["gen_p"]
    m.follows = pyo.Constraint(expr=gen.q[0] == .05 - 2.0 * (v - .98))
    m.held = pyo.Constraint(expr=v <= .9975)
    answer = answer_of(loop, loop.settle(), check=False)
    assert answer.settled and v.value == pytest.approx(.9975, abs=1e-7)
    assert answer.certificate["difference"].abs().max() < 1e-6
    assert greatest(answer, "other") > .1 and not part_of(answer, "unbalance").any()
    check_adds_up(answer)


# ---------------------------------------------------------------------------------- any leg

def test_a_leg_to_ground_has_another_price_than_that_to_the_neutral():
    net = FEEDERS["four_wire"](True)
    answer = solved(net)
    table = answer.prices.query("bus == 'q' and phase == 'a'").set_index("quantity")["value"]
    to_neutral, to_ground = (answer.leg_price("q", leg) for leg in ("an", "a"))
    assert to_neutral == pytest.approx(tuple(table[key] for key in QUANTITIES), abs=1e-9)
    assert abs(to_neutral.active - to_ground.active) > .1
    back = answer.leg_price("q", "na")
    assert back == pytest.approx(to_neutral, abs=1e-9)
    for bus, leg, message in (
            ("q", "n", "leg 'n' of bus 'q': has 0.023 pu, with which no power has a price"),
            ("q", "d", "has no leg 'd'"), ("x", "a", "leg_price, bus: is 'x'"),
            ("q", "aa", "has no leg 'aa'")):
        with pytest.raises(dlmp.ModelError, match=message):
            answer.leg_price(bus, leg)
    with pytest.raises(dlmp.ModelError, match=r"leg_price, period: is 3\. Give a period: 0"):
        answer.leg_price("q", "an", 3)


def test_where_nothing_grounds_a_bus_a_leg_to_ground_has_no_price():
    net = FEEDERS["ungrounded"](True)
    options = {"periods": ["day", "night"], "price": [60, 20], "hours": .5}
    answer = solved(net, **options)
    with pytest.raises(dlmp.ModelError, match="is to ground, where nothing grounds the bus"):
        answer.leg_price("q", "a", "day")
    for t, expected in (("day", 60), ("night", 20)):
        assert answer.leg_price("q", "ab", t).active == pytest.approx(expected, rel=.1)


# -------------------------------------------------------------------- currents, curvature

def test_currents_and_voltages_of_neutrals_in_one_call():
    """What the phases leave is in the neutral and in the earth."""
    answer = solved(FEEDERS["four_wire"](True))
    currents = answer.ac.currents().query("branch == 'sp' and bus == 's'")
    assert list(currents["conductor"]) == list("abcn")
    phasors = currents["magnitude"] * np.exp(1j * np.radians(currents["angle"]))
    earth = abs(phasors.sum())
    volts = answer.ac.voltages().query("phase == 'n'").set_index("bus")["magnitude"]
    assert earth == pytest.approx(volts["q"] * 400 / 3**.5 / abs(5 + .3j), rel=1e-4)
    assert currents["magnitude"].iloc[3] > 10


@pytest.mark.parametrize(("name", "options"), [
    ("four_wire", {"voltage_legs": "both", "v_min": .985, "v_max": 1.03}),
    ("mesh", {"voltage_limits": None, "unbalance": dlmp.Unbalance(limit=.05, penalty=1e5)})])
def test_the_curvature_is_that_of_the_lagrangian(name, options):
    """Second differences of price x bought + multipliers x limits along random powers."""
    loop = AcLoop(FEEDERS[name](True), **options)
    loop.settle()
    state, circuit = loop.state, loop.circuit
    ways = loop.directions[0]
    squares, magnitudes = loop.map.phasors
    mu, nu = (each[:, 0] for each in loop.limits)
    assert np.abs(mu).max(initial=0.0) + np.abs(nu).max(initial=0.0) > 1
    others = sum(loop.limit_gradients().values())[:, 0]  # of linear rows: their slope alone
    exact = hessian(state, 0, ways, sensitivities(state, 0, ways), Weights(
        loop.prices[0], squares, mu, loop.lam[:, 0], magnitudes, nu))
    v0 = state.z[:len(others), 0]
    of_limits = (2 * squares.conj().T @ (mu * (squares @ v0[:circuit.n]))
                 + magnitudes.conj().T @ (nu * np.exp(1j * np.angle(magnitudes @ v0[:circuit.n]))))
    others[:circuit.n] -= of_limits

    def lagrangian(step):
        injected = state.injected.copy()
        for size, way in zip(step, ways, strict=True):
            injected[way.legs, 0] += size * way.shares
        moved = solve(circuit, injected, state.drawn, state.z, loop.labels)
        v = moved.volts[:, 0]
        return (loop.prices[0] * moved.bought.real.sum() + mu @ np.abs(squares @ v) ** 2
                + nu @ np.abs(magnitudes @ v)
                + (np.conj(others) * (moved.z[:len(others), 0] - v0)).real.sum())

    way = np.random.default_rng(1).normal(size=len(ways))
    # smaller steps would show how far Newton's last step is from the solution
    kw = 1e-2 * np.abs(loop.state.injected).max() / np.abs(way).max()
    at = [lagrangian(f * kw * way) for f in (-1, 0, 1)]
    assert (at[0] - 2 * at[1] + at[2]) / kw**2 == pytest.approx(way @ exact @ way, rel=1e-5)
