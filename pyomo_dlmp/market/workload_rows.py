"""Rows that serve a workload, of the upper level or of a price taker.

Symbols, site s, period t of h hours: p = power at the meter (MW), c, d = UPS charging and
discharging (MW), m = thousand servers on for interactive load, L = thousand requests/s of it,
x = thousand servers busy with batch work, b = MW of a job given in MWh.

    power     p - c + d == sum of the site's parts + idle,        0 <= idle <= floor
    pool      sum_i L_i <= m (mu - 1/D),   m + sum_j x_j <= M
    parts     m (P_idle + (PUE-1) P_peak) + (P_peak - P_idle) sum L / mu + x PUE P_peak + b
    served    sum_s L == rate of the hour              work      h sum_{s,t} x (or b) == work
    energy    h sum_{s,t} (p - c + d) == energy        ramp      |p_t - p_{t-1}| <= ramp
    ups       e_t == e_{t-1} + h (eta c - d / eta),    e_last >= e_first

Rows of large language models, training and smoothing: `gpu_rows`.

A non-interruptible job has a binary start[s, t] and runs at a constant level for its periods.

Work is data: the Params `energy_mwh` (MWh), ``job[name].size`` (thousand server hours, or MWh),
`wanted` ([interactive, t], thousand requests/s) and ``servers[site].pue`` ([t]) are mutable.
That it can be served is checked when the rows are written.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.blocks.horizon import constraint_over, number
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.market.gpu_rows import llm_hour, write_service, write_smoothing, write_training
from pyomo_dlmp.market.workload import Job, Servers, Ups, Workload, pue_of, sites_of
from pyomo_dlmp.network.series import by_period
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.tolerances import ROUNDING


@dataclass(frozen=True)
class Site:
    """A datacenter as the workload sees it.

    Attributes
    ----------
    p : Var
        [t]: total power (MW).
    floor : float
        Least power (MW).
    ramp : float or None
        Greatest change of power from one period to the next (MW); None: free.
    """

    p: Any
    floor: float = 0.0
    ramp: float | None = None


class WorkloadRows:
    """Writes the rows of a workload on a block; see the module's text.

    Parameters
    ----------
    block : Block
        Where the rows are written.
    sites : mapping of str to Site
        Where the work is done.
    labels : sequence
        The periods.
    hours : float
        Length of a period (h).
    workload : Workload
        To be served.
    elastic : bool
        Whether work may remain unserved: `unserved[what]` >= 0 (thousand server hours, MWh or
        thousand requests/s), for a check, and for price takers, whose work then has a stated value.

    Attributes
    ----------
    binaries : int
        Number of binaries written.
    """

    def __init__(self, block, sites: Mapping[str, Site], labels: Sequence[Hashable], hours: float,
                 workload: Workload, elastic: bool = False):
        self.block, self.sites, self.workload = block, sites, workload
        self.labels, self.hours = list(labels), hours
        self.parts: dict[tuple, list] = {}
        self.elastic = elastic
        self.binaries = 0
        if elastic:
            names = ["energy", *(f"job '{job.name}'" for job in workload.jobs)]
            names += [_window(end) for end, _ in workload.energy_windows]
            names += [_hour(i.name, t) for i in workload.interactive for t in self.labels]
            names += [llm_hour(service.name, t) for service in workload.llm for t in self.labels]
            names += [f"training '{training.name}'" for training in workload.training]
            block.unserved = pyo.Var(names, domain=pyo.NonNegativeReals, initialize=0.0)

    def write(self) -> None:
        """Write all rows."""
        self._ups()
        self._jobs()
        self._pools()
        self._gpus()
        if self.workload.energy_mwh is not None:
            self._energy(self.workload.energy_mwh)
        elif self.workload.energy_windows:
            self._energy_by_window(self.workload.energy_windows)
        else:
            self._power()
        self._ramps()

    def _served(self, work, key: str, wanted: Any):
        return work + self.block.unserved[key] >= wanted if self.elastic else work == wanted

    def _net(self, site: str, t):
        """p - c + d: what the site's work draws (MW)."""
        net = self.sites[site].p[t]
        for batteries in (self.block.ups, self.block.smoothing):
            if site in batteries:
                net = net - batteries[site].charge[t] + batteries[site].discharge[t]
        return net

    def _floor(self, site: str, t) -> Any:
        """Least power, as the expression that bounds p: it follows a site's capacity."""
        lower = self.sites[site].p[t].lower
        return self.sites[site].floor if lower is None else lower

    def _ups(self) -> None:
        block, work = self.block, self.workload
        block.ups = pyo.Block([ups.site for ups in work.ups])
        block.smoothing = pyo.Block([part.site for part in work.smoothing])
        for batteries, parts in ((block.ups, work.ups), (block.smoothing, work.smoothing)):
            for part in parts:
                _battery(batteries[part.site], part, self.labels, self.hours)

    def _gpus(self) -> None:
        """Large language models, training, and what its swings leave of a smoothing battery."""
        block, work, labels = self.block, self.workload, self.labels
        block.llm = pyo.Block([service.name for service in work.llm])
        for service in work.llm:
            at = sites_of(service, work, self.sites)
            drawn = write_service(block.llm[service.name], service, at, labels, self._served)
            for (s, t), power in drawn.items():
                self.parts.setdefault(("b", s, t), []).append(power)
        swings: dict[str, dict] = {}
        block.training = pyo.Block([training.name for training in work.training])
        for training in work.training:
            power = write_training(
                block.training[training.name], training, labels, self.hours, self._served)
            for t, mw in power.items():
                self.parts.setdefault(("b", training.site, t), []).append(mw)
                swings.setdefault(training.site, {}).setdefault(t, []).append(training.swing * mw)
        for part in work.smoothing:
            write_smoothing(block.smoothing[part.site], part, swings.get(part.site, {}), labels)

    def _jobs(self) -> None:
        block, jobs = self.block, {job.name: job for job in self.workload.jobs}
        block.job = pyo.Block(list(jobs))
        for name, job in jobs.items():
            at = sites_of(job, self.workload, self.sites)
            work, most = _size_of(job)
            b, window = block.job[name], self.labels[job.arrival:job.deadline]
            b.size = number(work)
            if job.interruptible:
                b.level = pyo.Var(at, window, bounds=(0.0, most), initialize=0.0)
            else:
                self._without_pause(b, job, at, window)
                self._require_power(job, work, most)
            if most is not None and (len(at) > 1 or not job.interruptible):
                b.most = constraint_over(window, lambda t, b=b, at=at, most=most: sum(
                    b.level[s, t] for s in at) <= most)
            b.work = pyo.Constraint(expr=self._served(self.hours * sum(
                b.level[s, t] for s in at for t in window), f"job '{name}'", b.size))
            for s in at:
                for t in window:
                    kind = "x" if job.server_hours is not None else "b"
                    self.parts.setdefault((kind, s, t), []).append(b.level[s, t])

    def _without_pause(self, b, job: Job, at, window) -> None:
        n = job.run_periods
        assert n is not None
        firsts = list(range(len(window) - n + 1))
        b.start = pyo.Var(at, [window[i] for i in firsts], domain=pyo.Binary, initialize=0)
        self.binaries += len(b.start)
        b.once = pyo.Constraint(expr=sum(b.start.values()) == 1)
        level = b.size / (self.hours * n)
        b.level = pyo.Expression(at, window, initialize={
            (s, t): level * sum(b.start[s, window[i]] for i in firsts if i <= k < i + n)
            for s in at for k, t in enumerate(window)})

    def _require_power(self, job: Job, work: float, most: float | None) -> None:
        """Refuse a job without pause whose one level is above its greatest."""
        assert job.run_periods is not None
        level = work / (self.hours * job.run_periods)
        if most is None or level <= most * (1 + ROUNDING):
            return
        name, limit = ("kw_max", job.kw_max) if job.server_hours is None else (
            "servers_max", job.servers_max)
        raise ModelError.at(
            f"{self.block.name}: job '{job.name}'",
            f"has {name} {limit:g}, and its work in {job.run_periods} periods needs "
            f"{KILO * level:g}", "Let it run longer, or raise the limit.")

    def _pools(self) -> None:
        block, labels = self.block, self.labels
        pools = {pool.site: pool for pool in self.workload.servers}
        loads = {i.name: i for i in self.workload.interactive}
        block.servers = pyo.Block(list(pools))
        for site, pool in pools.items():
            mine = [name for name, i in loads.items()
                    if site in sites_of(i, self.workload, self.sites)]
            busy = {t: sum(self.parts.get(("x", site, t), [])) for t in labels}
            power = _pool(block.servers[site], pool, mine, busy, labels)
            for t in labels:
                self.parts.setdefault(("b", site, t), []).append(power[t])
        index = [(name, t) for name in loads for t in labels]
        wanted = {name: by_period(i.rate, labels, f"rate of interactive '{name}'")
                  for name, i in loads.items()}
        block.wanted = pyo.Param(index, mutable=True, initialize={
            (name, t): wanted[name][t] / KILO for name, t in index})
        block.served = constraint_over(index, lambda name, t: self._served(
            sum(b.rate[name, t] for b in block.servers.values() if (name, t) in b.rate),
            _hour(name, t), block.wanted[name, t]))

    def _power(self) -> None:
        index = [(s, t) for s in self.sites for t in self.labels]
        self.block.idle = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
        for s, t in index:
            self.block.idle[s, t].setub(self._floor(s, t))
        self.block.power = constraint_over(index, lambda s, t: self._net(s, t) - sum(
            self.parts.get(("b", s, t), [])) - self.block.idle[s, t] == 0)

    def _energy(self, energy: float) -> None:
        block = self.block
        block.energy_mwh = number(energy)
        block.energy = pyo.Constraint(expr=self._served(self.hours * sum(
            self._net(s, t) for s in self.sites for t in self.labels), "energy",
            block.energy_mwh))
        self._draws()

    def _energy_by_window(self, windows: Sequence[tuple[int, float]]) -> None:
        first = dict(zip([end for end, _ in windows], [0, *(end for end, _ in windows)],
                         strict=False))
        amount = dict(windows)
        self.block.energy = constraint_over(list(first), lambda end: self._served(
            self.hours * sum(self._net(s, t) for s in self.sites
                             for t in self.labels[first[end]:end]), _window(end), amount[end]))
        self._draws()

    def _draws(self) -> None:
        block = self.block
        index = [(s, t) for s in dict.fromkeys([*block.ups, *block.smoothing])
                 for t in self.labels]
        if index:  # what the battery gives may not be more than the work draws
            block.draws = constraint_over(
                index, lambda s, t: self._net(s, t) >= self._floor(s, t))

    def _ramps(self) -> None:
        pairs = list(zip(self.labels, self.labels[1:], strict=False))
        index = [(s, side, t) for s, site in self.sites.items() if site.ramp is not None
                 for side in ("up", "down") for _, t in pairs]
        before = {t: last for last, t in pairs}
        self.block.ramp = constraint_over(index, lambda s, side, t: (
            1.0 if side == "up" else -1.0) * (
                self.sites[s].p[t] - self.sites[s].p[before[t]]) <= self.sites[s].ramp)


