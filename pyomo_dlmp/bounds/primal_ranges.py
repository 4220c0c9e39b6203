"""Ranges of upper Vars, lower Vars and slacks that rows imply, where intervals give none.

Over the primal rows of a lower level, the upper rows that use no dual, and rows that hold at every
answer (`level_sets`), each end that is still infinite is asked for by a linear program. What counts
is not its optimum but what its duals prove by weak duality (`certificates`). Ranges of integer
upper Vars are rounded inward.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.bounds.labels import Source
from pyomo_dlmp.bounds.level_sets import (
    LevelRows,
    dual_level_rows,
    ellipsoid_ranges,
    level_rows,
)
from pyomo_dlmp.bounds.pair_bounds import PairBounds
from pyomo_dlmp.bounds.upper_view import UpperView
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.certificates import certificate
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import INTEGRALITY, ROUNDING

_EFFORT = 5_000.0  # units of work, about 5 s
_PER_LP, _PER_LINE = 0.2, 0.005  # units for each LP, and for each of its rows and columns


def imply_ranges(kkt: KktSystem, bounds: PairBounds, view: UpperView | None) -> None:
    """Tighten `bounds.u_lo` ... `bounds.x_hi` and `bounds.slack` where they are infinite.

    Parameters
    ----------
    kkt
        The lower level.
    bounds
        What is known of it; changed.
    view
        The upper rows; None: without them.
    """
    effort = Effort(_EFFORT)
    round_integers(kkt, bounds)
    if _endless(bounds):
        _Ranges(kkt, bounds, view, None).run(effort)
        round_integers(kkt, bounds)
    if _endless(bounds):
        ellipsoid_ranges(kkt, bounds)
        rows = level_rows(kkt, bounds)
        if rows is not None or _endless(bounds):
            _Ranges(kkt, bounds, view, rows).run(effort)
            round_integers(kkt, bounds)


def imply_ranges_by_duals(kkt: KktSystem, bounds: PairBounds, view: UpperView | None) -> None:
    """`imply_ranges` once more, when duals are bounded that were not before."""
    rows = dual_level_rows(kkt, bounds)
    if rows is not None:
        _Ranges(kkt, bounds, view, rows).run(Effort(_EFFORT))


def _endless(bounds: PairBounds) -> bool:
    ends = (bounds.u_lo, bounds.u_hi, bounds.x_lo, bounds.x_hi, bounds.slack)
    return any(np.isinf(end).any() for end in ends)


def round_integers(kkt: KktSystem, bounds: PairBounds) -> None:
    """Round the ranges of integer upper Vars inward."""
    whole = np.array([not var.is_continuous() for var in kkt.form.u], dtype=bool)
    bounds.u_lo[whole] = np.ceil(bounds.u_lo[whole] - INTEGRALITY)
    bounds.u_hi[whole] = np.floor(bounds.u_hi[whole] + INTEGRALITY)


class _Ranges:
    """One LP over (u, x, s), its cost changed from run to run."""

    def __init__(self, kkt: KktSystem, bounds: PairBounds, view: UpperView | None,
                 level: LevelRows | None):
        self.kkt, self.bounds = kkt, bounds
        m, n, P = len(kkt.form.u), len(kkt.form.x), kkt.pairs
        self.m, self.n = m, n
        self.ends = m + n + P  # columns whose ends are asked for; other upper Vars stand behind
        o_lo = o_hi = np.empty(0)
        if view is not None:
            o_lo, o_hi = view.stated.o_lo, view.stated.o_hi

        def wide(of_ux, of_s=None, of_o=None):
            k = of_ux.shape[0]
            parts = [of_ux, sp.csr_matrix((k, P)) if of_s is None else of_s,
                     sp.csr_matrix((k, len(o_lo))) if of_o is None else of_o]
            return sp.hstack(parts, format="csr")

        groups = [
            (wide(sp.hstack([kkt.B_eq, kkt.A_eq])), kkt.b_eq, kkt.b_eq),
            (wide(sp.hstack([kkt.T, kkt.S]), -sp.identity(P)), -kkt.s0, -kkt.s0)]
        if view is not None:
            # the rows with ranges in place of other Vars hold the cutoff's, too
            for own, others, lo, hi in (
                    (view.R, None, view.lo, view.hi),
                    (view.stated.own, view.stated.others, view.stated.lo, view.stated.hi)):
                mine = np.diff(own[:, m + n:].indptr) == 0
                groups.append((wide(own[mine][:, :m + n],
                                    of_o=None if others is None else others[mine]),
                               lo[mine], hi[mine]))
        if level is not None:
            groups.append((wide(level.M), np.full(len(level.most), -np.inf), level.most))
        self.program = Program(
            A=sp.vstack([g[0] for g in groups], format="csr"),
            lo=np.concatenate([g[1] for g in groups]), hi=np.concatenate([g[2] for g in groups]),
            lb=np.concatenate([bounds.u_lo, bounds.x_lo, np.zeros(P), o_lo]),
            ub=np.concatenate([bounds.u_hi, bounds.x_hi, bounds.slack, o_hi]))
        self.lp = Highs.of(self.program)

    def run(self, effort: Effort) -> None:
        """Each infinite end, as far as the effort suffices."""
        m, n, b = self.m, self.n, self.bounds
        cost = _PER_LP + _PER_LINE * sum(self.program.A.shape)
        ends = [(-1.0, int(j)) for j in np.flatnonzero(np.isinf(self.program.lb[:self.ends]))]
        ends += [(1.0, int(j)) for j in np.flatnonzero(np.isinf(self.program.ub[:self.ends]))]
        slack = b.slack.copy()
        proofs = {}
        for sign, j in ends:
            effort.spend(cost)
            if effort.is_used_up:
                break
            proof = self._proof(sign, j)
            if proof is None:
                continue
            value = proof.value() + ROUNDING * (1.0 + abs(proof.value()))
            if j < m:
                (b.u_hi if sign > 0 else b.u_lo)[j] = sign * value
            elif j < m + n:
                (b.x_hi if sign > 0 else b.x_lo)[j - m] = sign * value
            elif value >= 0.0:
                slack[j - m - n] = value
                proofs["slack", j - m - n] = proof
        b.lower_slack(slack, Source.LP)
        b.certificates.update(proofs)

    def _proof(self, sign: float, column: int):
        """The proof of the greatest sign x z[column], None where there is none."""
        at = np.array([column])
        self.lp.set_cost(at, np.array([-sign]))
        answer = self.lp.solve_lp()
        self.lp.set_cost(at, np.zeros(1))
        if answer.status != Status.OPTIMAL or answer.row_dual is None:
            return None
        proof = certificate(self.program, column, answer.row_dual, sign)
        return proof if np.isfinite(proof.value()) else None
