"""Capacities against closed forms, Newton's method, brute force and the OpenDSS engine."""

import math

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.ac.chord import solve_many
from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.newton import solve
from pyomo_dlmp.connection.curve import along_scale
from pyomo_dlmp.connection.grid import Grid
from pyomo_dlmp.connection.hours import read_hours
from pyomo_dlmp.connection.limits import LimitOptions
from pyomo_dlmp.connection.site import checked_site
from pyomo_dlmp.connection.study import confirm
from tests.library.ac_feeders import FEEDERS

DAY = [.5, .48, .46, .45, .45, .48, .55, .65, .72, .76, .8, .84, .88, .9, .93, .97, 1.0, .99, .95,
       .9, .84, .75, .65, .55]


def two_buses(rating_kva=None, r=.2, x=.4, **more):
    """An ideal source and one bus behind a line without mutual impedances."""
    code = dlmp.LineCode(name="c", r=np.diag([r] * 3), x=np.diag([x] * 3))
    return dlmp.Network("two", [
        dlmp.Bus(name="s", kv=4.16), dlmp.Bus(name="end", kv=4.16, **more),
        dlmp.Substation(name="grid", bus="s"),
        dlmp.Line(name="line", from_bus="s", to_bus="end", code=code, length=1.0,
                  rating_kva=rating_kva)])


def closed_form(v, pf, r=.2, x=.4, kv=4.16):
    """Total kW at which the end of the line has the voltage v (pu), the source 1 pu.

    With p per phase:  1 = (v + (r p + x q) / v)^2 + ((x p - r q) / v)^2,  q = p tan(acos pf).
    """
    base = (kv / math.sqrt(3)) ** 2
    r, x, t = r / base, x / base, math.tan(math.acos(pf))
    a = ((r + x * t) ** 2 + (x - r * t) ** 2) / v**2
    b, c = 2 * (r + x * t), v**2 - 1
    return 3e3 * (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)


@pytest.mark.parametrize("pf", [1.0, .95, .8])
def test_the_voltage_limit_of_two_buses(pf):
    study = dlmp.connection_study(two_buses(), "end", power_factor=pf)
    assert study.firm_kw == pytest.approx(closed_form(.95, pf), rel=1e-4)
    assert study.firm_kw <= closed_form(.95, pf)
    assert (study.binding.what, study.binding.element) == ("voltage", "end")
    assert study.check.passed


def test_the_rating_of_two_buses():
    """A current limit of the nominal voltage: 3 x 100 kVA at the voltage that there is."""
    study = dlmp.connection_study(two_buses(100.0), "end", power_factor=1.0)
    z = complex(.2, .4) / (4.16 / math.sqrt(3)) ** 2
    amps = .1  # pu of 1 MVA: the current of the rating at nominal voltage
    v = max(v for v in np.linspace(.9, 1, 200001) if abs(v + z * amps) <= 1)
    assert study.firm_kw == pytest.approx(3e3 * v * amps, rel=1e-4)
    assert (study.binding.what, study.binding.element) == ("loading", "line")
    assert study.check.passed


def test_what_is_asked_for_may_be_less_than_what_fits():
    study = dlmp.connection_study(two_buses(), "end", max_kw=100)
    assert study.firm_kw == 100 and study.binding.what == "no limit"
    assert study.check.keeps and study.check.breaks is None


def test_without_limits_the_power_flow_ends():
    """At unity power factor the greatest power of a line of |z|, r is 1 / (2 (|z| + r)) each."""
    study = dlmp.connection_study(two_buses(), "end", v_min=None, v_max=None, power_factor=1.0,
                                  check=False)
    base = (4.16 / math.sqrt(3)) ** 2
    most = 3e3 * base / (2 * (abs(complex(.2, .4)) + .2))
    assert study.firm_kw == pytest.approx(most, rel=.02)
    assert study.binding.what == "no solution"


def test_many_periods_have_newtons_solutions():
    for name in ("mesh", "four_wire", "secondary", "ungrounded", "open_delta"):
        circuit = Circuit(FEEDERS[name](True))
        rng = np.random.default_rng(3)
        scale = rng.uniform(.4, 1.2, 40)
        drawn = circuit.legs.nominal[:, None] * scale
        injected = np.where(circuit.legs.given[:, None], -.01 - .003j, 0) * scale
        exact = solve(circuit, injected, drawn)
        start = np.repeat(exact.z[:, :1], 40, axis=1)
        z, good = solve_many(circuit, injected, drawn, start)
        assert good.all()
        apart = circuit.legs.incidence(circuit.n) @ (z - exact.z)[:circuit.n]
        assert np.abs(apart).max() < 1e-9, name  # a part's zero sequence is known less well


def brute_force(network, bus, scale, low, pf=.95, step=1.0, most=4500.0):
    """Greatest kW, a multiple of `step`, up to which the engine's voltages are at least `low`."""
    def least(kw):
        dc = dlmp.Datacenter(name="x", bus=bus, kw=kw, power_factor=pf)
        flow = dlmp.ac_power_flow(network.with_devices(dc), load_scale=scale)
        return min(abs(v) for (b, k, _), v in flow.point.voltages.items()
                   if b != network.substation.bus and k in network.buses[b].phases)

    good, bad = 0.0, most
    assert least(step) >= low > least(most)
    while bad - good > step:
        middle = (good + bad) / 2
        good, bad = (middle, bad) if least(middle) >= low else (good, middle)
    return good


