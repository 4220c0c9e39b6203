"""How the DSO's problem of a market is built and cleared: in the linear form, or true in AC.

Both have `model` and ``clear()``: the optimum at others' decisions, prices loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import NPV_MaxExpression, NPV_MinExpression

from pyomo_dlmp.ac.flows import operating_point
from pyomo_dlmp.ac.newton import AcState
from pyomo_dlmp.ac_opf import AcLoop
from pyomo_dlmp.bilevel import LowerLevel
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.point import point_of
from pyomo_dlmp.lower.solver import LowerSolution, LowerSolver, kkt_residual
from pyomo_dlmp.market.aggregator import AggregatorBlock
from pyomo_dlmp.market.contracts import Contract, Power, charged
from pyomo_dlmp.market.data import Market
from pyomo_dlmp.market.hard_limits import limit_faults
from pyomo_dlmp.market.owners import add_aggregators
from pyomo_dlmp.network.series import by_period
from pyomo_dlmp.network.units import KILO, mega
from pyomo_dlmp.opf import build_opf
from pyomo_dlmp.solve import solve_opf


def in_ac(market: Market) -> bool:
    """Whether a market's DSO uses the AC form."""
    return market.opf.get("form", "lindist") == "ac"


class LinearDso:
    """The linear form.

    Parameters
    ----------
    market : Market
    into : Block, optional
        As of `build_opf`.
    **more
        Further options of `build_opf`.

    Attributes
    ----------
    model : Block
    notes : list of str
        What was met while clearing.
    """

    def __init__(self, market: Market, into: Any = None, **more: Any):
        self.model = build_opf(market.network, into=into, **{**market.opf, **more})
        limit_power(self.model, market)
        self.notes: list[str] = []

    def clear(self) -> LowerSolution:
        """The optimum at the values of what others decide.

        Returns
        -------
        LowerSolution
            Values and duals are loaded.
        """
        try:
            return solve_opf(self.model)
        except SolverError as err:
            raise SolverError(limit_faults(self.model) or err.faults) from None


