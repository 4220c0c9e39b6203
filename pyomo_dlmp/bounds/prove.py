"""Bounds on slacks and multipliers of a KKT system, each with its provenance.

Order of the proofs (a later one only tightens an earlier one):
1. data: bounds of Vars; a penalty column (costed, it only relaxes rows) equals their greatest
   violation at every optimum, and its cost bounds their multipliers;
2. interval: equalities eliminated, then interval arithmetic and propagation over the box of the
   remaining columns (primal first, so that rows that can never bind lose their pair);
3. vertex: in small lower levels, the greatest multiplier over the vertices of the dual polyhedron
   (`vertices`; some optimal dual obeys it, not each);
4. lp: each slack and multiplier maximised over the linear relaxation of the KKT system and of the
   upper rows, with the cutoff of a known point where one is given.
Where all upper decisions are given, the lower level is solved instead (`settled`).
Users may give bounds on multipliers. No number is invented: where nothing is proved the bound stays
infinite, and a mode that needs one raises an error that names the pair.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.bounds.by_vertices import vertex_bounds
from pyomo_dlmp.bounds.labels import Source
from pyomo_dlmp.bounds.pair_bounds import PairBounds, unbounded
from pyomo_dlmp.bounds.primal_ranges import imply_ranges, imply_ranges_by_duals
from pyomo_dlmp.bounds.reduced_kkt import ReducedKkt
from pyomo_dlmp.bounds.settled import settle
from pyomo_dlmp.bounds.upper_view import UpperView
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.boxes import propagate, row_ranges
from pyomo_dlmp.numerics.elimination import Elimination, eliminate, eliminate_in_stages
from pyomo_dlmp.tolerances import ENTRY, NEVER_BINDS, PROOF_MARGIN, ROUNDING


def prove_bounds(kkt: KktSystem, user: dict[int, float] | None = None, tighten: str = "auto",
                 view: UpperView | None = None) -> tuple[PairBounds, ReducedKkt | None]:
    """Bounds of the slacks and multipliers of a KKT system; see the module's text.

    Parameters
    ----------
    kkt
        The lower level.
    user
        {pair number: bound of its multiplier} given by the user.
    tighten
        Stages after intervals: "all": for all parts, "auto": for parts with an open pair that has
        no finite bound yet, "vertices": without linear programs, "none": none of them.
        "off": nothing is proved, and the user's bounds are used for slacks, too.
    view
        The upper rows, and how the upper level uses the duals; None: not known.

    Returns
    -------
    tuple
        (what is proved of the pairs, the KKT system after elimination or None for "off").
    """
    bounds = _start(kkt, user or {})
    if tighten == "off":
        given = np.array([p in (user or {}) for p in range(kkt.pairs)], dtype=bool)
        bounds.slack[given], bounds.slack_source[given] = bounds.mu[given], Source.USER
        return bounds, None
    products = view is not None and view.uses_duals  # which may need ranges of multipliers
    if not products and settle(kkt, bounds, view):
        return bounds, None
    _primal_stage(kkt, bounds, view)
    if tighten in ("auto", "all"):
        imply_ranges(kkt, bounds, view)
    limits.check()
    reduced = _dual_stage(kkt, bounds, view)
    limits.check()
    if tighten != "none" and view is not None and unbounded(bounds).any():
        _take_vertices(kkt, bounds, view)
    if tighten in ("auto", "all"):
        if unbounded(bounds).any():
            imply_ranges_by_duals(kkt, bounds, view)
        from pyomo_dlmp.bounds.by_lp import tighten_by_lp

        tighten_by_lp(reduced, bounds, view, all_pairs=tighten == "all")
    _leave_room(bounds)
    if products:
        settle(kkt, bounds, view)
    return bounds, reduced


def _take_vertices(kkt: KktSystem, bounds: PairBounds, view: UpperView) -> None:
    """Bounds of multipliers and equality duals over the vertices of the dual polyhedron."""
    least, greatest = vertex_bounds(kkt, bounds, view)
    e = len(kkt.equality_rows)
    greatest[e:][greatest[e:] <= ROUNDING] = 0.0
    bounds.lower_mu(greatest[e:], Source.VERTEX)
    known = np.isfinite(least[:e]) & np.isfinite(greatest[:e])
    low, high = least[:e][known], greatest[:e][known]
    room = PROOF_MARGIN * (1.0 + np.abs(low) + np.abs(high))
    bounds.y_lo[known] = np.maximum(bounds.y_lo[known], low - room)
    bounds.y_hi[known] = np.minimum(bounds.y_hi[known], high + room)


def _leave_room(bounds: PairBounds) -> None:
    """Raise proved bounds a little, so that a multiplier *at* its bound means a wrong bound."""
    proved = (bounds.mu > 0) & (bounds.mu_source != Source.USER)
    bounds.mu[proved] *= 1.0 + PROOF_MARGIN


def _start(kkt: KktSystem, user: dict[int, float]) -> PairBounds:
    P, form = kkt.pairs, kkt.form
    infinite = np.full(len(kkt.equality_rows), np.inf)
    bounds = PairBounds(
        np.full(P, np.inf), np.full(P, np.inf), np.full(P, Source.NONE, dtype=object),
        np.full(P, Source.NONE, dtype=object), *form.u_box(), form.lb.copy(), form.ub.copy(),
        -infinite, infinite.copy())
    for pair, value in user.items():
        bounds.mu[pair], bounds.mu_source[pair] = value, Source.USER
    return bounds


def _primal_stage(kkt: KktSystem, bounds: PairBounds, view: UpperView | None) -> None:
    """Ranges of x and of slacks over the box of the injections; never-binding rows."""
    form = kkt.form
    m, n = len(form.u), len(form.x)
    E = sp.hstack([kkt.B_eq, kkt.A_eq], format="csr")
    free = np.concatenate([np.zeros(m, bool), np.isinf(form.lb) & np.isinf(form.ub)])
    elimination = eliminate(E, kkt.b_eq, free)
    ST = sp.hstack([kkt.T, kkt.S], format="csr")
    S = (ST @ elimination.M).tocsr()
    s0 = ST @ elimination.m0 + kkt.s0
    rest, upper = _left_rows(E, kkt.b_eq, elimination), _upper_rows(view, m + n, elimination)
    slacks = (S, s0, np.zeros(kkt.pairs), np.full(kkt.pairs, np.inf))
    limits = _stack([slacks, rest, upper])
    penalty = _penalty_columns(kkt)
    for _ in range(2):  # the second round sees the penalty columns' new bounds
        lo = np.concatenate([bounds.u_lo, bounds.x_lo])[elimination.kept]
        hi = np.concatenate([bounds.u_hi, bounds.x_hi])[elimination.kept]
        lo, hi = propagate(limits, lo, hi)
        x_lo, x_hi = row_ranges(elimination.M, elimination.m0, lo, hi)
        bounds.u_lo = np.maximum(bounds.u_lo, x_lo[:m])
        bounds.u_hi = np.minimum(bounds.u_hi, x_hi[:m])
        bounds.x_lo = np.maximum(bounds.x_lo, x_lo[m:])
        bounds.x_hi = np.minimum(bounds.x_hi, x_hi[m:])
        s_lo, s_hi = row_ranges(S, s0, lo, hi)
        place = {int(k): i for i, k in enumerate(elimination.kept)}
        for column, rows in penalty:  # s_lo holds the column at its least value, lo
            least = lo[place[m + column]]
            violation = max(max(0.0, -s_lo[pair]) / coef for pair, coef in rows)
            bounds.x_hi[column] = min(bounds.x_hi[column], least + violation)
    bounds.lower_slack(np.maximum(s_hi, 0.0), Source.INTERVAL)
    never = s_lo > NEVER_BINDS * (1.0 + np.abs(s0))
    bounds.mu[never], bounds.mu_source[never] = 0.0, Source.INTERVAL


def _left_rows(E, r, elimination: Elimination):
    """(M, m0, lo, hi) over the kept columns of the equality rows that elimination did not use."""
    left = np.ones(E.shape[0], dtype=bool)
    left[elimination.rows_used] = False
    M = (E[left] @ elimination.M).tocsr()
    M.data[np.abs(M.data) < ENTRY] = 0.0
    M.eliminate_zeros()
    m0 = E[left] @ elimination.m0
    margin = ROUNDING * (1.0 + np.abs(r[left]))
    return M, m0, r[left] - margin, r[left] + margin


def _upper_rows(view: UpperView | None, width: int, elimination: Elimination):
    """(M, m0, lo, hi) over the kept columns of the upper rows that use the first `width` only."""
    if view is None or not view.R.shape[0]:
        empty = np.empty(0)
        return sp.csr_matrix((0, elimination.M.shape[1])), empty, empty, empty
    inside = np.diff(view.R[:, width:].indptr) == 0
    R = view.R[inside][:, :width]
    M, m0 = elimination.M[:width], elimination.m0[:width]
    return (R @ M).tocsr(), R @ m0, view.lo[inside], view.hi[inside]


def _stack(groups):
    """Groups of (M, m0, lo, hi) as one."""
    m0, lo, hi = (np.concatenate([g[k] for g in groups]) for k in (1, 2, 3))
    return sp.vstack([g[0] for g in groups], format="csr"), m0, lo, hi


def _penalty_columns(kkt: KktSystem) -> list[tuple[int, list[tuple[int, float]]]]:
    """(column, [(pair, coefficient)]) of columns that only allow a violation of rows at a cost.

    At every optimum such a column equals the greatest violation of its rows: its cost is positive,
    and it stands nowhere else. Requires lb finite, ub infinite, no quadratic or upper-dependent
    cost, no equality row.
    """
    form = kkt.form
    columns = kkt.S.tocsc()
    eq_count = np.diff(kkt.A_eq.tocsc().indptr)
    touched = np.diff(form.Q.tocsc().indptr) + np.diff(form.D.tocsr().indptr)
    found = []
    for j in np.flatnonzero((kkt.sigma * form.c > 0) & np.isfinite(form.lb) & np.isinf(form.ub)):
        entries = slice(columns.indptr[j], columns.indptr[j + 1])
        pairs, coefs = columns.indices[entries], columns.data[entries]
        rows = [(int(p), float(v)) for p, v in zip(pairs, coefs, strict=True)
                if kkt.is_row[p]]
        if rows and all(v > 0 for _, v in rows) and not eq_count[j] and not touched[j]:
            found.append((int(j), rows))
    return found


def _dual_stage(
    kkt: KktSystem, bounds: PairBounds, view: UpperView | None,
) -> ReducedKkt:
    """Eliminate flows and equality duals together, then propagate over what is left."""
    form = kkt.form
    m, n, e, P = len(form.u), len(form.x), len(kkt.equality_rows), kkt.pairs
    rows = kkt.row_pairs
    has_bound = np.isfinite(form.lb) | np.isfinite(form.ub)
    sizes = {"u": m, "x": n, "y": e, "mu": len(rows), "rho": int(has_bound.sum())}
    ends = np.cumsum(list(sizes.values()))
    parts = {k: slice(int(end) - s, int(end)) for (k, s), end in
             zip(sizes.items(), ends, strict=True)}
    unit = sp.identity(n, format="csr")[np.flatnonzero(has_bound)].T
    stationarity = sp.hstack([
        form.D, form.Q, -kkt.A_eq.T, -kkt.sigma * kkt.S[rows].T, -kkt.sigma * unit])
    primal = sp.hstack([kkt.B_eq, kkt.A_eq, sp.csr_matrix((e, e + len(rows) + sizes["rho"]))])
    E = sp.vstack([primal, stationarity], format="csr")
    r = np.concatenate([kkt.b_eq, -form.c])
    free = np.concatenate([
        np.zeros(m, bool), ~has_bound, np.ones(e, bool), np.zeros(len(rows), bool),
        np.ones(sizes["rho"], bool)])
    is_primal = np.arange(E.shape[0]) < e
    of_free = np.concatenate([np.zeros(e, bool), ~has_bound])
    is_x, is_y = (np.arange(E.shape[1]) >= m) & (np.arange(E.shape[1]) < m + n), (
        np.arange(E.shape[1]) >= m + n)
    elimination = eliminate_in_stages(
        E, r, [(is_primal, free & is_x), (of_free, free & is_y), (~is_primal & ~of_free, free)])
    at_lb, at_ub = _bound_can_bind(kkt, bounds)
    rho_lo = np.where(at_ub, -np.inf, 0.0)[has_bound]
    rho_hi = np.where(at_lb, np.inf, 0.0)[has_bound]
    lo = np.concatenate([
        bounds.u_lo, bounds.x_lo, bounds.y_lo, np.zeros(len(rows)), rho_lo])
    hi = np.concatenate([bounds.u_hi, bounds.x_hi, bounds.y_hi, bounds.mu[rows], rho_hi])
    kept = elimination.kept
    rest = _left_rows(E, r, elimination)
    reduced = ReducedKkt(kkt, elimination, lo[kept], hi[kept], parts, rest)
    Ms, s0 = reduced.slack_rows()
    limits = _stack([
        (elimination.M, elimination.m0, lo, hi), (Ms, s0, np.zeros(P), np.full(P, np.inf)), rest,
        _upper_rows(view, m + n + e, elimination)])
    reduced.lo, reduced.hi = propagate(limits, reduced.lo, reduced.hi)
    _read_ranges(reduced, bounds, Source.INTERVAL, lo, hi)
    return reduced


def _bound_can_bind(kkt: KktSystem, bounds: PairBounds) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the columns whose lower, whose upper bound may bind with a multiplier."""
    at_lb, at_ub = np.zeros(len(kkt.form.x), bool), np.zeros(len(kkt.form.x), bool)
    for at, is_lower in ((at_lb, True), (at_ub, False)):
        mine = kkt.bound_pairs[kkt.is_lower[kkt.bound_pairs] == is_lower]
        at[kkt.index[mine]] = bounds.mu[mine] > 0.0
    return at_lb, at_ub


