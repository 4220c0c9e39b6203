"""`explicit`: the bilevel model over the critical regions of its condensed lower levels.

Steps: compile, condense each period, enumerate its critical regions, write the upper level's cost
on each, and solve one small MILP over the regions. The lower levels are then solved again at the
decisions found, independently of the regions, and the point is audited like any other.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.auditing.finalize import Claim, LowerPoint, finalize_result, no_point
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.bilevel.values import bounds_of, load_values
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.atlas import Atlas
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.parametric.known_value import present_values, refuse_false_bound, value_at
from pyomo_dlmp.parametric.master import solve_master
from pyomo_dlmp.parametric.pieces.joined import Joined, join_parts, refuse_many
from pyomo_dlmp.parametric.pieces.lazy_master import LazyMaster
from pyomo_dlmp.parametric.polish import polished
from pyomo_dlmp.parametric.region_costs import costs_over_regions, refuse_answers
from pyomo_dlmp.parametric.regions_point import point_by_regions
from pyomo_dlmp.parametric.upper_rows import upper_program
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
        upper = read_upper(model, systems, upper_objective(model))
        if priced and not upper.pays:
            raise NotExplicit("the upper level pays no prices")
        program = upper_program(upper, systems)
    if not len(program.columns):
        raise NotExplicit("the upper level has no decisions")
    stage("condense")
    parts, where = _condensed_parts(program, upper, systems, atlas)
    atlas.require_source(parts)
    objectives = assign_terms(upper, systems, parts)
    for objective in objectives:
        _check_size(objective)
        refuse_answers(objective)
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
        found = {}
        for k, part in enumerate(parts):
            if part.m:
                searched = atlas.counts["enumerated"]
                found[k] = atlas.regions(part, most, effort)
                ready.known.append((where[k], atlas.counts["enumerated"] == searched))
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
                     atlas: Atlas) -> tuple[list[CondensedQp], list[np.ndarray]]:
    """(condensed parts of all lower levels, columns of each part's decisions in the program)."""
    lb, ub = bounds_of(program.columns) if atlas.series else (program.lb, program.ub)
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
        outcome = solve_master(ready.hull, AIM * run.gap, run.left(), run.threads, hears[0],
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
    if atlas.series:
        atlas.last = {var.name: float(v) for var, v in zip(ready.columns, z, strict=True)}
    try:
        record.lowers = [_answer(ready, number, chosen) for number in range(len(ready.systems))]
    except SolverError as err:  # of what its condensed parts do not contain
        raise NotExplicit(f"what its regions leave out {err.faults[0].what}") from err
    claim = Claim(status, sign * outcome.objective, bound, size, notes)
    return finalize_result(model, record, claim, run.interface.name, clock, run.gap)


def _start(ready: Explicit, atlas: Atlas) -> np.ndarray | None:
    """The last solution's decisions, if they are decisions of this model."""
    values = [atlas.last.get(var.name) for var in ready.columns] if atlas.last else [None]
    return None if any(v is None for v in values) else np.array(values, dtype=float)


def _answer(ready: Explicit, number: int, chosen: list[int]) -> LowerPoint:
    """The lower level's point and multipliers by its regions, on its Vars; the rest re-solved."""
    form = ready.systems[number].form
    u = np.array([v.value for v in form.u], dtype=float)
    point = point_by_regions(ready, number, chosen, u)
    load_values(form.x, point.x)
    return LowerPoint(point.kkt, ready.solvers[number], point.y, point.mu)
