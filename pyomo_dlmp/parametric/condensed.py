"""Condensing: a lower level in its few decisions, period by period.

A power flow is square: given injections, its rows determine every flow and voltage. Each connected
part of a lower level (a period, say) is therefore written in its decisions w alone (generators,
SVGs), with the upper decisions u and a right-hand-side shift d of each paid row as parameters
p = (u, d):

    min  1/2 w'Hw + (g + E p)'w + 1/2 p'R p + r'p + sum_i cap_i max(0, -g_i)
    s.t. g_i = A_i w + T_i p + s_i >= 0  (rows without cap),      C w + F p = f

A soft limit (a row with a penalty column of its own) is a row with a *cap*: its multiplier lies in
[0, cap], and beyond the limit it is the cap. The dual of a paid row is minus the derivative of the
optimal cost by its shift. Nothing here is n x n: one sparse factorisation of the power flow serves
the columns of w and p.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.boxes import dot
from pyomo_dlmp.numerics.components import component_labels, groups_by_label
from pyomo_dlmp.numerics.elimination import Elimination, eliminate
from pyomo_dlmp.tolerances import ENTRY, NEVER_BINDS, ROUNDING, WIDENED

MOST_NUMBERS = 4e7  # entries of a dense condensed matrix; beyond, a part is not condensed


class NotExplicit(Exception):
    """Why a bilevel model is not solved by critical regions.

    Parameters
    ----------
    why
        The end of a sentence that begins with "not solved by critical regions".
    too_large
        Whether the model is of the right kind, but too large.
    """

    def __init__(self, why: str, too_large: bool = False):
        super().__init__(why)
        self.too_large = too_large


@dataclass
class CondensedQp:
    """One connected part of a lower level in the symbols of the module's text, all arrays dense.

    H .. f are those of a minimisation whatever the sense.

    Attributes
    ----------
    lower
        Number of the lower level.
    rows
        Its equality rows.
    w, u
        Columns of its decisions in the form's x, and of its upper decisions in the form's u.
    paid
        Equality rows (numbers among them) with a shift; its parameters follow those of u.
    H, g, E, R, r
        Objective; p = (u, shifts).
    pair, A, T, s, cap
        Pair of each row of A, the rows, and their caps in lower cost per unit of the row, infinite
        for hard rows.
    C, F, f, rest
        The remaining equality rows, and their numbers.
    wanted, Xw, Xp, x0
        Columns of the form whose values are wanted,  x = Xw w + Xp p + x0.
    gone
        {pair: constant multiplier} of pairs that are left out.
    soft_pair, soft_column, soft_coef
        Pairs with a soft limit, its penalty column, the column's coefficient in the row.
    lo, hi
        Range of u, shape (m,).
    plain
        Whether u stands in equality rows only.
    """

    lower: int
    rows: np.ndarray
    w: np.ndarray
    u: np.ndarray
    paid: np.ndarray
    H: np.ndarray
    g: np.ndarray
    E: np.ndarray
    R: np.ndarray
    r: np.ndarray
    pair: np.ndarray
    A: np.ndarray
    T: np.ndarray
    s: np.ndarray
    cap: np.ndarray
    C: np.ndarray
    F: np.ndarray
    f: np.ndarray
    wanted: np.ndarray
    Xw: np.ndarray
    Xp: np.ndarray
    x0: np.ndarray
    gone: dict[int, float]
    rest: np.ndarray
    soft_pair: np.ndarray
    soft_column: np.ndarray
    soft_coef: np.ndarray
    lo: np.ndarray  # range of u
    hi: np.ndarray
    plain: bool  # u stands in equality rows only

    @property
    def m(self) -> int:
        """Number of upper decisions."""
        return len(self.u)


def width(part: CondensedQp) -> np.ndarray:
    """Width of the range of each decision, shape (m,); a small number where it is a point."""
    span = part.hi - part.lo
    return np.where(span > ROUNDING, span, 10 * WIDENED * (1.0 + np.abs(part.lo)))


def condense(kkt: KktSystem, paid: Iterable[int], wanted: Iterable[int],
             box: tuple[np.ndarray, np.ndarray], number: int = 0) -> list[CondensedQp]:
    """The parts of a lower level that contain an upper decision, a paid row or a wanted column.

    Parameters
    ----------
    kkt
        The lower level.
    paid
        Numbers (among the equality rows) of the rows whose dual is wanted.
    wanted
        Numbers of the columns whose value is wanted.
    box
        (lo, hi) of the form's upper Vars, shapes (m,).
    number
        Of the lower level in the model.

    Returns
    -------
    list of CondensedQp

    Raises
    ------
    NotExplicit
        A part is too large to condense, or the violation of a soft limit is wanted.
    """
    form = kkt.form
    label, row_label = component_labels(form.A, form.Q)
    is_row = kkt.is_row
    touches = np.zeros(label.max(initial=-1) + 1, dtype=bool)
    paid, wanted = np.asarray(sorted(paid), int), np.asarray(sorted(wanted), int)
    eq_label = row_label[kkt.equality_rows]
    used = np.flatnonzero(np.diff(form.B.indptr) > 0)
    used = used[np.diff(form.A[used].indptr) > 0]
    touches[row_label[used]] = True
    touches[label[np.flatnonzero(np.diff(form.D.indptr))]] = True
    touches[eq_label[paid]] = True
    touches[label[wanted]] = True
    pair_label = np.empty(kkt.pairs, dtype=int)
    pair_label[is_row] = row_label[kkt.index[is_row]]
    pair_label[~is_row] = label[kkt.index[~is_row]]
    order = groups_by_label(label), groups_by_label(eq_label), groups_by_label(pair_label)
    parts = []
    for k in np.flatnonzero(touches):
        columns, rows, pairs = (o.get(int(k), np.empty(0, int)) for o in order)
        members = _Members(columns, rows, pairs, paid[eq_label[paid] == k],
                           wanted[label[wanted] == k])
        parts.append(_condense_part(kkt, members, box, number))
    return parts


@dataclass
class _Members:
    """What belongs to a part: columns of the form, equality rows, pairs, paid rows, wanted."""

    columns: np.ndarray
    rows: np.ndarray
    pairs: np.ndarray
    paid: np.ndarray
    wanted: np.ndarray


def _condense_part(kkt: KktSystem, part: _Members, box, number: int) -> CondensedQp:
    """One part in the symbols of the module's text: x = Kw w + Kp p + k0, then products."""
    form, sigma = kkt.form, kkt.sigma
    columns, rows, pairs = part.columns, part.rows, part.pairs
    S, T, D = kkt.S[pairs][:, columns], kkt.T[pairs], form.D[columns]
    A_eq, B_eq = kkt.A_eq[rows][:, columns], kkt.B_eq[rows]
    u = np.flatnonzero(B_eq.getnnz(axis=0) + T.getnnz(axis=0) + D.getnnz(axis=0))
    n, m, k = len(columns), len(u), len(part.paid)
    shift = sp.csr_matrix(
        (np.ones(k), (np.searchsorted(rows, part.paid), np.arange(k))), shape=(len(rows), k))
    E = sp.hstack([A_eq, B_eq[:, u], shift], format="csr")
    penalty, row_of, cost, coef = _penalties(kkt, columns, pairs, A_eq, S)
    gone, w = _eliminate_flows(kkt, part, E, penalty, m + k)
    at = {int(c): i for i, c in enumerate(gone.kept)}
    Kw, Kp = (gone.M[:n, [at[int(c)] for c in kept]].toarray()
              for kept in (w, range(n, n + m + k)))
    k0 = gone.m0[:n]
    Q = sigma * form.Q[columns][:, columns]
    c, QKw, QKp = sigma * form.c[columns] + Q @ k0, Q @ Kw, Q @ Kp
    Dp, Tp = np.zeros((n, m + k)), np.zeros((len(pairs), m + k))
    Dp[:, :m], Tp[:, :m] = sigma * D[:, u].toarray(), T[:, u].toarray()
    cross = Kp.T @ Dp
    own = ~_is_bound_of(kkt, pairs, columns[penalty])
    cap = np.full(len(pairs), np.inf)
    cap[row_of] = cost
    rest = np.setdiff1d(np.arange(len(rows)), gone.rows_used)
    Xw, Xp, x0 = _maps(part, penalty, Kw, Kp, k0)
    condensed = CondensedQp(
        lower=number, rows=rows, w=columns[w], u=u, paid=part.paid,
        H=Kw.T @ QKw, g=Kw.T @ c, E=Kw.T @ (QKp + Dp),
        R=Kp.T @ QKp + cross + cross.T, r=Kp.T @ c + Dp.T @ k0,
        pair=pairs[own], A=(S @ Kw)[own], T=(S @ Kp + Tp)[own],
        s=(S @ k0 + kkt.s0[pairs])[own], cap=cap[own],
        C=E[rest][:, :n] @ Kw, F=E[rest][:, :n] @ Kp + E[rest][:, n:].toarray(),
        f=kkt.b_eq[rows[rest]] - E[rest][:, :n] @ k0,
        wanted=part.wanted, Xw=Xw, Xp=Xp, x0=x0, gone={}, rest=rows[rest],
        soft_pair=pairs[row_of], soft_column=columns[penalty], soft_coef=coef,
        lo=box[0][u], hi=box[1][u], plain=not (T.nnz or D.nnz))
    return screen(condensed, form.lb, form.ub)