def _hour(name: str, t) -> str:
    return f"interactive '{name}' in period {t!r}"


def _window(end: int) -> str:
    return f"energy until period {end}"


def _size_of(job: Job) -> tuple[float, float | None]:
    """(work, greatest level) of a job in thousand servers, or MW."""
    if job.server_hours is not None:
        most = None if job.servers_max is None else job.servers_max / KILO
        return job.server_hours / KILO, most
    assert job.mwh is not None
    return job.mwh, None if job.kw_max is None else job.kw_max / KILO


def _pool(b, pool: Servers, loads: list[str], busy: dict, labels) -> dict:
    """Rows of one pool; its power (MW) by period."""
    most, peak, idle = pool.count / KILO, pool.peak_w / KILO, pool.idle_w / KILO
    b.pue = pue = pyo.Param(labels, mutable=True, initialize=pue_of(pool, labels))
    b.on = pyo.Var(labels, bounds=(0.0, most), initialize=0.0)
    b.rate = pyo.Var(loads, labels, domain=pyo.NonNegativeReals, initialize=0.0)
    served = {t: sum(b.rate[name, t] for name in loads) for t in labels}
    b.delay = constraint_over(list(labels) if loads else [], lambda t: served[t] - b.on[t] * (
        pool.service_rate - 1.0 / pool.delay_s) <= 0)
    b.count = constraint_over(list(labels), lambda t: b.on[t] + busy[t] <= most)
    return {t: b.on[t] * (idle + (pue[t] - 1.0) * peak)
            + (peak - idle) / pool.service_rate * served[t] + pue[t] * peak * busy[t]
            for t in labels}


def _battery(b, ups: Ups, labels, hours: float) -> None:
    top = ups.kw / KILO
    b.charge = pyo.Var(labels, bounds=(0.0, top), initialize=0.0)
    b.discharge = pyo.Var(labels, bounds=(0.0, top), initialize=0.0)
    b.stored = pyo.Var(labels, bounds=(ups.kwh_min / KILO, ups.kwh / KILO),
                       initialize=ups.start / KILO)
    b.start = number(ups.start / KILO)
    before = dict(zip(labels, [None, *labels[:-1]], strict=True))
    b.balance = constraint_over(list(labels), lambda t: b.stored[t] - (
        b.start if before[t] is None else b.stored[before[t]]) - hours * (
            ups.efficiency * b.charge[t] - b.discharge[t] / ups.efficiency) == 0)
    b.cycle = pyo.Constraint(expr=b.stored[labels[-1]] >= (
        b.start if ups.kwh_end is None else ups.end / KILO))
