"""`solve_bilevel`: from a bilevel Pyomo model to audited values on the user's own Vars."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.errors import AuditError, Fault, SolverError
from pyomo_dlmp.solve.audit import (
    Audit,
    at_bound,
    audit_lower,
    load_duals,
    multipliers_from,
    price_ranges,
)
from pyomo_dlmp.solve.lower import LowerSolver, kkt_residual
from pyomo_dlmp.solve.outer import solve_outer
from pyomo_dlmp.solve.program import Program, compile_program
from pyomo_dlmp.solve.reduce import reduce_program
from pyomo_dlmp.solve.routes import Route, route_to, solve_by_pyomo
from pyomo_dlmp.transform.single_level import (
    SingleLevel,
    SingleLevelTransformation,
    single_level_data,
    undo_single_level,
)

log = logging.getLogger("pyomo_dlmp")
Progress = Callable[[str, float | None, float | None], None]
_MOST_BITS = 14
_FIRST_SECONDS = 5.0


@dataclass
class BilevelResult:
    """What `solve_bilevel` returns. Money in the model's unit.

    `status`: optimal | time limit | interrupted | infeasible | unbounded | gap not reached;
    `objective`: the user's upper objective at the loaded point (None without one); `bound`: proven
    bound of the bilevel optimum; `gap`: relative; `times`: seconds by stage; `size`: rows, columns,
    binaries of the single level as written, after elimination, and pairs before and after bounds;
    `audit`: None when no point was found.
    """

    status: str
    objective: float | None
    bound: float | None
    gap: float | None
    solver: str
    times: dict[str, float]
    size: dict[str, int]
    audit: Audit | None = None
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        value = "none" if self.objective is None else f"{self.objective:.6g}"
        gap = "unknown" if self.gap is None else f"{100 * self.gap:.3g} %"
        return (f"{self.status}: objective {value}, bound {self.bound}, gap {gap}, "
                f"{sum(self.times.values()):.1f} s on {self.solver}")


def solve_bilevel(
    model, solver: str = "highs", *, gap: float = 1e-4, time_limit: float | None = None,
    progress: Progress | None = None, threads: int = 0, start: bool = True,
    mip_options: dict | None = None, **transformation,
) -> BilevelResult:
    """Solve a bilevel model and audit the answer.

    model: ConcreteModel with one upper objective and LowerLevel blocks. solver: see
    `solve.routes`. gap: relative. time_limit: seconds for the search (the incumbent, its bound and
    gap are returned, and the status says so). progress(stage, incumbent, bound) is called as it
    advances. Further keywords go to ``dlmp.single_level`` (complementarity, products, bounds, ...).
    Values of the solution are loaded onto the model's Vars, duals into each LowerLevel's `dual`
    Suffix and onto `dual_of` Vars; the transformation is undone afterwards, so the model stays the
    user's. A model that was transformed by the user stays transformed. Where products stand in a
    binary expansion that is too coarse for the gap, and `bits` is not given, it is refined (5, 8,
    11, 14 bits) within the time limit.

    Raises ModelError, BoundError, SolverError before the search where it can; AuditError when the
    solution is not a solution of its lower level.
    """
    clock = _Clock(progress)
    route = route_to(solver)
    deadline = None if time_limit is None else time.monotonic() + time_limit
    options = {"capabilities": route.capabilities, **transformation}
    while True:
        clock.stage("compile and bounds")
        own = single_level_data(model) is None
        if own:
            SingleLevelTransformation().apply_to(model, **options)
        data = single_level_data(model)
        assert data is not None  # the transformation has just been applied
        left = None if deadline is None else max(0.1, deadline - time.monotonic())
        try:
            if route.factory is None:
                result = _solve_embedded(
                    model, data, route, clock, gap, left, threads, start, mip_options)
            else:
                result = _solve_elsewhere(model, data, route, clock, gap, left)
        finally:
            if own:
                undo_single_level(model)
        coarse = own and data.relaxed and result.status == "gap not reached"
        if not coarse or "bits" in transformation or options.get("bits", 5) >= _MOST_BITS:
            return result
        options["bits"] = options.get("bits", 5) + 3
        log.info("gap %.3g: products are expanded again with %d bits", result.gap, options["bits"])


class _Clock:
    """Seconds by stage, and the progress call."""

    def __init__(self, progress: Progress | None):
        self.progress = progress or (lambda *_: None)
        self.times: dict[str, float] = {}
        self._stage, self._since = "", time.monotonic()

    def stage(self, name: str) -> None:
        self.stop()
        self._stage, self._since = name, time.monotonic()
        if name:
            self.progress(name, None, None)

    def stop(self) -> dict[str, float]:
        if self._stage:
            spent = time.monotonic() - self._since
            self.times[self._stage] = self.times.get(self._stage, 0.0) + spent
        self._stage, self._since = "", time.monotonic()
        return self.times


def _solve_embedded(model, data, route, clock, gap, time_limit, threads, start, mip_options):
    clock.stage("reduce")
    with PauseGC():
        implied = [v for lower in data.lowers for v in lower.implied]
        program = compile_program(model, implied)
        small, elimination = reduce_program(program, data.lowers)
    size = _size(data, program, small)
    clock.stage("first point")
    first, relaxed = None, -np.inf
    if start:
        first, relaxed = first_point(model, data, program, small, elimination, time_limit)
    sign = program.sign
    clock.stage("search")

    def tell(stage, incumbent, bound):
        clock.progress(stage, sign * incumbent, sign * bound)

    outcome = solve_outer(small, gap, time_limit, first, tell, threads, mip_options)
    size["rounds"] = outcome.rounds
    best = max(outcome.bound, min(relaxed, outcome.objective))
    bound = sign * best if np.isfinite(best) else None
    if outcome.z is None:
        return _no_point(data, outcome.status, bound, route, clock, size)
    values = elimination.lift(outcome.z)
    values[program.integer] = np.round(values[program.integer])
    for var, value in zip(program.columns, values, strict=True):
        var.set_value(float(value), skip_validation=True)
    return _finish(data, route, clock, gap, outcome.status, bound, sign * outcome.objective, size)


def _solve_elsewhere(model, data: SingleLevel, route: Route, clock, gap, time_limit):
    degree = data.objective.expr.polynomial_degree()
    if degree not in (0, 1) and "miqp" not in route.capabilities:
        raise SolverError.at(
            f"solver '{route.name}'", "takes linear objectives only and this payment is quadratic",
            "Use solver='highs' (outer approximation), 'gurobi' or 'scip'.")
    clock.stage("search")
    answer = solve_by_pyomo(route, model, gap, time_limit)
    size = {"pairs": sum(k.kkt.pairs for k in data.lowers)}
    notes = [answer.note] if answer.note else []
    if answer.objective is None:
        return _no_point(data, answer.status, answer.bound, route, clock, size, notes)
    return _finish(data, route, clock, gap, answer.status, answer.bound, answer.objective, size,
                   notes)


def _size(data: SingleLevel, program: Program, small: Program) -> dict[str, int]:
    states = [s for lower in data.lowers for s in lower.bounds.state]
    return {
        "rows": len(program.rows), "columns": len(program.columns),
        "binaries": int(program.integer.sum()),
        "reduced rows": len(small.rows), "reduced columns": len(small.columns),
        "pairs": len(states), "pairs after bounds": sum(s == "open" for s in states),
    }


def _no_point(data: SingleLevel, status, bound, route, clock, size, notes=()) -> BilevelResult:
    """The result of a search without a point. What a grid cannot do, the bilevel may still do."""
    notes = list(notes)
    if data.restricted:
        bound = None
        notes.append("upper Vars were held to a grid, so nothing is known of points off it")
        if status in ("infeasible", "infeasible or unbounded"):
            status = "gap not reached"
    return BilevelResult(status, None, bound, None, route.name, clock.stop(), size, notes=notes)


def _finish(data: SingleLevel, route, clock, gap, status, bound, reported, size, notes=()):
    """Replace the lower level's values by its own re-solve, audit, and sum up."""
    clock.stage("audit")
    _value_idle_vars(data)
    result = BilevelResult(
        status, reported, bound, None, route.name, clock.times, size, notes=list(notes))
    audits = []
    for lower in data.lowers:
        audits.append(_settle(lower, data, result))
    objective = pyo.value(data.original.expr)
    result.audit = Audit(audits, reported if not data.relaxed else objective, objective)
    result.objective = objective
    sense = 1 if data.original.sense == pyo.minimize else -1
    if data.restricted:
        bound = result.bound = None
        result.notes.append("upper Vars were held to a grid, so no bound of the bilevel is known")
    if bound is not None:
        # a point better than the bound by rounding only proves the point
        result.gap = max(0.0, sense * (objective - bound)) / max(abs(objective), 1e-9)
        if status == "optimal" and result.gap > 2 * max(gap, 1e-9) + 1e-6:
            result.status = "gap not reached"
            result.notes.append(
                f"the gap is {result.gap:.3g} against the {gap:.3g} asked for"
                + (": the products stand in a relaxation, raise `bits`" if data.relaxed else ""))
    clock.stop()
    if not result.audit.passed:
        failed = result.audit.table().query("not passed")
        error = AuditError(Fault(
            data.original.name, "the solution fails its audit: " + "; ".join(
                f"{r.check} {r.value:.3g} (limit {r.limit:g})" for r in failed.itertuples()),
            "Inspect error.result; tighten bounds or tolerances."))
        error.result = result
        raise error
    return result


