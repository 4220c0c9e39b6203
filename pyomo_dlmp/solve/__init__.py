"""The calls above all: `solve_bilevel`, `solve_opf`, `why_infeasible`."""

from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.solve.bilevel import check_keywords, solve_bilevel, why_infeasible
from pyomo_dlmp.solve.opf import solve_integer, solve_opf
from pyomo_dlmp.solve.strategies import (
    STRATEGIES,
    SearchStrategy,
    Unsuitable,
    register_strategy,
)

__all__ = [
    "STRATEGIES", "SearchStrategy", "Settings", "Unsuitable", "check_keywords",
    "register_strategy", "solve_bilevel", "solve_integer", "solve_opf", "why_infeasible",
]
