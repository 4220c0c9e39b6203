"""`solve_stochastic` against brute force, a model by hand, and what must not matter."""

import os
import signal
from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.parametric.master import HullMaster
from pyomo_dlmp.uncertainty.route import _Route
from tests.models import CODE, feeder
from tests.uncertainty.tiny import (
    DC,
    LOAD,
    MWH,
    NET,
    OPF,
    PRICE,
    PV,
    SUN,
    brute_force,
    market,
    paid,
    pays,
    scenarios,
)

FLEX, DEVIATION = 0.1, 8.0
UNEVEN = feeder(LOAD, replace(PV, kvar_min=-25, kvar_max=25), DC, dlmp.Load(
    name="one", bus="end", legs=("a", "b"), kw=(60, 25), kvar=(20, 5)))


def solve(given=None, of=None, **options):
    options = {"flexibility": FLEX, "deviation_price": DEVIATION, **options}
    return dlmp.solve_stochastic(of or market(), given or scenarios(), **options)


def check_result(result, given=None, gap=1e-4):
    """What must hold of every result: bounds, audit, money recomputed by OPFs of their own."""
    assert result.status == "optimal" and result.audit.passed
    assert result.bound <= result.objective + 1e-9 and result.gap <= gap
    table = result.by_scenario.set_index("scenario")
    apart = paid(result.schedule, given)
    for name, row in table.iterrows():
        assert row["payment"] == pytest.approx(apart[name], abs=2e-4)
        assert row["cost"] == pytest.approx(row["payment"] + row["deviation_cost"])
    expected = (table["probability"] * table["cost"]).sum()
    assert result.objective == pytest.approx(expected)
    assert result.audit.objective == pytest.approx(expected, rel=1e-6)


def check_first_stage(result, flexibility, kw=900.0):
    """Powers differ from the schedule by the deviations, which are within the flexibility."""
    plan = result.first_stage[result.first_stage["kind"] == "schedule"].set_index(
        ["site", "period"])["kw"]
    for row in result.schedule.itertuples():
        assert row.kw - plan[row.site, row.period] == pytest.approx(
            row.up_kw - row.down_kw, abs=1e-5)
        assert max(row.up_kw, row.down_kw) <= flexibility * kw + 1e-5


def test_two_scenarios_of_two_hours_equal_brute_force():
    result = solve(gap=1e-5)
    check_result(result)
    check_first_stage(result, FLEX)
    best = brute_force(pays, FLEX, DEVIATION)
    assert result.bound <= best + 1e-9
    assert result.objective <= best + 1e-9  # the grid is a part of what may be decided
    assert best - result.objective <= 0.02  # and a fine one


@pytest.mark.parametrize("paid_for", ["active and reactive", "active"])
def test_equals_a_bilevel_model_written_by_hand(paid_for):
    """What active power alone costs is not convex on a region: there are chords to be cut."""
    net = NET if "reactive" in paid_for else UNEVEN
    m = pyo.ConcreteModel()
    m.dso, m.dca = dlmp.LowerLevel([0, 1]), dlmp.AggregatorBlock([0, 1])
    for s in (0, 1):
        dlmp.build_opf(net, periods=2, price=list(PRICE[s]), load_scale={"pv": list(SUN[s])},
                       into=m.dso[s], **OPF)
        m.dca[s].build(m.dso[s], MWH[s], paid_for)
        m.dca[s].cost.deactivate()
    m.x, m.up, m.down = pyo.Var([0, 1]), *(
        pyo.Var([0, 1], [0, 1], bounds=(0, FLEX * 0.9)) for _ in range(2))
    m.link = pyo.Constraint([0, 1], [0, 1], rule=lambda m, s, t: (
        m.dso[s].datacenter["dc"].p[t] - m.x[t] == m.up[s, t] - m.down[s, t]))
    m.cost = pyo.Objective(expr=sum(
        p * (m.dca[s].cost.expr + DEVIATION * sum(m.up[s, t] + m.down[s, t] for t in (0, 1)))
        for s, p in ((0, 0.4), (1, 0.6))))
    by_hand = dlmp.solve_bilevel(m, gap=1e-6)
    assert by_hand.status == "optimal"
    result = solve(of=replace(market(net), pays=paid_for), gap=1e-6)
    assert result.objective == pytest.approx(by_hand.objective, rel=3e-6)
    assert result.audit.passed


def test_one_scenario_without_flexibility_is_the_strategic_market():
    numbers = scenarios().subset(["dark"])
    result = solve(numbers, flexibility=0.0, gap=1e-6)
    alone = dlmp.solve_market("strategic", market(
        work=MWH[1], price=list(PRICE[1]), load_scale={"pv": list(SUN[1])}), gap=1e-6)
    assert result.objective == pytest.approx(alone.paid, rel=2e-6)
    check_result(result, numbers)


