"""Solvers by name: what each can do, and how a single-level model is handed to it.

| name     | through                       | complementarity | objective                     |
|----------|-------------------------------|-----------------|-------------------------------|
| highs    | embedded highspy              | big-M           | convex quadratic (tangents)   |
| gurobi   | Pyomo `gurobi_direct`         | SOS1, big-M     | quadratic, nonconvex too      |
| scip     | Pyomo `scip_direct`           | SOS1, big-M     | quadratic, nonconvex too      |
| another  | Pyomo `SolverFactory(name)`   | big-M           | linear only, unless declared  |

`available()` is not believed: a probe of a few Vars is solved before any work is spent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyomo.environ as pyo
from pyomo.common.tee import capture_output

from pyomo_dlmp.errors import SolverError


@dataclass(frozen=True)
class Route:
    """A way to a solver: `factory` name in Pyomo (None: embedded), `capabilities`, its options.

    `gap_option`, `time_option`: names of the solver's options; `options`: always set.
    """

    name: str
    factory: str | None
    capabilities: frozenset[str]
    package: str
    gap_option: str = ""
    time_option: str = ""
    options: dict = field(default_factory=dict)


ROUTES = {
    "highs": Route("highs", None, frozenset({"lp", "qp", "milp", "duals", "warmstart"}), "highspy"),
    "gurobi": Route(
        "gurobi", "gurobi_direct",
        frozenset({"lp", "qp", "milp", "miqp", "nonconvex", "sos1", "duals"}), "gurobipy",
        "MIPGap", "TimeLimit",
        {"NonConvex": 2, "IntFeasTol": 1e-9, "FeasibilityTol": 1e-9, "OptimalityTol": 1e-9}),
    "scip": Route(
        "scip", "scip_direct", frozenset({"lp", "milp", "miqp", "nonconvex", "sos1"}), "pyscipopt",
        "limits/gap", "limits/time", {"heuristics/nlpdiving/freq": -1}),
}


def route_to(solver: str) -> Route:
    """The route of a solver's name, probed. SolverError when it is missing or cannot solve."""
    route = ROUTES.get(solver)
    if route is None:
        route = Route(solver, solver, frozenset({"lp", "milp"}), solver)
    if route.factory is not None:
        _probe(route)
    return route


def _probe(route: Route) -> None:
    known = ", ".join(ROUTES)
    cure = f"Install it (pip install {route.package}), or use one of: {known}."
    try:
        solver = pyo.SolverFactory(route.factory)
        usable = solver is not None and solver.available(exception_flag=False)
    except Exception as err:
        raise SolverError.at(f"solver '{route.name}'", f"cannot be loaded ({err})", cure) from None
    if not usable:
        raise SolverError.at(f"solver '{route.name}'", "is not installed or has no licence", cure)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Integers, bounds=(0, 3))
    m.row = pyo.Constraint(expr=2 * m.x >= 3)
    m.cost = pyo.Objective(expr=m.x)
    try:
        with capture_output():
            solver.solve(m)
        right = abs(m.x.value - 2.0) < 1e-6
    except Exception as err:
        raise SolverError.at(f"solver '{route.name}'", f"failed on a probe ({err})", cure) from None
    if not right:
        raise SolverError.at(f"solver '{route.name}'", "solved a probe of one Var wrongly", cure)


@dataclass
class PyomoAnswer:
    """What Pyomo reports: `status` as in `solve.outer.Outcome`, objective and bound (user sense).

    `note`: the solver's own words when it stopped for a reason that is none of these.
    """

    status: str
    objective: float | None
    bound: float | None
    note: str = ""


_STATUS = {
    "optimal": "optimal", "maxTimeLimit": "time limit", "resourceInterrupt": "interrupted",
    "infeasible": "infeasible", "unbounded": "unbounded",
    "infeasibleOrUnbounded": "infeasible or unbounded",
}


def solve_by_pyomo(route: Route, model, gap: float, time_limit: float | None) -> PyomoAnswer:
    """Solve a single-level Pyomo model; values are loaded onto it when there are any."""
    solver = pyo.SolverFactory(route.factory)
    options = dict(route.options)
    if route.gap_option:
        options[route.gap_option] = gap
    if time_limit is not None and route.time_option:
        options[route.time_option] = time_limit
    for key, value in options.items():
        solver.options[key] = value
    columns = sum(1 for v in model.component_data_objects(pyo.Var, active=True) if not v.fixed)
    try:
        with capture_output():
            results = solver.solve(model, load_solutions=False)
    except Exception as err:
        text = str(err).splitlines()[0] if str(err) else type(err).__name__
        licence = "too large" in text.lower() or "size-limited" in text.lower()
        cure = ("Use solver='highs', which has no size limit, or a full licence." if licence
                else "Use solver='highs'.")
        raise SolverError.at(
            f"solver '{route.name}'", f"failed on a model of {columns} Vars ({text})", cure
        ) from None
    condition = str(results.solver.termination_condition)
    words = str(results.solver.termination_message or condition)
    status = "interrupted" if "terminated by the user" in words else _STATUS.get(condition)
    active = next(iter(model.component_data_objects(pyo.Objective, active=True)))
    bound = _proven_bound(solver, results, active.sense)
    if status in ("infeasible", "unbounded", "infeasible or unbounded"):
        return PyomoAnswer(status, None, None)  # a point of an unbounded model proves nothing
    objective = None
    if len(results.solution) or status == "optimal":
        model.solutions.load_from(results)
        objective = pyo.value(active)
    if status is None:
        return PyomoAnswer("gap not reached", objective, bound, f"{route.name} stopped: {words}")
    return PyomoAnswer(status, objective, bound)


def _proven_bound(solver, results, sense) -> float | None:
    """The solver's own bound; Pyomo's `gurobi_direct` gives the objective for it without integers.

    A finished model without a bound (an LP) is bounded by its optimum, as Pyomo reports it.
    """
    native = getattr(solver, "_solver_model", None)
    if native is not None and hasattr(native, "ObjBound"):
        bound = native.ObjBound
    elif native is not None and str(results.solver.termination_condition) != "optimal":
        return None
    else:
        minimize = sense == pyo.minimize
        bound = results.problem.lower_bound if minimize else results.problem.upper_bound
    if bound is None or not abs(float(bound)) < 1e20:
        return None
    return float(bound)
