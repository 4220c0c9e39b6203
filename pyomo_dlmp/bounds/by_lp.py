"""Bound tightening by linear programs over the relaxed KKT system, all periods in one instance.

The relaxation keeps primal and dual feasibility, stationarity (already eliminated), the upper rows
(with the cutoff of a known point where one was given) and, for each open pair, the chord
``s / s_max + mu / mu_max <= 1`` of the complementarity. One HiGHS instance, hot-started from run to
run, maximises one slack or multiplier of each independent component (a period) at once: they share
no row, so the optimum of the sum is the optimum of each. Where a multiplier is not zero, that of
the other side of its row or Var is, and is left out; where that does not do, its slack is left out,
too (and the multiplier of a slack). The bound that is used is not the optimum but what
the run's duals prove by weak duality (`certificates`).
"""

from __future__ import annotations

import logging

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.bounds.labels import PairState, Source
from pyomo_dlmp.bounds.pair_bounds import PairBounds, unbounded
from pyomo_dlmp.bounds.reduced_kkt import ReducedKkt
from pyomo_dlmp.bounds.upper_view import UpperView
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.certificates import Certificate, certificate
from pyomo_dlmp.numerics.components import component_labels, groups_by_label, groups_of
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.telling import how_far
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ACTIVE, NEVER_BINDS, ROUNDING

log = logging.getLogger("pyomo_dlmp")
_EFFORT = 60_000.0  # units of work, about a minute
_PER_LP, _PER_LINE = 0.2, 0.001  # units for each LP, and for each of its rows and columns
_ITERATIONS = 20  # of an LP for each of its rows and columns, at most


def tighten_by_lp(
    reduced: ReducedKkt, bounds: PairBounds, view: UpperView | None = None, rounds: int = 2,
    all_pairs: bool = True,
) -> None:
    """Lower `bounds.slack` and `bounds.mu` of open pairs in place, with `bounds.certificates`.

    It stops after a number of linear programs that depends on their size; bounds that were not
    reached by then stay as they are.

    Parameters
    ----------
    reduced
        The KKT system after elimination.
    bounds
        What is known of the pairs; changed.
    view
        Upper rows of the relaxation; None: without them.
    rounds
        Passes over all slacks and multipliers at most.
    all_pairs
        False: only components that have an open pair without a finite bound.

    Raises
    ------
    Stopped
        The time limit of the call is passed, or its memory limit.
    """
    effort = Effort(_EFFORT)
    for _ in range(rounds):
        if not all_pairs and not unbounded(bounds).any():
            break
        before, opened = _total(bounds), int((bounds.state == PairState.OPEN).sum())
        _Round(_Relaxation(reduced, bounds, view), bounds, all_pairs, effort).run()
        still = int((bounds.state == PairState.OPEN).sum())
        if still == opened and _total(bounds) > 0.9 * before:
            break


def _total(bounds: PairBounds) -> float:
    values = np.concatenate([bounds.mu, bounds.slack])
    return float(np.where(np.isfinite(values), values, 1e9).sum())


