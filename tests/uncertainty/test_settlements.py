"""Two settlements against brute force, envelopes of products, and the cut of the payment."""

import itertools
from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.uncertainty import CVaR
from pyomo_dlmp.uncertainty.products import Products
from tests.uncertainty.tiny import DC, LOAD, MWH, NET, OPF, PRICE, PV, SUN, market, scenarios

DEVIATION = 8.0
P = (0.4, 0.6)


def solve(given=None, of=None, **options):
    return dlmp.solve_stochastic(of or market(), given or scenarios(), **{
        "deviation_price": DEVIATION, "settlement": "two", "flexibility": 0.1, **options})


def cost_and_price(price, sun, kw, network=NET):
    """The DSO's cost ($) and the site's price ($/MWh) at each power, by OPFs of their own."""
    dso = dlmp.build_opf(network, periods=len(kw), price=price, datacenter_kw={"dc": list(kw)},
                         load_scale={"pv": sun}, **OPF)
    dlmp.solve_opf(dso)
    dc, bus = dso.datacenter["dc"], dso.bus["end"]
    each = [sum(dso.dual[bus.balance_p[k, t]] + dc.tan_phi * dso.dual[bus.balance_q[k, t]]
                for k in "abc") / 3 for t in range(len(kw))]
    return pyo.value(dso.cost), np.array(each)


MEAN = [(P[0] * PRICE[0][t] + P[1] * PRICE[1][t], P[0] * SUN[0][t] + P[1] * SUN[1][t])
        for t in (0, 1)]


def brute_force(flexibility, value=lambda costs: float(np.dot(P, costs)), step=10.0):
    """Least objective over a grid of schedules and powers (kW)."""
    grid = np.arange(90.0, 900.1, step)
    mw = grid / 1e3
    ahead = [mw * cost_and_price(*MEAN[t], grid)[1] for t in (0, 1)]
    real = [[cost_and_price(PRICE[s][t], SUN[s][t], grid)[1] for t in (0, 1)] for s in (0, 1)]
    places = [np.array([(i, j) for i in range(len(grid)) for j in range(len(grid))
                        if abs(grid[i] + grid[j] - 1e3 * MWH[s]) < 1e-6]) for s in (0, 1)]
    best = np.inf
    for i, j in itertools.product(range(len(grid)), repeat=2):
        costs = []
        for s in (0, 1):
            d = mw[places[s]] - mw[[i, j]]
            able = (np.abs(d) <= flexibility * 0.9 + 1e-9).all(axis=1)
            paid = sum(d[:, t] * real[s][t][places[s][:, t]] for t in (0, 1))
            if able.any():
                costs.append((paid + DEVIATION * np.abs(d).sum(axis=1))[able].min())
        if len(costs) == 2:
            best = min(best, ahead[0][i] + ahead[1][j] + value(np.array(costs)))
    return best


def check_settled(result, given=None):
    """Money by OPFs of their own, settlement by settlement, and sums of the tables."""
    assert result.audit.passed and result.bound <= result.objective + 1e-9
    given, table = given or scenarios(), result.settlements
    for row in table.itertuples():
        where = MEAN[row.period] if row.settlement == "day ahead" else (
            PRICE[given.names.index(row.scenario)][row.period],
            SUN[given.names.index(row.scenario)][row.period])
        plan = table[(table["settlement"] == "day ahead") & (table["period"] == row.period)]
        power = row.mw if row.settlement == "day ahead" else row.mw + plan["mw"].item()
        assert row.price == pytest.approx(
            cost_and_price(*where, [1e3 * power])[1].item(), abs=2e-3)
        assert row.value == pytest.approx(row.mw * row.price)
    by = result.by_scenario.set_index("scenario")
    paid = table.groupby(["settlement", "scenario"])["value"].sum()
    for name, row in by.iterrows():
        assert row["day_ahead_payment"] == pytest.approx(paid["day ahead", ""])
        assert row["real_time_payment"] == pytest.approx(paid["real time", name], abs=1e-9)
        assert row["cost"] == pytest.approx(
            row["day_ahead_payment"] + row["real_time_payment"] + row["deviation_cost"])
    return by


