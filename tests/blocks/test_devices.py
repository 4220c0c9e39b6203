"""Storage, inverters, ZIP loads, capacitors, switches and unbalance limits, on tiny feeders."""

import math

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import unbalance_table
from tests.feeders import engine

CODE = dlmp.LineCode(name="c", r=[[.3, .1, .1], [.1, .3, .1], [.1, .1, .3]],
                     x=[[.6, .2, .2], [.2, .6, .2], [.2, .2, .6]])


def feeder(*devices, length=2.0, **head):
    return dlmp.Network("small", [
        dlmp.Bus(name="head", kv=4.8), dlmp.Bus(name="end", kv=4.8),
        dlmp.Substation(name="grid", bus="head", **head),
        dlmp.Line(name="line", from_bus="head", to_bus="end", code=CODE, length=length), *devices])


LOAD = dlmp.Load(name="load", bus="end", legs=("a", "b", "c"), kw=(100, 100, 100),
                 kvar=(50, 50, 50))


def test_changed_numbers_are_refused_by_name_where_they_are_none():
    """When they are set, not when the model is solved."""
    m = dlmp.build_opf(feeder(dlmp.Datacenter(name="dc", bus="end", kw=500),
                              dlmp.StaticVarGenerator(name="svg", bus="end", kvar=100)))
    for param, value in ((m.substation["grid"].price[0], "30,5"),
                         (m.substation["grid"].price[0], math.nan),
                         (m.datacenter["dc"].capacity[0], -0.1),
                         (m.svg["svg"].rating_mvar, -0.1)):
        with pytest.raises(ValueError, match=rf"{param.local_name.partition('[')[0]}\["):
            param.set_value(value)


def solved(net, **options):
    m = dlmp.build_opf(net, **{"losses": None, "voltage_limits": None, **options})
    dlmp.solve_opf(m)
    return m


def test_storage_shifts_energy_by_its_efficiencies():
    bat = dlmp.Storage(name="bat", bus="end", kw_max=100, kwh_max=150, kwh_start=50,
                       efficiency_charge=0.9, efficiency_discharge=0.8, cost=1.0)
    m = solved(feeder(LOAD, bat), periods=3, price=[10, 50, 100], hours=0.5)
    s = m.storage["bat"]
    charge, made = ([getattr(s, k)[t].value for t in range(3)] for k in ("charge", "discharge"))
    stored = 0.05
    for t in range(3):
        stored += 0.5 * (0.9 * charge[t] - made[t] / 0.8)
        assert s.energy[t].value == pytest.approx(stored)
    assert charge == pytest.approx([0.1, 0.0388889, 0.0]) and made == pytest.approx([0, 0, 0.1])
    assert stored == pytest.approx(0.05)  # as it began
    # a MWh in store is worth what charging it last cost, or what it saves
    assert abs(m.dual[s.balance[1]]) == pytest.approx((50 + 1) / 0.9, rel=1e-6)


def test_storage_prices_stop_at_its_full_energy():
    bat = dlmp.Storage(name="bat", bus="end", kw_max=1000, kwh_max=40, efficiency_charge=1.0,
                       efficiency_discharge=1.0)
    m = solved(feeder(LOAD, bat), periods=2, price=[10, 100])
    assert m.storage["bat"].energy[0].value == pytest.approx(0.04)
    assert m.storage["bat"].discharge[1].value == pytest.approx(0.04)


@pytest.mark.parametrize("limit", [{"kva": 100.0}, {"power_factor_min": 0.9}])
def test_inverter_stays_within_its_capability(limit):
    """Reactive power is worth something at a low voltage; the inverter gives what it can."""
    pv = dlmp.Generator(name="pv", bus="end", kw_max=90, cost=0, kvar_min=-200, kvar_max=200,
                        **limit)
    m = solved(feeder(LOAD, pv, length=9.0), losses="quadratic", v_min=0.99, v_max=1.05,
               voltage_limits="soft")
    p, q = 1e3 * m.generator["pv"].p[0].value, 1e3 * m.generator["pv"].q[0].value
    if "kva" in limit:
        assert math.hypot(p, q) <= 100 + 1e-6 and math.hypot(p, q) > 98
    else:
        assert q == pytest.approx(p * math.tan(math.acos(0.9)))