def _eliminate_flows(kkt: KktSystem, part: _Members, E, penalty,
                     parameters: int) -> tuple[Elimination, np.ndarray]:
    """(elimination of the free columns by the equality rows E, decisions w that it leaves).

    Raises NotExplicit where the map from w and the parameters to all columns is too large.
    """
    n, form = len(part.columns), kkt.form
    bounded = np.isfinite(form.lb[part.columns]) | np.isfinite(form.ub[part.columns])
    gone = eliminate(E, kkt.b_eq[part.rows],
                     np.concatenate([~bounded, np.zeros(parameters, bool)]))
    kept = gone.kept[gone.kept < n]
    w = kept[~np.isin(kept, penalty)]
    if max(len(part.pairs), n) * (len(w) + parameters) > MOST_NUMBERS:
        raise NotExplicit(f"it has {len(w)} decisions of its own for {n} columns in one part, "
                          "and their map does not fit into memory", too_large=True)
    return gone, w


def _maps(part: _Members, penalty, Kw, Kp, k0):
    where = np.searchsorted(part.columns, part.wanted)
    if np.isin(where, penalty).any():
        raise NotExplicit("the upper level uses the violation of a soft limit")
    return Kw[where], Kp[where], k0[where]


def _is_bound_of(kkt: KktSystem, pairs, columns) -> np.ndarray:
    """Mask of the pairs that are bounds of some columns."""
    return ~kkt.is_row[pairs] & np.isin(kkt.index[pairs], columns)


