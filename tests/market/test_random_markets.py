"""Random sites, SVGs and payments: the audit holds, and the tables' payment is the objective.

The tables know nothing of the model's payment: price x quantity by leg, from duals and powers.
"""

import numpy as np
import pytest
from hypothesis import given, settings

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import (
    decomposition_table,
    dispatch_table,
    payments_table,
    prices_table,
)
from tests.checks import check_answer
from tests.market.strategies import markets, payers_of_active_power


@settings(max_examples=8)
@given(markets())
def test_the_tables_pay_what_the_model_pays(market):
    m = market.model()
    result = dlmp.solve_bilevel(m, gap=1e-3)
    assert result.status == "optimal", result
    check_answer(m, result)
    dispatch = dispatch_table(m.dso, market.network)
    paid = payments_table(prices_table(m.dso), dispatch, market.network, 1.0)["value"].sum()
    assert paid == pytest.approx(result.objective, rel=1e-5, abs=1e-5)
    used = dispatch.query("kind == 'datacenter' and quantity == 'active' and phase == ''")
    assert used["value"].sum() == pytest.approx(market.work, abs=1e-6)
    decomposition_table(m.dso)  # raises where the parts miss a dual


@pytest.mark.large
@settings(max_examples=8)
@given(payers_of_active_power())
def test_paying_for_active_power_alone_against_a_grid(market):
    """Proved ranges of prices must cut nothing off: no schedule of a grid beats the bound."""
    m = market.model("active")
    result = dlmp.solve_bilevel(m, gap=1e-3)
    assert result.status == "optimal" and result.audit.passed
    dc, bus, best = m.dso.datacenter["dc"], m.dso.bus["end"], float("inf")
    top = market.network.datacenters["dc"].kw / 1000
    for p0 in np.linspace(max(0.0, market.work - top), min(top, market.work), 41):
        dc.p[0].set_value(p0)
        dc.p[1].set_value(market.work - p0)
        dlmp.solve_opf(m.dso)
        best = min(best, sum(m.dso.dual[bus.balance_p[phase, t]] * dc.p[t].value / 3
                             for phase in "abc" for t in (0, 1)))
    assert result.bound <= best + 1e-6 * (1 + abs(best))
    assert result.objective <= best + 1.1e-3 * abs(best)
