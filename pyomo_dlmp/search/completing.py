"""A point of a single level from its upper decisions: the lower levels are solved there."""

from __future__ import annotations

import logging

import numpy as np

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.elimination import Elimination
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.transform.complementarity import MODES
from pyomo_dlmp.transform.kkt import LowerKkt
from pyomo_dlmp.transform.products.linearise import stand_in_values
from pyomo_dlmp.transform.record import SingleLevel

log = logging.getLogger("pyomo_dlmp")


def completed(record: SingleLevel, program: Program, small: Program, elimination: Elimination,
              point: np.ndarray) -> np.ndarray | None:
    """A point with the lower levels solved again at its upper decisions.

    Parameters
    ----------
    record, program, small, elimination
        As of `first_point`.
    point
        Of the reduced program.

    Returns
    -------
    np.ndarray or None
        Of the reduced program; None where an upper row is then violated, or a lower level has no
        solution.
    """
    kept = with_lower_levels(record, program, elimination, point)
    return kept if kept is not None and small.holds(kept, ROW_HOLDS) else None


def with_lower_levels(record: SingleLevel, program: Program, elimination: Elimination,
                      point: np.ndarray) -> np.ndarray | None:
    """`completed`, whatever the upper rows are at the point; None without lower solutions."""
    z = elimination.lift(point)
    z[program.integer] = np.round(z[program.integer])
    place = {id(var): j for j, var in enumerate(program.columns)}
    for lower in record.lowers:
        try:
            complete_lower(lower, z, place)
        except (SolverError, limits.Stopped) as err:  # a search goes on, or ends, without it
            log.info("first point: %s", err)
            return None
    for product in record.products:
        for var, value in stand_in_values(record.block, product, lambda v: z[place[id(v)]]):
            if id(var) in place:
                z[place[id(var)]] = value
    return z[elimination.kept]


def complete_lower(lower: LowerKkt, z: np.ndarray, place: dict[int, int]) -> None:
    """Fill the lower level's solution at z's upper decisions into z.

    Parameters
    ----------
    lower
        The lower level in the single level.
    z
        Values of the single level's Vars; changed.
    place
        {id of a Var: its number in z}.

    Raises
    ------
    SolverError
        It has no solution there.
    """
    kkt, form = lower.kkt, lower.kkt.form
    u = np.array([z[place[id(v)]] if id(v) in place else (v.value or 0.0) for v in form.u])
    solution = LowerSolver(kkt).solve(u)
    values = {id(v): value for v, value in zip(form.x, solution.x, strict=True)}
    y, mu = solution.y, solution.mu
    values.update({id(v): value for v, value in zip(lower.y, y, strict=True)})
    values.update({id(v): value for v, value in zip(lower.mu, mu, strict=True) if v is not None})
    slack = kkt.slack(solution.x, u)
    for name, pairs in lower.pairs_by_mode().items():
        values.update({id(v): value for v, value in MODES[name].fill(lower, pairs, mu, slack)})
    for key, value in values.items():
        if key in place:
            z[place[key]] = value
    _fill_defined(lower, z, place, y, mu)


def _fill_defined(lower, z, place, y, mu) -> None:
    """Values of the user's dual Vars of inequality rows and bounds."""
    both = np.concatenate([y, mu])
    for dual in lower.kkt.duals.asked():
        if id(dual.var) in place:
            z[place[id(dual.var)]] = sum(sign * both[column] for column, sign in dual.terms)
