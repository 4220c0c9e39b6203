"""Decisions of the linear form in AC: each scenario equals an AC OPF at its schedule."""

from functools import cache

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import dispatch_table, payments_table
from tests.uncertainty.tiny import NET, OPF, market, scenarios


@cache
def solved():
    return dlmp.solve_stochastic(market(), scenarios(), flexibility=0.1, deviation_price=8.0)


def ac_opf(numbers, kw):
    return dlmp.solve_ac_opf(
        NET, periods=2, price=list(numbers["price"]), datacenter_kw={"dc": kw},
        load_scale={"pv": list(numbers["available.pv"])}, **OPF)


def check_each(found, schedule, given):
    """Costs, payments, prices and limits are those of AC OPFs of their own."""
    for name, mine in schedule.groupby("scenario", sort=False):
        alone = ac_opf(given.of(name), list(mine["kw"]))
        row = found.table.set_index("scenario").loc[name]
        assert row["settled"] and alone.settled
        assert row["dso_cost"] == pytest.approx(alone.cost, rel=1e-7)
        money = payments_table(alone.prices, dispatch_table(alone.model, NET), NET, 1.0)
        assert row["payment_ac"] == pytest.approx(money["value"].sum(), rel=1e-6)
        assert row["cost_ac"] == row["payment_ac"] + row["deviation_cost"]
        prices = found.prices[found.prices["scenario"] == name]
        keys = ["bus", "phase", "period", "quantity"]
        both = prices.merge(alone.prices, on=keys)
        assert len(both) == len(prices) == 2 * 2 * 3
        assert (both["value_x"] - both["value_y"]).abs().max() < 1e-5


def test_each_scenario_equals_an_ac_opf_at_its_schedule():
    result = solved()
    told = []
    found = result.check_ac(engine=True, progress=lambda *word: told.append(word[:3]))
    assert found.settled and told == [("AC", 1, 2), ("AC", 2, 2)]
    check_each(found, result.schedule, scenarios())
    assert (found.table["engine_difference"] < 1e-7).all()
    rows = found.summary.set_index("quantity")["value"]
    assert rows["mean_cost_linear"] == pytest.approx(result.objective, rel=1e-9)
    p = found.table["probability"]
    assert rows["mean_cost"] == pytest.approx((p * found.table["cost_ac"]).sum())
    assert rows["mean_difference"] == pytest.approx(rows["mean_cost"] - rows["mean_cost_linear"])


def test_new_scenarios_are_checked_too_and_some_of_them():
    new = scenarios((0.5, 0.3, 0.2), ("a", "b", "far"), [(45, 50), (62, 48), (50, 50)],
                    [(0.3, 0.2), (0.1, 0.9), (0, 0)], (1.05, 1.15, 1.7))
    evaluation = solved().evaluate(new)
    assert list(evaluation.infeasible["scenario"]) == ["far"]
    found = evaluation.check_ac()
    assert list(found.table["scenario"]) == ["a", "b"]
    check_each(found, evaluation.schedule, new)
    some = evaluation.check_ac(["b"])
    assert some.table["payment_ac"].item() == pytest.approx(found.table["payment_ac"][1])
    with pytest.raises(dlmp.ModelError, match="'far', which has no answer"):
        evaluation.check_ac(["far"])


def test_limits_that_break_are_those_of_the_power_flow():
    limited = {**OPF, "v_min": 0.985, "penalty": 10.0}
    result = dlmp.solve_stochastic(dlmp.Market(NET, 1.0, {"periods": 2, **limited}), scenarios(),
                                   flexibility=0.1)
    found, broken = result.check_ac(), 0
    for name, mine in result.schedule.groupby("scenario", sort=False):
        numbers = scenarios().of(name)
        flow = dlmp.solve_ac_opf(
            NET, periods=2, price=list(numbers["price"]), datacenter_kw={"dc": list(mine["kw"])},
            load_scale={"pv": list(numbers["available.pv"])}, **limited).ac
        short = [0.985 - abs(v) for v in flow.point.voltages.values() if abs(v) < 0.985 - 1e-5]
        row = found.table.set_index("scenario").loc[name]
        assert row["limits_broken"] == len(short)
        assert row["beyond_pu"] == pytest.approx(max(short, default=0.0), abs=1e-6)
        broken += len(short)
    assert broken > 0
    rows = found.summary.set_index("quantity").loc["broken_share"]
    assert rows["low"] <= rows["value"] <= rows["high"]


def test_of_two_settlements_voltages_are_checked_and_payments_left_out():
    result = dlmp.solve_stochastic(market(), scenarios(), flexibility=0.1, settlement="two")
    found = result.check_ac(engine=False)
    assert found.settled and found.table["payment_ac"].isna().all()
    assert found.summary.set_index("quantity").loc["broken_share", "value"] == 0.0
    for name, mine in result.schedule.groupby("scenario", sort=False):
        alone = ac_opf(scenarios().of(name), list(mine["kw"]))
        low = min(abs(v) for v in alone.loop.point.voltages.values())
        row = found.table.set_index("scenario").loc[name]
        assert row["v_min"] == pytest.approx(low, abs=1e-7)
    again = result.evaluate(scenarios()).check_ac(engine=False)
    assert again.settled and again.table["payment_ac"].isna().all()
