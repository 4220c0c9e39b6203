"""The AC OPF as a nonlinear program: its prices against differences of the engine."""

import pytest

from tests.feeders import engine
from tests.library.ac_differences import Probes, legs_of, soft_cost
from tests.library.ac_feeders import FEEDERS
from tests.library.ac_nlp import Limits, Nlp


@pytest.mark.parametrize("name", ["mesh", "four_wire", "delta_wye", "ungrounded"])
def test_prices_of_an_opf_are_marginal_costs(name):
    """At the dispatch that the NLP found, away from limits that bind."""
    engine()
    net = FEEDERS[name](devices_too=True)
    limits = Limits("soft", 0.9, 1.1)
    exact = Nlp(net, limits=limits).solve()
    assert not exact.outside
    legs = list(legs_of(net))
    probes = Probes(net, legs, 50.0, exact.dispatch[0],
                    penalty=lambda point: soft_cost(net, point, *limits[1:]))
    for leg in legs:
        for number, quantity in enumerate(("active", "reactive")):
            each = probes.difference(leg, quantity)
            assert not each.kink
            assert abs(each.value - exact.price(*leg)[number]) < 1e-3, (leg, quantity)
