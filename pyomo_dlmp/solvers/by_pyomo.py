"""Solve a single-level model by a solver that Pyomo reaches."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.bilevel.values import value_idle_vars
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.solvers.interfaces import SolverInterface, first_line, quietly
from pyomo_dlmp.solvers.native import extended, prunes_unbounded_nodes
from pyomo_dlmp.solvers.rays import judged
from pyomo_dlmp.status import NO_POINT, Status
from pyomo_dlmp.transform.complementarity.indicator import implications_of

_NO_BOUND = 1e20  # what solvers write for none is at least this
_ENDLESS = 1e15  # an objective of this size is a way to infinity that the solver has cut off


@dataclass
class PyomoResult:
    """What Pyomo reports of a run.

    Attributes
    ----------
    status
        A `Status`, or the solver's own text.
    objective, bound
        In the user's sense; None where there is none.
    note
        The solver's message when it stopped for another reason.
    """

    status: str
    objective: float | None
    bound: float | None
    note: str = ""


_STATUS = {
    "optimal": Status.OPTIMAL, "maxTimeLimit": Status.TIME_LIMIT,
    "resourceInterrupt": Status.INTERRUPTED,
    "infeasible": Status.INFEASIBLE, "unbounded": Status.UNBOUNDED,
    "infeasibleOrUnbounded": Status.INFEASIBLE_OR_UNBOUNDED,
}


def solve_by_pyomo(interface: SolverInterface, model: Any, gap: float, time_limit: float | None,
                   started: bool = False, options: dict | None = None) -> PyomoResult:
    """Solve a single-level Pyomo model; values are loaded onto it when there are any.

    Parameters
    ----------
    interface : SolverInterface
        As `get_solver` returns it.
    model : Block
        With one active objective.
    gap : float
        Relative optimality gap to reach.
    time_limit : float or None
        Seconds; None: no limit.
    started : bool
        Whether the values on its Vars are a start.
    options : dict, optional
        Further options of the solver by name.

    Returns
    -------
    PyomoResult

    Raises
    ------
    SolverError
        The solver fails, or its program is missing.
    """
    solver = interface.solver()
    for key, value in {**solver_options(interface, gap, time_limit), **(options or {})}.items():
        solver.options[key] = value
    started = started and "warmstart" in interface.capabilities
    with extended(interface.factory, solver, model):
        results = _solved(interface, solver, model, started)
        undecided = str(results.solver.termination_condition) == "infeasibleOrUnbounded"
        if undecided and interface.undecided:
            for key, value in interface.undecided.items():
                solver.options[key] = value
            results = _solved(interface, solver, model, started)
        answer = _read(interface, solver, results, model, gap)
    if not prunes_unbounded_nodes(interface.factory) or not implications_of(model):
        return answer
    return _judged(interface, model, answer,
                   {**solver_options(interface, gap, time_limit), **(options or {})})


def _judged(interface: SolverInterface, model: Any, answer: PyomoResult,
            options: dict) -> PyomoResult:
    """The answer, or what is true in its place (see `rays`)."""

    def solve(extended_model):
        solver = interface.solver()
        for key, value in options.items():
            solver.options[key] = value
        with extended(interface.factory, solver, extended_model):
            results = _solved(interface, solver, extended_model, False)
        condition = str(results.solver.termination_condition)
        return _STATUS.get(condition, condition), results.problem.upper_bound

    status = judged(model, answer.status, solve)
    if status == answer.status:
        return answer
    if status in NO_POINT:
        return PyomoResult(status, None, None)
    return PyomoResult(status, answer.objective, None,
                       f"{interface.name} called it {answer.status}, which a second solve of it, "
                       "for directions without end, has not confirmed")


def _read(interface: SolverInterface, solver, results, model, gap: float) -> PyomoResult:
    """Status, values and bound of a finished run."""
    condition = str(results.solver.termination_condition)
    words = str(results.solver.termination_message or condition)
    status = Status.INTERRUPTED if "terminated by the user" in words else _STATUS.get(condition)
    active = next(iter(model.component_data_objects(pyo.Objective, active=True)))
    if status in NO_POINT:
        return PyomoResult(status, None, None)  # a point of an unbounded model proves nothing
    bound = None if interface.local else _finite(interface.bound(solver, results, active.sense))
    objective = None
    if len(results.solution) or status == Status.OPTIMAL:
        with quietly():  # Pyomo warns of a run that a limit has ended
            model.solutions.load_from(results)
        value_idle_vars(chain([active], model.component_data_objects(
            pyo.Constraint, active=True, descend_into=pyo.Block)))
        objective = pyo.value(active)
        if abs(objective) >= _ENDLESS:
            return PyomoResult(Status.GAP_NOT_REACHED, None, None, (
                f"{interface.name} ended at an objective of {objective:.3g}: the model is probably "
                "unbounded"))
    if status is None:
        return PyomoResult(Status.GAP_NOT_REACHED, objective, bound,
                           f"{interface.name} stopped: {words}")
    if status == Status.OPTIMAL and interface.local:
        status = Status.LOCALLY_OPTIMAL
    elif status == Status.OPTIMAL and bound is None and objective is not None:
        # the solver reports optimality to its gap and no bound
        worse = gap * abs(objective)
        bound = objective - worse if active.sense == pyo.minimize else objective + worse
    return PyomoResult(status, objective, bound)


def _finite(bound) -> float | None:
    """A solver's bound, None where it is none: solvers write 1e20 or more for none."""
    return None if bound is None or not abs(float(bound)) < _NO_BOUND else float(bound)


def solver_options(
    interface: SolverInterface, gap: float, time_limit: float | None,
) -> dict:
    """Options of a run.

    Parameters
    ----------
    interface
        The solver, with the names of its options.
    gap
        Relative optimality gap to reach.
    time_limit
        Seconds; None: no limit.

    Returns
    -------
    dict
        {option: value}, those that are always set included.
    """
    options = dict(interface.options)
    if interface.gap_option:
        options[interface.gap_option] = gap
    if time_limit is not None and interface.time_option:
        options[interface.time_option] = (
            max(1, round(time_limit)) if interface.whole_seconds else time_limit)
    return options


def _solved(interface: SolverInterface, solver, model, started: bool):
    """The solver's results; SolverError with a cure when it fails."""
    columns = sum(1 for v in model.component_data_objects(pyo.Var, active=True) if not v.fixed)
    try:
        with quietly():
            extra = {"warmstart": True} if started else {}
            return solver.solve(model, load_solutions=False, **extra)
    except Exception as err:
        text = first_line(err)
        lowered = text.lower()
        licence = any(w in lowered for w in (
            "too large", "size-limited", "promotional", "community", "license", "licence", "1016"))
        cure = ("Use solver='highs', which has no size limit, or a full licence." if licence
                else "Use solver='highs'.")
        raise SolverError.at(
            f"solver '{interface.name}'", f"failed on a model of {columns} Vars ({text})", cure
        ) from None
