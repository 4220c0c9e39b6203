"""The feeder of a connection study: its different hours, limits, and capacities of sites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.ac.chord import solve_many
from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.newton import solve
from pyomo_dlmp.connection.capacity import NO_SOLUTION, Feeder, hourly_capacity
from pyomo_dlmp.connection.curve import along_scale
from pyomo_dlmp.connection.feeding import beside
from pyomo_dlmp.connection.hours import Hours, different_hours
from pyomo_dlmp.connection.limits import Limit, LimitOptions, Limits
from pyomo_dlmp.connection.site import Site
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network
from pyomo_dlmp.tolerances import SAME_VOLTAGE, WORSENED

EXACT_HOURS = 400  # as many different hours of one multiplier are all computed
_SAMPLES = 200  # hours at which limits are looked at before anything is connected
_FAR = 1e6  # a limit that does not count
_AT_ONCE = 2e7  # entries of the states that are held at once
NO_LIMIT, COLLAPSE = "no limit", "no solution"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Existing:
    """A limit that is broken before anything is connected.

    Attributes
    ----------
    limit : Limit
    hour : int
        Where it is broken furthest.
    value : float
        There.
    """

    limit: Limit
    hour: int
    value: float

    @property
    def allowed(self) -> float:
        """To where it may go with an applicant: `WORSENED` beyond its value."""
        return self.value + (-WORSENED if self.value < self.limit.low else WORSENED)


@dataclass(eq=False)
class Hourly:
    """Capacities by hour of the study.

    Attributes
    ----------
    kw : ndarray, shape (hours,)
    limits : list of Limit or str
        What each hour meets first; `NO_LIMIT`, `COLLAPSE`.
    again : ndarray of bool
        Whether there is room again above it.
    known : ndarray of int
        Different hours that were computed; capacities of others lie between two of them.
    different : int
        Different hours.
    """

    kw: np.ndarray
    limits: list
    again: np.ndarray
    known: np.ndarray
    different: int

    @property
    def computed(self) -> int:
        """How many different hours were computed."""
        return len(self.known)


class Grid:
    """A feeder along the hours of a study, with the places of all applicants.

    Parameters
    ----------
    network : Network
        Without applicants.
    sites : sequence of Site
    hours : Hours
    options : LimitOptions
    progress : callable, optional
    like : Grid, optional
        Of the feeder before a change of it: limits that were broken there stay as they were moved,
        or move further; others do not move.
    only : int, optional
        The one hour that is wanted.

    Attributes
    ----------
    existing : list of Existing
        Limits that are broken before, furthest first; moved to where they are, or left out.
    treat : str
        What is done with these: "relaxed" or "left out".
    worse : bool
        Whether one of them is broken further than in the grid that it is `like`.
    """

    def __init__(self, network: Network, sites: Sequence[Site], hours: Hours,
                 options: LimitOptions, existing: str = "relaxed",
                 progress: Progress | None = None, like: Grid | None = None,
                 only: int | None = None):
        self.network, self.hours, self.sites = network, hours, list(sites)
        self.say = progress or (lambda stage: None)
        self.say(f"preparing {network.name}")
        self.circuit = Circuit(network.with_devices(*(s.device() for s in sites)))
        self.limits = Limits(self.circuit, options)
        data = different_hours(self.circuit, network, hours)
        if only is not None:
            self.hours, data = hours.at(only), data.at(only)
        order = np.argsort(data.scale) if data.scale is not None else np.argsort(
            (data.drawn - data.injected).real.sum(axis=0), kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        self.drawn, self.injected = data.drawn[:, order], data.injected[:, order]
        self.of_hour = place[data.of_hour]
        self.scale = None if data.scale is None else data.scale[order]
        self.base = self._base()
        self.worse, self.treat = False, existing
        self.existing = self._existing(existing) if like is None else self._kept(like)

    @property
    def load(self) -> np.ndarray:
        """What is drawn less what is injected without sites, in each different hour (MW)."""
        return (self.drawn - self.injected).real.sum(axis=0)

    @property
    def different(self) -> int:
        """Different hours."""
        return self.drawn.shape[1]

    def hour_of(self, different: int) -> int:
        """First hour of the study that is that different hour."""
        return int(np.flatnonzero(self.of_hour == different)[0])

    def _base(self) -> tuple[np.ndarray, np.ndarray]:
        """(hours, states) of some hours, or of all where they do not differ by one multiplier."""
        count = self.different
        few = count if self.scale is None else min(count, _SAMPLES)
        at = np.unique(np.linspace(0, count - 1, few).round().astype(int))
        self.say(f"power flows without the applicant: {len(at)} of {count} different hours")
        middle = len(at) // 2
        first = solve(self.circuit, self.injected[:, at[middle:middle + 1]],
                      self.drawn[:, at[middle:middle + 1]], labels=[self.hour_of(at[middle])])
        z, good = solve_many(self.circuit, self.injected[:, at], self.drawn[:, at],
                             np.repeat(first.z, len(at), axis=1))
        if not good.all():  # says where the voltage collapses
            bad = at[~good][:1]
            solve(self.circuit, self.injected[:, bad], self.drawn[:, bad],
                  labels=[self.hour_of(int(bad[0]))])
        return at, z

    def _existing(self, treat: str) -> list[Existing]:
        """Limits that are broken already; changes `limits`."""
        at, z = self.base
        values = self.limits.values(z)
        moved = self.limits.relax(values)
        if treat == "left out":
            for r, _, _ in moved:
                self.limits.low[r], self.limits.high[r] = -_FAR, _FAR
        elif treat != "relaxed":
            raise ModelError.at("connection study, existing", f"is {treat!r}",
                                "Give 'relaxed' or 'left out'.")
        found = [Existing(self.limits.rows[r], self.hour_of(int(at[t])), value)
                 for r, t, value in moved]
        return sorted(found, key=lambda e: -max(e.limit.low - e.value, e.value - e.limit.high))

    def _kept(self, like: Grid) -> list[Existing]:
        """Take over limits that were moved before a change of the feeder; changes `limits`."""
        old, own = like.limits, self.limits
        values = own.values(self.base[1])
        room = old.unmoved()
        known = {row.key: i for i, row in enumerate(old.rows)}
        for r, row in enumerate(own.rows):
            i = known.get(row.key)
            if i is None or (old.low[i] >= room[0][i] and old.high[i] <= room[1][i]):
                continue
            ends = [values[r].min(), values[r].max()]
            ends[0] -= WORSENED * float(ends[0] < room[0][i])
            ends[1] += WORSENED * float(ends[1] > room[1][i])
            # a rating that is changed is another limit
            if row.what != "loading" or (
                    like.network.branches[row.element] == self.network.branches[row.element]):
                self.worse |= bool(values[r].min() < old.low[i] - SAME_VOLTAGE
                                   or values[r].max() > old.high[i] + SAME_VOLTAGE)
                ends += [old.low[i], old.high[i]]
            own.low[r], own.high[r] = min(own.low[r], *ends), max(own.high[r], *ends)
        return like.existing

    def feeder(self, hours: np.ndarray, site: Site) -> Feeder:
        """The feeder at some different hours, its states without applicants solved.

        Loadings that are broken already count where they feed the site.
        """
        start = self.feeder_states(hours)
        if len(self.base[0]) < self.different:
            start, _ = solve_many(self.circuit, self.injected[:, hours], self.drawn[:, hours],
                                  start)
        return Feeder(self.circuit, self.limits_of(site), self.drawn[:, hours],
                      self.injected[:, hours], start)

    def limits_of(self, site: Site) -> Limits:
        """Those that count for a site."""
        out = beside(self.network, site.bus, (e.limit.key for e in self.existing))
        if not out:
            return self.limits
        found = copy(self.limits)
        idle = np.array([row.key in out for row in found.rows])
        found.high = np.where(idle, _FAR, found.high)
        return found

    def feeder_states(self, hours: np.ndarray) -> np.ndarray:
        """First guesses of states of different hours: those of hours near them."""
        at, z = self.base
        return z[:, np.clip(np.searchsorted(at, hours), 0, len(at) - 1)]

    def with_site(self, site: Site, contract: float) -> Grid:
        """This grid with a site connected: what others find from now on.

        Parameters
        ----------
        site : Site
            One of those of the grid.
        contract : float
            kW, of which it draws its share in each hour.

        Returns
        -------
        Grid
        """
        found, share = copy(self), self.hours.share
        kw = np.full(self.different, contract * float(share[0]))
        found.injected = self.injected.copy()
        if np.ptp(share) > 0:  # its series makes hours differ that did not
            pairs, of_hour = np.unique(np.array([self.of_hour, share]), axis=1, return_inverse=True)
            at, kw = pairs[0].astype(int), contract * pairs[1]
            found.drawn, found.injected = self.drawn[:, at], self.injected[:, at]
            found.base = np.arange(len(at)), self.feeder_states(at)
            found.of_hour, found.scale = np.asarray(of_hour).reshape(-1), None
        legs, power = site.injected(self.circuit, kw)
        found.injected[legs] += power
        at, z = found.base
        found.base = at, solve_many(found.circuit, found.injected[:, at], found.drawn[:, at], z)[0]
        return found

    def capacity(self, site: Site, max_kw: float) -> Hourly:
        """The capacity of a site in each hour.

        Parameters
        ----------
        site : Site
            One of those of the grid.
        max_kw : float
            No more is looked for.

        Returns
        -------
        Hourly
        """
        count = self.different

        def compute(hours: np.ndarray):
            return hourly_capacity(self.feeder(hours, site), site, max_kw)

        if self.scale is not None and count > EXACT_HOURS:
            share = np.zeros(count)
            np.maximum.at(share, self.of_hour, self.hours.share)
            kw, row, again, known = along_scale(self.scale, compute, share)
        else:
            kw, row = np.zeros(count), np.zeros(count, dtype=int)
            again, known = np.zeros(count, dtype=bool), np.arange(count)
            size = max(16, int(_AT_ONCE / self.circuit.size))
            for first in range(0, count, size):
                part = np.arange(first, min(count, first + size))
                found = compute(part)
                kw[part], row[part], again[part] = found.kw, found.row, found.again
                self.say(f"capacity at {site.bus}: {part[-1] + 1:,} of {count:,} different hours")
        limits = [NO_LIMIT if r < NO_SOLUTION else COLLAPSE if r == NO_SOLUTION
                  else self.limits.rows[r] for r in row.tolist()]
        at = self.of_hour
        return Hourly(kw[at], [limits[i] for i in at.tolist()], again[at], known, count)

    def lowest(self, site: Site, max_kw: float, count: int) -> tuple[np.ndarray, np.ndarray, list]:
        """The different hours that allow least, without the capacities of all others.

        Some hours of the greatest load and of the least are computed; then one power flow of each
        other hour, at the power that the last of the wanted hours allows, tells whether it allows
        less.

        Parameters
        ----------
        site, max_kw
            As of `capacity`.
        count : int
            Hours that are wanted.

        Returns
        -------
        (ndarray, ndarray, list)
            Different hours, their kW, and limits or words.
        """
        total = self.different
        count = min(count, total)
        found = np.full(total, np.nan)
        row = np.zeros(total, dtype=int)
        todo = np.unique(np.concatenate([np.arange(min(8, total)),
                                         np.arange(total)[-max(24, 2 * count):]]))
        left = np.ones(total, dtype=bool)
        while len(todo):
            answer = hourly_capacity(self.feeder(todo, site), site, max_kw)
            found[todo], row[todo] = answer.kw, answer.row
            left[todo] = False
            rest = np.flatnonzero(left)
            limit = np.sort(found[~left])[count - 1]
            if not len(rest):
                break
            feeder, less = self.feeder(rest, site), np.zeros(len(rest), dtype=bool)
            # voltages are highest where its static var generator is used up
            for power in {limit, min(limit, site.svg_kvar)} - {0.0}:
                _, excess = feeder.solve(site, np.full(len(rest), power), np.arange(len(rest)),
                                         feeder.start)
                less |= excess.max(axis=0, initial=-np.inf) > 0.0
            todo = rest[less]
        order = np.argsort(np.where(np.isnan(found), np.inf, found), kind="stable")[:count]
        return order, found[order], [
            NO_LIMIT if r < NO_SOLUTION else COLLAPSE if r == NO_SOLUTION
            else self.limits.rows[r] for r in row[order].tolist()]
