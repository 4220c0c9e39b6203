"""Bad input of the AC form: what a message names, and what is ours to solve."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.ac_opf import AcLoop
from pyomo_dlmp.ac_opf.infeasible import broken_limits, softened
from tests.feeders import engine

Z = np.full((3, 3), .05) + .25 * np.eye(3)
CODE = dlmp.LineCode(name="c", r=Z.tolist(), x=(2 * Z).tolist())


def feeder(*extra, kw=100.0, rating=None, **load):
    """grid -- l1 -- b -- l2 -- c, a load at its end."""
    return dlmp.Network("two lines", [
        dlmp.Substation(name="grid", bus="a", v_pu=(1.0,) * 3),
        *(dlmp.Bus(name=name, kv=4.16) for name in "abc"),
        *(dlmp.Line(name=name, from_bus=ends[0], to_bus=ends[1], phases="abc", code=CODE,
                    length=1.0, rating_kva=rating) for name, ends in (("l1", "ab"), ("l2", "bc"))),
        dlmp.Load(name="x", bus="c", kw=(kw,) * 3, kvar=(.3 * kw,) * 3, legs=("a", "b", "c"),
                  **load), *extra])


def generator(kw=3000.0, kvar=2000.0):
    return dlmp.Generator(name="g", bus="c", kw_max=kw, cost=60, kvar_min=-kvar, kvar_max=kvar)


def with_neutral(*extra, neutrals="n"):
    return feeder(dlmp.Bus(name="z", kv=4.16, neutrals=neutrals), dlmp.Line(
        name="l3", from_bus="c", to_bus="z", phases="abc", code=CODE, length=.1), *extra)


def test_ac_without_solution_names_hour_and_bus():
    with pytest.raises(dlmp.SolverError, match=r"has no solution in period 7: there is one up to "
                       r"2\d % of the powers .*, where the voltage is 0\.59\d* pu at bus c\."):
        dlmp.solve_ac_opf(feeder(), periods=[6, 7, 8], load_scale=[1, 60, 1])


def test_a_device_that_no_ac_power_flow_supplies():
    net = dlmp.load_feeder("ieee13").with_devices(
        dlmp.Datacenter(name="dc", bus="675", kw=50_000))
    with pytest.raises(dlmp.SolverError, match=r"period 0.* up to \d+ % .* at bus 675\."):
        dlmp.solve_ac_opf(net, voltage_limits=None)


def test_collapsed_loads_have_a_solution():
    """Loads that become impedances below v_low: AC has a solution, however low."""
    engine()
    done = dlmp.solve_ac_opf(feeder(v_low=.9), load_scale=60, voltage_limits=None)
    assert done.settled and done.engine_difference < 1e-6
    assert done.ac.lowest_voltage == pytest.approx(.4916, abs=1e-3)


def test_a_load_that_a_generator_alone_makes_possible():
    """Without it, as the loop starts, AC has no solution."""
    engine()
    options = {"price": 90, "v_max": 1.01}
    with pytest.raises(dlmp.SolverError, match="up to 98 %"):
        dlmp.solve_ac_opf(feeder(kw=1500.0), **options)
    done = dlmp.solve_ac_opf(feeder(generator(), kw=1500.0), **options)
    assert done.settled and done.engine_difference < 1e-6  # a heavy load multiplies its tolerance
    assert done.ac.lowest_voltage > .94


def test_islands():
    with pytest.raises(dlmp.errors.NetworkError, match=r"no branch leads .* 'z'"):
        dlmp.solve_ac_opf(feeder(dlmp.Bus(name="z", kv=4.16)))


def test_a_neutral_that_nothing_connects_is_at_ground():
    engine()
    done = dlmp.solve_ac_opf(with_neutral())
    assert done.settled and done.engine_difference < 1e-7
    assert done.loop.point.voltages["z", "n", 0] == 0


def test_a_star_point_that_only_loads_hold():
    """Its voltage is nothing but rounding where they are equal; that is no reason to go on."""
    engine()
    star = dlmp.Load(name="y", bus="z", kw=(10,) * 3, kvar=(0,) * 3, legs=("an", "bn", "cn"))
    done = dlmp.solve_ac_opf(with_neutral(star))
    assert done.settled and len(done.rounds) == 1 and done.engine_difference < 1e-7


def test_an_operating_point_of_another_network():
    point = AcLoop(feeder()).point
    with pytest.raises(dlmp.ModelError, match="lacks bus 'z'"):
        dlmp.build_opf(with_neutral(), form="ac", operating_point=point)
    with pytest.raises(dlmp.ModelError, match="generator 'g': is not in the operating point"):
        dlmp.build_opf(feeder(generator()), form="ac", operating_point=point)
    with pytest.raises(dlmp.ModelError, match="lacks period 1"):
        dlmp.build_opf(feeder(), form="ac", operating_point=point, periods=2)
    with pytest.raises(dlmp.ModelError, match="operating_point: goes with form='ac'"):
        dlmp.build_opf(feeder(), form="ac")


@pytest.mark.parametrize("edge", ["v_low", "v_high"])
def test_a_load_at_its_kink(edge):
    """Its range ends at just the voltage that it has: solved, prices are one side's."""
    engine()
    exact = AcLoop(feeder(kw=300.0), voltage_limits=None)
    at = float(np.abs(exact.state.legs.u).min())
    done = dlmp.solve_ac_opf(feeder(kw=300.0, **{edge: at}), voltage_limits=None)
    assert done.settled and done.engine_difference < 1e-6
    assert done.certificate["difference"].abs().max() < 1e-5


