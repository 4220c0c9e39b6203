"""Markets with a contract beside energy: each against brute force over two hours of one site."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import (
    CapacityCharge,
    Curtailable,
    DemandCharge,
    Market,
    Workload,
    build_bilevel,
    solve_market,
)
from pyomo_dlmp.market.dso import charged_at
from tests.checks import check_answer
from tests.market.test_markets import LOAD, NET, OPF
from tests.models import feeder

TARIFF = [45.0, 41.0]  # cheaper in the hour in which the feeder is dearer
GRID = np.linspace(0.09, 0.81, 73)  # MW in hour 0; the rest of .9 MWh in hour 1


def market(**options):
    return Market(NET, 0.9, OPF, **{"tariff": TARIFF, **options})


def energy(p):
    return TARIFF[0] * p + TARIFF[1] * (0.9 - p)


def power(outcome):
    return [outcome.dso.datacenter["dc"].p[t].value for t in (0, 1)]


@pytest.mark.parametrize("so_far", [0.0, 500.0, 700.0, 900.0])
def test_a_demand_charge_flattens_down_to_the_peak_so_far(so_far):
    price = 0.02
    peak = np.maximum(GRID, 0.9 - GRID)
    best = (energy(GRID) + price * np.maximum(0.0, 1000 * peak - so_far)).min()
    outcome = solve_market("demand charge", market(
        demand_charge=DemandCharge(price=price, peak_kw=so_far)))
    assert outcome.market == "demand charge" and outcome.status == "optimal"
    assert outcome.paid == pytest.approx(best, abs=1e-6)
    assert charged_at(outcome.model) == pytest.approx(
        price * max(0.0, 1000 * max(power(outcome)) - so_far), abs=1e-6)


def test_without_a_demand_charge_it_is_the_uncoordinated_market():
    free = solve_market("demand charge", market(demand_charge=DemandCharge(price=0.0)))
    plain = solve_market("uncoordinated", market())
    assert free.paid == pytest.approx(plain.paid)
    assert power(free) == pytest.approx(power(plain), abs=1e-6)


@pytest.mark.parametrize("kw", [None, 0.0, 500.0, 700.0])
def test_a_two_part_tariff_is_the_least_bill_on_a_grid(kw):
    price, excess = 0.01, 0.03
    peak = 1000 * np.maximum(GRID, 0.9 - GRID)
    charge = price * peak if kw is None else price * kw + excess * np.maximum(0.0, peak - kw)
    outcome = solve_market("two-part tariff", market(
        capacity_charge=CapacityCharge(price=price, excess_price=excess, kw=kw)))
    assert outcome.paid == pytest.approx((energy(GRID) + charge).min(), abs=1e-6)


def test_a_chosen_subscription_pays_the_lower_of_both_prices():
    dear = CapacityCharge(price=5.0, excess_price=0.02)
    outcome = solve_market("two-part tariff", market(capacity_charge=dear))
    assert outcome.model.contract.subscribed["dc"].value == pytest.approx(0.0)
    assert outcome.paid == pytest.approx(
        (energy(GRID) + 20.0 * np.maximum(GRID, 0.9 - GRID)).min(), abs=1e-6)


def test_a_two_part_dlmp_foresees_the_prices():
    """Against the DSO solved at each schedule of a grid, and priced there."""
    price, excess, kw = 0.004, 0.03, 500.0
    given = market(capacity_charge=CapacityCharge(price=price, excess_price=excess, kw=kw))
    m = build_bilevel(given)
    dc, best = m.dso.datacenter["dc"], np.inf
    for p in GRID:
        dc.p[0].set_value(p)
        dc.p[1].set_value(0.9 - p)
        dlmp.solve_opf(m.dso)
        duals, bus = m.dso.dual, m.dso.bus["end"]
        pay = sum((duals[bus.balance_p[k, t]] + dc.tan_phi * duals[bus.balance_q[k, t]])
                  * dc.p[t].value / 3 for k in "abc" for t in (0, 1))
        best = min(best, pay + price * kw + excess * max(0.0, 1000 * max(p, 0.9 - p) - kw))
    outcome = solve_market("two-part DLMP", given)
    check_answer(outcome.model, outcome.solution)
    assert outcome.paid <= best + 1e-6 and outcome.paid == pytest.approx(best, rel=1e-3)
    assert outcome.solution.bound <= best


CASES = [(20.0, 60.0), (50.0, 60.0), (50.0, 250.0)]


@pytest.mark.parametrize(("compensation", "backup"), CASES)
def test_a_curtailable_share_is_foreseen(compensation, backup):
    """The DSO's curtailment at each schedule of a grid is found by an OPF with a source that has
    no part in the contract's rows: its own limit is the share."""
    share, best = 0.3, np.inf
    contract = Curtailable(share=share, price=0.01, curtailable_price=0.002,
                           compensation=compensation, backup_cost=backup)
    outcome = solve_market("curtailable subscription", market(curtailable=contract))
    check_answer(outcome.model, outcome.solution)
    for p in (*GRID[::3], power(outcome)[0]):
        total = 900 * (0.7 * 0.01 + 0.3 * 0.002)
        for t, mw in enumerate((p, 0.9 - p)):
            y = _curtailed(mw, share, compensation, OPF["price"][t])
            total += TARIFF[t] * (mw - y) + (backup - compensation) * y
        best = min(best, total)
    assert outcome.paid == pytest.approx(best, rel=1e-3) and outcome.paid <= best + 1e-4
    assert charged_at(outcome.model) == pytest.approx(
        pyo.value(outcome.model.contract.cost), abs=1e-6)


