"""Solve a DSO's OPF (or any convex LP or QP model) alone, with checked duals."""

from __future__ import annotations

from typing import Any

from pyomo.core.base.block import BlockData

from pyomo_dlmp.auditing.infeasibility import conflict_faults
from pyomo_dlmp.errors import SolverError, require_kind
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolution, LowerSolver
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.tolerances import COST_GAP
from pyomo_dlmp.transform.compile import compile_program


def solve_opf(model: Any) -> LowerSolution:
    """Solve a DSO's OPF (or any convex LP or QP) alone with HiGHS and check its duals.

    Values are loaded onto its Vars and duals into its `dual` Suffix: the duals of `balance_p` are
    the DLMPs ($/MW of the period).

    Parameters
    ----------
    model
        A model of `build_opf`, or a LowerLevel, which is solved at its upper Vars' values.

    Returns
    -------
    LowerSolution
        With its KKT residual.

    Raises
    ------
    ModelError
        It is not a convex LP or QP, or an upper Var has no value.
    SolverError
        It is infeasible or unbounded, or its KKT residual is above 1e-4 relative; no price is then
        loaded.
    """
    require_kind(model, BlockData, "solve_opf")
    kkt = build_kkt(compile_lower(model))
    try:
        solution = LowerSolver(kkt).solve_here()
    except SolverError as err:
        raise SolverError(conflict_faults(kkt) or err.faults) from None
    solution.load()
    return solution


def solve_integer(model: Any, gap: float = COST_GAP) -> float:
    """Solve a convex MIQP model alone with HiGHS (outer approximation).

    Values are loaded onto its Vars.

    Parameters
    ----------
    model
        A Pyomo model with linear rows and a convex objective.
    gap
        Relative optimality gap to reach.

    Returns
    -------
    float
        Its objective.

    Raises
    ------
    ModelError
        It is not of this form.
    SolverError
        No point of that gap was found.
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
