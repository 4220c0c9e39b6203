"""`explicit`: the bilevel model over the critical regions of its condensed lower levels.

Steps: compile, condense each period, enumerate its critical regions, write the upper level's cost
on each, and solve one small MILP over the regions. The lower levels are then solved again at the
decisions found, independently of the regions, and the point is audited like any other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.auditing.finalize import Claim, LowerPoint, finalize_result, no_point
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.bilevel.values import bounds_of, load_values
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.boxes import propagate
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.numerics.numbering import Numbering
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.parametric.cache import SolveCache
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.parametric.joined import Joined, join_parts, refuse_many
from pyomo_dlmp.parametric.known_value import present_values, refuse_false_bound, value_at
from pyomo_dlmp.parametric.lazy_master import LazyMaster
from pyomo_dlmp.parametric.master import solve_master
from pyomo_dlmp.parametric.polish import polished
from pyomo_dlmp.parametric.region_costs import costs_over_regions, refuse_answers
from pyomo_dlmp.parametric.upper_terms import RegionObjective, UpperTerms, assign_terms, read_upper
from pyomo_dlmp.status import Status
from pyomo_dlmp.transform.record import SingleLevel

log = logging.getLogger("pyomo_dlmp")
MOST_DECISIONS = 8  # upper decisions of a part beyond which regions are too many
_FEW = 5  # up to which they are often few
# units of work for regions that the user did not ask for: a constant, and more for each row of the
# lower level, as the KKT form, which is used otherwise, costs more with each row
_UNITS, _UNITS_PER_ROW, _MOST_UNITS = 1000.0, {"few": 1.0, "many": 0.5}, 60_000.0
MOST_REGIONS = 1000  # of a part
_SHARE = {True: 0.4, False: 0.7}  # of the time limit for regions: not asked for, asked for
_AIM = 0.2  # of the gap asked for: a smaller gap costs little here


@dataclass
class Explicit:
    """A bilevel model prepared for its master problem.

    Attributes
    ----------
    systems, solvers
        The compiled lower levels, and the solver of each or None.
    upper
        The upper level's terms.
    columns
        VarData of the upper decisions.
    hull
        The master problem.
    regions
        Critical regions of the parts that the upper objective uses.
    joined
        These parts where their regions are too many to be listed; `regions` are those of the
        answer then.
    """

    systems: list[KktSystem]
    solvers: list
    upper: UpperTerms
    columns: list
    hull: Hull
    regions: list
    joined: Joined | None = None

    def size(self) -> dict[str, int]:
        """Numbers of rows, columns and binaries of the master, parts and regions."""
        p = self.hull.linear
        regions = (sum(len(r.regions) for r in self.regions) if self.joined is None
                   else self.joined.leaves)
        return {"rows": p.A.shape[0], "columns": p.A.shape[1], "binaries": int(p.integer.sum()),
                "parts": len(self.hull.parts), "regions": regions}


def prepare(model: Any, most: int = MOST_REGIONS, clock: Any = None, priced: bool = False,
            seconds: float = np.inf, reuse: SolveCache | None = None) -> Explicit:
    """Condense a bilevel model and enumerate its critical regions.

    Parameters
    ----------
    model
        A bilevel model, not transformed.
    most
        Greatest number of regions of a part.
    clock
        Measures the stages (`search.clock.Clock`); None: not measured.
    priced
        Only for an upper level that pays prices, and with a limited effort.
    seconds
        The user's time for the regions of all parts together.
    reuse
        Cache of a series of solves; None: nothing is kept.

    Returns
    -------
    Explicit

    Raises
    ------
    NotExplicit
        The model is not of this kind, or too large.
    """
    stage = clock.stage if clock is not None else (lambda _: None)
    stage("compile")
    reuse = SolveCache(series=False) if reuse is None else reuse
    with PauseGC():
        compiled = [reuse.system(block) for block in lower_levels(model)]
        systems = [kkt for kkt, _ in compiled]
        upper = read_upper(model, systems, upper_objective(model))
        if priced and not upper.pays:
            raise NotExplicit("the upper level pays no prices")
        program = _upper_program(upper, systems)
    if not len(program.columns):
        raise NotExplicit("the upper level has no decisions")
    stage("condense")
    parts, where = _condensed_parts(program, upper, systems, reuse)
    objectives = assign_terms(upper, systems, parts)
    for objective in objectives:
        _check_size(objective)
        refuse_answers(objective)
    stage("regions")
    effort = Effort(_units(systems, parts) if priced else np.inf, time.monotonic() + seconds)
    used = [k for k, objective in enumerate(objectives) if parts[k].m and objective.terms]
    ready = Explicit(systems, [solver for _, solver in compiled], upper, list(program.columns),
                     Hull(program, program, [parts[k] for k in used], [], [where[k] for k in used]),
                     [])
    worths = [(objectives[k], systems[parts[k].lower].sigma) for k in used]
    try:
        refuse_many(worths, most)
        # parts without a price, too: they must have a solution everywhere
        found = {k: reuse.regions(part, most, effort) for k, part in enumerate(parts) if part.m}
    except NotExplicit as err:
        if not err.too_large:
            raise
        ready.joined = join_parts(program, worths, ready.hull.u, err)
        return ready
    stage("region costs")
    ready.regions = [found[k] for k in used]
    costs = [costs_over_regions(objectives[k], found[k], systems[parts[k].lower].sigma)
             for k in used]
    ready.hull = build_hull(program, ready.hull.parts, costs, ready.hull.u)
    return ready


def _units(systems: list[KktSystem], parts: list[CondensedQp]) -> float:
    """Units of work that regions may cost where they were not asked for."""
    kind = "many" if max((part.m for part in parts), default=0) > _FEW else "few"
    rows = sum(len(kkt.form.rows) for kkt in systems)
    return min(_MOST_UNITS, _UNITS + _UNITS_PER_ROW[kind] * rows)


def _condensed_parts(program: Program, upper: UpperTerms, systems: list[KktSystem],
                     reuse: SolveCache) -> tuple[list[CondensedQp], list[np.ndarray]]:
    """(condensed parts of all lower levels, columns of each part's decisions in the program)."""
    lb, ub = bounds_of(program.columns) if reuse.series else (program.lb, program.ub)
    lb = np.where(np.isfinite(lb), lb, program.lb)
    ub = np.where(np.isfinite(ub), ub, program.ub)
    parts, where = [], []
    for number, kkt in enumerate(systems):
        at = np.array([program.place[var] for var in kkt.form.u], dtype=int)
        for part in reuse.parts(kkt, upper.paid(number), upper.wanted(number),
                                (lb[at], ub[at]), number):
            parts.append(part)
            where.append(at[part.u])
    return parts, where


def _check_size(objective: RegionObjective) -> None:
    part = objective.part
    if part.m > MOST_DECISIONS:
        raise NotExplicit(f"it has {part.m} upper decisions in one part, and regions are "
                             f"enumerated for at most {MOST_DECISIONS}", too_large=True)
    if not (np.isfinite(part.lo).all() and np.isfinite(part.hi).all()):
        raise NotExplicit("an upper decision in it has no finite range")
    if not part.m and objective.terms:
        raise NotExplicit("a part whose prices or Vars are used contains no upper decision")


def _upper_program(upper: UpperTerms, systems: list[KktSystem]) -> Program:
    """The upper Vars, their rows and linear objective, boxes tightened by the rows."""
    inner = {id(v) for kkt in systems for v in kkt.form.x}
    inner |= {id(dual.var) for kkt in systems for dual in kkt.duals.asked()}
    if any(id(v) in inner for kkt in systems for v in kkt.form.u):
        raise NotExplicit("a lower level uses Vars of another one")
    for dual in (dual for kkt in systems for dual in kkt.duals.asked()):
        if dual.var.fixed or dual.var.lb is not None or dual.var.ub is not None:
            raise NotExplicit(f"the dual '{dual.var.name}' is fixed or bounded")
    reader = RowReader()
    found = [_read_upper_row(reader, row, inner) for row in upper.rows]
    found += [row for kkt in systems for row in _rows_without_x(kkt)]
    var_map = {**upper.var_map, **reader.var_map, **{id(v): v for k in systems for v in k.form.u}}
    used = {vid for terms, *_ in found for vid in terms} | set(upper.linear)
    used |= {id(v) for kkt in systems for v in kkt.form.u}
    columns = [var for vid, var in var_map.items() if vid in used and vid not in inner]
    place = Numbering(columns).by_id()
    entries = [(i, place[vid], value) for i, (terms, *_) in enumerate(found)
               for vid, value in terms.items()]
    c = np.zeros(len(columns))
    for vid, coef in upper.linear.items():
        c[place[vid]] = coef
    A = csr_of(entries, (len(found), len(columns)))
    lo, hi = (np.array([row[k] for row in found], dtype=float) for k in (1, 2))
    lb, ub = propagate((A, np.zeros(len(found)), lo, hi), *bounds_of(columns))
    return Program(A=A, lo=lo, hi=hi, lb=lb, ub=ub, c=c, constant=upper.constant,
                   integer=np.array([not v.is_continuous() for v in columns], dtype=bool),
                   columns=columns)


def _rows_without_x(kkt: KktSystem) -> Iterator[tuple[dict[int, float], float, float]]:
    """Rows of a lower level that restrict the upper decisions alone, or nothing at all."""
    form = kkt.form
    for r in np.flatnonzero(np.diff(form.A.indptr) == 0):
        terms = form.B[r]
        yield ({id(form.u[j]): float(value) for j, value in
                zip(terms.indices, terms.data, strict=True)}, form.lo[r], form.hi[r])


def _read_upper_row(reader: RowReader, row, inner: set[int]):
    """An upper row as numbers; NotExplicit where it is not linear in upper Vars alone."""
    read = reader.read(row)
    if read is None:
        raise NotExplicit(f"the upper row '{row.name}' is not linear")
    if any(vid in inner for vid, value in read[0].items() if value):
        raise NotExplicit(f"the upper row '{row.name}' uses Vars or duals of the lower level")
    return read


def solve_explicit(model: Any, run: Any, most: int = MOST_REGIONS,
                   priced: bool = False) -> BilevelResult:
    """`solve_bilevel` over critical regions.

    Parameters
    ----------
    model
        A bilevel model, not transformed; the solution is loaded onto its Vars.
    run
        The call's settings (`search.settings.Settings`).
    most
        Greatest number of regions of a part.
    priced
        Only for an upper level that pays prices (a dual times an upper decision).

    Returns
    -------
    BilevelResult

    Raises
    ------
    NotExplicit
        The model is not of this kind, or too large.
    AuditError
        The point is not a solution of the bilevel problem, or the bound is above a known value.
    """
    left = run.left()
    seconds = np.inf if left is None else max(
        _SHARE[priced] * left, limits.last_left() - left)
    reuse = SolveCache(series=False) if run.cache is None else run.cache
    ready = prepare(model, most, run.clock, priced, seconds,
                    reuse)
    clock, sign = run.clock, ready.upper.sense
    ready.solvers = [solver or LowerSolver(kkt) for solver, kkt in zip(
        ready.solvers, ready.systems, strict=True)]
    came = present_values(ready.columns)
    known = None if came is None else value_at(came, ready.hull.upper, ready.upper, ready.solvers)
    clock.stage("search")
    hears = (
        lambda stage, incumbent, bound: clock.progress(stage, sign * incumbent, sign * bound),
        lambda u, objective, bound: run.save_point(
            lambda: {var.name: float(v) for var, v in zip(ready.columns, u, strict=True)},
            sign * objective, sign * bound))
    start, notes = _start(ready, reuse), []
    if ready.joined is None:
        outcome = solve_master(ready.hull, _AIM * run.gap, run.left(), run.threads, hears[0],
                               run.mip_options, hears[1], start)
    else:
        outcome = LazyMaster(ready.joined, run.gap, *hears, run.threads, run.mip_options).run(start)
        notes.append(ready.joined.note)
    size = ready.size() | {"rounds": outcome.rounds}
    refuse_false_bound(outcome.bound, known, sign)
    record = SingleLevel()  # for `finalize_result`; the model itself is not transformed
    record.original = upper_objective(model)
    bound = sign * outcome.bound if np.isfinite(outcome.bound) else None
    status = outcome.status
    if status == Status.GAP_NOT_REACHED and outcome.within(run.gap):
        status = Status.OPTIMAL
    if outcome.z is None:
        return no_point(record, Claim(status, None, bound, size, notes), run.interface.name, clock)
    if ready.joined is None:
        z = polished(ready.hull, outcome.z)
        outcome.objective, chosen = ready.hull.cost_at(z)
    else:
        z = outcome.z
        ready.regions = ready.joined.regions_at(z)
        chosen = [0] * len(ready.regions)
    clock.stage("audit")
    load_values(ready.columns, z)
    if reuse.series:
        reuse.last = {var.name: float(v) for var, v in zip(ready.columns, z, strict=True)}
    try:
        record.lowers = [_answer(ready, number, chosen) for number in range(len(ready.systems))]
    except SolverError as err:  # of what its condensed parts do not contain
        raise NotExplicit(f"what its regions leave out {err.faults[0].what}") from err
    for lower in record.lowers:
        reuse.keep_solver(lower.kkt, lower.solver)
    claim = Claim(status, sign * outcome.objective, bound, size, notes)
    return finalize_result(model, record, claim, run.interface.name, clock, run.gap)


def _start(ready: Explicit, reuse: SolveCache) -> np.ndarray | None:
    """The last solution's decisions, if they are decisions of this model."""
    values = [reuse.last.get(var.name) for var in ready.columns] if reuse.last else [None]
    return None if any(v is None for v in values) else np.array(values, dtype=float)


def _answer(ready: Explicit, number: int, chosen: list[int]) -> LowerPoint:
    """The lower level's point and multipliers by its regions, on its Vars; the rest re-solved."""
    kkt = ready.systems[number]
    form = kkt.form
    u = np.array([v.value for v in form.u], dtype=float)
    solver = ready.solvers[number]
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
    for pairs, columns, coef in penalties:
        base = slack[pairs] - coef * x[columns]
        v[place[columns]] = np.maximum(0.0, -base) / coef
        for p, column, c in zip(pairs, columns, coef, strict=True):
            bound = kkt.duals.pair_of(int(column), "lower", of_row=False)
            mu[bound] = kkt.sigma * form.c[column] - c * mu[p]
    point = solver.complete(u, v, np.maximum(0.0, mu), y_rest)
    load_values(form.x, point.x)
    return LowerPoint(kkt, solver, point.y, point.mu)
