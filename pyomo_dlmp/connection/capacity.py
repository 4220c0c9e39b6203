"""How much a site can draw in each hour: the first limit that is met going up from 0 kW.

All hours go up together. The next power of an hour is where the limits, taken as straight lines
through its last two power flows, are first met; then the bracket between the last power that keeps
them and the first that does not is closed by false position. Powers in between are looked at, too,
since voltages need not be monotone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.ac.chord import solve_many
from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.connection.limits import Limits
from pyomo_dlmp.connection.site import Site
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.tolerances import GAP, SAME_VOLTAGE

NO_SOLUTION, NONE = -1, -2
"""As a row: the power flow has no solution beyond; no limit is met."""
_FIRST_SHARE = 0.01  # of the feeder's own load: the first power
_FARTHER = 30.0  # times the last power that keeps the limits
_CLOSE = 1.1  # the same where no power flow was found
_MOST_STEPS = 60
_BETWEEN = (1 / 3, 2 / 3)  # shares of the capacity that are looked at
_BEYOND = (1.5, 3.0)  # times the capacity: whether there is room again
_BEYOND_PEAK = (6.0, 12.0)  # the same where a static var generator makes voltages rise and fall
_NEAR = 0.05 * SAME_VOLTAGE  # a limit is met
_EXACT = 0.01  # kW, where no more can be told
_DEEP = 0.2  # pu; voltages that fall so far may be those of another solution of the power flow
_JUMP = 0.15  # pu; more in a step along one solution is a step to another
_SAFE = 0.99  # of the power at which the solution ends: nearer no other program finds it
_ALONG = (0.05, 0.01)  # steps along it, shares of the capacity: first these, then the finer ones
Progress = Callable[[str], None]


@dataclass(eq=False)
class Capacities:
    """Of one site.

    Attributes
    ----------
    kw : ndarray, shape (hours,)
        The greatest power up to which all limits hold; that asked for, if no limit is met; 1 % less
        than the greatest that has a power flow, if that is the end.
    row : ndarray of int, shape (hours,)
        The limit that is met first; `NO_SOLUTION`, `NONE`.
    z : ndarray, shape (size, hours), complex
        The state at `kw`.
    again : ndarray of bool
        Whether powers above the limit that is met keep all limits again.
    """

    kw: np.ndarray
    row: np.ndarray
    z: np.ndarray
    again: np.ndarray


class Feeder:
    """A feeder at some hours, without the applicant's power.

    Parameters
    ----------
    circuit : Circuit
        With the devices of all applicants.
    limits : Limits
    drawn, injected : ndarray, shape (legs, hours), complex
        MVA.
    start : ndarray, shape (size, hours), complex
        States without applicants.
    """

    def __init__(self, circuit: Circuit, limits: Limits, drawn: np.ndarray, injected: np.ndarray,
                 start: np.ndarray):
        self.circuit, self.limits = circuit, limits
        self.drawn, self.injected, self.start = drawn, injected, start

    def at(self, hours: np.ndarray) -> Feeder:
        """The same at some of its hours."""
        return Feeder(self.circuit, self.limits, self.drawn[:, hours], self.injected[:, hours],
                      self.start[:, hours])

    def solve(self, site: Site, kw: np.ndarray, hours: np.ndarray, guess: np.ndarray,
              newton: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """States with a site at some powers.

        Parameters
        ----------
        site : Site
        kw : ndarray, shape (k,)
        hours : ndarray of int, shape (k,)
        guess : ndarray, shape (size, k), complex
        newton : bool
            As of `solve_many`.

        Returns
        -------
        (ndarray, ndarray)
            z, shape (size, k); excesses of the limits, shape (rows, k), infinite where there is no
            solution.
        """
        injected = self.injected[:, hours].copy()
        legs, power = site.injected(self.circuit, kw)
        injected[legs] += power
        z, good = solve_many(self.circuit, injected, self.drawn[:, hours], guess,
                             newton)
        excess = self.limits.excess(self.limits.values(z))
        excess[:, ~good] = np.inf
        return z, excess


def hourly_capacity(feeder: Feeder, site: Site, max_kw: float) -> Capacities:
    """The greatest power of a site in each hour.

    Parameters
    ----------
    feeder : Feeder
    site : Site
    max_kw : float
        No more is looked for.

    Returns
    -------
    Capacities
    """
    search = _Search(feeder, site, max_kw)
    search.run(np.arange(feeder.start.shape[1]))
    for share in _BETWEEN:
        search.look(share)
    search.keep_to_one_solution()
    for factor in (*_BEYOND, *_BEYOND_PEAK) if site.svg_kvar else _BEYOND:
        search.look_above(factor)
    kw = np.where(search.row == NO_SOLUTION, _SAFE * search.low, search.low)
    return Capacities(kw, search.row, search.z, search.again)


class _Search:
    """Brackets of all hours: `low` keeps all limits, `high` breaks one."""

    def __init__(self, feeder: Feeder, site: Site, max_kw: float):
        self.feeder, self.site, self.max_kw = feeder, site, max_kw
        hours = feeder.start.shape[1]
        self.z = feeder.start.copy()
        self.excess = feeder.limits.excess(feeder.limits.values(self.z))
        self.low, self.high = np.zeros(hours), np.full(hours, np.inf)
        self.slope = np.full(self.excess.shape, np.nan)
        self.above = np.full(hours, np.nan)  # greatest excess at `high`
        self.high_row = np.full(hours, NONE)
        self.row = np.full(hours, NONE)
        self.again = np.zeros(hours, dtype=bool)
        self.same = np.zeros(hours, dtype=int)  # times in turn that one side has moved
        load = max(100.0, KILO * float(np.abs(feeder.drawn).sum(axis=0).mean()))
        self.first = min(max_kw, _FIRST_SHARE * load)
        self.dz = np.zeros_like(self.z)
        self.newton, self.farther = False, _FARTHER

    def run(self, hours: np.ndarray) -> None:
        """Close the brackets of some hours.

        Where a power flow of shared matrices does not converge, the way on is short and Newton's.
        """
        self._run(hours)
        lost = hours[self.row[hours] == NO_SOLUTION]
        if len(lost):
            self.high[lost], self.row[lost] = np.inf, NONE
            self.newton, self.farther = True, _CLOSE
            self._run(lost)
            self.newton, self.farther = False, _FARTHER

    def _run(self, live: np.ndarray) -> None:
        for _ in range(_MOST_STEPS):
            kw = self._next(live)
            z, excess = self.feeder.solve(
                self.site, kw, live, self.z[:, live] + self.dz[:, live] * (kw - self.low[live]),
                self.newton)
            top = excess.max(axis=0, initial=-np.inf)
            row = np.where(np.isinf(top) & (top > 0), NO_SOLUTION, excess.argmax(axis=0))
            keeps = top <= 0.0
            self._up(live[keeps], kw[keeps], z[:, keeps], excess[:, keeps])
            self._down(live[~keeps], kw[~keeps], top[~keeps], row[~keeps])
            live = live[~self._closed(live)]
            if not len(live):
                break

    def _up(self, at, kw, z, excess) -> None:
        step = np.maximum(kw - self.low[at], _EXACT * _EXACT)
        self.slope[:, at] = (excess - self.excess[:, at]) / step
        self.dz[:, at] = (z - self.z[:, at]) / step
        self.low[at], self.z[:, at], self.excess[:, at] = kw, z, excess
        self.same[at] = np.maximum(self.same[at], 0) + 1

    def _down(self, at, kw, top, row) -> None:
        self.high[at], self.above[at], self.high_row[at] = kw, top, row
        self.same[at] = np.minimum(self.same[at], 0) - 1

    def _next(self, live: np.ndarray) -> np.ndarray:
        """The next power of each hour."""
        low, high = self.low[live], self.high[live]
        below, slope = self.excess[:, live], self.slope[:, live]
        with np.errstate(divide="ignore", invalid="ignore"):
            moves = slope * self.max_kw > _NEAR  # others stay where they are
            meets = np.where(moves, (-below - _NEAR / 2) / slope, np.inf).min(
                axis=0, initial=np.inf)
        ahead = low + np.where(low > 0, meets, self.first)
        # a limit bends: not much farther than what is known to hold
        ahead = np.minimum(ahead, np.maximum(self.farther * low, self.first))
        kw = np.where(np.isfinite(high), self._inside(live, ahead), ahead)
        # where its static var generator is used up voltages turn from rising to falling
        kw = np.where(low < self.site.svg_kvar, np.minimum(kw, self.site.svg_kvar), kw)
        return np.minimum(kw, self.max_kw)

    def _inside(self, live, ahead) -> np.ndarray:
        """A power within a bracket, by false position; in the middle where that does not help."""
        low, high, above = self.low[live], self.high[live], self.above[live]
        row = self.high_row[live]
        below = np.where(row >= 0, self.excess[np.maximum(row, 0), live], np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (-below - _NEAR / 2) / (above - below)
        line = low + share * (high - low)
        line = np.where(ahead < high, np.fmin(line, ahead), line)
        turn = np.abs(self.same[live]) >= 3
        usable = np.isfinite(line) & (line > low) & (line < high) & ~turn
        return np.where(usable, line, 0.5 * (low + high))

    def _closed(self, at: np.ndarray) -> np.ndarray:
        """Whether a bracket needs no more; sets its row."""
        # of the limit that is broken above: others may be at theirs, and stay there
        nearest = self.excess[np.maximum(self.high_row[at], 0), at]
        met = np.isfinite(self.high[at]) & (
            (self.high[at] - self.low[at] <= np.where(
                self.high_row[at] == NO_SOLUTION, _EXACT + GAP * self.low[at], _EXACT))
            | ((self.high_row[at] >= 0) & (nearest >= -_NEAR)))
        self.row[at[met]] = self.high_row[at[met]]
        return met | (self.low[at] >= self.max_kw)

    def look(self, share: float) -> None:
        """Look at a share of all capacities; hours that break a limit there are closed below."""
        found = self.low.copy()
        hours = np.flatnonzero(found > 10 * _EXACT)
        if not len(hours):
            return
        kw = share * found[hours]
        guess = self.feeder.start[:, hours] * (1 - share) + share * self.z[:, hours]
        _, excess = self.feeder.solve(self.site, kw, hours, guess)
        broken = hours[excess.max(axis=0, initial=-np.inf) > 0.0]
        if not len(broken):
            return
        bad = np.isin(hours, broken)
        self.again[broken] = True
        self.low[broken], self.high[broken] = 0.0, kw[bad]
        self.z[:, broken] = self.feeder.start[:, broken]
        self.excess[:, broken] = self.feeder.limits.excess(
            self.feeder.limits.values(self.z[:, broken]))
        self.slope[:, broken], self.dz[:, broken] = np.nan, 0.0
        self.above[broken] = excess[:, bad].max(axis=0)
        self.high_row[broken] = excess[:, bad].argmax(axis=0)
        self.run(broken)

    def keep_to_one_solution(self) -> None:
        """End capacities where the solution of the power flow that begins at 0 kW does.

        Beyond the greatest power of a feeder the power flow may have other solutions, of low
        voltages, which Newton's method finds from afar.
        """
        nodes = self.feeder.circuit.phase_nodes
        fallen = (np.abs(self.feeder.start[nodes]) - np.abs(self.z[nodes])).max(axis=0)
        hours = np.flatnonzero(fallen > _DEEP)
        z, at = self.feeder.start[:, hours].copy(), np.zeros(len(hours))
        for step in _ALONG if len(hours) else ():
            on = np.ones(len(hours), dtype=bool)
            for _ in range(round(_ALONG[0] / step) if step < _ALONG[0] else round(1.0 / step)):
                share = np.minimum(at + step, 1.0)
                found, excess = self.feeder.solve(self.site, share * self.low[hours], hours, z)
                moved = np.abs(np.abs(found[nodes]) - np.abs(z[nodes])).max(axis=0)
                on &= np.isfinite(excess).all(axis=0) & (moved <= _JUMP)
                z[:, on], at[on] = found[:, on], share[on]
        short = at < 1.0
        ended = hours[short]
        self.low[ended] *= at[short]
        self.z[:, ended], self.row[ended] = z[:, short], NO_SOLUTION

    def look_above(self, factor: float) -> None:
        """Look above the capacities that a limit ends, whether all limits hold there again."""
        hours = np.flatnonzero((self.row >= 0) & ~self.again)
        if not len(hours):
            return
        kw = np.minimum(np.maximum(factor * self.low[hours], self.low[hours] + self.first),
                        self.max_kw)
        _, excess = self.feeder.solve(self.site, kw, hours, self.z[:, hours], newton=False)
        self.again[hours] = (excess.max(axis=0, initial=-np.inf) <= 0.0) & (
            kw > self.high[hours])
