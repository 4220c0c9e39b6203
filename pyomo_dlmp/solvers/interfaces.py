"""Solvers by name: how each is reached, and what it can do, found out by solving.

| name    | through                          | package       |
|---------|----------------------------------|---------------|
| highs   | embedded highspy                 | highspy       |
| gurobi  | Pyomo `gurobi_direct`            | gurobipy      |
| scip    | Pyomo `scip_direct`              | pyscipopt     |
| cplex   | Pyomo `cplex_direct`             | cplex         |
| xpress  | Pyomo `xpress_direct`            | xpress        |
| cbc     | Pyomo `cbc`                      | cbcbox        |
| glpk    | Pyomo `glpk`                     | glpk (system) |
| ipopt   | Pyomo `ipopt`                    | ipopt (system)|
| pounce  | Pyomo `ipopt`, another program   | pounce-solver |
| another | Pyomo `SolverFactory(name)`      |               |

`candidates` is what an interface is tried for; its capabilities are the candidates whose probe it
solved rightly (`probes`). Capabilities are established by solving these probe models;
`available()` is not relied on.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from io import StringIO

import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept
from pyomo.common.tee import capture_output

from pyomo_dlmp.bilevel.values import value_idle_vars
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.solvers.probes import PROBES, Wrong
from pyomo_dlmp.status import NO_POINT, Status

_LINEAR = ("lp", "milp", "duals")
_CONVEX = (*_LINEAR, "qp", "miqp", "qcp", "sos1")


@dataclass(frozen=True)
class SolverInterface:
    """A way to a solver: `factory` name in Pyomo (None: embedded), `capabilities`, its options.

    `gap_option`, `time_option`: names of the solver's options; `options`: always set;
    `executable`: name of a program that is looked for on the path, beside the interpreter and in
    the package.
    """

    name: str
    factory: str | None
    candidates: tuple[str, ...]
    package: str
    gap_option: str = ""
    time_option: str = ""
    options: dict = field(default_factory=dict)
    executable: str = ""
    capabilities: frozenset[str] = frozenset()
    reasons: dict = field(default_factory=dict)

    def solver(self):
        """A new Pyomo solver object. SolverError when the package or program is missing."""
        if not self.executable:
            return pyo.SolverFactory(self.factory)
        path = find_executable(self.executable, self.package)
        if path is None:
            raise SolverError.at(f"solver '{self.name}'", f"has no program '{self.executable}'",
                                 f"Install it (pip install {self.package}, or your system's).")
        return pyo.SolverFactory(self.factory, executable=path)


def find_executable(name: str, package: str) -> str | None:
    """Path of a program: on PATH, beside the interpreter, or shipped in a Python package."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = shutil.which(name) or (beside if os.access(beside, os.X_OK) else None)
    if found is None and package == "cbcbox":
        try:
            with capture_output():
                found = import_module("cbcbox").cbc_bin_path()
        except ImportError:
            return None
    return found


_TIGHT_GUROBI = {"NonConvex": 2, "IntFeasTol": 1e-9, "FeasibilityTol": 1e-8, "OptimalityTol": 1e-8}
_TIGHT_CPLEX = {
    "mip_tolerances_absmipgap": 1e-9, "mip_tolerances_integrality": 1e-9,
    "simplex_tolerances_feasibility": 1e-9, "simplex_tolerances_optimality": 1e-9}
_TIGHT_XPRESS = {"miptol": 1e-9, "feastol": 1e-9, "mipabsstop": 1e-9, "mipaddcutoff": 0.0}
SOLVERS = {r.name: r for r in (
    SolverInterface("highs", None, (*_LINEAR, "qp", "miqp", "qcp", "sos1", "warmstart"), "highspy"),
    SolverInterface("gurobi", "gurobi_direct", (*_CONVEX, "nonconvex", "warmstart"), "gurobipy",
                    "MIPGap", "TimeLimit",
                    _TIGHT_GUROBI),
    SolverInterface("scip", "scip_direct", (*_CONVEX, "nonconvex", "warmstart"), "pyscipopt",
                    "limits/gap", "limits/time",
                    {"heuristics/nlpdiving/freq": -1, "numerics/feastol": 1e-9}),
    SolverInterface("cplex", "cplex_direct", (*_CONVEX, "warmstart"), "cplex",
                    "mip_tolerances_mipgap", "timelimit", _TIGHT_CPLEX),
    SolverInterface("xpress", "xpress_direct", (*_CONVEX, "warmstart"), "xpress",
                    "miprelstop", "maxtime", _TIGHT_XPRESS),
    SolverInterface("cbc", "cbc", (*_LINEAR, "sos1", "warmstart"), "cbcbox", "ratio", "sec",
                    {"primalT": 1e-9, "integerT": 1e-9}, executable="cbc"),
    SolverInterface("glpk", "glpk", _LINEAR, "glpk", "mipgap", "tmlim", executable="glpsol"),
    SolverInterface("ipopt", "ipopt", ("lp", "qp", "qcp", "nlp"), "ipopt", "", "max_cpu_time",
                    {"tol": 1e-9}, executable="ipopt"),
    SolverInterface("pounce", "ipopt", ("lp", "qp", "qcp", "nlp"), "pounce-solver", "",
                    "max_cpu_time", {"tol": 1e-9}, executable="pounce"),
)}


