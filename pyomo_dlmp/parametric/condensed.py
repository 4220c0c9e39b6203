"""Condensing: a lower level in its few decisions, period by period.

A power flow is square: given injections, its rows determine every flow and voltage. Each connected
part of a lower level (a period, say) is therefore written in its decisions w alone (generators,
SVGs), with the upper decisions u and a right-hand-side shift d of each paid row as parameters
p = (u, d):

    min  1/2 w'Hw + (g + E p)'w + 1/2 p'R p + r'p + sum_i cap_i max(0, -g_i)
    s.t. g_i = A_i w + T_i p + s_i >= 0  (rows without cap),      C w + F p = f

A soft limit (a row with a penalty column of its own) is a row with a *cap*: its multiplier lies in
[0, cap], and beyond the limit it is the cap. The dual of a paid row is minus the derivative of the
optimal cost by its shift. `condensing` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.numerics.boxes import dot
from pyomo_dlmp.tolerances import ENTRY, NEVER_BINDS, ROUNDING, WIDENED


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


@dataclass(frozen=True)
class Shape:
    """What parts have in common that differ in numbers: hours, scenarios, models built again.

    Attributes
    ----------
    rows
        Fingerprint of the kinds of its rows and pairs, by their positions within the part.
    entries
        Fingerprint of the places of the entries in them.
    pairs
        Number of rows of A before any were left out.
    title
        What it is of, for people.
    """

    rows: bytes
    entries: bytes
    pairs: int
    title: str


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
    place, always
        Position of each row of A among the rows before any were left out, and of those that are
        left out as always beyond their soft limit.
    shape
        Which rows it has whatever their numbers: parts with the same one may share states.
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
    place: np.ndarray
    always: np.ndarray
    shape: Shape

    @property
    def m(self) -> int:
        """Number of upper decisions."""
        return len(self.u)


def width(part: CondensedQp) -> np.ndarray:
    """Width of the range of each decision, shape (m,); a small number where it is a point."""
    span = part.hi - part.lo
    return np.where(span > ROUNDING, span, 10 * WIDENED * (1.0 + np.abs(part.lo)))


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
    part.place, part.always = part.place[keep], part.place[always]
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
