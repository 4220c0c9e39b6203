"""The DSO of the 123-bus feeder below an aggregator: same audit as IEEE 37."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.feeders import engine

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


def test_corrected_physics_serve_a_lower_level_too():
    """Prices of a bilevel whose DSO is exact at an AC point: loss parts in both, audit passed."""
    engine()
    net = dlmp.load_feeder("ieee13").with_devices(
        dlmp.Datacenter(name="dc0", bus="671", kw=300, floor=0.1))
    options = {"price": 50.0, "v_min": 0.9, "v_max": 1.1}
    first = dlmp.build_opf(net, datacenter_kw={"dc0": 180.0}, **options)
    point = dlmp.ac_power_flow(net, first).point
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(net, into=m.dso, losses="corrected", operating_point=point, **options)
    m.dca = dlmp.AggregatorBlock()
    m.dca.build(m.dso, 0.18)
    result = dlmp.solve_bilevel(m)
    check_audited(result)
    assert result.objective > 0.18 * 50 * 1.01
    report = dlmp.validation.ac_report(m.dso, net)
    active = report.prices[report.prices["quantity"] == "active"]
    assert (active["error"].abs() / active["ac"]).max() < 0.01
    assert m.dso.datacenter["dc0"].p[0].value == pytest.approx(0.18)
    assert report.voltages["error"].abs().max() < 1e-5  # solved at the point it was fitted to
