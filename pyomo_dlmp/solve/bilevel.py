"""`solve_bilevel`: from a bilevel Pyomo model to audited values on the user's own Vars."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pyomo_dlmp.auditing.infeasibility import explain_infeasibility
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.bilevel.numbers import refuse_upper_numbers
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.errors import all_at_once
from pyomo_dlmp.numerics import limits, memory
from pyomo_dlmp.numerics.telling import told
from pyomo_dlmp.parametric import Atlas
from pyomo_dlmp.search.checkpoint import Checkpoint
from pyomo_dlmp.search.clock import Clock, Progress
from pyomo_dlmp.search.first_answer import answer_so_far, ended_by
from pyomo_dlmp.search.keywords import check_numbers, check_path, check_words
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.solve.options import check_atlas, search_and_options
from pyomo_dlmp.solve.strategies import run_strategies
from pyomo_dlmp.solvers.interfaces import get_solver, named_solver
from pyomo_dlmp.solvers.options import check_mip_options
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import GAP, HIGH_POINT_GAP
from pyomo_dlmp.transform.rewriting import upper_copy

_UNITS = 60_000.0  # of work to explain an infeasible model


@renamed_arguments(reuse="atlas", cache="atlas")
def solve_bilevel(  # noqa: PLR0913  # keywords of a call, for people
    model: Any, solver: str = "highs", *, gap: float = GAP, time_limit: float | None = None,
    progress: Progress | None = None, threads: int = 0, start: bool = True,
    mip_options: dict | None = None, explain: bool = True, check_bounds: bool = True,
    periods: bool | None = None, memory_limit: float | None = None,
    checkpoint: str | Path | None = None, atlas: Atlas | None = None, search: str = "auto",
    **transformation,
) -> BilevelResult:
    """Solve a bilevel model and audit the solution.

    Values of the solution are loaded onto the model's Vars, duals into each LowerLevel's `dual`
    Suffix and onto `dual_of` Vars; the transformation is undone afterwards, so the model stays the
    user's. A model that was transformed by the user stays transformed.

    Parameters
    ----------
    model : ConcreteModel
        With one upper objective and LowerLevel blocks.
    solver : str
        A name of `solvers.SOLVERS`, or one that Pyomo knows.
    gap : float
        Relative optimality gap to reach.
    time_limit : float, optional
        Seconds for the whole call, kept to 2 s and 10 %. At the limit the best point, its bound
        and gap are returned with status "time limit"; a point is always checked, and what is not
        known of it then (ranges of prices, say) is noted.
    progress : callable, optional
        progress(stage, incumbent, bound), called as the search advances.
    threads : int
        Of HiGHS; 0: its own choice.
    start : bool
        Whether to look for a bilevel-feasible point before the search.
    mip_options : dict, optional
        Further options of the solver by name.
    explain : bool
        Whether `notes` say why an infeasible bilevel problem is infeasible.
    check_bounds : bool
        Where the user gave bounds of multipliers (which are not proved), solve again with ten times
        their value, and accept the first solution only if the objective stays the same.
    periods : bool, optional
        Decompose the search over the parts that the upper rows couple (periods): at once (True),
        never (False), or where branch and bound does not end soon (None). HiGHS only.
    memory_limit : float, optional
        GB that this process may use; beyond it the search ends with its best point and bound,
        status "memory limit".
    checkpoint : path, optional
        A JSON file that always holds the best upper decisions so far, their objective and the
        bound (see `load_checkpoint`); with another solver than HiGHS only those of the result.
    atlas : Atlas, optional
        What the solves of a series share (search by regions only).
    search : str
        "auto", or a search strategy by its name: "regions" (critical regions of the lower levels'
        parameters; ``complementarity="explicit"`` means the same), "single_level" or "pairs"
        (branching on complementarity pairs, which needs no bounds of multipliers).
    **transformation
        Options of ``dlmp.single_level`` (complementarity, products, bounds, ...). Where products
        stand in a binary expansion that is too coarse for the gap, and `bits` is not given, it is
        refined (5, 8, 11, 14 bits) within the time limit.

    Returns
    -------
    BilevelResult
        Objective and bound in the model's unit, status, times (s), audit.

    Raises
    ------
    ModelError, BoundError, SolverError
        A keyword, the model or the solver does not fit; before the search where possible.
    AuditError
        The point that was found is not a solution of the bilevel problem.
    """
    began = time.monotonic()
    *_, (search, options), interface = all_at_once(
        partial(check_numbers, gap=gap, time_limit=time_limit, memory_limit=memory_limit),
        partial(check_words, periods, threads, progress, start=start, explain=explain,
                check_bounds=check_bounds),
        partial(check_atlas, atlas), partial(check_path, checkpoint),
        partial(lower_levels, model),  # refuses what is not a model
        partial(search_and_options, search, transformation, _own_keywords()),
        partial(get_solver, solver))
    refuse_upper_numbers(model)
    copy = upper_copy(model, interface.capabilities)
    settings = Settings(
        model if copy is None else copy.model, interface, Clock(progress), gap, threads,
        start, check_mip_options(mip_options, interface), periods,
        None if checkpoint is None else Checkpoint(
            checkpoint, None if copy is None else copy.names()), atlas,
        check_bounds, options if copy is None else copy.options(options))
    try:
        with memory.memory_limit(memory_limit), limits.call(time_limit, began), told(
                settings.clock.how_far):
            return _solved(settings, search, explain)
    finally:
        if copy is not None:
            copy.hand_back()


def _own_keywords() -> list[str]:
    return list(inspect.signature(solve_bilevel).parameters)[:-1]


def check_keywords(given: Mapping[str, Any]) -> None:
    """Check keywords of `solve_bilevel` without a call: names, and values that need no model.

    Parameters
    ----------
    given : mapping
        Keywords and values.

    Raises
    ------
    ModelError, SolverError
        A keyword or the name of the solver is unknown, or a value is not allowed; all at once.
    """
    own = {key: given.get(key, parameter.default)
           for key, parameter in inspect.signature(solve_bilevel).parameters.items()}
    words = ("periods", "threads", "progress", "start", "explain", "check_bounds")
    all_at_once(
        partial(check_numbers, **{key: own[key] for key in ("gap", "time_limit", "memory_limit")}),
        partial(check_words, **{key: own[key] for key in words}),
        partial(check_atlas, own["atlas"]), partial(check_path, own["checkpoint"]),
        partial(search_and_options, own["search"],
                {key: value for key, value in given.items()
                 if key not in own or key in ("model", "transformation")}, _own_keywords()[1:]),
        partial(named_solver, own["solver"]))


def _solved(settings: Settings, search: str, explain: bool) -> BilevelResult:
    """The result of a call whose upper level is Vars and Constraints."""
    model, interface = settings.model, settings.interface
    try:
        result = run_strategies(settings, search)
        if result.status == Status.INFEASIBLE and explain and settings.own:
            settings.clock.stage("why infeasible")
            result.notes += why_infeasible(model, interface.name)
            settings.clock.stop()
    except (limits.Stopped, KeyboardInterrupt) as err:
        result = ended_by(err, settings)
    result = answer_so_far(settings, result)
    if result.objective is None and limits.pressed():
        raise KeyboardInterrupt  # there is nothing to return
    if result.objective is not None:
        settings.save_result(result.status, result.objective, result.bound)
    if settings.checkpoint is not None:
        result.notes += settings.checkpoint.failures
    return result


def why_infeasible(model: Any, solver: str = "highs", time_limit: float | None = None) -> list[str]:
    """Sentences that explain why a bilevel model is infeasible.

    Parameters
    ----------
    model : ConcreteModel
        As for `solve_bilevel`; not changed.
    solver : str
        As for `solve_bilevel`.
    time_limit : float, optional
        Seconds; without one, the search for the upper rows that conflict with the lower levels
        ends after about a minute's work.

    Returns
    -------
    list of str
        Empty where nothing was found.
    """
    copy = upper_copy(model)
    with limits.call(time_limit), limits.work(np.inf if time_limit else _UNITS):
        return explain_infeasibility(
            model if copy is None else copy.model, lambda soft: solve_bilevel(
                soft, solver, gap=HIGH_POINT_GAP, explain=False))
