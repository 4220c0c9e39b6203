"""One model, many numbers: the answers of `solve_bilevel`, without a value written."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.parametric import Instance
from tests.models import consumer, day_market


def with_numbers():
    """The consumer with a cost, a need and a bonus that change."""
    m = consumer()
    m.del_component("work")
    m.need = pyo.Param(initialize=5.0, mutable=True)
    m.work = pyo.Constraint(expr=m.d[0] + m.d[1] == m.need)
    m.bonus = pyo.Param(initialize=0.0, mutable=True)
    m.low.extra = pyo.Param(initialize=0.0, mutable=True)
    m.low.cost.set_value(m.low.cost.expr + m.low.extra * m.low.g[1, 0])
    m.pay.set_value(m.pay.expr - m.bonus * m.d[0])
    return m


def values(m):
    return [v.value for v in m.component_data_objects(pyo.Var)]


def change(m, k):
    m.need, m.bonus, m.low.extra = (3.0 + 0.7 * k, 2.0 * k, 5.0 * k)
    m.low.g[0, 1].setub(3.0 - 0.4 * k)


def check_point(m, answer) -> None:
    """Decisions, objective and duals are those of the lower levels solved there."""
    for var, value in zip(answer.columns, answer.decisions, strict=True):
        var.set_value(value, skip_validation=True)
    for block, lower in zip(lower_levels(m), answer.lowers, strict=True):
        assert lower.residual < 1e-8
        dlmp.solve_opf(block)
        assert [v.value for v in lower.columns] == pytest.approx(lower.x, abs=1e-6)
    assert answer.repriced == pytest.approx(answer.objective, rel=1e-9, abs=1e-9)


def test_changing_numbers_give_the_answers_of_whole_solves():
    m = with_numbers()
    instance = Instance(m)
    for k in range(4):
        change(m, k)
        before = values(m)
        answer = instance.solve(gap=1e-5)
        assert values(m) == before
        fresh = with_numbers()
        change(fresh, k)
        right = dlmp.solve_bilevel(fresh, gap=1e-5)
        assert answer.status == "optimal" and answer.gap <= 1e-5
        assert answer.objective == pytest.approx(right.objective, rel=1e-9)
        assert answer.bound == pytest.approx(right.bound, rel=1e-5)
        check_point(fresh, answer_on(fresh, answer))
    assert instance.atlas.counts["compiled"] == 1 and instance.atlas.counts["renewed"] == 3


def answer_on(m, answer):
    """The same answer with the Vars of another model."""
    def same(found):
        return [m.find_component(v.name) for v in found]

    return replace(answer, columns=same(answer.columns), lowers=[
        replace(lower, columns=same(lower.columns)) for lower in answer.lowers])


def test_a_feeder_is_repriced_from_arrays():
    m = day_market()
    answer = Instance(m).solve(gap=1e-5)
    assert answer.objective == pytest.approx(
        dlmp.solve_bilevel(day_market(), gap=1e-5).objective, rel=1e-8)
    assert answer.repriced == pytest.approx(answer.objective, rel=1e-9)
    assert max(lower.residual for lower in answer.lowers) < 1e-7
    known = [whether for _, whether in answer.known]
    assert len(known) == 4 and not all(known)


def test_a_problem_without_a_point_says_so():
    m = with_numbers()
    m.need = 20.0
    answer = Instance(m).solve()
    assert answer.status == "infeasible" and answer.decisions is None
    assert np.isnan(answer.objective) and upper_objective(m) is m.pay