class AcDso:
    """The AC form and its loop.

    Parameters
    ----------
    market : Market
    into : Block, optional
        As of `build_opf`.
    start : mapping of str to sequence of float, optional
        kW of datacenters by period where the first operating point is; their floor otherwise.
    **more
        Further options of `build_opf`.

    Attributes
    ----------
    model : Block
    loop : AcLoop
    notes : list of str
        What was met while clearing.
    """

    def __init__(self, market: Market, into: Any = None,
                 start: Mapping[str, Any] | None = None, **more: Any):
        kw = {name: dc.floor * dc.kw for name, dc in market.network.datacenters.items()}
        options = {key: value for key, value in market.opf.items() if key != "form"}
        self.loop = AcLoop(market.network, into=into, **{
            **options, **more, "datacenter_kw": {**kw, **(start or {})}})
        self.model = self.loop.model
        limit_power(self.model, market)
        self.notes: list[str] = []
        self.rounds: list[tuple] = []  # of the last clearing, as of `AcLoop.settle`
        self.moved_on = 0  # times that a better local optimum was taken (`ac_optima`)
        self._kkt: KktSystem | None = None  # at the present point
        self._solver: LowerSolver | None = None  # of some point

    def clear(self) -> LowerSolution:
        """The AC OPF at the values of what others decide; see `LinearDso.clear`."""
        self._kkt = None
        rounds = self.rounds = self.loop.settle()
        if not self.loop.settled:
            self.notes.append(
                f"the DSO's AC OPF did not settle in {len(rounds)} rounds (voltages move by "
                f"{rounds[-1][1]:.1e} pu, prices by {rounds[-1][2]:.1e} $/MWh)")
        assert self.loop.solution is not None
        return self.loop.solution

    def step(self) -> tuple[float, float]:
        """One round alone: solve, AC power flow of the dispatch, the model at that point.

        Returns
        -------
        (float, float)
            Greatest change of a voltage (pu), and of a price ($/MWh).
        """
        self.solve()
        moved = self.loop.move()
        self.linearise()
        return moved

    def solve(self) -> LowerSolution:
        """The optimum of the model at its present point, which is not moved.

        Returns
        -------
        LowerSolution
            Values and duals are loaded.
        """
        if self.loop.form is None:
            return self.loop.solve_model()
        solution = self.solver().solve_here()
        solution.load()
        self.loop.solution = solution
        return solution

    def solver(self) -> LowerSolver:
        """The solver of `compiled`."""
        kkt = self.compiled()
        if self._solver is None or self._solver.kkt is not kkt:
            self._solver = LowerSolver(kkt)
        return self._solver

    def follow(self, solution: LowerSolution | None = None) -> tuple[float, float]:
        """AC power flow of a solution that is not this DSO's own clearing; its duals are taken.

        Where prices are not unique, as exactly at a limit, a solution of one's own has others than
        those that a leader counts on.

        Parameters
        ----------
        solution : LowerSolution, optional
            It is loaded; None: the values and duals that are loaded.

        Returns
        -------
        (float, float)
            As of `step`; the model's point stays.
        """
        if solution is None:
            solution = self._loaded()
        else:
            solution.load()
        self.loop.solution = solution
        return self.loop.move()

    def _loaded(self) -> LowerSolution:
        """The solution whose values and duals are loaded."""
        kkt = self.compiled()
        x, u, duals = point_of(kkt)
        assert duals is not None  # of a solved bilevel model
        y, mu = kkt.multipliers_from(x, u, duals)
        return LowerSolution(x, y, mu, kkt.form.cost(x, u), kkt_residual(kkt, x, u, y, mu), kkt)

    def _in_present_rows(self, solution: LowerSolution) -> LowerSolution:
        """A solution at `loop.state`, had before loads got bends that they have had since."""
        if self.compiled().form.rows is solution.kkt.form.rows:
            return solution
        self.linearise()
        solution.load()
        old, form = solution.kkt.form, self.compiled().form
        known = {id(x) for x in (*old.x, *old.rows)}
        for var in form.x:
            if id(var) not in known:
                var.set_value(0.0)
        for row in form.rows:
            if id(row) not in known:
                self.model.dual[row] = 0.0
        return self._loaded()

    def take(self, solution: LowerSolution | None = None) -> tuple[float, float]:
        """`follow`, and the power flow is the answer's.

        Parameters
        ----------
        solution : LowerSolution, optional
            As of `follow`.

        Returns
        -------
        (float, float)
            As of `follow`.
        """
        moved = self.follow(solution)
        self.loop.point = operating_point(self.loop.state, self.loop.labels)
        return moved

    def linearise(self) -> None:
        """Take the present power flow as the model's point."""
        self.loop.linearise()
        self._kkt = None

    def restore(self, state: AcState, solution: LowerSolution | None) -> None:
        """Stand again where a solution was had; what others decide has its values again.

        Parameters
        ----------
        state : AcState
            That `loop` had then.
        solution : LowerSolution or None
            `loop.solution` then; of an AC DSO that was solved.
        """
        assert solution is not None
        self.loop.state, self._kkt = state, None
        solution = self._in_present_rows(solution)
        self.take(solution)
        self.loop.linearise()
        solution.load()
        self._kkt = None

    def compiled(self) -> KktSystem:
        """The model at its present point, compiled: only rows that the point changes are read.

        Returns
        -------
        KktSystem
        """
        if self._kkt is None:
            self._kkt = self.loop.compiled()
        return self._kkt


def limit_power(dso: Any, market: Market) -> None:
    """Further limits of datacenters, on the Vars of their power.

    Where the least is above the most by rounding, as between a floor and a ramp, the most counts.

    Parameters
    ----------
    dso : Block
        Filled by `build_opf`.
    market : Market
        With `limits_kw`.
    """
    labels = list(dso.periods)
    for name, pair in market.limits_kw.items():
        dc = dso.datacenter[name]
        low, high = (by_period(values, labels, f"limits_kw of {name}") for values in pair)
        for t in labels:
            var = dc.p[t]
            most = NPV_MinExpression((var.upper, mega(high[t])))  # its own limits may be of Params
            var.setub(most)
            var.setlb(NPV_MinExpression((most, NPV_MaxExpression((var.lower, mega(low[t]))))))
            if not var.fixed:
                var.set_value(var.lb, skip_validation=True)