def _read_ranges(reduced: ReducedKkt, bounds: PairBounds, source: str, lo, hi) -> None:
    """Write the reduced system's ranges into `bounds`, never loosening."""
    kkt, parts = reduced.kkt, reduced.parts
    M, m0 = reduced.elimination.M, reduced.elimination.m0
    low, high = row_ranges(M, m0, reduced.lo, reduced.hi)
    low, high = np.maximum(low, lo), np.minimum(high, hi)
    bounds.x_lo, bounds.x_hi = low[parts["x"]], high[parts["x"]]
    bounds.y_lo, bounds.y_hi = low[parts["y"]], high[parts["y"]]
    Ms, s0 = reduced.slack_rows()
    _, s_hi = row_ranges(Ms, s0, reduced.lo, reduced.hi)
    bounds.lower_slack(np.maximum(s_hi, 0.0), source)
    value = np.full(kkt.pairs, np.inf)
    value[kkt.row_pairs] = high[parts["mu"]]
    has_bound = np.flatnonzero(np.isfinite(kkt.form.lb) | np.isfinite(kkt.form.ub))
    mine = kkt.bound_pairs
    rho = np.searchsorted(has_bound, kkt.index[mine])
    value[mine] = np.where(
        kkt.is_lower[mine], high[parts["rho"]][rho], -low[parts["rho"]][rho])
    bounds.lower_mu(np.maximum(value, 0.0), source)
