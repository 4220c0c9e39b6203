"""Hard limits of the linear form that no dispatch keeps: told by bus and voltage, as in AC."""

import re

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.results.flags import below_one

SITES = (dlmp.Datacenter(name="dc1", bus="675", kw=700), dlmp.Datacenter(
    name="dc2", bus="671", kw=500), dlmp.Generator(
        name="gen", bus="680", kw_max=600, cost=45, cost2=30))


@pytest.fixture(scope="module")
def network():
    return dlmp.load_feeder("ieee13").with_devices(*SITES)


@pytest.fixture(scope="module")
def soft(network):
    """What is possible: limits whose penalty is beyond any other cost."""
    return dlmp.solve_market("cooperative", dlmp.Market(
        network, 0.9, {"periods": 1, "price": 60.0, "penalty": 1e7}))


@pytest.mark.parametrize("name", ["cooperative", "uncoordinated", "price taker"])
def test_the_bus_and_the_voltage_are_named(name, network, soft):
    market = dlmp.Market(network, 0.9, {"periods": 1, "price": 60.0, "voltage_limits": "hard"})
    with pytest.raises(SolverError) as err:
        dlmp.solve_market(name, market)
    (fault,) = err.value.faults
    where = re.fullmatch(r"bus 'rg60', phase ([ac]), period 0", fault.where)
    held = float(re.search(r"1.05 pu cannot be kept: ([\d.]+) pu at best, too high", fault.what)[1])
    assert held == pytest.approx(soft.dso.bus["rg60"].w[where[1], 0].value ** 0.5, abs=1e-4)


def test_a_strategic_market_and_an_opf_name_the_rows_that_conflict(network):
    opf = {"periods": 1, "price": 60.0, "voltage_limits": "hard"}
    found = dlmp.solve_market("strategic", dlmp.Market(network, 0.9, opf))
    (note,) = found.solution.notes
    assert "bus[rg60].v_high[a,0] (by 0.0127)" in note and "transformer" not in note
    with pytest.raises(SolverError, match=r"bus\[rg60\].v_high\[[ac],0\].*broken by 0.0127"):
        dlmp.solve_opf(dlmp.build_opf(network, **opf))


def test_soft_limits_that_are_broken_are_told_with_the_answer(soft):
    assert "rg60" in soft.warning and "1.05 pu" in repr(soft)
    assert "so prices contain the penalty" in soft.warning
    wide = dlmp.solve_market("cooperative", dlmp.Market(
        dlmp.load_feeder("ieee13").with_devices(*SITES), 0.9,
        {"periods": 1, "price": 60.0, "v_min": 0.9, "v_max": 1.1}))
    assert wide.warning == "" and "penalty" not in repr(wide)


def test_tables_of_an_outcome_need_no_other_argument(soft):
    results = dlmp.results
    whole = results.outcome_tables(soft, soft.of)
    assert results.payments_table(soft).equals(whole["payments"])
    assert soft.paid == pytest.approx(whole["payments"]["value"].sum(), rel=1e-9)
    assert results.unbalance_table(soft).equals(whole["unbalance"])
    assert results.voltages_table(soft).equals(whole["voltages"])
    with pytest.warns(UserWarning, match="beyond their soft limit"):
        assert results.prices_table(soft).equals(whole["prices"])


def test_a_price_of_anarchy_below_one_is_flagged():
    table = pd.DataFrame([("b", 1.0, "strategic", "price_of_anarchy", value, "ratio")
                          for value in (0.9985, 1.0)],
                         columns=["base", "loading", "market", "quantity", "value", "unit"])
    assert "below 1 (0.9985, 'strategic', loading 1)" in below_one(table)
    assert below_one(table[1:]) == ""
