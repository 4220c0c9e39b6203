"""Points that others found, made exact: scenarios one by one over their pieces, then all together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pyomo_dlmp.parametric.polish import polished
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, ROW_HOLDS
from pyomo_dlmp.uncertainty.route import Found, reply, search
from pyomo_dlmp.uncertainty.shipment import Shipment
from pyomo_dlmp.uncertainty.two_stage import TwoStage


@dataclass
class Decided:
    """A scenario's decisions at a first stage: its number, both, and their exact cost ($)."""

    number: int
    x: np.ndarray
    z: np.ndarray
    cost: float


def decided(problem: TwoStage, points: list[tuple[int, np.ndarray, np.ndarray]],
            gap: float) -> list[Decided]:
    """What scenarios decide at the first stage of the first of them, made exact.

    Parameters
    ----------
    problem
        The two-stage problem.
    points
        (number, first stage, own columns) of scenarios.
    gap
        Relative, of a scenario whose point does not hold its rows and is solved again.

    Returns
    -------
    list of Decided
        Without those that have no decisions there.
    """
    if not points:
        return []
    first = problem.first
    x = np.clip(points[0][1][:first.size], first.lb, first.ub)
    x[first.integer] = np.round(x[first.integer])
    found = [answer_at(problem, s, x, z, gap) for s, _, z in points]
    return [one for one in found if one is not None]


def answer_at(problem: TwoStage, s: int, x: np.ndarray, z: np.ndarray | None,
               gap: float) -> Decided | None:
    """A scenario's decisions at a first stage, from a point z or from none."""
    hull = problem.recourse_hull(s, x)
    p = hull.upper
    if z is not None:
        z = np.clip(z, p.lb, p.ub)
        z[p.integer] = np.round(z[p.integer])
        if hull.parts:
            z = polished(hull, z)
    if z is None or not p.holds(z, ROW_HOLDS):
        z = reply(hull, gap).z
    return None if z is None else Decided(s, x, z, hull.cost_at(z)[0])


def gathered(shipment: Shipment, decisions: list[Decided]) -> Found:
    """The point of all scenarios' decisions; without one if a scenario has none."""
    problem = shipment.problem
    by_number = {one.number: one for one in decisions}
    if len(by_number) < len(problem.recourses):
        return Found(Status.GAP_NOT_REACHED, None, [], np.zeros(0), np.inf, shipment.bound)
    ordered = [by_number[s] for s in range(len(problem.recourses))]
    costs, x = np.array([one.cost for one in ordered]), ordered[0].x
    return Found(Status.GAP_NOT_REACHED, x, [one.z for one in ordered], costs,
                 problem.value(x, costs), shipment.bound)


def at_relaxation(shipment: Shipment, gap: float) -> Found:
    """The point at the first stage of the relaxation."""
    problem, x = shipment.problem, shipment.x
    if x is None:
        return gathered(shipment, [])
    found = [answer_at(problem, s, x[:problem.first.size], None, 0.2 * gap)
             for s in range(len(problem.recourses))]
    return gathered(shipment, [one for one in found if one is not None])


def judged(found: Found, bound: float, gap: float, otherwise: str) -> Found:
    found.bound = min(bound, found.objective)
    closed = found.x is not None and found.objective - found.bound <= 1.0001 * max(
        gap * abs(found.objective), ABSOLUTE_GAP)
    found.status = Status.OPTIMAL if closed else otherwise
    return found


def settled(problem: TwoStage, found: Found, gap: float) -> Found:
    """The best point over the pieces that a point uses: a convex problem of all scenarios.

    Parameters
    ----------
    problem
        The two-stage problem.
    found
        A point of it.
    gap
        Relative, of this problem.

    Returns
    -------
    Found
        `found` itself where nothing better is there.
    """
    if found.x is None:
        return found
    recourses = []
    for s, recourse in enumerate(problem.recourses):
        one, z = recourse.scenario, found.decisions[s]
        chosen = problem.recourse_hull(s, found.x).pieces_at(z)
        pieces = [[mine[r]] for mine, r in zip(one.pieces, chosen, strict=True)]
        program = recourse.program
        whole = np.flatnonzero(program.integer)
        lb, ub = program.lb.copy(), program.ub.copy()
        lb[whole] = ub[whole] = np.round(z[whole])
        recourses.append(replace(recourse, scenario=replace(one, pieces=pieces), program=replace(
            program, lb=lb, ub=ub, integer=np.zeros(len(lb), bool))))
    first = replace(problem.first)
    whole = np.flatnonzero(first.integer)
    first.lb, first.ub = first.lb.copy(), first.ub.copy()
    first.lb[whole] = first.ub[whole] = np.round(found.x[whole])
    first.integer = np.zeros(first.size, bool)
    narrow = replace(problem, first=first, recourses=recourses)
    better = search(narrow, gap, start=found.x)
    if better.x is None or better.objective > found.objective:
        return found
    return replace(better, status=found.status, bound=found.bound)
