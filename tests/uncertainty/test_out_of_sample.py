"""`evaluate` against models by hand, the search itself, and what is known of a decision."""

from functools import cache

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.uncertainty import Decision, evaluate
from pyomo_dlmp.uncertainty.statistics import mean_interval
from tests.uncertainty.tiny import NET, OPF, PRICE, SUN, market, paid, scenarios

FLEX, DEVIATION = 0.1, 8.0


@cache
def solved(**options):
    return dlmp.solve_stochastic(market(), scenarios(), flexibility=FLEX,
                                 deviation_price=DEVIATION, **options)


def drawn(count=12, seed=0):
    rng = np.random.default_rng(seed)
    return dlmp.Scenarios.of_arrays({
        "price": rng.uniform(30, 70, (count, 2)), "available.pv": rng.uniform(0, 1, (count, 2)),
        "energy_mwh": rng.uniform(1.0, 1.2, count)})


def by_hand(decision: Decision, numbers: dict) -> float:
    """The cost of a scenario by `solve_bilevel`, the schedule fixed."""
    m = pyo.ConcreteModel()
    m.dso, m.dca = dlmp.LowerLevel(), dlmp.AggregatorBlock()
    dlmp.build_opf(NET, periods=2, price=list(numbers["price"]),
                   load_scale={"pv": list(numbers["available.pv"])}, into=m.dso, **OPF)
    m.dca.build(m.dso, float(numbers["energy_mwh"].sum()))
    m.dca.cost.deactivate()
    plan = decision.schedule_kw()["dc"]
    m.up, m.down = (pyo.Var([0, 1], bounds=(0, FLEX * 0.9)) for _ in range(2))
    m.link = pyo.Constraint([0, 1], rule=lambda m, t: (
        m.dso.datacenter["dc"].p[t] - plan[t] / 1e3 == m.up[t] - m.down[t]))
    m.cost = pyo.Objective(expr=m.dca.cost.expr + DEVIATION * sum(
        m.up[t] + m.down[t] for t in (0, 1)))
    result = dlmp.solve_bilevel(m, gap=1e-6)
    assert result.status == "optimal"
    return result.objective


def check_evaluation(found, given):
    """What must hold of every one: bounds, audits, sums, money by OPFs of their own."""
    table = found.by_scenario.set_index("scenario")
    there = table[table["cost"].notna()]
    assert (there["bound"] <= there["cost"] + 1e-9).all()
    assert (there["cost"] - there["bound"] <= 1e-4 * there["cost"]).all()
    assert not (table["judged"] == "failed").any()
    apart = paid(found.schedule, given)
    for name, row in there.iterrows():
        assert row["payment"] == pytest.approx(apart[name], abs=2e-4)
        assert row["cost"] == pytest.approx(row["payment"] + row["deviation_cost"])
        assert row["energy_mwh"] == pytest.approx(given.of(name)["energy_mwh"].sum())
    p = there["probability"] / there["probability"].sum()
    assert found.mean_cost == pytest.approx((p * there["cost"]).sum() + found.decision.cost)
    low, high = found.interval
    assert low <= found.mean_cost <= high or len(there) == 1  # one draw says nothing of others


def test_the_scenarios_of_the_solve_cost_what_it_says():
    result = solved(gap=1e-6)
    found = result.evaluate(scenarios(), gap=1e-6, judge=1.0)
    check_evaluation(found, scenarios())
    assert found.by_scenario["cost"].to_numpy() == pytest.approx(
        result.by_scenario["cost"].to_numpy(), rel=2e-6)
    assert found.mean_cost == pytest.approx(result.objective, rel=2e-6)
    assert (found.by_scenario["judged"] == "passed").all()


def test_each_new_scenario_equals_a_bilevel_model_with_the_schedule_fixed():
    result, new = solved(), drawn(6)
    found = result.evaluate(new, gap=1e-6, judge=0.5)
    check_evaluation(found, new)
    for name, cost in zip(found.by_scenario["scenario"], found.by_scenario["cost"], strict=True):
        assert cost == pytest.approx(by_hand(result.decision, new.of(name)), rel=3e-6)


def test_two_processes_find_the_same():
    result, new = solved(), drawn(9)
    seen = []
    one = result.evaluate(new)
    two = result.evaluate(new, workers=2, progress=lambda *told: seen.append(told))
    assert one.by_scenario.equals(two.by_scenario) and one.schedule.equals(two.schedule)
    assert [told[1:3] for told in seen] == [(k, 9) for k in range(1, 10)]


def test_a_scenario_that_the_decision_leaves_no_room_for_is_named_with_what_is_missing():
    decision = Decision.of_schedule(market(), {"dc": [500, 600]}, flexibility=FLEX,
                                    deviation_price=DEVIATION)
    given = scenarios((0.25,) * 4, ("much", "little", "dark", "far too much"),
                      [PRICE[0], PRICE[1], PRICE[1], PRICE[1]], [SUN[0], SUN[1], (0, 0), (0, 0)],
                      (1.5, 0.8, 1.1, 2.5))
    found = evaluate(decision, market(), given)
    check_evaluation(found, given)
    lost = found.infeasible.set_index("scenario")
    assert list(lost.index) == ["much", "little", "far too much"]
    assert lost.loc["much", "missing_mwh"] == pytest.approx(1.5 - 1.1 - 2 * FLEX * 0.9)
    assert lost.loc["little", "missing_mwh"] == pytest.approx(1.1 - 2 * FLEX * 0.9 - 0.8)
    assert "dc in" in lost.loc["much", "missing"]
    assert np.isnan(lost.loc["far too much", "missing_mwh"])
    assert "2.5" in lost.loc["far too much", "missing"]  # beyond the site whatever is decided
    share = found.summary.set_index("quantity").loc["infeasible_share"]
    assert share["value"] == 0.75 and share["low"] < 0.75 < share["high"]