def _penalties(kkt: KktSystem, columns, pairs, A_eq, S):
    """(columns that only relax one row at a cost, that row among the pairs, its cap, coefficient).

    Such a column has lb = 0, no ub, a positive cost, no quadratic or upper term, and stands in one
    row pair with a positive coefficient (and in its own bound).
    """
    form = kkt.form
    cost = kkt.sigma * form.c[columns]
    simple = ((form.lb[columns] == 0) & np.isinf(form.ub[columns]) & (cost > 0)
              & (A_eq.getnnz(axis=0) == 0)
              & (np.diff(form.Q[columns].indptr) == 0) & (np.diff(form.D[columns].indptr) == 0))
    of_rows = np.flatnonzero(kkt.is_row[pairs])
    rows = S[of_rows].tocsc()
    simple &= np.diff(rows.indptr) == 1
    found = np.flatnonzero(simple)
    first = rows.indptr[found]
    row, coef = of_rows[rows.indices[first]], rows.data[first]
    single = np.isin(row, row[np.unique(row, return_index=True)[1]])
    _, count = np.unique(row, return_counts=True)
    if (count > 1).any():  # two penalties in one row: neither is taken
        often = np.unique(row)[count > 1]
        single = ~np.isin(row, often)
    good = single & (coef > 0)
    return found[good], row[good], cost[found[good]] / coef[good], coef[good]


def screen(part: CondensedQp, lb: np.ndarray, ub: np.ndarray) -> CondensedQp:
    """Leave out the rows that no decision in its range can bring to their limit; in place.

    Interval arithmetic over the boxes of w and u. A row that stays inside has no multiplier; one
    that is always beyond a soft limit has its cap.

    Parameters
    ----------
    part
        The condensed part; changed and returned.
    lb, ub
        Bounds of the form's columns, shape (n,).

    Returns
    -------
    CondensedQp
    """
    wl, wu = lb[part.w], ub[part.w]
    low, high = row_range(part, wl, wu)
    margin = NEVER_BINDS * (1.0 + np.abs(part.s))
    is_bound = (np.abs(part.A) > ENTRY).sum(axis=1) == 1
    never = (low > margin) & ~is_bound
    always = (high < -margin) & np.isfinite(part.cap)
    if always.any():
        weight = part.cap[always]
        part.g = part.g - weight @ part.A[always]
        part.r = part.r - weight @ part.T[always]
    part.gone = {int(p): 0.0 for p in part.pair[never]}
    part.gone |= {int(p): float(v) for p, v in zip(part.pair[always], part.cap[always],
                                                   strict=True)}
    keep = ~(never | always)
    part.pair, part.A, part.T = part.pair[keep], part.A[keep], part.T[keep]
    part.s, part.cap = part.s[keep], part.cap[keep]
    return part


def row_range(part: CondensedQp, wl: np.ndarray, wu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Range of each row of A over the boxes of w and u, with shifts of zero.

    Parameters
    ----------
    part
        The condensed part.
    wl, wu
        Box of w, shape (w,).

    Returns
    -------
    tuple
        (least, greatest), shapes (rows,).
    """
    with np.errstate(invalid="ignore"):
        low, high = part.s.copy(), part.s.copy()
        for M, lo, hi in ((part.A, wl, wu), (part.T[:, :part.m], part.lo, part.hi)):
            M = np.where(np.abs(M) > ENTRY, M, 0.0)
            up, down = np.maximum(M, 0.0), np.minimum(M, 0.0)
            low += dot(up, lo) + dot(down, hi)
            high += dot(up, hi) + dot(down, lo)
    return low, high
