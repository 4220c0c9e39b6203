"""The MILP of an outer approximation: squares of linear forms above their tangents.

Where a form has no finite range the first MILP may be unbounded although the MIQP is not. Along
which rays d the cost falls, and how steeply, is one linear program over the recession cone:

    least c'd   with   A d and d going on without end within their limits,  sum_k d_k |v_k'd| <= 1

Unbounded, there is a ray without curvature along which the cost falls: so does the MIQP. Else its
optimum -r is reached by no ray, and tangents at +-a with a > r bound the MILP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import ModelError, SolverError
from pyomo_dlmp.numerics.boxes import row_ranges
from pyomo_dlmp.numerics.components import blocks_of
from pyomo_dlmp.numerics.highs import Highs, HighsResult
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.status import ENDED, NO_POINT, Status
from pyomo_dlmp.tolerances import (
    ABSOLUTE_GAP,
    CONVEX,
    ENTRY,
    EXACT_FEASIBILITY,
    INTEGRALITY,
    MILP_FEASIBILITY,
    ROW_HOLDS,
    SAME_OBJECTIVE,
)

_MAX_POINTS = 48
_FAR_POINTS = 9  # tangents of a form without a finite range, from -a to a


@dataclass
class Squares:
    """1/2 z'Qz = sum 1/2 weight_k (forms[k] z)^2, each form within [lo, hi]."""

    forms: sp.csr_matrix
    weight: np.ndarray
    lo: np.ndarray
    hi: np.ndarray


def split_squares(program: Program) -> Squares:
    """The quadratic objective as a sum of squares, by eigendecomposition of its connected blocks.

    Parameters
    ----------
    program
        Its Q is split; ranges of the squares' forms are those over the columns' bounds.

    Returns
    -------
    Squares
        ``1/2 z'Qz = sum_k 1/2 weight_k (forms[k] z)^2``, with k squares and forms of shape (k, n).

    Raises
    ------
    ModelError
        Q is not positive semidefinite.
    """
    rows: list[np.ndarray] = []
    cols: list[np.ndarray] = []
    values: list[np.ndarray] = []
    weight: list[float] = []
    for members in blocks_of(program.Q):
        d, v = np.linalg.eigh(program.Q[members][:, members].toarray())
        if d[0] < -CONVEX * max(1.0, d[-1]):
            names = ", ".join(str(program.columns[j]) for j in members[:3])
            raise ModelError.at(
                "objective", f"is not convex in {names} (least eigenvalue {d[0]:.3g})",
                "HiGHS takes convex quadratics: linearise products, or use solver='scip'.")
        for k in np.flatnonzero(d > ENTRY * max(d.max(), ENTRY)):
            rows.append(np.full(len(members), len(weight)))
            cols.append(members)
            values.append(v[:, k])
            weight.append(d[k])
    n = len(program.columns)
    if not weight:
        return Squares(sp.csr_matrix((0, n)), np.empty(0), np.empty(0), np.empty(0))
    forms = sp.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))),
        shape=(len(weight), n)).tocsr()
    forms.data[np.abs(forms.data) < ENTRY] = 0.0
    forms.eliminate_zeros()
    lo, hi = row_ranges(forms, np.zeros(len(weight)), program.lb, program.ub)
    return Squares(forms, np.array(weight), lo, hi)


