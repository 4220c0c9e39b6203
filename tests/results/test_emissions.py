"""Marginal emissions: what OPFs that are solved again with a little more load emit."""

from __future__ import annotations

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.results import emissions_table

CODE = dlmp.LineCode(
    name="oh", r=[[.35, .1, .1], [.1, .33, .1], [.1, .1, .34]],
    x=[[.7, .3, .2], [.3, .72, .3], [.2, .3, .71]], b=[[9, -2, -1], [-2, 9, -2], [-1, -2, 9]])
FACTORS = {"grid": [400.0, 300.0], "gen": 700.0}


def feeder(kw=0.0, kvar=0.0, phase="a", **generator):
    """Two lines, two loads, a generator at the end; `kw`, `kvar` more on one phase there."""
    made = {"kw_max": 150, "cost": 45, "cost2": 80, "kvar_min": -50, "kvar_max": 50} | generator
    return dlmp.Network("small", [
        dlmp.Bus(name="head", kv=4.8), dlmp.Bus(name="mid", kv=4.8), dlmp.Bus(name="end", kv=4.8),
        dlmp.Substation(name="source", bus="head"),
        dlmp.Line(name="l1", from_bus="head", to_bus="mid", code=CODE, length=1.0),
        dlmp.Line(name="l2", from_bus="mid", to_bus="end", code=CODE, length=1.5),
        dlmp.Load(name="delta", bus="mid", legs=("ab",), kw=(200,), kvar=(90,),
                  connection="delta"),
        dlmp.Load(name="wye", bus="end", legs=("a", "b", "c"), kw=(150, 120, 100),
                  kvar=(60, 50, 30)),
        dlmp.Load(name="more", bus="end", legs=(phase,), kw=(kw,), kvar=(kvar,)),
        dlmp.Generator(name="gen", bus="end", **made)])


def solved(network, hours=1.0, **options):
    m = dlmp.build_opf(network, **{"periods": 2, "price": [50, 90], "v_min": 0.9, "hours": hours}
                       | options)
    dlmp.solve_opf(m)
    return m


def emitted(m, t, hours=1.0):
    """kg of a period."""
    grid = sum(m.substation["source"].p[k, t].value for k in "abc")
    return hours * (FACTORS["grid"][t] * grid + FACTORS["gen"] * m.generator["gen"].p[t].value)


def at_end(table, phase, t, quantity):
    return table.set_index(["bus", "phase", "period", "quantity"])["value"][
        "end", phase, t, quantity]


CASES = {
    "inside, losses": {}, "no losses": {"losses": None}, "half hours": {"hours": 0.5},
    "soft voltages broken": {"v_min": 0.992, "penalty": 2000.0},
    "a limit binds": {"v_min": 0.975, "penalty": 2000.0},
    "hard voltages bind": {"v_min": 0.975, "voltage_limits": "hard"},
}


@pytest.mark.parametrize("phase", "ac")
@pytest.mark.parametrize("name", CASES)
def test_they_are_differences_of_solved_opfs(name, phase):
    options = CASES[name]
    hours = options.get("hours", 1.0)
    table = emissions_table(solved(feeder(phase=phase), **options), FACTORS)
    assert set(table["unit"]) == {"kg/MWh", "kg/Mvarh"}
    step = 0.01  # kW
    for quantity, more in (("active", {"kw": step}), ("reactive", {"kvar": step})):
        ends = [solved(feeder(**{k: side * v for k, v in more.items()}, phase=phase), **options)
                for side in (1, -1)]
        for t in (0, 1):
            up, down = (emitted(m, t, hours) for m in ends)
            slope = (up - down) / (2 * step * 1e-3 * hours)
            assert at_end(table, phase, t, quantity) == pytest.approx(slope, rel=1e-4, abs=2e-2)


def test_at_an_edge_the_piece_of_more_load_counts():
    """The generator is just full: with less load it would answer, more comes from the grid."""
    network = feeder(kw_max=100.0)
    price = 45 + 2 * 80 * 0.1  # $/MWh: its marginal cost at 100 kW
    m = solved(network, price=[price, price], losses=None)
    table = emissions_table(m, FACTORS)
    assert at_end(table, "a", 0, "active") == pytest.approx(400.0, rel=1e-5)
    assert at_end(table, "a", 1, "active") == pytest.approx(300.0, rel=1e-5)


def test_wrong_factors_are_all_named():
    m = solved(feeder())
    with pytest.raises(ModelError) as error:
        emissions_table(m, {"gem": 1.0, "gen": float("nan"), "grid": [1.0, 2.0, 3.0]})
    assert len(error.value.faults) == 3 and "gen" in str(error.value)


def test_sources_that_are_equally_cheap_share():
    m = solved(feeder(cost=50.0, cost2=0.0), losses=None, price=[50.0, 60.0])
    shared = at_end(emissions_table(m, FACTORS), "b", 0, "active")
    # which of them makes how much is open; one that stands at a limit takes no share
    assert 400.0 - 1e-6 <= shared <= 700.0 + 1e-6
