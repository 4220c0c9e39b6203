"""How far the duals of a lower level can move where they are not unique.

At an optimum x the optimal duals are  A'y + sigma S'mu = gradient  with mu >= 0 on the active
pairs. Seen in the decisions alone (flows eliminated, so a handful of columns a period), their
directions of freedom are the null space of the active rows, of dimension d:

    (y, mu) = (y0, mu0) + N t,   mu0 + N_mu t >= 0

and each dual's range is two linear programs over t. Nothing here grows with the feeder but N.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ACTIVE, ENTRY, RANK, SAME_OBJECTIVE

_MOST = 3000  # linear programs of a part; ranges beyond are those over the box around all t
Ranges = dict[int, tuple[float, float]]


def price_ranges(x: np.ndarray, u: np.ndarray, solver: LowerSolver) -> Ranges:
    """{row: (least, greatest) optimal dual}, in the user's sign, of duals that are not unique.

    x, u: an optimum of the solver's lower level. Infinite where a dual has no end.
    """
    kkt = solver.kkt
    active = np.flatnonzero(kkt.slack(x, u) <= ACTIVE * (1 + np.abs(kkt.s0)))
    rows = sp.vstack([kkt.A_eq[solver.rest], kkt.sigma * kkt.S[active]], format="csr")
    G = (rows @ solver.elimination.M).T.tocsc()
    solution = solver.solve(u)
    start = np.concatenate([solution.y[solver.rest], solution.mu[active]])
    ranges: Ranges = {}
    for columns, members in _parts(G):
        if len(members) == 1 and len(columns):  # one row that something moves: a unique dual
            continue
        N = _null_space(G[:, members][columns].toarray())
        if N.shape[1]:
            ranges |= _ranges(solver, active, members, start[members], N, solution.y)
    return ranges


def _parts(G: sp.csc_matrix):
    """(columns, duals) of the independent parts."""
    n = G.shape[0]
    graph = sp.bmat([[None, abs(G)], [abs(G).T, None]], format="csr")
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    for part in np.split(order, np.cumsum(np.bincount(label))[:-1]):
        if (part >= n).any():
            yield part[part < n], part[part >= n] - n


def _null_space(block: np.ndarray) -> np.ndarray:
    """Columns that span the null space (of unit rows scaled by column, undone at the end)."""
    scale = np.linalg.norm(block, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    if not len(block):
        return np.diag(1.0 / scale)
    _, size, V = np.linalg.svd(block / scale)
    rank = int((size > RANK * max(1.0, size.max(initial=0.0))).sum())
    return V[rank:].T / scale[:, None]


def _ranges(solver: LowerSolver, active, members, start, N, y0) -> Ranges:
    """Ranges of one part's duals."""
    kkt, e = solver.kkt, len(solver.rest)
    is_mu = members >= e
    pairs = active[members[is_mu] - e]
    N = N / np.maximum(np.abs(N).max(axis=0), ENTRY)
    polytope = _Freedom(N[is_mu], np.maximum(start[is_mu], 0.0))
    found: Ranges = {}
    Y = np.zeros((len(kkt.b_eq), N.shape[1]))
    Y[solver.rest[members[~is_mu]]] = N[~is_mu]
    if solver.factor is not None:
        mu = np.zeros((kkt.pairs, N.shape[1]))
        mu[pairs] = N[is_mu]
        right = -(kkt.A_eq.T @ Y + kkt.sigma * (kkt.S.T @ mu))[solver.gone]
        Y[solver.used] = solver.factor.solve(np.ascontiguousarray(right), trans="T")
    moving = np.flatnonzero(np.abs(Y).max(axis=1) > RANK * np.abs(Y).max(initial=1.0))
    for row, (low, high) in zip(moving, polytope.ends(Y[moving]), strict=True):
        _keep(found, int(kkt.equality_rows[row]), y0[row] + low, y0[row] + high)
    is_row = np.array([kkt.kind[p] == "row" for p in pairs], dtype=bool)
    sides = np.array([1.0 if kkt.side[p] == "lower" else -1.0 for p in pairs]) * kkt.sigma
    rows = N[is_mu][is_row] * sides[is_row, None]
    for p, at, (low, high) in zip(pairs[is_row], (sides * start[is_mu])[is_row],
                                  polytope.ends(rows), strict=True):
        _keep(found, int(kkt.index[p]), at + low, at + high)
    return found


def _keep(found: Ranges, row: int, low: float, high: float) -> None:
    if high - low > SAME_OBJECTIVE * (1 + abs(low)):
        found[row] = (float(low), float(high))


class _Freedom:
    """{t: start + N t >= 0}."""

    def __init__(self, N: np.ndarray, start: np.ndarray):
        self.d = N.shape[1]
        self.N, self.start = N, start
        rows = sp.csr_matrix(np.where(np.abs(N) > RANK, N, 0.0))
        free = np.full(self.d, np.inf)
        self.lp = Highs(np.zeros(self.d), rows, -start - RANK * (1.0 + start),
                        np.full(len(N), np.inf), -free, free)

    def ends(self, forms: np.ndarray) -> list[tuple[float, float]]:
        """(least, greatest) value of each form'  t; 0 lies between them."""
        if self.d == 1 or 2 * len(forms) > _MOST:
            low, high = np.array([self._ends(form) for form in np.eye(self.d)]).T
            up, down = np.maximum(forms, 0.0), np.minimum(forms, 0.0)
            return list(zip(_dot(up, low) + _dot(down, high), _dot(up, high) + _dot(down, low),
                            strict=True))
        return [self._ends(form) for form in forms]

    def _ends(self, form: np.ndarray) -> tuple[float, float]:
        ends = []
        for sign in (1.0, -1.0):
            self.lp.set_cost(np.arange(self.d), sign * form)
            answer = self.lp.solve_lp()
            value = answer.objective if answer.status == Status.OPTIMAL else -np.inf
            ends.append(sign * min(0.0, value))
        return ends[0], ends[1]


def _dot(forms: np.ndarray, at: np.ndarray) -> np.ndarray:
    """forms @ at, where 0 x infinity is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(forms == 0.0, 0.0, forms * at).sum(axis=1)
