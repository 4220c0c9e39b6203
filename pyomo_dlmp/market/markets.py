"""Markets on the same data, from no coordination to all of it.

    uncoordinated   the DCA minimises its bill at a tariff; the DSO takes its power as given
    price taker     the DCA responds to the last DLMPs again and again: it converges, or cycles
    strategic       the DCA foresees the DLMPs that its power causes (the bilevel model)
    equilibrium     several owners, each of whom foresees the DLMPs, respond to one another
    cooperative     one problem: the DSO's cost over its own and the DCA's decisions

Payments between them are transfers, and the work done is the same, so the DSO's cost is the social
cost; the price of anarchy is a market's cost over the cooperative one. At equal bills the
uncoordinated DCA spreads its power evenly: least sum of squared utilisations (stated, not solved).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.auditing import BilevelResult
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.errors import (
    AuditError,
    BoundError,
    ModelError,
    SolverError,
    nearest,
    require_kind,
    shown,
)
from pyomo_dlmp.market.ac_market import ac_of, said, solve_strategic_ac
from pyomo_dlmp.market.data import Market, MarketResult, MarketRow
from pyomo_dlmp.market.dso import add_takers, bilevel_of, dso_of, in_ac
from pyomo_dlmp.market.equilibrium import solve_equilibrium
from pyomo_dlmp.market.market_checks import check_market
from pyomo_dlmp.market.owners import add_aggregators
from pyomo_dlmp.opf.option_checks import AC_ALONE
from pyomo_dlmp.solve import check_keywords, solve_bilevel, solve_integer, solve_opf
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import GAP, ROUNDING, ROW_HOLDS


@renamed_arguments(reuse="atlas", cache="atlas")
def solve_market(name: str, market: Market, **options: Any) -> MarketResult:
    """Solve one of `MARKETS`.

    Parameters
    ----------
    name : str
        A name of `MARKETS`.
    market : Market
        Its data.
    **options
        Of `solve_bilevel` (solver, gap, time_limit, progress, atlas); `starts` and `max_rounds`
        instead of the market's.

    Returns
    -------
    MarketResult

    Raises
    ------
    ModelError
        If the name or an option is unknown, or data of the market are wrong: all of them at once.
    """
    if not (isinstance(name, str) and name in MARKETS):
        raise ModelError.at("market", f"{shown(name)} is unknown", nearest(name, MARKETS))
    require_kind(market, Market, "solve_market")
    own = {key: options.pop(key) for key in ("starts", "max_rounds") if key in options}
    market = replace(market, **own)
    check_market(market)
    check_keywords(options)
    return MARKETS[name].solve(market, **options)


def register_market(row: MarketRow) -> None:
    """Add a row to the table of markets, for this process.

    Parameters
    ----------
    row : MarketRow
        With a name of its own.

    Raises
    ------
    ModelError
        If the name is taken.
    """
    require_kind(row, MarketRow, "register_market")
    if row.name in MARKETS:
        raise ModelError.at(f"market {row.name!r}", "exists already", "Give it another name.")
    MARKETS[row.name] = row


def build_bilevel(market: Market, pays: str | None = None) -> Any:
    """The bilevel model of a market.

    Parameters
    ----------
    market : Market
        Its data.
    pays : str, optional
        What the leader pays for, instead of the market's `pays`.

    Returns
    -------
    ConcreteModel
        With LowerLevel `dso` (and its price takers) under AggregatorBlock `dca`. In the AC form it
        is linear at a first operating point; `solve_market` finds the right one.

    Raises
    ------
    ModelError
        If the data are wrong; it lists every fault. Also errors of the OPF and of the aggregators.
    """
    require_kind(market, Market, "build_bilevel")
    check_market(market)
    return bilevel_of(market, pays)[0]


def _strategic(market: Market, **options: Any) -> MarketResult:
    if in_ac(market):
        return solve_strategic_ac(market, _linear_answer(market, **options), **options)
    m = build_bilevel(market)
    solution = solve_bilevel(m, **options)
    paid = float("nan") if solution.objective is None else solution.objective
    return MarketResult("strategic", m.dso, paid, solution.status, solution=solution, model=m,
                        form=_form_of(m.dso, solution))


def _linear_answer(market: Market, **options: Any) -> MarketResult | None:
    """The same market in the linear form; None where that cannot hold the feeder, or not its loads.
    """
    opf = {key: v for key, v in market.opf.items() if key not in AC_ALONE}
    try:
        return _strategic(replace(market, opf=opf), **options)
    except (ModelError, SolverError, BoundError, AuditError):
        return None


def _form_of(dso, solution: BilevelResult) -> Any:
    """The compiled DSO that the audit of a solution holds."""
    lowers = [] if solution.audit is None else solution.audit.lowers
    return next((a.kkt.form for a in lowers if a.kkt is not None and a.kkt.form.block is dso), None)


def _uncoordinated(market: Market, **_: Any) -> MarketResult:
    m, dso = bilevel_of(market, "tariff")
    _best_response(m)
    _spread(m)
    answer = dso.clear()
    return MarketResult("uncoordinated", m.dso, pyo.value(m.dca.cost), Status.OPTIMAL, model=m,
                   note=said("pays the tariff; spread evenly where bills are equal", dso),
                   residual=answer.residual.relative, form=answer.kkt.form,
                   ac=ac_of(dso, pyo.value(m.dca.cost)))


def _price_taker(market: Market, progress: Callable | None = None, **_: Any) -> MarketResult:
    m, dso = bilevel_of(market)
    decisions = _decisions(m)
    _first_schedule(m)
    seen: list[list[float]] = []
    rounds = []
    status, note = Status.ROUNDS_USED_UP, f"did not converge in {market.max_rounds} rounds"
    for k in range(1, market.max_rounds + 1):
        here = [var.value for var in decisions]
        answer = dso.clear()
        _announce(m)
        paid = pyo.value(m.dca.cost)
        _best_response(m)
        content = abs(paid - pyo.value(m.dca.cost)) <= GAP * max(1.0, abs(paid))
        if market.averaged:
            for var, old in zip(decisions, here, strict=True):
                var.set_value(old + (var.value - old) / k, skip_validation=True)
        change = max((abs(var.value - old) for var, old in zip(decisions, here, strict=True)),
                     default=0.0)
        rounds.append((k, paid, change))
        if progress is not None:
            progress(f"round {k}", paid, None)
        back = None if market.averaged else next(
            (i for i, old in enumerate(seen) if _apart(old, here) <= ROW_HOLDS), None)
        if change <= ROW_HOLDS or (market.averaged and content):
            status, note = Status.OPTIMAL, f"converged in {k} rounds"
            break
        if back is not None:
            members = [paid for _, paid, _ in rounds[back:-1]]
            status = Status.CYCLES
            note = (f"cycles through {len(seen) - back} schedules without end; payments "
                    f"{min(members):.2f} to {max(members):.2f} $; the last one is shown")
            break
        seen.append(here)
    for var, old in zip(decisions, here, strict=True):  # what the last prices are of
        var.set_value(old, skip_validation=True)
    table = pd.DataFrame(rounds, columns=["round", "payment", "change"])
    return MarketResult("price taker", m.dso, rounds[-1][1], status, said(note, dso), table,
                   model=m, residual=answer.residual.relative, form=answer.kkt.form,
                   ac=ac_of(dso, rounds[-1][1], settled=status == Status.OPTIMAL))


def _cooperative(market: Market, **_: Any) -> MarketResult:
    dso = dso_of(market, price_takers=list(market.network.datacenters))
    m = dso.model
    add_takers(m, market)
    add_aggregators(m, m, market, price_taker=True)
    if m.dca.binaries:
        if in_ac(market):
            dso.clear()  # relaxed, for a point near the answer
        solve_integer(m)
        for var in m.component_data_objects(pyo.Var, descend_into=pyo.Block):
            if not var.is_continuous():
                var.fix(round(var.value))
    answer = dso.clear()
    return MarketResult("cooperative", m, float("nan"), Status.OPTIMAL, said("", dso), model=m,
                   residual=answer.residual.relative, form=answer.kkt.form,
                   ac=ac_of(dso, float("nan")))


MARKETS: dict[str, MarketRow] = {row.name: row for row in (
    MarketRow("uncoordinated", _uncoordinated, pays="tariff"),
    MarketRow("price taker", _price_taker),
    MarketRow("strategic", _strategic, foresees=True),
    MarketRow("equilibrium", solve_equilibrium, foresees=True),
    MarketRow("cooperative", _cooperative, least_cost=True),
)}
DEFAULT_MARKET = "strategic"


def _decisions(m) -> list:
    """VarData that the leader decides, in the order of its rows and payment."""
    found = {id(v): v for v in m.dso.component_data_objects(pyo.Var, descend_into=pyo.Block)
             if not v.fixed and m.dso.is_upper(v)}
    own = {id(v): v for v in m.dca.component_data_objects(pyo.Var, descend_into=pyo.Block)}
    return list({**found, **own}.values())


def _best_response(m) -> None:
    """The DCA's own problem at fixed prices (or its tariff)."""
    m.dso.deactivate()
    try:
        whole = all(var.is_continuous() for var in m.dca.component_data_objects(
            pyo.Var, descend_into=pyo.Block))
        (solve_opf if whole else solve_integer)(m)
    finally:
        m.dso.activate()


def _spread(m) -> None:
    """Among schedules of the least bill, the most even one."""
    m.keep_bill = pyo.Constraint(
        expr=m.dca.cost.expr <= pyo.value(m.dca.cost) + ROUNDING * (1 + abs(pyo.value(m.dca.cost))))
    m.dca.cost.deactivate()
    m.even = pyo.Objective(expr=_unevenness(m))
    fixed = [var for var in _decisions(m) if not var.is_continuous() and not var.fixed]
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


def _first_schedule(m) -> None:
    """The price taker begins with an even schedule."""
    m.dca.cost.deactivate()
    m.even = pyo.Objective(expr=_unevenness(m))
    try:
        _best_response(m)
    finally:
        m.del_component("even")
        m.dca.cost.activate()


def _announce(m) -> None:
    """Fix the Vars of the prices, which the DSO's problem has set to the duals that it found."""
    for _, _, prices in m.dso.dual_vars():
        prices.fix()


def _apart(one: list[float], other: list[float]) -> float:
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)
