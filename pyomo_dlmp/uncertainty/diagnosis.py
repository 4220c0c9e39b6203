"""Why no first stage leaves every scenario an answer: which one, by how much, what to change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import Fault, ModelError
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels, refuse_work
from pyomo_dlmp.uncertainty.two_stage import TwoStage


def refuse_infeasible(problem: TwoStage, models: ScenarioModels) -> None:
    """Raise an error that tells why a problem has no solution.

    Parameters
    ----------
    problem
        The two-stage problem.
    models
        Of its scenarios.

    Raises
    ------
    ModelError
    """
    faults: list[Fault] = []
    for recourse in problem.recourses:
        p = recourse.scenario.program.relaxed()
        if Highs.of(p).solve().status == Status.INFEASIBLE:
            faults += refuse_work(models, recourse.scenario.name)
    if faults:
        raise ModelError(faults)
    worst = _least_room(problem)
    if worst is None:
        raise ModelError.at(
            "solve_stochastic", "no first stage leaves every scenario an answer",
            "Leave more to the second stage.")
    name, site, room, has = worst
    raise ModelError.at(
        f"scenario {name!r}", f"cannot follow any schedule that the others can: site {site!r} "
        f"would deviate by {room:.3g} of its capacity, and {has:.3g} is allowed",
        f"Give flexibility={np.ceil(1e3 * room) / 1e3:g} or more.")


def _least_room(problem: TwoStage) -> tuple[str, str, float, float] | None:
    """(scenario, site, its deviation, what is allowed; shares) where all deviate by the least."""
    if any(r.deviations is None for r in problem.recourses):
        return None
    master = problem.master()
    upper = replace(master.upper.relaxed(), c=np.zeros(len(master.upper.c)))
    many = len(upper.c)
    columns, caps = [], []
    ub = upper.ub.copy()
    for start, r in zip(master.starts, problem.recourses, strict=False):
        assert r.deviations is not None
        at = start + r.deviations
        columns.append(at.ravel())
        cap = np.array([problem.terms.capacity_mw[site] for site in r.scenario.sites])
        caps.append(np.broadcast_to(cap[None, :, None], at.shape).ravel())
        ub[at] = np.inf
    at, cap = np.concatenate(columns), np.concatenate(caps)
    k = len(at)
    rows = sp.csr_matrix((np.ones(k), (np.arange(k), at)), shape=(k, many))
    A = sp.bmat([[upper.A, None], [rows, sp.csr_matrix(-cap[:, None])]], format="csr")
    answer = Highs(
        np.append(np.zeros(many), 1.0), A, np.append(upper.lo, np.full(k, -np.inf)),
        np.append(upper.hi, np.zeros(k)), np.append(upper.lb, 0.0), np.append(ub, np.inf)).solve()
    if answer.z is None or answer.status != Status.OPTIMAL:
        return None
    least = float(answer.z[-1])
    share = answer.z[at] / cap
    for own, r in zip(np.split(np.arange(k), len(problem.recourses)), problem.recourses,
                      strict=True):
        here = share[own].reshape(r.deviations.shape)  # type: ignore[union-attr]
        site = np.unravel_index(int(here.argmax()), here.shape)[1]
        allowed = problem.terms.flexibility[r.scenario.sites[site]]
        if here.max() >= least - ROW_HOLDS and here.max() > allowed:
            return r.scenario.name, r.scenario.sites[site], least, allowed
    return None