def test_hours_of_a_feeder_are_those_of_bisection_in_the_engine():
    network = dlmp.load_feeder("ieee13")
    study = dlmp.connection_study(network, "675", load_scale=DAY, v_min=.93, v_max=None,
                                  thermal=False)
    for hour in (3, 12, 16):
        kw = brute_force(network, "675", DAY[hour], .93)
        assert study.hourly.kw[hour] == pytest.approx(kw, abs=1.5)
    assert study.check.passed


def test_the_engine_keeps_the_firm_kw_in_every_hour():
    network = dlmp.load_feeder("ieee13")
    study = dlmp.connection_study(network, "671", load_scale=DAY, v_min=.94, v_max=None,
                                  vuf=2.5)
    check = confirm(study, study.grid.limits.options, list(range(24)))
    assert check.keeps and len(check.hours) == 24
    assert study.check.passed and study.check.breaks


def test_a_year_between_computed_hours_is_the_year_computed():
    rng = np.random.default_rng(5)
    scale = np.sort(rng.uniform(.3, 1.0, 900))
    network = dlmp.load_feeder("ieee13")
    site = checked_site(network, "675")
    grid = Grid(network, [site], read_hours(network, scale, 50.0, None),
                LimitOptions(v_min=.93, v_max=None))
    hourly = grid.capacity(site, 2e4)
    assert hourly.computed < 400 < hourly.different == 900
    some = np.arange(0, 900, 37)
    from pyomo_dlmp.connection.capacity import hourly_capacity
    exact = hourly_capacity(grid.feeder(some, site), site, 2e4)
    assert hourly.kw[some] == pytest.approx(exact.kw, rel=2e-4)
    _, kw, _ = grid.lowest(site, 2e4, 5)
    assert kw == pytest.approx(np.sort(hourly.kw)[:5], abs=.02)


def test_along_scale_finds_kinks():
    def solved(hours):
        from pyomo_dlmp.connection.capacity import Capacities
        x = scale[hours]
        kw = np.minimum(100 - 30 * x**2, 130 - 70 * x)
        return Capacities(kw, (kw < 100 - 30 * x**2).astype(int), np.zeros((1, len(x))),
                          np.zeros(len(x), dtype=bool))

    scale = np.linspace(0, 1, 5000)
    kw, row, _, known = along_scale(scale, solved)
    assert kw == pytest.approx(np.minimum(100 - 30 * scale**2, 130 - 70 * scale), rel=2e-4)
    assert len(known) < 600 and set(row) == {0, 1}


def test_where_there_is_room_again_it_says_so():
    """The SVG's 1 kvar for each kW lifts the voltage until it is used up: then it falls."""
    network = two_buses(r=.05, x=2.0)
    study = dlmp.connection_study(network, "end", power_factor=1.0, svg=700, v_max=1.05,
                                  v_min=.9, check=True)
    assert study.binding.what == "voltage" and len(study.gaps) == 1
    assert study.check.passed
    free = dlmp.connection_study(network, "end", power_factor=1.0, svg=700, v_max=None, v_min=.9)
    assert free.firm_kw > 2 * study.firm_kw


def test_limits_broken_before_are_told_and_the_margin_beyond_them_is_answered():
    network = dlmp.load_feeder("ieee13")
    study = dlmp.connection_study(network, "633", load_scale=DAY, v_min=.98, v_max=None)
    assert len(study.existing) > 0
    table = study.existing_table
    over = table[table["what"] == "loading"]  # of the transformer, which does not feed the site
    assert over["element"].tolist() == ["xfm1"]
    table = table.drop(over.index)
    assert (table["value"] < .98).all()
    worst = table.sort_values("value").iloc[0]
    flow = dlmp.ac_power_flow(network, load_scale=DAY[int(worst["hour"])])
    assert abs(flow.point.voltages[worst["bus"] if "bus" in worst else worst["element"],
                                   worst["phase"], 0]) == pytest.approx(worst["value"], abs=1e-6)
    out = dlmp.connection_study(network, "633", load_scale=DAY, v_min=.98, v_max=None,
                                existing="left out")
    assert out.firm_kw >= study.firm_kw >= 0
    assert out.check.passed and study.check.keeps


def test_own_limits_of_buses_and_legs_between_phases():
    own = dlmp.connection_study(two_buses(v_min=.97), "end", power_factor=1.0)
    assert own.firm_kw == pytest.approx(closed_form(.97, 1.0), rel=1e-4)
    line = dlmp.connection_study(two_buses(), "end", power_factor=1.0, voltage_legs="line")
    assert line.firm_kw == pytest.approx(closed_form(.95, 1.0), rel=1e-4)
    assert line.binding.phase in ("ab", "bc", "ca") and line.check.passed


def test_a_single_phase_site_is_limited_by_unbalance():
    wide = dlmp.connection_study(two_buses(), "end", phases="a")
    tight = dlmp.connection_study(two_buses(), "end", phases="a", vuf=.5)
    assert tight.firm_kw < wide.firm_kw / 2 and tight.binding.what == "unbalance"
    assert tight.check.passed and wide.check.passed
