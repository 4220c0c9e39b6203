"""What is wrong with a workload: types, numbers, names, windows, lengths; all of it at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from pyomo_dlmp.errors import Fault, ModelError, listed, nearest, shown
from pyomo_dlmp.market.gpu_checks import (
    battery_findings,
    positive,
    service_findings,
    training_findings,
    window_findings,
)
from pyomo_dlmp.market.workload import (
    FIELDS,
    PARTS,
    WORK,
    Interactive,
    Job,
    LlmService,
    Servers,
    Smoothing,
    Training,
    Ups,
    Workload,
    pue_of,
    sites_of,
)
from pyomo_dlmp.network.fields import Range, field_findings, settled
from pyomo_dlmp.network.series import is_whole, items_of, series_findings

Finding = tuple[str, str, str]  # place, what is wrong, cure
_AMOUNT = Range(0, unit="MWh")
_GROUPS = {FIELDS[word]: cls for word, cls in PARTS.items()}
_KEYS = {field: "name" if "name" in cls.__dataclass_fields__ else "site"
         for field, cls in _GROUPS.items()}


def check_workload(workload: Workload, sites: Iterable[str], labels: Sequence[Hashable],
                   where: str) -> None:
    """Raise an error with every fault of a workload: names, windows, numbers, lengths.

    Parameters
    ----------
    workload : Workload
        To be checked.
    sites : iterable of str
        Datacenters of the aggregator.
    labels : sequence
        The periods.
    where : str
        Name of the aggregator in messages.

    Raises
    ------
    ModelError
        If the workload has faults; it lists all of them.
    """
    faults = [Fault(f"{where}: {place}", what, cure)
              for place, what, cure in workload_findings(workload, list(sites), list(labels))]
    if faults:
        raise ModelError(faults)


def workload_findings(workload: Any, sites: list[str] | None,
                      labels: list[Hashable], partial: bool = False) -> Iterator[Finding]:
    """What is wrong with a workload.

    Parameters
    ----------
    workload : Workload
        Its types need not be right.
    sites : list of str or None
        Datacenters of the aggregator; None: they are not known, and names of sites not judged.
    labels : list
        The periods.
    partial : bool
        Whether parts are left out because they are wrong: what is missing is then not judged.

    Yields
    ------
    (str, str, str)
        The part, what is wrong, and its cure.
    """
    if not isinstance(workload, Workload):
        yield "workload", f"is {shown(workload)}", "Give a Workload(...), or MWh."
        return
    sound: dict[str, tuple] = {}
    broken = partial
    for group, cls in _GROUPS.items():
        given = items_of(getattr(workload, group))
        if given is None:
            yield ("workload", f"has {group} {shown(getattr(workload, group))}",
                   f"Give a tuple of {cls.__name__}(...).")
        kept = []
        for part in given or ():
            found = list(part_findings(part, cls))
            yield from found
            kept += [] if found else [settled(part)]
        sound[group] = tuple(kept)
        broken = broken or given is None or len(kept) < len(given)
    whole = Workload(energy_mwh=workload.energy_mwh, **sound)
    windows = workload.energy_windows
    yield from _amounts(whole, broken or bool(windows))
    if windows:
        yield from _windows(windows, workload, len(labels))
    yield from _names(whole)
    yield from _places(whole, sites, broken)
    for part in (part for group in _GROUPS for part in getattr(whole, group)):
        yield from ((_place(part), *found) for found in _CHECKS[type(part)](part, labels))


def part_findings(part: Any, cls: type) -> Iterator[Finding]:
    """What is wrong with a part of a workload by its types and numbers.

    Parameters
    ----------
    part : object
        As given.
    cls : type
        What it should be.

    Yields
    ------
    (str, str, str)
        The part, what is wrong, and its cure.
    """
    if not isinstance(part, cls):
        yield "workload", f"holds {shown(part)}", f"Give a {cls.__name__}(...)."
        return
    found = field_findings(settled(part))
    yield from ((_place(part), what, cure) for what, cure in found)
    key = "name" if hasattr(part, "name") else "site"
    if not found and not getattr(part, key).strip():
        yield _place(part), f"has an empty {key}", f"Give it a {key}."


def _place(part: Any) -> str:
    word = next(word for word, cls in PARTS.items() if type(part) is cls)
    return f"{word} {shown(part.name if hasattr(part, 'name') else part.site)}"


def _has_parts(w: Workload) -> bool:
    """Whether it has work, or servers for it, besides an amount of energy."""
    return any(getattr(w, FIELDS[word]) for word in (*WORK, "servers"))


def _amounts(w: Workload, broken: bool) -> Iterator[Finding]:
    if w.energy_mwh is not None and _has_parts(w):
        yield ("workload", "has energy_mwh beside servers, interactive load, jobs, llm or training",
               "Write the energy as a job: Job(arrival=0, deadline=periods, mwh=...).")
    if w.energy_mwh is None and not _has_parts(w) and not broken:
        yield "workload", "is empty", "Give energy_mwh, or interactive load, jobs, llm, training."
    if _AMOUNT.finding(w.energy_mwh, none="parts"):
        yield "workload", f"has energy_mwh {shown(w.energy_mwh)}", "Give MWh, at least 0."


def _windows(windows: Any, w: Workload, periods: int) -> Iterator[Finding]:
    pairs = [tuple(pair) if isinstance(pair, tuple | list) else () for pair in items_of(windows)
             or [()]]
    if any(len(pair) != 2 or not is_whole(pair[0]) or _AMOUNT.finding(pair[1]) for pair in pairs):
        yield ("workload", f"has energy_windows {shown(windows)}",
               "Give pairs (deadline, MWh): energy_windows=((24, 30.0),).")
        return
    ends = [0, *(end for end, _ in pairs)]
    if any(b <= a for a, b in pairwise(ends)) or ends[-1] != periods:
        yield ("workload", f"has energy_windows that end at {listed(ends[1:])}",
               f"Let deadlines increase, the last one be {periods}, the number of periods.")
    if w.energy_mwh is not None or _has_parts(w):
        yield ("workload", "has energy_windows beside energy_mwh, servers, interactive load, "
               "jobs, llm or training", "Give one of them.")


def _names(w: Workload) -> Iterator[Finding]:
    for group, key in _KEYS.items():
        names = [getattr(part, key) for part in getattr(w, group)]
        for name in dict.fromkeys(n for n in names if names.count(n) > 1):
            yield f"{group} {name!r}", "occurs twice", "Keep one, or give them different names."


def _places(w: Workload, sites: list[str] | None, broken: bool) -> Iterator[Finding]:
    """Sites that are no datacenters, and work on servers at sites without any."""
    pools = {pool.site for pool in w.servers}
    parts: list[Any] = [part for group in _GROUPS for part in getattr(w, group)]
    for part in parts:
        named = [part.site] if hasattr(part, "site") else list(part.sites)
        for site in named:
            if sites is not None and site not in sites:
                yield (_place(part),
                       f"names site {site!r}, which is not a datacenter of this aggregator",
                       nearest(site, sites) or "It has no datacenter.")
        if isinstance(part, Interactive) or getattr(part, "server_hours", None) is not None:
            without = [s for s in sites_of(part, w, sites or ()) if s not in pools]
            if (without or not pools) and not broken:
                yield (_place(part), f"needs servers at {without[0] if without else 'some site'!r}",
                       "Give Servers(site=...).")


def _servers(pool: Servers, labels: list) -> Iterator[tuple[str, str]]:
    yield from positive(pool, "count", "peak_w", "service_rate", "delay_s")
    if not 0 <= pool.idle_w <= pool.peak_w:
        yield f"has idle_w {pool.idle_w:g} and peak_w {pool.peak_w:g}", "Give 0 <= idle <= peak."
    elif not list(positive(pool, "service_rate", "delay_s")) and (
            pool.service_rate * pool.delay_s <= 1):
        yield (f"serves one request in {1 / pool.service_rate:g} s on average, not less than "
               f"delay_s {pool.delay_s:g}", "Allow more delay, or faster servers.")
    if pool.pue_table and len(pool.temperature) != len(labels):
        yield (f"has {len(pool.temperature)} temperatures for {len(labels)} periods",
               "Give one for each period.")
        return
    try:
        low = min(pue_of(pool, labels).values())
    except ModelError as err:
        yield f"pue {err.faults[0].what}", err.faults[0].cure
        return
    if low < 1:
        yield f"has a PUE of {low:g}", "A PUE is at least 1."


def _interactive(load: Interactive, labels: list) -> Iterator[tuple[str, str]]:
    for what, cure in series_findings(load.rate, labels, 0.0)[1]:
        yield f"rate {what}", cure


def _job(job: Job, labels: list) -> Iterator[tuple[str, str]]:
    if (job.mwh is None) == (job.server_hours is None):
        yield "has no work, or two kinds of it", "Give one of mwh and server_hours."
    yield from positive(job, "mwh", "server_hours", "kw_max", "servers_max", "run_periods")
    yield from window_findings(job, labels)
    if job.interruptible != (job.run_periods is None):
        yield (f"has interruptible={job.interruptible} and run_periods={job.run_periods}",
               "A non-interruptible job needs run_periods, another does not have it.")
    elif job.run_periods is not None and job.run_periods > job.deadline - job.arrival:
        yield (f"runs {job.run_periods} periods within {job.deadline - job.arrival}",
               "Give it more time, or shorten it.")


_CHECKS: dict[type, Any] = {
    Servers: _servers, Interactive: _interactive, Job: _job, Ups: battery_findings,
    Smoothing: battery_findings, LlmService: service_findings, Training: training_findings}
