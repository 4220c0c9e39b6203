"""The audit sees that a point or a price is not the lower level's."""

import pyomo_dlmp as dlmp
from tests.models import consumer


def test_audit_sees_a_moved_decision():
    m = consumer()
    dlmp.solve_bilevel(m)
    assert dlmp.audit(m).passed
    m.low.g[0, 0].set_value(m.low.g[0, 0].value - 0.1, skip_validation=True)
    assert not dlmp.audit(m).passed


def test_audit_sees_a_moved_price():
    m = consumer()
    dlmp.solve_bilevel(m)
    m.low.dual[m.low.balance[0]] += 50.0  # far out of the price's interval [22, 30]
    assert not dlmp.audit(m).passed