def _value_idle_vars(data: SingleLevel) -> None:
    """Vars that no solver saw (their terms cancelled) get a value within their bounds."""
    for var in identify_variables(data.original.expr, include_fixed=False):
        if var.value is None:
            near = 0.0 if var.lb is None else max(0.0, var.lb)
            var.set_value(near if var.ub is None else min(near, var.ub))


def _settle(lower, data: SingleLevel, result: BilevelResult):
    """Audit the solver's point, then load the better of it and the exact re-solve.

    Cost gap and complementarity are the solver's own, so that they can fail. The re-solve is exact
    to rounding; it replaces the solver's point unless the upper objective would get worse by more
    than rounding: then the duals (or the primal) are not unique and the solver's, chosen for the
    upper level, stay. The KKT residual is that of the values that are loaded.
    """
    kkt, form = lower.kkt, lower.kkt.form
    x = np.array([v.value or 0.0 for v in form.x])
    u = np.array([v.value or 0.0 for v in form.u])
    duals = kkt.row_duals(
        np.array([v.value or 0.0 for v in lower.y]),
        np.array([0.0 if v is None else v.value or 0.0 for v in lower.mu]))
    report = audit_lower(kkt, x, u, duals, intervals=False, bounds=lower.bounds)
    load_duals(kkt, duals)
    before = pyo.value(data.original.expr)
    exact = kkt.row_duals(report.solution.y, report.solution.mu)
    _load(form.x, report.solution.x)
    load_duals(kkt, exact)
    after = pyo.value(data.original.expr)
    sense = 1 if data.original.sense == pyo.minimize else -1
    if sense * (after - before) > 1e-6 * max(1.0, abs(before)):
        result.notes.append(
            f"{form.block.name}: the lower level's answer is not unique; the one that is best for "
            "the upper level is reported (optimistic)")
        _load(form.x, x)
        load_duals(kkt, duals)
        report.price_range = price_ranges(kkt, x, u)
    else:
        solution = report.solution
        y, mu = multipliers_from(kkt, solution.x, u, exact)
        report.residual = kkt_residual(kkt, solution.x, u, y, mu)
        report.at_bound += at_bound(kkt, lower.bounds, mu, kkt.slack(solution.x, u))
        report.price_range = price_ranges(kkt, solution.x, u)
    return report


