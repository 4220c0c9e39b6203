"""Are the duals that a point carries duals of its lower level?

A dual that is not unique has a range, but two duals that may each move need not move alone: the
values on all dual Vars of a lower level are duals only if one optimal (y, mu) has them all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.auditing.findings import LowerAudit
from pyomo_dlmp.bilevel.values import is_free
from pyomo_dlmp.lower.duals import AskedDual
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ACTIVE, AUDITED_ROW, KKT_RESIDUAL, ROW_HOLDS
from pyomo_dlmp.transform.record import SingleLevel


class StaleDual(NamedTuple):
    """A value that is not a dual.

    Attributes
    ----------
    name
        Of the dual Var or the row.
    off
        Distance from the nearest dual, relative to 1 + the greatest dual.
    text
        Both values in words.
    """

    name: str
    off: float
    text: str


def duals_beyond_bounds(kkt: KktSystem, record: SingleLevel | None) -> list[tuple[str, float]]:
    """Dual Vars whose values are beyond the bounds that the user gave them.

    Parameters
    ----------
    kkt
        The lower level, its duals on its dual Vars.
    record
        Of ``dlmp.single_level``, which remembers the user's bounds; None: as they are on the Vars.

    Returns
    -------
    list
        [(name, distance relative to 1 + |bound|)], worst first.
    """
    lowers = [] if record is None else record.lowers
    before = {id(var): ends for lower in lowers for var, *ends in getattr(lower, "before", [])}
    found = []
    for dual in kkt.duals.asked():
        var = dual.var
        if id(var) not in before and is_free(var):
            continue
        low, high = before.get(id(var), (var.lb, var.ub))
        for bound, sign in ((low, -1.0), (high, 1.0)):
            if dual.known and bound is not None and var.value is not None:
                over = sign * (var.value - bound) / (1.0 + abs(bound))
                if not over <= AUDITED_ROW:
                    found.append((var.name, float(over)))
    return sorted(found, key=lambda item: -item[1])


def stale_duals(report: LowerAudit, u: np.ndarray, y: np.ndarray,
                mu: np.ndarray) -> list[StaleDual]:
    """The user's dual Vars whose values are not duals of the lower level at the point.

    Parameters
    ----------
    report
        Of the lower level, with its solution.
    u
        Upper decisions, shape (m,).
    y, mu
        Duals of the point, shapes (e,) and (pairs,).

    Returns
    -------
    list of StaleDual
        Distances from those optimal duals that are nearest to all values together.
    """
    kkt = report.kkt
    assert kkt is not None
    asked = [dual for dual in kkt.duals.asked() if dual.known and dual.var.value is not None]
    if not asked:
        return []
    terms = _terms(asked, len(y) + len(mu))
    value = np.array([dual.var.value for dual in asked], dtype=float)
    nearest = terms @ np.concatenate([y, mu])
    scale = 1.0 + max(np.abs(y).max(initial=0.0), np.abs(mu).max(initial=0.0))
    known = bool(np.isfinite(value).all())  # a NaN is a dual of nothing
    if known and np.abs(value - nearest).max() > KKT_RESIDUAL * scale:
        nearest = _nearest(kkt, report.solution.x, u, terms, value, scale, nearest)
    off = np.abs(value - nearest) / scale
    return [StaleDual(asked[k].var.name, float(off[k]),
                      f"{asked[k].var.name} is {value[k]:g}, the nearest dual {nearest[k]:g}")
            for k in np.flatnonzero(~(off <= KKT_RESIDUAL))]


def wrong_signs(kkt: KktSystem, row_duals: np.ndarray, y: np.ndarray,
                mu: np.ndarray) -> list[StaleDual]:
    """Row duals of a sign that their row cannot have: (y, mu) leaves that part of them out."""
    kept = kkt.duals.row_duals(y, mu)
    off = np.abs(row_duals - kept) / (1.0 + np.abs(kept).max(initial=0.0))
    rows = kkt.form.rows
    return [StaleDual(rows[r].name, float(off[r]),
                      f"the dual of {rows[r].name} is {row_duals[r]:g}, a sign it cannot have")
            for r in np.flatnonzero(off > KKT_RESIDUAL)]


def _terms(asked: list[AskedDual], columns: int) -> sp.csr_matrix:
    """Each dual Var as a sum over (y, mu)."""
    entries = [(k, column, sign) for k, dual in enumerate(asked) for column, sign in dual.terms]
    rows, cols, signs = zip(*entries, strict=True) if entries else ((), (), ())
    return sp.csr_matrix((signs, (rows, cols)), shape=(len(asked), columns))


def _nearest(kkt: KktSystem, x: np.ndarray, u: np.ndarray, terms: sp.csr_matrix,
             value: np.ndarray, scale: float, known: np.ndarray) -> np.ndarray:
    """Values of the dual Vars at the optimal (y, mu) nearest to them (least sum of distances)."""
    e, pairs, count = len(kkt.b_eq), kkt.pairs, len(value)
    gradient = kkt.stationarity(x, u, np.zeros(e), np.zeros(pairs))
    active = kkt.slack(x, u) <= ACTIVE * (1 + np.abs(kkt.s0))
    none = sp.csr_matrix((len(x), count))
    rows = sp.bmat([
        [kkt.A_eq.T, kkt.sigma * kkt.S.T, none, none],
        [terms[:, :e], terms[:, e:], sp.identity(count), -sp.identity(count)],
    ], format="csr")
    room = ROW_HOLDS * scale
    least = np.concatenate([np.full(e, -np.inf), np.zeros(pairs + 2 * count)])
    most = np.concatenate([np.full(e, np.inf), np.where(active, np.inf, 0.0),
                           np.full(2 * count, np.inf)])
    # `stationarity` is gradient - A'y - sigma S'mu
    lp = Highs(np.concatenate([np.zeros(e + pairs), np.ones(2 * count)]), rows,
               np.concatenate([gradient - room, value]), np.concatenate([gradient + room, value]),
               least, most)
    answer = lp.solve_lp()
    if answer.status != Status.OPTIMAL or answer.z is None:
        return known
    return terms @ answer.z[: e + pairs]
