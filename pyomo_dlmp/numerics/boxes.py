"""Interval arithmetic on sparse affine maps: ranges of rows, and bound propagation.

Sums are rounded outward: by the number of summands times the unit roundoff times the sum of their
absolute values, so that what is excluded is excluded in exact arithmetic too.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.tolerances import ROUNDING

_ROUNDOFF = 4.0 * np.finfo(float).eps


def dot(forms: np.ndarray, at: np.ndarray) -> np.ndarray:
    """forms @ at, where 0 x infinity is 0.

    Parameters
    ----------
    forms
        Linear forms, shape (k, n).
    at
        A point, or one end of a box; may be infinite. Shape (n,).

    Returns
    -------
    np.ndarray
        Shape (k,).
    """
    if np.isfinite(at).all():
        return forms @ at
    with np.errstate(invalid="ignore"):
        return np.where(forms == 0.0, 0.0, forms * at).sum(axis=1)


def least_over_box(c: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> float:
    """Least c'z over the box lo <= z <= hi, where 0 x infinity is 0.

    Parameters
    ----------
    c, lo, hi
        Linear form and ends of the box, shape (n,).

    Returns
    -------
    float
        -inf where the form falls without limit.
    """
    with np.errstate(invalid="ignore"):
        return float(np.where(c > 0, c * lo, np.where(c < 0, c * hi, 0.0)).sum())


def row_ranges(M: sp.csr_matrix, m0: np.ndarray, lo: np.ndarray,
               hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Range of each row of M z + m0 over the box lo <= z <= hi, rounded outward.

    Parameters
    ----------
    M, m0
        The affine map, shapes (m, n) and (m,).
    lo, hi
        The box, shape (n,).

    Returns
    -------
    tuple
        (least, greatest) value of each row, shapes (m,).
    """
    M = M.tocsr()
    below = M.data * np.where(M.data > 0, lo[M.indices], hi[M.indices])
    above = M.data * np.where(M.data > 0, hi[M.indices], lo[M.indices])
    return (m0 + _row_sums(below, M) - _rounding(below, M, m0),
            m0 + _row_sums(above, M) + _rounding(above, M, m0))


def _row_sums(values: np.ndarray, M: sp.csr_matrix) -> np.ndarray:
    row_of = np.repeat(np.arange(M.shape[0]), np.diff(M.indptr))
    total = np.zeros(M.shape[0])
    np.add.at(total, row_of, values)
    return total


def _rounding(values: np.ndarray, M: sp.csr_matrix, m0: np.ndarray) -> np.ndarray:
    """Bound of the rounding error of each row's sum; 0 where the sum is infinite anyway."""
    size = np.where(np.isfinite(values), np.abs(values), 0.0)
    count = np.diff(M.indptr)
    return np.where(count > 1, _ROUNDOFF * count * (np.abs(m0) + _row_sums(size, M)), 0.0)


