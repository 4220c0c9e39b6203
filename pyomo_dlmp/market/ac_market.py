"""The strategic market in AC: the leader's problem at a point, the DSO's AC OPF, again.

At a point the bilevel problem is that of the linear form: rows that are linear, duals that are
prices. Its answer moves the point (`market.ac_leader`); where schedule, payment and voltages stand
still the leader's problem has the AC OPF's own prices and their own slopes. That is a fixed point,
not a proof of a global optimum in AC: the gap is that of the last linear problem, and
`market.ac_checks` samples moves of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.ac_opf.answer import answer_of
from pyomo_dlmp.ac_opf.differences import difference_quotients
from pyomo_dlmp.ac_opf.parts import price_parts
from pyomo_dlmp.market.ac_checks import cliff_of, count_broken, try_deviations
from pyomo_dlmp.market.ac_leader import Leader
from pyomo_dlmp.market.ac_optima import look_around, powers_of
from pyomo_dlmp.market.contracts import Contract
from pyomo_dlmp.market.data import Market, MarketResult
from pyomo_dlmp.market.dso import AcDso, LinearDso, bilevel_of
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.status import Status

ROUNDS = ["loop", "round", "voltage_change", "price_change", "schedule_change", "cost", "payment",
          "gap"]


@dataclass(repr=False)
class AcMarket:
    """What the AC form says of a market's answer.

    Attributes
    ----------
    rounds : DataFrame
        Columns `ROUNDS`: of the loop "leader" and of the last clearing, "dso"; voltage_change (pu),
        price_change ($/MWh), schedule_change (MW), cost of the DSO and payment ($), proven relative
        gap of the round's linear problem (nan: of a round that kept to the last one's regions).
    settled : bool
        Whether schedule, payment and voltages stood still, and the DSO's AC OPF settled.
    payment : float
        $, at AC prices at the answer.
    limits_broken : int
        Voltages beyond their limits by more than 1e-5 pu in AC.
    engine_difference : float
        Greatest difference of a voltage to the OpenDSS engine (pu).
    certificate, decomposition : DataFrame
        As of `AcOpf.certificate` and `ac_opf.parts.price_parts`.
    powers : dict of str to ndarray, shape (legs, periods), complex
        Of the devices at the answer (MVA, injected), by name: `Market.ac_starts` of others.
    cliff : DataFrame or None
        Columns element, period, quantity, value, unit; of each hour the payment at the answer and
        just beyond, of each site what one kW more or less costs. This and the following are of a
        leader that foresees the prices.
    payment_beyond : float
        $, at the prices just beyond the limits that bind (nan: there is no such jump).
    deviations : DataFrame or None
        Columns deviation, move, kw, payment, change ($), limits_broken; each in AC.
    payment_best_deviation : float
        $, the least of them (nan: none was tried).
    """

    rounds: pd.DataFrame
    settled: bool
    payment: float
    limits_broken: int
    engine_difference: float
    certificate: pd.DataFrame
    decomposition: pd.DataFrame
    powers: dict[str, np.ndarray]
    cliff: pd.DataFrame | None = None
    payment_beyond: float = float("nan")
    deviations: pd.DataFrame | None = None
    payment_best_deviation: float = float("nan")

    def __repr__(self) -> str:
        count = len(self.rounds)
        beyond = "" if np.isnan(self.payment_beyond) else (
            f", {self.payment_beyond:.6g} $ just beyond a limit")
        tried = "" if np.isnan(self.payment_best_deviation) else (
            f", best other schedule {self.payment_best_deviation:.6g} $")
        return (f"<AcMarket {'settled' if self.settled else 'NOT settled'} in {count} "
                f"round{'s' * (count != 1)}, paid {self.payment:.6g} ${beyond}{tried}, "
                f"{self.limits_broken} voltages beyond their limits>")


def ac_of(dso: Any, paid: float, before: Iterable[dict] = (), settled: bool = True) -> Any:
    """What the AC form says of an answer at which its DSO has been cleared.

    Parameters
    ----------
    dso : LinearDso or AcDso
    paid : float
        The payment ($).
    before : iterable of dict
        Rows of the leader's rounds.
    settled : bool
        Whether these ended.

    Returns
    -------
    AcMarket or None
        None in the linear form.
    """
    if not isinstance(dso, AcDso):
        return None
    answer = answer_of(dso.loop, dso.rounds)
    own = [dict(zip(("round", "voltage_change", "price_change", "cost"), row, strict=True),
                loop="dso") for row in dso.rounds]
    return AcMarket(
        rounds=pd.DataFrame([*before, *own], columns=ROUNDS), payment=paid,
        settled=bool(settled and dso.loop.settled), limits_broken=count_broken(dso.model),
        engine_difference=answer.engine_difference, certificate=_certificate(dso.loop, answer),
        decomposition=price_parts(dso.loop), powers=powers_of(dso.loop))


def _certificate(loop: Any, answer: Any) -> pd.DataFrame:
    """All prices beside the duals, and a sample of them beside differences of the engine."""
    place = ["bus", "phase", "period", "quantity"]
    return answer.certificate.merge(difference_quotients(loop), on=place, how="left")


def said(note: str, dso: LinearDso | AcDso) -> str:
    """A note with what was met while the DSO's problem was cleared."""
    return "; ".join(filter(None, (note, *dict.fromkeys(dso.notes))))