class _Round:
    """Each slack and multiplier once, over bounds that stay as they are for the round."""

    def __init__(self, relaxation: _Relaxation, bounds: PairBounds, all_pairs: bool,
                 effort: Effort):
        self.bounds, self.effort = bounds, effort
        open_, missing = bounds.state == PairState.OPEN, unbounded(bounds)
        self.queues: list[list[tuple[str, int, int]]] = []  # of each component
        used = []
        for columns in relaxation.components():
            pairs = relaxation.pairs_in(columns)
            pairs = pairs[open_[pairs]]
            if len(pairs) and (all_pairs or missing[pairs].any()):
                used.append(columns)
                self.queues.append([entry for p in pairs for entry in (
                    ("slack", int(p), int(relaxation.slack_at[p])),
                    ("mu", int(p), int(relaxation.mu_at[p])))])
        columns = np.concatenate(used) if used else np.empty(0, int)
        self.place = np.full(relaxation.width, -1)
        self.place[columns] = np.arange(len(columns))
        self.lp, self.rows, numbers = relaxation.lp(columns)
        self.some_duals = relaxation.some_duals[columns]
        self.some_rows = relaxation.rows_of_some_duals[numbers]
        self.lp.set("simplex_iteration_limit", _ITERATIONS * sum(self.rows.A.shape))
        self.cost = _PER_LP + _PER_LINE * sum(self.rows.A.shape)
        self.other = np.full(relaxation.width, -1)  # column of the other side's multiplier
        mine, other = relaxation.two_sided
        self.other[mine] = self.place[other]
        self.partner = np.full(relaxation.width, -1)  # column of the other member of the pair
        self.partner[relaxation.mu_at] = self.place[relaxation.slack_at]
        self.partner[relaxation.slack_at] = self.place[relaxation.mu_at]
        self._label_of_column, label = component_labels(self.rows.A)
        self._rows_of_label = groups_by_label(label)
        self.proved: dict[tuple[str, int], tuple[float, Certificate]] = {}

    def run(self) -> None:
        steps = max(map(len, self.queues), default=0)
        for k in range(steps):
            how_far(f"bound {k + 1} of {steps}")
            batch = [queue[k] for queue in self.queues if k < len(queue)]
            if not self._maximise(batch):
                for entry in batch:  # one of them is unbounded: each is maximised alone
                    if len(batch) == 1 or not self._maximise([entry]):
                        self._maximise([entry], alone=True)
            limits.check()
            if self.effort.is_used_up:
                log.info("tightening stopped: its effort is used up")
                break
        new = {kind: np.full(len(self.bounds.mu), np.inf) for kind in ("slack", "mu")}
        for (kind, p), (value, _) in self.proved.items():
            new[kind][p] = value
        relies = {kind: np.zeros(len(self.bounds.mu), bool) for kind in new}
        for (kind, p), (_, proof) in self.proved.items():
            relies[kind][p] = proof.uses(self.some_duals, self.some_rows)
        before = {"slack": self.bounds.slack.copy(), "mu": self.bounds.mu.copy()}
        for source, lowered in ((Source.VERTEX, relies),
                                (Source.LP, {kind: ~mask for kind, mask in relies.items()})):
            self.bounds.lower_slack(np.where(lowered["slack"], new["slack"], np.inf), source)
            self.bounds.lower_mu(np.where(lowered["mu"], new["mu"], np.inf), source)
        for (kind, p), (_, proof) in self.proved.items():
            if getattr(self.bounds, kind)[p] < before[kind][p]:
                self.bounds.certificates[kind, p] = proof

    def _maximise(self, batch: list[tuple[str, int, int]], alone: bool = False) -> bool:
        """The greatest values of some columns of different components; False: there are none.

        `alone`: the other member of their pairs is left out.
        """
        columns = [column for *_, column in batch]
        at = self.place[columns]
        others = np.column_stack([
            self.other[columns], self.partner[columns] if alone else np.full(len(at), -1)])
        zero = others[others >= 0]
        self.effort.spend(self.cost)
        self.lp.set_cost(at, np.full(len(at), -1.0))
        self.lp.set_bounds(zero, np.zeros(len(zero)), np.zeros(len(zero)))
        try:
            answer = self.lp.solve_lp()
        except SolverError:  # it ended without a result: this proves nothing
            answer = None
        self.lp.set_bounds(zero, self.rows.lb[zero], self.rows.ub[zero])
        if answer is None:
            self.lp.set_cost(at, np.zeros(len(at)))
            return True
        if answer.status == Status.OPTIMAL and answer.row_dual is not None:
            duals = answer.row_dual
            for (kind, p, _), column, other in zip(batch, at, others, strict=True):
                mine = np.zeros_like(duals)
                own = self.rows_of(int(column))
                mine[own] = duals[own]
                proof = certificate(self.rows, int(column), mine,
                                    zero=tuple(int(j) for j in other if j >= 0))
                value = proof.value()
                if np.isfinite(value):
                    value = value + ROUNDING * (1.0 + abs(value)) if value > NEVER_BINDS else 0.0
                    self.proved[kind, p] = value, proof
        self.lp.set_cost(at, np.zeros(len(at)))
        return answer.status == Status.OPTIMAL

    def rows_of(self, column: int) -> np.ndarray:
        """Rows of the component of a column."""
        return self._rows_of_label[int(self._label_of_column[column])]


class _Relaxation:
    """The whole LP over (kept columns z, slacks s, multipliers mu), and its components."""

    def __init__(self, reduced: ReducedKkt, bounds: PairBounds, view: UpperView | None):
        k, P = len(reduced.elimination.kept), reduced.kkt.pairs
        self.width = k + 2 * P
        self.slack_at, self.mu_at = k + np.arange(P), k + P + np.arange(P)
        # bounds that some optimal dual obeys: what is proved with them holds for it alone
        of_pairs = (bounds.mu_source == Source.VERTEX) | (bounds.slack_source == Source.VERTEX)
        self.some_duals = np.concatenate([np.zeros(k, bool), of_pairs, of_pairs])
        self.two_sided = [self.mu_at[p] for p in _two_sides(reduced.kkt)]
        self.lb = np.concatenate([reduced.lo, np.zeros(2 * P)])
        self.ub = np.concatenate([reduced.hi, bounds.slack, bounds.mu])
        groups = [
            _slack_rows(reduced), _multiplier_rows(reduced), _bound_rows(reduced),
            _rest_rows(reduced), _chords(bounds, k), *_upper(reduced, view)]
        self.A = sp.vstack([g[0] for g in groups], format="csr")
        chords = sum(g[0].shape[0] for g in groups[:4]) + np.arange(groups[4][0].shape[0])
        self.rows_of_some_duals = np.zeros(self.A.shape[0], bool)
        self.rows_of_some_duals[chords] = abs(groups[4][0]) @ self.some_duals > 0
        self.lo = np.concatenate([g[1] for g in groups])
        self.hi = np.concatenate([g[2] for g in groups])

    def components(self) -> list[np.ndarray]:
        """Column sets that no row connects."""
        return groups_of(component_labels(self.A)[0])

    def pairs_in(self, columns) -> np.ndarray:
        """Pairs whose slack and multiplier both lie in the columns."""
        inside = np.zeros(self.width, dtype=bool)
        inside[columns] = True
        return np.flatnonzero(inside[self.slack_at] & inside[self.mu_at])

    def lp(self, columns) -> tuple[Highs, Program, np.ndarray]:
        """The LP of some components, without an objective, its arrays, and numbers of its rows."""
        A = self.A[:, columns]
        rows = np.flatnonzero(np.diff(A.indptr))
        program = Program(A=A[rows], lo=self.lo[rows], hi=self.hi[rows], lb=self.lb[columns],
                          ub=self.ub[columns])
        return Highs.of(program), program, rows


