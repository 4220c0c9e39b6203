"""Several owners: the certificate against unilateral deviations that are priced apart."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.market.dso import bilevel_of
from pyomo_dlmp.market.owners import decisions_of, owners_of
from pyomo_dlmp.market.solved_game import SolvedGame
from pyomo_dlmp.parametric.leaders import Leaders
from pyomo_dlmp.results import dispatch_table, payments_table
from pyomo_dlmp.results.prices import balance_duals
from tests.models import feeder

PRICE = [30.0, 52.0, 45.0]
SITES = (dlmp.Datacenter(name="near", bus="head", kw=400, power_factor=0.95),
         dlmp.Datacenter(name="far", bus="end", kw=300, power_factor=0.95),
         dlmp.Datacenter(name="end", bus="end", kw=200))


def market(hours=3, **more):
    load = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(300,), kvar=(100,),
                     connection="delta")
    given = {"owners": {"A": (("far",), 0.4), "B": (("near", "end"), 0.8)}, **more}
    return dlmp.Market(feeder(*SITES, load), opf={
        "periods": hours, "price": PRICE[:hours], "load_scale": [1.0, 0.7, 0.9][:hours],
        "v_min": 0.97, "penalty": 800.0}, **given)


def payments(one, kw):
    """What each owner pays at schedules (kW by site): another model, another solve."""
    opf = dlmp.build_opf(one.network, **one.opf, datacenter_kw=kw)
    dlmp.solve_opf(opf)
    table = payments_table(balance_duals(opf), dispatch_table(opf, one.network), one.network, 1.0,
                           one.pays)
    paid = table.groupby("element")["value"].sum()
    return {name: sum(paid[site] for site in sites) for name, (sites, _) in one.owners.items()}


def schedules(outcome):
    return {name: [1e3 * dc.p[t].value for t in outcome.dso.periods]
            for name, dc in outcome.dso.datacenter.items()}


@pytest.fixture(scope="module")
def outcome():
    return dlmp.solve_market("equilibrium", market())


def test_the_certificate_is_priced_apart(outcome):
    one = market()
    assert outcome.status == "optimal"
    table = outcome.regret.set_index("owner")
    assert list(table.columns) == ["cost", "best_response_bound", "regret"]
    paid = payments(one, schedules(outcome))
    for name in one.owners:
        assert table["cost"][name] == pytest.approx(paid[name], rel=1e-6)
        assert 0.0 <= table["regret"][name] <= 1e-5 * table["cost"][name]
        assert table["regret"][name] == pytest.approx(
            table["cost"][name] - table["best_response_bound"][name], abs=1e-9)
    assert outcome.paid == pytest.approx(sum(paid.values()), rel=1e-6)


def test_no_deviation_of_one_owner_is_below_its_bound(outcome):
    """A in 2 free decisions on a grid, B in random ones: prices of another model at each."""
    one, here = market(), schedules(outcome)
    bound = outcome.regret.set_index("owner")["best_response_bound"]
    least = np.inf
    for first in np.linspace(0, 300, 7):
        for second in np.linspace(0, 300, 7):
            if 0 <= 400 - first - second <= 300:
                trial = {**here, "far": [first, second, 400 - first - second]}
                least = min(least, payments(one, trial)["A"])
    for step in (-5.0, 5.0):  # and beside its own schedule
        for i, j in ((0, 1), (0, 2), (1, 2)):
            own = list(here["far"])
            own[i], own[j] = own[i] + step, own[j] - step
            if min(own) >= 0 and max(own) <= 300:
                least = min(least, payments(one, {**here, "far": own})["A"])
    assert least >= bound["A"] - 1e-6
    draws = np.random.default_rng(3)
    for _ in range(25):
        near, end = draws.uniform(0, 400, 3), draws.uniform(0, 200, 3)
        scale = 800 / (near.sum() + end.sum())
        near, end = near * scale, end * scale
        if near.max() <= 400 and end.max() <= 200:
            trial = {**here, "near": near.tolist(), "end": end.tolist()}
            assert payments(one, trial)["B"] >= bound["B"] - 1e-6


def test_all_tables_say_the_same(outcome):
    assert set(outcome.rounds.columns) == {
        "start", "round", "owner", "cost", "bound", "regret", "change"}
    assert (outcome.equilibria["starts"].groupby(outcome.equilibria["number"]).first().sum()
            == 3)
    first = outcome.equilibria[outcome.equilibria["number"] == 1].set_index("owner")
    assert first["cost"].to_numpy() == pytest.approx(
        outcome.regret.set_index("owner")["cost"].to_numpy(), rel=1e-5)
    assert "there may be others" in outcome.note


def test_one_owner_is_the_strategic_leader():
    everything = ("near", "far", "end")
    alone = market(owners={"all": (everything, 1.2)})
    leader = replace(alone, owners={}, workload=1.2)
    right = dlmp.solve_market("strategic", leader, gap=1e-7)
    for one in (alone, leader):
        found = dlmp.solve_market("equilibrium", one, gap=1e-6)
        assert found.status == "optimal"
        assert found.paid == pytest.approx(right.paid, rel=1e-5)
        assert found.regret["regret"].sum() <= 1e-6 * found.paid + 1e-6


def test_owners_in_every_market():
    one = market()
    outcomes = {name: dlmp.solve_market(name, one) for name, row in dlmp.market.MARKETS.items()
                if row.contract is None}
    for name, found in outcomes.items():
        kw = schedules(found)
        assert sum(kw["far"]) == pytest.approx(400, rel=1e-6), name
        assert sum(kw["near"]) + sum(kw["end"]) == pytest.approx(800, rel=1e-6), name
    cost = {name: found.dso.cost() for name, found in outcomes.items()}
    assert cost["cooperative"] <= min(cost.values()) + 1e-6
    # rivals pay no less than one leader who decides all, at their own work each
    assert outcomes["strategic"].paid <= outcomes["equilibrium"].paid * (1 + 1e-4)


def test_a_front_end_that_the_dso_runs_is_solved_as_a_bilevel_model_each_time():
    one = market()
    far = replace(one.network.datacenters["far"], kva=350, reactive="dso", power_factor=1.0)
    one = replace(one, network=one.network.replacing(far), starts=1)
    found = dlmp.solve_market("equilibrium", one)
    assert found.status == "optimal" and "solve_bilevel" in found.note
    here, paid = schedules(found), payments(one, schedules(found))
    table = found.regret.set_index("owner")
    for name in one.owners:
        assert table["cost"][name] == pytest.approx(paid[name], rel=1e-6)
        assert table["regret"][name] <= 1e-5 * table["cost"][name]
    for first in np.linspace(0, 300, 5):
        for second in np.linspace(0, 300, 5):
            if 0 <= 400 - first - second <= 300:
                trial = {**here, "far": [first, second, 400 - first - second]}
                assert payments(one, trial)["A"] >= table["best_response_bound"]["A"] - 1e-6


def test_both_ways_to_a_best_response_agree():
    one = market()
    m, dso = bilevel_of(one)
    owners = owners_of(m, one)
    quick = Leaders(m, {name: (block.cost, decisions_of(m, block))
                        for name, block in owners.items()})
    slow = SolvedGame(m, dso, owners, {})
    place = {id(var): j for j, var in enumerate(slow.columns)}
    z = np.concatenate([slow.schedule(name) for name in slow.names])
    same = z[[place[id(var)] for var in quick.columns]]
    for name in owners:
        a, b = quick.response(name, same, 1e-6), slow.response(name, z, 1e-6)
        assert a.value == pytest.approx(b.value, rel=1e-6)
        assert a.cost == pytest.approx(b.cost, rel=3e-6)
        assert max(a.bound, b.bound) <= min(a.cost, b.cost) * (1 + 1e-6)
        assert a.regret == pytest.approx(b.regret, rel=1e-4)


def test_in_ac_nobody_gains_at_the_operating_point():
    one = market()
    one = replace(one, opf={**one.opf, "form": "ac"})
    found = dlmp.solve_market("equilibrium", one)
    assert found.status == "optimal" and "AC: settled" in found.note
    assert found.ac.settled and found.ac.limits_broken == 0
    assert (found.regret["regret"] <= 1e-5 * found.regret["cost"] + 2e-6).all()
    assert found.ac.payment == pytest.approx(found.regret["cost"].sum(), rel=1e-9)
    linear = dlmp.solve_market("equilibrium", market())
    assert found.paid == pytest.approx(linear.paid, rel=0.05)
    assert abs(found.paid - linear.paid) > 1e-3
    # a kW moved between two hours is paid for in AC, away from the limit where prices jump
    here, tried = schedules(found), 0
    for i, j in ((0, 2), (2, 0)):
        own = list(here["far"])
        own[i], own[j] = own[i] - 5.0, own[j] + 5.0
        if min(own) >= 0 and max(own) <= 300:
            moved = dlmp.solve_ac_opf(one.network, datacenter_kw={**here, "far": own}, **{
                k: v for k, v in one.opf.items() if k != "form"})
            dso, paid = moved.model, 0.0
            for t in dso.periods:
                p = dso.datacenter["far"].p[t].value
                q = dso.datacenter["far"].tan_phi * p
                paid += pyo.value(dso.price_of("far", None, t, "active")) * p
                paid += pyo.value(dso.price_of("far", None, t, "reactive")) * q
            assert paid >= found.regret["cost"][0] * (1 - 1e-3)
            tried += 1
    assert tried


def test_jobs_without_pause_are_decided_in_turn():
    jobs = {name: dlmp.workload.Workload(jobs=(dlmp.workload.Job(
        name="train", arrival=0, deadline=3, mwh=mwh, interruptible=False, run_periods=1),))
        for name, mwh in (("A", 0.3), ("B", 0.4))}
    one = market(owners={"A": (("far",), jobs["A"]), "B": (("near", "end"), jobs["B"])})
    found = dlmp.solve_market("equilibrium", one, gap=1e-6)
    assert found.status == "optimal"
    here = schedules(found)
    for site, mwh in (("far", 300.0), ("near", 400.0)):
        owner = "A" if site == "far" else "B"
        if owner == "B" and max(here["near"]) < 1.0:
            continue  # it runs at the other site
        for t in range(3):
            trial = {**here, site: [mwh if k == t else 0.0 for k in range(3)]}
            bound = found.regret.set_index("owner")["best_response_bound"][owner]
            assert payments(one, trial)[owner] >= bound - 1e-6


def test_a_search_without_time_returns_what_it_has():
    found = dlmp.solve_market("equilibrium", market(), time_limit=0.0)
    assert found.status in ("time limit", "optimal")
    assert len(found.regret) == 2 and np.isfinite(found.paid)


@pytest.mark.parametrize(("given", "words"), [
    ({"owners": {"A": ((), 0.4), "B": (("near", "far", "end"), 0.8)}}, "names no sites"),
    ({"owners": {"A": (("far",), 0.4), "B": (("far", "near", "end"), 0.8)}}, "named before"),
    ({"owners": {"A": (("fra",), 0.4), "B": (("far", "near", "end"), 0.8)}}, "far"),
    ({"owners": {"A": (("far",), 0.4)}}, "has no owner"),
    ({"owners": {"A": (("far",), 0.4), "B": (("near", "end"), 0.8)}, "workload": 1.0},
     "leave out `workload`"),
    ({"takers": {"T": (("far",), dlmp.workload.Workload(energy_mwh=0.1))}}, "named before"),
    ({"owners": [1]}, "Give a mapping"), ({"owners": {"A": 3}}, "Give \\(sites, Workload\\)"),
    ({"starts": 0}, "starts"), ({"workload": None, "owners": {}}, "is None"),
])
def test_faults_are_named(given, words):
    with pytest.raises(ModelError, match=words):
        dlmp.solve_market("equilibrium", market(**given))


def test_work_that_the_sites_of_an_owner_cannot_serve():
    owners = {"A": (("far",), 4.0), "B": (("near", "end"), 0.8)}
    with pytest.raises(ModelError, match="far"):
        dlmp.solve_market("equilibrium", market(owners=owners))
