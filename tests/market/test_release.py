"""A result that has been written lets go of its model, of which a series would hold many."""

import weakref

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import Market, solve_market
from pyomo_dlmp.results import decomposition_table


@pytest.mark.parametrize("market", ["strategic", "cooperative"])
def test_a_result_lets_go_of_its_model(market):
    net = dlmp.load_feeder("ieee4_yy").with_devices(
        dlmp.Datacenter(name="dc", bus="n4", kw=500, floor=0.1))
    found = solve_market(market, Market(net, 0.6, {"periods": 2, "price": [30, 60]}))
    alone = decomposition_table(found.dso)
    pd.testing.assert_frame_equal(decomposition_table(found.dso, form=found.form), alone)
    pd.testing.assert_frame_equal(
        decomposition_table(found.dso, ["n4"], found.form),
        alone[alone["bus"] == "n4"].reset_index(drop=True))
    audit = None if found.solution is None else found.solution.audit
    before = None if audit is None else (audit.table(), audit.lowers[0].price_ranges(), repr(audit))
    model, status = weakref.ref(found.model), found.status
    found.release()
    assert model() is None and found.dso is None and found.status == status
    if audit is not None:
        pd.testing.assert_frame_equal(audit.table(), before[0])
        assert (audit.lowers[0].price_ranges(), repr(audit)) == before[1:] and audit.passed
