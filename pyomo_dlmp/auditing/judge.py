"""The one check: `audit(model)` of any point, and of what `solve_bilevel` has found.

For each LowerLevel the lower problem is solved again at the upper decisions, independently of what
found the point. Checked are: the cost gap, complementarity, stationarity and primal residuals of
the lower point, multipliers at assumed bounds, the upper rows, bounds and integrality of every
upper Var, the user's dual Vars, and the upper objective evaluated again. Reported besides: ranges
of duals that are not unique, and the upper objective over all optimal lower solutions (optimistic
and pessimistic).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.auditing.dual_checks import StaleDual, duals_beyond_bounds, stale_duals, wrong_signs
from pyomo_dlmp.auditing.findings import Audit, LowerAudit
from pyomo_dlmp.auditing.lower_checks import audit_lower, broken_fixed_rows, same_answer
from pyomo_dlmp.auditing.optimistic_range import Unknown, upper_range
from pyomo_dlmp.auditing.statements import broken_statements
from pyomo_dlmp.auditing.upper_checks import (
    broken_rows,
    off_whole_numbers,
    outside_bounds,
    upper_rows,
    upper_vars,
)
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.bilevel.values import VarsOf
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.point import point_of
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.tolerances import MULTIPLIER
from pyomo_dlmp.transform.record import SingleLevel, single_level_data

_SHOWN = 3  # dual Vars named in notes


@dataclass
class Upper:
    """What an upper level consists of.

    Attributes
    ----------
    rows, decided, seen
        `upper_rows`; `upper_vars`; VarData in the upper objective.
    """

    rows: list
    decided: list
    seen: list


def audit(model: Any, intervals: bool = True, time_limit: float | None = None) -> Audit:
    """Check the values on a bilevel model: Vars, and duals in each LowerLevel's `dual` Suffix.

    Without loaded duals those of the re-solve are used (of the lower levels only the primal side is
    then checked).

    Parameters
    ----------
    model
        ConcreteModel with LowerLevel blocks, transformed by ``dlmp.single_level`` or not.
    intervals
        Whether ranges of duals that are not unique, and the optimistic and pessimistic values,
        are computed.
    time_limit
        Seconds for the ranges of duals and for the optimistic and pessimistic values; None: until
        about a minute's work for each. What is not known then is None, with a note.

    Returns
    -------
    Audit
        ``.passed``, ``.table()``, ``.failures()``.

    Raises
    ------
    ModelError
        The model has no LowerLevel, or a Var has no value.
    SolverError
        A lower level has no solution at the upper decisions.
    """
    with limits.call(time_limit, more=False):
        limits.enter("judge")
        return _audit(model, intervals)


def _audit(model: Any, intervals: bool) -> Audit:
    levels = lower_levels(model)  # refuses what is not a model
    record = single_level_data(model)
    systems = ([lower.kkt for lower in record.lowers] if record is not None
               else [build_kkt(compile_lower(block)) for block in levels])
    if not systems:
        raise ModelError.at(str(model.name), "has no active LowerLevel, so there is nothing to "
                            "audit", "Add one: m.dso = dlmp.LowerLevel().")
    reports: list[LowerAudit] = []
    stale: list[StaleDual] = []
    solvers = [LowerSolver(kkt) for kkt in systems]
    for kkt, solver in zip(systems, solvers, strict=True):
        x, u, row_duals = point_of(kkt)
        multipliers = None if row_duals is None else kkt.multipliers_from(x, u, row_duals)
        report = audit_lower(kkt, x, u, multipliers, solver=solver, ranges=intervals)
        reports.append(report)
        report.unique_answer = same_answer(x, report.solution.x)
        y, mu = multipliers or (report.solution.y, report.solution.mu)
        stale += stale_duals(report, u, y, mu)
        if row_duals is not None:
            stale += wrong_signs(kkt, row_duals, y, mu)
    found = judge_upper(model, record, reports, solvers, ranges=intervals)
    found.stale_duals = [(dual.name, dual.off) for dual in stale]
    found.notes += [f"{dual.text}: a solve, or solve_opf of its LowerLevel, loads duals"
                    for dual in stale[:_SHOWN]]
    return found


def judge_upper(model: Any, record: SingleLevel | None, lowers: list[LowerAudit],
                solvers: list[LowerSolver], reported: float | None = None,
                ranges: bool = True, upper: Upper | None = None) -> Audit:
    """The audit of a point whose lower levels have been checked.

    Parameters
    ----------
    model
        The bilevel model, with values.
    record
        Of ``dlmp.single_level`` where it was applied.
    lowers, solvers
        Checks and solvers of the lower levels.
    reported
        The upper objective as a search reported it.
    ranges
        Whether the optimistic and pessimistic values are computed.
    upper
        Where the caller has found it; None: it is found here.

    Returns
    -------
    Audit

    Raises
    ------
    ModelError
        A Var in the upper level has no value.
    """
    objective = upper_objective(model) if record is None else record.original
    found = Audit(lowers, reported, pyo.value(objective.expr, exception=False))
    if found.recomputed is None:
        raise ModelError.at(objective.name, "cannot be evaluated: a Var in it has no value",
                            "Solve the model first.")
    found.broken = broken_statements(model) + broken_rows(
        upper_rows(model, record) if upper is None else upper.rows)
    decided: list[Any] = []
    for lower in lowers:
        assert lower.kkt is not None
        decided += lower.kkt.form.u
        found.broken += broken_fixed_rows(lower.kkt, [var.value for var in lower.kkt.form.u])
        found.broken += duals_beyond_bounds(lower.kkt, record)
    variables = (list(upper_vars(model, record, objective, decided)) if upper is None
                 else upper.decided)
    found.outside, found.fractional = outside_bounds(variables), off_whole_numbers(variables)
    if ranges:
        _add_range(found, objective, solvers,
                   VarsOf()(objective) if upper is None else upper.seen)
    return found


def _add_range(found: Audit, objective, solvers: list[LowerSolver], seen: list) -> None:
    """Add the optimistic and pessimistic upper objective, or a note why they are not known."""
    found.notes += [f"{a.name}: the ranges of prices that are not unique are not known: their "
                    "linear programs took too long or too much work"
                    for a in found.lowers if not a.ranges_known]
    found.notes += [note for a in found.lowers for note in _not_unique(a)]
    moving = [bool(a.price_range) or not a.ranges_known for a in found.lowers]
    try:
        assert found.recomputed is not None
        ends, note = upper_range(objective, solvers, moving, (seen, found.recomputed))
    except Unknown as err:  # then nothing tells that the solution is unique
        found.notes.append(str(err))
        return
    if ends is not None:
        found.optimistic, found.pessimistic = ends
    elif not any(moving) and all(a.unique_answer for a in found.lowers):
        found.optimistic = found.pessimistic = found.recomputed
    else:
        found.notes.append(note)


def _not_unique(report: LowerAudit) -> Iterator[str]:
    """A note with the first duals that are not unique, and between which values they may be."""
    ranges = list(report.price_ranges().items())
    if ranges:
        said = ", ".join(f"{name} {_shown(low)} .. {_shown(high)}"
                         for name, (low, high) in ranges[:_SHOWN])
        more = f" and {len(ranges) - _SHOWN} more" if len(ranges) > _SHOWN else ""
        yield f"duals that are not unique: {said}{more}"


def _shown(value: float) -> str:
    """A dual in a note; what is left of rounding is zero."""
    return f"{0.0 if abs(value) < MULTIPLIER else value:.6g}"
