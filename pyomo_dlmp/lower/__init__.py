"""One lower level as arrays, and its exact solution at given upper decisions."""

from pyomo_dlmp.lower.dual_ranges import price_ranges
from pyomo_dlmp.lower.form import LowerForm, compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.solver import LowerSolution, LowerSolver

__all__ = [
    "KktSystem", "LowerForm", "LowerSolution", "LowerSolver", "build_kkt", "compile_lower",
    "price_ranges",
]
