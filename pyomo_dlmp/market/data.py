"""The data of a market, what comes of it, and a row of the table of markets."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from warnings import warn

import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.auditing import BilevelResult
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.market.contracts import Contract
from pyomo_dlmp.market.workload import Workload
from pyomo_dlmp.network import Network
from pyomo_dlmp.opf.flagged import CURE
from pyomo_dlmp.opf.voltage_penalties import broken_limits


@dataclass(frozen=True)
class Market:
    """The data of a market: the feeder, the leader's workload, the others, the DSO's options.

    Parameters
    ----------
    network : Network
        The feeder.
    workload : Workload or float, optional
        Of the leader; a float: MWh. None where there are owners.
    opf : mapping
        Keywords of `build_opf` (periods, hours, price ...).
    pays : str
        What the leader pays for: "active and reactive", "active" or "tariff".
    tariff : float or sequence of float
        In $/MWh, one number or one per period: what the uncoordinated DCA pays, and everyone if
        `pays` is "tariff".
    takers : mapping of str to (sites, Workload)
        Aggregators that are price takers in every market.
    owners : mapping of str to (sites, Workload)
        Instead of one leader, several: each has its own sites, work and payment (a float: MWh).
        They are rivals in the market "equilibrium", respond by themselves as price takers and at a
        tariff, and act as one in "strategic" (each with its own work).
    starts : int
        Schedules from which the search for an equilibrium begins.
    averaged : bool
        Whether the price taker moves by 1/k towards its best response in round k, instead of all
        the way.
    max_rounds : int
        Most rounds of the price taker, and of best responses from each start.
    ac_rounds : int
        Most rounds of the leader's loop in the AC form.
    deviations : int
        Moves of the answer in the AC form that are tried afterwards.
    seed : int
        Of these moves.
    limits_kw : mapping of str to (least, most)
        Limits of a datacenter's power (kW) beside its own, each a number or one per period: an
        outage, a flexible connection.
    demand_charge : DemandCharge, optional
        Of the market "demand charge".
    capacity_charge : CapacityCharge, optional
        Of the markets "two-part tariff" and "two-part DLMP".
    curtailable : Curtailable, optional
        Of the market "curtailable subscription".
    ac_starts : sequence of mapping
        `AcMarket.powers` of other answers: the DSO's AC OPF is solved from these, too.
    """

    network: Network
    workload: Workload | float | None = None
    opf: Mapping[str, Any] = field(default_factory=dict)
    pays: str = "active and reactive"
    tariff: Any = 50.0
    takers: Mapping[str, tuple[tuple[str, ...], Workload]] = field(default_factory=dict)
    averaged: bool = False
    max_rounds: int = 60
    ac_rounds: int = 8
    deviations: int = 20
    seed: int = 0
    limits_kw: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    owners: Mapping[str, tuple[tuple[str, ...], Workload | float]] = field(default_factory=dict)
    starts: int = 3
    demand_charge: Contract | None = None
    capacity_charge: Contract | None = None
    curtailable: Contract | None = None
    ac_starts: Sequence[Mapping[str, Any]] = ()

    @property
    def net(self) -> Network:
        """Older name of `network`."""
        warn("Market.net is now called Market.network", DeprecationWarning, stacklevel=2)
        return self.network


Market.__init__ = renamed_arguments(net="network")(Market.__init__)  # type: ignore[method-assign]


@dataclass(repr=False)
class MarketResult:
    """One market solved.

    Attributes
    ----------
    market : str
        Its name.
    dso : Block
        The DSO's problem, with values and duals.
    paid : float
        Payment by the market's own rule ($), a tariff or DLMPs (of the cooperative market: at its
        DLMPs, a transfer within the one problem); nan if nothing is paid.
    status : str
        One of `Status`.
    note : str
        How the solution was found, in words.
    rounds : DataFrame or None
        Of a price taker: columns round, payment ($), change (MW). Of a strategic market in the AC
        form: as of `AcMarket`. Of an equilibrium: columns start, round, owner, cost, bound, regret
        ($), change (MW).
    solution : BilevelResult or None
        Of a market that solves a bilevel model.
    model : ConcreteModel or None
        The whole model.
    residual : float or None
        Relative KKT residual (1) of the DSO's problem, in the other markets.
    tariff : float, sequence of float or None
        $/MWh, of a market that sets it; None: the Market's.
    form : LowerForm or None
        The DSO's problem as it was compiled for the solve, for what reads its rows afterwards.
    ac : AcMarket or None
        What the AC form says of its answer (`market.ac_market`).
    regret : DataFrame or None
        Of an equilibrium, its certificate: columns owner, cost ($, priced apart from the search),
        best_response_bound ($, proven: no other schedule of the owner costs less while the others
        keep theirs), regret (their difference, $).
    equilibria : DataFrame or None
        All distinct ones found: columns number (from 1, the answer), set (those of one number
        are joined by others: a flat valley, or a limit that owners share in many ways), owner,
        cost, regret ($), starts (how many led there). There may be others.
    network : Network or None
        The feeder, of a market that adds devices to it; None: the Market's.
    of : Market or None
        What was solved, for tables that need no more than the outcome.
    """

    market: str
    dso: Any
    paid: float
    status: str
    note: str = ""
    rounds: pd.DataFrame | None = None
    solution: BilevelResult | None = None
    model: Any = None
    residual: float | None = None
    tariff: Any = None
    form: Any = None
    ac: Any = None
    regret: pd.DataFrame | None = None
    equilibria: pd.DataFrame | None = None
    network: Network | None = None
    of: Market | None = None

    def __repr__(self) -> str:
        paid = "" if self.paid != self.paid else f", paid {self.paid:.6g} $"
        how = "" if self.solution is None else f", {self.solution!r}"
        warned = f", {self.warning}" if self.warning else ""
        return f"<MarketResult {self.market}, {self.status}{paid}{how}{warned}>"

    @property
    def warning(self) -> str:
        """Soft limits that its answer breaks, so that prices contain their penalty; "" if none.

        It names the limit that is broken furthest; "" too where the model was released.
        """
        found = self.solution is None or self.solution.objective is not None
        broken = broken_limits(self.dso) if found and self.dso is not None else None
        return "" if broken is None else f"WARNING: {broken} {CURE}"

    @property
    def dso_cost(self) -> float:
        """Cost of the DSO ($), where its model is not released.

        Payments are transfers: the price of anarchy of a market is its cost over that of the
        cooperative market.
        """
        return float(value(self.dso.cost))

    def release(self) -> None:
        """Let go of the model and its arrays; numbers, status and notes stay.

        A day of a feeder of thousands of buses holds a gigabyte, and a series of them all.
        """
        self.dso = self.model = self.form = None
        if self.solution is not None and self.solution.audit is not None:
            for lower in self.solution.audit.lowers:
                lower.release()
        gc.collect()  # Pyomo's components hold each other


@dataclass(frozen=True)
class MarketRow:
    """A row of `MARKETS`: one market and its properties.

    Attributes
    ----------
    name : str
        The name that users give; also that of the market's rows in tables.
    solve : callable
        (Market, **options) -> MarketResult, with values and duals on its `dso`. Options are those
        of `solve_bilevel`.
    pays : str or None
        What its datacenters pay for ("active", "active and reactive", "tariff"); None: `pays` of
        the Market.
    foresees : bool
        Whether the leader foresees the prices (a bilevel solution with a bound); of many runs a
        report shows these.
    least_cost : bool
        Whether its cost is the least of all markets: the price of anarchy compares with it.
    contract : str or None
        Field of the Market with what is paid beside energy; a market that has one needs it.
    """

    name: str
    solve: Callable[..., MarketResult]
    pays: str | None = None
    foresees: bool = False
    least_cost: bool = False
    contract: str | None = None
