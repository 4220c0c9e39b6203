"""Markets on the same data, from no coordination to all of it.

    uncoordinated   the DCA minimises its bill at a tariff; the DSO takes its power as given
    price taker     the DCA responds to the last DLMPs again and again: it converges, or cycles
    strategic       the DCA foresees the DLMPs that its power causes (the bilevel model)
    equilibrium     several owners, each of whom foresees the DLMPs, respond to one another
    cooperative     one problem: the DSO's cost over its own and the DCA's decisions

and under contracts (`market.contracts`, `market.curtailment`), where what is paid beside energy is
data of the Market:

    demand charge    uncoordinated, and the peak beyond the month's peak so far is charged
    two-part tariff  uncoordinated, and subscribed power is charged, and what is beyond it
    two-part DLMP    strategic, with the same charges
    curtailable subscription    at a tariff; a share of the power may be curtailed by the DSO, and
                     the leader foresees how much (a bilevel model)

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
from pyomo_dlmp.market.ac_optima import cleared, look_around
from pyomo_dlmp.market.at_prices import payment_at_prices
from pyomo_dlmp.market.contracts import Contract
from pyomo_dlmp.market.data import Market, MarketResult, MarketRow
from pyomo_dlmp.market.dso import add_takers, bilevel_of, dso_of, in_ac
from pyomo_dlmp.market.equilibrium import solve_equilibrium
from pyomo_dlmp.market.market_checks import check_market
from pyomo_dlmp.market.owners import add_aggregators
from pyomo_dlmp.market.responses import (
    announce,
    apart,
    best_response,
    decisions_of,
    first_schedule,
    spread,
)
from pyomo_dlmp.opf.option_checks import AC_ALONE
from pyomo_dlmp.solve import check_keywords, solve_bilevel, solve_integer
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import GAP, ROW_HOLDS


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
    row = MARKETS[name]
    check_market(market, needs=row.contract)
    check_keywords(options)
    outcome = row.solve(market, **options)
    outcome.market = name
    return outcome


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


def foreseen(market: Market, contract: Contract | None = None, **options: Any) -> MarketResult:
    """The market of a leader that foresees the DSO's answer: prices, or curtailment.

    Parameters
    ----------
    market : Market
    contract : Contract, optional
        What it pays for beside its energy.
    **options
        Of `solve_bilevel`.

    Returns
    -------
    MarketResult
    """
    if in_ac(market):
        return solve_strategic_ac(market, _linear_answer(market, contract, **options),
                                  contract=contract, **options)
    m, _ = bilevel_of(market, contract=contract)
    solution = solve_bilevel(m, **options)
    paid = float("nan") if solution.objective is None else solution.objective
    return MarketResult("strategic", m.dso, paid, solution.status, solution=solution, model=m,
                        form=_form_of(m.dso, solution))


def _linear_answer(market: Market, contract: Contract | None,
                   **options: Any) -> MarketResult | None:
    """The same market in the linear form; None where that cannot hold the feeder, or not its loads.
    """
    opf = {key: v for key, v in market.opf.items() if key not in AC_ALONE}
    try:
        return foreseen(replace(market, opf=opf), contract, **options)
    except (ModelError, SolverError, BoundError, AuditError):
        return None


def _form_of(dso, solution: BilevelResult) -> Any:
    """The compiled DSO that the audit of a solution holds."""
    lowers = [] if solution.audit is None else solution.audit.lowers
    return next((a.kkt.form for a in lowers if a.kkt is not None and a.kkt.form.block is dso), None)


def at_a_tariff(market: Market, contract: Contract | None = None, **_: Any) -> MarketResult:
    """The market of a leader whose bill does not depend on what the DSO does.

    Parameters
    ----------
    market : Market
    contract : Contract, optional
        What it pays for beside its energy.

    Returns
    -------
    MarketResult
    """
    m, dso = bilevel_of(market, "tariff", contract=contract)
    best_response(m)
    spread(m)
    answer = cleared(dso, market.ac_starts)
    return MarketResult("uncoordinated", m.dso, pyo.value(m.dca.cost), Status.OPTIMAL, model=m,
                   note=said("pays the tariff; spread evenly where bills are equal", dso),
                   residual=answer.residual.relative, form=answer.kkt.form,
                   ac=ac_of(dso, pyo.value(m.dca.cost)))


def _price_taker(market: Market, progress: Callable | None = None, **_: Any) -> MarketResult:
    m, dso = bilevel_of(market)
    decisions = decisions_of(m)
    first_schedule(m)
    seen: list[list[float]] = []
    rounds = []
    status, note = Status.ROUNDS_USED_UP, f"did not converge in {market.max_rounds} rounds"
    for k in range(1, market.max_rounds + 1):
        here = [var.value for var in decisions]
        answer = dso.clear()
        announce(m)
        paid = pyo.value(m.dca.cost)
        best_response(m)
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
            (i for i, old in enumerate(seen) if apart(old, here) <= ROW_HOLDS), None)
        if change <= ROW_HOLDS or (market.averaged and content):
            if k < market.max_rounds and look_around(dso, market.ac_starts):
                seen = []  # other prices: the schedule again
                continue
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
    answer = cleared(dso, market.ac_starts)
    paid = payment_at_prices(m, market)
    return MarketResult("cooperative", m, paid, Status.OPTIMAL, said("", dso), model=m,
                   residual=answer.residual.relative, form=answer.kkt.form, ac=ac_of(dso, paid))


def _demand_charge(market: Market, **options: Any) -> MarketResult:
    return at_a_tariff(market, market.demand_charge, **options)


def _two_part_tariff(market: Market, **options: Any) -> MarketResult:
    return at_a_tariff(market, market.capacity_charge, **options)


def _two_part_dlmp(market: Market, **options: Any) -> MarketResult:
    return foreseen(market, market.capacity_charge, **options)


def _curtailable(market: Market, **options: Any) -> MarketResult:
    contract = market.curtailable
    assert contract is not None
    outcome = foreseen(replace(market, pays="tariff"), contract,
                       **{"search": "regions", **options})
    outcome.network = contract.extended(market).network
    return outcome


MARKETS: dict[str, MarketRow] = {row.name: row for row in (
    MarketRow("uncoordinated", at_a_tariff, pays="tariff"),
    MarketRow("price taker", _price_taker),
    MarketRow("strategic", foreseen, foresees=True),
    MarketRow("equilibrium", solve_equilibrium, foresees=True),
    MarketRow("cooperative", _cooperative, least_cost=True),
    MarketRow("demand charge", _demand_charge, pays="tariff", contract="demand_charge"),
    MarketRow("two-part tariff", _two_part_tariff, pays="tariff", contract="capacity_charge"),
    MarketRow("two-part DLMP", _two_part_dlmp, foresees=True, contract="capacity_charge"),
    MarketRow("curtailable subscription", _curtailable, pays="tariff", foresees=True,
              contract="curtailable"),
)}
DEFAULT_MARKET = "strategic"
