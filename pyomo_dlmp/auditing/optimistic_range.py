"""Optimistic and pessimistic: the range of the upper objective over the lower levels' solutions.

At fixed upper decisions u the optimal solutions of a lower level form a polyhedron (the same Qx and
the same linear cost), and so do its optimal duals. The least and greatest value of an upper
objective that is linear in them are linear programs, solved for one connected component (a period)
at a time.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.answer_ranges import form_ranges
from pyomo_dlmp.lower.columns import columns_of
from pyomo_dlmp.lower.dual_ranges import dual_faces
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.point import point_of
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.transform.products.bilinear import quadratic_parts

_NOT_KNOWN = "the optimistic and pessimistic upper objective are not known: "


def upper_range(objective: Any, solvers: list[LowerSolver],
                seconds: float) -> tuple[tuple[float, float] | None, str]:
    """Range of the upper objective at the loaded upper decisions.

    Parameters
    ----------
    objective
        The upper Objective.
    solvers
        Of every lower level.
    seconds
        Time for all linear programs together.

    Returns
    -------
    tuple
        ((optimistic, pessimistic), ""), infinite where unbounded; (None, why) where the objective
        is not linear in the solutions and duals, or the time did not suffice.
    """
    deadline = time.monotonic() + seconds
    try:
        parts = quadratic_parts(objective.expr, objective.name)
    except ModelError:
        return None, _NOT_KNOWN + "it is not quadratic"
    weights = _gradient(parts, [solver.kkt for solver in solvers])
    if weights is None:
        return None, _NOT_KNOWN + "it is not linear in the lower levels' solutions and duals"
    here = float(pyo.value(objective.expr))
    least = greatest = here
    try:
        for solver, weight in zip(solvers, weights, strict=True):
            if weight.any():
                low, high = _range_of(solver, weight, deadline)
                least, greatest = least + low, greatest + high
    except TimeoutError:
        return None, _NOT_KNOWN + f"their linear programs took more than {seconds:.3g} s"
    if objective.sense == pyo.minimize:
        return (least, greatest), ""
    return (greatest, least), ""


def _range_of(solver: LowerSolver, weight: np.ndarray, deadline: float) -> tuple[float, float]:
    """(least, greatest) change of weight'(x, y, mu) from the loaded point."""
    kkt = solver.kkt
    n, e = len(kkt.form.x), len(kkt.equality_rows)
    x, u, row_duals = point_of(kkt)
    solution = solver.solve(u)
    low = high = 0.0
    of_x, of_y, of_mu = weight[:n], weight[n:n + e], weight[n + e:]
    for least, greatest in form_ranges(x, u, of_x, solver, deadline) if of_x.any() else ():
        low, high = low + least, high + greatest
    if not (of_y.any() or of_mu.any()):
        return low, high
    # the faces start at the duals of the re-solve, which may be others than those loaded
    y, mu = (solution.y, solution.mu) if row_duals is None else kkt.multipliers_from(
        x, u, row_duals)
    shift = float(of_y @ (solution.y - y) + of_mu @ (solution.mu - mu))
    low, high = low + shift, high + shift
    for face in dual_faces(x, u, solver):
        if time.monotonic() > deadline:
            raise TimeoutError
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
        for vid, columns in columns_of(kkt).items():
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
