"""The embedded search of a single level: first point, branch and bound, decomposition if slow."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.auditing.finalize import Claim
from pyomo_dlmp.bilevel import upper_data
from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.bounds.labels import PairState
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.outer_approximation import SearchResult, solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.search.completing import completed
from pyomo_dlmp.search.decomposition import solve_periods, take_apart
from pyomo_dlmp.search.presolve import reduce_program
from pyomo_dlmp.search.rays import along
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.search.start import first_point
from pyomo_dlmp.status import ENDED, Status
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.record import SingleLevel

_PATIENCE = 20_000.0  # units of plain branch and bound before decomposition over periods
_SHARE = 0.5  # of the remaining time, for the decomposition


def search_embedded(run: Settings, record: SingleLevel) -> Claim:
    """Solve a transformed model with HiGHS; values of its point are loaded onto the Vars.

    Parameters
    ----------
    run
        The call, whose model is transformed.
    record
        Of the transformation.

    Returns
    -------
    Claim
        Objective and bound in the user's sense.
    """
    model, clock = run.model, run.clock
    clock.stage("reduce")
    with PauseGC():
        program = compile_program(model, record)
        small, elimination = reduce_program(program, record.lowers)
    size = _size(record, program, small)
    clock.stage("first point")
    first, relaxed = None, -np.inf
    if run.start:
        first, relaxed = first_point(record, program, small, elimination)
    sign = program.sign
    clock.stage("search")

    def on_progress(stage, incumbent, bound):
        clock.progress(stage, sign * incumbent, sign * bound)

    def complete_point(z):
        return completed(record, program, small, elimination, z)

    names = run.upper_names(program.columns)

    def on_incumbent(z, objective, bound):
        if record.relaxed and run.checkpoint is not None:  # the stand-ins of products are not exact
            z = complete_point(z)
            objective = np.inf if z is None else small.value(z)
        run.save_point(lambda: names(elimination.lift(z)), sign * objective, sign * bound)

    share = 0.5 if record.relaxed else 1.0  # the rest of the gap is the products'
    outcome = _search(run, record, small, first, share * run.gap, complete_point, on_progress,
                      on_incumbent)
    size["rounds"] = outcome.rounds
    best = max(outcome.bound, min(relaxed, outcome.objective))
    bound = sign * best if np.isfinite(best) else None
    if outcome.z is None:
        notes = along(program) if outcome.status == Status.UNBOUNDED else []
        return Claim(outcome.status, None, bound, size, notes)
    values = elimination.lift(outcome.z)
    values[program.integer] = np.round(values[program.integer])
    load_values(program.columns, values)
    return Claim(outcome.status, sign * outcome.objective, bound, size)


def _search(run: Settings, record: SingleLevel, small: Program, first, gap: float, complete_point,
            on_progress, on_incumbent) -> SearchResult:
    """Branch and bound; where it does not end soon, decomposition over periods, then it again."""
    apart = None
    if run.periods is not False:
        upper = {id(row) for row in upper_data(run.model, pyo.Constraint)}
        upper -= {id(row) for row in record.block.component_data_objects(
            pyo.Constraint, active=True, descend_into=pyo.Block)}
        apart = take_apart(small, np.array([id(row) in upper for row in small.rows], dtype=bool))

    def whole(start):
        return solve_outer(small, gap, None, start, on_progress, run.threads, run.mip_options,
                           on_incumbent)

    if apart is None:
        return whole(first)
    if run.periods is True:
        outcome = SearchResult(Status.GAP_NOT_REACHED, first)
        outcome.objective = np.inf if first is None else small.value(first)
    else:
        with limits.work(_PATIENCE):
            outcome = whole(first)
        if outcome.status != Status.WORK_LIMIT:
            return outcome
    left = run.left()
    limit = None if left is None else _SHARE * left
    outcome = solve_periods(apart, gap, limit, outcome, complete_point, on_progress, on_incumbent)
    if outcome.status == Status.OPTIMAL:
        return outcome
    ended = limits.stopped()
    if ended:
        outcome.status = ended
        return outcome
    again = whole(outcome.z)
    again.bound = max(again.bound, outcome.bound)
    again.rounds += outcome.rounds
    if again.status in ENDED and again.within(gap):
        again.status = Status.OPTIMAL
    return again


def _size(record: SingleLevel, program: Program, small: Program) -> dict[str, int]:
    states = [s for lower in record.lowers for s in lower.bounds.state]
    return {
        "rows": len(program.rows), "columns": len(program.columns),
        "binaries": int(program.integer.sum()),
        "reduced rows": len(small.rows), "reduced columns": len(small.columns),
        "pairs": len(states), "pairs after bounds": sum(s == PairState.OPEN for s in states),
    }
