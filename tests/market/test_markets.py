"""Four markets on one small feeder: each against what it must be, and against brute force."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import (
    MARKETS,
    CapacityCharge,
    Curtailable,
    DemandCharge,
    Job,
    Market,
    Workload,
    build_bilevel,
    solve_market,
)
from tests.checks import check_answer
from tests.models import bilevel, feeder

LOAD = dlmp.Load(name="l", bus="end", legs=("a", "b", "c"), kw=(100,) * 3, kvar=(40,) * 3)
NET = feeder(LOAD, dlmp.Datacenter(name="dc", bus="end", kw=900, floor=0.1))
OPF = {"periods": 2, "price": [40.0, 44.0], "v_min": 0.97}
CONTRACTS = {
    "demand_charge": DemandCharge(price=12.0, peak_kw=400.0),
    "capacity_charge": CapacityCharge(price=3.0, excess_price=9.0),
    "curtailable": Curtailable(share=0.3, price=10.0, compensation=20.0, backup_cost=60.0)}


def market(**options):
    return Market(NET, 0.9, OPF, **{"tariff": 45.0, **CONTRACTS, **options})


@pytest.fixture(scope="module")
def outcomes():
    return {name: solve_market(name, market()) for name in MARKETS}


def cost(outcome):
    return pyo.value(outcome.dso.cost)


def by_grid(value):
    """min over p0 in its range (p1 the rest) of value(model) with the DSO solved at p."""
    m = build_bilevel(market())
    dc = m.dso.datacenter["dc"]
    best = np.inf
    for p in np.linspace(0.09, 0.81, 73):
        dc.p[0].set_value(p)
        dc.p[1].set_value(0.9 - p)
        dlmp.solve_opf(m.dso)
        duals = m.dso.dual
        bus = m.dso.bus["end"]
        pay = sum((duals[bus.balance_p[k, t]] + dc.tan_phi * duals[bus.balance_q[k, t]])
                  * dc.p[t].value / 3 for k in "abc" for t in (0, 1))
        best = min(best, value(m, pay))
    return best


def test_strategic_is_the_least_payment_of_all(outcomes):
    best = by_grid(lambda m, pay: pay)
    assert outcomes["strategic"].paid <= best + 1e-6
    assert outcomes["strategic"].paid == pytest.approx(best, rel=1e-3)
    check_answer(outcomes["strategic"].model, outcomes["strategic"].solution)


def test_cooperative_is_the_least_cost_of_all(outcomes):
    best = by_grid(lambda m, pay: pyo.value(m.dso.cost))
    assert cost(outcomes["cooperative"]) <= best + 1e-6
    assert cost(outcomes["cooperative"]) == pytest.approx(best, rel=1e-4)
    for name, o in outcomes.items():
        curtailed = o.dso.component("curtailed")  # compensation is a transfer, backup is not
        beside = 0.0 if curtailed is None else 40.0 * sum(pyo.value(x) for x in curtailed.values())
        assert cost(o) + beside >= cost(outcomes["cooperative"]) - 1e-6, name


def test_uncoordinated_pays_the_tariff_and_spreads_evenly(outcomes):
    power = [outcomes["uncoordinated"].dso.datacenter["dc"].p[t].value for t in (0, 1)]
    assert power == pytest.approx([0.45, 0.45], abs=1e-6)
    assert outcomes["uncoordinated"].paid == pytest.approx(45 * 0.9)


def test_a_price_taker_jumps_and_says_so(outcomes):
    taker = outcomes["price taker"]
    assert taker.status == "cycles" and "cycles through 2 schedules" in taker.note
    settled = solve_market("price taker", market(averaged=True, max_rounds=200))
    assert cost(settled) == pytest.approx(cost(outcomes["cooperative"]), rel=1e-3)


def test_a_tariff_with_the_hours_moves_the_work():
    o = solve_market("uncoordinated", market(tariff=[50.0, -10.0]))
    assert [o.dso.datacenter["dc"].p[t].value for t in (0, 1)] == pytest.approx([0.09, 0.81])
    assert o.paid == pytest.approx(50 * 0.09 - 10 * 0.81)


def test_negative_prices_work():
    m = bilevel(NET, 0.9, [-20.0, 40.0])
    result = dlmp.solve_bilevel(m)
    check_answer(m, result)
    assert m.dso.datacenter["dc"].p[0].value == pytest.approx(0.81, abs=1e-6)
    assert dlmp.solve_opf(m.dso).residual.relative < 1e-4


def test_active_payment_is_proved_within_the_gap():
    both = bilevel(NET, 0.9, OPF["price"], v_min=0.97)
    active = bilevel(NET, 0.9, OPF["price"], "active", v_min=0.97)
    dlmp.solve_bilevel(both)
    result = dlmp.solve_bilevel(active, gap=1e-4)
    assert result.status == "optimal" and result.gap <= 1e-4 and result.audit.passed
    expanded = dlmp.solve_bilevel(active, gap=1e-4, products="binary_expansion")
    assert "ranges of products" in expanded.times
    assert expanded.objective == pytest.approx(result.objective, rel=2e-4)
    best = by_grid(lambda m, pay: sum(
        m.dso.dual[m.dso.bus["end"].balance_p[k, t]] * m.dso.datacenter["dc"].p[t].value / 3
        for k in "abc" for t in (0, 1)))
    assert result.bound <= best + 1e-9 and result.objective == pytest.approx(best, rel=1e-3)


def test_one_leader_and_a_price_taker():
    """The taker's schedule is its best answer to the prices that result."""
    two = feeder(LOAD, dlmp.Datacenter(name="dc", bus="end", kw=500),
                 dlmp.Datacenter(name="other", bus="end", kw=400))
    takers = {"others": (("other",), Workload(energy_mwh=0.4))}
    o = solve_market("strategic", Market(two, 0.5, OPF, takers=takers))
    assert o.status == "optimal" and o.solution.audit.passed
    other = o.dso.datacenter["other"]
    price = {t: sum(o.dso.dual[o.dso.bus["end"].balance_p[k, t]]
                    + other.tan_phi * o.dso.dual[o.dso.bus["end"].balance_q[k, t]]
                    for k in "abc") / 3 for t in (0, 1)}
    power = {t: pyo.value(other.p[t]) for t in (0, 1)}
    assert sum(power.values()) == pytest.approx(0.4)
    cheap = min(price, key=price.get)
    best = price[cheap] * 0.4
    assert sum(price[t] * power[t] for t in (0, 1)) == pytest.approx(best, rel=1e-5)
    with pytest.raises(dlmp.ModelError, match="does not decide"):
        m = build_bilevel(Market(two, 0.5, OPF, takers=takers))
        m.again = dlmp.AggregatorBlock()
        m.again.build(m.dso, 0.1, sites=["other"])
    with pytest.raises(dlmp.ModelError, match="interruptible"):
        build_bilevel(Market(two, 0.5, OPF, takers={"others": (("other",), Workload(jobs=(Job(
            name="j", arrival=0, deadline=2, mwh=.2, interruptible=False, run_periods=1),)))}))