def _curtailed(mw, share, compensation, price):
    """What the DSO curtails of a load of `mw` in one hour (MW)."""
    net = feeder(LOAD, replace(NET.datacenters["dc"], kw=1000 * mw, floor=0.0), dlmp.Generator(
        name="y", bus="end", kw_max=1000 * share * mw, cost=compensation, kvar_min=-900,
        kvar_max=900))
    m = dlmp.build_opf(net, periods=1, price=[price], v_min=OPF["v_min"])
    source = m.generator["y"]
    m.angle = pyo.Constraint(expr=source.q[0] == m.datacenter["dc"].tan_phi * source.p[0])
    dlmp.solve_opf(m)
    return source.p[0].value


def test_curtailment_has_a_limit_in_hours():
    terms = {"share": 0.3, "price": 0.01, "compensation": 20.0, "backup_cost": 30.0}
    free = solve_market("curtailable subscription", market(curtailable=Curtailable(**terms)))
    held = solve_market("curtailable subscription", market(
        curtailable=Curtailable(hours=0.25, **terms)))
    used = [sum(pyo.value(x) for x in o.dso.curtailed.values()) for o in (free, held)]
    assert used[0] > 0.0675 and used[1] <= 0.3 * 0.9 * 0.25 + 1e-6
    check_answer(held.model, held.solution)


def test_sites_of_one_meter_are_charged_for_their_common_peak():
    two = feeder(LOAD, dlmp.Datacenter(name="a", bus="end", kw=500),
                 dlmp.Datacenter(name="b", bus="end", kw=500))
    work = Workload(energy_mwh=0.9)
    paid = {together: solve_market("demand charge", Market(
        two, work, OPF, tariff=[45.0, 40.0], demand_charge=DemandCharge(
            price=0.004, together=together))).paid for together in (True, False)}
    p = np.linspace(0.0, 0.9, 91)
    assert paid[True] == pytest.approx(
        (45 * p + 40 * (0.9 - p) + 4 * np.maximum(p, 0.9 - p)).min(), abs=1e-6)
    assert paid[False] >= paid[True] - 1e-9


def test_faults_are_told_at_once():
    wrong = market(demand_charge=DemandCharge(price=-1.0, peak_kw={"d": 3.0}),
                   capacity_charge=CapacityCharge(price=1.0, excess_price=np.nan),
                   curtailable=Curtailable(share=2.0, price=1.0, compensation=1.0, backup_cost=0.0))
    with pytest.raises(dlmp.ModelError) as err:
        solve_market("strategic", wrong)
    text = str(err.value)
    for part in ("demand_charge, price", "'d'", "has no number for dc",
                 "capacity_charge, excess_price", "curtailable, share"):
        assert part in text
    with pytest.raises(dlmp.ModelError, match="demand_charge: is None"):
        solve_market("demand charge", market())


def test_a_series_does_not_pay_a_horizons_charge_many_times():
    with pytest.raises(dlmp.ModelError, match="whole horizon"):
        dlmp.solve_series(market(demand_charge=DemandCharge(price=1.0)), {"price": [1.0] * 4},
                          name="demand charge")
