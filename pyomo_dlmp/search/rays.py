"""Along which Vars an unbounded single level improves without end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.tolerances import FIRST_POINT_GAP, ROW_HOLDS

_SHOWN = 5  # names in a note
_OWN = "dlmp_single_level"  # names of what the transformation has added begin like this
_WORK = 10_000.0  # units


def without_end(names: list[str]) -> str:
    """The sentence that says along which Vars and duals a problem is unbounded.

    Parameters
    ----------
    names
        Of the Vars that change along the direction.

    Returns
    -------
    str
    """
    more = " ..." if len(names) > _SHOWN else ""
    return ("the upper objective improves without end along solutions of the lower levels that "
            f"differ in {', '.join(names[:_SHOWN])}{more}; a bound of one of these would end it")


def along(program: Program) -> list[str]:
    """A note that names the Vars of a direction in which a program has no end.

    Parameters
    ----------
    program
        Of the single level, found to be unbounded.

    Returns
    -------
    list of str
        Empty where no direction is found.
    """
    d = _direction(program)
    if d is None:
        return []
    moved = [str(var.name) for var, value in zip(program.columns, d, strict=True)
             if abs(value) > ROW_HOLDS]
    names = [name for name in moved if not name.startswith(_OWN)] or moved
    return [without_end(names)] if names else []


def _direction(program: Program) -> np.ndarray | None:
    """The direction within -1 .. 1 along which the objective falls fastest, if it falls."""
    def limit(value, infinite):
        return np.where(np.isinf(value), infinite, 0.0)

    rows = program.Q.shape[0] if program.Q.nnz else 0  # Q d = 0
    A = sp.vstack([program.A, program.Q], format="csr") if rows else program.A
    recession = replace(
        program, A=A, lo=np.append(limit(program.lo, -np.inf), np.zeros(rows)),
        hi=np.append(limit(program.hi, np.inf), np.zeros(rows)), lb=limit(program.lb, -1.0),
        ub=limit(program.ub, 1.0), Q=sp.csr_matrix(program.Q.shape), constant=0.0,
        integer=np.zeros(len(program.c), dtype=bool), rows=[*program.rows, *[None] * rows])
    with limits.work(_WORK):
        outcome = solve_outer(recession, FIRST_POINT_GAP)
    falls = outcome.z is not None and program.c @ outcome.z < -ROW_HOLDS
    return outcome.z if falls else None
