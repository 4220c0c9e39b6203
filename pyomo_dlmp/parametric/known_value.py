"""A bound against a value that is known without regions: one above it is wrong, whatever it proves.

A region whose state was misread hides the right one, and the master then proves a bound that no
schedule has. The values with which the model came are a witness: their upper objective, with the
lower levels solved there by themselves, is no less than the optimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.errors import AuditError, SolverError
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.upper_terms import UpperTerms
from pyomo_dlmp.tolerances import AUDITED_ROW, EXACT_FEASIBILITY


def value_at(u: np.ndarray, program: Program, upper: UpperTerms,
             solvers: list[LowerSolver]) -> float | None:
    """The upper objective (of the minimisation) at upper decisions.

    Parameters
    ----------
    u
        Of the program's columns, shape (n,).
    program
        The upper Vars, their rows and linear objective.
    upper
        The upper level's terms.
    solvers
        Of its lower levels.

    Returns
    -------
    float or None
        None where an upper row does not hold, or a lower level has no solution.
    """
    if not program.holds(u, EXACT_FEASIBILITY):
        return None
    values: list[dict[str, np.ndarray]] = []
    for solver in solvers:
        own = u[[program.place[var] for var in solver.kkt.form.u]]
        try:
            found = solver.solve(own)
        except SolverError:
            return None
        values.append({"u": own, "x": found.x, "y": found.y, "mu": found.mu})
    total = program.constant + float(program.c @ u)
    for coef, *keys in upper.terms:
        for kind, number, index in filter(None, keys):
            coef *= float(values[number][kind][index])
        total += coef
    return total


def refuse_false_bound(bound: float, known: float | None, sense: int) -> None:
    """Raise where a bound lies above a known value.

    Parameters
    ----------
    bound, known
        Of the minimisation; None: nothing is known.
    sense
        +1 or -1, of the user's objective.

    Raises
    ------
    AuditError
        It does.
    """
    if known is not None and bound > known + AUDITED_ROW * (1.0 + abs(known)):
        raise AuditError.at(
            "search by critical regions", f"proves the bound {sense * bound:.9g}, but the values "
            f"with which the model came are worth {sense * known:.9g}",
            "A region is wrong: report it, and solve with search='single_level'.")


def present_values(columns: list[Any]) -> np.ndarray | None:
    """Values of Vars, shape (n,); None where one has none."""
    found = [var.value for var in columns]
    return None if any(v is None for v in found) else np.array(found, dtype=float)
