"""Prices of an AC OPF are the central differences of the engine."""

import pyomo_dlmp as dlmp
from pyomo_dlmp.ac_opf.differences import difference_quotients
from tests.feeders import engine  # noqa: F401


def check_differences(name, **options):
    net = dlmp.load_feeder(name)
    end = [bus.name for bus in net.buses.values() if bus.phases == "abc"][-1]
    net = net.with_devices(dlmp.Generator(name="g", bus=end, kw_max=200, kvar_min=-100,
                                          kvar_max=100, cost=45, cost2=60))
    answer = dlmp.solve_ac_opf(net, price=[40.0, 55.0], periods=2, **options)
    found = difference_quotients(answer.loop, 6)
    both = found.merge(answer.certificate, on=["bus", "phase", "period", "quantity"])
    assert len(both) == 6
    apart = (both["difference_quotient"] - both["price"]).abs()
    assert (apart <= 1e-3 + 5e-5 * both["price"].abs()).all(), both


def test_where_limits_bind():
    check_differences("ieee13", v_min=0.97, hours=0.5)


def test_where_nothing_grounds_the_feeder():
    check_differences("ieee37")
