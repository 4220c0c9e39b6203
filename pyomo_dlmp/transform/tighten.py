"""Bound tightening by linear programs over the relaxed KKT system, one small LP per component.

The relaxation keeps primal and dual feasibility, stationarity (already eliminated) and, for each
open pair, the chord  s / s_max + mu / mu_max <= 1  of the complementarity. Each LP maximises one
slack or one multiplier; HiGHS is hot-started from the one before. The optimum of a maximisation is
raised by a relative 1e-6 against the solver's tolerances.
"""

from __future__ import annotations

import highspy
import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from pyomo_dlmp.highs import new_highs
from pyomo_dlmp.transform.bounds import PairBounds, ReducedKkt, _lower_mu, _lower_slack

_MARGIN = 1e-6
_NOTHING = 1e-7  # a maximum below this is zero


def tighten_by_lp(
    reduced: ReducedKkt, bounds: PairBounds, rounds: int = 2, everything: bool = True,
) -> None:
    """Lower `bounds.slack` and `bounds.mu` of open pairs in place.

    Without `everything`, only components that hold an open pair without a finite bound.
    """
    for _ in range(rounds):
        if not everything and not _unbounded(bounds).any():
            break
        before = np.where(np.isfinite(bounds.mu), bounds.mu, 1e9).sum() + np.where(
            np.isfinite(bounds.slack), bounds.slack, 1e9).sum()
        opened = int((bounds.state == "open").sum())
        for component in _components(reduced):
            _tighten_component(reduced, bounds, component, everything)
        after = np.where(np.isfinite(bounds.mu), bounds.mu, 1e9).sum() + np.where(
            np.isfinite(bounds.slack), bounds.slack, 1e9).sum()
        still = int((bounds.state == "open").sum())
        if still == opened and after > 0.9 * before:
            break


def _unbounded(bounds: PairBounds) -> np.ndarray:
    """Open pairs without a finite bound of their slack or multiplier."""
    return (bounds.state == "open") & ~(np.isfinite(bounds.mu) & np.isfinite(bounds.slack))


def _limits(reduced: ReducedKkt):
    """Rows that couple the kept columns: slacks of all pairs, then rho."""
    Ms, s0 = reduced.slack_rows()
    Mr, r0 = reduced.rows("rho")
    return Ms, s0, Mr, r0


def _components(reduced: ReducedKkt) -> list[np.ndarray]:
    """Kept columns grouped by what connects them."""
    Ms, _, Mr, _ = _limits(reduced)
    links = sp.vstack([Ms, Mr], format="csr")
    rows = links.shape[0]
    graph = sp.bmat([[None, links], [links.T, None]], format="csr")
    _, label = connected_components(graph, directed=False)
    columns = label[rows:]
    return [np.flatnonzero(columns == k) for k in np.unique(columns)]


def _tighten_component(
    reduced: ReducedKkt, bounds: PairBounds, cols: np.ndarray, everything: bool,
) -> None:
    lp = _ComponentLp(reduced, bounds, cols)
    if not everything and not _unbounded(bounds)[lp.open_pairs].any():
        return
    slack, mu = bounds.slack.copy(), bounds.mu.copy()
    for p in lp.open_pairs:
        for column, store in ((lp.slack_column[p], slack), (lp.mu_column[p], mu)):
            best = lp.maximum(column)
            if best is not None:
                value = best + _MARGIN * (1.0 + abs(best)) if best > _NOTHING else 0.0
                store[p] = min(store[p], value)
    _lower_slack(bounds, slack, "lp")
    _lower_mu(bounds, mu, "lp")