def solve_strategic_ac(market: Market, start: MarketResult | None, progress: Callable | None = None,
                       contract: Contract | None = None, **options: Any) -> MarketResult:
    """The strategic market in the AC form.

    Parameters
    ----------
    market : Market
        With ``opf["form"] == "ac"``.
    start : MarketResult or None
        An answer of the same market in another form: its schedule is the first; None: all
        datacenters at their floor.
    progress : callable, optional
        progress(stage, payment, bound).
    contract : Contract, optional
        As of `bilevel_of`.
    **options
        Of `solve_bilevel`.

    Returns
    -------
    MarketResult
        With `ac`.

    Raises
    ------
    SolverError
        If the AC equations have no solution, or no dispatch keeps hard limits.
    """
    if start is not None and any(dc.p[t].value is None for dc in start.dso.datacenter.values()
                                 for t in start.dso.periods):
        start = None  # it has no answer
    kw = None if start is None else {
        name: [KILO * dc.p[t].value for t in start.dso.periods]
        for name, dc in start.dso.datacenter.items()}
    tell = progress or (lambda *_: None)
    tell("AC model", None, None)
    m, dso = bilevel_of(market, start=kw, contract=contract)
    assert isinstance(dso, AcDso)
    for var in m.dso.declared_upper():
        same = None if start is None else start.model.find_component(var.name)
        if same is not None and same.value is not None:
            var.set_value(float(np.clip(same.value, *var.bounds)), skip_validation=True)
    loop = _run(Leader(m, dso, progress, options), market)
    status = Status.TIME_LIMIT if loop.out_of_time else loop.solution.status
    result = MarketResult("strategic", m.dso, float("nan"), status,
                          note=said(loop.note, dso), solution=loop.solution, model=m)
    if loop.solution.objective is None:
        return result
    result.form, result.paid = dso.loop.form, float(pyo.value(m.dca.cost))
    tell("AC certificate", result.paid, None)
    ac = result.ac = ac_of(dso, result.paid, loop.rounds, loop.settled)
    deadline = loop.deadline.anew()
    tell("one kW beside it", result.paid, None)
    cliff = cliff_of(m, dso, deadline)
    ac.cliff, ac.payment_beyond = cliff.table, cliff.beyond
    ac.deviations, left = try_deviations(m, dso, market, result.paid, deadline,
                                         lambda stage: tell(stage, result.paid, None))
    if cliff.left or left:
        result.note += (f"; the time limit left out {cliff.left} of the sites' moves by one kW and "
                        f"{left} of the deviations")
    if len(ac.deviations):
        ac.payment_best_deviation = float(ac.deviations["payment"].min())
    result.rounds = ac.rounds
    return result


def _run(leader: Leader, market: Market) -> Leader:
    """The leader's rounds, and again from a better optimum of the DSO's while there is one."""
    dso, tell = leader.dso, leader.progress or (lambda *_: None)
    leader.run(market.ac_rounds)
    while leader.solution.objective is not None:
        if not leader.cleared:
            tell("AC prices", None, None)
            dso.clear()
        tell("other optima of the DSO in AC", None, None)
        if leader.deadline.passed() or not look_around(dso, market.ac_starts):
            break
        again = Leader(leader.m, dso, leader.progress, {**leader.options, "atlas": leader.atlas})
        again.deadline = leader.deadline
        again.run(market.ac_rounds)
        if again.solution.objective is None:  # no time: the answer so far, at the better optimum
            dso.clear()
            leader.out_of_time = True
            break
        again.rounds = leader.rounds + again.rounds
        leader = again
    return leader
