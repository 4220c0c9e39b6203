"""What a step of a rolling horizon leaves to the next one: work done, stored energy, power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.series.problems import Problems
from pyomo_dlmp.series.spans import Span, State


def first_state(problems: Problems) -> State:
    """What the first problem begins with.

    Parameters
    ----------
    problems : Problems

    Returns
    -------
    State
    """
    storage = {name: device.kwh_start
               for name, device in problems.market.network.devices_of("storage").items()}
    return State(ups={ups.site: ups.start for ups in problems.work.own.ups}, storage=storage)


def nothing_bought(problems: Problems, span: Span, state: State) -> State:
    """After a problem without a solution: nothing is done, and powers are not known.

    Parameters
    ----------
    problems : Problems
    span : Span
    state : State

    Returns
    -------
    State
    """
    row = span.first + span.bought
    same = span.first >= row - row % problems.window
    return replace(state, done=state.done if same else 0.0, kw={},
                   job=_alive(state.job, row // problems.window))


def after(problems: Problems, span: Span, state: State, model: Any,
          value: Callable[[Any], float] = pyo.value, labels: list | None = None) -> State:
    """After a solved problem.

    Parameters
    ----------
    problems : Problems
    span : Span
    state : State
    model : ConcreteModel
        Of the problem, with its `dso` and `dca` (a cooperative one is its own DSO).
    value : callable
        Value of a Var or Expression of it.
    labels : list, optional
        Its periods in the order of the rows; None: as they are.

    Returns
    -------
    State
    """
    dso, dca = getattr(model, "dso", model), model.dca
    bought = (labels or list(dso.periods))[:span.bought]
    theirs = {site for sites, _ in problems.market.takers.values() for site in sites}
    mine = [name for name in dso.datacenter if name not in theirs]
    net = [sum(value(dso.datacenter[name].p[t]) - (
        value(dca.ups[name].charge[t]) - value(dca.ups[name].discharge[t])
        if name in dca.ups else 0.0) for name in mine) for t in bought]
    row, hours = span.first + span.bought, problems.table.hours
    begin = row - row % problems.window
    done = sum(hours * mw for k, mw in enumerate(net) if span.first + k >= begin)
    job = dict(state.job)
    for name, block in dca.job.items():
        unit = hours * (KILO if _in_server_hours(problems, name) else 1.0)
        job[name] = job.get(name, 0.0) + unit * sum(
            value(level) for key, level in block.level.items() if key[-1] in bought)
    limits = {ups.site: (ups.kwh_min, ups.kwh) for ups in problems.work.own.ups}
    ups = {site: _within(KILO * value(b.stored[bought[-1]]), *limits[site])
           for site, b in dca.ups.items()}
    batteries = problems.market.network.devices_of("storage")
    storage = {name: _within(KILO * value(b.energy[bought[-1]]), batteries[name].kwh_min,
                             batteries[name].kwh_max) for name, b in dso.storage.items()}
    return State(
        done + (state.done if begin <= span.first else 0.0),
        _alive(job, row // problems.window),
        {name: KILO * value(dso.datacenter[name].p[bought[-1]]) for name in mine}, ups, storage)


def _in_server_hours(problems: Problems, name: str) -> bool:
    own = {job.name: job for job in problems.work.own.jobs}
    return own[name.rpartition(" of window ")[0]].server_hours is not None


def _alive(job: dict[str, float], window: int) -> dict[str, float]:
    """Jobs of this window and of later ones."""
    return {name: x for name, x in job.items() if int(name.rpartition(" ")[2]) >= window}


def _within(x: float, low: float, high: float) -> float:
    """Without what rounding puts beyond the limits."""
    return min(max(float(x), low), high)
