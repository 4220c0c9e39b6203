"""`explicit`: the bilevel model over the critical regions of its condensed lower levels.

Steps: compile, condense each period, enumerate its critical regions, write the upper level's cost
on each, and solve one small MILP over the regions. The lower levels are then solved again at the
decisions found, apart from all this, and the point is audited like any other.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from pyomo.common.gc_manager import PauseGC
from pyomo.repn.linear import LinearRepnVisitor
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.auditing.finalize import LowerPoint, finalize_result, no_point
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.boxes import propagate
from pyomo_dlmp.parametric.cache import SolveCache
from pyomo_dlmp.parametric.condensed import NotExplicit
from pyomo_dlmp.parametric.hull import Hull, Linear, build_hull
from pyomo_dlmp.parametric.master import solve_master
from pyomo_dlmp.parametric.region_costs import costs_over_regions, refuse_answers
from pyomo_dlmp.parametric.upper_terms import UpperTerms, assign_terms, read_upper
from pyomo_dlmp.status import Status
from pyomo_dlmp.transform.record import SingleLevel

log = logging.getLogger("pyomo_dlmp")
MOST_DECISIONS = 8  # upper decisions of a part beyond which regions are too many
_FEW = 5  # up to which they are often few
# seconds for regions where nobody asked for them: 1 and so many for a row of the lower level, as
# the KKT form, which serves otherwise, costs the more the more rows there are
_PER_ROW = {"few": 0.001, "many": 0.0005}
MOST_REGIONS = 1000  # of a part
_SECONDS = 60.0  # at most
_SHARE = {True: 0.4, False: 0.7}  # of the time limit, for regions nobody asked for or somebody
_AIM = 0.2  # of the gap asked for: more costs little here


@dataclass
class Explicit:
    """A bilevel model ready for its master: `columns` are the upper Vars."""

    systems: list[KktSystem]
    solvers: list[LowerSolver | None]
    upper: UpperTerms
    columns: list
    hull: Hull
    regions: list

    def size(self) -> dict[str, int]:
        """Rows, columns and binaries of the master, parts and regions."""
        p = self.hull.linear
        return {"rows": p.A.shape[0], "columns": p.A.shape[1], "binaries": int(p.integer.sum()),
                "parts": len(self.regions), "regions": sum(len(r.regions) for r in self.regions)}


def prepare(model, most: int = MOST_REGIONS, clock=None, priced: bool = False,
            seconds: float = np.inf, reuse: SolveCache | None = None) -> Explicit:
    """Condense a bilevel model and enumerate its regions; NotExplicit where that does not do.

    seconds: for the regions of all parts together.
    """
    stage = clock.stage if clock is not None else (lambda _: None)
    stage("compile")
    blocks = lower_levels(model)
    reuse = SolveCache(series=False) if reuse is None else reuse
    with PauseGC():
        compiled = [reuse.system(block) for block in blocks]
        systems = [kkt for kkt, _ in compiled]
        objective = upper_objective(model)
        upper = read_upper(model, systems, objective)
        if priced and not upper.pays:
            raise NotExplicit("the upper level pays no prices")
        columns, linear = _upper_linear(upper, systems)
    if not columns:
        raise NotExplicit("nothing is decided above it")
    lb, ub = bounds_of(columns) if reuse.series else (linear.lb, linear.ub)
    lb, ub = (np.where(np.isfinite(own), own, tight) for own, tight in (
        (lb, linear.lb), (ub, linear.ub)))
    place = {id(var): j for j, var in enumerate(columns)}
    stage("condense")
    parts, where = [], []
    for number, kkt in enumerate(systems):
        at = np.array([place[id(v)] for v in kkt.form.u], dtype=int)
        for part in reuse.parts(kkt, upper.paid(number), upper.wanted(number),
                                (lb[at], ub[at]), number):
            parts.append(part)
            where.append(at[part.u])
    worths = assign_terms(upper, systems, parts)
    for worth in worths:
        _check_size(worth)
        refuse_answers(worth)
    stage("regions")
    if priced:
        kind = "many" if max((part.m for part in parts), default=0) > _FEW else "few"
        rows = sum(len(kkt.form.rows) for kkt in systems)
        seconds = min(seconds, _SECONDS, 1.0 + _PER_ROW[kind] * rows)
    used, regions, deadline = [], [], time.monotonic() + seconds
    for k, worth in enumerate(worths):
        if not parts[k].m:
            continue
        # parts without a price, too: that they have an answer everywhere counts
        found = reuse.regions(parts[k], most, deadline)
        if worth.terms:
            used.append(k)
            regions.append(found)
    stage("pieces")
    pieces = [costs_over_regions(worths[k], r, systems[parts[k].lower].sigma)
              for k, r in zip(used, regions, strict=True)]
    hull = build_hull(linear, [parts[k] for k in used], pieces, [where[k] for k in used])
    return Explicit(systems, [solver for _, solver in compiled], upper, columns, hull, regions)


def _check_size(worth) -> None:
    part = worth.part
    if part.m > MOST_DECISIONS:
        raise NotExplicit(f"it has {part.m} upper decisions in one part, and regions are "
                             f"enumerated for at most {MOST_DECISIONS}", too_large=True)
    if not (np.isfinite(part.lo).all() and np.isfinite(part.hi).all()):
        raise NotExplicit("an upper decision in it has no finite range")
    if not part.m and worth.terms:
        raise NotExplicit("a part whose prices or Vars are used holds no upper decision")


def _upper_linear(upper: UpperTerms, systems: list[KktSystem]):
    """(upper Vars, their rows and objective as arrays, boxes tightened by the rows)."""
    inner = {id(v) for kkt in systems for v in kkt.form.x}
    inner |= {id(v) for kkt in systems for _, _, dual in getattr(
        kkt.form.block, "dual_vars", lambda: ())() for v in dual.values()}
    var_map: dict = {}
    visitor = LinearRepnVisitor({}, var_recorder=OrderedVarRecorder(var_map, {}, None))
    found = []
    for con in upper.rows:
        low, body, high = con.to_bounded_expression(evaluate_bounds=True)
        repn = visitor.walk_expression(body)
        if repn.nonlinear is not None:
            raise NotExplicit(f"the upper row '{con.name}' is not linear")
        if any(vid in inner for vid, v in repn.linear.items() if v):
            raise NotExplicit(f"the upper row '{con.name}' holds Vars or duals of the lower "
                                 "level")
        found.append((repn.linear, -np.inf if low is None else low - repn.constant,
                      np.inf if high is None else high - repn.constant))
    var_map = {**upper.var_map, **var_map, **{id(v): v for k in systems for v in k.form.u}}
    used = {i for row, *_ in found for i in row} | set(upper.linear)
    used |= {id(v) for kkt in systems for v in kkt.form.u}
    columns = [var for vid, var in var_map.items() if vid in used and vid not in inner]
    place = {id(var): j for j, var in enumerate(columns)}
    i = [k for k, (row, *_) in enumerate(found) for _ in row]
    j = [place[vid] for row, *_ in found for vid in row]
    A = sp.csr_matrix(([v for row, *_ in found for v in row.values()], (i, j)),
                      shape=(len(found), len(columns)))
    lo, hi = np.array([r[1] for r in found]), np.array([r[2] for r in found])
    c = np.zeros(len(columns))
    for vid, coef in upper.linear.items():
        c[place[vid]] = coef
    lb, ub = bounds_of(columns)
    lb, ub = propagate((A, np.zeros(len(found)), lo, hi), lb, ub)
    integer = np.array([not v.is_continuous() for v in columns], dtype=bool)
    return columns, Linear(A, lo, hi, lb, ub, integer, c, upper.constant)


def solve_explicit(model, run, most: int = MOST_REGIONS, priced: bool = False) -> BilevelResult:
    """`solve_bilevel` over critical regions; NotExplicit where another way is needed.

    run: the call's settings (`search.settings.Settings`).
    priced: only for an upper level that pays prices (a dual times an upper decision).
    """
    left = run.left()
    seconds = np.inf if left is None else _SHARE[priced] * left
    reuse = SolveCache(series=False) if run.cache is None else run.cache
    ready = prepare(model, most, run.clock, priced, seconds,
                    reuse)
    clock, sign = run.clock, ready.upper.sense
    clock.stage("search")
    size = ready.size()
    outcome = solve_master(
        ready.hull, _AIM * run.gap, run.left(), run.threads,
        lambda stage, incumbent, bound: clock.progress(stage, sign * incumbent, sign * bound),
        run.mip_options, lambda u, objective, bound: run.save_point(
            lambda: {var.name: float(v) for var, v in zip(ready.columns, u, strict=True)},
            sign * objective, sign * bound), _start(ready, reuse))
    size["rounds"] = outcome.rounds
    record = SingleLevel()  # for `finalize_result`; the model itself is not transformed
    record.original = upper_objective(model)
    bound = sign * outcome.bound if np.isfinite(outcome.bound) else None
    status = outcome.status
    if status == Status.GAP_NOT_REACHED and outcome.within(run.gap):
        status = Status.OPTIMAL
    if outcome.z is None:
        return no_point(record, status, bound, run.interface, clock, size)
    clock.stage("audit")
    for var, value in zip(ready.columns, outcome.z, strict=True):
        var.set_value(float(value), skip_validation=True)
    if reuse.series:
        reuse.last = {var.name: float(v) for var, v in zip(ready.columns, outcome.z, strict=True)}
    _, chosen = ready.hull.cost_at(outcome.z)
    try:
        record.lowers = [_answer(ready, number, chosen) for number in range(len(ready.systems))]
    except SolverError as err:  # of what its condensed parts do not hold
        raise NotExplicit(f"what its regions leave out {err.faults[0].what}") from err
    for lower in record.lowers:
        reuse.keep_solver(lower.kkt, lower.solver)
    return finalize_result(model, record, run.interface, clock, run.gap, status, bound,
                  sign * outcome.objective, size)


def _start(ready: Explicit, reuse: SolveCache) -> np.ndarray | None:
    """The last answer's decisions, if they are decisions of this model."""
    values = [reuse.last.get(var.name) for var in ready.columns] if reuse.last else [None]
    return None if any(v is None for v in values) else np.array(values, dtype=float)


