"""Solve a DSO's OPF (or any convex LP or QP model) alone, with checked duals."""

from __future__ import annotations

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolution, LowerSolver
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.tolerances import COST_GAP
from pyomo_dlmp.transform.compile import compile_program


def solve_opf(model) -> LowerSolution:
    """Solve a model of `build_opf` (or a LowerLevel at its upper Vars' values) with HiGHS.

    Loads values onto its Vars and duals into its `dual` Suffix: the duals of `balance_p` are the
    DLMPs ($/MW of the period). Returns the solution with its KKT residual. Raises ModelError for a
    model that is not a convex LP or QP, SolverError when it is infeasible, unbounded, or its KKT
    residual is above 1e-4 relative (no price is then loaded).
    """
    solution = LowerSolver(build_kkt(compile_lower(model))).solve_here()
    solution.load()
    return solution


def solve_integer(model, gap: float = COST_GAP) -> float:
    """Solve a convex MIQP model alone with HiGHS (outer approximation); returns its objective.

    Loads values onto its Vars. Raises SolverError when no point of that gap is found.
    """
    program = compile_program(model)
    outcome = solve_outer(program, gap)
    if outcome.z is None:
        raise SolverError.at(str(model.name), f"is {outcome.status}",
                             "See which rows contradict each other.")
    for var, value in zip(program.columns, outcome.z, strict=True):
        var.set_value(float(value) if var.is_continuous() else round(value),
                      skip_validation=True)
    return program.sign * outcome.objective