def test_order_and_twins_of_scenarios_change_nothing():
    one = solve(gap=1e-6)
    turned = solve(scenarios().subset(["dark", "sunny"]), gap=1e-6)
    twins = solve(scenarios(
        (0.4, 0.35, 0.25), ("sunny", "dark", "dark too"), [*PRICE, PRICE[1]], [*SUN, SUN[1]],
        [*MWH, MWH[1]]), gap=1e-6)
    for other in (turned, twins):
        assert other.objective == pytest.approx(one.objective, rel=3e-6)


def test_more_flexibility_costs_no_more_and_dear_deviations_no_less():
    costs = [solve(flexibility=share, audit=False).objective for share in (0.15, 0.3, 1.0)]
    assert costs == sorted(costs, reverse=True)
    assert solve(deviation_price=30.0, audit=False).objective >= solve(audit=False).objective


def test_value_of_information_and_of_planning_are_proven_intervals():
    result = solve(flexibility=0.3)
    value = result.value()
    alone = [dlmp.solve_market("strategic", market(
        work=MWH[s], price=list(PRICE[s]), load_scale={"pv": list(SUN[s])})).paid for s in (0, 1)]
    evpi = result.objective - (0.4 * alone[0] + 0.6 * alone[1])
    low, high = value.evpi
    assert low <= evpi + 1e-6 and evpi <= high + 1e-6 and high - low <= 0.05
    assert 0.0 <= value.vss[0] <= value.vss[1] + 1e-9
    table = value.by_scenario
    assert (table["regret"] >= -1e-2).all()
    assert (table["decision"] * table["probability"]).sum() == pytest.approx(result.objective)
    again = result.value()
    assert again is value


def test_a_mean_schedule_that_cannot_be_kept_is_said():
    given = scenarios((0.9, 0.1), mwh=(0.4, 1.6))
    value = solve(given, flexibility=0.34).value()
    assert value.vss[1] == np.inf and value.mean[0] == np.inf
    assert any("'dark'" in note for note in value.notes)


def test_prices_are_those_of_an_opf_at_the_schedule():
    result = solve()
    row = result.schedule.iloc[3]  # of the second scenario's second hour
    dso = dlmp.build_opf(NET, periods=1, price=PRICE[1][1], load_scale={"pv": SUN[1][1]},
                         datacenter_kw={"dc": float(row.kw)}, **OPF)
    dlmp.solve_opf(dso)
    apart = dlmp.results.prices_table(dso)
    mine = result.prices[(result.prices["scenario"] == "dark") & (result.prices["period"] == 1)]
    merged = mine.merge(apart, on=["bus", "phase", "quantity"], suffixes=("", "_apart"))
    assert len(merged) == len(mine) == 6
    assert np.abs(merged["value"] - merged["value_apart"]).max() < 1e-3


def test_an_outage_is_a_structure_of_its_own():
    given = scenarios(outages={"dark": ("pv",)})
    result = solve(given)
    same = solve(scenarios(sun=(SUN[0], (0.0, 0.0))))
    assert result.objective == pytest.approx(same.objective, rel=2e-4)
    assert result.audit.passed


def test_a_line_that_is_out_leaves_its_site_dark():
    far = dlmp.Line(name="spur", from_bus="end", to_bus="far", code=CODE, length=0.2)
    network = feeder(LOAD, PV, DC, dlmp.Bus(name="far", kv=4.8), far,
                     dlmp.Datacenter(name="spare", bus="far", kw=300))
    given = scenarios(mwh=(1.9, 1.2), outages={"dark": ("spur",)})
    result = solve(given, market(network), flexibility=1.0)
    power = result.schedule.set_index(["scenario", "site"])["kw"]
    assert (power["dark", "spare"] == 0.0).all() and power["sunny", "spare"].max() > 0.0
    assert result.audit.passed
    plan = result.first_stage.set_index(["site", "period"])["kw"]
    assert plan["spare"].max() >= 0.0
    given = scenarios(mwh=(1.9, 1.2), outages={"dark": ("spare",)})
    dead = solve(given, market(network), flexibility=1.0)
    assert dead.objective == pytest.approx(result.objective, rel=2e-4)


def test_subscribed_capacity_is_paid_once():
    price = 0.02  # $/kW
    result = solve(first_stage=("schedule", "capacity"), capacity_price=price, flexibility=1.0,
                   deviation_price=0.0, gap=1e-5)
    capacity = result.first_stage.loc[result.first_stage["kind"] == "capacity", "kw"].item()
    assert capacity == pytest.approx(result.schedule["kw"].max(), abs=1e-4)
    free = solve(flexibility=1.0, deviation_price=0.0, gap=1e-5, audit=False)
    costs = result.by_scenario["probability"] @ result.by_scenario["cost"]
    assert result.objective == pytest.approx(costs + price * capacity)
    assert free.objective <= result.objective


