"""Solving: the embedded HiGHS route, other solvers through Pyomo, re-solves and the audit."""

from pyomo_dlmp.solve.alone import solve_integer, solve_opf
from pyomo_dlmp.solve.audit import Audit, LowerAudit, audit
from pyomo_dlmp.solve.bilevel import BilevelResult, solve_bilevel
from pyomo_dlmp.solve.checkpoint import load_checkpoint
from pyomo_dlmp.solve.lower import LowerSolution, LowerSolver
from pyomo_dlmp.solve.reuse import Reuse
from pyomo_dlmp.solve.routes import ROUTES, route_to
from pyomo_dlmp.solve.table import solver_table
from pyomo_dlmp.solve.why import why_infeasible

__all__ = [
    "ROUTES", "Audit", "BilevelResult", "LowerAudit", "LowerSolution", "LowerSolver", "Reuse",
    "audit", "load_checkpoint", "route_to", "solve_bilevel", "solve_integer", "solve_opf",
    "solver_table", "why_infeasible",
]
