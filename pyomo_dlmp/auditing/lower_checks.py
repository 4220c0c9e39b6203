"""Is a point an answer of a lower level? The lower level is solved again to tell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyomo_dlmp.auditing.findings import LowerAudit
from pyomo_dlmp.lower.dual_ranges import price_ranges
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolver, kkt_residual
from pyomo_dlmp.tolerances import AT_BOUND, AUDITED_ROW, KKT_RESIDUAL, ROW_HOLDS, SAME_MONEY


def audit_lower(kkt: KktSystem, x, u, multipliers=None, bounds=None,
                solver: LowerSolver | None = None,
                deadline: float | None = np.inf) -> LowerAudit:
    """Judge one lower level at a point.

    Parameters
    ----------
    x, u
        Lower and upper decisions, shapes (n,) and (m,).
    multipliers
        (y, mu) of the point; None: those of the re-solve, so that only the primal side is judged.
    bounds
        The `PairBounds` that the search assumed, to tell multipliers that reached them.
    deadline
        Of ``time.monotonic``, for the ranges of duals that are not unique; None: no ranges.

    Raises
    ------
    SolverError
        The lower level has no answer at u.
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


def add_price_ranges(report: LowerAudit, x, u, solver: LowerSolver, deadline: float) -> None:
    """Ranges of the duals that are not unique at an optimum, given up on at the deadline."""
    try:
        report.price_range = price_ranges(x, u, solver, deadline)
    except TimeoutError:
        report.price_range, report.ranges_known = {}, False


def at_bound(kkt: KktSystem, bounds, mu, slack) -> list[str]:
    """Pairs whose multiplier reaches its bound, or whose slack passes its own.

    A pair that was proved never (always) to bind has the bound 0 for its multiplier (slack).
    Bounds from vertices are not looked at: they hold for some optimal dual, not for each.
    """
    tiny = SAME_MONEY * (1 + np.abs(kkt.form.c).max(initial=0.0))
    judged = np.isfinite(bounds.mu) & (bounds.mu_source != "vertex")
    reached = judged & (mu > bounds.mu * (1 - AT_BOUND) + tiny * (bounds.mu == 0))
    passed = np.isfinite(bounds.slack) & (
        slack > bounds.slack + ROW_HOLDS * (1 + np.abs(kkt.s0)))
    return [f"{kkt.form.block.name}.{kkt.label[p]}" for p in np.flatnonzero(reached | passed)]


def broken_fixed_rows(kkt: KktSystem, u) -> Iterator[tuple[str, float]]:
    """(name, violation) of lower rows without a lower Var: upper decisions alone break them.

    Where one does not hold the lower level has no answer at all.
    """
    form = kkt.form
    fixed = np.flatnonzero(np.diff(form.A.indptr) == 0)
    activity = form.B[fixed] @ u
    for r, value in zip(fixed, activity, strict=True):
        for limit, excess in ((form.lo[r], form.lo[r] - value), (form.hi[r], value - form.hi[r])):
            over = excess / (1.0 + abs(limit)) if np.isfinite(limit) else 0.0
            if over > AUDITED_ROW:
                yield form.rows[r].name, float(over)


def stale_duals(report: LowerAudit, y, mu) -> Iterator[tuple[str, float]]:
    """(dual Var, difference) of the user's dual Vars that are no dual of their row at the point.

    Any value within the range of a dual that is not unique is one.
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
