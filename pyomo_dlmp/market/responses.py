"""The leader's own problem at prices that it takes as given, and what a market does around it."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.solve import solve_integer, solve_opf
from pyomo_dlmp.tolerances import ROUNDING


def decisions_of(m: Any) -> list:
    """VarData that the leader decides, in the order of its rows and payment.

    Parameters
    ----------
    m : ConcreteModel
        As of `bilevel_of`.

    Returns
    -------
    list of VarData
    """
    found = {id(v): v for v in m.dso.component_data_objects(pyo.Var, descend_into=pyo.Block)
             if not v.fixed and m.dso.is_upper(v)}
    own = {id(v): v for v in m.dca.component_data_objects(pyo.Var, descend_into=pyo.Block)}
    return list({**found, **own}.values())


def best_response(m: Any) -> None:
    """The DCA's own problem at fixed prices (or its tariff).

    Parameters
    ----------
    m : ConcreteModel
        As of `bilevel_of`.
    """
    m.dso.deactivate()
    try:
        whole = all(var.is_continuous() for var in m.dca.component_data_objects(
            pyo.Var, descend_into=pyo.Block))
        (solve_opf if whole else solve_integer)(m)
    finally:
        m.dso.activate()


def spread(m: Any) -> None:
    """Among schedules of the least bill, the most even one.

    Parameters
    ----------
    m : ConcreteModel
        As of `bilevel_of`, at a best response.
    """
    m.keep_bill = pyo.Constraint(
        expr=m.dca.cost.expr <= pyo.value(m.dca.cost) + ROUNDING * (1 + abs(pyo.value(m.dca.cost))))
    m.dca.cost.deactivate()
    m.even = pyo.Objective(expr=_unevenness(m))
    fixed = [var for var in decisions_of(m) if not var.is_continuous() and not var.fixed]
    for var in fixed:
        var.fix(round(var.value))
    try:
        m.dso.deactivate()
        solve_opf(m)
    finally:
        m.dso.activate()
        for name in ("keep_bill", "even"):
            m.del_component(name)
        m.dca.cost.activate()
        for var in fixed:
            var.unfix()


def _unevenness(m):
    return sum((dc.p[t] / max(dc.p[t].ub, ROUNDING)) ** 2 for dc in m.dso.datacenter.values()
               for t in m.dso.periods if m.dso.is_upper(dc.p[t]))


def first_schedule(m: Any) -> None:
    """The price taker begins with an even schedule.

    Parameters
    ----------
    m : ConcreteModel
        As of `bilevel_of`.
    """
    m.dca.cost.deactivate()
    m.even = pyo.Objective(expr=_unevenness(m))
    try:
        best_response(m)
    finally:
        m.del_component("even")
        m.dca.cost.activate()


def announce(m: Any) -> None:
    """Fix the Vars of the prices, which the DSO's problem has set to the duals that it found.

    Parameters
    ----------
    m : ConcreteModel
        As of `bilevel_of`.
    """
    for _, _, prices in m.dso.dual_vars():
        prices.fix()


def apart(one: list[float], other: list[float]) -> float:
    """Greatest difference of two lists of numbers.

    Parameters
    ----------
    one, other : list of float
        Of one length.

    Returns
    -------
    float
    """
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)
