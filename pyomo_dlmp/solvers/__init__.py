"""Solvers by name: how each is reached, and what it can do, found out by solving."""

from pyomo_dlmp.solvers.capabilities import solver_table
from pyomo_dlmp.solvers.interfaces import SOLVERS, get_solver

__all__ = ["SOLVERS", "get_solver", "solver_table"]
