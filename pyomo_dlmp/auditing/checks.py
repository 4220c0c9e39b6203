"""The audit: is a point a solution of its lower levels, and are its prices right and unique?

For each LowerLevel the lower problem is solved again at the upper decisions (`solve.lower`), apart
from whatever found the point. Reported: the cost gap, complementarity, stationarity and primal
residuals of the point, multipliers at their bounds, and the interval of each price where the duals
are not unique.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.bilevel import lower_levels, upper_data
from pyomo_dlmp.lower.dual_ranges import price_ranges
from pyomo_dlmp.lower.duals import multipliers_from, point_of
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.solver import LowerSolution, LowerSolver, Residual, kkt_residual
from pyomo_dlmp.tolerances import (
    AT_BOUND,
    AUDITED_ROW,
    COST_GAP,
    KKT_RESIDUAL,
    RECOMPUTED,
    ROW_HOLDS,
    SAME_MONEY,
)
from pyomo_dlmp.transform.bounds.labels import Source
from pyomo_dlmp.transform.record import single_level_data

LIMITS = {"cost gap": COST_GAP, "complementarity": COST_GAP, "KKT residual": KKT_RESIDUAL}


@dataclass
class LowerAudit:
    """One lower level at the audited point; `solution` is the independent re-solve.

    `cost_gap`: (cost of the point - optimal cost) / max(1, |optimal cost|); `complementarity`:
    greatest slack x multiplier of the point, relative to max(1, |optimal cost|).
    `price_range`: {row number: (min, max)} of duals that are not unique, in the user's sign.
    """

    name: str
    solution: LowerSolution
    cost_gap: float
    complementarity: float
    residual: Residual
    at_bound: list[str] = field(default_factory=list)
    price_range: dict[int, tuple[float, float]] = field(default_factory=dict)
    kkt: KktSystem | None = None
    unique_answer: bool = True


@dataclass
class Audit:
    """All lower levels of a model. `passed` says whether every check holds.

    `broken`: [(upper row, violation)]; `optimistic`, `pessimistic`: best and worst upper objective
    over the lower levels' optimal answers and duals at these upper decisions (None: not known).
    """

    lowers: list[LowerAudit]
    objective: float | None = None
    recomputed: float | None = None
    broken: list[tuple[str, float]] = field(default_factory=list)
    optimistic: float | None = None
    pessimistic: float | None = None

    @property
    def passed(self) -> bool:
        """Every row of `table()` holds."""
        return bool(self.table()["passed"].all())

    def table(self) -> pd.DataFrame:
        """Columns check, value, limit, unit, passed; worst over the lower levels."""
        worst = {
            "cost gap": max((abs(a.cost_gap) for a in self.lowers), default=0.0),
            "complementarity": max((a.complementarity for a in self.lowers), default=0.0),
            "KKT residual": max((a.residual.relative for a in self.lowers), default=0.0),
        }
        rows = [(k, v, LIMITS[k], "relative", v <= LIMITS[k]) for k, v in worst.items()]
        held = sum(len(a.at_bound) for a in self.lowers)
        rows.append(("multipliers at their bound", held, 0, "count", held == 0))
        if self.recomputed is not None and self.objective is not None:
            error = abs(self.recomputed - self.objective) / max(1.0, abs(self.objective))
            rows.append(("objective against prices x quantities", error, RECOMPUTED, "relative",
                         error <= RECOMPUTED))
        worst_row = max((v for _, v in self.broken), default=0.0)
        rows.append(("upper rows broken", worst_row, AUDITED_ROW, "relative",
                     worst_row <= AUDITED_ROW))
        loose = sum(len(a.price_range) for a in self.lowers)
        rows.append(("prices that are not unique", loose, np.inf, "count", True))
        for name, value in (("optimistic", self.optimistic), ("pessimistic", self.pessimistic)):
            if value is not None:
                rows.append((f"upper objective, {name}", value, np.nan, "upper cost", True))
        return pd.DataFrame(rows, columns=["check", "value", "limit", "unit", "passed"])


def audit(model, intervals: bool = True) -> Audit:
    """Check the values on a bilevel model: Vars, and duals in each LowerLevel's `dual` Suffix.

    Without duals loaded, the duals of the re-solve are used (then only the primal side is judged).
    `intervals` also computes price ranges where duals are not unique. Raises ModelError when a Var
    has no value, SolverError when a lower level cannot be solved at the upper decisions.
    """
    done = single_level_data(model)
    if done is not None:
        systems = [lower.kkt for lower in done.lowers]
    else:
        systems = [build_kkt(compile_lower(block)) for block in lower_levels(model)]
    reports = []
    for kkt in systems:
        x, u, row_duals = point_of(kkt)
        reports.append(audit_lower(kkt, x, u, row_duals, intervals=intervals))
    return Audit(reports)


def audit_lower(kkt: KktSystem, x, u, row_duals, intervals=True, bounds=None,
                solver: LowerSolver | None = None) -> LowerAudit:
    """Audit one lower level at (x, u) with the duals of its rows (user sign, or None)."""
    solver = solver or LowerSolver(kkt)
    solution = solver.solve(u)
    if row_duals is None:
        y, mu = solution.y, solution.mu
    else:
        y, mu = multipliers_from(kkt, x, u, row_duals)
    form = kkt.form
    cost = float(form.c @ x + 0.5 * x @ (form.Q @ x) + x @ (form.D @ u))
    scale = max(1.0, abs(solution.cost))
    slack = kkt.slack(x, u)
    report = LowerAudit(
        form.block.name, solution, kkt.sigma * (cost - solution.cost) / scale,
        float(np.abs(slack * mu).max(initial=0.0)) / scale, kkt_residual(kkt, x, u, y, mu),
        kkt=kkt)
    if bounds is not None:
        report.at_bound = at_bound(kkt, bounds, mu, slack)
    if intervals:
        report.price_range = price_ranges(solution.x, u, solver)
    return report


def broken_upper_rows(model, record) -> list[tuple[str, float]]:
    """(name, violation relative to 1 + |limit|) of the user's upper rows that the values break."""
    own = [model.component(name) for name in record.added]
    own += [lower.kkt.form.block for lower in record.lowers]
    rows = list(upper_data(model, pyo.Constraint))
    rows += [c for c in record.deactivated if c.ctype is pyo.Constraint]
    rows = [row for row in rows if not any(_within(row, block) for block in own)]
    found = []
    for row in rows:
        value = pyo.value(row.body, exception=False)
        if value is None:
            continue
        for limit, excess in ((row.lb, -1.0), (row.ub, 1.0)):
            if limit is not None:
                over = excess * (value - limit) / (1.0 + abs(limit))
                if over > AUDITED_ROW:
                    found.append((row.name, float(over)))
    return sorted(found, key=lambda item: -item[1])


def _within(component, block) -> bool:
    parent = component.parent_block()
    while parent is not None:
        if parent is block:
            return True
        parent = parent.parent_block()
    return False


def at_bound(kkt: KktSystem, bounds, mu, slack) -> list[str]:
    """Pairs whose multiplier reaches its bound, or whose slack passes its own.

    A pair that was proved never (always) to bind has the bound 0 for its multiplier (slack).
    Bounds from vertices are not looked at: they hold for some optimal dual, not for each.
    """
    tiny = SAME_MONEY * (1 + np.abs(kkt.form.c).max(initial=0.0))
    judged = np.isfinite(bounds.mu) & (bounds.mu_source != Source.VERTEX)
    reached = judged & (mu > bounds.mu * (1 - AT_BOUND) + tiny * (bounds.mu == 0))
    passed = np.isfinite(bounds.slack) & (slack > bounds.slack + ROW_HOLDS * (1 + np.abs(kkt.s0)))
    return [f"{kkt.form.block.name}.{kkt.label[p]}" for p in np.flatnonzero(reached | passed)]
