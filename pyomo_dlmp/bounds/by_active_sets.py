"""Ranges of answers and duals over all active sets of a small, strictly convex lower level.

At u the lower level has one answer x, and a vertex of its optimal duals has a support of
independent rows, which are active. So x and the duals solve, for one set W of independent rows that
holds all equality rows,

    Q x + c + D u - G_W w = 0,     rows of W hold as equalities

which makes them affine in u. Sets whose multipliers or slacks are negative all over the box of u
are left out; the ranges over the others hold x for every u of the box, and some optimal dual.
"""

from __future__ import annotations

from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np

from pyomo_dlmp.bounds.labels import Source
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.bases import equilibrated
from pyomo_dlmp.numerics.boxes import batch_ranges
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.tolerances import CONVEX, RANK, ROUNDING, SINGULAR

_MOST_SETS = 20_000
_BATCH = 500
_PER_SET = 0.05  # units of work


def active_set_ranges(kkt: KktSystem, bounds: Any, rows: np.ndarray, face: Any,
                      effort: Effort) -> tuple[np.ndarray, np.ndarray] | None:
    """Ranges of a part's duals; those of its x and slacks are written to `bounds`.

    Parameters
    ----------
    kkt, bounds
        The lower level and its `PairBounds`.
    rows
        Columns of x of the part.
    face
        Its `DualFace`.
    effort
        Work that may be done.

    Returns
    -------
    tuple or None
        (least, greatest) over `face.cols`; None where the part is too large, its objective is not
        strictly convex, or an upper Var has no bounds.
    """
    if not face.small:
        return None
    spare = len(face.at) - face.free
    count = sum(comb(spare, k) for k in range(face.rank - face.free + 1))
    if count > _MOST_SETS:
        return None
    system = _System(kkt, bounds, rows, face)
    if not system.usable:
        return None
    effort.spend(_PER_SET * count)
    return None if effort.is_used_up else system.ranges()


class _System:
    """The equations of a part's active sets, dense."""

    def __init__(self, kkt: KktSystem, bounds, rows, face):
        self.kkt, self.bounds, self.cols_x, self.face = kkt, bounds, rows, face
        form, e = kkt.form, len(kkt.equality_rows)
        self.Q = form.Q[rows][:, rows].toarray()
        values = np.linalg.eigvalsh(kkt.sigma * self.Q)
        self.usable = bool(values[0] > np.sqrt(CONVEX) * max(1.0, values[-1]))
        cols = face.cols[face.at]
        self.is_y = cols < e
        self.G = face.sparse.toarray()[:, face.at]
        y, pairs = cols[self.is_y], cols[~self.is_y] - e
        self.right_u = np.vstack([-kkt.B_eq[y].toarray(), -kkt.T[pairs].toarray()])
        self.right_0 = np.concatenate([kkt.b_eq[y], -kkt.s0[pairs]])
        self.pairs = np.flatnonzero(abs(kkt.S[:, rows]).sum(axis=1))
        D = form.D[rows].toarray()
        S, T = kkt.S[self.pairs][:, rows].toarray(), kkt.T[self.pairs].toarray()
        u = np.flatnonzero((D != 0).any(axis=0) | (self.right_u != 0).any(axis=0)
                           | (T != 0).any(axis=0))
        self.D, self.c, self.right_u = D[:, u], form.c[rows], self.right_u[:, u]
        self.S, self.T, self.s0 = S, T[:, u], kkt.s0[self.pairs]
        self.lo, self.hi = bounds.u_lo[u], bounds.u_hi[u]
        self.usable &= bool(np.isfinite(self.lo).all() and np.isfinite(self.hi).all())

    def ranges(self):
        """Over all active sets; None where a set is neither regular nor singular."""
        face, n = self.face, len(self.cols_x)
        least, greatest = np.full(n + len(face.at), np.inf), np.full(n + len(face.at), -np.inf)
        slack = np.full(len(self.pairs), -np.inf)
        for size in range(face.rank - face.free + 1):
            sets = combinations(range(face.free, len(face.at)), size)
            while batch := list(islice(sets, _BATCH)):
                free = np.tile(np.arange(face.free), (len(batch), 1))
                W = np.hstack([free, np.array(batch, dtype=int).reshape(len(batch), size)])
                found = self._solve(W)
                if found is None:
                    return None
                W, low, high, most = found
                at = np.hstack([np.tile(np.arange(n), (len(W), 1)), n + W])
                np.minimum.at(least, at, low)
                np.maximum.at(greatest, at, high)
                slack = np.maximum(slack, most.max(axis=0, initial=-np.inf))
        if not np.isfinite(least[:n]).all():
            return None
        self._write(least[:n], greatest[:n], slack)
        # outside its support a multiplier is zero
        return face.filled(np.minimum(least[n:], np.where(self.is_y, np.inf, 0.0)),
                           np.maximum(greatest[n:], np.where(self.is_y, -np.inf, 0.0)))

    def _solve(self, W):
        """(sets that may be active somewhere, least, greatest (x, w), greatest slacks)."""
        n, k, size = len(self.cols_x), len(W), W.shape[1]
        G = self.G[:, W].transpose(1, 0, 2)
        sign = np.where(self.is_y[W], 1.0, float(self.kkt.sigma))
        independent = np.ones(k, bool)
        if size:
            values = np.linalg.svd(equilibrated(G)[0], compute_uv=False)
            independent = values[:, -1] > SINGULAR * values[:, 0]
            if (values[independent, -1] < RANK * values[independent, 0]).any():
                return None
        W, G, sign = W[independent], G[independent], sign[independent]
        M = np.zeros((len(W), n + size, n + size))
        M[:, :n, :n], M[:, :n, n:] = self.Q, -G
        M[:, n:, :n] = sign[:, :, None] * G.transpose(0, 2, 1)
        right_u = np.concatenate([np.tile(-self.D, (len(W), 1, 1)), self.right_u[W]], axis=1)
        right_0 = np.concatenate([np.tile(-self.c, (len(W), 1)), self.right_0[W]], axis=1)
        inverse = np.linalg.inv(M)
        K = inverse @ right_u
        k0 = (inverse @ right_0[:, :, None])[:, :, 0]
        low, high = batch_ranges(K, k0, self.lo, self.hi)
        s_u, s_0 = self.S @ K[:, :n] + self.T, k0[:, :n] @ self.S.T + self.s0
        _, most = batch_ranges(s_u, s_0, self.lo, self.hi)
        possible = ~((high[:, n:] < -ROUNDING) & ~self.is_y[W]).any(axis=1)
        possible &= ~(most < -ROUNDING * (1.0 + np.abs(self.s0))).any(axis=1)
        return W[possible], low[possible], high[possible], most[possible]

    def _write(self, least, greatest, slack) -> None:
        """The answer is unique, so its ranges hold whatever the upper level uses."""
        bounds, x = self.bounds, self.cols_x
        room = ROUNDING * (1.0 + np.abs(least) + np.abs(greatest))
        bounds.x_lo[x] = np.maximum(bounds.x_lo[x], least - room)
        bounds.x_hi[x] = np.minimum(bounds.x_hi[x], greatest + room)
        value = np.full(self.kkt.pairs, np.inf)
        value[self.pairs] = np.maximum(slack, 0.0) + ROUNDING * (1.0 + np.abs(self.s0))
        missing = np.isinf(bounds.slack)
        bounds.lower_slack(np.where(missing, value, np.inf), Source.VERTEX)