def _two_sides(kkt: KktSystem) -> tuple[np.ndarray, np.ndarray]:
    """(pairs, those of the other side) of rows and Vars whose two sides are apart."""
    key = 2 * kkt.index + kkt.is_row
    order = np.lexsort((~kkt.is_lower, key))  # the lower side before the upper one
    first, second = order[:-1], order[1:]
    same = key[first] == key[second]
    first, second = first[same], second[same]
    apart = kkt.s0[first] + kkt.s0[second] > ACTIVE * (
        1.0 + np.abs(kkt.s0[first]) + np.abs(kkt.s0[second]))
    first, second = first[apart], second[apart]
    return np.concatenate([first, second]), np.concatenate([second, first])


def _unit(rows: int, columns, width: int, value: float = 1.0) -> sp.csr_matrix:
    index = np.arange(len(columns))
    return sp.coo_matrix(
        (np.full(len(columns), value), (index, columns)), shape=(rows, width)).tocsr()


def _slack_rows(reduced: ReducedKkt):
    """s = S x + T u + s0."""
    Ms, s0 = reduced.slack_rows()
    P = len(s0)
    return sp.hstack([Ms, -sp.identity(P), sp.csr_matrix((P, P))]), -s0, -s0


def _multiplier_rows(reduced: ReducedKkt):
    """mu of row pairs is a column of the reduced system."""
    rows = reduced.kkt.row_pairs
    Mm, m0 = reduced.rows("mu")
    P = reduced.kkt.pairs
    own = _unit(len(rows), rows, P, -1.0)
    return sp.hstack([Mm, sp.csr_matrix((len(rows), P)), own]), -m0, -m0


def _bound_rows(reduced: ReducedKkt):
    """rho = multiplier of the lower bound - multiplier of the upper bound."""
    kkt = reduced.kkt
    Mr, r0 = reduced.rows("rho")
    has_bound = np.flatnonzero(np.isfinite(kkt.form.lb) | np.isfinite(kkt.form.ub))
    mine = kkt.bound_pairs
    sign = np.where(kkt.is_lower[mine], -1.0, 1.0)
    own = sp.coo_matrix((sign, (np.searchsorted(has_bound, kkt.index[mine]), mine)),
                        shape=(len(has_bound), kkt.pairs))
    return sp.hstack([Mr, sp.csr_matrix(own.shape), own]), -r0, -r0


def _rest_rows(reduced: ReducedKkt):
    M, m0, lo, hi = reduced.rest
    return sp.hstack([M, sp.csr_matrix((M.shape[0], 2 * reduced.kkt.pairs))]), lo - m0, hi - m0


def _chords(bounds: PairBounds, k: int):
    """s / s_max + mu / mu_max <= 1 of the open pairs with both bounds."""
    P = len(bounds.mu)
    both = (bounds.state == PairState.OPEN) & np.isfinite(bounds.mu) & np.isfinite(bounds.slack)
    pairs = np.flatnonzero(both)
    count = np.arange(len(pairs))
    A = sp.coo_matrix(
        (np.concatenate([1.0 / bounds.slack[pairs], 1.0 / bounds.mu[pairs]]),
         (np.concatenate([count, count]), np.concatenate([k + pairs, k + P + pairs]))),
        shape=(len(pairs), k + 2 * P)).tocsr()
    return A, np.full(len(pairs), -np.inf), np.ones(len(pairs))


def _upper(reduced: ReducedKkt, view: UpperView | None):
    """Upper rows: (u, x, y) through the elimination, mu by its own columns."""
    if view is None or not view.R.shape[0]:
        return []
    P = reduced.kkt.pairs
    width = reduced.parts["y"].stop
    R, R_mu = view.R[:, :width], view.R[:, width:]
    M, m0 = reduced.elimination.M[:width], reduced.elimination.m0[:width]
    shift = R @ m0
    A = sp.hstack([R @ M, sp.csr_matrix((R.shape[0], P)), R_mu])
    return [(A, view.lo - shift, view.hi - shift)]
