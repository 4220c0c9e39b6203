"""What a prompt shows of a result is one line, the same on every machine."""

import pyomo.environ as pyo

import pyomo_dlmp as dlmp
from tests.library.small_day import small_day


def test_results_are_one_line_without_seconds():
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 2))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 5))
    m.low.row = pyo.Constraint(expr=m.low.y >= 1 + m.u)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.goal = pyo.Objective(expr=m.low.y - 2 * m.u)
    result = dlmp.solve_bilevel(m)
    assert repr(result) == (
        "<BilevelResult optimal: objective -1, bound -1, audit passed, on highs>")
    (level,) = result.audit.lowers
    assert repr(level.solution) == (
        "<LowerSolution cost 3, 1 variables, 0 equality rows, 3 pairs>")
    assert repr(level) == "<LowerAudit low, cost gap 0>"
    assert repr(result.audit) == "<Audit passed; objective -1>"
    assert repr(dlmp.tighten(m)) == "<ProvedBounds of low, 3 pairs; see table() and check()>"
    assert "lower-level problem" in dlmp.LowerLevel.__doc__
    assert "bus" in dlmp.blocks.BusBlock.__doc__


def test_a_market_is_one_line():
    market = small_day()
    result = dlmp.solve_market("strategic", market)
    assert repr(result) == (f"<MarketResult strategic, optimal, paid {result.paid:.6g} $, "
                            f"{result.solution!r}>")
    taker = repr(dlmp.solve_market("price taker", market))
    assert taker.startswith("<MarketResult price taker, optimal, paid ") and len(taker) < 80
    assert len(repr(market)) < 500