def test_jobs_start_alike_in_all_scenarios():
    job = dlmp.workload.Job(name="train", arrival=0, deadline=2, mwh=0.5, interruptible=False,
                            run_periods=1, kw_max=600)
    work = dlmp.Workload(jobs=(job,))
    of = replace(market(), workload=work)
    given = scenarios(mwh=None)
    options = {"first_stage": ("jobs",), "gap": 1e-6}
    together = solve(given, of, **options)
    free = solve(given, of, first_stage=("schedule",), flexibility=1.0, deviation_price=0.0,
                 gap=1e-6)
    assert len(together.starts) == 1
    assert free.objective <= together.objective + 1e-6
    by_hour = []  # by hand: beside the job a site idles by at most its floor
    for hour in (0, 1):
        total = 0.0
        for s, p in ((0, 0.4), (1, 0.6)):
            for t in (0, 1):
                base = 500.0 if t == hour else 0.0
                total += p * pays(PRICE[s][t], SUN[s][t], tuple(np.arange(
                    max(base, 90.0), base + 90.1, 10.0))).min()
        by_hour.append(total)
    assert together.objective == pytest.approx(min(by_hour), abs=0.02)
    assert together.starts["period"].item() == int(np.argmin(by_hour))


@pytest.mark.parametrize(("change", "says"), [
    ({"given": scenarios(mwh=(1.0, 2.0))}, "'dark'.*0.2 MWh too much"),
    ({"given": scenarios(mwh=(0.3, 1.7)), "flexibility": 0.1}, "Give flexibility="),
    ({"given": scenarios(outages={"dark": ("pw",)})}, "Known are .*'pv'"),
    ({"first_stage": "schedul"}, "Did you mean 'schedule'"),
    ({"flexibility": {"dd": 0.1}}, "Known are 'dc'"),
    ({"flexibility": -1.0}, "flexibility"),
    ({"of": market(periods=3)}, "and the market 3"),
])
def test_what_is_wrong_is_said_at_once(change, says):
    with pytest.raises(dlmp.ModelError, match=says):
        solve(**change)


def test_any_multipliers_of_the_linking_rows_give_a_bound():
    """And those of the relaxation one that is no worse than the relaxation's."""
    result = solve(first_stage=("schedule", "capacity"), capacity_price=0.01, gap=1e-6)
    problem = result.problem
    hull = problem.master()
    route = _Route(problem, 1e-6, None, lambda *_: None)
    rng = np.random.default_rng(0)
    for size in (0.0, 1.0, 30.0):
        dual = size * rng.normal(size=hull.linear.A.shape[0])
        assert route.bound_at(dual) <= result.objective + 1e-9
    seen = []
    master = HullMaster(hull, 1e-9, None, 0, None, {})
    master.between = lambda own: seen.append((own.outcome.bound, route.bound_at(own.row_dual)))
    master.run()
    for relaxed, bound in seen:
        assert relaxed - 1e-3 <= bound <= result.objective + 1e-9


def test_a_time_limit_returns_what_is_known():
    result = solve(time_limit=0.0)
    assert result.status in ("time limit", "optimal", "gap not reached")
    assert result.bound <= result.objective or np.isnan(result.objective)


def test_the_decision_is_checked_in_ac():
    result = solve(of=market(v_min=0.9))
    table = dlmp.uncertainty.check_ac(result).table
    assert table["settled"].all() and not table["limits_broken"].any()
    assert table["engine_difference"].max() < 1e-4
    apart = (table["payment_ac"] / table["payment"] - 1.0).abs()
    assert apart.max() < 0.15  # what losses and voltages are worth, which the linear form lacks
    assert table["v_min"].between(0.8, 1.0).all()
    with pytest.raises(dlmp.ModelError, match="sunny"):
        dlmp.uncertainty.check_ac(result, ["suny"])


def test_ctrl_c_returns_what_is_known():
    def press(stage, *_):
        if stage == "relaxation" and not pressed:
            pressed.append(stage)
            os.kill(os.getpid(), signal.SIGINT)

    pressed: list[str] = []
    result = solve(gap=0.0, progress=press)
    assert pressed and result.status == "interrupted"
    assert result.audit.passed and result.bound <= result.objective
    assert len(result.first_stage) == 2 and not result.prices.empty


def test_starts_of_jobs_need_jobs():
    with pytest.raises(dlmp.ModelError, match="no job without pause"):
        solve(first_stage="jobs")
