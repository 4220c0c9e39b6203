"""The AC form of `build_opf` against the engine: values, prices, order, what depends on a point."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kept import NUMBERS, STRUCTURE, KeptLower
from pyomo_dlmp.opf import set_operating_point
from pyomo_dlmp.opf.ac_point import false_bends
from pyomo_dlmp.opf.curvature import channels, set_curvature
from tests.feeders import engine
from tests.library.linear import scaled, volts


def built(net, point, **options):
    return dlmp.build_opf(net, form="ac", operating_point=point,
                          **{"voltage_limits": None, **options})


def worst(m, point):
    """Greatest difference of a voltage from a point's (pu), in period 0."""
    wrong = []
    for name, bus in m.bus.items():
        for k in bus.conductors:
            theirs = {x: point.voltages[name, x, 0] for x in bus.conductors}
            mean = sum(theirs[x] for x in bus.phases) / 3 if bus.floats else 0
            wrong.append(abs(volts(bus, k) - (theirs[k] - mean)))
    return max(wrong)


@pytest.mark.parametrize("name", ["ieee4_yy", "ieee4_dy", "ieee4_gyd", "ieee4_yd", "ieee4_oyod",
                                  "ieee4_oyod_unbal", "ieee13", "ieee34", "ieee37", "ieee123"])
def test_at_the_engines_point_it_has_the_engines_voltages(name):
    engine()
    net = dlmp.load_feeder(name)
    point = dlmp.ac_power_flow(net).point
    m = built(net, point)
    dlmp.solve_opf(m)
    assert worst(m, point) < 1e-7
    bought = sum(v.value for v in m.substation[net.substation.name].p.values())
    assert bought == pytest.approx(sum(point.source.values()).real, abs=1e-6)


@pytest.mark.parametrize("name", ["ieee13", "ieee34", "ieee37"])
def test_its_error_is_of_second_order(name):
    """Loads changed by 4 and by 2 %: half the change, a quarter of the error."""
    engine()
    net = dlmp.load_feeder(name)
    point = dlmp.ac_power_flow(net).point
    errors = []
    for scale in (1.04, 1.02):
        m = built(net, point, load_scale=scale)
        dlmp.solve_opf(m)
        errors.append(worst(m, dlmp.ac_power_flow(net, load_scale=scale).point))
    assert errors[0] > 3.5 * errors[1] or errors[1] < 1e-7
    assert errors[1] < 5e-5


def slope(net, name, leg, kw):
    """Cost of one more MW (and Mvar) at a load's leg, by central differences of the engine."""
    found = []
    for change in ((kw, 0.0), (0.0, kw)):
        cost = []
        for sign in (1, -1):
            load = net.loads[name]
            at = load.legs.index(leg)
            power = [list(load.kw), list(load.kvar)]
            for side in range(2):
                power[side][at] += sign * change[side]
            moved = net.replacing(replace(load, kw=tuple(power[0]), kvar=tuple(power[1])))
            cost.append(50.0 * sum(dlmp.ac_power_flow(moved).point.source.values()).real)
        found.append((cost[0] - cost[1]) / (2e-3 * kw))
    return found


def constant(net, model="power"):
    """All loads of constant power, of wide range: one more kW is one more kW."""
    return net.replacing(*(replace(d, model=model, coefficients=(), v_low=0.0, v_high=2.0)
                           for d in net.loads.values()))


@pytest.mark.parametrize(("name", "bus"), [("ieee13", "675"), ("ieee34", "860"),
                                           ("ieee123", "83")])
def test_duals_are_the_marginal_costs_of_ac(name, bus):
    engine()
    net = constant(dlmp.load_feeder(name))
    m = built(net, dlmp.ac_power_flow(net).point)
    dlmp.solve_opf(m)
    load = next(d for d in net.loads.values() if d.bus == bus)
    leg = load.legs[0]
    assert len(leg) == 1
    duals = [m.dual[row[leg, 0]] for row in (m.bus[bus].balance_p, m.bus[bus].balance_q)]
    assert duals == pytest.approx(slope(net, load.name, leg, 4.0), abs=.01)


def test_the_price_of_a_delta_leg_is_the_marginal_cost_of_ac():
    """pi = dual of a row per unit of conjugate current; the phases' own duals mean nothing here."""
    engine()
    net = constant(dlmp.load_feeder("ieee37"))
    m = built(net, dlmp.ac_power_flow(net).point)
    dlmp.solve_opf(m)
    load = next(d for d in net.loads.values() if d.bus == "738")
    bus, (a, b) = m.bus["738"], load.legs[0]
    pi = {k: (m.dual[bus.balance_p[k, 0]] - 1j * m.dual[bus.balance_q[k, 0]])
          * complex(bus.point["mr", k, 0].value, bus.point["mi", k, 0].value) for k in (a, b)}
    price = (pi[a] - pi[b]) / (volts(bus, a) - volts(bus, b))
    active, reactive = slope(net, load.name, load.legs[0], 4.0)
    assert price.real == pytest.approx(active, abs=.01)
    assert (price * 1j).real == pytest.approx(reactive, abs=.01)


