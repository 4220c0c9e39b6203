"""Solvers by name: how each is reached, and what it can do, found out by solving."""

from pyomo_dlmp.solvers.capabilities import solver_table
from pyomo_dlmp.solvers.interfaces import (
    SOLVERS,
    SolverInterface,
    get_solver,
    named_solver,
    register_solver,
)
from pyomo_dlmp.solvers.probes import PROBES

__all__ = ["PROBES", "SOLVERS", "SolverInterface", "get_solver", "named_solver",
           "register_solver", "solver_table"]
