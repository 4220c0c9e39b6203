"""The workload of a datacenter aggregator as plain data; `workload_checks` judges it.

Server power, in the linear form that is usual for pools of servers (typical values: idle 100-150 W,
peak 200-300 W, 1-10 requests/s a server, PUE 1.1-1.6), for m servers on and L requests/s served:

    P = m (P_idle + (PUE - 1) P_peak) + (P_peak - P_idle) L / mu
    delay of an M/M/1 queue at each pool at most D:   L <= m (mu - 1/D),   m <= M

Batch work keeps its servers fully busy:  P = x PUE P_peak.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pyomo_dlmp.market.battery import Smoothing, Ups
from pyomo_dlmp.market.gpu import LlmService, Training
from pyomo_dlmp.network.series import by_period


@dataclass(frozen=True, kw_only=True)
class Servers:
    """A pool of equal servers at a datacenter.

    Parameters
    ----------
    site : str
        Name of the datacenter.
    count : float
        Number of servers.
    idle_w, peak_w : float
        Power of each (W).
    service_rate : float
        Of each (requests/s).
    delay_s : float
        Greatest mean delay (s).
    pue : float or tuple of float
        Power usage effectiveness (1), one or one per period.
    pue_table : tuple of (float, float)
        Instead of `pue`: (degrees C, PUE), linear between entries, constant beyond them.
    temperature : tuple of float
        Of each period (degrees C), for `pue_table`.
    """

    site: str
    count: float
    idle_w: float = 125.0
    peak_w: float = 250.0
    service_rate: float = 5.0
    delay_s: float = 0.5
    pue: float | tuple[float, ...] = 1.3
    pue_table: tuple[tuple[float, float], ...] = ()
    temperature: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Interactive:
    """Requests that are served in their own period, at any of their sites, in any shares.

    Parameters
    ----------
    name : str
    rate : float or tuple of float
        Requests/s, one number or one per period.
    sites : tuple of str
        Datacenters with servers; empty: all of them.
    """

    name: str
    rate: float | tuple[float, ...]
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Job:
    """Batch work within a window of periods.

    Parameters
    ----------
    name : str
    arrival, deadline : int
        It runs from the start of period `arrival` to the start of period `deadline`: positions from
        0; the number of periods is the end of the last one.
    mwh : float or None
        Energy at the meter (MWh); or
    server_hours : float or None
        Work on the servers of its sites (server hours).
    sites : tuple of str
        Datacenters between which it may move; empty: all.
    kw_max : float or None
        Greatest power at all sites together (kW), of a job in MWh.
    servers_max : float or None
        Greatest number of servers, of a job in server hours.
    interruptible : bool
        False: it runs for `run_periods` without pause at one site and a constant level, at the cost
        of one binary for each site and possible start.
    run_periods : int or None
        Periods that a non-interruptible job runs.
    """

    name: str
    arrival: int
    deadline: int
    mwh: float | None = None
    server_hours: float | None = None
    sites: tuple[str, ...] = ()
    kw_max: float | None = None
    servers_max: float | None = None
    interruptible: bool = True
    run_periods: int | None = None


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Everything that an aggregator serves: an amount of energy, or parts.

    Parameters
    ----------
    energy_mwh : float or None
        Energy at its meters (MWh), free in time and place; instead of servers, interactive load and
        jobs.
    energy_windows : tuple of (int, float)
        Instead of `energy_mwh`: (deadline, MWh) of windows that follow one another, each from the
        deadline before it (positions of periods, the first from 0). The last one ends with the last
        period.
    servers : tuple of Servers
        Pools.
    interactive : tuple of Interactive
        Needs servers.
    jobs : tuple of Job
    ups : tuple of Ups
        With either.
    llm : tuple of LlmService
    training : tuple of Training
    smoothing : tuple of Smoothing
        With either.
    """

    energy_mwh: float | None = None
    servers: tuple[Servers, ...] = ()
    interactive: tuple[Interactive, ...] = ()
    jobs: tuple[Job, ...] = ()
    ups: tuple[Ups, ...] = ()
    energy_windows: tuple[tuple[int, float], ...] = ()
    llm: tuple[LlmService, ...] = ()
    training: tuple[Training, ...] = ()
    smoothing: tuple[Smoothing, ...] = ()


PARTS: dict[str, type] = {
    "servers": Servers, "interactive": Interactive, "job": Job, "ups": Ups, "llm": LlmService,
    "training": Training, "smoothing": Smoothing}
FIELDS = {word: "jobs" if word == "job" else word for word in PARTS}
"""The field of `Workload` by the word of its parts."""
WORK = ("interactive", "job", "llm", "training")
"""Words of the parts that are work, and not what does it."""


def pue_of(pool: Servers, labels: Sequence[Hashable]) -> dict:
    """PUE of a pool in each period.

    Parameters
    ----------
    pool : Servers
        With a `pue`, or a table and temperatures.
    labels : sequence
        The periods.

    Returns
    -------
    dict
        {period: PUE (1)}.

    Raises
    ------
    ModelError
        If there are not as many numbers as periods.
    """
    if not pool.pue_table:
        return by_period(pool.pue, labels, f"pue of the servers at '{pool.site}'")
    celsius, values = zip(*sorted(pool.pue_table), strict=True)
    heat = by_period(pool.temperature, labels, f"temperature of the servers at '{pool.site}'")
    return {t: float(np.interp(heat[t], celsius, values)) for t in labels}


def sites_of(part: Interactive | Job | LlmService, workload: Workload,
             sites: Iterable[str]) -> list[str]:
    """Datacenters at which a part may run: its own sites, or all that can.

    Parameters
    ----------
    part : Interactive, Job or LlmService
        Of the workload.
    workload : Workload
        With its pools.
    sites : iterable of str
        Datacenters of the aggregator.

    Returns
    -------
    list of str
    """
    pools = [pool.site for pool in workload.servers]
    needs_servers = isinstance(part, Interactive) or (
        getattr(part, "server_hours", None) is not None)
    return list(part.sites) or (pools if needs_servers else list(sites))


_BATTERY = ("kw", "kwh", "kwh_min", "kwh_start", "kwh_end")
_SIZES = {Servers: ("count",), Interactive: ("rate",), Ups: _BATTERY,
          Smoothing: (*_BATTERY, "step_kw", "ramp_kw"), LlmService: ("tokens", "replicas"),
          Training: ("gpus", "gpu_hours", "ramp_kw"),
          Job: ("mwh", "server_hours", "kw_max", "servers_max")}


def scaled(workload: Workload, factor: float) -> Workload:
    """A workload at a multiple of its size: servers, requests, jobs, batteries and energy.

    Parameters
    ----------
    workload : Workload
        Not changed.
    factor : float
        The multiple (1).

    Returns
    -------
    Workload
    """
    def times(value):
        if isinstance(value, tuple):
            return tuple(factor * x for x in value)
        return None if value is None else factor * value

    def sized(parts):
        return tuple(replace(part, **{key: times(getattr(part, key))
                                      for key in _SIZES[type(part)]}) for part in parts)

    if factor == 1.0:
        return workload
    return Workload(
        energy_mwh=times(workload.energy_mwh),
        energy_windows=tuple((end, factor * mwh) for end, mwh in workload.energy_windows),
        **{key: sized(getattr(workload, key)) for key in FIELDS.values()})
