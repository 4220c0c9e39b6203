"""Solvers by name: how each is reached, and what it can do, found out by solving."""

from pyomo_dlmp.solvers.capabilities import solver_table
from pyomo_dlmp.solvers.interfaces import ROUTES, route_to

__all__ = ["ROUTES", "route_to", "solver_table"]