def test_load_models_meet_their_slopes():
    """P(w) to first order at w = 1: exponent n gives n/2, ZIP z + i/2."""
    v = 0.98
    for model, coefficients, share in (
            ("power", (), 1.0), ("current", (), (1 + v * v) / 2), ("impedance", (), v * v),
            ("exponential", (1.6, 0.0), 1 + 0.8 * (v * v - 1)),
            ("zip", (.5, .2, .3, 0, 0, 1), 1 + 0.6 * (v * v - 1))):
        load = dlmp.Load(name="l", bus="head", legs=("a",), kw=(100.0,), kvar=(0.0,), model=model,
                         coefficients=coefficients)
        m = solved(feeder(load, v_pu=(v, v, v)))
        assert m.substation["grid"].p["a", 0].value == pytest.approx(0.1 * share)


def test_rated_voltage_of_loads_and_capacitors():
    load = dlmp.Load(name="l", bus="head", legs=("ab",), kw=(100.0,), kvar=(0.0,), kv=5.0,
                     connection="delta", model="impedance")
    cap = dlmp.Capacitor(name="c", bus="head", legs=("a", "b", "c"), kvar=(30, 30, 30), kv=3.0)
    off = dlmp.Capacitor(name="off", bus="head", legs=("a",), kvar=(500,), closed=False)
    m = solved(feeder(load, cap, off))
    grid = m.substation["grid"]
    assert sum(grid.p[k, 0].value for k in "abc") == pytest.approx(0.1 * (4.8 / 5) ** 2)
    assert sum(grid.q[k, 0].value for k in "abc") == pytest.approx(
        -0.09 * (4.8 / 3 ** 0.5 / 3.0) ** 2)


def test_open_switch_is_no_branch():
    net = feeder(LOAD, dlmp.Line(
        name="tie", from_bus="end", to_bus="head", code=CODE, length=1, closed=False))
    assert "tie" in net.open_lines and "tie" not in net.branches
    assert "tie" not in solved(net).line
    closed = net.replacing(dlmp.Line(
        name="tie", from_bus="end", to_bus="head", code=CODE, length=1))
    both = solved(closed).line
    assert pyo.value(both["line"].p["a", 0] + both["tie"].p["a", 0]) == pytest.approx(0.1)
    assert pyo.value(both["tie"].p["a", 0]) == pytest.approx(0.2 / 3)


def test_source_impedance_drops_the_voltage_of_its_own_bus():
    r = [[.1, 0, 0], [0, .1, 0], [0, 0, .1]]
    m = solved(feeder(LOAD, r=r, x=r))
    drop = 2 * (0.1 * 0.1 + 0.1 * 0.05) / (4.8 ** 2 / 3)
    assert m.bus["head"].w["a", 0].value == pytest.approx(1 - drop)


CHEAP = dlmp.Generator(name="pv", bus="end", kw_max=600, cost=10, phases="a")  # on one phase


def vuf(m):
    table = unbalance_table(m)
    row = table[(table["bus"] == "end") & (table["quantity"] == "VUF")]
    return float(row["value"].iloc[0])


def test_unbalance_limit_holds_and_is_priced():
    net = feeder(LOAD, CHEAP, length=4.0)
    free = solved(net, losses="quadratic")
    assert vuf(free) > 1.0
    for limit in (0.8, 0.4):
        m = solved(net, losses="quadratic", unbalance=dlmp.Unbalance(limit=limit, buses=["end"]))
        assert vuf(m) <= limit + 1e-3 and vuf(m) > 0.9 * limit
        duals = [m.dual[row] for row in m.bus["end"].unbalance_limit.values()]
        assert min(duals) < -1e-6 and max(duals) < 1e-9
        assert pyo.value(m.cost) > pyo.value(free.cost)


def test_unbalance_dual_is_the_slope_of_the_cost():
    """d cost / d limit from the duals of its rows against a finite difference."""
    net = feeder(LOAD, CHEAP, length=4.0)
    costs, duals = {}, {}
    for limit in (0.499, 0.5, 0.501):
        m = solved(net, losses="quadratic", unbalance=dlmp.Unbalance(limit=limit, buses=["end"]))
        costs[limit] = pyo.value(m.cost)
        mean = np.mean([m.bus["end"].w[k, 0].value for k in "abc"])
        reach = math.sqrt(6) / 100 * math.cos(math.pi / 12) * mean
        duals[limit] = sum(m.dual[r] for r in m.bus["end"].unbalance_limit.values()) * reach
    assert duals[0.5] < -1.0  # $ per percentage point
    slope = (costs[0.501] - costs[0.499]) / 0.002
    assert duals[0.5] == pytest.approx(slope, rel=0.02)


