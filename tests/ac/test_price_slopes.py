"""What a leader sees of prices beside the operating point: values and slopes are those of AC."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.ac_opf.loop import AcLoop
from tests.library.ac_feeders import FEEDERS

NOISE = 1e-5  # $/MWh: the loop ends at changes of 1e-4


def settled(network, kw, **options):
    """A loop in a LowerLevel at the datacenters' powers (kW), and its prices as expressions."""
    model = pyo.ConcreteModel()
    model.dso = dlmp.LowerLevel()
    loop = AcLoop(network, into=model.dso, price=50.0, **options)
    prices = {name: model.dso.price_of(name, t=0) for name in kw}
    take(model, kw)
    loop.settle()
    assert loop.settled
    return model, loop, prices


def take(model, kw):
    for name, value in kw.items():
        model.dso.datacenter[name].p[0].set_value(value / 1e3)


def check_slopes(network, share=0.2, **options):
    """Halving a step of one datacenter divides the error of the linear model's prices by 3.5.

    The truth is another AC OPF; the error is that of the model at its old operating point.
    """
    base = {name: .5 * dc.kw for name, dc in network.datacenters.items()}
    first = next(iter(base))
    errors, model = [], None
    for part in (share, share / 2):
        moved = {**base, first: base[first] + part * network.datacenters[first].kw}
        _, _, truth = settled(network, moved, **options)
        model, loop, prices = settled(network, base, **options)
        before = {name: pyo.value(price) for name, price in prices.items()}
        take(model, moved)
        loop.solve_model()
        change = max(abs(pyo.value(truth[name]) - before[name]) for name in base)
        errors.append(max(abs(pyo.value(prices[name]) - pyo.value(truth[name])) for name in base))
        assert errors[-1] < max(.05 * change, NOISE), (errors, change)
    assert errors[1] < NOISE or errors[0] > 3.5 * errors[1], errors


@pytest.mark.parametrize("name", ["mesh", "four_wire", "delta_wye", "open_delta", "ungrounded",
                                  "service"])
def test_tiny_network(name):
    check_slopes(FEEDERS[name](devices_too=True), voltage_limits=None)


def test_ieee37_with_an_svg_and_a_generator():
    network = dlmp.load_feeder("ieee37").with_devices(
        dlmp.Datacenter(name="dc1", bus="730", kw=300),
        dlmp.Datacenter(name="dc2", bus="738", kw=200),
        dlmp.StaticVarGenerator(name="svg", bus="711", connection="delta", kvar=200),
        dlmp.Generator(name="g", bus="720", connection="delta", kw_max=300, cost=49, cost2=10,
                       kvar_min=-60, kvar_max=60))
    check_slopes(network)
