"""What is wrong with the GPU parts of a workload, each by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from pyomo_dlmp.errors import nearest, shown
from pyomo_dlmp.market.battery import Smoothing, Ups
from pyomo_dlmp.market.gpu import LlmService, Training, replica_table
from pyomo_dlmp.market.llm_models import LLM_MODELS
from pyomo_dlmp.network.series import Finding, series_findings


def positive(part, *keys: str) -> Iterator[Finding]:
    """Numbers of a part that are not above 0.

    Parameters
    ----------
    part : dataclass
    *keys : str
        Its fields.

    Yields
    ------
    (str, str)
        What is wrong, and its cure.
    """
    for key in keys:
        value = getattr(part, key)
        if value is not None and value <= 0:
            yield f"has {key} {value:g}", "Give a number above 0."


def _at_least(part, least: float, *keys: str) -> Iterator[Finding]:
    for key in keys:
        value = getattr(part, key)
        if value is not None and value < least:
            yield f"has {key} {value:g}", f"Give a number of at least {least:g}."


def _share(part, *keys: str) -> Iterator[Finding]:
    for key in keys:
        value = getattr(part, key)
        if not 0 <= value < 1:
            yield f"has {key} {value:g}", "Give a share: at least 0 and below 1."


def battery_findings(ups: Ups, labels: list) -> Iterator[Finding]:
    """What is wrong with a battery.

    Parameters
    ----------
    ups : Ups
    labels : list
        The periods.

    Yields
    ------
    (str, str)
        What is wrong, and its cure.
    """
    yield from positive(ups, "kw", "kwh")
    if not (0 <= ups.kwh_min <= ups.start <= ups.kwh):
        yield (f"has kwh_min {ups.kwh_min:g}, start {ups.start:g}, kwh {ups.kwh:g}",
               "Give 0 <= kwh_min <= kwh_start <= kwh.")
    elif not ups.kwh_min <= ups.end <= ups.kwh:
        yield (f"has kwh_min {ups.kwh_min:g}, kwh_end {ups.end:g}, kwh {ups.kwh:g}",
               "Give kwh_min <= kwh_end <= kwh.")
    if not 0 < ups.efficiency <= 1:
        yield f"has efficiency {ups.efficiency:g}", "Give a share above 0 and at most 1."
    if isinstance(ups, Smoothing):
        yield from _at_least(ups, 0.0, "step_kw", "ramp_kw")


def service_findings(service: LlmService, labels: list) -> Iterator[Finding]:
    """What is wrong with a service.

    Parameters
    ----------
    service : LlmService
    labels : list
        The periods.

    Yields
    ------
    (str, str)
        What is wrong, and its cure.
    """
    for key, least in (("tokens", 0.0), ("pue", 1.0)):
        for what, cure in series_findings(getattr(service, key), labels, least)[1]:
            yield f"{key} {what}", cure
    yield from _at_least(service, 0.0, "idle_w", "host_w")
    yield from positive(service, "latency_s")
    yield from _share(service, "error")
    given = service.replicas if isinstance(service.replicas, tuple) else (service.replicas,)
    if any(count < 0 for count in given) or not any(given):
        yield f"has replicas {shown(service.replicas)}", "Give numbers of at least 0, one above 0."
    if isinstance(service.replicas, tuple) and len(given) != len(service.sites):
        yield (f"has {len(given)} replicas for {len(service.sites)} sites",
               "Give one number, or one for each of its `sites`, which are then named.")
    yield from _curve(service)


def _curve(service: LlmService) -> Iterator[Finding]:
    if not service.measured and service.model not in LLM_MODELS:
        yield (f"has model {service.model!r}, of which no measurements are shipped",
               f"{nearest(service.model, LLM_MODELS)} Or give your own as `measured`.")
        return
    for row in service.measured:
        if min(row) <= 0:
            yield (f"has a row {shown(row)} in measured",
                   "Give (batch size, tokens/s, W, s between tokens), all above 0.")
            return
    table = replica_table(service)
    if not len(table) and not list(positive(service, "latency_s")):
        rows = service.measured or LLM_MODELS[service.model].table()
        yield (f"has latency_s {service.latency_s:g}, and no batch size is below "
               f"{min(row[3] for row in rows):.3g} s", "Allow more time between tokens.")
    elif len(table) and service.idle_w > table[:, 2].min():
        yield (f"has idle_w {service.idle_w:g}, above the {table[:, 2].min():.4g} W of a replica "
               "at work", "Give the power of a whole replica (W) that has nothing to do.")


def training_findings(training: Training, labels: list) -> Iterator[Finding]:
    """What is wrong with a training.

    Parameters
    ----------
    training : Training
    labels : list
        The periods.

    Yields
    ------
    (str, str)
        What is wrong, and its cure.
    """
    yield from positive(training, "gpus", "gpu_hours", "gpu_w")
    yield from _at_least(training, 0.0, "idle_w", "ramp_kw")
    yield from _share(training, "checkpoint")
    if not 0 <= training.swing <= 1:
        yield f"has swing {training.swing:g}", "Give a share: at least 0 and at most 1."
    for what, cure in series_findings(training.pue, labels, 1.0)[1]:
        yield f"pue {what}", cure
    yield from window_findings(training, labels)
    yield from _caps(training)


def _caps(training: Training) -> Iterator[Finding]:
    caps = sorted(training.caps)
    if not caps or caps[-1] != (1.0, 1.0) or min(map(min, caps)) <= 0:
        yield (f"has caps {shown(training.caps)}",
               "Give shares above 0 of (power, throughput), with (1, 1) for no cap.")
    elif any(low[0] == high[0] or high[1] < low[1] for low, high in pairwise(caps)):
        yield (f"has caps {shown(training.caps)}",
               "Each power occurs once, and throughput does not fall as power rises.")
    elif training.idle_w > caps[0][0] * training.gpu_w > 0:
        yield (f"has idle_w {training.idle_w:g}, above the {caps[0][0] * training.gpu_w:g} W of "
               "its lowest cap", "Give the power of one GPU that pauses (W).")


def window_findings(part, labels: list) -> Iterator[Finding]:
    """What is wrong with the window of a job or a training.

    Parameters
    ----------
    part : Job or Training
    labels : list
        The periods.

    Yields
    ------
    (str, str)
        What is wrong, and its cure.
    """
    if part.deadline <= part.arrival:
        yield (f"has its deadline {part.deadline} at or before its arrival {part.arrival}",
               "Give arrival < deadline (positions of periods).")
    elif part.arrival < 0 or part.deadline > len(labels):
        yield (f"has arrival {part.arrival} and deadline {part.deadline}, the periods go from 0 "
               f"to {len(labels)}", "Keep it inside the study.")
