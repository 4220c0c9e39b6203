"""Price regimes over two powers: prices in each region are those of the DSO solved there."""

from __future__ import annotations

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.results import regimes_table
from pyomo_dlmp.results.prices import balance_duals
from tests.results.test_emissions import CODE

SITES = ["one", "two"]


@pytest.fixture(scope="module")
def solved():
    network = dlmp.Network("small", [
        dlmp.Bus(name="head", kv=4.8), dlmp.Bus(name="mid", kv=4.8), dlmp.Bus(name="end", kv=4.8),
        dlmp.Substation(name="source", bus="head"),
        dlmp.Line(name="l1", from_bus="head", to_bus="mid", code=CODE, length=1.0),
        dlmp.Line(name="l2", from_bus="mid", to_bus="end", code=CODE, length=1.5),
        dlmp.Load(name="wye", bus="end", legs=("a", "b", "c"), kw=(50, 40, 30), kvar=(9, 9, 9)),
        dlmp.Generator(name="gen", bus="end", kw_max=150, cost=45, cost2=80),
        dlmp.Datacenter(name="one", bus="mid", kw=400), dlmp.Datacenter(name="two", bus="end",
                                                                        kw=300)])
    market = dlmp.Market(network, dlmp.Workload(energy_mwh=0.6), {
        "periods": 2, "price": [50.0, 60.0], "v_min": 0.975, "penalty": 500.0})
    return dlmp.solve_market("strategic", market)


def test_prices_are_those_of_the_dso_solved_there(solved):
    dso = solved.dso
    table = regimes_table(dso, 0, SITES)
    assert table["region"].nunique() > 2
    kkt = build_kkt(compile_lower(dso))
    solver = LowerSolver(kkt)
    u = np.array([v.value for v in kkt.form.u])
    place = {id(v): j for j, v in enumerate(kkt.form.u)}
    for _, corners in table.query("corner > 0").groupby("region"):
        middle = corners[["x", "y", "price_x", "price_y"]].mean()  # affine within a region
        for site, key in zip(SITES, "xy", strict=True):
            u[place[id(dso.datacenter[site].p[0])]] = middle[key]
        solver.solve(u).load()
        duals = balance_duals(dso).query("period == 0 and quantity == 'active'")
        price = duals.groupby("bus")["value"].mean()
        assert middle["price_x"] == pytest.approx(price["mid"], rel=1e-6)
        assert middle["price_y"] == pytest.approx(price["end"], rel=1e-6)


def test_regions_cover_the_range_and_name_what_binds(solved):
    table = regimes_table(solved.dso, 0, SITES)
    corners = table[table["corner"] > 0]
    area = sum(_area(rows[["x", "y"]].to_numpy()) for _, rows in corners.groupby("region"))
    assert area == pytest.approx(0.4 * 0.3, rel=1e-3)
    words = " ".join(table["binds"])
    assert "generator gen full" in words and "low voltage end.a" in words
    (answer,) = table[table["corner"] == 0].to_dict("records")
    assert answer["x"] == pytest.approx(solved.dso.datacenter["one"].p[0].value)


def _area(p):
    x, y = p.T
    return 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))


def test_wrong_sites_are_named(solved):
    for sites in (["one"], ["one", "tow"]):
        with pytest.raises(ModelError, match="two"):
            regimes_table(solved.dso, 0, sites)


def test_bounds_of_a_fixed_quantity_name_no_regime():
    """A generator without reactive power: the sign of its bounds' multiplier is no regime."""
    net = dlmp.load_feeder("ieee13").with_devices(
        dlmp.Datacenter(name="one", bus="675", kw=700), dlmp.Datacenter(
            name="two", bus="671", kw=500),
        dlmp.Generator(name="gen", bus="680", kw_max=600, cost=45, cost2=30))
    data = dlmp.Market(net, 0.9, {"periods": 2, "price": [60, 90], "v_min": 0.93, "v_max": 1.06})
    found = dlmp.solve_market("strategic", data)
    table = regimes_table(found.dso, 0, SITES, found.form)
    assert table["binds"].unique().tolist() == ["nothing more"] and table["region"].max() == 1
    corners = table[table["corner"] > 0]
    assert len(corners) == 4  # the whole range, in one piece
    assert _area(corners[["x", "y"]].to_numpy()) == pytest.approx(0.7 * 0.5, rel=1e-3)
    low = dlmp.solve_market("strategic", dlmp.Market(net, 0.9, {**data.opf, "v_min": 0.95}))
    words = " ".join(regimes_table(low.dso, 0, SITES, low.form)["binds"])
    assert "low voltage 675.c" in words and "Mvar" not in words
