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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from io import StringIO
from typing import Any

import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept
from pyomo.common.tee import capture_output

from pyomo_dlmp.errors import SolverError, listed, nearest, require_kind, shown
from pyomo_dlmp.solvers.probes import PROBES, Wrong

_LINEAR = ("lp", "milp", "duals")
_CONVEX = (*_LINEAR, "qp", "miqp", "qcp", "sos1")


def reported_bound(solver: Any, results: Any, sense: Any) -> float | None:
    """The bound that Pyomo reports; its direct interfaces report a useful one at optimality only.

    Parameters
    ----------
    solver, results, sense
        Pyomo's solver object and its results, and the objective's sense.

    Returns
    -------
    float or None
    """
    native = getattr(solver, "_solver_model", None)
    if native is not None and str(results.solver.termination_condition) != "optimal":
        return None
    problem = results.problem
    return problem.lower_bound if sense == pyo.minimize else problem.upper_bound


def gurobi_bound(solver: Any, results: Any, sense: Any) -> float | None:
    """Gurobi's own bound; Pyomo reports the objective in its place where there are no integers.

    An optimal model without a bound (an LP) is bounded by its optimum, as Pyomo reports it.

    Parameters
    ----------
    solver, results, sense
        As of `reported_bound`.

    Returns
    -------
    float or None
    """
    native = getattr(solver, "_solver_model", None)
    if native is not None and hasattr(native, "ObjBound"):
        return native.ObjBound
    return reported_bound(solver, results, sense)


def cplex_bound(solver: Any, results: Any, sense: Any) -> float | None:
    """CPLEX's own bound; where it ends by presolve it proves the optimum and keeps an older bound.

    Parameters
    ----------
    solver, results, sense
        As of `reported_bound`.

    Returns
    -------
    float or None
    """
    found = getattr(getattr(solver, "_solver_model", None), "solution", None)
    if found is not None and found.get_status() == found.status.MIP_optimal:
        return found.get_objective_value()  # not the status of one that is optimal to a tolerance
    return reported_bound(solver, results, sense)


def cbcbox_program() -> str | None:
    """Path of the program that the package cbcbox contains; None where it is not installed."""
    try:
        with capture_output():
            return import_module("cbcbox").cbc_bin_path()
    except ImportError:
        return None


@dataclass(frozen=True)
class SolverInterface:
    """A way to a solver, and what is particular to it; a row of `SOLVERS`.

    Attributes
    ----------
    name : str
        What users write.
    factory : str or None
        Its name in Pyomo's SolverFactory; None: HiGHS, embedded.
    candidates : tuple of str
        What it is tried for, names of `probes.PROBES`.
    package : str
        Python package that brings it; "" where there is none that pip installs.
    gap_option, time_option : str
        Names of its options for the relative gap and for seconds; "" where it has none.
    options : dict
        Options that are always set.
    executable : str
        A program that is looked for on the path, beside the interpreter and by `shipped`.
    shipped : callable or None
        () -> path of the program that its package ships, or None.
    whole_seconds : bool
        Whether its time limit is a whole number.
    undecided : dict
        Options with which it is run once more after the result "infeasible or unbounded".
    bound : callable
        (Pyomo solver, results, sense) -> its proven bound, or None.
    capabilities : frozenset of str
        Candidates whose probe it solved rightly; filled in by `get_solver`.
    reasons : dict
        {candidate: what its probe showed} of the others.
    """

    name: str
    factory: str | None
    candidates: tuple[str, ...]
    package: str = ""
    gap_option: str = ""
    time_option: str = ""
    options: dict = field(default_factory=dict)
    executable: str = ""
    shipped: Callable[[], str | None] | None = None
    whole_seconds: bool = False
    undecided: dict = field(default_factory=dict)
    bound: Callable = reported_bound
    capabilities: frozenset[str] = frozenset()
    reasons: dict = field(default_factory=dict)

    @property
    def embedded(self) -> bool:
        """Whether it is the HiGHS of this package, not one that Pyomo calls."""
        return self.factory is None

    @property
    def local(self) -> bool:
        """Whether it is a solver of nonlinear models, which proves nothing."""
        return "nlp" in self.capabilities

    @property
    def cure(self) -> str:
        """How to install it, as the cure of an error."""
        if self.package:
            way = f"Install it (pip install {self.package})"
        elif self.executable:
            way = f"Install its program '{self.executable}' (your system's packages may have it)"
        else:
            way = "Install it as its documentation says"
        others = ", ".join(name for name in SOLVERS if name != self.name)
        return f"{way}, or use one of: {others}."

    def solver(self) -> Any:
        """A new Pyomo solver object.

        Raises
        ------
        SolverError
            Its program is missing.
        """
        if not self.executable:
            return pyo.SolverFactory(self.factory)
        path = find_executable(self.executable) or (self.shipped() if self.shipped else None)
        if path is None:
            raise SolverError.at(
                f"solver '{self.name}'", f"has no program '{self.executable}'", self.cure)
        return pyo.SolverFactory(self.factory, executable=path)


