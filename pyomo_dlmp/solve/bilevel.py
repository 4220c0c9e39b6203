"""`solve_bilevel`: from a bilevel Pyomo model to audited values on the user's own Vars."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.auditing.finalize import finalize_result, no_point
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels, upper_data
from pyomo_dlmp.errors import AuditError, BoundError, ModelError, SolverError
from pyomo_dlmp.numerics import memory
from pyomo_dlmp.parametric import NotExplicit
from pyomo_dlmp.parametric.cache import SolveCache
from pyomo_dlmp.parametric.explicit import solve_explicit
from pyomo_dlmp.search.branch_and_bound import search_embedded
from pyomo_dlmp.search.checkpoint import Checkpoint
from pyomo_dlmp.search.clock import Clock, OutOfMemory, Progress
from pyomo_dlmp.search.nlp import solve_local
from pyomo_dlmp.search.presolve import reduce_program
from pyomo_dlmp.search.product_ranges import envelope_error, factor_ranges
from pyomo_dlmp.search.start import first_point, known_point, load_start
from pyomo_dlmp.solve.infeasibility import explain_infeasibility
from pyomo_dlmp.solvers.interfaces import SolverInterface, get_solver, solve_by_pyomo
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, GAP, HIGH_POINT_GAP, ROUNDING, SAME_OBJECTIVE
from pyomo_dlmp.transform.bounds.labels import PairState, Source
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.complementarity import MODES
from pyomo_dlmp.transform.record import SingleLevel, single_level_data, undo_single_level
from pyomo_dlmp.transform.single_level import SingleLevelTransformation

log = logging.getLogger("pyomo_dlmp")
_MOST_BITS = 14
_PRODUCTS = 0.25  # share of the gap that the envelopes of products may take
_MOST_WIDENING = 4


def solve_bilevel(
    model, solver: str = "highs", *, gap: float = GAP, time_limit: float | None = None,
    progress: Progress | None = None, threads: int = 0, start: bool = True,
    mip_options: dict | None = None, explain: bool = True, check_bounds: bool = True,
    periods: bool | None = None, memory_limit: float | None = None,
    checkpoint: str | Path | None = None, reuse: SolveCache | None = None, **transformation,
) -> BilevelResult:
    """Solve a bilevel model and audit the answer.

    model: ConcreteModel with one upper objective and LowerLevel blocks. solver: see
    `solve.routes`. gap: relative. time_limit: seconds for the search (the incumbent, its bound and
    gap are returned, and the status says so). progress(stage, incumbent, bound) is called as it
    advances. explain: say why an infeasible bilevel is infeasible, in `notes`. check_bounds: where
    bounds of multipliers were given by the user (not proved), solve again with ten times their
    value and believe the first answer only if it stays. periods: take the search apart over what
    the upper rows couple (periods) at once (True), never (False), or where branch and bound does
    not end soon (None); HiGHS only. memory_limit: GB that this process may hold; the search then
    ends with its best point and bound, status "memory limit". checkpoint: a JSON file that always
    holds the best upper decisions so far, their objective and the bound (`load_checkpoint`; other
    solvers than HiGHS: the answer only). reuse: a `SolveCache` that the solves of a series share
    (regions only). Further keywords go to
    ``dlmp.single_level`` (complementarity, products, bounds, ...). Values of the solution are
    loaded onto the model's Vars, duals into each LowerLevel's `dual` Suffix and onto `dual_of`
    Vars; the transformation is undone afterwards, so the model stays the user's. A model that was
    transformed by the user stays transformed. Where products stand in a binary expansion that is
    too coarse for the gap, and `bits` is not given, it is refined (5, 8, 11, 14 bits) within the
    time limit.

    Raises ModelError, BoundError, SolverError before the search where it can; AuditError when the
    solution is not a solution of its lower level.
    """
    route = get_solver(solver)
    run = _Run(model, route, Clock(progress), gap, threads, start, mip_options, time_limit, periods,
               checkpoint, reuse)
    with memory.memory_limit(memory_limit):
        try:
            result = _solved(run, solver, explain, check_bounds, transformation)
        except OutOfMemory as err:
            result = BilevelResult(
                Status.MEMORY_LIMIT, None, None, None, route.name, run.clock.stop(), {},
                notes=[f"the process holds {memory.used():.2f} GB, more than the {memory_limit:g} "
                       f"GB allowed, before '{err}': no search was begun"])
    if result.objective is not None:
        run.save_point(lambda: run.upper_names(columns := run.upper_vars())(
            [v.value for v in columns]), result.objective, result.bound, result.status, True)
    return result


def _solved(run: _Run, solver, explain, check_bounds, transformation) -> BilevelResult:
    model, route, clock = run.model, run.route, run.clock
    options = {"capabilities": route.capabilities, **transformation}
    result, why_not = run.by_regions(transformation)
    if result is None:
        options["complementarity"] = _other_than_explicit(transformation)
        result = run.with_finer_products(options)
        result.notes += why_not
    given = transformation.get("bounds")
    if given and check_bounds and run.own and run.user_bounds_used:
        result = run.with_wider_bounds(options, result)
    if result.status == Status.INFEASIBLE and explain and run.own:
        clock.stage("why infeasible")
        result.notes += why_infeasible(model, solver, run.left())
        clock.stop()
    return result


def why_infeasible(model, solver: str = "highs", time_limit: float | None = None) -> list[str]:
    """Sentences that say why a bilevel model is infeasible; empty where nothing was found.

    time_limit: seconds (60 without one) for the question which upper rows are in the way. The
    model is not changed.
    """
    return explain_infeasibility(model, lambda copy: solve_bilevel(
        copy, solver, gap=HIGH_POINT_GAP, time_limit=time_limit or 60.0, explain=False))


class _Run:
    """One call of `solve_bilevel`: what does not change from attempt to attempt."""

    def __init__(self, model, route, clock, gap, threads, start, mip_options, time_limit, periods,
                 checkpoint, reuse):
        self.reuse = reuse
        self.checkpoint = None if checkpoint is None else Checkpoint(checkpoint)
        self.model, self.route, self.clock, self.gap = model, route, clock, gap
        self.threads, self.start, self.mip_options = threads, start, mip_options
        self.deadline = None if time_limit is None else time.monotonic() + time_limit
        self.own = single_level_data(model) is None
        self.user_bounds_used = self.started = False
        self.ranges: dict | None = None  # proved ranges of products, once they were looked for
        self.bits = 5
        self.periods = periods

    def left(self) -> float | None:
        """Seconds until the deadline, None without one."""
        return None if self.deadline is None else max(0.1, self.deadline - time.monotonic())

    def save_point(self, decisions, objective, bound, status=Status.SEARCHING, final=False) -> None:
        """Write a point to the checkpoint, if there is one; see `Checkpoint.keep`."""
        if self.checkpoint is not None:
            self.checkpoint.keep(decisions, objective, bound, status, final)

    def upper_vars(self) -> list:
        """The Vars that the upper level decides."""
        declared = [v for block in lower_levels(self.model) for v in block.declared_upper()]
        return [*upper_data(self.model, pyo.Var), *declared]

    def upper_names(self, columns):
        """A function from values of some columns to {name: value} of the upper Vars among them."""
        if self.checkpoint is None:
            return lambda _: {}
        upper = {id(v) for v in self.upper_vars()}
        names = [(j, v.name) for j, v in enumerate(columns)
                 if id(v) in upper and not v.name.startswith("dlmp_single_level")]
        return lambda values: {name: float(values[j]) for j, name in names
                               if values[j] is not None}

    def by_regions(self, transformation: dict) -> tuple[BilevelResult | None, list[str]]:
        """(result of the explicit mode or None, notes), where it is asked for or may pay.

        It pays where the upper level pays prices and asks for nothing that belongs to another mode.
        """
        mode = transformation.get("complementarity", "auto")
        asked = mode == "explicit"
        if asked and not self.own:
            raise ModelError.at(self.model.name, "is transformed already and cannot be solved "
                                "by critical regions", "Solve the untransformed model.")
        if asked and self.route.factory is not None:
            raise SolverError.at(
                f"solver '{self.route.name}'", "cannot do complementarity='explicit'",
                "The regions' master problem is solved by the embedded HiGHS: solver='highs'.")
        if not asked and (mode != "auto" or set(transformation) - {"complementarity"}
                          or self.periods is True
                          or not self.own or self.route.factory is not None):
            return None, []
        try:
            return solve_explicit(self.model, self, priced=not asked), []
        except NotExplicit as err:
            self.clock.stop()
            log.info("not by critical regions: %s", err)
            said = asked or err.too_large
            return None, [f"not solved by critical regions: {err}"] if said else []

    def with_finer_products(self, options: dict) -> BilevelResult:
        """Attempts with more and more bits, while a coarse expansion is what keeps the gap."""
        options = dict(options)
        best: BilevelResult | None = None
        while True:
            result, relaxed = self.attempt(options)
            best = _better(best, result)
            if not (self.own and relaxed and result.status == Status.GAP_NOT_REACHED):
                return best
            if ("bits" in options and options["bits"] >= _MOST_BITS) or self.left() == 0.1:
                return best
            if options.get("_asked", "bits" in options):
                return best
            options["ranges"] = self.ranges
            options["bits"] = options.get("bits", self.bits) + 3
            options["_asked"] = False
            log.info("gap %s: products are expanded again with %d bits", result.gap,
                     options["bits"])

    def with_wider_bounds(self, options: dict, result: BilevelResult) -> BilevelResult:
        """Solve again with ten times the user's bounds until the answer stays."""
        bounds = dict(options["bounds"])
        for _ in range(_MOST_WIDENING):
            bounds = {key: 10.0 * value for key, value in bounds.items()}
            try:
                wider = self.with_finer_products({**options, "bounds": bounds})
            except AuditError as err:
                wider = err.result
            if _same(result, wider):
                return result
            log.info("bounds given for multipliers were too small: widened tenfold")
            wider.notes.append(
                "bounds given for multipliers were too small and were widened: the answer changed "
                f"from {result.objective} to {wider.objective}")
            result = wider
        raise BoundError.at(
            self.model.name, "the answer changes each time the bounds given for multipliers are "
            f"widened tenfold ({_MOST_WIDENING} times)",
            "Use complementarity='sos1' with a solver that has it, or prove a bound.")

    def attempt(self, options: dict):
        """(result, whether products stand in a relaxation) of one transformation and search."""
        options = {k: v for k, v in options.items() if k != "_asked"}
        known = None
        if self.own and self.start and {"warmstart", "nlp"} & self.route.capabilities and (
                self.route.factory is not None):
            self.clock.stage("first point")
            known = known_point(self.model, lower_levels(self.model))
        self.clock.stage("compile and bounds")
        if self.own:
            self._transform(options)
        record = single_level_data(self.model)
        assert record is not None  # the transformation has just been applied
        if self.own and record.relaxed and self.ranges is None and self.route.factory is None:
            record = self._with_ranges(record, options)
        self.user_bounds_used |= any(
            bool(np.any(lower.bounds.mu_source[lower.bounds.state == PairState.OPEN] == Source.USER))
            for lower in record.lowers)
        try:
            _refuse_modes(record, self.route)
            self._load(record, known)
            result = (search_embedded(self, record) if self.route.factory is None
                      else self._elsewhere(record))
        except AuditError as err:
            if not self._held_by_user(record, err.result):
                raise
            result = err.result
            result.status = Status.GAP_NOT_REACHED
        finally:
            if self.own:
                undo_single_level(self.model)
        return result, record.relaxed

    def _with_ranges(self, record: SingleLevel, options: dict) -> SingleLevel:
        """The transformation once more, with the ranges of its products made tight."""
        self.clock.stage("ranges of products")
        with PauseGC():
            implied = [v for lower in record.lowers for v in lower.implied]
            program = compile_program(self.model, implied)
            small, elimination = reduce_program(program, record.lowers)
        point, low = first_point(record, program, small, elimination, self.left())
        scale = abs(low) if point is None else abs(small.value(point))
        error = _PRODUCTS * self.gap * scale if np.isfinite(scale) and scale else ABSOLUTE_GAP
        self.ranges = factor_ranges(program, record, error, self.left())
        if not self.ranges:
            return record
        missing = envelope_error(record, self.ranges) / error
        self.bits = int(min(_MOST_BITS, max(0, np.ceil(np.log2(max(missing, ROUNDING))))))
        log.info("envelopes may err by %.3g: %d bits", missing * error, self.bits)
        self.clock.stage("compile and bounds")
        undo_single_level(self.model)
        self._transform({"bits": self.bits, **options, "ranges": self.ranges})
        again = single_level_data(self.model)
        assert again is not None
        return again

    def _load(self, record: SingleLevel, known) -> None:
        """Start another solver from a bilevel-feasible point; nothing is lost where that fails."""
        self.started = False
        if known is None:
            return
        try:
            load_start(self.model, record, known[1])
            self.started = True
        except SolverError as err:
            log.info("no start: %s", err)

    def _held_by_user(self, record: SingleLevel, result) -> bool:
        """Whether a bound of the user's stopped a multiplier (it is then widened)."""
        held = {name for lower in result.audit.lowers for name in lower.at_bound}
        return bool(held) and any(
            f"{lower.kkt.form.block.name}.{lower.kkt.label[p]}" in held
            for lower in record.lowers
            for p in np.flatnonzero(lower.bounds.mu_source == Source.USER))

    def _transform(self, options: dict) -> None:
        """Apply; where a bound is missing, once more with the cutoff of a known point."""
        try:
            SingleLevelTransformation().apply_to(self.model, **options)
        except BoundError:
            if "cutoff" in options:
                raise
            known = known_point(self.model, lower_levels(self.model))
            if known is None:
                raise
            log.info("bounds are proved again with the cutoff %g", known[0])
            SingleLevelTransformation().apply_to(self.model, cutoff=known[0], **options)

    def _elsewhere(self, record: SingleLevel) -> BilevelResult:
        self.clock.stage("search")
        if "nlp" in self.route.capabilities:
            answer = solve_local(self.model, record, self.route, self.left(), self.started)
        else:
            answer = solve_by_pyomo(
                self.route, self.model, self.gap, self.left(), self.started)
        size = {"pairs": sum(k.kkt.pairs for k in record.lowers)}
        notes = [answer.note] if answer.note else []
        if answer.objective is None:
            return no_point(
                record, answer.status, answer.bound, self.route, self.clock, size, notes)
        return finalize_result(self.model, record, self.route, self.clock, self.gap, answer.status,
                      answer.bound, answer.objective, size, notes)