def test_hard_limits_that_no_dispatch_keeps():
    with pytest.raises(dlmp.SolverError) as caught:
        dlmp.solve_ac_opf(feeder(generator(50, 10), kw=300.0), voltage_limits="hard", v_min=.99,
                          periods=3, load_scale=[.2, 1, .5])
    first, second = caught.value.faults
    assert first.where == "bus 'c', phase a, period 1"
    assert "limit of 0.99 pu cannot be kept in AC: 0.9577 pu at best" in first.what
    assert second.where.startswith("bus 'b'") and "Widen v_min" in first.cure


def test_hard_ratings_that_no_dispatch_keeps():
    with pytest.raises(dlmp.SolverError, match=r"line\[l2\], phase a, period 0: its rating "
                       r"cannot be kept in AC: 20\d\.\d kVA beyond it"):
        dlmp.solve_ac_opf(feeder(generator(50, 10), kw=300.0, rating=100.0), thermal_penalty=None,
                          voltage_limits=None)


def test_soft_limits_show_by_how_much():
    """The same limits, soft: the answer is the least violation that its penalty buys."""
    options = {"v_min": .99, "periods": 3, "load_scale": [.2, 1, .5]}
    net = feeder(generator(50, 10), kw=300.0)
    hard = AcLoop(net, voltage_limits="hard", **options)
    soft = AcLoop(net, **softened({"voltage_limits": "hard", **options}, 1e5))
    soft.settle()
    assert [fault.where for fault in broken_limits(soft, hard)] == [
        "bus 'c', phase a, period 1", "bus 'b', phase a, period 1"]
    done = dlmp.solve_ac_opf(net, penalty=1e5, **options)
    report = dlmp.validation.ac_report(done.model, net, load_scale=options["load_scale"],
                                       price_samples=0)
    worst = report.limits["broken_by"].max()
    assert worst == pytest.approx(.99 - .9577, abs=1e-4)


def test_limits_that_conflict_at_the_first_point_alone():
    """Linear at the nominal dispatch no dispatch keeps them; in AC one does."""
    engine()
    net, hard = feeder(generator(), kw=1500.0, v_low=.6), {"voltage_limits": "hard", "v_max": 1.01}
    with pytest.raises(dlmp.SolverError, match="infeasible"):
        AcLoop(net, **hard).settle()
    done = dlmp.solve_ac_opf(net, **hard)
    assert done.settled and done.engine_difference < 1e-7
    assert .95 - 1e-6 <= done.ac.lowest_voltage < 1.0


def test_what_does_not_settle_says_so():
    done = dlmp.solve_ac_opf(feeder(generator()), max_rounds=1, check=False)
    assert not done.settled
    assert "NOT settled in 1 round (voltages still move by" in repr(done)


@pytest.mark.parametrize("name, bus, price", [
    ("ieee13", "675", 0.0), ("ieee13", "675", -20.0), ("ieee13", "675", 1e-3),
    ("ieee4_yy", "n4", -50.0), ("ieee4_gyd", "n4", -50.0)])
def test_prices_at_which_the_problem_is_not_convex(name, bus, price):
    """The Hessian is raised there: more rounds, the same prices."""
    net = dlmp.load_feeder(name).with_devices(
        dlmp.Generator(name="g", bus=bus, kw_max=2000, cost=40, kvar_min=-2000, kvar_max=2000,
                       connection="delta"),
        dlmp.StaticVarGenerator(name="svg", bus=bus, kvar=1000, connection="delta"))
    done = dlmp.solve_ac_opf(net, price=price, check=False)
    assert done.settled
    assert done.certificate["difference"].abs().max() < 1e-4 * max(1.0, abs(price))
