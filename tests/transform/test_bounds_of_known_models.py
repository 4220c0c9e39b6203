"""Textbook models whose bounds follow from networks, level sets, rows or caps."""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp


def solved(m, **options):
    """(status, objective) with big-M on HiGHS, where every bound must be proved."""
    result = dlmp.solve_bilevel(m, solver="highs", complementarity="bigm", search="single_level",
                                explain=False, **options)
    return result.status, result.objective


def flow(arcs, nodes, budget):
    """Interdiction of the greatest flow from the first node to the last; a row for each node."""
    m = pyo.ConcreteModel()
    m.hit = pyo.Var(list(arcs), domain=pyo.Binary)
    m.budget = pyo.Constraint(expr=sum(m.hit.values()) <= budget)
    m.low = low = dlmp.LowerLevel()
    low.f = pyo.Var(list(arcs), domain=pyo.NonNegativeReals)
    low.v = pyo.Var()
    low.cap = pyo.Constraint(list(arcs), rule=lambda b, i, j: (
        b.f[i, j] <= arcs[i, j] * (1 - m.hit[i, j])))
    low.con = pyo.Constraint(nodes, rule=lambda b, n: sum(
        b.f[k] for k in arcs if k[0] == n) - sum(b.f[k] for k in arcs if k[1] == n)
        == {nodes[0]: b.v, nodes[-1]: -b.v}.get(n, 0))
    low.most = pyo.Objective(expr=low.v, sense=pyo.maximize)
    m.least = pyo.Objective(expr=low.v)
    return m


def test_a_dependent_conservation_row():
    arcs = {("s", "a"): 5, ("s", "b"): 4, ("a", "b"): 2, ("a", "t"): 4, ("b", "t"): 6}
    assert solved(flow(arcs, list("sabt"), 1)) == ("optimal", pytest.approx(4.0, abs=1e-5))


def grid(width, height):
    """Arcs to the right and down, of capacity 1 + (number modulo 3)."""
    arcs = {}
    for i in range(width):
        for j in range(height):
            for to in ((i + 1, j), (i, j + 1)):
                if to[0] < width and to[1] < height:
                    arcs[10 * i + j, 10 * to[0] + to[1]] = 1 + len(arcs) % 3
    return arcs, [10 * i + j for i in range(width) for j in range(height)]


def test_a_network_with_too_many_bases():
    """No multiplier of a greatest flow exceeds 1, whatever the network."""
    arcs, nodes = grid(4, 5)
    m = flow(arcs, nodes, 1)
    table = dlmp.tighten(m, all_pairs=False).table()
    top = table.loc[table["state"] == "open", "multiplier_bound"]
    assert len(top) >= len(arcs) and np.isfinite(top).all() and top.max() <= 1.0 + 1e-3


def toll(flow_ub=None):
    """Two of eight roads pay; without tolls from s to t costs 5, the free road 13."""
    arcs = {"sa": ("s", "a", 2), "ab": ("a", "b", 1), "bt": ("b", "t", 2), "sc": ("s", "c", 3),
            "cd": ("c", "d", 1), "dt": ("d", "t", 2), "free": ("s", "t", 13), "bc": ("b", "c", 0)}
    m = pyo.ConcreteModel()
    m.t = pyo.Var(["ab", "cd"], bounds=(0, 20))
    m.low = low = dlmp.LowerLevel()
    low.f = pyo.Var(list(arcs), bounds=(0, flow_ub))
    low.bal = pyo.Constraint(list("sabcdt"), rule=lambda b, n: sum(
        b.f[k] for k, (i, *_) in arcs.items() if i == n) - sum(
        b.f[k] for k, (_, j, _) in arcs.items() if j == n) == {"s": 1, "t": -1}.get(n, 0))
    paid = m.t["ab"] * low.f["ab"] + m.t["cd"] * low.f["cd"]
    low.cost = pyo.Objective(expr=sum(c * low.f[k] for k, (*_, c) in arcs.items()) + paid)
    m.goal = pyo.Objective(sense=pyo.maximize, expr=paid)
    return m


def test_flows_without_bounds_are_bounded_by_their_rows():
    m = toll()
    assert solved(m) == ("optimal", pytest.approx(8.0, abs=1e-3))
    assert m.low.f["ab"].bounds == (0, None)  # lent while it was solved