def test_unbalance_penalty_and_price():
    net = feeder(LOAD, CHEAP, length=4.0)
    free = vuf(solved(net, losses="quadratic"))
    soft = solved(net, losses="quadratic", unbalance=dlmp.Unbalance(limit=0.3, penalty=1e-3))
    assert vuf(soft) == pytest.approx(free, abs=0.05)  # a penalty too small to matter
    m = solved(net, losses="quadratic", unbalance=dlmp.Unbalance(price=20.0, buses=["end"]))
    assert vuf(m) < 0.6 * free
    assert m.bus["end"].vuf[0].value == pytest.approx(vuf(m), rel=0.1)


@pytest.mark.parametrize("what, message", [
    ({"limit": 1.0, "buses": ["nowhere"]}, "unbalance.buses: names bus 'nowhere'"),
    ({}, "unbalance: has neither limit nor price"),
    ({"limit": -1.0}, "unbalance.limit: is -1.0"),
    ({"limit": "x"}, "unbalance.limit: is 'x'"),
    ({"limit": 1.0, "sides": 3}, "unbalance.sides: is 3"),
])
def test_wrong_unbalance(what, message):
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.build_opf(feeder(LOAD), unbalance=dlmp.Unbalance(**what))
    assert message in str(caught.value)


def test_limits_where_nothing_can_be_chosen():
    with pytest.raises(dlmp.SolverError) as caught:
        solved(feeder(LOAD, length=9.0), voltage_limits="hard", v_min=0.999, v_max=1.01)
    assert "infeasible" in str(caught.value) and "v_low" in str(caught.value)


def test_the_ac_form_needs_its_point():
    with pytest.raises(dlmp.ModelError, match="operating_point: goes with form='ac'"):
        dlmp.build_opf(feeder(LOAD), form="ac")
    with pytest.raises(dlmp.ModelError, match=r'losses: is .corrected.*Use form="ac"'):
        dlmp.build_opf(feeder(LOAD), losses="corrected")


def test_loads_follow_their_own_profiles():
    day = dlmp.Profile(name="day", values=(0.5, 1.0, 2.0), minutes=60)
    loads = [dlmp.Load(name=n, bus="head", legs=("a",), kw=(100.0,), kvar=(0.0,), profile=p)
             for n, p in (("follows", "day"), ("flat", None))]
    net = dlmp.Network("day", [*feeder().elements, *loads], profiles=[day])
    for scale, expected in (("profiles", [.15, .2, .3]), ({"flat": [0, 1, 2]}, [.1, .2, .3]),
                            ([1, 2, 3], [.2, .4, .6])):
        m = solved(net, periods=3, load_scale=scale)
        assert [m.substation["grid"].p["a", t].value for t in range(3)] == pytest.approx(expected)
    for wrong, message in (("daily", "load_scale: is 'daily'"),
                           ({"flt": 1.0}, "load_scale: names load 'flt'. Did you mean 'flat'?"),
                           ([1, 2], "has 2 values for 3 periods")):
        with pytest.raises(dlmp.ModelError) as caught:
            solved(net, periods=3, load_scale=wrong)
        assert message in str(caught.value)


def test_profiles_average_to_periods():
    day = dlmp.Profile(name="day", values=tuple(range(48)), minutes=30)
    assert day.series(24)[:3] == [0.5, 2.5, 4.5]
    with pytest.raises(dlmp.errors.NetworkError, match="a value every 30 min, periods last 20 min"):
        day.series(3, hours=1 / 3)


def test_reactive_power_follows_its_own_multipliers():
    """Model and AC: P by `values`, Q by `q_values`; numbers of the user's own scale both."""
    engine()
    day = dlmp.Profile(name="day", values=(0.5, 1.0), q_values=(2.0, 0.0))
    load = dlmp.Load(name="load", bus="head", legs=("a",), kw=(100.0,), kvar=(50.0,), profile="day")
    net = dlmp.Network("day", [*feeder().elements, load], profiles=[day])
    for scale, p, q in (("profiles", [.05, .1], [.1, 0]), (2.0, [.2, .2], [.1, .1])):
        m = solved(net, periods=2, load_scale=scale)
        ac = dlmp.ac_power_flow(net, m, load_scale=scale)
        for t in (0, 1):
            bought = m.substation["grid"].p["a", t].value, m.substation["grid"].q["a", t].value
            assert bought == pytest.approx((p[t], q[t]), abs=1e-9)
            assert ac.point.source["a", t] == pytest.approx(complex(p[t], q[t]), abs=1e-6)
    with pytest.raises(dlmp.errors.NetworkError, match="2 values and 1 q_values"):
        dlmp.Network("day", feeder().elements, profiles=[
            dlmp.Profile(name="day", values=(0.5, 1.0), q_values=(2.0,))])
