"""`price_of`: what one more MW or Mvar costs the DSO, of every device and in both forms."""

import pickle

import pyomo.environ as pyo
import pytest
from pyomo.core.expr.visitor import identify_variables

import pyomo_dlmp as dlmp
from pyomo_dlmp.opf.prices import PriceOf
from tests.checks import check_answer
from tests.library.exact import exact_market
from tests.models import bilevel, feeder

LOAD = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(400,), kvar=(200,), connection="delta")
DELTA = dlmp.Datacenter(name="dc", bus="end", kw=300, connection="delta", balanced=False,
                        reactive="aggregator", kva=400)
LOW = {"v_min": 0.98, "penalty": 800.0}


def slope(m, var, step=1e-5):
    """Difference quotient of the DSO's cost by an upper decision."""
    at, costs = var.value, []
    for move in (step, -step):
        var.set_value(at + move)
        dlmp.solve_opf(m.dso)
        costs.append(pyo.value(m.dso.cost))
    var.set_value(at)
    dlmp.solve_opf(m.dso)
    return (costs[0] - costs[1]) / (2 * step)


@pytest.mark.parametrize("leg", ["ab", "ca"])
def test_a_leg_pays_what_the_dso_pays(leg):
    m = bilevel(feeder(LOAD, DELTA), 0.2, [50.0], **LOW)
    dc = m.dso.datacenter["dc"]
    for part, value in ((dc.leg_p, 0.06), (dc.leg_q, 0.02)):
        part[leg, 0].set_value(value)
    for quantity, var in (("active", dc.leg_p[leg, 0]), ("reactive", dc.leg_q[leg, 0])):
        quotient = slope(m, var)
        assert pyo.value(m.dso.price_of("dc", leg, quantity=quantity)) == pytest.approx(
            quotient, rel=1e-5)


def test_an_opf_alone_gives_numbers():
    m = dlmp.build_opf(feeder(LOAD), periods=["day", "night"], price=[50.0, 30.0])
    with pytest.raises(dlmp.ModelError, match="solve_opf"):
        m.price_of("gen", t="day")
    dlmp.solve_opf(m)
    dual = m.dual
    paid = m.price_of("gen", t="night")
    assert paid == pytest.approx(sum(
        dual[m.bus["end"].balance_p[k, "night"]] for k in "abc") / 3)
    assert 30.0 < paid < m.price_of("gen", "a", "day")


@pytest.mark.parametrize("arguments, words", [
    (("dx",), "dc"), (("dc", "a", 0), "leg 'a'"), (("dc", "ab", 7), "is 7"),
    (("dc", "ab", 0, "power"), "quantity")])
def test_what_has_no_price_is_named(arguments, words):
    m = bilevel(feeder(LOAD, DELTA), 0.2, [50.0, 40.0], **LOW)
    with pytest.raises(dlmp.ModelError, match=words):
        m.dso.price_of(*arguments)


@pytest.mark.parametrize("copy", [lambda m: m.clone(), lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_ask_themselves(copy):
    m = bilevel(feeder(LOAD, DELTA), 0.2, [50.0], **LOW)
    other = copy(m)
    assert isinstance(other.dso.price_of, PriceOf) and other.dso.price_of.dso is other.dso
    price = other.dso.price_of("dc", "ab")
    assert {v.model() for v in identify_variables(price)} == {other}


@pytest.mark.parametrize("site", [
    {}, {"connection": "delta"}, {"balanced": False}, {"reactive": "aggregator", "kva": 900},
    {"reactive": "dso", "kva": 900}], ids=str)
def test_tied_power_costs_its_dual(site):
    m = exact_market(dlmp.Datacenter(name="dc", bus="end", kw=800, floor=0.1, **site))
    dc = m.dso.datacenter["dc"]
    balanced, free = dc.balanced, dc.reactive != "power factor"
    for t in (0, 1):
        dc.p[t].set_value(0.4)
        for leg in () if balanced else dc.legs:
            dc.leg_p[leg, t].set_value(0.4 / 3)
        if dc.reactive == "aggregator":
            dc.q[t].set_value(0.1)
    leg = None if balanced else dc.legs[1]
    var = dc.p[1] if balanced else dc.leg_p[leg, 1]
    quotient = slope(m, var)
    price = [pyo.value(m.dso.price_of("dc", leg, 1, q)) for q in ("active", "reactive")]
    if free:
        assert price[0] == pytest.approx(quotient, rel=1e-5)
    else:
        assert price[0] + dc.tan_phi * price[1] == pytest.approx(quotient, rel=1e-5)
    # beside the point the balance's dual is another number: the cross term
    lam_p = m.dso.dual[m.dso.bus["end"].balance_p["a", 1]]
    assert abs(price[0] - lam_p) > 1e-2


@pytest.mark.parametrize("pays", ["active and reactive", "active"])
def test_a_leader_pays_the_duals_of_its_ties(pays):
    """By regions, by the KKT form, and on a grid with the DSO solved at each point."""
    site = dlmp.Datacenter(name="dc", bus="end", kw=800, floor=0.1)
    found = {}
    for search in ("regions", "single_level"):
        m = exact_market(site, pays)
        result = dlmp.solve_bilevel(m, search=search, gap=1e-6)
        check_answer(m, result)
        found[search] = result.objective
    assert found["regions"] == pytest.approx(found["single_level"], rel=1e-5)
    m = exact_market(site, pays)
    dc, best = m.dso.datacenter["dc"], float("inf")
    for k in range(65):
        dc.p[0].set_value(0.08 + 0.72 * k / 64)
        dc.p[1].set_value(0.88 - dc.p[0].value)
        dlmp.solve_opf(m.dso)
        best = min(best, pyo.value(m.dca.cost))
    assert found["regions"] <= best + 1e-6
    assert found["regions"] == pytest.approx(best, rel=1e-3)


def test_an_svg_of_an_aggregator_is_tied_too():
    m = exact_market(
        dlmp.Datacenter(name="dc", bus="end", kw=800, floor=0.1),
        svg=dlmp.StaticVarGenerator(name="s", bus="end", kvar=300, connection="delta",
                                    owner="datacenter", loss_percent=1.0))
    result = dlmp.solve_bilevel(m, gap=1e-5)
    check_answer(m, result)
    s = m.dso.svg["s"]
    assert len(s.taken_p) == len(s.taken_q) == 6
    m.dso.svg["s"].make["ab", 0].set_value(0.05)
    m.dso.svg["s"].absorb["ab", 0].set_value(0.0)
    quotient = slope(m, s.make["ab", 0])
    price = [pyo.value(m.dso.price_of("s", "ab", 0, q)) for q in ("active", "reactive")]
    assert 0.01 * price[0] - price[1] == pytest.approx(quotient, rel=1e-4)
