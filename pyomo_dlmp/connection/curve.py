"""Capacities of a year from few power flows, where one multiplier tells its hours apart.

The capacity is a continuous function of the multiplier, smooth but where the limit that is met
first, or the law of a load, changes. It is computed at points that are halved until straight lines
between them meet what is computed in the middle; the hours that allow least are computed
themselves, so that firm and flexible kW are exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyomo_dlmp.connection.capacity import Capacities
from pyomo_dlmp.tolerances import GAP

_FIRST_POINTS = 17
_MOST_ROUNDS = 12
LOWEST = 120  # hours that are computed themselves


def along_scale(scale: np.ndarray, solve: Callable[[np.ndarray], Capacities],
                share: np.ndarray | float = 1.0,
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Capacities of hours that differ by one multiplier.

    Parameters
    ----------
    scale : ndarray, shape (hours,)
        Different multipliers, ascending.
    solve : callable
        solve(hours) -> Capacities of some of them.
    share : ndarray, shape (hours,), or float
        Greatest share of a contract that is drawn in them: those that allow the least contracts
        are computed.

    Returns
    -------
    (ndarray, ndarray, ndarray, ndarray)
        kW and limits as of `Capacities`; whether there is capacity again above; hours that were
        computed, all others lie between two of these.
    """
    count = len(scale)
    kw, row = np.full(count, np.nan), np.zeros(count, dtype=int)
    again, known = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)

    def compute(hours: np.ndarray) -> None:
        hours = np.unique(hours[~known[hours]])
        if len(hours):
            found = solve(hours)
            kw[hours], row[hours], again[hours] = found.kw, found.row, found.again
            known[hours] = True

    even = np.linspace(scale[0], scale[-1], _FIRST_POINTS)
    compute(np.clip(np.searchsorted(scale, even), 0, count - 1))
    left = np.flatnonzero(known)[:-1]
    for _ in range(_MOST_ROUNDS):
        at = np.flatnonzero(known)
        nexts = at[np.searchsorted(at, left, side="right")]
        middle = (left + nexts) // 2
        wide = middle > left
        left, nexts, middle = left[wide], nexts[wide], middle[wide]
        if not len(left):
            break
        line = kw[left] + (kw[nexts] - kw[left]) * (
            (scale[middle] - scale[left]) / (scale[nexts] - scale[left]))
        compute(middle)
        bad = np.abs(kw[middle] - line) > GAP * np.maximum(kw[middle], 1.0)
        left = np.concatenate([left[bad], middle[bad]])
        left.sort()
    at = np.flatnonzero(known)
    between = np.interp(scale, scale[at], kw[at])
    with np.errstate(divide="ignore", invalid="ignore"):
        contract = np.where(share > 0, between / share, np.inf)
    compute(np.argsort(contract, kind="stable")[:LOWEST])
    at = np.flatnonzero(known)
    nearest = at[np.clip(np.searchsorted(at, np.arange(count)), 0, len(at) - 1)]
    return (np.where(known, kw, np.interp(scale, scale[at], kw[at])), row[nearest], again[nearest],
            at)
