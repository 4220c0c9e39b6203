"""Bound tightening by linear programs over the relaxed KKT system, one small LP per component.

The relaxation keeps primal and dual feasibility, stationarity (already eliminated), the upper rows
(with the cutoff of a known point where one was given) and, for each open pair, the chord
``s / s_max + mu / mu_max <= 1`` of the complementarity. Each LP maximises one slack or one
multiplier; HiGHS is hot-started from the one before. The optimum of a maximisation is raised by a
relative 1e-6 against the solver's tolerances.
"""

from __future__ import annotations

import logging
import time

import highspy
import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from pyomo_dlmp.highs import Highs
from pyomo_dlmp.transform.bounds import (
    PairBounds,
    ReducedKkt,
    _lower_mu,
    _lower_slack,
    unbounded,
)
from pyomo_dlmp.transform.upper_view import UpperView

log = logging.getLogger("pyomo_dlmp")
_MARGIN = 1e-6
_SECONDS = 60.0
_NOTHING = 1e-7  # a maximum below this is zero


def tighten_by_lp(
    reduced: ReducedKkt, bounds: PairBounds, view: UpperView | None = None, rounds: int = 2,
    everything: bool = True,
) -> None:
    """Lower `bounds.slack` and `bounds.mu` of open pairs in place.

    Without `everything`, only components that hold an open pair without a finite bound. Stops after
    a minute: what is not bounded then stays so.
    """
    deadline = time.monotonic() + _SECONDS
    for _ in range(rounds):
        if not everything and not unbounded(bounds).any():
            break
        before, opened = _total(bounds), int((bounds.state == "open").sum())
        relaxation = _Relaxation(reduced, bounds, view)
        for columns in relaxation.components():
            _tighten_component(relaxation, bounds, columns, everything, deadline)
        still = int((bounds.state == "open").sum())
        if still == opened and _total(bounds) > 0.9 * before:
            break


def _total(bounds: PairBounds) -> float:
    values = np.concatenate([bounds.mu, bounds.slack])
    return float(np.where(np.isfinite(values), values, 1e9).sum())


def _tighten_component(
    relaxation: _Relaxation, bounds: PairBounds, columns, everything: bool, deadline: float,
) -> None:
    pairs = relaxation.pairs_in(columns)
    pairs = pairs[bounds.state[pairs] == "open"]
    if not len(pairs) or not (everything or unbounded(bounds)[pairs].any()):
        return
    lp = relaxation.lp(columns)
    place = np.full(relaxation.width, -1)
    place[columns] = np.arange(len(columns))
    slack, mu = bounds.slack.copy(), bounds.mu.copy()
    last = None
    for p in pairs:
        if time.monotonic() > deadline:
            log.info("tightening stopped after %.0f s", _SECONDS)
            break
        for column, store in ((relaxation.slack_at[p], slack), (relaxation.mu_at[p], mu)):
            best = _maximum(lp, int(place[column]), last, deadline)
            last = int(place[column])
            if best is not None:
                value = best + _MARGIN * (1.0 + abs(best)) if best > _NOTHING else 0.0
                store[p] = min(store[p], value)
    _lower_slack(bounds, slack, "lp")
    _lower_mu(bounds, mu, "lp")


def _maximum(lp: Highs, column: int, last: int | None, deadline: float) -> float | None:
    """Greatest value of a column, or None when the LP is unbounded or fails."""
    if last is not None:
        lp.h.changeColCost(last, 0.0)
    lp.h.changeColCost(column, -1.0)
    left = max(0.1, deadline - time.monotonic())
    lp.set("time_limit", float(lp.h.getRunTime() + left))
    lp.h.run()
    if lp.h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return -lp.h.getInfo().objective_function_value


class _Relaxation:
    """The whole LP over (kept columns z, slacks s, multipliers mu), and its components."""

    def __init__(self, reduced: ReducedKkt, bounds: PairBounds, view: UpperView | None):
        k, P = len(reduced.elimination.kept), reduced.kkt.pairs
        self.width = k + 2 * P
        self.slack_at, self.mu_at = k + np.arange(P), k + P + np.arange(P)
        self.lb = np.concatenate([reduced.lo, np.zeros(2 * P)])
        self.ub = np.concatenate([reduced.hi, bounds.slack, bounds.mu])
        groups = [
            _slack_rows(reduced), _multiplier_rows(reduced), _bound_rows(reduced),
            _rest_rows(reduced), _chords(bounds, k), *_upper(reduced, view)]
        self.A = sp.vstack([g[0] for g in groups], format="csr")
        self.lo = np.concatenate([g[1] for g in groups])
        self.hi = np.concatenate([g[2] for g in groups])

    def components(self):
        """Column sets that no row connects."""
        rows = self.A.shape[0]
        graph = sp.bmat([[None, self.A], [self.A.T, None]], format="csr")
        _, label = connected_components(graph, directed=False)
        label = label[rows:]
        order = np.argsort(label, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(label[order])) + 1)

    def pairs_in(self, columns) -> np.ndarray:
        """Pairs whose slack and multiplier both lie in the columns."""
        inside = np.zeros(self.width, dtype=bool)
        inside[columns] = True
        return np.flatnonzero(inside[self.slack_at] & inside[self.mu_at])

    def lp(self, columns) -> Highs:
        """The LP of one component, without an objective."""
        A = self.A[:, columns]
        rows = np.flatnonzero(np.diff(A.indptr))
        return Highs(np.zeros(len(columns)), A[rows], self.lo[rows], self.hi[rows],
                     self.lb[columns], self.ub[columns])


def _row_pairs(reduced: ReducedKkt) -> np.ndarray:
    return np.flatnonzero(np.array([k == "row" for k in reduced.kkt.kind], dtype=bool))


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
    rows = _row_pairs(reduced)
    Mm, m0 = reduced.rows("mu")
    P = reduced.kkt.pairs
    own = _unit(len(rows), rows, P, -1.0)
    return sp.hstack([Mm, sp.csr_matrix((len(rows), P)), own]), -m0, -m0


def _bound_rows(reduced: ReducedKkt):
    """rho = multiplier of the lower bound - multiplier of the upper bound."""
    kkt = reduced.kkt
    Mr, r0 = reduced.rows("rho")
    has_bound = np.flatnonzero(np.isfinite(kkt.form.lb) | np.isfinite(kkt.form.ub))
    place = {int(j): i for i, j in enumerate(has_bound)}
    entries = [
        (place[int(kkt.index[p])], p, -1.0 if kkt.side[p] == "lower" else 1.0)
        for p in range(kkt.pairs) if kkt.kind[p] == "bound"]
    i, j, v = zip(*entries, strict=True) if entries else ((), (), ())
    own = sp.coo_matrix((np.array(v, float), (i, j)), shape=(len(has_bound), kkt.pairs))
    return sp.hstack([Mr, sp.csr_matrix(own.shape), own]), -r0, -r0


def _rest_rows(reduced: ReducedKkt):
    M, m0, lo, hi = reduced.rest
    return sp.hstack([M, sp.csr_matrix((M.shape[0], 2 * reduced.kkt.pairs))]), lo - m0, hi - m0


def _chords(bounds: PairBounds, k: int):
    """s / s_max + mu / mu_max <= 1 of the open pairs with both bounds."""
    P = len(bounds.mu)
    both = (bounds.state == "open") & np.isfinite(bounds.mu) & np.isfinite(bounds.slack)
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