def test_two_scenarios_of_two_hours_equal_brute_force():
    result = solve()
    by = check_settled(result)
    assert result.status == "optimal" and result.gap <= 1e-4
    assert result.objective == pytest.approx(by["probability"] @ by["cost"])
    best = brute_force(0.1)
    assert result.bound <= best + 1e-9
    assert result.objective <= best + 1e-4 * best
    assert best - result.objective <= 0.05


def test_with_risk():
    risk = CVaR(0.6, 0.5)
    result = solve(risk=risk)
    check_settled(result)
    best = brute_force(0.1, lambda costs: risk.value(costs, np.array(P)))
    assert result.bound <= best + 1e-9
    assert result.objective <= best * (1 + 1e-4) and best - result.objective <= 0.05


def test_one_hour_of_one_scenario():
    """A schedule that comes as planned is paid day ahead alone; deviations are an arbitrage."""
    given = dlmp.Scenarios.of_arrays({"price": [[50.0]], "available.pv": [[0.5]],
                                      "energy_mwh": [[0.6]]}, names=["s"])
    of = replace(market(), opf={**market().opf, "periods": 1})
    kept = solve(given, of, flexibility=0.0)
    price = cost_and_price(50.0, 0.5, [600.0])[1]
    assert kept.objective == pytest.approx(0.6 * price.item(), abs=1e-3)
    free = solve(given, of, flexibility=0.2, deviation_price=0.0)
    x = np.arange(420.0, 780.1, 5.0)
    bill = x / 1e3 * cost_and_price(50.0, 0.5, x)[1] + (0.6 - x / 1e3) * price.item()
    assert free.objective == pytest.approx(bill.min(), abs=2e-3)


def test_the_real_time_payment_is_at_least_the_difference_of_costs():
    """(u - x)'p(u) >= V(u) - V(x), V the DSO's convex cost: what the settlements rest on."""
    kw = np.arange(90.0, 900.1, 90.0)
    for price, sun in ((40.0, 1.0), (70.0, 0.2)):
        worth = np.array([cost_and_price(price, sun, [one])[0] for one in kw])
        each = cost_and_price(price, sun, kw)[1]
        for i, j in itertools.product(range(len(kw)), repeat=2):
            assert (kw[i] - kw[j]) / 1e3 * each[i] >= worth[i] - worth[j] - 1e-6


def test_an_envelope_lies_below_and_touches_where_deviations_are_at_an_end():
    rng = np.random.default_rng(1)
    for _ in range(20):
        slope, start = rng.normal(size=(2, 2)), rng.normal(size=2)
        corners = np.array(list(itertools.product((0, 1), repeat=2))) @ slope.T + start
        low, high = np.zeros(2), np.array([0.4, 1.0])
        q = Products(slope, start, np.array([-0.3, -0.2]), np.array([0.6, 0.4]), low, high,
                     corners.min(axis=0), corners.max(axis=0))
        v = np.append(rng.uniform(size=2), low + (high - low) * rng.uniform(size=2))
        exact = (q.shift + q.size * v[2:]) @ (slope @ v[:2] + start)
        assert q(v) <= exact + 1e-12 and q.errors(v).sum() == pytest.approx(exact - q(v))
        grade, at_zero = q.tangent(v)
        assert grade @ v + at_zero == pytest.approx(q(v))
        other = np.append(rng.uniform(size=2), low + (high - low) * rng.uniform(size=2))
        assert grade @ other + at_zero <= q(other) + 1e-12
        end = np.append(v[:2], [low[0], high[1]])
        assert q.errors(end) == pytest.approx(np.zeros(2), abs=1e-12)


@pytest.mark.large
def test_two_sites_keep_their_own_settlements():
    network = dlmp.Network("two", [e for e in NET.elements if e is not DC] + [
        replace(DC, name="a", kw=500, floor=0.0), replace(DC, name="b", kw=400, floor=0.0)])
    assert LOAD in network.elements and PV in network.elements
    result = solve(of=replace(market(), network=network), flexibility=0.2, time_limit=20)
    assert result.audit.passed and result.bound <= result.objective
    assert set(result.settlements["site"]) == {"a", "b"} and result.gap <= 1e-3
    one = solve(flexibility=0.2)  # the same bus: what they can do together it can do alone
    assert result.objective == pytest.approx(one.objective, rel=2e-3)


