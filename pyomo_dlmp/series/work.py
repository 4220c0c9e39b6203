"""The work of a problem of a series: what is due in it, and until when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pyomo_dlmp.market import Workload
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.series.grid import Grid
from pyomo_dlmp.series.spans import Rows, Span, State
from pyomo_dlmp.tolerances import ROW_HOLDS


class Work:
    """The leader's and the price takers' work along a table.

    Parameters
    ----------
    rows : Rows
    grid : Grid
        With the ranges of datacenters.
    window : int
        Rows within which work is done, with a rolling horizon.

    Attributes
    ----------
    own : Workload
        The leader's, as the market has it.
    """

    def __init__(self, rows: Rows, grid: Grid, window: int):
        self.rows, self.window = rows, window
        given = rows.market.workload
        self.own = given if isinstance(given, Workload) else Workload(energy_mwh=given)
        theirs = {site for sites, _ in rows.market.takers.values() for site in sites}
        self.range_mwh = [rows.table.hours / KILO * _summed(
            [ends[k] for name, ends in grid.ranges.items() if name not in theirs],
            rows.table.rows) for k in (0, 1)]

    def takers(self, span: Span) -> dict[str, Any]:
        """Price takers of a problem.

        Parameters
        ----------
        span : Span

        Returns
        -------
        dict
            As of `Market.takers`.
        """
        found = {}
        for name, (sites, work) in self.rows.market.takers.items():
            column = self.rows.table.numbers.get(f"energy_mwh.{name}")
            if column is not None:
                work = Workload(energy_mwh=float(
                    column[span.first:span.first + span.length].sum()))
            found[name] = (sites, work)
        return found

    def amount(self, first: int, end: int) -> float:
        """Energy that is due in rows of one window (MWh).

        Parameters
        ----------
        first, end : int
            Rows; the market's energy is that of as many rows as it has periods.

        Returns
        -------
        float
        """
        column = self.rows.table.numbers.get("energy_mwh")
        if column is not None:
            return float(column[first:end].sum())
        assert self.own.energy_mwh is not None
        return self.own.energy_mwh * (end - first) / self.rows.periods

    def has_energy(self) -> bool:
        """Whether the leader's work is an amount of energy."""
        return self.own.energy_mwh is not None or "energy_mwh" in self.rows.table.numbers

    def workload(self, span: Span, state: State | None = None) -> Workload:
        """The leader's work of a problem.

        Parameters
        ----------
        span : Span
        state : State, optional
            Of a rolling horizon.

        Returns
        -------
        Workload
        """
        work = self._with_series(span)
        if state is None:
            if self.has_energy():
                return replace(work, energy_mwh=self.amount(span.first, span.first + span.length))
            return work
        ups = tuple(replace(ups, kwh_start=state.ups.get(ups.site, ups.start), kwh_end=ups.end)
                    for ups in work.ups)
        if not self.has_energy():
            return replace(work, jobs=tuple(self._jobs(span, state)), ups=ups)
        return replace(work, energy_mwh=None, energy_windows=tuple(self.due(span, state)), ups=ups)

    def due(self, span: Span, state: State) -> list[tuple[int, float]]:
        """Deadlines within a horizon (positions in it), and the energy due until each (MWh).

        Parameters
        ----------
        span : Span
        state : State

        Returns
        -------
        list of (int, float)
            Of the last window the share by rows that the horizon covers.
        """
        found = []
        row, end_of_span = span.first, span.first + span.length
        while row < end_of_span:
            begin = row - row % self.window
            end = min(begin + self.window, self.rows.table.rows)
            left = max(0.0, self.amount(begin, end) - (state.done if row == span.first else 0.0))
            last = min(end, end_of_span)
            share = left * (last - row) / (end - row)
            found.append((last - span.first, self._possible(share, row, last)))
            row = end
        return found

    def _possible(self, energy: float, first: int, end: int) -> float:
        """Energy without what rounding puts beyond the capacities of its rows."""
        least, most = (float(x[first:end].sum()) for x in self.range_mwh)
        room = ROW_HOLDS * (1.0 + energy)
        return max(least, min(energy, most)) if least - room <= energy <= most + room else energy

    def _jobs(self, span: Span, state: State) -> list[Any]:
        """Jobs come again in every window; of one that is begun, what is left of it."""
        found = []
        first_window = span.first // self.window
        for number in range(first_window, (span.first + span.length - 1) // self.window + 1):
            begin = number * self.window - span.first
            for job in self.own.jobs:
                arrival, deadline = begin + job.arrival, begin + job.deadline
                start, end = max(arrival, 0), min(deadline, span.length)
                if start >= end:
                    continue
                key = f"{job.name} of window {number}"
                work = job.mwh if job.mwh is not None else job.server_hours
                assert work is not None
                left = max(0.0, work - state.job.get(key, 0.0)) * (end - start) / (
                    deadline - start)
                if left > 0:
                    found.append(replace(
                        job, name=key, arrival=start, deadline=end,
                        mwh=None if job.mwh is None else left,
                        server_hours=None if job.server_hours is None else left))
        return found

    def _with_series(self, span: Span) -> Workload:
        """The work with its own series (rates, temperatures, PUE) at the problem's rows."""
        numbers, work = self.rows.table.numbers, self.own
        work = replace(work, llm=tuple(replace(service, tokens=tuple(self.rows.datum(
            f"tokens.{service.name}", service.tokens, span))) for service in work.llm))
        if not (work.interactive or work.servers):
            return work
        loads = tuple(replace(load, rate=tuple(self.rows.datum(
            f"rate.{load.name}", load.rate, span))) for load in work.interactive)
        pools = []
        for pool in work.servers:
            heat = f"temperature.{pool.site}"
            if pool.pue_table:
                own = pool.temperature
                pool = replace(pool, temperature=tuple(self.rows.datum(
                    heat, 0.0 if heat in numbers else own, span)))
            else:
                pool = replace(pool, pue=tuple(self.rows.datum("", pool.pue, span)))
            pools.append(pool)
        return replace(work, servers=tuple(pools), interactive=loads)


def _summed(parts: list[np.ndarray], rows: int) -> np.ndarray:
    """Row by row; zeros where there is none."""
    return np.sum(parts, axis=0) if parts else np.zeros(rows)