def _load(variables, values) -> None:
    for var, value in zip(variables, values, strict=True):
        var.set_value(float(value), skip_validation=True)


def first_point(model, data: SingleLevel, program, small, elimination, time_limit):
    """(bilevel-feasible point of the reduced program or None, bound of its relaxation).

    The relaxation without integrality suggests upper decisions; the lower levels are solved there,
    and the point is kept if all rows of the single level hold.
    """
    relaxed = Program(**{**small.__dict__, "integer": np.zeros(len(small.columns), bool)})
    # a search without any incumbent is worth nothing: at least some seconds are spent here
    limit = None if time_limit is None else max(0.2 * time_limit, _FIRST_SECONDS)
    outcome = solve_outer(relaxed, 1e-2, limit)
    if outcome.z is None:
        return None, outcome.bound
    z = elimination.lift(outcome.z)
    z[program.integer] = np.round(z[program.integer])
    place = {id(var): j for j, var in enumerate(program.columns)}
    for lower in data.lowers:
        try:
            _complete(lower, z, place)
        except SolverError as err:
            log.info("first point: %s", err)
            return None, outcome.bound
    kept = z[elimination.kept]
    activity = small.A @ kept
    scale = 1e-6 * (1 + np.abs(activity))
    ok = ((activity >= small.lo - scale) & (activity <= small.hi + scale)).all()
    inside = ((kept >= small.lb - 1e-7) & (kept <= small.ub + 1e-7)).all()
    return kept if ok and inside else None, outcome.bound


def _complete(lower, z: np.ndarray, place: dict[int, int]) -> None:
    """Fill the lower level's solution at z's upper decisions into z."""
    kkt, form = lower.kkt, lower.kkt.form
    u = np.array([z[place[id(v)]] if id(v) in place else (v.value or 0.0) for v in form.u])
    solution = LowerSolver(kkt).solve(u)
    values = {id(v): value for v, value in zip(form.x, solution.x, strict=True)}
    y, mu = multipliers_from(kkt, solution.x, u, kkt.row_duals(solution.y, solution.mu))
    values.update({id(v): value for v, value in zip(lower.y, y, strict=True)})
    slack = kkt.slack(solution.x, u)
    active = lower.block.component("active_side")
    slack_of = lower.block.component("slack_of")
    for p, var in enumerate(lower.mu):
        if var is None:
            continue
        values[id(var)] = mu[p]
        if lower.pair_mode[p] == "bigm":
            on = mu[p] > 1e-9 and slack[p] <= 1e-6 * (1 + abs(kkt.s0[p]))
            values[id(active[kkt.label[p]])] = float(on)
        elif lower.pair_mode[p] == "sos1":
            values[id(slack_of[kkt.label[p]])] = slack[p]
    for key, value in values.items():
        if key in place:
            z[place[key]] = value
    _fill_defined(lower, z, place, kkt.row_duals(y, mu))


def _fill_defined(lower, z, place, row_duals) -> None:
    """Values of the user's dual Vars of inequality rows."""
    form = lower.kkt.form
    number = {id(r): i for i, r in enumerate(form.rows)}
    for component, bound, dual in form.block.dual_vars():
        if bound is None:
            for key, var in dual.items():
                if id(var) in place and id(component[key]) in number:
                    z[place[id(var)]] = row_duals[number[id(component[key])]]


__all__ = ["BilevelResult", "solve_bilevel"]