SITE = (dlmp.Generator(name="gen", bus="671", kw_max=300, kvar_min=-200, kvar_max=200, cost=30,
                       cost2=0.05),
        dlmp.StaticVarGenerator(name="svg", bus="680", kvar=300, connection="delta"),
        dlmp.Storage(name="bat", bus="633", kw_max=50, kwh_max=100, kwh_start=50, kvar_max=20))


def test_another_point_is_other_numbers():
    """A model that follows its point is as one compiled there."""
    engine()
    net = dlmp.load_feeder("ieee13").with_devices(*SITE)
    points = [dlmp.ac_power_flow(net, load_scale=scale).point for scale in (1.0, .7)]
    m = built(net, points[0], voltage_limits="soft",
              unbalance=dlmp.Unbalance(limit=1.0, penalty=100.0))
    kept = KeptLower(m)
    columns = len(kept.kkt.form.x)
    set_operating_point(m, net, points[1])
    H = np.diag(np.arange(1.0, 1.0 + len(channels(m, 0))))
    set_curvature(m, {0: H})
    assert kept.update() == NUMBERS
    changed, fresh = kept.kkt.form, compile_lower(m)
    for name in ("A", "B", "Q", "D"):
        apart = getattr(changed, name) - getattr(fresh, name)  # sums in another order
        assert np.abs(apart.data).max(initial=0.0) < 1e-12, name
    for name in ("c", "lo", "hi", "lb", "ub"):
        assert getattr(changed, name) == pytest.approx(getattr(fresh, name)), name
    m.generator["gen"].q.fix(0.0)  # a column goes
    assert kept.update() == STRUCTURE and len(kept.kkt.form.x) == columns - 1


def test_curvature_bends_prices_beside_the_point_and_not_at_it():
    engine()
    net = dlmp.load_feeder("ieee13").with_devices(SITE[0])
    ac = dlmp.ac_power_flow(net, {"gen": (100.0, 20.0)})
    prices = {}
    for h in (0.0, 50.0):
        m = built(net, ac.point)
        found = channels(m, 0)
        assert [c.device for c in found] == ["gen", "gen"]
        assert found[1].shares == pytest.approx(dict.fromkeys(("a", "b", "c"), 1j / 3))
        set_curvature(m, {0: h * np.eye(2)})
        for mw in (.1, .15):
            m.generator["gen"].p.fix(mw)
            m.generator["gen"].q.fix(.02)
            dlmp.solve_opf(m)
            prices[h, mw] = pyo.value(m.curvature)
    assert prices[50.0, .1] == pytest.approx(0, abs=1e-12) and prices[0.0, .15] == 0
    assert prices[50.0, .15] == pytest.approx(.5 * 50 * .05**2)
    with pytest.raises(dlmp.ModelError, match="shape"):
        set_curvature(m, {0: np.eye(3)})


def test_a_load_at_the_end_of_its_range_stays_at_its_bend():
    """v_max 1.0: an impedance above it. A generator may raise the voltage over the bend and does
    so no further than pays; the cost is that of a model solved at points around it."""
    engine()
    net = dlmp.load_feeder("ieee13")
    net = net.replacing(*(replace(d, model="power", coefficients=(), v_low=0.5, v_high=1.0)
                          for d in net.loads.values()))
    point = dlmp.ac_power_flow(net).point
    m = built(net, point)
    bent = [block.kink[k] for block in m.demand.values() if block.component("kink")
            for k in block.kink]
    dlmp.solve_opf(m)
    assert bent and worst(m, point) < 1e-7  # exact at the point all the same
    for side in (1, -1):  # 1 % more and less load: those near the bend go over it
        scale = 1 - side * .05
        m = built(net, point, load_scale=scale)
        dlmp.solve_opf(m)
        assert worst(m, dlmp.ac_power_flow(net, load_scale=scale).point) < 3e-4