class TangentMaster:
    """The MILP over (z, form values, eta)."""

    def __init__(self, program: Program, squares: Squares, error, threads, options):
        n, k = len(program.columns), len(squares.weight)
        self.program, self.squares, self.n, self.k = program, squares, n, k
        self.is_wide = False  # whether there are tangents far out
        A = sp.bmat([
            [program.A, sp.csr_matrix((program.A.shape[0], 2 * k))],
            [squares.forms, sp.hstack([-sp.identity(k), sp.csr_matrix((k, k))])],
        ], format="csr") if k else program.A
        zero = np.zeros(k)
        margin = ROW_HOLDS * (1 + np.abs(squares.lo) + np.abs(squares.hi)) if k else zero
        self.cost = np.concatenate([program.c, zero, np.ones(k)])
        self.highs = Highs(
            self.cost, A,
            np.concatenate([program.lo, zero]), np.concatenate([program.hi, zero]),
            np.concatenate([program.lb, squares.lo - margin, zero]),
            np.concatenate([program.ub, squares.hi + margin, np.full(k, np.inf)]),
            np.concatenate([program.integer, np.zeros(2 * k, bool)]),
            **{"threads": threads, "primal_feasibility_tolerance": MILP_FEASIBILITY,
               "mip_feasibility_tolerance": INTEGRALITY, "mip_abs_gap": 0.2 * ABSOLUTE_GAP,
               **options})
        self.highs.set_offset(program.constant)
        if k:
            self._first_grid(error)

    def bounded(self, time_limit, progress, found) -> HighsResult:
        """Solve the MILP, with tangents far out where it is unbounded and the MIQP is not."""
        answer = self.solve(time_limit, progress, found)
        if answer.status not in (Status.UNBOUNDED, Status.INFEASIBLE_OR_UNBOUNDED):
            return answer
        steepest = self._steepest_ray()
        if np.isinf(steepest):
            return self._of_unbounded()
        for far in (2.0, 20.0, 200.0):  # the first, but for rounding
            self._far_tangents(far * max(1.0, steepest))
            answer = self.solve(time_limit, progress, found)
            if answer.status not in (Status.UNBOUNDED, Status.INFEASIBLE_OR_UNBOUNDED):
                return answer
        raise SolverError.at("objective", "is bounded, but HiGHS finds no bound of its tangents",
                             "Give the Vars in its squares finite bounds.")

    def _of_unbounded(self) -> HighsResult:
        """Infeasible, or unbounded: along a ray the cost falls without end."""
        p = self.program
        answer = Highs(np.zeros(self.n), p.A, p.lo, p.hi, p.lb, p.ub, p.integer).solve()
        return HighsResult(answer.status if answer.status in (Status.INFEASIBLE, *ENDED)
                           else Status.UNBOUNDED)

    def _steepest_ray(self) -> float:
        """r of the module's text; infinite where a ray without curvature lowers the cost."""
        p, s, n, k = self.program, self.squares, self.n, self.k
        if not k:
            return np.inf
        # over (d, up, down) with v'd = up - down
        part = sp.identity(k)
        A = sp.bmat([
            [p.A, sp.csr_matrix((p.A.shape[0], 2 * k))],
            [s.forms, sp.hstack([-part, part])],
            [sp.csr_matrix((1, n)), sp.csr_matrix(np.tile(s.weight, 2)[None, :])]], format="csr")

        def goes_on(limit, end):
            return np.where(np.isfinite(limit), 0.0, end)

        zero = np.zeros(k)
        answer = Highs(
            np.concatenate([p.c, np.zeros(2 * k)]), A,
            np.concatenate([goes_on(p.lo, -np.inf), zero, [-np.inf]]),
            np.concatenate([goes_on(p.hi, np.inf), zero, [1.0]]),
            np.concatenate([goes_on(p.lb, -np.inf), np.zeros(2 * k)]),
            np.concatenate([goes_on(p.ub, np.inf), np.full(2 * k, np.inf)])).solve_lp()
        return np.inf if answer.objective is None or answer.status in NO_POINT else (
            -answer.objective)

    def _far_tangents(self, far: float) -> None:
        self.is_wide = True
        endless = np.flatnonzero(~(np.isfinite(self.squares.lo) & np.isfinite(self.squares.hi)))
        for k in endless:
            self._tangents(int(k), np.linspace(-far, far, _FAR_POINTS))

    def points_of(self, z: np.ndarray) -> list[np.ndarray]:
        """A point of the MILP, and where tangents stand far apart the exact one of its integers."""
        exact = self._exact(z) if self.is_wide else None
        return [z] if exact is None else [z, exact]

    def _exact(self, z: np.ndarray) -> np.ndarray | None:
        """The QP's optimum with the integers fixed at z's; its tangents bound the MILP there."""
        p = self.program
        whole = np.round(z)
        answer = Highs(p.c, p.A, p.lo, p.hi, np.where(p.integer, whole, p.lb),
                       np.where(p.integer, whole, p.ub), Q=p.Q).solve()
        return answer.z if answer.status == Status.OPTIMAL else None

    def solve(self, time_limit, progress, found) -> HighsResult:
        """Solve the MILP; with integer columns, once more as LP with them fixed (exact values)."""
        answer = self.highs.solve(time_limit, progress, found)
        if not self._is_the_point(answer):
            # HiGHS 1.16 may return its start with the objective of a better point that presolve
            # made of it: once more, without a start
            self.highs.forget()
            answer = self.highs.solve(time_limit, progress, found)
        if answer.z is not None and self.highs.is_mip:
            answer.z = self.with_integers_fixed(answer.z)
        return answer

    def _is_the_point(self, answer: HighsResult) -> bool:
        """Whether the reported objective is that of the reported point."""
        if answer.z is None or answer.objective is None:
            return True
        value = float(self.cost @ answer.z) + self.program.constant
        return abs(value - answer.objective) <= SAME_OBJECTIVE * (1.0 + abs(value))

    def with_integers_fixed(self, z: np.ndarray) -> np.ndarray:
        """The LP optimum with z's integers fixed at their rounded values; z if that fails."""
        index = np.flatnonzero(self.program.integer)
        exact = self.highs.with_fixed(index, np.round(z[index]), tolerance=EXACT_FEASIBILITY)
        return z if exact is None else exact

    def _first_grid(self, error: float | None) -> None:
        """Tangents spaced so that all squares together err by at most `error` (None: 9 each)."""
        s = self.squares
        for k in range(self.k):
            lo, hi = s.lo[k], s.hi[k]
            if not (np.isfinite(lo) and np.isfinite(hi)):
                self._tangents(k, np.array([0.0]))
                continue
            spacing = np.inf if error is None else np.sqrt(8.0 * error / (self.k * s.weight[k]))
            points = 9 if error is None else int(np.clip(
                np.ceil((hi - lo) / spacing) + 1, 2, _MAX_POINTS))
            self._tangents(k, np.linspace(lo, hi, points))

    def _tangents(self, k: int, at: np.ndarray) -> None:
        weight, count = self.squares.weight[k], len(at)
        row = np.repeat(np.arange(count), 2)
        col = np.tile([self.n + k, self.n + self.k + k], count)
        value = np.column_stack([-weight * at, np.ones(count)]).ravel()
        A = sp.csr_matrix((value, (row, col)), shape=(count, self.n + 2 * self.k))
        A.eliminate_zeros()
        self.highs.add_rows(-0.5 * weight * at**2, np.full(count, np.inf), A)

    def add_tangents(self, z: np.ndarray) -> None:
        """Tangents of all squares at a point."""
        values = self.squares.forms @ z
        for k in range(self.k):
            self._tangents(k, values[k : k + 1])

    def start_from(self, z: np.ndarray) -> None:
        """MIP start from a point of the program."""
        values = self.squares.forms @ z
        eta = 0.5 * self.squares.weight * values**2
        self.highs.start_from(np.concatenate([z, values, eta]))