@lru_cache(maxsize=32)
def get_solver(solver: str) -> SolverInterface:
    """The route of a solver's name, probed. SolverError when it is missing or cannot solve."""
    route = SOLVERS.get(solver) or SolverInterface(solver, solver, ("lp", "milp"), solver)
    known = ", ".join(SOLVERS)
    cure = f"Install it (pip install {route.package}), or use one of: {known}."
    where = f"solver '{route.name}'"
    if route.factory is not None:
        try:
            with _quietly():
                usable = route.solver() is not None and route.solver().available(
                    exception_flag=False)
        except SolverError:
            raise
        except Exception as err:
            raise SolverError.at(where, f"cannot be loaded ({_line(err)})", cure) from None
        if not usable:
            raise SolverError.at(where, "is not installed or has no licence", cure)
    able, reasons = set(), {}
    with _quietly():
        for candidate in route.candidates:
            try:
                PROBES[candidate](route)
                able.add(candidate)
            except Wrong as err:
                reasons[candidate] = str(err)
            except Exception as err:
                reasons[candidate] = _line(err)
    if "lp" not in able:
        raise SolverError.at(where, f"failed on a probe ({reasons['lp']})", cure)
    return replace(route, capabilities=frozenset(able), reasons=reasons)


@contextmanager
def _quietly():
    """What solvers print, warn and log about themselves is caught: their answers are judged."""
    with warnings.catch_warnings(), capture_output(), LoggingIntercept(StringIO(), "pyomo"):
        warnings.simplefilter("ignore")
        yield


def _line(err: Exception) -> str:
    return (str(err).splitlines() or [type(err).__name__])[0]


@dataclass
class PyomoResult:
    """What Pyomo reports: `status` as of a `SearchResult`, objective and bound (user's sense).

    `note`: the solver's own words when it stopped for a reason that is none of these.
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


def solve_by_pyomo(
    route: SolverInterface, model, gap: float, time_limit: float | None, started: bool = False,
) -> PyomoResult:
    """Solve a single-level Pyomo model; values are loaded onto it when there are any.

    `started`: the values on its Vars are a start.
    """
    solver = route.solver()
    for key, value in _options(route, gap, time_limit).items():
        solver.options[key] = value
    started = started and "warmstart" in route.capabilities
    results = _run(route, solver, model, started)
    if route.name == "gurobi" and str(
            results.solver.termination_condition) == "infeasibleOrUnbounded":
        solver.options["DualReductions"] = 0  # then it says which
        results = _run(route, solver, model, started)
    condition = str(results.solver.termination_condition)
    words = str(results.solver.termination_message or condition)
    status = Status.INTERRUPTED if "terminated by the user" in words else _STATUS.get(condition)
    active = next(iter(model.component_data_objects(pyo.Objective, active=True)))
    if status in NO_POINT:
        return PyomoResult(status, None, None)  # a point of an unbounded model proves nothing
    bound = None if "nlp" in route.capabilities else _proven_bound(solver, results, active.sense)
    objective = None
    if len(results.solution) or status == Status.OPTIMAL:
        model.solutions.load_from(results)
        value_idle_vars(active, model.component_data_objects(
            pyo.Constraint, active=True, descend_into=pyo.Block))
        objective = pyo.value(active)
    if status == Status.OPTIMAL and bound is None and objective is not None and (
            "nlp" not in route.capabilities):
        # the solver says optimal to its gap and reports no bound
        worse = gap * abs(objective)
        bound = objective - worse if active.sense == pyo.minimize else objective + worse
    if status is None:
        return PyomoResult(Status.GAP_NOT_REACHED, objective, bound, f"{route.name} stopped: {words}")
    if status == Status.OPTIMAL and "nlp" in route.capabilities:
        status = Status.LOCALLY_OPTIMAL
    return PyomoResult(status, objective, bound)


def _options(route: SolverInterface, gap: float, time_limit: float | None) -> dict:
    options = dict(route.options)
    if route.gap_option:
        options[route.gap_option] = gap
    if time_limit is not None and route.time_option:
        whole = route.name in ("glpk", "xpress")
        options[route.time_option] = max(1, round(time_limit)) if whole else time_limit
    return options


def _run(route: SolverInterface, solver, model, started: bool):
    """The solver's results; SolverError with a cure when it fails."""
    columns = sum(1 for v in model.component_data_objects(pyo.Var, active=True) if not v.fixed)
    try:
        with _quietly():
            extra = {"warmstart": True} if started else {}
            return solver.solve(model, load_solutions=False, **extra)
    except Exception as err:
        text = _line(err)
        lowered = text.lower()
        licence = any(w in lowered for w in (
            "too large", "size-limited", "promotional", "community", "license", "licence", "1016"))
        cure = ("Use solver='highs', which has no size limit, or a full licence." if licence
                else "Use solver='highs'.")
        raise SolverError.at(
            f"solver '{route.name}'", f"failed on a model of {columns} Vars ({text})", cure
        ) from None


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
