"""The AC equations, their solution and their prices, against the OpenDSS engine."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from tests.feeders import engine
from tests.library.ac_equations import Equations
from tests.library.ac_feeders import FEEDERS
from tests.library.ac_room import (
    check_adjoint_is_marginal_cost,
    check_newton_is_the_engine,
    check_second_order,
)

SHIPPED = ("ieee4_dy", "ieee4_gyd", "ieee4_oyod", "ieee4_oyod_unbal", "ieee4_yd", "ieee4_yy",
           "ieee13", "ieee34", "ieee37", "ieee123")
PRICED = ("ieee4_gyd", "ieee4_oyod_unbal", "ieee4_yy", "ieee13")  # the others: ac_prices.py
TINY = [name for name in FEEDERS if name != "tied_123"]
pytestmark = pytest.mark.usefixtures("the_engine")


@pytest.fixture
def the_engine():
    engine()


@pytest.mark.parametrize("name", SHIPPED)
def test_solution_of_a_shipped_feeder(name):
    check_newton_is_the_engine(dlmp.load_feeder(name))


@pytest.mark.parametrize("name", FEEDERS)
def test_solution_of_a_tiny_network(name):
    check_newton_is_the_engine(FEEDERS[name](devices_too=True))


@pytest.mark.parametrize("name", PRICED)
def test_prices_of_a_shipped_feeder(name):
    check_adjoint_is_marginal_cost(dlmp.load_feeder(name), tolerance=1e-3)


@pytest.mark.parametrize("name", TINY)
def test_prices_of_a_tiny_network(name):
    check_adjoint_is_marginal_cost(FEEDERS[name](devices_too=True), tolerance=5e-3)


@pytest.mark.parametrize("name", [*TINY, "ieee4_yy", "ieee4_gyd", "ieee4_oyod_unbal", "ieee13"])
def test_form_is_of_second_order(name):
    network = FEEDERS[name]() if name in FEEDERS else dlmp.load_feeder(name)
    check_second_order(network)


def test_ieee34_at_two_percent_more_load():
    whole, _, across = check_second_order(dlmp.load_feeder("ieee34"))
    assert whole < 5e-5 and not across


@pytest.mark.parametrize("name", TINY)
def test_equations_assembled_apart_from_the_package(name):
    """What the checks hold the form against is itself the engine's."""
    net = FEEDERS[name](devices_too=True)
    ac = dlmp.ac_power_flow(net)
    eq = Equations(net)
    given = [(leg, complex(p, q)) for device, legs in eq.legs.items()
             for leg, p, q in zip(legs, *ac.point.injections[device, 0], strict=True)]
    volts, currents = eq.power_flow(given)
    for bus in net.buses.values():
        v = np.array([volts[eq.node(bus.name, k)] if eq.node(bus.name, k) >= 0 else 0.0
                      for k in bus.conductors])
        if bus.phases == "abc" and bus.name not in eq.grounded:
            v = v - v[:3].mean()
        assert np.allclose(v, [ac.point.voltages[bus.name, k, 0] for k in bus.conductors],
                           rtol=0, atol=1e-7)
    apart = eq.bought(volts, currents) - sum(ac.point.source.values())
    assert abs(apart.real) < 1e-6
    assert abs(apart.imag) < 1e-5  # the engine's ideal open-delta regulator draws 4 var
