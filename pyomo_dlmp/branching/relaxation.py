"""Relaxations of nodes: linear programs that HiGHS hot-starts by changed limits, convex QPs.

Each node differs from the last by limits of rows and columns (and coefficients of secants), so one
HiGHS object keeps its basis and needs a few pivots. A convex quadratic cost is minimised by
Clarabel; what decides feasibility and recession directions is an LP in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.branching.convex_qp import minimise_qp
from pyomo_dlmp.branching.lifted import CORNERS, Lifted
from pyomo_dlmp.branching.limits import Limits
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import EXACT_FEASIBILITY, MULTIPLIER, ROUNDING


@dataclass
class Relaxed:
    """What a relaxation is.

    Attributes
    ----------
    status
        `Status.OPTIMAL`, `INFEASIBLE` or `UNBOUNDED`; other words where the solver failed.
    z
        A point: optimal, or feasible where it is unbounded; shape (n,).
    bound
        Lower bound of the cost.
    ray
        A direction of recession with negative cost; None where there is none.
    """

    status: str
    z: np.ndarray | None = None
    bound: float = -np.inf
    ray: np.ndarray | None = None


class Relaxation:
    """The relaxation of every node of a tree, one after the other.

    Parameters
    ----------
    lifted
        The program; integrality and complementarity are left out.
    exact
        Whether points of QPs are wanted exactly (those of leaves), not to an interior tolerance.
    """

    def __init__(self, lifted: Lifted, exact: bool = False):
        self.lifted, self.exact = lifted, exact
        program = lifted.problem.program
        self.quadratic = bool(program.Q.nnz)
        self.program = program
        self.A, self.extra_lo = program.A, np.empty(0)
        cost = np.zeros_like(program.c) if self.quadratic else program.c
        self.cost, self._none = cost, np.zeros_like(cost)
        self.lp = Highs(
            cost, program.A, program.lo, program.hi, program.lb, program.ub, presolve="off",
            solver="simplex", primal_feasibility_tolerance=EXACT_FEASIBILITY,
            dual_feasibility_tolerance=EXACT_FEASIBILITY)
        self.now = Limits(program.lo.copy(), program.hi.copy(), program.lb.copy(),
                          program.ub.copy())
        self._all = np.arange(len(program.c))
        self.of_a, self.of_b = np.zeros((2, len(lifted.w), CORNERS))

    @property
    def rows(self) -> int:
        """Number of rows, tangents included."""
        return self.A.shape[0]

    # ------------------------------------------------------------------------------ limits

    def move_to(self, limits: Limits) -> None:
        """Change the limits that differ from those of the last node."""
        lifted, now = self.lifted, self.now
        if len(lifted.w):
            self._move_envelopes(limits)
        rows = np.flatnonzero((limits.lo != now.lo) | (limits.hi != now.hi))
        if len(rows):
            self.lp.set_row_bounds(rows, limits.lo[rows], limits.hi[rows])
        columns = np.flatnonzero((limits.lb != now.lb) | (limits.ub != now.ub))
        if len(columns):
            self.lp.set_bounds(columns, limits.lb[columns], limits.ub[columns])
        self.now = limits

    def _move_envelopes(self, limits: Limits) -> None:
        """Envelopes of the products over the node's ranges."""
        lifted = self.lifted
        of_a, of_b, lo, hi = lifted.envelopes(limits)
        rows = slice(lifted.first_row, lifted.first_row + lo.size)
        limits.lo[rows], limits.hi[rows] = lo.ravel(), hi.ravel()
        square = lifted.a == lifted.b
        of_a = np.where(square[:, None], of_a + of_b, of_a)
        changed = (of_a != self.of_a) | (of_b != self.of_b)
        for k, corner in zip(*np.nonzero(changed), strict=True):
            row = lifted.first_row + CORNERS * k + corner
            self.lp.set_entry(row, lifted.a[k], of_a[k, corner])
            if not square[k]:
                self.lp.set_entry(row, lifted.b[k], of_b[k, corner])
        self.of_a, self.of_b = of_a, of_b

    def matrix(self) -> sp.csr_matrix:
        """The rows with the envelopes over the ranges of the last node."""
        lifted = self.lifted
        if not len(lifted.w):
            return self.A
        rows = lifted.first_row + np.arange(self.of_a.size)
        apart = lifted.a != lifted.b
        twice = np.repeat(apart, CORNERS)
        moved = sp.coo_matrix(
            (np.concatenate([self.of_a.ravel(), self.of_b.ravel()[twice]]),
             (np.concatenate([rows, rows[twice]]),
              np.concatenate([np.repeat(lifted.a, CORNERS),
                              np.repeat(lifted.b, CORNERS)[twice]]))), shape=self.A.shape)
        return (self.A + moved).tocsr()

    def add_tangents(self, k: np.ndarray, at: np.ndarray) -> None:
        """Tangents of squares k at points `at`; they hold in every node."""
        lo, A = self.lifted.tangents(k, at)
        self.lp.add_rows(lo, np.full(len(lo), np.inf), A)
        self.A = sp.vstack([self.A, A], format="csr")
        self.extra_lo = np.concatenate([self.extra_lo, lo])
        for name in ("lo", "hi"):
            more = lo if name == "lo" else np.full(len(lo), np.inf)
            setattr(self.now, name, np.concatenate([getattr(self.now, name), more]))

    def with_tangents(self, limits: Limits) -> Limits:
        """Limits of the original rows, and those of the tangents behind them."""
        if not len(self.extra_lo):
            return limits
        return Limits(np.concatenate([limits.lo, self.extra_lo]),
                      np.concatenate([limits.hi, np.full(len(self.extra_lo), np.inf)]),
                      limits.lb, limits.ub)

    # ------------------------------------------------------------------------------- solves

    def solve(self, limits: Limits) -> Relaxed:
        """Minimise the cost within limits."""
        if limits.contradict:
            return Relaxed(Status.INFEASIBLE)
        limits = self.with_tangents(limits)
        self.move_to(limits)
        found = self._linear()
        if not self.quadratic or found.status != Status.OPTIMAL:
            return found
        return self._quadratic(limits, found)

    def range_of(self, column: int,
                 limits: Limits) -> tuple[float, float, list[np.ndarray]]:
        """(least, greatest value of a column within limits, rays along which it has none)."""
        limits = self.with_tangents(limits)
        self.move_to(limits)
        ends: list[float] = []
        rays = []
        for sign in (1.0, -1.0):
            self.lp.set_cost(self._all, self._none)
            self.lp.set_cost(np.array([column]), np.array([sign]))
            known = self._run() == Status.OPTIMAL
            ends.append(sign * self.lp.cost() if known else -sign * np.inf)
            ray = None if known else self.lp.primal_ray()
            rays += [] if ray is None else [ray]
        self.lp.set_cost(self._all, self.cost)
        return ends[0], ends[1], rays

    def _linear(self) -> Relaxed:
        lp, status = self.lp, self._run()
        if status == Status.OPTIMAL:
            return Relaxed(status, lp.point(), lp.cost() + self.program.constant)
        if status == Status.INFEASIBLE:
            return Relaxed(status)
        return self._unbounded()

    def _run(self) -> str:
        """Run; once more from nothing where the last basis has misled the simplex method."""
        known = (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED)
        status = self.lp.run()
        if status not in known:
            self.lp.forget()
            status = self.lp.run()
        return status

    def _unbounded(self) -> Relaxed:
        """A feasible point and a ray, where the last run was unbounded."""
        ray = self.lp.primal_ray()
        self.lp.set_cost(self._all, self._none)
        status = self.lp.run()
        z = self.lp.point() if status == Status.OPTIMAL else None
        self.lp.set_cost(self._all, self.cost)
        if status == Status.INFEASIBLE:
            return Relaxed(status)
        return self.falling(Relaxed(Status.UNBOUNDED, z), [] if ray is None else [ray])

    def falling(self, relaxed: Relaxed, rays: list[np.ndarray]) -> Relaxed:
        """An unbounded relaxation with the first ray along which the true cost falls, or none.

        A product of factors without ranges has no envelope yet: a ray of the relaxation may then be
        none of the program's. Where the cost has no curvature along the ray, its slope depends on
        the point: the point with the steepest one is taken.
        """
        if relaxed.z is None:
            return relaxed
        if not len(self.lifted.w):
            relaxed.ray = rays[0] if rays else None
            return relaxed
        relaxed.ray = None
        for ray in rays:
            z = self._falls(ray, relaxed.z)
            if z is not None:
                relaxed.ray, relaxed.z = ray, z
                break
        return relaxed

    def _falls(self, ray: np.ndarray, z: np.ndarray) -> np.ndarray | None:
        """A point from which the true cost falls along a ray without end; None where none is."""
        original = self.lifted.original
        program, n = original.program, self.lifted.n
        size = np.abs(ray[:n]).max(initial=0.0)
        if original.quadratic_rows or size <= ROUNDING * np.abs(ray).max():
            return None  # the products' own columns alone
        d = ray[:n] / size
        gradient = program.Q @ d
        bend, slope = float(d @ gradient), float(program.c @ d + gradient @ z[:n])
        if bend > ROUNDING:
            return None
        room = MULTIPLIER * (1.0 + np.abs(z[:n]).max(initial=0.0))  # ranges are only so exact
        if bend < -ROUNDING or slope < -room:
            return z
        steepest = self._least_point(gradient)
        falls = steepest is not None and program.c @ d + gradient @ steepest[:n] < -room
        return steepest if falls else None

    def _least_point(self, cost: np.ndarray) -> np.ndarray | None:
        """A point of the last node where a linear cost of the original columns is least."""
        self.lp.set_cost(self._all, np.concatenate([cost, self._none[len(cost):]]))
        z = self.lp.point() if self._run() == Status.OPTIMAL else None
        self.lp.set_cost(self._all, self.cost)
        return z

    def _quadratic(self, limits: Limits, feasible: Relaxed) -> Relaxed:
        """The convex QP; the LP has found it feasible."""
        program = self.program
        A = self.matrix()
        answer = minimise_qp(program.Q, program.c, A, limits.lo, limits.hi, limits.lb, limits.ub,
                             self.exact)
        if answer is not None:
            z, bound = answer
            return Relaxed(Status.OPTIMAL, z, bound + program.constant)
        ray = self._recession(A, limits)
        if ray is None:  # Clarabel failed: nothing is known but that the node is feasible
            return Relaxed(Status.OPTIMAL, feasible.z, -np.inf)
        return self.falling(Relaxed(Status.UNBOUNDED, feasible.z), [ray])

    def _recession(self, A: sp.csr_matrix, limits: Limits) -> np.ndarray | None:
        """A direction d of recession with Q d = 0 and c'd < 0, |d| <= 1; None where none is."""
        program = self.program
        zero = np.zeros(program.Q.shape[0])

        def ends(low, high):
            return np.where(np.isfinite(low), 0.0, -np.inf), np.where(np.isfinite(high), 0., np.inf)

        lo, hi = ends(limits.lo, limits.hi)
        lb, ub = ends(limits.lb, limits.ub)
        rows = sp.vstack([A, program.Q], format="csr")
        answer = Highs(program.c, rows, np.concatenate([lo, zero]), np.concatenate([hi, zero]),
                       np.maximum(lb, -1.0), np.minimum(ub, 1.0)).solve_lp()
        if answer.z is None or answer.objective is None or answer.objective > -ROUNDING:
            return None
        return answer.z