def test_cournot_followers_are_in_a_level_set():
    """At Q = 0 each of two followers brings 4: the bound must hold that, and be of that size."""
    m = pyo.ConcreteModel()
    m.Q = pyo.Var(bounds=(0, 20))
    m.low = low = dlmp.LowerLevel()
    low.q = pyo.Var([1, 2], bounds=(0, None))
    price = 13 - (low.q[1] + low.q[2] + m.Q)
    low.gain = pyo.Objective(sense=pyo.maximize, expr=(price - 1) * (low.q[1] + low.q[2])
                             + low.q[1] * low.q[2])
    m.goal = pyo.Objective(expr=low.q[1] - m.Q)
    table = dlmp.tighten(m).table()
    assert table["slack_bound"].between(4.0, 20.0).all()
    assert table["multiplier_bound"].between(8.0, 100.0).all()  # q = 0 at Q = 20: 20 - 12
    assert solved(m) == ("optimal", pytest.approx(-20.0, abs=1e-4))


def test_integers_are_bounded_by_rows():
    m = pyo.ConcreteModel()
    m.x, m.k = pyo.Var(domain=pyo.Integers), pyo.Var(domain=pyo.Integers)
    m.low = low = dlmp.LowerLevel()
    low.y = pyo.Var()
    low.rows = pyo.ConstraintList()
    for row in (25 * m.x - 20 * low.y >= -30, m.x + 2 * low.y <= 10, 2 * m.x - low.y <= 15,
                2 * m.x + 10 * low.y >= 15):
        low.rows.add(row)
    low.cost = pyo.Objective(expr=low.y)
    m.whole = pyo.Constraint(expr=low.y == m.k)
    m.goal = pyo.Objective(expr=-m.x - 10 * low.y)
    assert solved(m) == ("optimal", pytest.approx(-18.0, abs=1e-5))


def shedding():
    """Two generators and shedding at 200; the leader's load pays nothing and likes high prices."""
    m = pyo.ConcreteModel()
    m.d = pyo.Var(bounds=(0, 12))
    m.low = low = dlmp.LowerLevel()
    low.g = pyo.Var([0, 1], bounds=(0, 5))
    low.shed = pyo.Var(bounds=(0, None))
    low.balance = pyo.Constraint(expr=low.g[0] + low.g[1] + low.shed == m.d)
    low.cost = pyo.Objective(expr=10 * low.g[0] + 30 * low.g[1] + 200 * low.shed)
    price = low.dual_of(low.balance)
    m.goal = pyo.Objective(sense=pyo.maximize, expr=price + m.d)
    return m, price


def test_a_price_cap_below_the_cost_of_shedding():
    """With the cap nothing is shed: at d = 10 the price is anything from 30 to 200."""
    m, price = shedding()
    m.cap = pyo.Constraint(expr=price <= 150)
    assert solved(m) == ("optimal", pytest.approx(160.0, abs=1e-3))


def test_a_bound_of_a_dual_var_is_a_row():
    """The multiplier of the dear generator is the price above 30."""
    m, price = shedding()
    price.setub(150)
    table = dlmp.tighten(m).table().set_index("pair")
    assert table.loc["g[1].upper", "multiplier_bound"] == pytest.approx(120.0, rel=1e-3)


def test_a_cap_on_one_of_two_prices_that_shift_alike():
    """Line and generator at their limits: only the row of the cap bounds the duals."""
    m = pyo.ConcreteModel()
    m.d = pyo.Var(bounds=(0, 4))
    m.low = low = dlmp.LowerLevel()
    low.g = pyo.Var(bounds=(0, 4))
    low.f = pyo.Var(bounds=(-9, 9))
    low.here = pyo.Constraint(expr=low.g - low.f == 0)
    low.there = pyo.Constraint(expr=low.f == m.d)
    low.cost = pyo.Objective(expr=10 * low.g)
    m.cap = pyo.Constraint(expr=low.dual_of(low.here) + 3 * m.d <= 62)
    m.goal = pyo.Objective(sense=pyo.maximize, expr=low.dual_of(low.there) + m.d)
    assert solved(m) == ("optimal", pytest.approx(54.0, abs=1e-3))  # d = 4: the price is 62 - 12


def test_an_affine_rule_where_no_constant_point_is_feasible():
    """x1 + x2 = u: x0 must follow u."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(-3, 5))
    m.low = low = dlmp.LowerLevel()
    low.x = pyo.Var([1, 2])
    low.sum = pyo.Constraint(expr=low.x[1] + low.x[2] == m.u)
    low.no_more = pyo.Constraint(expr=low.x[1] <= 1)
    low.cost = pyo.Objective(expr=low.x[1] ** 2 + 2 * (low.x[2] - 1) ** 2)
    m.goal = pyo.Objective(expr=low.x[1] - low.x[2])
    # at u = 5: x1 = 1 (its bound), x2 = 4
    assert solved(m) == ("optimal", pytest.approx(-3.0, abs=1e-4))