def test_a_network_that_is_reduced_has_the_market_of_what_it_is_reduced_to():
    """Two four-wire lines in parallel, legs to a grounded neutral: one line, legs to ground."""
    grounded = {"neutrals": "n", "ground_r": 0.0, "ground_x": 0.0}
    (line,) = NET.lines.values()
    z = np.zeros((4, 4))
    z[:3, :3] = np.array(line.code.r)
    z[3, 3] = 1.0
    x = z.copy()
    x[:3, :3] = np.array(line.code.x)
    code = dlmp.LineCode(name="four", r=z, x=x)
    legs = ("an", "bn", "cn")
    net = dlmp.Network("four-wire", [
        *(replace(bus, **grounded) for bus in NET.buses.values()), NET.substation,
        *(replace(line, name=f"{line.name}{i}", code=code, phases="abcn", length=2 * line.length)
          for i in (1, 2)), replace(LOAD, legs=legs),
        *(replace(gen, neutral="n") for gen in NET.generators.values()),
        replace(NET.datacenters["dc"], neutral="n", balanced=False)])
    plain = dlmp.Network("plain", [
        *(e for e in NET.elements if not isinstance(e, dlmp.Datacenter)),
        replace(NET.datacenters["dc"], balanced=False)])
    ours, theirs = (solve_market("strategic", Market(n, 0.9, OPF, tariff=45.0))
                    for n in (net, plain))
    assert ours.paid == pytest.approx(theirs.paid, rel=1e-4)
    from pyomo_dlmp import results
    prices = results.prices_table(ours.dso)
    dispatch = results.dispatch_table(ours.dso, net)
    paid = results.payments_table(prices, dispatch, net, 1.0)
    assert paid["value"].sum() == pytest.approx(ours.paid, rel=1e-6)
    assert set(dispatch[dispatch["element"] == "dc"]["phase"]) == {"", *legs}