def test_a_site_that_is_out_of_service_is_named():
    decision = Decision.of_schedule(market(), {"dc": [500, 600]}, flexibility=FLEX)
    given = dlmp.Scenarios.of_arrays(
        {"kw.dc": [[900, 100], [900, 900]], "energy_mwh": [0.5, 1.1]}, names=("cut", "whole"))
    found = evaluate(decision, market(), given)
    lost = found.infeasible.set_index("scenario")
    assert list(lost.index) == ["cut"]
    assert lost.loc["cut", "missing_mwh"] >= 0.6 - 0.09 - 0.1 - 1e-9
    assert "dc in 1" in lost.loc["cut", "missing"]


def test_subscribed_capacity_and_job_starts_stand_too():
    result = dlmp.solve_stochastic(
        market(), scenarios(), first_stage=("schedule", "capacity"), capacity_price=0.01,
        flexibility=0.3, gap=1e-6)
    found = result.evaluate(scenarios(), gap=1e-6)
    check_evaluation(found, scenarios())
    assert found.decision.cost > 0
    assert found.mean_cost == pytest.approx(result.objective, rel=3e-6)

    work = dlmp.Workload(jobs=(dlmp.workload.Job(
        name="train", arrival=0, deadline=2, mwh=0.5, interruptible=False, run_periods=1,
        kw_max=600),))
    given = scenarios(mwh=None)
    result = dlmp.solve_stochastic(market(work=work), given, first_stage="jobs", gap=1e-6)
    found = result.evaluate(given, gap=1e-6)
    assert found.mean_cost == pytest.approx(result.objective, rel=3e-6)


def test_capacity_that_is_not_subscribed_is_named_in_its_period():
    result = dlmp.solve_stochastic(market(), scenarios(), first_stage="capacity",
                                   capacity_price=0.05)
    (most,) = result.first_stage["kw"]
    given = dlmp.Scenarios.of_arrays({"energy_mwh": [1.75], "kw.dc": [[900, 860]]})
    (row,) = result.evaluate(given).infeasible.itertuples()
    assert row.missing_mwh == pytest.approx(1.75 - 2 * most / 1e3)
    assert row.missing.count("dc in 0") == row.missing.count("dc in 1") == 1


def test_two_decisions_are_compared_scenario_by_scenario():
    result, new = solved(), drawn(8)
    mine = result.evaluate(new)
    other = evaluate(Decision.of_schedule(market(), {"dc": 550}, flexibility=FLEX,
                                          deviation_price=DEVIATION), market(), new)
    table = mine.compare(other).by_scenario
    first = mine.compare(other).summary.iloc[0]
    costs = [e.by_scenario["cost"] for e in (mine, other)]
    assert table["difference"].to_numpy() == pytest.approx((costs[0] - costs[1]).to_numpy())
    assert first["value"] == pytest.approx(mine.mean_cost - other.mean_cost)
    apart = [high - low for low, high in (mine.interval, other.interval)]
    assert first["high"] - first["low"] < min(apart)
    back = other.compare(mine).summary.iloc[0]
    assert (back["value"], back["low"], back["high"]) == pytest.approx(
        (-first["value"], -first["high"], -first["low"]))
    same = mine.compare(mine).summary.iloc[0]
    assert same["value"] == same["low"] == same["high"] == 0.0


def test_the_interval_covers_the_mean_of_all_that_may_come():
    """Samples of a population of which every scenario's cost is known."""
    found = solved().evaluate(drawn(30, seed=4))
    cost = found.by_scenario["cost"].to_numpy()
    rng, weights, hits = np.random.default_rng(0), np.full(25, 1 / 25), []
    for _ in range(1000):
        _, low, high = mean_interval(cost[rng.integers(len(cost), size=25)], weights, 0.9)
        hits.append(low <= found.mean_cost <= high)
    assert 0.9 - 0.03 <= np.mean(hits) <= 0.9 + 0.03


def test_what_is_finished_is_returned_after_ctrl_c_and_a_time_limit():
    def press(stage, done, total, left):
        if done == 3:
            raise KeyboardInterrupt

    found = solved().evaluate(drawn(8), progress=press)
    assert len(found.by_scenario) == 3 and found.total == 8 and found.notes
    assert np.isfinite(found.mean_cost)
    assert len(solved().evaluate(drawn(8), time_limit=1e-3).by_scenario) <= 1


def test_every_fault_of_the_arguments_is_told():
    with pytest.raises(dlmp.ModelError) as told:
        evaluate(solved().decision, market(periods=3), drawn(), level=1.0, judge=2,
                 workers=0)
    text = str(told.value)
    for word in ("level", "judge", "workers", "periods"):
        assert word in text
    with pytest.raises(dlmp.ModelError, match="is of the sites"):
        other = dlmp.Market(NET.with_devices(dlmp.Datacenter(name="dc2", bus="end", kw=10)), 1.0,
                            {"periods": 2, **OPF})
        evaluate(solved().decision, other, drawn())
    with pytest.raises(dlmp.ModelError, match="nothing"):
        evaluate(solved().decision, market(), dlmp.Scenarios.of_arrays(
            {"price": [[1, 2]]}, outages={"s1": ["nothing"]}))
    with pytest.raises(dlmp.ModelError, match="capacity"):
        Decision.of_schedule(market(), {"dc": 1000})
    with pytest.raises(dlmp.ModelError, match="no schedule"):
        Decision.of_schedule(market(), {})
