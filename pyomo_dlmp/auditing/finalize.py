"""From a solver's point to an audited result: re-solve, compare, check, sum up."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.auditing.dual_checks import duals_beyond_bounds
from pyomo_dlmp.auditing.findings import LowerAudit
from pyomo_dlmp.auditing.judge import Upper, judge_upper
from pyomo_dlmp.auditing.lower_checks import add_price_ranges, at_bound, audit_lower, same_answer
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.auditing.upper_checks import broken_rows, upper_rows, upper_vars
from pyomo_dlmp.bilevel import upper_data
from pyomo_dlmp.bilevel.values import VarsOf, load_values, value_idle_vars
from pyomo_dlmp.errors import AuditError, Fault
from pyomo_dlmp.lower.form import LowerForm
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolver, kkt_residual
from pyomo_dlmp.numerics import limits, memory
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, ROUNDING, SAME_MONEY
from pyomo_dlmp.transform.record import SingleLevel


@dataclass
class Claim:
    """What a search reports; the point itself is on the model's Vars.

    Attributes
    ----------
    status
        A `Status`, or the solver's own text.
    objective, bound
        In the user's sense; None where there is none.
    size
        Numbers of rows, columns, binaries, pairs.
    notes
        Sentences for the result.
    """

    status: str
    objective: float | None = None
    bound: float | None = None
    size: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class LowerPoint:
    """A lower level's point: multipliers, and values that are on its Vars or stored here.

    Attributes
    ----------
    kkt, solver
        The lower level and its solver.
    y, mu
        Duals of equality rows and multipliers of pairs, shapes (e,) and (pairs,).
    x
        Values of its own Vars where these are not on them yet, shape (n,); None: they are.
    bounds
        None: no bounds of multipliers were assumed.
    """

    kkt: KktSystem
    solver: LowerSolver
    y: np.ndarray
    mu: np.ndarray
    x: np.ndarray | None = None
    bounds: None = None

    def multipliers(self) -> tuple[np.ndarray, np.ndarray]:
        """(y, mu), as of a `LowerKkt`."""
        return self.y, self.mu


def no_point(record: SingleLevel, claim: Claim, solver: str, clock: Any) -> BilevelResult:
    """The result of a search without a point.

    Infeasibility of a grid restriction says nothing about the bilevel problem.

    Parameters
    ----------
    record
        What `dlmp.single_level` did.
    claim
        What the search reports.
    solver
        Its name.
    clock
        Of the solve (`search.clock.Clock`); it is stopped.

    Returns
    -------
    BilevelResult
    """
    status, bound, notes = claim.status, claim.bound, list(claim.notes)
    if status in (Status.TIME_LIMIT, Status.MEMORY_LIMIT):
        notes.append(f"the {status} was passed before a point was known")
    if record.restricted:
        bound = None
        notes.append("upper Vars were restricted to a grid, so nothing is known of points off it")
        if status in (Status.INFEASIBLE, Status.INFEASIBLE_OR_UNBOUNDED):
            status = Status.GAP_NOT_REACHED
    return BilevelResult(status, None, bound, None, solver, clock.stop(), claim.size, notes=notes)


def ended_before_a_point(status: str, solver: str, clock: Any) -> BilevelResult:
    """The result of a call that a limit ended before a search had begun.

    Parameters
    ----------
    status
        The limit.
    solver
        Its name.
    clock
        Of the solve (`search.clock.Clock`); it is stopped.

    Returns
    -------
    BilevelResult
    """
    held = f": the process holds {memory.used():.2f} GB" if status == Status.MEMORY_LIMIT else ""
    return BilevelResult(
        status, None, None, None, solver, clock.stop(), {}, notes=[
            f"the {status} was passed in '{clock.last}', before a point was known{held}"])


def carries_on(result: BilevelResult, error: BaseException) -> bool:
    """Whether an earlier result is returned in spite of an error that ended the call.

    Parameters
    ----------
    result
        With a point or not; its status becomes that of the error.
    error
        `Stopped` or KeyboardInterrupt.

    Returns
    -------
    bool
    """
    status = limits.why(error)
    if status is None or result.objective is None:
        return False
    result.status = status
    return True


def finalize_result(model: Any, record: SingleLevel, claim: Claim, solver: str, clock: Any,
                    gap: float) -> BilevelResult:
    """Replace the lower levels' values by their own re-solve, audit, and sum up.

    Parameters
    ----------
    model
        The bilevel model with the point on its Vars.
    record
        What `dlmp.single_level` did (or a record that names the lower levels' points).
    claim
        What the search reports of the point.
    solver
        Its name.
    clock
        Of the solve (`search.clock.Clock`); it is stopped.
    gap
        Relative gap that was asked for.

    Returns
    -------
    BilevelResult

    Raises
    ------
    AuditError
        The point is not a solution of the bilevel problem; the error's `result` holds it.
    """
    clock.stage("audit")
    vars_of, rows = VarsOf(), upper_rows(model, record)
    value_idle_vars(chain([record.original], upper_data(model, pyo.Constraint)),
                    (v for lower in record.lowers for v in chain(
                        lower.kkt.form.idle, lower.kkt.form.block.declared_upper())), vars_of)
    used = (v for lower in record.lowers for v in lower.kkt.form.u)
    decided = list(upper_vars(model, record, record.original, used, rows, vars_of))
    _round_integers(decided)
    result = BilevelResult(claim.status, claim.objective, claim.bound, None, solver, clock.times,
                           claim.size, notes=list(claim.notes))
    points = [_own_point(lower) for lower in record.lowers]
    as_found = _as_found(record, points, vars_of(record.original))
    judged, value = [], as_found
    for lower, point in zip(record.lowers, points, strict=True):
        report, solver_of, value = _finalize_lower(lower, point, record, rows, result, value)
        judged.append((report, solver_of))
    loose = record.relaxed or not record.exact
    result.audit = judge_upper(
        model, record, [report for report, _ in judged], [s for _, s in judged],
        None if loose else claim.objective,
        upper=Upper(rows, decided, vars_of(record.original)))
    result.audit.as_found = as_found
    result.objective = result.audit.recomputed
    result.notes += [*result.audit.notes, *map(_unproved, record.unproved_prices)]
    broken = result.audit.broken
    if not broken:
        result.audit.beyond_bound = _beyond_bound(record, result)
    if broken and loose:
        result.objective = None
        result.status = Status.GAP_NOT_REACHED if claim.status == Status.OPTIMAL else claim.status
        result.notes.append(
            "the relaxation's point breaks upper rows once the lower level is exact: "
            + ", ".join(f"{name} by {value:.3g}" for name, value in broken[:3]))
    elif not result.audit.passed:
        raise _failure(record, result)
    _close_gap(record, result, gap)
    if limits.pressed():  # whatever is known: who pressed Ctrl-C must see it
        result.status = Status.INTERRUPTED
    clock.stop()
    return result


def _unproved(name: str) -> str:
    return (f"{name}: its prices have no proved bound. Where its feasible set has no interior a "
            "price may be unbounded, and a solver need not find such a point; bounds={...} or soft "
            "limits exclude it")


def _round_integers(decided: list) -> None:
    """Round integer Vars to whole numbers, so that the lower levels are checked exactly there."""
    for var in decided:
        if var.value is not None and not var.fixed and not var.is_continuous():
            var.set_value(float(round(var.value)), skip_validation=True)


def _as_found(record: SingleLevel, points: list[tuple], seen: list) -> float | None:
    """Upper objective at the search's own answers and duals, which are loaded for it.

    A search that stops early may hold duals that are not the best for the upper level; its
    objective is right for them.
    """
    if not record.exact:
        return None
    for lower, (x, _, y, mu) in zip(record.lowers, points, strict=True):
        lower.kkt.duals.load_asked(y, mu)
        if getattr(lower, "x", None) is not None:
            _load_some(seen, lower.kkt.form, x)
    return pyo.value(record.original.expr, exception=False)


def _load_some(seen: list, form: LowerForm, x: np.ndarray) -> None:
    """Load the values of a lower level's own Vars that are among those seen."""
    places = [(var, j) for var in seen if (j := form.column_number.get(var)) is not None]
    load_values([var for var, _ in places], [x[j] for _, j in places])


def _own_point(lower):
    """(x, u, y, mu) of a lower level as the search has found them."""
    x = getattr(lower, "x", None)
    if x is None:
        x = np.array([v.value or 0.0 for v in lower.kkt.form.x])
    u = np.array([v.value or 0.0 for v in lower.kkt.form.u])
    return x, u, *lower.kkt.multipliers_from(x, u, lower.kkt.row_duals(*lower.multipliers()))


def _beyond_bound(record: SingleLevel, result: BilevelResult) -> float:
    """How far the settled objective is better than the bound, relative to max(1, |bound|)."""
    if result.bound is None or result.objective is None or record.restricted:
        return 0.0
    sense = 1 if record.original.sense == pyo.minimize else -1
    return max(0.0, sense * (result.bound - result.objective)) / max(1.0, abs(result.bound))


def _close_gap(record: SingleLevel, result: BilevelResult, gap: float) -> None:
    """Gap of the final objective to the bound; the status "optimal" needs it to be closed."""
    sense = 1 if record.original.sense == pyo.minimize else -1
    if record.restricted:
        result.bound = None
        result.notes.append(
            "upper Vars were restricted to a grid, so no bound of the bilevel problem is known")
    if result.bound is None or result.objective is None:
        if result.status == Status.OPTIMAL:
            result.status = Status.GAP_NOT_REACHED
            result.notes.append("no bound is known")
        return
    # a point that is better than the bound by rounding is proved optimal by it
    short = max(0.0, sense * (result.objective - result.bound))
    result.gap = short / max(abs(result.objective), ROUNDING)
    within = short <= 2 * ABSOLUTE_GAP
    if result.status == Status.TIME_LIMIT and (result.gap <= gap or within):
        result.status = Status.OPTIMAL  # reached, although the search had not stopped by itself
    if result.status == Status.OPTIMAL and result.gap > 1.001 * max(gap, ROUNDING) and not within:
        result.status = Status.GAP_NOT_REACHED
        result.notes.append(
            f"the gap is {result.gap:.3g} against the {gap:.3g} asked for"
            + (": the products stand in a relaxation, raise `bits` or `segments`"
               if record.relaxed else ""))


def _failure(record: SingleLevel, result: BilevelResult) -> AuditError:
    assert result.audit is not None
    error = AuditError(Fault(
        record.original.name, f"the solution fails its audit: {result.audit.failures()}",
        "Inspect error.result; tighten bounds or tolerances."))
    error.result = result
    return error


def _finalize_lower(lower, point: tuple, record: SingleLevel, rows: list, result: BilevelResult,
                    before: float | None) -> tuple[LowerAudit, LowerSolver, float | None]:
    """(its audit, its solver, the upper objective with it), from that with the solver's point.

    Audit the solver's point, then load the better of it and the exact re-solve.

    Cost gap and complementarity are the solver's own, so that they can fail. The re-solve is exact
    to rounding; it replaces the solver's point unless the upper objective would get worse by more
    than rounding: then the duals (or the primal) are not unique and the solver's, chosen for the
    upper level, stay. The KKT residual is that of the values that are loaded. Where the single
    level only approximates the lower one, the re-solve is loaded and checked.
    """
    kkt, form = lower.kkt, lower.kkt.form
    x, u, y, mu = point
    solver = lower.solver if isinstance(lower, LowerPoint) else LowerSolver(kkt)
    report = audit_lower(kkt, x, u, (y, mu), lower.bounds, solver, ranges=False)
    solution = report.solution
    if not record.exact:
        solution.load()
        return audit_lower(
            kkt, solution.x, u, (solution.y, solution.mu), solver=solver), solver, None
    if before is None:
        before = pyo.value(record.original.expr)  # which says what has no value
    solution.load()
    after = pyo.value(record.original.expr)
    sense = 1 if record.original.sense == pyo.minimize else -1
    beyond = broken_rows(rows) or duals_beyond_bounds(kkt, record)
    if beyond or sense * (after - before) > SAME_MONEY * max(1.0, abs(before)):
        result.notes.append(
            f"{form.block.name}: the lower level's solution is not unique; the best one for the "
            "upper level is reported (optimistic)")
        load_values(form.x, x)
        kkt.duals.load(y, mu)
        add_price_ranges(report, x, u, solver)
        report.unique_answer = False
        return report, solver, before
    report.residual = kkt_residual(kkt, solution.x, u, solution.y, solution.mu)
    if lower.bounds is not None:
        report.at_bound += at_bound(
            kkt, lower.bounds, solution.mu, kkt.slack(solution.x, u))
    add_price_ranges(report, solution.x, u, solver)
    report.unique_answer = same_answer(x, solution.x)
    return report, solver, after