def _other_than_explicit(transformation: dict) -> str:
    mode = transformation.get("complementarity", "auto")
    return "auto" if mode == "explicit" else mode


def _why_not(route: SolverInterface, needs) -> str:
    reasons = [f"its probe of {n}: {route.reasons[n]}" for n in sorted(needs) if n in route.reasons]
    return f" ({'; '.join(reasons)})" if reasons else ""


def _better(old: BilevelResult | None, new: BilevelResult) -> BilevelResult:
    """The later attempt, unless it has no point and an earlier one had."""
    return old if old is not None and new.objective is None and old.objective is not None else new


def _same(one: BilevelResult, other: BilevelResult) -> bool:
    if one.objective is None or other.objective is None:
        return one.objective is other.objective and one.status == other.status
    near = SAME_OBJECTIVE * max(1.0, abs(one.objective))
    return abs(one.objective - other.objective) <= near and one.status == other.status


def _refuse_modes(record: SingleLevel, route: SolverInterface) -> None:
    """SolverError for a mode or an objective that the solver cannot take, before the search."""
    where = f"solver '{route.name}'"
    for lower in record.lowers:
        for name in sorted(set(lower.pair_mode) - {""}):
            if not MODES[name].needs & route.capabilities:
                raise SolverError.at(
                    where, f"cannot do complementarity='{name}', which needs "
                    + " or ".join(sorted(MODES[name].needs)) + _why_not(route, MODES[name].needs),
                    "See `pyomo-dlmp solvers` for what each solver can do.")
        if "strong_duality" in lower.pair_mode and lower.kkt.form.Q.nnz and (
                not {"qcp", "nonconvex"} & route.capabilities):
            raise SolverError.at(
                where, f"takes no quadratic rows, and the duality gap of "
                f"'{lower.kkt.form.block.name}' is one (its objective is quadratic)",
                "Use complementarity='bigm' or 'sos1', or a solver with quadratic rows.")
    degree = record.objective.expr.polynomial_degree()
    if degree not in (0, 1) and not {"miqp", "nlp"} & route.capabilities:
        raise SolverError.at(
            where, "takes linear objectives only and this one is quadratic",
            "Use solver='highs' (outer approximation), 'gurobi' or 'scip'.")
    if "nlp" in route.capabilities:
        for var in record.block.model().component_data_objects(pyo.Var, descend_into=pyo.Block):
            if not var.fixed and not var.is_continuous():
                raise SolverError.at(
                    where, f"drops integrality, and '{var.name}' is {var.domain}",
                    "Use a solver with integers, such as 'highs'.")


__all__ = ["BilevelResult", "solve_bilevel"]