def _answer(ready: Explicit, number: int, chosen: list[int]) -> LowerPoint:
    """The lower level's point and multipliers by its regions, on its Vars; the rest re-solved."""
    kkt = ready.systems[number]
    form = kkt.form
    u = np.array([v.value for v in form.u], dtype=float)
    solver = ready.solvers[number] or LowerSolver(kkt)
    solved = solver.solve(u)
    kept = solver.elimination.kept
    place = np.full(len(form.x), -1)
    place[kept] = np.arange(len(kept))
    v, mu, y_rest = solved.x[kept].copy(), solved.mu.copy(), {
        int(r): float(solved.y[r]) for r in solver.rest}
    penalties = []
    for part, found, region in zip(ready.hull.parts, ready.regions, chosen, strict=True):
        if part.lower != number:
            continue
        a, at = found.regions[region].affine, u[part.u]
        w = a.W @ at + a.w0
        v[place[part.w]] = w
        mu[part.pair] = a.U @ at + a.u0
        mu[list(part.gone)] = list(part.gone.values())
        y_rest |= {int(r): float(kkt.sigma * y)
                   for r, y in zip(part.rest, a.Y @ at + a.y0, strict=True)}
        penalties.append((part.soft_pair, part.soft_column, part.soft_coef))
    x = solver.elimination.M @ v + solver.offset(u)
    slack = kkt.slack(x, u)
    bound_of = {int(kkt.index[p]): p for p in range(kkt.pairs) if kkt.kind[p] == "bound"}
    for pairs, columns, coef in penalties:
        base = slack[pairs] - coef * x[columns]
        v[place[columns]] = np.maximum(0.0, -base) / coef
        for p, column, c in zip(pairs, columns, coef, strict=True):
            mu[bound_of[int(column)]] = kkt.sigma * form.c[column] - c * mu[p]
    point = solver.complete(u, v, np.maximum(0.0, mu), y_rest)
    for var, value in zip(form.x, point.x, strict=True):
        var.set_value(float(value), skip_validation=True)
    return LowerPoint(kkt, solver, point.y, point.mu)
