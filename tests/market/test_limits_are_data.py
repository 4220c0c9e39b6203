"""Limits that are set later hold beside the others, and stay data after a solve."""

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import Job, Market, Workload, solve_market
from pyomo_dlmp.market.dso import bilevel_of
from pyomo_dlmp.network.devices import FRONT_END
from tests.models import bilevel, feeder


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("reactive", ["aggregator", "dso"])
def test_a_capacity_does_not_pass_the_rating_of_the_front_end(reactive, balanced):
    site = dlmp.Datacenter(name="dc", bus="end", kw=500, kva=800, reactive=reactive,
                           balanced=balanced)
    dc = bilevel(feeder(site), 0.3, [40.0, 50.0]).dso.datacenter["dc"]
    dc.capacity[0].set_value(0.7)
    dc.capacity[1].set_value(3.0)
    assert [dc.p[t].ub for t in (0, 1)] == pytest.approx([0.7, 0.8 * FRONT_END])
    if not balanced:
        assert [dc.leg_p[leg, 1].ub for leg in dc.legs] == pytest.approx(
            [0.8 * FRONT_END / 3] * 3)


def test_limits_of_a_market_hold_beside_a_capacity_that_is_set_later():
    site = dlmp.Datacenter(name="dc", bus="end", kw=900, floor=0.1)
    m, _ = bilevel_of(Market(feeder(site), 0.5, {"periods": 2, "price": [40.0, 50.0]},
                             limits_kw={"dc": (200.0, [500.0, 950.0])}))
    dc = m.dso.datacenter["dc"]
    assert [dc.p[t].bounds for t in (0, 1)] == [(0.2, 0.5), (0.2, 0.9)]
    for t, mw in ((0, 0.3), (1, 4.0)):
        dc.capacity[t].set_value(mw)
    assert [dc.p[t].bounds for t in (0, 1)] == [(0.2, 0.3), (0.4, 0.95)]


def test_a_solve_in_ac_leaves_limits_that_follow_the_capacity():
    site = dlmp.Datacenter(name="dc", bus="end", kw=900, floor=0.1)
    options = {"periods": 2, "price": [40.0, 50.0], "form": "ac"}
    model = solve_market("strategic", Market(feeder(site), 0.5, options, deviations=0)).model
    dc = model.dso.datacenter["dc"]
    dc.capacity[0].set_value(0.4)
    assert dc.p[0].bounds == pytest.approx((0.04, 0.4))
    assert dc.p[1].bounds == pytest.approx((0.09, 0.9))


def job(mwh, **more):
    return Workload(jobs=(Job(name="run", mwh=mwh, arrival=0, deadline=3, run_periods=2,
                              interruptible=False, **more),))


def test_a_job_without_pause_keeps_its_greatest_power():
    site = dlmp.Datacenter(name="dc", bus="end", kw=900)
    m = bilevel(feeder(site), job(0.4, kw_max=250.0), [30.0, 50.0, 40.0])
    assert dlmp.solve_bilevel(m).status == "optimal"
    m.dca.job["run"].size.set_value(0.6)  # 300 kW
    assert dlmp.solve_bilevel(m).status == "infeasible"
    with pytest.raises(dlmp.ModelError, match=r"job 'run'.*kw_max 250.*300"):
        bilevel(feeder(site), job(0.6, kw_max=250.0), [30.0, 50.0, 40.0])
