"""Work and tariffs that are set later are as if the aggregator had been built with them."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.market import Interactive, Job, Servers, Workload
from tests.models import bilevel, feeder

SITE = dlmp.Datacenter(name="dc", bus="end", kw=900, floor=0.0)
PRICE = [30.0, 50.0, 40.0]


def rows_of(m):
    """{row: ({Var: coefficient}, low, high)} of the upper level."""
    reader, found = RowReader(), {}
    for row in m.dca.component_data_objects(pyo.Constraint, active=True):
        linear, low, high = reader.read(row)
        found[row.name] = ({reader.var_map[i].name: c for i, c in linear.items()}, low, high)
    return found


def check_same(m, fresh):
    here, there = rows_of(m), rows_of(fresh)
    assert here.keys() == there.keys()
    for name, (linear, *limits) in there.items():
        assert here[name][0] == pytest.approx(linear, rel=1e-12)
        assert here[name][1:] == pytest.approx(limits, rel=1e-12)


def servers(job, rate):
    return Workload(
        jobs=(Job(name="train", server_hours=job, arrival=0, deadline=3),
              Job(name="whole", mwh=job / 5000, arrival=0, deadline=3, run_periods=2,
                       interruptible=False)),
        interactive=(Interactive(name="web", rate=rate),),
        servers=(Servers(site="dc", count=3000, idle_w=100, peak_w=200, pue=1.2,
                              service_rate=10, delay_s=0.5),))


def test_jobs_and_interactive_load():
    m = bilevel(feeder(SITE), servers(1500.0, [4000.0, 6000.0, 5000.0]), PRICE)
    fresh = bilevel(feeder(SITE), servers(1000.0, [4000.0, 3000.0, 5000.0]), PRICE)
    m.dca.job["train"].size.set_value(1.0)
    m.dca.job["whole"].size.set_value(0.2)
    m.dca.wanted["web", 1].set_value(3.0)
    check_same(m, fresh)


def test_energy_and_tariff():
    m = bilevel(feeder(SITE), 1.5, PRICE, "tariff", tariff=[20.0, 30.0, 25.0])
    fresh = bilevel(feeder(SITE), 1.1, PRICE, "tariff", tariff=[20.0, -5.0, 25.0])
    m.dca.energy_mwh.set_value(1.1)
    m.dca.tariff[1].set_value(-5.0)
    check_same(m, fresh)
    found = [dlmp.solve_bilevel(each, gap=1e-6).objective for each in (m, fresh)]
    assert found[0] == pytest.approx(found[1], rel=1e-6)
