"""Is a point a solution of a lower level? It is solved again to tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pyomo_dlmp.auditing.findings import LowerAudit
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.dual_ranges import price_ranges
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolver, kkt_residual
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.tolerances import (
    AT_BOUND,
    AUDITED_ROW,
    ROW_HOLDS,
    SAME_MONEY,
    SAME_OBJECTIVE,
)

UNITS = 60_000.0  # of work for ranges: of prices, and of the upper objective


def audit_lower(kkt: KktSystem, x: np.ndarray, u: np.ndarray,
                multipliers: tuple[np.ndarray, np.ndarray] | None = None, bounds: Any = None,
                solver: LowerSolver | None = None,
                ranges: bool = True) -> LowerAudit:
    """Check one lower level at a point; it is solved again at the same upper decisions.

    Parameters
    ----------
    kkt
        The compiled lower level.
    x, u
        Lower and upper decisions, shapes (n,) and (m,).
    multipliers
        (y, mu) of the point, shapes (e,) and (pairs,); None: those of the re-solve, so that only
        the primal side is checked.
    bounds
        The `PairBounds` that the search assumed, to find multipliers that reached them.
    solver
        Of the lower level; None: a new one.
    ranges
        Whether the ranges of duals that are not unique are added.

    Returns
    -------
    LowerAudit

    Raises
    ------
    SolverError
        The lower level has no solution at u.
    """
    solver = solver or LowerSolver(kkt)
    solution = solver.solve(u)
    y, mu = (solution.y, solution.mu) if multipliers is None else multipliers
    scale = max(1.0, abs(solution.cost))
    slack = kkt.slack(x, u)
    report = LowerAudit(
        kkt.form.block.name, solution, kkt.sigma * (kkt.form.cost(x, u) - solution.cost) / scale,
        float(np.abs(slack * mu).max(initial=0.0)) / scale, kkt_residual(kkt, x, u, y, mu),
        kkt=kkt)
    report.broken = broken_lower_rows(kkt, x, u)
    if bounds is not None:
        report.at_bound = at_bound(kkt, bounds, mu, slack)
    if ranges:
        add_price_ranges(report, solution.x, u, solver)
    return report


def same_answer(x: np.ndarray, other: np.ndarray) -> bool:
    """Whether two solutions of a lower level are the same, to the tolerance of its values."""
    room = SAME_OBJECTIVE * (1 + np.abs(x).max(initial=0.0))
    return bool(np.abs(other - x).max(initial=0.0) <= room)


def add_price_ranges(report: LowerAudit, x: np.ndarray, u: np.ndarray,
                     solver: LowerSolver) -> None:
    """Ranges of the duals that are not unique at an optimum, where the limits leave room."""
    try:
        with limits.optional(), limits.work(UNITS):
            report.price_range = price_ranges(x, u, solver)
    except (limits.Stopped, SolverError):
        report.price_range, report.ranges_known = {}, False


def at_bound(kkt: KktSystem, bounds: Any, mu: np.ndarray, slack: np.ndarray) -> list[str]:
    """Pairs whose multiplier reaches its bound, or whose slack passes its own.

    A pair that was proved never (always) to bind has the bound 0 for its multiplier (slack).
    Bounds from vertices are not checked: they hold for some optimal dual, not for each.

    Parameters
    ----------
    kkt
        The compiled lower level.
    bounds
        A `PairBounds`.
    mu, slack
        Of each pair, shape (pairs,).

    Returns
    -------
    list of str
        Full names of the pairs.
    """
    tiny = SAME_MONEY * (1 + np.abs(kkt.form.c).max(initial=0.0))
    judged = np.isfinite(bounds.mu) & ~bounds.of_some_duals
    reached = judged & (mu > bounds.mu * (1 - AT_BOUND) + tiny * (bounds.mu == 0))
    passed = np.isfinite(bounds.slack) & (
        slack > bounds.slack + ROW_HOLDS * (1 + np.abs(kkt.s0)))
    return [f"{kkt.form.block.name}.{kkt.label[p]}" for p in np.flatnonzero(reached | passed)]


def broken_fixed_rows(kkt: KktSystem,
                      u: Sequence[float] | np.ndarray) -> Iterator[tuple[str, float]]:
    """Lower rows without a lower Var that the upper decisions violate.

    Where one does not hold the lower level has no solution at all.

    Parameters
    ----------
    kkt
        The compiled lower level.
    u
        Upper decisions, shape (m,).

    Returns
    -------
    iterator
        (name, violation relative to 1 + |limit|).
    """
    form = kkt.form
    fixed = np.flatnonzero(np.diff(form.A.indptr) == 0)
    activity = form.B[fixed] @ u
    for r, value in zip(fixed, activity, strict=True):
        for limit, excess in ((form.lo[r], form.lo[r] - value), (form.hi[r], value - form.hi[r])):
            over = excess / (1.0 + abs(limit)) if np.isfinite(limit) else 0.0
            if over > AUDITED_ROW:
                yield form.rows[r].name, float(over)


def broken_lower_rows(kkt: KktSystem, x: np.ndarray, u: np.ndarray) -> list[tuple[str, float]]:
    """Rows and bounds of a lower level that a point violates by more than the audit allows.

    Parameters
    ----------
    kkt
        The compiled lower level.
    x, u
        Lower and upper decisions, shapes (n,) and (m,).

    Returns
    -------
    list
        [(name, violation relative to 1 + |limit|)], worst first.
    """
    off = np.abs(kkt.A_eq @ x + kkt.B_eq @ u - kkt.b_eq) / (1.0 + np.abs(kkt.b_eq))
    over = -kkt.slack(x, u) / (1.0 + np.abs(kkt.s0))
    rows = kkt.form.rows
    found = [(rows[kkt.equality_rows[k]].name, float(off[k]))
             for k in np.flatnonzero(off > AUDITED_ROW)]
    found += [(f"{kkt.form.block.name}.{kkt.label[p]}", float(over[p]))
              for p in np.flatnonzero(over > AUDITED_ROW)]
    return sorted(found, key=lambda item: -item[1])
