"""Is a point a solution of a lower level? It is solved again to tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pyomo_dlmp.auditing.findings import LowerAudit
from pyomo_dlmp.lower.dual_ranges import price_ranges
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolver, kkt_residual
from pyomo_dlmp.tolerances import AT_BOUND, AUDITED_ROW, KKT_RESIDUAL, ROW_HOLDS, SAME_MONEY


def audit_lower(kkt: KktSystem, x: np.ndarray, u: np.ndarray,
                multipliers: tuple[np.ndarray, np.ndarray] | None = None, bounds: Any = None,
                solver: LowerSolver | None = None,
                deadline: float | None = np.inf) -> LowerAudit:
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
    deadline
        Of ``time.monotonic``, for the ranges of duals that are not unique; None: no ranges.

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
    if bounds is not None:
        report.at_bound = at_bound(kkt, bounds, mu, slack)
    if deadline is not None:
        add_price_ranges(report, solution.x, u, solver, deadline)
    return report


def add_price_ranges(report: LowerAudit, x: np.ndarray, u: np.ndarray, solver: LowerSolver,
                     deadline: float) -> None:
    """Ranges of the duals that are not unique at an optimum, given up on at the deadline."""
    try:
        report.price_range = price_ranges(x, u, solver, deadline)
    except TimeoutError:
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
    judged = np.isfinite(bounds.mu) & (bounds.mu_source != "vertex")
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


def stale_duals(report: LowerAudit, y: np.ndarray, mu: np.ndarray) -> Iterator[tuple[str, float]]:
    """The user's dual Vars whose value is not a dual of their row at the point.

    Where a dual is not unique, any value within its range is one.

    Parameters
    ----------
    report
        Of the lower level, with the ranges of its duals.
    y, mu
        Duals of the point, shapes (e,) and (pairs,).

    Returns
    -------
    iterator
        (name of the dual Var, difference relative to 1 + the greatest dual).
    """
    kkt = report.kkt
    assert kkt is not None
    both = np.concatenate([y, mu])
    scale = 1.0 + np.abs(both).max(initial=0.0)
    for dual in kkt.duals.asked():
        if not dual.known or dual.var.value is None:
            continue
        here = sum(sign * both[column] for column, sign in dual.terms)
        low, high = (here, here) if dual.row is None else report.price_range.get(
            dual.row, (here, here))
        off = max(min(low, here) - dual.var.value, dual.var.value - max(high, here)) / scale
        if off > KKT_RESIDUAL:
            yield dual.var.name, float(off)
