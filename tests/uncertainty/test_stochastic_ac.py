"""`solve_stochastic` in the AC form: points by scenario, against a grid of AC OPFs."""

from functools import cache

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import dispatch_table, payments_table
from tests.uncertainty.tiny import NET, OPF, brute_force, market, scenarios

FLEX, DEVIATION = 0.1, 8.0


@cache
def solved():
    return dlmp.solve_stochastic(market(form="ac"), scenarios(), flexibility=FLEX,
                                 deviation_price=DEVIATION, gap=1e-6)


@cache
def pays_in_ac(price: float, sun: float, kw: tuple[float, ...]) -> np.ndarray:
    """What the datacenter pays in an hour at each of some powers ($): an AC OPF of all of them."""
    found = dlmp.solve_ac_opf(NET, periods=len(kw), price=price, datacenter_kw={"dc": list(kw)},
                              load_scale={"pv": sun}, check=False, **OPF)
    assert found.settled
    table = payments_table(found.prices, dispatch_table(found.model, NET), NET, 1.0)
    return table.groupby("period")["value"].sum().reindex(range(len(kw))).to_numpy()


def test_it_settles_at_the_prices_of_ac():
    result = solved()
    assert result.status == "optimal" and result.audit.passed
    assert f"AC: settled in {len(result.rounds)} rounds" in result.notes
    table = result.ac.table
    assert result.ac.settled and (table["engine_difference"] < 1e-7).all()
    assert table["payment_ac"].to_numpy() == pytest.approx(table["payment"].to_numpy(), rel=1e-6)
    last = result.rounds.iloc[-1]
    assert last["objective"] == pytest.approx(result.objective)
    assert last["cost_of_the_last"] == pytest.approx(result.objective, rel=1e-6)
    assert set(result.prices["scenario"]) == {"sunny", "dark"}


def test_no_schedule_of_a_grid_is_cheaper_in_ac():
    """That its own cost is true in AC is tested above; the grid misses the kink that it is at."""
    best = brute_force(pays_in_ac, FLEX, DEVIATION, step=20.0, most=790.0)
    assert solved().objective <= best + 1e-6
    assert best - solved().objective <= 0.01 * best


def test_one_scenario_without_flexibility_is_the_strategic_market_in_ac():
    given = scenarios().subset(["dark"])
    result = dlmp.solve_stochastic(market(form="ac"), given, flexibility=0.0, gap=1e-6)
    alone = dlmp.solve_market("strategic", market(
        work=1.2, price=[70.0, 44.0], load_scale={"pv": [0.2, 0.8]}, form="ac"), gap=1e-6)
    assert result.objective == pytest.approx(alone.paid, rel=3e-6)


def test_rounds_that_do_not_settle_and_what_ac_does_not_know_are_said():
    from dataclasses import replace

    result = dlmp.solve_stochastic(replace(market(form="ac"), ac_rounds=1), scenarios(),
                                   flexibility=FLEX)
    assert any("did not settle in 1 rounds" in note for note in result.notes)
    assert len(result.rounds) == 1
    for call in (solved().value, lambda: solved().evaluate(scenarios()),
                 lambda: dlmp.uncertainty.risk_frontier(market(form="ac"), scenarios())):
        with pytest.raises(dlmp.ModelError, match="AC form"):
            call()


def test_its_decision_is_evaluated_in_the_linear_form():
    found = dlmp.uncertainty.evaluate(solved().decision, market(), scenarios())
    assert len(found.infeasible) == 0
    assert found.mean_cost == pytest.approx(solved().objective, rel=0.2)


def test_prices_of_further_buses_are_read_in_ac_too():
    sites, further = {dc.bus for dc in NET.datacenters.values()}, NET.substation.bus
    assert further not in sites
    result = dlmp.solve_stochastic(market(form="ac"), scenarios(), flexibility=FLEX,
                                   deviation_price=DEVIATION, buses=[further])
    assert {*sites, further} <= set(result.prices["bus"])
