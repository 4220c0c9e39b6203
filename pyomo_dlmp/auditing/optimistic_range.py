"""Optimistic and pessimistic: the range of the upper objective over the lower levels' solutions.

At fixed upper decisions u the optimal solutions of a lower level form a polyhedron (the same Qx and
the same linear cost), and so do its optimal duals. The least and greatest value of an upper
objective that is linear in them are linear programs, solved for one connected component (a period)
at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.auditing.lower_checks import UNITS
from pyomo_dlmp.bilevel.quadratics import quadratic_parts
from pyomo_dlmp.errors import ModelError, SolverError
from pyomo_dlmp.lower.answer_ranges import form_ranges
from pyomo_dlmp.lower.columns import columns_of
from pyomo_dlmp.lower.dual_ranges import dual_faces
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.point import values_of
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.tolerances import SAME_OBJECTIVE

_NOT_KNOWN = "the optimistic and pessimistic upper objective are not known: "


class Unknown(Exception):
    """The range is not known; the text says why."""


def upper_range(objective: Any, solvers: list[LowerSolver],
                moving: list[bool], upper: tuple[list, float]
                ) -> tuple[tuple[float, float] | None, str]:
    """Range of the upper objective at the loaded upper decisions.

    Parameters
    ----------
    objective
        The upper Objective.
    solvers
        Of every lower level.
    moving
        Of each lower level, whether the dual of some row is not unique.
    upper
        VarData in the objective, and its value here.

    Returns
    -------
    tuple
        ((optimistic, pessimistic), ""), infinite where unbounded; (None, why) where the objective
        is not linear in the solutions and duals.

    Raises
    ------
    Unknown
        The limits of the call left no room for the linear programs; its text says so.
    """
    seen, here = upper
    if not any(moving) and not _may_move(seen, solvers):
        value = _at_solved_duals(objective, solvers, here)
        return (value, value), ""
    try:
        parts = quadratic_parts(objective.expr, objective.name)
    except ModelError:
        return None, _NOT_KNOWN + "it is not quadratic"
    weights = _gradient(parts, [solver.kkt for solver in solvers])
    if weights is None:
        return None, _NOT_KNOWN + "it is not linear in the lower levels' solutions and duals"
    least = greatest = _at_solved_duals(objective, solvers, here)
    same = SAME_OBJECTIVE * (1.0 + abs(least))
    try:
        with limits.optional(), limits.work(UNITS):
            for solver, weight, moves in zip(solvers, weights, moving, strict=True):
                if weight.any():
                    low, high = _range_of(solver, weight, moves)
                    least += low if low < -same else 0.0
                    greatest += high if high > same else 0.0
    except limits.Stopped as err:
        raise Unknown(_NOT_KNOWN + f"their linear programs were ended ({err.status})") from None
    except SolverError as err:
        raise Unknown(_NOT_KNOWN + str(err.faults[0])) from None
    if objective.sense == pyo.minimize:
        return (least, greatest), ""
    return (greatest, least), ""


def _may_move(seen: list, solvers: list[LowerSolver]) -> bool:
    """Whether an objective sees what may not be unique although the duals of all rows are."""
    bounds = {id(dual.var) for solver in solvers for dual in solver.kkt.duals.asked()
              if dual.bound is not None}
    return any(id(var) in bounds or any(
        solver.kkt.form.column_number.get(var) is not None for solver in solvers) for var in seen)


def _at_solved_duals(objective: Any, solvers: list[LowerSolver], here: float) -> float:
    """Upper objective with the re-solve's duals on the dual Vars; with their values it is `here`.

    The faces of optimal duals start there; the Vars may hold others.
    """
    kept = []
    for solver in solvers:
        solution = solver.solve_here()
        both = np.concatenate([solution.y, solution.mu])
        for dual in solver.kkt.duals.asked():
            if dual.known:
                value = float(sum(sign * both[column] for column, sign in dual.terms))
                if value != dual.var.value:
                    kept.append((dual.var, dual.var.value))
                    dual.var.set_value(value, skip_validation=True)
    try:
        return float(pyo.value(objective.expr)) if kept else here
    finally:
        for var, value in kept:
            var.set_value(value, skip_validation=True)


def _range_of(solver: LowerSolver, weight: np.ndarray, moves: bool) -> tuple[float, float]:
    """(least, greatest) change of weight'(x, y, mu) from the loaded x and the re-solve's duals."""
    kkt = solver.kkt
    n, e = len(kkt.form.x), len(kkt.equality_rows)
    low = high = 0.0
    of_x, of_y, of_mu = weight[:n], weight[n:n + e], weight[n + e:]
    of_bounds = of_mu[~kkt.is_row].any()  # `moves` tells of rows alone
    of_duals = of_bounds or (moves and (of_y.any() or of_mu.any()))
    if not (of_duals or of_x.any()):
        return low, high
    x, u = values_of(kkt.form)
    for least, greatest in form_ranges(x, u, of_x, solver) if of_x.any() else ():
        low, high = low + least, high + greatest
    if not of_duals:
        return low, high
    for face in dual_faces(x, u, solver):
        limits.check()
        form = of_y @ face.Y + of_mu[face.pairs] @ face.MU
        ((least, greatest),) = face.freedom.ends(form[None, :])
        low, high = low + least, high + greatest
    return low, high


def _gradient(parts, systems: list[KktSystem]) -> list[np.ndarray] | None:
    """Derivative of the objective by (x, y, mu) of each system, None where it is not constant."""
    where: dict[int, list] = {}
    weights = []
    for number, kkt in enumerate(systems):
        m = len(kkt.form.u)
        weights.append(np.zeros(len(kkt.form.x) + len(kkt.equality_rows) + kkt.pairs))
        for vid, columns in columns_of(kkt, parts.var_map).items():
            own = [(number, column - m, sign) for column, sign in columns if column >= m]
            if own:
                where[vid] = own
    for vid, coef in parts.linear.items():
        for owner, column, sign in where.get(vid, []):
            weights[owner][column] += coef * sign
    for (i, j), coef in parts.quadratic.items():
        if i in where and j in where:
            return None
        for one, other in ((i, j), (j, i)):
            value = parts.var_map[other].value or 0.0
            for owner, column, sign in where.get(one, []):
                weights[owner][column] += coef * value * sign
    return weights
