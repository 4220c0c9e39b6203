"""The DSO of the 123-bus feeder below an aggregator: same audit as IEEE 37."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp

SITES = ("76", "48", "105")


def bilevel(name, sites, periods, energy, **options):
    net = dlmp.load_feeder(name).with_devices(*[
        dlmp.Datacenter(name=f"dc{i}", bus=bus, kw=300, floor=0.1) for i, bus in enumerate(sites)])
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(net, periods=periods, into=m.dso, **options)
    m.dca = dlmp.AggregatorBlock()
    m.dca.build(m.dso, energy)
    return m, net


def check_audited(result):
    assert result.status == "optimal" and result.audit.table()["passed"].all()


@pytest.mark.slow
def test_three_datacenters_for_a_day():
    price = [30 + 25 * (h > 7) + 15 * (17 <= h <= 20) for h in range(24)]
    scale = [0.5 + 0.5 * (h > 6) - 0.2 * (h > 21) for h in range(24)]
    m, _ = bilevel("ieee123", SITES, 24, 0.6 * 24 * 0.9, price=price, load_scale=scale, v_max=1.1)
    result = dlmp.solve_bilevel(m, solver="highs", gap=1e-3)
    check_audited(result)
    assert 500 < result.objective < 700 and result.gap <= 1e-3
