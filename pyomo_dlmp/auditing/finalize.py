"""From a solver's point to an audited result: re-solve, compare, judge, sum up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.auditing.checks import Audit, at_bound, audit_lower, broken_upper_rows
from pyomo_dlmp.auditing.optimistic_range import upper_range
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import upper_data
from pyomo_dlmp.bilevel.values import value_idle_vars
from pyomo_dlmp.errors import AuditError, Fault
from pyomo_dlmp.lower.dual_ranges import price_ranges
from pyomo_dlmp.lower.duals import load_duals, multipliers_from
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolver, kkt_residual
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, ROUNDING, SAME_MONEY, SAME_OBJECTIVE
from pyomo_dlmp.transform.record import SingleLevel


@dataclass
class LowerPoint:
    """A lower level whose values are on its Vars and whose multipliers are here, unbounded."""

    kkt: KktSystem
    solver: LowerSolver
    y: np.ndarray
    mu: np.ndarray
    bounds: None = None

    def multipliers(self) -> tuple[np.ndarray, np.ndarray]:
        """(y, mu), as of a `LowerKkt`."""
        return self.y, self.mu


def no_point(record: SingleLevel, status, bound, route, clock, size, notes=()) -> BilevelResult:
    """The result of a search without a point. What a grid cannot do, the bilevel may still do."""
    notes = list(notes)
    if record.restricted:
        bound = None
        notes.append("upper Vars were held to a grid, so nothing is known of points off it")
        if status in (Status.INFEASIBLE, Status.INFEASIBLE_OR_UNBOUNDED):
            status = Status.GAP_NOT_REACHED
    return BilevelResult(status, None, bound, None, route.name, clock.stop(), size, notes=notes)


def finalize_result(model, record: SingleLevel, route, clock, gap, status, bound, reported, size,
                    notes=()):
    """Replace the lower level's values by its own re-solve, audit, and sum up.

    Raises AuditError, with the result on it, for a point that is none of the bilevel.
    """
    clock.stage("audit")
    value_idle_vars(record.original, upper_data(model, pyo.Constraint),
                    (v for lower in record.lowers for v in lower.kkt.form.idle))
    _round_integers(model, record)
    result = BilevelResult(
        status, reported, bound, None, route.name, clock.times, size, notes=list(notes))
    audits = [_finalize_lower(lower, record, result) for lower in record.lowers]
    objective = pyo.value(record.original.expr)
    loose = record.relaxed or not record.exact
    broken = broken_upper_rows(model, record)
    result.audit = Audit(audits, objective if loose else reported, objective, broken)
    result.objective = objective
    _pessimism(model, record, result)
    for name in record.unproved_prices:
        result.notes.append(
            f"{name}: its prices have no proved bound. Where its feasible set loses its interior a "
            "price may be without limit, and a solver need not find such a point; bounds={...} or "
            "soft limits exclude it")
    if broken and loose:
        result.objective = None
        result.status = Status.GAP_NOT_REACHED if status == Status.OPTIMAL else status
        result.notes.append(
            "the relaxation's point breaks upper rows once the lower level is exact: "
            + ", ".join(f"{name} by {value:.3g}" for name, value in broken[:3]))
    elif not result.audit.passed:
        raise _failure(record, result)
    _close_gap(record, result, gap)
    clock.stop()
    return result


def _round_integers(model, record: SingleLevel) -> None:
    """Integer Vars at whole numbers: the lower levels are judged there, not a rounding away."""
    decided = (v for lower in record.lowers for v in lower.kkt.form.u)
    for var in chain(upper_data(model, pyo.Var), decided):
        if var.value is not None and not var.fixed and not var.is_continuous():
            var.set_value(float(round(var.value)), skip_validation=True)


def _close_gap(record: SingleLevel, result: BilevelResult, gap: float) -> None:
    """Gap of the settled objective against the bound; an optimum beyond it is none."""
    sense = 1 if record.original.sense == pyo.minimize else -1
    if record.restricted:
        result.bound = None
        result.notes.append("upper Vars were held to a grid, so no bound of the bilevel is known")
    if result.bound is None or result.objective is None:
        if result.status == Status.OPTIMAL:
            result.status = Status.GAP_NOT_REACHED
            result.notes.append("no bound is known")
        return
    # a point better than the bound by rounding only proves the point
    short = max(0.0, sense * (result.objective - result.bound))
    result.gap = short / max(abs(result.objective), ROUNDING)
    within = short <= 2 * ABSOLUTE_GAP
    if result.status == Status.TIME_LIMIT and (result.gap <= gap or within):
        result.status = Status.OPTIMAL  # reached, though the search would have gone on
    if result.status == Status.OPTIMAL and result.gap > 1.001 * max(gap, ROUNDING) and not within:
        result.status = Status.GAP_NOT_REACHED
        result.notes.append(
            f"the gap is {result.gap:.3g} against the {gap:.3g} asked for"
            + (": the products stand in a relaxation, raise `bits`" if record.relaxed else ""))


def _failure(record: SingleLevel, result: BilevelResult) -> AuditError:
    assert result.audit is not None
    failed = result.audit.table().query("not passed")
    what = "; ".join(f"{r.check} {r.value:.3g} (limit {r.limit:g})" for r in failed.itertuples())
    held = [name for lower in result.audit.lowers for name in lower.at_bound]
    if held:
        what += f" at {held[0]}" + (f" and {len(held) - 1} more" if len(held) > 1 else "")
    error = AuditError(Fault(
        record.original.name, f"the solution fails its audit: {what}",
        "Inspect error.result; tighten bounds or tolerances."))
    error.result = result
    return error


def _pessimism(model, record: SingleLevel, result: BilevelResult) -> None:
    """Best and worst upper objective over the lower levels' answers at these upper decisions."""
    assert result.audit is not None
    unique = all(not a.price_range and a.unique_answer for a in result.audit.lowers)
    if unique:
        result.audit.optimistic = result.audit.pessimistic = result.objective
        return
    ends = upper_range(record.original, [lower.kkt for lower in record.lowers])
    if ends is not None:
        result.audit.optimistic, result.audit.pessimistic = ends


