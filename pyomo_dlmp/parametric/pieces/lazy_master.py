"""The upper level over parts whose regions are not listed: multipliers of the joining rows.

    min c'x + sum_k cost_k(u_k)    s.t.  upper rows (x, u)

Multipliers p of the upper rows price each part apart (`LazyPart.minimum`), and every p gives a
proven bound (Lagrange). They are found by a linear program over the points that the parts answered
(Dantzig and Wolfe, 1960); its convex combinations are decisions that hold the rows. What is left
between the two, the duality gap, is closed by the hull master over the pieces that can still be
part of a better solution: all others cost more than the gap by their own bound.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.outer_approximation import SearchResult
from pyomo_dlmp.parametric.pieces.hull_of_pieces import over_pieces
from pyomo_dlmp.parametric.pieces.joined import Joined
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import EXACT_FEASIBILITY, ROUNDING

_ROUNDS = 60
_CUTS = 400  # pieces that one search of a part may cut
_FIRST = 30.0  # tolerance of the first searches, times that of the last
_SLACK = 10.0  # cost of breaking an upper row, times the greatest worth of its columns
_DEAREST = 1e12  # beyond it a solver cannot tell the costs apart
_HULLS = 6


class LazyMaster:
    """The search; see the module's text.

    Parameters
    ----------
    joined
        The upper level and its parts.
    gap
        Relative gap to reach.
    on_progress
        on_progress(stage, objective, bound).
    on_incumbent
        on_incumbent(u, objective, bound), called with better upper decisions.
    threads, options
        Of HiGHS.
    """

    def __init__(self, joined: Joined, gap: float, on_progress: Callable | None = None,
                 on_incumbent: Callable | None = None, threads: int = 0,
                 options: dict | None = None):
        self.joined, self.gap = joined, gap
        self.on_progress = on_progress or (lambda *_: None)
        self.on_incumbent = on_incumbent or (lambda *_: None)
        self.threads, self.options = threads, options or {}
        self.outcome = SearchResult(Status.OPTIMAL)
        self.p = np.zeros(len(joined.lo))  # multipliers of the best bound
        self.least: list[float] = []  # and the bound of each part there
        self.lagrange = -np.inf  # the best bound by multipliers alone, which these prove
        self.big = 0.0

    def run(self, start: np.ndarray | None = None) -> SearchResult:
        """Search until the gap is closed, a limit is passed, or nothing more is found.

        Parameters
        ----------
        start
            Upper decisions to begin from, shape (upper Vars,).
        """
        out = self.outcome
        if start is not None and self.joined.program.holds(start, EXACT_FEASIBILITY):
            self._take(start)
        self._first_points()
        coarse = _FIRST
        for _ in range(_ROUNDS):
            if limits.stopped():
                break
            before = out.bound, out.objective
            p, z = self._combine()
            if z is not None:
                self._take(z)
            self._price(p, coarse)
            self.on_progress("pieces", out.objective, out.bound)
            if out.within(self.gap):
                break
            moved = max(abs(a - b) if np.isfinite(a) and np.isfinite(b) else np.inf
                        for a, b in zip(before, (out.bound, out.objective), strict=True))
            if moved <= 0.1 * coarse * self._aim():
                if coarse == 1.0:
                    break
                coarse = max(1.0, 0.3 * coarse)
        for _ in range(_HULLS):
            if out.within(self.gap) or limits.stopped():
                break
            if not over_pieces(self):
                break
            out.rounds += 1
            self.on_progress(f"round {out.rounds}", out.objective, out.bound)
        ended = limits.stopped()
        if not out.within(self.gap):
            out.status = ended or Status.GAP_NOT_REACHED
        return out

    def _aim(self) -> float:
        """The gap in the objective's unit."""
        out = self.outcome
        scale = [abs(x) for x in (out.objective, out.bound) if np.isfinite(x)]
        return self.gap * max(scale, default=1.0) + ROUNDING

    def _first_points(self) -> None:
        for part in self.joined.parts:
            corners = [np.zeros(part.m), np.ones(part.m)]
            for v in corners:
                part.value(v)
            part.minimum(np.zeros(part.m), np.inf, 1)

    def _combine(self) -> tuple[np.ndarray, np.ndarray | None]:
        """(multipliers of the upper rows, decisions that hold them) over the known points."""
        joined, q = self.joined, self.joined.program
        free, rows = len(joined.free), len(joined.lo)
        blocks, costs = [], []
        for k, part in enumerate(joined.parts):
            u = np.array(part.points) * part.cost.span + part.cost.part.lo
            blocks.append(joined.maps[k] @ u.T)
            costs.append(np.array(part.values) + u @ joined.costs[k])
        count = [b.shape[1] for b in blocks]
        self.big = self.big or _SLACK * max(np.ptp(c) + 1.0 for c in costs)
        size = np.max([np.abs(b).max(axis=1) for b in blocks], axis=0)
        size = np.where(size > ROUNDING, size, 1.0)
        relax = sp.diags(size)
        top = sp.hstack([joined.rows, *map(sp.csr_matrix, blocks), relax, -relax])
        one = sp.hstack([sp.csr_matrix((len(count), free)),
                         sp.block_diag([np.ones((1, n)) for n in count]),
                         sp.csr_matrix((len(count), 2 * rows))])
        c = np.concatenate([q.c[joined.free], *costs, np.full(2 * rows, self.big)])
        ones, points = np.ones(len(count)), sum(count)
        lb = np.concatenate([q.lb[joined.free], np.zeros(points + 2 * rows)])
        ub = np.concatenate([q.ub[joined.free], np.full(points + 2 * rows, np.inf)])
        answer = Highs(c, sp.vstack([top, one], format="csr"), np.append(joined.lo, ones),
                       np.append(joined.hi, ones), lb, ub,
                       primal_feasibility_tolerance=EXACT_FEASIBILITY,
                       dual_feasibility_tolerance=EXACT_FEASIBILITY).solve()
        if answer.status != Status.OPTIMAL or answer.row_dual is None or answer.z is None:
            return self.p, None
        if answer.z[free + points:].max(initial=0.0) > EXACT_FEASIBILITY:
            self.big = min(_SLACK * self.big, _DEAREST)  # the rows are not held, at this price
        p = answer.row_dual[:rows].copy()
        p[((p > 0) & ~np.isfinite(joined.lo)) | ((p < 0) & ~np.isfinite(joined.hi))] = 0.0
        z = np.zeros(len(q.c))
        z[joined.free] = answer.z[:free]
        first = free
        for k, part in enumerate(joined.parts):
            weight = answer.z[first:first + count[k]]
            v = weight @ np.array(part.points) / weight.sum()
            z[joined.columns[k]] = part.cost.u(v)
            first += count[k]
        return p, z

    def _take(self, z: np.ndarray) -> None:
        """Keep decisions if they hold the upper rows and are the best so far."""
        q, out = self.joined.program, self.outcome
        z = np.clip(z, q.lb, q.ub)
        z[q.integer] = np.round(z[q.integer])
        if not q.holds(z, EXACT_FEASIBILITY):
            return
        value = self.cost_at(z)
        if value is not None and value < out.objective:
            out.z, out.objective = z, value
            self.on_incumbent(z, value, out.bound)

    def cost_at(self, z: np.ndarray) -> float | None:
        """Exact upper objective at upper decisions; None where a part has no solution."""
        q = self.joined.program
        total = q.constant + float(q.c @ z)
        for part, at in zip(self.joined.parts, self.joined.columns, strict=True):
            found = part.value((z[at] - part.cost.part.lo) / part.cost.span)
            if found is None:
                return None
            total += found
        return total

    def _price(self, p: np.ndarray, coarse: float) -> None:
        """The bound of multipliers; kept where it is the best."""
        joined, out = self.joined, self.outcome
        total, least = joined.outside(p), []
        tolerance = 0.3 * coarse * self._aim() / len(joined.parts)
        for k, part in enumerate(joined.parts):
            slope = joined.slope(k, p)
            bound, _ = part.minimum(slope, tolerance, _CUTS)
            least.append(bound)
            total += bound + joined.start(k, p)
        if total > self.lagrange:
            self.lagrange, self.p, self.least = total, p, least
            out.bound = max(out.bound, total)
