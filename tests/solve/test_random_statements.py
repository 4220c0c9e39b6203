"""Random integer leaders with two statements each, against every decision they have."""

import itertools
import random

import pyomo.environ as pyo
import pytest
from pyomo.gdp import Disjunct, Disjunction
from pyomo.mpec import Complementarity, complements

import pyomo_dlmp as dlmp

GRID = list(itertools.product(range(5), repeat=2))


def disjunction(m, r):
    """Some of two or three groups of rows holds."""
    groups = [[([r.randint(-2, 2) for _ in range(3)], r.randint(-4, 8))
               for _ in range(r.randint(1, 2))] for _ in range(r.randint(2, 3))]
    terms = (m.x[0], m.x[1], m.low.y)

    def rows(group):
        return [sum(c * v for c, v in zip(cs, terms, strict=True)) <= rhs
                for cs, rhs in group if any(cs)] or [m.x[0] >= 0]

    m.either = Disjunction(expr=[rows(group) for group in groups], xor=r.choice([True, False]))
    return lambda x, y: any(all(
        sum(c * v for c, v in zip(cs, (*x, y), strict=True)) <= rhs
        for cs, rhs in group if any(cs)) for group in groups)


def complementarity(m, r):
    p, q = r.randint(0, 2), r.randint(2, 4)
    m.pair = Complementarity(expr=complements(m.x[0] >= p, m.x[1] <= q))
    return lambda x, y: x[0] >= p and x[1] <= q and (x[0] == p or x[1] == q)


def mixed_complementarity(m, r):
    m.mixed = Complementarity(expr=complements(pyo.inequality(1, m.x[0], 3), m.x[1] - 2))
    return lambda x, y: 1 <= x[0] <= 3 and (
        x[1] == 2 or (x[0] == 1 and x[1] > 2) or (x[0] == 3 and x[1] < 2))


def sos1(m, r):
    m.one = pyo.SOSConstraint(var=m.x, sos=1)
    return lambda x, y: 0 in x


def sos2(m, r):
    """With its middle at zero only one of the outer two may be positive, each at most 3."""
    m.w = pyo.Var([0, 1, 2], bounds=(0, 3))
    m.two = pyo.SOSConstraint(var=m.w, sos=2)
    m.sum = pyo.Constraint(expr=m.w[0] + m.w[1] + m.w[2] == m.x[0] + m.x[1])
    m.middle = pyo.Constraint(expr=m.w[1] == 0)
    return lambda x, y: sum(x) <= 3


def pieces(m, r):
    v, least = [r.randint(-3, 3) for _ in range(3)], r.randint(-3, 2)
    m.z = pyo.Var(bounds=(-9, 9))
    m.f = pyo.Piecewise(m.z, m.x[0], pw_pts=[0, 2, 4], f_rule=v, pw_constr_type="EQ",
                        pw_repn=r.choice(["SOS2", "DCC", "INC", "BIGM_SOS1"]),
                        warn_domain_coverage=False)
    m.least = pyo.Constraint(expr=m.z >= least)
    return lambda x, y: (v[0] + (v[1] - v[0]) * x[0] / 2 if x[0] <= 2
                         else v[1] + (v[2] - v[1]) * (x[0] - 2) / 2) >= least


def logic(m, r):
    m.high, m.low_x = Disjunct([0, 1]), Disjunct([0, 1])
    for i in (0, 1):
        m.high[i].row = pyo.Constraint(expr=m.x[i] >= 3)
        m.low_x[i].row = pyo.Constraint(expr=m.x[i] <= 2)
    m.each = Disjunction([0, 1], rule=lambda m, i: [m.high[i], m.low_x[i]])
    exactly = r.random() < 0.5
    m.rule = pyo.LogicalConstraint(expr=pyo.exactly(
        1, m.high[0].indicator_var, m.high[1].indicator_var) if exactly
        else m.high[0].indicator_var.implies(m.low_x[1].indicator_var))
    return lambda x, y: ((x[0] >= 3) + (x[1] >= 3) == 1) if exactly else min(x) <= 2


STATEMENTS = [disjunction, complementarity, mixed_complementarity, sos1, sos2, pieces, logic]


def problem(seed):
    """(model, its optimum over all decisions, None where there is none)."""
    r = random.Random(seed)
    a, b = [r.randint(-2, 2) for _ in range(2)], r.randint(-4, 2)
    cost = [r.randint(-3, 3) for _ in range(3)]
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], domain=pyo.Integers, bounds=(0, 4))
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var(bounds=(0, 20))
    m.low.row = pyo.Constraint(expr=m.low.y - a[0] * m.x[0] - a[1] * m.x[1] >= b)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.goal = pyo.Objective(expr=cost[0] * m.x[0] + cost[1] * m.x[1] + cost[2] * m.low.y)
    allowed = [add(m, r) for add in r.sample(STATEMENTS, 2)]
    best = None
    for x in GRID:
        y = max(0, a[0] * x[0] + a[1] * x[1] + b)
        if all(holds(x, y) for holds in allowed):
            value = cost[0] * x[0] + cost[1] * x[1] + cost[2] * y
            best = value if best is None else min(best, value)
    return m, best


@pytest.mark.parametrize("seed", range(30))
def test_against_every_decision(seed):
    m, best = problem(seed)
    result = dlmp.solve_bilevel(m, explain=False)
    if best is None:
        assert result.status == "infeasible"
    else:
        assert result.status == "optimal" and result.objective == pytest.approx(best, abs=1e-4)
        assert dlmp.audit(m).passed
