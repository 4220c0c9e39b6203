"""Rows of the GPU parts of a workload; `workload_rows` writes them among its others.

Symbols, point k of `operating_points`: W_k (W), T_k (tokens/s, or share of full throughput);
n = thousand replicas (of a service), thousand GPUs (of a training) at a point.

    fleet     sum_k n[s, k, t] == replicas[s]                     (training: its GPUs)
    served    sum_{s, k} T_k n[s, k, t] == tokens of the hour     (million tokens/s)
    work      h (1 - checkpoint) sum_{k, t} T_k n[k, t] == work   (thousand GPU hours)
    power     PUE sum_k W_k n[k, t]                               (MW)
    ramp      |power_t - power_{t-1}| <= ramp; outside its window a training draws nothing
    step      sum of the site's trainings (swing x power) - (kw - c - d) <= step_kw

Data that may be set later (mutable Params): ``llm[name].wanted[t]``, ``llm[name].pue[t]``,
``training[name].size``, ``training[name].pue[t]``.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.blocks.horizon import constraint_over, number
from pyomo_dlmp.market.battery import Smoothing
from pyomo_dlmp.market.gpu import LlmService, Training, operating_points, replicas_at
from pyomo_dlmp.network.series import by_period
from pyomo_dlmp.network.units import KILO

UNITS = {"llm": ("tokens/s", KILO * KILO), "training": ("GPU hours", KILO)}
"""Unit of a shortfall in messages, and how many of it the rows' unit is."""


def llm_hour(name: str, t) -> str:
    """How a service's hour is called where it is not served.

    Parameters
    ----------
    name : str
    t : hashable
        The period.

    Returns
    -------
    str
    """
    return f"llm '{name}' in period {t!r}"


def write_service(b: Any, service: LlmService, sites: list[str], labels: list, serve) -> dict:
    """The rows of a service.

    Parameters
    ----------
    b : Block
        Empty.
    service : LlmService
    sites : list of str
        Where it runs.
    labels : list
        The periods.
    serve : callable
        serve(work, key, wanted): the row that all of it is served.

    Returns
    -------
    dict
        {(site, t): power (MW)}.
    """
    points, fleet = operating_points(service), replicas_at(service, sites)
    k = range(len(points.work))
    wanted = by_period(service.tokens, labels, f"tokens of llm '{service.name}'")
    b.pue = _pue(service, "llm", labels)
    b.wanted = pyo.Param(labels, mutable=True, initialize={
        t: wanted[t] / KILO / KILO for t in labels})
    b.level = pyo.Var(sites, k, labels, initialize=0.0, domain=pyo.NonNegativeReals)
    for s, i, t in b.level:
        b.level[s, i, t].setub(fleet[s] / KILO)
    index = [(s, t) for s in sites for t in labels]
    b.fleet = constraint_over(index, lambda s, t: sum(
        b.level[s, i, t] for i in k) == fleet[s] / KILO)
    b.tokens = pyo.Expression(index, initialize={(s, t): sum(
        points.work[i] / KILO * b.level[s, i, t] for i in k) for s, t in index})
    b.served = constraint_over(labels, lambda t: serve(
        sum(b.tokens[s, t] for s in sites), llm_hour(service.name, t), b.wanted[t]))
    b.power = pyo.Expression(index, initialize={(s, t): b.pue[t] * sum(
        points.watts[i] / KILO * b.level[s, i, t] for i in k) for s, t in index})
    return dict(b.power.items())


def write_training(b: Any, training: Training, labels: list, hours: float, serve) -> dict:
    """The rows of a training.

    Parameters
    ----------
    b : Block
        Empty.
    training : Training
    labels : list
        The periods.
    hours : float
        Length of one (h).
    serve : callable
        As of `write_service`.

    Returns
    -------
    dict
        {t: power (MW)} of its window.
    """
    points, window = operating_points(training), labels[training.arrival:training.deadline]
    k, gpus = range(len(points.work)), training.gpus / KILO
    b.pue = _pue(training, "training", labels)
    b.size = number(training.gpu_hours / KILO)
    b.level = pyo.Var(k, window, bounds=(0.0, gpus), initialize=0.0)
    b.fleet = constraint_over(window, lambda t: sum(b.level[i, t] for i in k) == gpus)
    b.work = pyo.Constraint(expr=serve(hours * (1.0 - training.checkpoint) * sum(
        points.work[i] * b.level[i, t] for i in k for t in window),
        f"training '{training.name}'", b.size))
    b.power = pyo.Expression(window, initialize={t: b.pue[t] * sum(
        points.watts[i] / KILO * b.level[i, t] for i in k) for t in window})
    power = dict(b.power.items())
    ramp = training.ramp_kw
    if ramp is not None:
        steps = [(sign, t, before) for t, before in zip(labels[1:], labels, strict=False)
                 for sign in (1, -1) if t in power or before in power]
        b.ramp = constraint_over(steps, lambda sign, t, before: sign * (
            power.get(t, 0.0) - power.get(before, 0.0)) <= ramp / KILO)
    return power


def write_smoothing(b: Any, part: Smoothing, swing: dict, labels: list) -> None:
    """The rows of a smoothing battery beside those of a battery.

    Parameters
    ----------
    b : Block
        With a battery's rows.
    part : Smoothing
    swing : dict
        {t: list of power that comes and goes within seconds (MW)} of the site's trainings.
    labels : list
        The periods.
    """
    step, ramp = part.step_kw, part.ramp_kw
    if step is not None:
        at = [t for t in labels if swing.get(t)]
        b.step = constraint_over(at, lambda t: sum(swing[t]) - part.kw / KILO + b.charge[t] + (
            b.discharge[t]) <= step / KILO)
    if ramp is not None:
        steps = [(sign, t, before) for t, before in zip(labels[1:], labels, strict=False)
                 for sign in (1, -1)]
        b.ramp = constraint_over(steps, lambda sign, t, before: sign * (
            b.charge[t] - b.discharge[t] - b.charge[before] + b.discharge[before])
            <= ramp / KILO)


def _pue(part: LlmService | Training, word: str, labels: list) -> pyo.Param:
    return pyo.Param(labels, mutable=True, initialize=by_period(
        part.pue, labels, f"pue of {word} '{part.name}'"))