def propagate(rows: tuple, lo: np.ndarray, hi: np.ndarray, rounds: int = 20,
              tol: float = ROUNDING) -> tuple[np.ndarray, np.ndarray]:
    """Tighten the box by rows  row_lo <= M z + m0 <= row_hi.

    Every value excluded is excluded by one row and the box: the result still holds every z of
    the old box that satisfies the rows. Bounds are widened by the relative `tol`, and by the
    rounding of the row's sum, which counts where large terms cancel.

    Parameters
    ----------
    rows
        (M, m0, row_lo, row_hi), shapes (m, n), (m,), (m,), (m,).
    lo, hi
        The box, shape (n,); not changed.
    rounds
        Passes over all rows at most; fewer where a pass improves nothing by a hundredth.
    tol
        Relative widening of a new bound.

    Returns
    -------
    tuple
        The new (lo, hi), shapes (n,).
    """
    M, m0, row_lo, row_hi = rows
    M = M.tocsr()
    keep = np.isfinite(row_lo) | np.isfinite(row_hi)
    M, m0, row_lo, row_hi = M[keep], m0[keep], row_lo[keep], row_hi[keep]
    if not M.nnz:
        return lo, hi
    row_of = np.repeat(np.arange(M.shape[0]), np.diff(M.indptr))
    col, coef = M.indices, M.data
    positive = coef > 0
    ends = np.abs(m0) + np.where(np.isfinite(row_lo), np.abs(row_lo), 0.0) + np.where(
        np.isfinite(row_hi), np.abs(row_hi), 0.0)
    lo, hi = lo.copy(), hi.copy()
    for _ in range(rounds):
        below = coef * np.where(positive, lo[col], hi[col])
        above = coef * np.where(positive, hi[col], lo[col])
        rest_below = _rest(below, row_of, M.shape[0])
        rest_above = _rest(above, row_of, M.shape[0])
        with np.errstate(invalid="ignore"):
            term_hi = row_hi[row_of] - m0[row_of] - rest_below
            term_lo = row_lo[row_of] - m0[row_of] - rest_above
        term_hi = np.where(np.isnan(term_hi), np.inf, term_hi)
        term_lo = np.where(np.isnan(term_lo), -np.inf, term_lo)
        new_hi = np.where(positive, term_hi, term_lo) / coef
        new_lo = np.where(positive, term_lo, term_hi) / coef
        error = (_rounding(below, M, ends) + _rounding(above, M, ends))[row_of] / np.abs(coef)
        best_hi, best_lo = hi.copy(), lo.copy()
        np.minimum.at(best_hi, col, new_hi + tol * (1 + np.abs(new_hi)) + error)
        np.maximum.at(best_lo, col, new_lo - tol * (1 + np.abs(new_lo)) - error)
        best_hi, best_lo = np.maximum(best_hi, lo), np.minimum(best_lo, hi)
        change = _improved(hi, best_hi) | _improved(best_lo, lo)
        hi, lo = best_hi, best_lo
        if not change:
            break
    return lo, hi


def _rest(values: np.ndarray, row_of: np.ndarray, rows: int) -> np.ndarray:
    """Sum of the row's other entries, for each entry; infinities counted, not subtracted."""
    infinite = np.isinf(values)
    finite = np.where(infinite, 0.0, values)
    total = np.bincount(row_of, finite, rows)
    unbounded = np.bincount(row_of, infinite, rows)
    sign = np.zeros(rows)
    sign[row_of[infinite]] = values[infinite]
    others = unbounded[row_of] - infinite
    return np.where(others > 0, sign[row_of], total[row_of] - finite)


def _improved(old: np.ndarray, new: np.ndarray) -> bool:
    """Whether some bound fell by more than a hundredth (or became finite)."""
    with np.errstate(invalid="ignore"):
        return bool(np.any(np.isinf(old) & np.isfinite(new)) or np.any(
            np.isfinite(old) & np.isfinite(new) & (old - new > 0.01 * (1 + np.abs(new)))))


def batch_ranges(M: np.ndarray, m0: np.ndarray, lo: np.ndarray,
                 hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`row_ranges` of many dense maps at once; entries of rounding size meet no infinite end.

    Parameters
    ----------
    M, m0
        The affine maps, shapes (k, r, n) and (k, r).
    lo, hi
        The box, shape (n,).

    Returns
    -------
    tuple
        (least, greatest) value of each row, shapes (k, r).
    """
    scale = ROUNDING * np.abs(M).max(axis=(1, 2), initial=0.0)[:, None, None]
    endless = np.isinf(lo) | np.isinf(hi)
    M = np.where(endless & (np.abs(M) <= scale), 0.0, M)
    up, down = np.maximum(M, 0.0), np.minimum(M, 0.0)
    low_end, high_end = np.where(np.isinf(lo), 0.0, lo), np.where(np.isinf(hi), 0.0, hi)
    error = _ROUNDOFF * M.shape[2] * (
        np.abs(m0) + np.abs(M) @ np.maximum(np.abs(low_end), np.abs(high_end)))
    falls = (up @ np.isinf(lo) - down @ np.isinf(hi)) > 0
    rises = (up @ np.isinf(hi) - down @ np.isinf(lo)) > 0
    low = m0 + up @ low_end + down @ high_end - error
    high = m0 + up @ high_end + down @ low_end + error
    return np.where(falls, -np.inf, low), np.where(rises, np.inf, high)