class _ComponentLp:
    """The relaxed KKT LP of one component: kept columns, slacks, multipliers of bounds."""

    def __init__(self, reduced: ReducedKkt, bounds: PairBounds, cols: np.ndarray):
        kkt, state = reduced.kkt, bounds.state
        Ms, s0, Mr, r0 = _limits(reduced)
        inside = np.zeros(Ms.shape[1], dtype=bool)
        inside[cols] = True
        position = np.cumsum(inside) - 1
        touches = (abs(Ms) @ inside.astype(float)) > 0
        pairs = [int(p) for p in np.flatnonzero(touches & (state != "never binds"))]
        self.open_pairs = [p for p in pairs if state[p] == "open"]
        row_pairs = [p for p in range(kkt.pairs) if kkt.kind[p] == "row"]
        mu_full = np.arange(reduced.parts["mu"].start, reduced.parts["mu"].stop)
        where = {int(full): i for i, full in enumerate(reduced.elimination.kept)}
        mu_kept = {p: where.get(int(full)) for p, full in zip(row_pairs, mu_full, strict=True)}
        h = new_highs()
        inf = highspy.kHighsInf
        lower = np.where(np.isinf(reduced.lo[cols]), -inf, reduced.lo[cols])
        upper = np.where(np.isinf(reduced.hi[cols]), inf, reduced.hi[cols])
        h.addVars(len(cols), lower, upper)
        self.h = h
        self.slack_column: dict[int, int] = {}
        self.mu_column: dict[int, int] = {}
        for p in pairs:
            column = self._add_column(0.0, min(bounds.slack[p], inf))
            self.slack_column[p] = column
            self._add_row(Ms, p, position, [column], [-1.0], -s0[p], -s0[p])
        by_column: dict[int, list[tuple[int, float]]] = {}
        for p in range(kkt.pairs):
            if kkt.kind[p] == "row":
                if mu_kept[p] is not None and inside[mu_kept[p]]:
                    self.mu_column[p] = int(position[mu_kept[p]])
                    h.changeColBounds(self.mu_column[p], 0.0, min(bounds.mu[p], inf))
            elif bounds.mu[p] > 0.0:
                sign = 1.0 if kkt.side[p] == "lower" else -1.0
                by_column.setdefault(int(kkt.index[p]), []).append((p, sign))
        has_bound = np.flatnonzero(np.isfinite(kkt.form.lb) | np.isfinite(kkt.form.ub))
        for k, bounded in enumerate(has_bound):
            if not inside[Mr.indices[Mr.indptr[k]:Mr.indptr[k + 1]]].any():
                continue
            extra, coefs = [], []
            for p, sign in by_column.get(int(bounded), []):
                self.mu_column[p] = self._add_column(0.0, min(bounds.mu[p], inf))
                extra.append(self.mu_column[p])
                coefs.append(-sign)
            self._add_row(Mr, k, position, extra, coefs, -r0[k], -r0[k])
        self.open_pairs = [p for p in self.open_pairs if p in self.mu_column]
        for p in self.open_pairs:
            if np.isfinite(bounds.slack[p]) and np.isfinite(bounds.mu[p]):
                columns = np.array([self.slack_column[p], self.mu_column[p]], np.int32)
                chord = np.array([1.0 / bounds.slack[p], 1.0 / bounds.mu[p]])
                h.addRow(-inf, 1.0, 2, columns, chord)
        self.last: int | None = None

    def _add_column(self, lower: float, upper: float) -> int:
        self.h.addVar(lower, upper)
        return self.h.getNumCol() - 1

    def _add_row(self, M, row, position, extra, coefs, lo, hi) -> None:
        where = slice(M.indptr[row], M.indptr[row + 1])
        index = np.concatenate([position[M.indices[where]], extra]).astype(np.int32)
        value = np.concatenate([M.data[where], coefs])
        self.h.addRow(lo, hi, len(index), index, value)

    def maximum(self, column: int) -> float | None:
        """Greatest value of a column, or None when the LP is unbounded or fails."""
        if self.last is not None:
            self.h.changeColCost(self.last, 0.0)
        self.h.changeColCost(column, -1.0)
        self.last = column
        self.h.run()
        if self.h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        return -self.h.getInfo().objective_function_value
