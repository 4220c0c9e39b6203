"""How far the optimal solution of a lower level can move where it is not unique.

At an optimum x the optimal solutions are the x + dx that satisfy the same rows with the same Q x
and the same linear cost. In the decisions v that elimination keeps (x = M v + ...), for each
connected component (a period, say):

    A dv = 0 (equalities),   S M dv >= -slack,   lb - v <= dv <= ub - v,   Q dv = 0,   g'dv = 0

with g the gradient of the reduced cost. The range of a linear form is two linear programs for each
component.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import MILP_FEASIBILITY, SAME_OBJECTIVE


def form_ranges(x: np.ndarray, u: np.ndarray, weight: np.ndarray,
                solver: LowerSolver) -> Iterator[tuple[float, float]]:
    """Range of the change of a linear form over the optimal solutions, component by component.

    Parameters
    ----------
    x, u
        An optimum, shapes (n,) and (m,).
    weight
        The linear form, shape (n,).
    solver
        Of the lower level.

    Returns
    -------
    iterator
        (least, greatest) change of weight'x in each component that the form touches; infinite
        where it is unbounded.

    Raises
    ------
    Stopped
        The limits of the call, or of its work, ended it.
    SolverError
        HiGHS failed on a linear program.
    """
    kkt, kept, M = solver.kkt, solver.elimination.kept, solver.elimination.M
    form = M.T @ weight
    gradient = kkt.sigma * (M.T @ kkt.form.gradient(x, u))
    rest = len(solver.rest)
    slack = kkt.slack(x, u)[kkt.row_pairs]
    A = solver.A.tocsr()
    v = x[kept]
    for part in (*solver.parts, *(np.array([j]) for j in solver.singles)):
        if not form[part].any():
            continue
        rows = np.flatnonzero(np.diff(A[:, part].indptr))
        equal, other = rows[rows < rest], rows[rows >= rest]
        Q = solver.Q[part][:, part]
        fixed = sp.vstack([A[equal][:, part], Q, sp.csr_matrix(gradient[part])], format="csr")
        exact = np.full(fixed.shape[0], MILP_FEASIBILITY)
        room = np.maximum(slack[other - rest], 0.0) + MILP_FEASIBILITY
        lp = Highs(
            np.zeros(len(part)), sp.vstack([fixed, A[other][:, part]], format="csr"),
            np.concatenate([-exact, -room]),
            np.concatenate([exact, np.full(len(other), np.inf)]),
            np.minimum(kkt.form.lb[kept[part]] - v[part], 0.0),
            np.maximum(kkt.form.ub[kept[part]] - v[part], 0.0))
        low, high = (sign * _least(lp, sign * form[part]) for sign in (1.0, -1.0))
        yield low, high


def _least(lp: Highs, form: np.ndarray) -> float:
    """Least value of a form, at most 0; -inf where it is unbounded, 0 where it is rounding."""
    lp.set_cost(np.arange(len(form)), form)
    answer = lp.solve_lp()
    if answer.status in (Status.UNBOUNDED, Status.INFEASIBLE_OR_UNBOUNDED):
        return -np.inf
    if answer.status != Status.OPTIMAL or answer.objective is None:
        raise SolverError.at("a range of answers", f"is not known: its program is {answer.status}",
                             "Scale the model (MW, per unit).")
    rounding = SAME_OBJECTIVE * (1.0 + np.abs(form).max())
    return 0.0 if answer.objective > -rounding else float(answer.objective)
