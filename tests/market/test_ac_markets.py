"""Markets in the AC form: each against the DSO's AC OPF at its schedule, and a grid of them."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.auditing import BilevelResult
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.market import (
    MARKETS,
    Market,
    ac_checks,
    ac_leader,
    ac_optima,
    build_bilevel,
    solve_market,
)
from pyomo_dlmp.market.deadline import Deadline
from pyomo_dlmp.market.dso import AcDso, bilevel_of
from pyomo_dlmp.results.dispatch import dispatch_table
from pyomo_dlmp.results.payments import payments_table
from pyomo_dlmp.results.prices import balance_duals
from tests.checks import check_answer
from tests.models import feeder

LOAD = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(300,), kvar=(150,), connection="delta")
SITE = dlmp.Datacenter(name="dc", bus="end", kw=700, floor=0.1)
OPF = {"form": "ac", "periods": 2, "price": [40.0, 44.0], "v_min": 0.96, "penalty": 900.0}


def market(*devices, **options):
    return Market(feeder(LOAD, *(devices or (SITE,))), 0.8, OPF,
                  **{"tariff": 45.0, "deviations": 4, **options})


def at_schedule(m, dso, p0):
    """The payment in AC of a schedule."""
    dc = m.dso.datacenter["dc"]
    for t, p in ((0, p0), (1, 0.8 - p0)):
        dc.p[t].set_value(p)
    dso.clear()
    return pyo.value(m.dca.cost)


@pytest.fixture(scope="module")
def strategic():
    return solve_market("strategic", market(), gap=1e-6)


def test_the_leader_settles_and_the_audit_passes(strategic):
    ac = strategic.ac
    mine = strategic.rounds[strategic.rounds["loop"] == "leader"]
    assert ac.settled and len(mine) <= 8 and "settled" in strategic.note
    assert strategic.paid == pytest.approx(strategic.solution.objective, rel=1e-6)
    check_answer(strategic.model, strategic.solution)
    assert ac.engine_difference < 1e-7
    assert (ac.certificate["price"] - ac.certificate["dual"]).abs().max() < 1e-5


def test_it_is_the_least_payment_in_ac(strategic):
    m, dso = bilevel_of(market())
    best = min(at_schedule(m, dso, p) for p in np.linspace(0.1, 0.7, 25))
    here = strategic.dso.datacenter["dc"].p[0].value
    assert at_schedule(m, dso, here) == pytest.approx(strategic.paid, rel=1e-6)
    assert strategic.paid <= best + 1e-6
    assert strategic.paid == pytest.approx(best, rel=1e-3)


def test_what_is_beside_the_answer(strategic):
    m, dso = bilevel_of(market())
    here, ac = strategic.dso.datacenter["dc"].p[0].value, strategic.ac
    table = ac.cliff.set_index(["element", "period", "quantity"])["value"]
    base = [table["", t, "payment_at_the_answer"] for t in (0, 1)]
    assert sum(base) == pytest.approx(strategic.paid, rel=1e-6)
    after = at_schedule(m, dso, here + 0.001)
    moved = (table["dc", 0, "cost_of_one_more_kW"] + table["dc", 1, "cost_of_one_less_kW"])
    assert after - strategic.paid == pytest.approx(moved, abs=1e-3)
    assert len(ac.deviations) == 4 and (ac.deviations["change"] > -1e-4).all()
    row = ac.deviations.iloc[0]
    at = 1 if " in 1 from" in row["move"] else 0
    mw = row["kw"] / 1000 * (1 if at == 0 else -1)
    assert at_schedule(m, dso, here + mw) == pytest.approx(row["payment"], abs=1e-4)


@pytest.mark.parametrize("search", ["regions", "single_level"])
def test_at_a_point_regions_and_kkt_agree(search):
    m = build_bilevel(market())
    result = dlmp.solve_bilevel(m, search=search, gap=1e-7)
    check_answer(m, result)
    dc, best = m.dso.datacenter["dc"], np.inf
    for p in np.linspace(0.1, 0.7, 61):
        dc.p[0].set_value(p)
        dc.p[1].set_value(0.8 - p)
        dlmp.solve_opf(m.dso)
        best = min(best, pyo.value(m.dca.cost))
    assert result.objective <= best + 1e-6
    assert result.objective == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("name", [name for name, row in MARKETS.items()
                                  if name != "strategic" and row.contract is None])
def test_other_markets_are_cleared_in_ac(name, strategic):
    found = solve_market(name, market(max_rounds=12))
    point = dlmp.solve_ac_opf(
        market().network, datacenter_kw={"dc": [
            1000 * found.dso.datacenter["dc"].p[t].value for t in (0, 1)]},
        **{k: v for k, v in OPF.items() if k != "form"})
    assert pyo.value(found.dso.cost) == pytest.approx(point.cost, rel=1e-5)
    assert found.ac.engine_difference < 1e-7 and found.ac.deviations is None
    if name == "cooperative":
        assert point.cost <= pyo.value(strategic.dso.cost) + 1e-5


def test_steps_that_do_not_shrink_are_held_and_that_is_said(monkeypatch, strategic):
    monkeypatch.setattr(ac_leader, "_STEADY", 0.0)
    monkeypatch.setattr(ac_leader, "_FREE", 2)
    held = solve_market("strategic", market(deviations=0, ac_rounds=12), gap=1e-6)
    assert "alternated" in held.note
    assert held.paid == pytest.approx(strategic.paid, rel=1e-5)
    assert held.dso.datacenter["dc"].p[0].bounds == pytest.approx((0.07, 0.7))


def test_rounds_within_the_last_regions_end_where_whole_problems_do(monkeypatch, strategic):
    gaps = strategic.rounds.loc[strategic.rounds["loop"] == "leader", "gap"]
    assert gaps.iloc[[0, -1]].notna().all() and gaps.iloc[1:-1].isna().any()
    monkeypatch.setattr(ac_leader.Leader, "_solve_near", lambda self, gap: None)
    whole = solve_market("strategic", market(), gap=1e-6)
    assert whole.rounds.loc[whole.rounds["loop"] == "leader", "gap"].notna().all()
    assert whole.paid == pytest.approx(strategic.paid, abs=1e-7)
    assert whole.ac.deviations["payment"].tolist() == pytest.approx(
        strategic.ac.deviations["payment"].tolist(), abs=1e-6)


def test_rounds_that_are_used_up_are_told():
    short = solve_market("strategic", market(deviations=0, ac_rounds=1))
    assert "did not settle in 1 rounds" in short.note and not short.ac.settled


def test_the_time_limit_holds_for_all_rounds_and_for_what_follows(monkeypatch):
    """After it: no further round, the DSO's prices at the last one's schedule, no moves."""
    class Passed(Deadline):
        def passed(self) -> bool:
            return True

    monkeypatch.setattr(ac_leader, "Deadline", Passed)
    short = solve_market("strategic", market())
    assert short.status == "time limit" and not short.ac.settled
    assert "AC: the time limit ended it after round 1" in short.note
    assert "left out 2 of the sites' moves by one kW and 4 of the deviations" in short.note
    assert short.ac.deviations.empty and np.isnan(short.ac.payment_beyond)
    m, dso = bilevel_of(market())
    p0 = short.dso.datacenter["dc"].p[0].value
    assert short.paid == pytest.approx(at_schedule(m, dso, p0), rel=1e-6)


def test_a_round_that_finds_nothing_in_its_time_leaves_the_one_before(monkeypatch):
    true, calls = ac_leader.solve_bilevel, []

    def once(m, **options):
        calls.append(options["time_limit"])
        if len(calls) == 1:
            return true(m, **options)
        return BilevelResult("time limit", None, None, None, "highs", {}, {})

    monkeypatch.setattr(ac_leader, "solve_bilevel", once)
    monkeypatch.setattr(ac_leader.Leader, "_solve_near", lambda self, gap: None)
    short = solve_market("strategic", market(deviations=0), time_limit=60)
    assert len(calls) == 2 and all(0 < left <= 60 for left in calls)
    assert short.status == "time limit" and "after round 1" in short.note
    m, dso = bilevel_of(market())
    assert short.paid == pytest.approx(
        at_schedule(m, dso, short.dso.datacenter["dc"].p[0].value), rel=1e-6)


@pytest.mark.large
def test_sites_that_choose_legs_and_reactive_power():
    site = replace(SITE, connection="delta", balanced=False, reactive="aggregator", kva=900)
    found = solve_market("strategic", market(site, deviations=0), gap=1e-4)
    check_answer(found.model, found.solution)
    assert found.paid < solve_market("strategic", market(deviations=0), gap=1e-4).paid


def test_at_a_limit_the_leader_pays_the_price_that_it_counts_on():
    """The price is an interval there: an answer has one price of it, in all that it tells."""
    network = feeder(LOAD, SITE).without("gen")
    found = solve_market("strategic", Market(
        network, 0.8, {**OPF, "v_min": 0.97, "penalty": 200.0}, pays="active", deviations=3),
        gap=1e-6)
    ac = found.ac
    base = ac.cliff[ac.cliff["quantity"] == "payment_at_the_answer"]["value"].sum()
    assert ac.payment_beyond > 1.03 * found.paid  # it stands at the limit
    assert found.paid == pytest.approx(found.solution.objective, rel=1e-6)
    assert base == pytest.approx(found.paid, rel=1e-6)
    assert pyo.value(found.model.dca.cost) == pytest.approx(found.paid, rel=1e-6)
    table = payments_table(balance_duals(found.dso), dispatch_table(found.dso, network),
                           network, 1.0, "active")
    assert table["value"].sum() == pytest.approx(found.paid, rel=1e-6)
    assert (ac.certificate["price"] - ac.certificate["dual"]).abs().max() < 1e-5


def test_bad_data_of_an_ac_market():
    with pytest.raises(dlmp.ModelError, match="operating_point") as err:
        solve_market("strategic", replace(
            market(), opf={**OPF, "operating_point": 3}, ac_rounds=0))
    assert "ac_rounds" in str(err.value)


def test_a_move_without_a_solution_does_not_hide_those_of_its_day(monkeypatch):
    true = ac_checks._pay_for

    def none_in_hour_0(m, dso, moves, *rest):
        if any(0 in (move[1], move[3]) for move in moves):
            raise SolverError.at("dso", "is infeasible", "Widen its limits.")
        return true(m, dso, moves, *rest)

    monkeypatch.setattr(ac_checks, "_pay_for", none_in_hour_0)
    four = replace(market(), opf={**OPF, "periods": 4, "price": [40.0, 44.0, 41.0, 43.0]})
    table = solve_market("strategic", four, gap=1e-4).ac.deviations
    touched = table["move"].str.contains("in 0")
    assert len(table) == 4 and 0 < touched.sum() < 4
    assert table.loc[touched, "change"].isna().all() and table.loc[~touched, "change"].notna().all()


BENT = dlmp.Load(name="z", bus="end", legs=("a",), kw=(20.0,), kvar=(5.0,), v_low=0.5, v_high=0.955)
"""Its law bends at v_high; rows of it are made once a voltage comes near, and stay."""


def cleared(m, dso, p):
    for t in (0, 1):
        m.dso.datacenter["dc"].p[t].set_value(p)
    dso.clear()
    return pyo.value(m.dca.cost)


def test_an_answer_is_restored_after_loads_have_got_bends():
    m, dso = bilevel_of(market(SITE, BENT))
    paid = cleared(m, dso, 0.07)
    assert m.dso.demand["z"].component("kink") is None
    state, answer, prices = dso.loop.state, dso.loop.solution, dso.loop.node_prices()
    for t in (0, 1):
        m.dso.datacenter["dc"].p[t].set_value(0.7)
    dso.step()
    dso.solve()
    assert len(m.dso.demand["z"].kink)
    for t in (0, 1):
        m.dso.datacenter["dc"].p[t].set_value(0.07)
    dso.restore(state, answer)
    assert pyo.value(m.dca.cost) == pytest.approx(paid, abs=1e-7)
    assert dso.loop.node_prices() == pytest.approx(prices, abs=1e-6)
    assert cleared(m, dso, 0.07) == pytest.approx(paid, abs=1e-6)


@pytest.mark.parametrize("v_high", [0.96, 0.985])
def test_a_schedule_stays_what_it_is_where_a_bend_is_taken_back(v_high):
    """Broken limits make more load welcome there: the bend goes, and the schedule stays."""
    site = market(SITE, replace(BENT, v_high=v_high))
    m, dso = bilevel_of(site)
    cleared(m, dso, 0.4)
    paid = cleared(m, dso, 0.7)
    assert dso.loop.straight and dso.loop.settled
    assert [m.dso.datacenter["dc"].p[t].value for t in (0, 1)] == [0.7, 0.7]
    alone = dlmp.solve_ac_opf(site.network, datacenter_kw={"dc": 700.0},
                              **{k: v for k, v in OPF.items() if k != "form"})
    assert pyo.value(dso.model.cost) == pytest.approx(alone.cost, rel=1e-6)
    assert paid > 0


def test_markets_of_one_schedule_do_not_differ_by_the_local_optimum_that_was_met():
    work = dlmp.workload
    net = dlmp.load_feeder("ieee13").with_devices(
        dlmp.Datacenter(name="dc1", bus="675", kw=700),
        dlmp.Datacenter(name="dc2", bus="671", kw=500),
        dlmp.Generator(name="gen", bus="680", kw_max=600, cost=45, cost2=30),
        dlmp.StaticVarGenerator(name="svg", bus="675", kvar=400, connection="delta"))
    jobs = tuple(work.Job(name=site, arrival=0, deadline=1, mwh=mwh, sites=(site,))
                 for site, mwh in (("dc1", 0.483), ("dc2", 0.126)))
    data = Market(net, work.Workload(jobs=jobs), {
        "form": "ac", "periods": 1, "price": 90, "v_min": 0.93, "v_max": 1.06}, deviations=0)
    found = {name: solve_market(name, data) for name in ("strategic", "cooperative")}
    opf = dlmp.solve_ac_opf(net, datacenter_kw={"dc1": 483, "dc2": 126},
                            **{key: value for key, value in data.opf.items() if key != "form"})
    for outcome in found.values():
        assert outcome.dso_cost == pytest.approx(opf.cost, rel=1e-7)
        assert "several local optima (met: 359.272 to 359.799 $)" in outcome.note
        assert outcome.ac.settled
        check_prices(outcome)
    dso = AcDso(data, datacenter_kw={"dc1": 483.0, "dc2": 126.0})
    dso.loop.start_at(dso.loop.state.injected)
    dso.clear()
    cost, powers = pyo.value(dso.model.cost), dso.loop.injected()
    worse = {"svg": np.array([[0.4j / 3], [-0.4j / 3], [0.02757714j]])}
    assert not ac_optima.look_around(dso, [worse])  # it stands where it stood
    assert pyo.value(dso.model.cost) == pytest.approx(cost, rel=1e-8)
    np.testing.assert_allclose(dso.loop.injected(), powers, atol=1e-7)


def check_prices(outcome):
    """Prices of the adjoint and the duals are one: the DSO stands where its values are."""
    table = outcome.ac.certificate
    assert (table["price"] - table["dual"]).abs().max() < 1e-4