def dso_of(market: Market, into: Any = None, **more: Any) -> LinearDso | AcDso:
    """The DSO of a market in the form that its options ask for.

    Parameters
    ----------
    market : Market
    into : Block, optional
        As of `build_opf`.
    **more
        Further options of `build_opf`; `start` of an `AcDso`.

    Returns
    -------
    LinearDso or AcDso
    """
    if in_ac(market):
        return AcDso(market, into, **more)
    more.pop("start", None)
    return LinearDso(market, into, **more)


def bilevel_of(market: Market, pays: str | None = None,
               start: Mapping[str, Any] | None = None,
               contract: Contract | None = None) -> tuple[Any, LinearDso | AcDso]:
    """The bilevel model of a market, and its DSO.

    Parameters
    ----------
    market : Market
    pays : str, optional
        What the leader pays for, instead of the market's `pays`.
    start : mapping, optional
        As of `AcDso`.
    contract : Contract, optional
        What the leader pays for beside its energy.

    Returns
    -------
    (ConcreteModel, LinearDso or AcDso)
        With LowerLevel `dso` (and its price takers) under AggregatorBlock `dca`.
    """
    contract = contract or Contract()
    market = contract.extended(market)
    m = pyo.ConcreteModel(name=market.network.name)
    m.dso = LowerLevel()
    theirs = [site for sites, _ in market.takers.values() for site in sites]
    dso = dso_of(market, m.dso, start=start, price_takers=theirs)
    add_takers(m.dso, market)
    contract.limit(m.dso, market.network)
    add_aggregators(m, m.dso, market, pays or market.pays)
    contract.write(m, leaders_sites(m))
    return m, dso


def leaders_sites(m: Any) -> dict[str, Any]:
    """Blocks of the leader's datacenters.

    Parameters
    ----------
    m : ConcreteModel
        As of `bilevel_of`.

    Returns
    -------
    dict of str to DatacenterBlock
    """
    own = {k[0] for k in m.dca.pay_active}
    return {name: dc for name, dc in m.dso.datacenter.items() if name in own}


def power_of(m: Any) -> Power:
    """Powers of the leader's sites at the loaded values.

    Parameters
    ----------
    m : ConcreteModel
        As of `bilevel_of`.

    Returns
    -------
    Power
    """
    sites, labels = leaders_sites(m), list(m.dso.periods)
    curtailed, tariff = m.dso.component("curtailed"), m.dca.component("tariff")
    return Power(
        kw={s: np.array([KILO * pyo.value(dc.p[t]) for t in labels]) for s, dc in sites.items()},
        curtailed_kw={} if curtailed is None else {
            s: np.array([KILO * pyo.value(curtailed[s, t]) for t in labels]) for s in sites},
        capacity_kw={s: dc.device.kw for s, dc in sites.items()}, hours=m.dso.period_hours,
        tariff=np.array([0.0 if tariff is None else pyo.value(tariff[t]) for t in labels]))


def charged_at(m: Any) -> float:
    """What the leader is charged beside its energy ($), from the loaded powers alone.

    Parameters
    ----------
    m : ConcreteModel
        As of `bilevel_of`.

    Returns
    -------
    float
    """
    block = m.component("contract")
    return 0.0 if block is None else charged(block.terms, power_of(m))


def add_takers(dso: Any, market: Market) -> None:
    """Add a market's price takers to the DSO's problem.

    Parameters
    ----------
    dso : Block
        Filled by `build_opf`.
    market : Market
    """
    dso.taker = AggregatorBlock(list(market.takers))
    for name, (sites, workload) in market.takers.items():
        dso.taker[name].build(dso, workload, sites=sites, price_taker=True)
