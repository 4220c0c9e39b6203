"""The calls above all: `solve_bilevel`, `solve_opf`, `why_infeasible`."""

from pyomo_dlmp.solve.bilevel import solve_bilevel, why_infeasible
from pyomo_dlmp.solve.opf import solve_integer, solve_opf

__all__ = ["solve_bilevel", "solve_integer", "solve_opf", "why_infeasible"]