def _finalize_lower(lower, record: SingleLevel, result: BilevelResult):
    """Audit the solver's point, then load the better of it and the exact re-solve.

    Cost gap and complementarity are the solver's own, so that they can fail. The re-solve is exact
    to rounding; it replaces the solver's point unless the upper objective would get worse by more
    than rounding: then the duals (or the primal) are not unique and the solver's, chosen for the
    upper level, stay. The KKT residual is that of the values that are loaded. Where the single
    level only approximates the lower one, the re-solve is loaded and judged.
    """
    kkt, form = lower.kkt, lower.kkt.form
    x = np.array([v.value or 0.0 for v in form.x])
    u = np.array([v.value or 0.0 for v in form.u])
    duals = kkt.row_duals(*lower.multipliers())
    solver = lower.solver if isinstance(lower, LowerPoint) else LowerSolver(kkt)
    report = audit_lower(kkt, x, u, duals, intervals=False, bounds=lower.bounds, solver=solver)
    solution = report.solution
    exact = kkt.row_duals(solution.y, solution.mu)
    if not record.exact:
        _load(form.x, solution.x)
        load_duals(kkt, exact)
        report = audit_lower(kkt, solution.x, u, exact, intervals=False)
        report.price_range = price_ranges(solution.x, u, solver)
        return report
    load_duals(kkt, duals)
    before = pyo.value(record.original.expr)
    _load(form.x, solution.x)
    load_duals(kkt, exact)
    after = pyo.value(record.original.expr)
    sense = 1 if record.original.sense == pyo.minimize else -1
    broken = bool(broken_upper_rows(form.block.model(), record))
    if broken or sense * (after - before) > SAME_MONEY * max(1.0, abs(before)):
        result.notes.append(
            f"{form.block.name}: the lower level's answer is not unique; the one that is best for "
            "the upper level is reported (optimistic)")
        _load(form.x, x)
        load_duals(kkt, duals)
        report.price_range = price_ranges(x, u, solver)
        report.unique_answer = False
    else:
        y, mu = multipliers_from(kkt, solution.x, u, exact)
        report.residual = kkt_residual(kkt, solution.x, u, y, mu)
        if lower.bounds is not None:
            report.at_bound += at_bound(kkt, lower.bounds, mu, kkt.slack(solution.x, u))
        report.price_range = price_ranges(solution.x, u, solver)
        report.unique_answer = bool(
            np.abs(solution.x - x).max(initial=0.0)
            <= SAME_OBJECTIVE * (1 + np.abs(x).max(initial=0.0)))
    return report


def _load(variables, values) -> None:
    for var, value in zip(variables, values, strict=True):
        var.set_value(float(value), skip_validation=True)
