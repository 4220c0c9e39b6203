"""Sums read in one pass: the same numbers and columns as by Pyomo's own walker, or left to it."""

from random import Random

import pyomo.environ as pyo
import pytest
from pyomo.core.expr import LinearExpression
from pyomo.repn.quadratic import QuadraticRepnVisitor
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.bilevel.sums import SumReader


def model():
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var([1, 2, 3], initialize=2.0), pyo.Var(initialize=1.0)
    m.held = pyo.Var(initialize=-1.5)
    m.held.fix()
    m.k = pyo.Param(initialize=0.75, mutable=True)
    m.named = pyo.Expression(expr=m.x[2] - 4 * m.held + 1)
    return m


def affine(m, rng, depth=0):
    """A random affine expression of all the kinds that Pyomo's operators make."""
    def leaf():
        return rng.choice([m.x[rng.randint(1, 3)], m.y, m.held, m.k, m.named, 2.5,
                           m.k * m.x[1], -3 * m.y, 0 * m.x[3], m.k * m.held])
    if depth > 3:
        return leaf()
    a, b = affine(m, rng, depth + 1), affine(m, rng, depth + 1)
    return rng.choice([
        lambda: a + b, lambda: a - b, lambda: -a, lambda: 1.5 * b, leaf,
        lambda: LinearExpression(constant=2.0, linear_coefs=[1.0, -2.0],
                                 linear_vars=[m.x[1], m.y])])()


@pytest.mark.parametrize("seed", range(40))
def test_a_sum_is_read_as_pyomo_reads_it(seed):
    m, rng = model(), Random(seed)
    found = sum((affine(m, rng) * affine(m, rng) for _ in range(3)), affine(m, rng))
    found += affine(m, rng)**2 + m.y**2
    ours, theirs = (OrderedVarRecorder({}, {}, None) for _ in range(2))
    read = SumReader(ours).quadratic(found)
    repn = QuadraticRepnVisitor({}, var_recorder=theirs).walk_expression(found)
    assert list(ours.var_map) == list(theirs.var_map)
    quadratic, linear, constant = read
    assert constant == pytest.approx(repn.constant)
    assert linear == pytest.approx({k: c for k, c in repn.linear.items() if c})
    assert quadratic == pytest.approx({k: c for k, c in (repn.quadratic or {}).items() if c})


def test_what_is_no_plain_sum_is_left_to_pyomo():
    m = model()
    m.free = pyo.Param(mutable=True)
    m.empty = pyo.Var()
    m.empty.fix()
    reader = SumReader(OrderedVarRecorder({}, {}, None))
    for other in ((m.x[1] + m.y) / m.k, "x", None, pyo.exp(m.y), m.x[1] * m.y, m.free * m.y,
                  m.y + m.empty, float("nan") * m.y, m.y + float("inf")):
        assert reader.linear(other) is None
    assert reader.quadratic(m.y * m.x[1] * m.x[2]) is None
    assert reader.quadratic(float("inf") * (m.y * m.x[1])) is None


def test_a_sum_that_holds_itself_often_ends():
    m = model()
    whole = m.x[1] - m.y
    m.doubled = pyo.Expression(range(60), initialize=0.0)
    for i in range(60):  # 2^60 leaves
        whole = pyo.exp(0 * m.k) * (whole + whole)
        m.doubled[i].expr = 2 * m.y if i == 0 else m.doubled[i - 1] + m.doubled[i - 1]
    reader = SumReader(OrderedVarRecorder({}, {}, None))
    assert reader.linear(whole) is None and reader.linear(m.doubled[59]) is None
