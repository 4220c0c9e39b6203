"""Price problems: upper levels that use the duals of a lower level, as `Small` arrays.

Each is small enough for brute force: a grid over the upper Vars, the lower level solved at every
point by scipy, its best answer and duals taken by LPs. The optima lie on the grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tests.library.small import INF, Small


@dataclass
class PriceProblem:
    """A named `Small` and the number of grid points along each upper Var."""

    name: str
    small: Small
    points: int

    def model(self):
        """A fresh Pyomo model."""
        return self.small.model()


def _market(u_hi, balance, cost, cap, *, demand=0.0, pay=1.0, value=0.0, **more) -> Small:
    """Generators with costs and capacities meet demand + u (balance = -1) or u helps (+1)."""
    n = len(cost)
    market = Small(
        a=np.array([-value]), b=np.zeros(n), K=np.array([[pay]]), u_lo=np.zeros(1),
        u_hi=np.array([u_hi]), c=np.array(cost, float), A=np.ones((1, n)),
        B=np.array([[balance]]), lo=np.array([demand]), hi=np.array([demand]), lb=np.zeros(n),
        ub=np.array(cap, float), Q=np.zeros((n, n)), D=np.zeros((n, 1)))
    return replace(market, **more)


def strategic_consumer() -> Small:
    """Buys up to 4 MW worth 40 $/MWh each; steps of 10, 30 and 100 $/MWh; 1 MW of other demand."""
    return _market(4.0, -1.0, [10, 30, 100], [2, 3, INF], demand=1.0, value=40.0)


def strategic_producer() -> Small:
    """Sells up to 4 MW of its own at 5 $/MWh cost into a market of 4 MW: withholds."""
    return _market(
        4.0, 1.0, [20, 50, 200], [1, 2, INF], demand=4.0, pay=1.0, value=-5.0,
        K=np.array([[-1.0]]), u_lo=np.array([0.25]))


def producer_of_quadratic_costs() -> Small:
    """The same against rising marginal costs: the identity would be nonconvex."""
    return _market(
        4.0, 1.0, [10.0, 0.0], [INF, 0.0], demand=4.0, value=-2.0, K=np.array([[-1.0]]),
        Q=np.diag([4.0, 1.0]))


def consumer_of_quadratic_costs() -> Small:
    """A consumer worth 30 $/MWh on a convex marginal cost 10 + 4 g; optimum at u = 2.5."""
    return _market(4.0, -1.0, [10.0, 0.0], [INF, 0.0], value=30.0, Q=np.diag([4.0, 1.0]))


def two_followers() -> Small:
    """3 MWh to buy in two markets of their own (followers), 0.5 of it at least in the first."""
    return Small(
        a=np.array([-60.0]), b=np.zeros(6), K=np.array([[1.0], [-1.0]]), u_lo=np.array([0.5]),
        u_hi=np.array([3.0]), c=np.array([10.0, 40, 90, 20, 30, 80]),
        A=np.array([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]), B=np.array([[-1.0], [1.0]]),
        lo=np.array([0.0, 3.0]), hi=np.array([0.0, 3.0]), lb=np.zeros(6),
        ub=np.array([1.0, 1, INF, 1, 1, INF]), Q=np.zeros((6, 6)), D=np.zeros((6, 1)),
        follower=np.array([0, 0, 0, 1, 1, 1]))


def degenerate_price() -> Small:
    """At u = 2 both capacities are just used up: the price there is anything in [10, 60]."""
    return _market(3.0, -1.0, [10, 60], [2, INF], value=25.0)


def maximising_market() -> Small:
    """The follower maximises welfare; duals have the sign of a maximisation."""
    return _market(
        3.0, -1.0, [-12, -35, -90], [1, 1, INF], demand=1.0, value=40.0, sense=-1,
        K=np.array([[-1.0]]))


def ranged_row() -> Small:
    """A line of 1 MW between two nodes (a ranged row); the consumer sits behind it."""
    return Small(
        a=np.array([-70.0]), b=np.zeros(4), K=np.array([[1.0], [0.0], [0.0]]), u_lo=np.zeros(1),
        u_hi=np.array([3.0]), c=np.array([0.0, 10.0, 50.0, 200.0]),
        A=np.array([[1.0, 0, 1, 1], [-1, 1, 0, 0], [1, 0, 0, 0]]),
        B=np.array([[-1.0], [0.0], [0.0]]), lo=np.array([0.0, 0, -1]), hi=np.array([0.0, 0, 1]),
        lb=np.array([-5.0, 0, 0, 0]), ub=np.array([5.0, 4, 2, INF]), Q=np.zeros((4, 4)),
        D=np.zeros((4, 1)))


def price_of_a_right() -> Small:
    """The leader sells u MW of import right (row g <= u) at its shadow price, keeps 1 MW."""
    return Small(
        a=np.array([0.0]), b=np.zeros(2), K=np.array([[0.0], [1.0]]), u_lo=np.array([0.5]),
        u_hi=np.array([4.0]), c=np.array([10.0, 40.0]), A=np.array([[1.0, 1], [1, 0]]),
        B=np.array([[0.0], [-1.0]]), lo=np.array([3.0, -INF]), hi=np.array([3.0, 0.0]),
        lb=np.zeros(2), ub=np.array([4.0, INF]), Q=np.zeros((2, 2)), D=np.zeros((2, 1)))


def whole_blocks() -> Small:
    """A consumer of whole MW blocks."""
    return _market(4.0, -1.0, [10, 30, 100], [2, 1, INF], value=45.0, integer=np.array([True]))


def taxed_market() -> Small:
    """u is a tax in the follower's cost: an upper Var in the lower objective, prices not paid."""
    return _market(
        30.0, 0.0, [10, 30], [2, INF], demand=3.0, K=np.zeros((1, 1)), B=np.zeros((1, 1)),
        D=np.array([[1.0], [0.0]]), b=np.array([-8.0, 5.0]), a=np.array([-0.25]))


def part_of_the_price() -> Small:
    """Two hours, 3 MWh in all by u and 3 - u; only the first hour's price is paid."""
    return Small(
        a=np.array([-16.0]), b=np.zeros(4), K=np.array([[1.0], [0.0]]), u_lo=np.zeros(1),
        u_hi=np.array([3.0]), c=np.array([10.0, 50, 20, 60]),
        A=np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]), B=np.array([[-1.0], [1.0]]),
        lo=np.array([1.0, 3.0]), hi=np.array([1.0, 3.0]), lb=np.zeros(4),
        ub=np.array([2.5, INF, 2, INF]), Q=np.diag([4.0, 0.5, 0.5, 0.5]), D=np.zeros((4, 1)))


_ALL = (
    strategic_consumer, strategic_producer, producer_of_quadratic_costs,
    consumer_of_quadratic_costs, two_followers, degenerate_price, maximising_market, ranged_row,
    price_of_a_right, whole_blocks, taxed_market, part_of_the_price)


def price_problems() -> list[PriceProblem]:
    """All of this file."""
    problems = []
    for make in _ALL:
        small = make()
        span = float(small.u_hi[0] - small.u_lo[0])
        problems.append(PriceProblem(make.__name__, small, round(span / _step(span)) + 1))
    return problems


def _step(span: float) -> float:
    return 0.05 if span < 10 else 0.5