def find_executable(name: str) -> str | None:
    """Path of a program on PATH or beside the Python interpreter; None where there is none."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    return shutil.which(name) or (beside if os.access(beside, os.X_OK) else None)


_TIGHT_GUROBI = {"NonConvex": 2, "IntFeasTol": 1e-9, "FeasibilityTol": 1e-8, "OptimalityTol": 1e-8}
_TIGHT_CPLEX = {
    "mip_tolerances_absmipgap": 1e-9, "mip_tolerances_integrality": 1e-9,
    "simplex_tolerances_feasibility": 1e-9, "simplex_tolerances_optimality": 1e-9}
_TIGHT_XPRESS = {"miptol": 1e-9, "feastol": 1e-9, "mipabsstop": 1e-9, "mipaddcutoff": 0.0}
SOLVERS = {r.name: r for r in (
    SolverInterface("highs", None, (*_LINEAR, "qp", "miqp", "qcp", "sos1", "warmstart"), "highspy"),
    SolverInterface("gurobi", "gurobi_direct",
                    (*_CONVEX, "indicator", "nonconvex", "warmstart"), "gurobipy",
                    "MIPGap", "TimeLimit", _TIGHT_GUROBI, undecided={"DualReductions": 0},
                    bound=gurobi_bound),
    SolverInterface("scip", "scip_direct",
                    (*_CONVEX, "indicator", "nonconvex", "warmstart"), "pyscipopt",
                    "limits/gap", "limits/time",
                    {"heuristics/nlpdiving/freq": -1, "numerics/feastol": 1e-9,
                     "display/verblevel": 0}),
    SolverInterface("cplex", "cplex_direct", (*_CONVEX, "warmstart"), "cplex",
                    "mip_tolerances_mipgap", "timelimit", _TIGHT_CPLEX, bound=cplex_bound),
    SolverInterface("xpress", "xpress_direct", (*_CONVEX, "warmstart"), "xpress",
                    "miprelstop", "maxtime", _TIGHT_XPRESS, whole_seconds=True),
    SolverInterface("cbc", "cbc", (*_LINEAR, "sos1", "warmstart"), "cbcbox", "ratio", "sec",
                    {"primalT": 1e-9, "integerT": 1e-9}, executable="cbc", shipped=cbcbox_program),
    SolverInterface("glpk", "glpk", _LINEAR, "", "mipgap", "tmlim", executable="glpsol",
                    whole_seconds=True),
    SolverInterface("ipopt", "ipopt", ("lp", "qp", "qcp", "nlp"), "", "", "max_cpu_time",
                    {"tol": 1e-9}, executable="ipopt"),
    SolverInterface("pounce", "ipopt", ("lp", "qp", "qcp", "nlp"), "pounce-solver", "",
                    "max_cpu_time", {"tol": 1e-9}, executable="pounce"),
)}


def register_solver(interface: SolverInterface) -> None:
    """Add a row to the table of solvers, for this process.

    Parameters
    ----------
    interface
        Its `name` is what users write.

    Raises
    ------
    ModelError
        It is not a `SolverInterface`.
    SolverError
        The name is taken, or a candidate is not a name of `probes.PROBES`.
    """
    require_kind(interface, SolverInterface, "register_solver")
    for candidate in interface.candidates:
        if candidate not in PROBES:
            raise SolverError.at(f"solver '{interface.name}'", f"has the candidate {candidate!r}",
                                 nearest(candidate, PROBES))
    if interface.name in SOLVERS:
        raise SolverError.at(f"solver '{interface.name}'", "is in the table already",
                             "Give it another name.")
    SOLVERS[interface.name] = interface
    forget_probes()


def forget_probes() -> None:
    """Solvers are probed again when they are next asked for."""
    _probed.cache_clear()


def get_solver(solver: str) -> SolverInterface:
    """A solver by its name, with the capabilities that its probes showed.

    Parameters
    ----------
    solver : str
        A name of `SOLVERS`, or one that Pyomo's SolverFactory knows (tried for LP and MILP).

    Returns
    -------
    SolverInterface

    Raises
    ------
    SolverError
        It is unknown, missing, or cannot solve an LP.
    """
    return _probed(named_solver(solver).name)


def named_solver(solver: str) -> SolverInterface:
    """A solver by its name, not tried yet: whether it is installed is not asked.

    Parameters
    ----------
    solver : str
        As of `get_solver`.

    Returns
    -------
    SolverInterface
        Without capabilities.

    Raises
    ------
    SolverError
        The name is unknown, to Pyomo too.
    """
    if not isinstance(solver, str):
        raise SolverError.at(
            f"solver {shown(solver)}", "is no name", f"Known are {listed(SOLVERS)}.")
    return SOLVERS.get(solver) or _of_pyomo(solver)


@lru_cache(maxsize=32)
def _probed(solver: str) -> SolverInterface:
    """As `get_solver`."""
    interface = named_solver(solver)
    where = f"solver '{interface.name}'"
    if not interface.embedded:
        try:
            with quietly():
                usable = interface.solver().available(exception_flag=False)
        except SolverError:
            raise
        except Exception as err:
            raise SolverError.at(
                where, f"cannot be loaded ({first_line(err)})", interface.cure) from None
        if not usable:
            raise SolverError.at(where, "is not installed or has no licence", interface.cure)
    able, reasons = set(), {}
    with quietly():
        for candidate in interface.candidates:
            try:
                PROBES[candidate](interface)
                able.add(candidate)
            except Wrong as err:
                reasons[candidate] = str(err)
            except Exception as err:
                reasons[candidate] = first_line(err)
    if "lp" not in able:
        raise SolverError.at(where, f"failed on a probe ({reasons['lp']})", interface.cure)
    return replace(interface, capabilities=frozenset(able), reasons=reasons)


def _of_pyomo(solver: str) -> SolverInterface:
    """A solver that is in Pyomo's table but not in ours; SolverError where it is in neither."""
    with quietly():
        known = solver in pyo.SolverFactory
    if not known:
        raise SolverError.at(f"solver {shown(solver)}", "is unknown, to Pyomo too",
                             nearest(solver, SOLVERS))
    return SolverInterface(solver, solver, ("lp", "milp"))


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress what solvers print, warn and log; their results are checked instead."""
    with warnings.catch_warnings(), capture_output(), LoggingIntercept(StringIO(), "pyomo"):
        warnings.simplefilter("ignore")
        yield


def first_line(err: Exception) -> str:
    """First line of an exception's text; its type where it has none."""
    return (str(err).splitlines() or [type(err).__name__])[0]
