"""Weighted sums and quadratic forms are to Pyomo, and to us, what it would have written itself."""

import copy
import io
import pickle

import pyomo.environ as pyo
import pytest
from pyomo.core.expr import LinearExpression, SumExpression, differentiate
from pyomo.core.expr.visitor import identify_variables, replace_expressions
from pyomo.repn import generate_standard_repn
from pyomo.repn.quadratic import QuadraticRepnVisitor
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.bilevel.sums import SumReader
from pyomo_dlmp.expressions import QuadraticForm, WeightedSum, add_to, plus

ROWS = ((0, (0, 2), (2.0, -0.5)), (1, (1,), (3.0,)))


def model():
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1, 2], initialize={0: 1.5, 1: -2.0, 2: 0.25})
    m.k = pyo.Param(initialize=0.75, mutable=True)
    return m


def linear(m, coefs=(2.0, -1.0, 0.5)):
    x = tuple(m.x.values())
    return WeightedSum(coefs, x), LinearExpression(
        constant=0.0, linear_coefs=list(coefs), linear_vars=list(x))


def quadratic(m, factor):
    x = tuple(m.x.values())
    return QuadraticForm(ROWS, x, factor), SumExpression([
        (factor * x[i]) * LinearExpression(constant=0.0, linear_coefs=list(c),
                                           linear_vars=[x[j] for j in at])
        for i, at, c in ROWS])


def pairs(m):
    yield linear(m)
    yield quadratic(m, 1.0)
    yield quadratic(m, m.k * 2.0)


@pytest.mark.parametrize("which", range(3))
def test_pyomo_takes_it_for_its_own(which):
    m = model()
    ours, theirs = list(pairs(m))[which]
    assert str(ours) == str(theirs)
    assert ours() == theirs() == pytest.approx(pyo.value(ours + 0))
    assert ours.polynomial_degree() == theirs.polynomial_degree()
    assert {id(var) for var in identify_variables(ours)} == {id(var) for var in m.x.values()}
    for grown in (lambda e: e + m.k, lambda e: 1.0 - e, lambda e: m.k * e + m.x[0],
                  lambda e: sum([e, e, m.x[1]]), lambda e: -e / 4.0):
        assert str(grown(ours)) == str(grown(theirs))
    assert generate_standard_repn(ours).to_expression()() == pytest.approx(theirs())
    assert differentiate(ours, wrt=m.x[0]) == pytest.approx(differentiate(theirs, wrt=m.x[0]))
    swapped = replace_expressions(ours, {id(m.x[1]): m.x[2]})
    assert swapped() == pytest.approx(replace_expressions(theirs, {id(m.x[1]): m.x[2]})())


@pytest.mark.parametrize("through", [lambda m: m.clone(), copy.deepcopy,
                                     lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_have_vars_of_their_own(through):
    m = model()
    m.flow = pyo.Expression(expr=linear(m)[0])
    m.row = pyo.Constraint(expr=m.flow == 0)
    m.cost = pyo.Objective(expr=quadratic(m, m.k)[0])
    other = through(m)
    assert {id(var) for var in identify_variables(other.row.body)} == {
        id(var) for var in other.x.values()}
    other.x[0].set_value(7.0)
    other.k.set_value(1.0)
    assert type(other.flow.expr) is WeightedSum and type(other.cost.expr) is QuadraticForm
    assert pyo.value(other.flow) == pytest.approx(pyo.value(m.flow) + 2.0 * 5.5)
    assert pyo.value(other.cost) == pytest.approx(2.0 * 49 - 0.5 * 7 * 0.25 + 3.0 * 4)
    assert m.x[0].value == 1.5


@pytest.mark.parametrize("form", ["lp", "nl"])
def test_files_are_the_same(form):
    def written(which):
        m = model()
        m.row = pyo.Constraint(expr=linear(m)[which] + m.k <= 3)
        m.cost = pyo.Objective(expr=quadratic(m, m.k)[which] + linear(m)[which])
        out = io.StringIO()
        if form == "lp":
            from pyomo.repn.plugins.lp_writer import LPWriter
            LPWriter().write(m, out)
        else:
            from pyomo.repn.plugins.nl_writer import NLWriter
            NLWriter().write(m, out)
        return out.getvalue()
    assert written(0) == written(1)


@pytest.mark.parametrize("fixed", [None, 0, 2])
def test_our_reader_reads_it_as_pyomo_does(fixed):
    m = model()
    if fixed is not None:
        m.x[fixed].fix()
    whole = -3.0 * quadratic(m, m.k)[0] + linear(m)[0] + linear(m, (1.0, 1.0, -0.5))[0] + 4
    ours, theirs = (OrderedVarRecorder({}, {}, None) for _ in range(2))
    products, terms, constant = SumReader(ours).quadratic(whole)
    repn = QuadraticRepnVisitor({}, var_recorder=theirs).walk_expression(whole)
    assert list(ours.var_map) == list(theirs.var_map)
    assert constant == pytest.approx(repn.constant)
    assert terms == pytest.approx({k: c for k, c in repn.linear.items() if c})
    assert products == pytest.approx({k: c for k, c in repn.quadratic.items() if c})


def test_a_var_that_stands_twice_is_counted_twice():
    m = model()
    twice = WeightedSum((1.0, 2.5), (m.x[0], m.x[0]))
    reader = SumReader(OrderedVarRecorder({}, {}, None))
    for _ in range(2):  # the Var is new, and known
        assert reader.linear(twice) == ({id(m.x[0]): 3.5}, 0.0)
    assert reader.linear(WeightedSum((1.0, -1.0), (m.x[0], m.x[0]))) == ({}, 0.0)
    m.x[0].fix(2.0)
    assert SumReader(OrderedVarRecorder({}, {}, None)).linear(twice) == ({}, 7.0)


def test_periods_share_their_coefficients():
    m = model()
    m.net = pyo.Expression([0, 1, 2], initialize=0.0)
    x = list(m.x.values())
    add_to(m.net.values(), [2.0], [x])
    m.net[1].set_value(plus(m.net[1].expr, m.k))
    add_to(m.net.values(), [-1.0, 4.0], [x, x[::-1]])
    add_to(m.net.values(), [], [])
    one, two, three = (m.net[t].expr for t in m.net)
    assert one.coefs is three.coefs and one.coefs == (2.0, -1.0, 4.0)
    assert type(two) is SumExpression and type(two.args[0]) is WeightedSum
    assert pyo.value(one) == pytest.approx(1.5 + 4 * 0.25)
    assert pyo.value(two) == pytest.approx(-2.0 + 4 * -2.0 + 0.75)


def test_adding_nothing_or_a_number():
    m = model()
    one, _ = linear(m)
    assert plus(one, 0.0) is one
    assert pyo.value(plus(one, 2.0)) == pytest.approx(one() + 2.0)
    assert pyo.value(plus(m.k, one)) == pytest.approx(one() + 0.75)