def test_where_more_load_is_wanted_a_bend_is_not_exact_and_said_so():
    """Above a soft upper limit load is worth money: the model would take what the law lacks."""
    engine()
    net = dlmp.load_feeder("ieee13")
    net = net.replacing(*(replace(d, model="power", coefficients=(), v_low=0.5, v_high=1.0)
                          for d in net.loads.values()))
    point = dlmp.ac_power_flow(net).point
    m = built(net, point, voltage_limits="soft", v_min=.8, v_max=.96)
    dlmp.solve_opf(m)
    straight = false_bends(m)
    assert straight and worst(m, point) > 1e-4
    for _ in range(3):  # without one, more load elsewhere may be wanted
        set_operating_point(m, net, point, straight=straight)
        dlmp.solve_opf(m)
        straight |= false_bends(m)
    assert not false_bends(m) and worst(m, point) < 1e-7
    done = dlmp.solve_ac_opf(net, v_min=.8, v_max=.96)  # the loop does the same
    assert done.settled and worst(done.model, point) < 1e-7


def test_a_point_of_another_network_is_named():
    engine()
    net = dlmp.load_feeder("ieee13").with_devices(SITE[0])
    point = dlmp.ac_power_flow(net).point
    other = dlmp.ac_power_flow(dlmp.load_feeder("ieee4_yy")).point
    m = built(net, point)
    with pytest.raises(dlmp.ModelError, match="lacks conductor 'a' of bus '650'"):
        set_operating_point(m, net, other)
    with pytest.raises(dlmp.ModelError, match="lacks bus"):
        built(net, other)
    with pytest.raises(dlmp.ModelError, match="lacks period 1"):
        built(net, point, periods=2)
    without = replace(point, injections={})
    with pytest.raises(dlmp.ModelError, match="generator 'gen': is not in the operating"):
        set_operating_point(m, net, without)
    linear = dlmp.build_opf(net)
    with pytest.raises(dlmp.ModelError, match="is not of the AC form"):
        set_operating_point(linear, net, point)
    with pytest.raises(dlmp.ModelError, match="fitted the corrected form, which is no more"):
        dlmp.opf.fit_to_operating_point(m, net, point)


def test_options_of_the_linear_form_are_refused():
    engine()
    net = dlmp.load_feeder("ieee4_yy")
    point = dlmp.ac_power_flow(net).point
    for options, message in (({"losses": None}, "losses: is None, but the AC form"),
                             ({"angles": False}, "angles: is False, but the AC form")):
        with pytest.raises(dlmp.ModelError, match=message):
            dlmp.build_opf(net, form="ac", operating_point=point, **options)
    with pytest.raises(dlmp.ModelError, match="Did you mean 'lindist'"):
        dlmp.build_opf(net, form="lindst")
    with pytest.raises(dlmp.ModelError, match="goes with form='ac'"):
        dlmp.build_opf(net, operating_point=point)


def test_ratings_limit_currents():
    """The rated line carries what its rating allows, a generator beyond it the rest."""
    engine()
    net = dlmp.load_feeder("ieee13").with_devices(SITE[0])
    name = "632633"
    branch = net.branches.get(name) or next(b for b in net.lines.values() if b.to_bus == "671")
    free = built(net, dlmp.ac_power_flow(net).point)
    dlmp.solve_opf(free)
    carried = np.abs(free.line[branch.name].currents(0)[:3]).max()
    rated = net.replacing(replace(branch, rating_kva=995 * carried))
    m = built(rated, dlmp.ac_power_flow(rated).point, thermal_penalty=None,
              thermal_sides=90)
    dlmp.solve_opf(m)
    assert np.abs(m.line[branch.name].currents(0)[:3]).max() <= .995 * carried + 1e-9
    assert m.generator["gen"].p[0].value > free.generator["gen"].p[0].value - 1e-9


def test_unbalance_is_limited():
    engine()
    net = dlmp.load_feeder("ieee13").with_devices(SITE[1])
    point = dlmp.ac_power_flow(net).point

    def vuf(m):
        bus = m.bus["680"]
        turn = np.exp(2j * np.pi / 3)
        v = np.array([volts(bus, k) for k in "abc"])
        return 100 * abs(v @ [1, turn**2, turn]) / abs(v @ [1, turn, turn**2])

    free = built(net, point)
    dlmp.solve_opf(free)
    m = built(net, point, unbalance=dlmp.Unbalance(limit=.9 * vuf(free), buses=["680"], sides=24))
    dlmp.solve_opf(m)
    assert vuf(m) <= .9 * vuf(free) * (1 + 1e-4)


def test_small_loads_mean_little():
    """No load at all: the form is the circuit's, whatever the point's loads were."""
    engine()
    net = dlmp.load_feeder("ieee13")
    none = net.replacing(*(scaled(d, 1e-9) for d in net.loads.values()))
    point = dlmp.ac_power_flow(none).point
    m = built(none, point)
    dlmp.solve_opf(m)
    assert worst(m, point) < 1e-7
