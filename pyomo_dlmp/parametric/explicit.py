"""`explicit`: the bilevel model over the critical regions of its condensed lower levels.

Steps: compile, condense each period, enumerate its critical regions, write the upper level's cost
on each, and solve one small MILP over the regions. The lower levels are then solved again at the
decisions found, independently of the regions, and the point is audited like any other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.auditing.finalize import Claim, LowerPoint, finalize_result, no_point
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.numerics.outer_approximation import SearchResult
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.atlas import Atlas
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit
from pyomo_dlmp.parametric.critical_regions import Regions
from pyomo_dlmp.parametric.hull import Hull
from pyomo_dlmp.parametric.kept_steps import ReadUpper, read_now
from pyomo_dlmp.parametric.known_value import present_values, refuse_false_bound, value_at
from pyomo_dlmp.parametric.master import solve_master
from pyomo_dlmp.parametric.pieces.joined import Joined, join_parts, refuse_many
from pyomo_dlmp.parametric.pieces.lazy_master import LazyMaster
from pyomo_dlmp.parametric.polish import polished
from pyomo_dlmp.parametric.region_costs import refuse_answers
from pyomo_dlmp.parametric.regions_point import point_by_regions
from pyomo_dlmp.parametric.upper_terms import RegionObjective, UpperTerms
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
AIM = 0.2  # of the gap asked for: a smaller gap costs little here


@dataclass
class Explicit:
    """A bilevel model prepared for its master problem.

    Attributes
    ----------
    systems, solvers
        The compiled lower levels, and the solver of each, once it is needed.
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
    known
        Of each part with decisions: their columns, and whether the atlas knew all its regions.
    """

    systems: list[KktSystem]
    solvers: list
    upper: UpperTerms
    columns: list
    hull: Hull
    regions: list
    joined: Joined | None = None
    known: list[tuple[np.ndarray, bool]] = field(default_factory=list)

    def size(self) -> dict[str, int]:
        """Numbers of rows, columns and binaries of the master, parts and regions."""
        p = self.hull.linear
        regions = (sum(len(r.regions) for r in self.regions) if self.joined is None
                   else self.joined.leaves)
        return {"rows": p.A.shape[0], "columns": p.A.shape[1], "binaries": int(p.integer.sum()),
                "parts": len(self.hull.parts), "regions": regions}


def prepare(model: Any, most: int = MOST_REGIONS, clock: Any = None, priced: bool = False,
            seconds: float = np.inf, atlas: Atlas | None = None) -> Explicit:
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
    atlas
        Of a series of solves; None: nothing is kept.

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
    atlas = Atlas(series=False) if atlas is None else atlas
    with PauseGC():
        systems = [atlas.system(block) for block in lower_levels(model)]
        read = (atlas.steps.upper.read if atlas.series else read_now)(model, systems, priced)
    upper, program = read.terms, read.program
    if not len(program.columns):
        raise NotExplicit("the upper level has no decisions")
    stage("condense")
    parts, where = _condensed_parts(read, systems, atlas)
    atlas.require_source(parts)
    objectives = atlas.steps.worths(read, systems, parts, _check_size)
    stage("regions")
    effort = Effort(_units(systems, parts) if priced else np.inf, time.monotonic() + seconds)
    used = [k for k, objective in enumerate(objectives) if parts[k].m and objective.terms]
    ready = Explicit(systems, [], upper, list(program.columns),
                     Hull(program, program, [parts[k] for k in used], [], [where[k] for k in used]),
                     [])
    worths = [(objectives[k], systems[parts[k].lower].sigma) for k in used]
    try:
        refuse_many(worths, most)
        # parts without a price, too: they must have a solution everywhere
        found, new = _regions(parts, most, effort, atlas)
        ready.known = [(where[k], k not in new) for k, part in enumerate(parts) if part.m]
    except NotExplicit as err:
        if not err.too_large:
            raise
        ready.joined = join_parts(program, worths, ready.hull.u, err)
        return ready
    stage("region costs")
    ready.regions = [found[k] for k in used]
    costs = [atlas.steps.costs(k, objectives[k], found[k], systems[parts[k].lower].sigma)
             for k in used]
    ready.hull = atlas.steps.hull(program, ready.hull.parts, costs, ready.hull.u)
    return ready


def rows_alone(model: Any, atlas: Atlas) -> Program:
    """The upper level's own rows and columns at the present numbers; nothing is condensed.

    Parameters
    ----------
    model, atlas
        As of `prepare`; an atlas of a series.

    Returns
    -------
    Program
    """
    with PauseGC():
        systems = [atlas.system(block) for block in lower_levels(model)]
        return atlas.steps.upper.read(model, systems, False).program


def _regions(parts: list[CondensedQp], most: int, effort: Effort,
             atlas: Atlas) -> tuple[dict[int, Regions], set[int]]:
    """(regions of each part with decisions, the parts that had to be searched)."""
    number = {id(part): k for k, part in enumerate(parts)}
    new: set[int] = set()

    def regions(part: CondensedQp, last: Regions | None) -> Regions:
        before = atlas.counts["enumerated"]
        found = atlas.regions(part, most, effort, last)
        if atlas.counts["enumerated"] > before:
            new.add(number[id(part)])
        return found

    return atlas.steps.regions(parts, most, regions), new


def _units(systems: list[KktSystem], parts: list[CondensedQp]) -> float:
    """Units of work that regions may cost where they were not asked for."""
    kind = "many" if max((part.m for part in parts), default=0) > _FEW else "few"
    rows = sum(len(kkt.form.rows) for kkt in systems)
    return min(_MOST_UNITS, _UNITS + _UNITS_PER_ROW[kind] * rows)


def _condensed_parts(read: ReadUpper, systems: list[KktSystem],
                     atlas: Atlas) -> tuple[list[CondensedQp], list[np.ndarray]]:
    """(condensed parts of all lower levels, columns of each part's decisions in the program)."""
    program, upper = read.program, read.terms
    lb, ub = read.bounds if atlas.series else (program.lb, program.ub)
    lb = np.where(np.isfinite(lb), lb, program.lb)
    ub = np.where(np.isfinite(ub), ub, program.ub)
    parts, where = [], []
    for number, kkt in enumerate(systems):
        at = np.array([program.place[var] for var in kkt.form.u], dtype=int)
        for part in atlas.parts(kkt, upper.paid(number), upper.wanted(number),
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
    refuse_answers(objective)


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
    atlas = Atlas(series=False) if run.atlas is None else run.atlas
    ready = prepare(model, most, run.clock, priced, seconds,
                    atlas)
    clock, sign = run.clock, ready.upper.sense
    ready.solvers = [atlas.solver_of(kkt) for kkt in ready.systems]
    came = present_values(ready.columns)
    known = None if came is None else value_at(came, ready.hull.upper, ready.upper, ready.solvers)
    clock.stage("search")
    hears = (
        lambda stage, incumbent, bound: clock.progress(stage, sign * incumbent, sign * bound),
        lambda u, objective, bound: run.save_point(
            lambda: {var.name: float(v) for var, v in zip(ready.columns, u, strict=True)},
            sign * objective, sign * bound))
    start, notes = _start(ready, atlas), []
    if ready.joined is None:
        outcome = searched(ready.hull, atlas, AIM * run.gap, run.left(), run.threads,
                           run.mip_options, hears, start)
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
    z = outcome.z
    if ready.joined is None:
        chosen = ready.hull.cost_at(z)[1]
        atlas.note_answer(ready.hull.parts, [
            found.regions[k].affine.state for found, k in zip(ready.regions, chosen, strict=True)])
    else:
        atlas.note_answer([], [])
        ready.regions = ready.joined.regions_at(z)
        chosen = [0] * len(ready.regions)
    clock.stage("audit")
    load_values(ready.columns, z)
    if atlas.series:
        atlas.last = {var.name: float(v) for var, v in zip(ready.columns, z, strict=True)}
    try:
        record.lowers = [_answer(ready, number, chosen) for number in range(len(ready.systems))]
    except SolverError as err:  # of what its condensed parts do not contain
        raise NotExplicit(f"what its regions leave out {err.faults[0].what}") from err
    claim = Claim(status, sign * outcome.objective, bound, size, notes)
    return finalize_result(model, record, claim, run.interface.name, clock, run.gap)


def searched(hull: Hull, atlas: Atlas, gap: float, time_limit: float | None = None,
             threads: int = 0, options: dict | None = None,
             hears: tuple[Callable, Callable] | None = None,
             start: np.ndarray | None = None) -> SearchResult:
    """`solve_master`, then `polished`; what is known of the last solve where nothing changed.

    Parameters
    ----------
    hull, gap, time_limit, threads, options, start
        As of `solve_master`.
    atlas
        Of the series.
    hears
        (on_progress, on_incumbent) of `solve_master`, or None.

    Returns
    -------
    SearchResult
        With the polished point.
    """
    def search() -> SearchResult:
        heard = (None, None) if hears is None else hears
        out = solve_master(hull, gap, time_limit, threads, heard[0], options, heard[1], start)
        if out.z is not None:
            out.z = polished(hull, out.z)
            out.objective, _ = hull.cost_at(out.z)
        return out

    found, known = atlas.steps.outcome(hull, (gap, threads, dict(options or {})), search)
    if known and hears is not None:
        hears[0]("known", found.objective, found.bound)
        hears[1](found.z, found.objective, found.bound)
    return found


def _start(ready: Explicit, atlas: Atlas) -> np.ndarray | None:
    """The last solution's decisions, if they are decisions of this model."""
    values = [atlas.last.get(var.name) for var in ready.columns] if atlas.last else [None]
    return None if any(v is None for v in values) else np.array(values, dtype=float)


def _answer(ready: Explicit, number: int, chosen: list[int]) -> LowerPoint:
    """The lower level's point and multipliers by its regions; the rest re-solved."""
    form = ready.systems[number].form
    u = np.array([v.value for v in form.u], dtype=float)
    point = point_by_regions(ready, number, chosen, u)
    return LowerPoint(point.kkt, ready.solvers[number], point.y, point.mu, point.x)
