"""How far the duals of a lower level can move where they are not unique.

At an optimum x the optimal duals are  A'y + sigma S'mu = gradient  with mu >= 0 on the active
pairs. In the decisions alone (flows eliminated, so a few columns for each period), the directions
in which they can move are the null space of the active rows, of dimension d:

    (y, mu) = (y0, mu0) + N t,   mu0 + N_mu t >= 0

and each dual's range is two linear programs over t. Only N grows with the feeder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.boxes import dot
from pyomo_dlmp.numerics.components import component_labels, groups_by_label
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ACTIVE, ENTRY, RANK, SAME_OBJECTIVE

MOST_PROGRAMS = 3000  # for a component; beyond, ranges are taken over the box around all t
_SVD = 100_000.0  # entries x the smaller side of a matrix, in a unit of work
Ranges = dict[int, tuple[float, float]]


@dataclass
class DualFace:
    """Optimal duals of one connected component:  (y, mu) = (y0, mu0) + (Y, MU) t.

    Attributes
    ----------
    Y
        Directions of all equality duals, shape (equality rows, d).
    pairs, MU
        Pairs that may move, and their directions, shapes (k,) and (k, d).
    freedom
        The polytope of t.
    """

    Y: np.ndarray
    pairs: np.ndarray
    MU: np.ndarray
    freedom: _Freedom


def price_ranges(x: np.ndarray, u: np.ndarray, solver: LowerSolver) -> Ranges:
    """Ranges of the duals of rows that are not unique at an optimum.

    Parameters
    ----------
    x, u
        An optimum of the solver's lower level, shapes (n,) and (m,).
    solver
        Of the lower level.

    Returns
    -------
    dict
        {row number: (least, greatest) optimal dual}, in the user's sign and in lower cost per unit
        of the row ($/MW for a power balance); infinite where a dual is unbounded.

    Raises
    ------
    Stopped
        The limits of the call, or of its work, ended it before all parts were done.
    SolverError
        HiGHS failed on a linear program.
    """
    kkt, y0 = solver.kkt, solver.solve(u).y
    mu0 = solver.solve(u).mu
    found: Ranges = {}

    def keep(row: int, low: float, high: float) -> None:
        endless = not (np.isfinite(low) and np.isfinite(high))
        if endless or high - low > SAME_OBJECTIVE * (1 + abs(low)):
            found[row] = (float(low), float(high))

    for face in dual_faces(x, u, solver):
        limits.check()
        moving = np.flatnonzero(
            np.abs(face.Y).max(axis=1) > RANK * np.abs(face.Y).max(initial=1.0))
        for row, (low, high) in zip(moving, face.freedom.ends(face.Y[moving]), strict=True):
            keep(int(kkt.equality_rows[row]), y0[row] + low, y0[row] + high)
        of_row = kkt.is_row[face.pairs]
        pairs, sides = face.pairs[of_row], kkt.duals.sign[face.pairs[of_row]]
        ends = face.freedom.ends(face.MU[of_row] * sides[:, None])
        for p, at, (low, high) in zip(pairs, sides * np.maximum(mu0[pairs], 0.0), ends,
                                      strict=True):
            keep(int(kkt.index[p]), at + low, at + high)
    return found


def dual_faces(x: np.ndarray, u: np.ndarray, solver: LowerSolver) -> Iterator[DualFace]:
    """The faces of optimal duals that are more than a point, one for each connected component.

    Parameters
    ----------
    x, u
        An optimum, shapes (n,) and (m,).
    solver
        Of the lower level.

    Returns
    -------
    iterator of DualFace
        Their (y0, mu0) are the duals of ``solver.solve(u)``.
    """
    kkt = solver.kkt
    active = np.flatnonzero(kkt.slack(x, u) <= ACTIVE * (1 + np.abs(kkt.s0)))
    rows = sp.vstack([kkt.A_eq[solver.rest], kkt.sigma * kkt.S[active]], format="csr")
    G = (rows @ solver.elimination.M).T.tocsc()
    mu0 = solver.solve(u).mu
    for columns, members in _parts(G):
        N = _null_space(G[:, members][columns].toarray())
        if N.shape[1]:
            yield _face(solver, active, members, mu0, N)


def _parts(G: sp.csc_matrix):
    """(columns, duals) of the connected components in which a dual may move."""
    of_dual, of_column = component_labels(G)
    duals = np.bincount(of_dual, minlength=int(of_column.max(initial=-1)) + 1)
    # one row that something moves has a unique dual: most parts of a large feeder are such
    lone = (duals == 1) & (np.bincount(of_column, minlength=len(duals)) > 0)
    columns = groups_by_label(of_column, ~lone)
    for label, members in groups_by_label(of_dual, ~lone).items():
        yield columns.get(label, np.empty(0, int)), members


def _null_space(block: np.ndarray) -> np.ndarray:
    """Columns that span the null space (of unit rows scaled by column, undone at the end)."""
    limits.check()
    limits.spend(block.size * min(block.shape) / _SVD)
    scale = np.linalg.norm(block, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    if not len(block):
        return np.diag(1.0 / scale)
    _, size, V = np.linalg.svd(block / scale)
    rank = int((size > RANK * max(1.0, size.max(initial=0.0))).sum())
    return V[rank:].T / scale[:, None]


def _face(solver: LowerSolver, active, members, mu0, N) -> DualFace:
    """The face of one component, its directions extended to the eliminated equality duals."""
    kkt, e = solver.kkt, len(solver.rest)
    is_mu = members >= e
    pairs = active[members[is_mu] - e]
    N = _without_noise(N / np.maximum(np.abs(N).max(axis=0), ENTRY))
    Y = np.zeros((len(kkt.b_eq), N.shape[1]))
    Y[solver.rest[members[~is_mu]]] = N[~is_mu]
    if solver.factor is not None:
        mu = np.zeros((kkt.pairs, N.shape[1]))
        mu[pairs] = N[is_mu]
        right = -(kkt.A_eq.T @ Y + kkt.sigma * (kkt.S.T @ mu))[solver.gone]
        Y[solver.used] = _without_noise(
            solver.factor.solve(np.ascontiguousarray(right), trans="T"))
    return DualFace(Y, pairs, N[is_mu], _Freedom(N[is_mu], np.maximum(mu0[pairs], 0.0)))


def _without_noise(directions: np.ndarray) -> np.ndarray:
    """Zeros for rounding: along an endless direction 1e-17 would seem without end, too."""
    return np.where(np.abs(directions) > RANK * np.abs(directions).max(initial=1.0),
                    directions, 0.0)


class _Freedom:
    """{t: start + N t >= 0}."""

    def __init__(self, N: np.ndarray, start: np.ndarray):
        self.d = N.shape[1]
        rows = sp.csr_matrix(np.where(np.abs(N) > RANK, N, 0.0))
        free = np.full(self.d, np.inf)
        self._lp = Highs(np.zeros(self.d), rows, -start - RANK * (1.0 + start),
                         np.full(len(N), np.inf), -free, free)

    def ends(self, forms: np.ndarray) -> list[tuple[float, float]]:
        """(least, greatest) value of each form'  t; 0 lies between them."""
        if self.d == 1 or 2 * len(forms) > MOST_PROGRAMS:
            low, high = np.array([self._ends(form) for form in np.eye(self.d)]).T
            up, down = np.maximum(forms, 0.0), np.minimum(forms, 0.0)
            return list(zip(dot(up, low) + dot(down, high), dot(up, high) + dot(down, low),
                            strict=True))
        return [self._ends(form) for form in forms]

    def _ends(self, form: np.ndarray) -> tuple[float, float]:
        ends = []
        for sign in (1.0, -1.0):
            self._lp.set_cost(np.arange(self.d), sign * form)
            answer = self._lp.solve_lp()
            if answer.status not in (Status.OPTIMAL, Status.UNBOUNDED):
                raise SolverError.at("a range of duals", f"is not known: its program is "
                                     f"{answer.status}", "Scale the model (MW, per unit).")
            least = answer.objective if answer.status == Status.OPTIMAL else None
            ends.append(sign * min(0.0, -np.inf if least is None else least))
        return ends[0], ends[1]