@pytest.mark.parametrize(("change", "says"), [
    ({"settlement": "three"}, "Give 'one' or 'two'"),
    ({"first_stage": "capacity"}, "no schedule"),
    ({"of": replace(market(), pays="active")}, "pays 'active'"),
    ({"of": replace(market(), network=NET.without("dc").with_devices(
        replace(DC, reactive="dso", kva=1000)))}, "decides more than its power"),
])
def test_faults(change, says):
    with pytest.raises(dlmp.ModelError, match=says):
        solve(**change)


def test_out_of_sample_both_settlements_are_paid():
    """The same scenarios cost the same; a new one its least real-time bill beside the schedule."""
    result = solve(gap=1e-5)
    again = result.evaluate(scenarios(), gap=1e-6, judge=1.0)
    assert again.mean_cost == pytest.approx(result.objective, rel=2e-5)
    assert (again.by_scenario["judged"] == "passed").all()
    new = scenarios((0.5, 0.5), price=((50.0, 35.0), (45.0, 80.0)), sun=((0.3, 0.9), (0.6, 0.1)))
    found = result.evaluate(new, gap=1e-6, judge=1.0)
    assert (found.by_scenario["judged"] == "passed").all()
    plan = np.array(result.decision.schedule_kw()["dc"])
    ahead = sum(plan[t] / 1e3 * cost_and_price(*MEAN[t], [plan[t]])[1].item() for t in (0, 1))
    assert found.decision.cost == pytest.approx(ahead, abs=2e-3)
    kw = np.arange(90.0, 900.1, 1.0)
    for k, name in enumerate(new.names):
        numbers, other = new.of(name), 1e3 * MWH[k] - kw
        able = (np.abs(kw - plan[0]) <= 90.0) & (np.abs(other - plan[1]) <= 90.0)
        u = np.column_stack([kw, other])[able]
        bill = sum((u[:, t] - plan[t]) / 1e3 * cost_and_price(
            numbers["price"][t], numbers["available.pv"][t], u[:, t])[1] for t in (0, 1))
        bill = bill + DEVIATION / 1e3 * np.abs(u - plan).sum(axis=1)
        row = found.by_scenario.iloc[k]
        assert row["cost"] <= bill.min() + 1e-6  # the grid is a part of what can be done
        assert bill.min() - row["cost"] <= 0.05  # and "judged" says that it is had


@pytest.mark.parametrize("audit", [True, False])
def test_the_value_of_one_settlement_is_not_given_for_two(audit):
    result = solve(flexibility=0.0, given=scenarios(mwh=(1.0, 1.0)), audit=audit)
    with pytest.raises(dlmp.ModelError, match="settlement='one'"):
        result.value()


def test_the_bound_by_convexity_is_a_bound_and_its_costs_are_the_dsos(monkeypatch):
    """Against brute force, and the integrated prices against costs of OPFs."""
    from pyomo_dlmp.uncertainty import settled
    from pyomo_dlmp.uncertainty.settlement_bound import Potential, convex_bound
    from pyomo_dlmp.uncertainty.two_stage import TwoStage
    kept = []

    def bounding(problem, weights):
        kept.append((problem, convex_bound(problem, weights)))
        return kept[-1][1]

    monkeypatch.setattr(settled, "convex_bound", bounding)
    solve(flexibility=0.3)
    problem, other = kept[0]
    assert isinstance(other, TwoStage)
    found = settled.search(other, 1e-5, 30)
    best = brute_force(0.3)
    assert found.bound <= best + 1e-9 and best - found.bound <= 0.01 * best
    one = problem.one[1].scenario
    worth = Potential(one.pieces[0], problem.prices[1][0], one.parts[0])
    kw = np.arange(90.0, 900.1, 90.0)
    v = (kw / 1e3 - one.parts[0].lo) / (one.parts[0].hi - one.parts[0].lo)
    apart = [cost_and_price(PRICE[1][0], SUN[1][0], [x])[0] for x in kw]
    ours = worth.values(v[:, None])
    assert ours - ours[0] == pytest.approx(np.array(apart) - apart[0], abs=2e-4)
