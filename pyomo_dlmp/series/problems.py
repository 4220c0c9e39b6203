"""The problems of a series: which rows each covers, and the market that they make.

Without a rolling horizon problems follow one another and are independent. With one, each covers the
next `horizon` rows and buys the first `step` of them; the last one buys all its rows, since nothing
more would be learned. What is bought changes the state that the next problem begins with:

    work    belongs to a window of rows and is done within it: what is left of the window is due by
            its end; of a window that the horizon covers in part, a share by number of rows
    UPS, storage    stored energy; at the end of each horizon as much as at first
    ramp    the power of the last row bought
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.market import Market, Workload
from pyomo_dlmp.network.series import is_whole
from pyomo_dlmp.series.grid import Grid
from pyomo_dlmp.series.spans import Rows, Span, State, spans_of
from pyomo_dlmp.series.table import Table
from pyomo_dlmp.series.work import Work


class Problems:
    """The problems of a market along a table.

    Parameters
    ----------
    market : Market
        What the table has no column for stays as it is there, period by period.
    table : Table
    horizon : int or None
        Rows that each problem covers; None: the market's periods, one problem after another.
    step : int
        Rows that are bought of each, with a horizon.
    window : int or None
        Rows within which work is done, with a horizon; None: the market's periods.

    Attributes
    ----------
    spans : list of Span
    rolling : bool
    grid, work
        What changes along the table.

    Raises
    ------
    ModelError
        The numbers do not fit the table, or the workload has what a rolling horizon cannot carry.
    """

    def __init__(self, market: Market, table: Table, horizon: int | None = None, step: int = 1,
                 window: int | None = None):
        self.market, self.table = market, table
        self.rows = Rows(market, table)
        self.periods = self.rows.periods
        self.rolling = horizon is not None
        _check(self, horizon, step, window)
        self.length = self.periods if horizon is None else int(horizon)
        self.window = self.periods if window is None else int(window)
        self.spans = spans_of(table.rows, self.length, int(step) if self.rolling else self.length)
        self.grid = Grid(self.rows, self.rolling)
        self.work = Work(self.rows, self.grid, self.window)

    def market_of(self, span: Span, state: State | None = None, bare: bool = False) -> Market:
        """The market of a problem.

        Parameters
        ----------
        span : Span
        state : State, optional
            Of a rolling horizon.
        bare : bool
            Whether it only holds numbers for a model that is there: the network is the market's,
            whatever its batteries hold, and every datacenter has limits.

        Returns
        -------
        Market
        """
        network, scale = self.grid.network(span, None if bare else state)
        own = self.market.opf
        opf = {**own, "hours": self.table.hours,
               "periods": own.get("periods", 1) if span.length == self.periods else span.length,
               "price": self.rows.datum("price", own.get("price", 50.0), span)}
        if scale is not None:
            opf["load_scale"] = scale
        return replace(
            self.market, network=network, opf=opf, workload=self.work.workload(span, state),
            tariff=self.rows.datum("tariff", self.market.tariff, span),
            takers=self.work.takers(span), limits_kw=self.grid.limits(span, state, bare))

    def to_the_last_deadline(self, span: Span, state: State) -> Span | None:
        """A shorter problem, without what its horizon covers of a window in part.

        Parameters
        ----------
        span : Span
        state : State

        Returns
        -------
        Span or None
            None: there is no such part, or no window ends in it after what is bought.
        """
        last = span.first + span.length
        begin = last - last % self.window
        if not self.work.has_energy() or last == self.table.rows or begin == last or (
                begin < span.first + span.bought):
            return None
        return replace(span, length=begin - span.first)


def _check(problems: Problems, horizon: Any, step: Any, window: Any) -> None:
    """Raise an error with every fault of the numbers of a rolling horizon."""
    table, periods, faults = problems.table, problems.periods, []
    for word, value in (("horizon", horizon), ("step", step), ("window", window)):
        if (value is not None or word == "step") and not (is_whole(value) and value >= 1):
            faults.append(Fault(f"solve_series, {word}", f"is {shown(value)}",
                                "Give a whole number of rows, at least 1."))
    if problems.market.owners:
        faults.append(Fault("market, owners", "are given, and a series or a set of scenarios "
                            "follows one leader", "Give its work as `workload`, or call "
                            "solve_market for each day or scenario."))
    if faults:
        raise ModelError(faults)
    if horizon is None:
        if window is not None or step != 1:
            faults.append(Fault("solve_series", "has a step or a window without a horizon",
                                "Give horizon=, or leave them out."))
        if table.rows % periods:
            fewer = table.rows - table.rows % periods
            faults.append(Fault(
                table.where, f"has {table.rows:,} rows, not a whole number of problems of "
                f"{periods} periods",
                f"Give {f'{fewer:,} or ' if fewer else ''}{fewer + periods:,} rows."))
    elif step > horizon:
        faults.append(Fault("solve_series, step", f"is {step}, more than the horizon {horizon}",
                            "Buy at most what is planned."))
    work = problems.market.workload
    for job in work.jobs if horizon is not None and isinstance(work, Workload) else ():
        if not job.interruptible:
            faults.append(Fault(f"job {job.name!r}", "runs without pause, and a rolling horizon "
                                "begins anew at every step", "Make it interruptible."))
        elif job.deadline > (window or periods):
            faults.append(Fault(f"job {job.name!r}", "ends after its window of "
                                f"{window or periods} rows",
                                f"Give window={job.deadline} or more."))
    if horizon is not None and isinstance(work, Workload):
        faults += [Fault(f"training {part.name!r}", "has one window, and a rolling horizon repeats "
                         "its windows", "Write it as a Job in MWh, or solve without a horizon.")
                   for part in work.training]
        faults += [Fault(f"smoothing at {part.site!r}", "would begin anew at every step of a "
                         "rolling horizon", "Write it as a Ups, or solve without a horizon.")
                   for part in work.smoothing]
    if faults:
        raise ModelError(faults)
