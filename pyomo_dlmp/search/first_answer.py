"""A point that is known before the search: what a call returns that is ended before it has another.

To prove the bounds of a large lower level's multipliers can take minutes, in which no search looks
for a point. The upper decisions of the relaxation without lower-level optimality, with the lower
levels solved there, are bilevel-feasible as a rule, and cost one solve.
"""

from __future__ import annotations

import pyomo.environ as pyo

from pyomo_dlmp.auditing.finalize import (
    Claim,
    LowerPoint,
    ended_before_a_point,
    finalize_result,
)
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.search.start import known_point
from pyomo_dlmp.status import Status
from pyomo_dlmp.transform.record import SingleLevel

_LARGE = 50  # Vars of the lower levels; below, what comes before the search takes little

_BEFORE_THE_END = (Status.TIME_LIMIT, Status.MEMORY_LIMIT, Status.INTERRUPTED)


def keep_a_point(settings: Settings) -> None:
    """Look for a point to return, once a call, where what comes next may take long.

    Parameters
    ----------
    settings
        The call; its model is not transformed. `known` is set where a point was found.
    """
    if settings.known is not None or not (settings.own and settings.start):
        return
    blocks = lower_levels(settings.model)
    count = sum(1 for block in blocks for _ in block.component_data_objects(
        pyo.Var, descend_into=pyo.Block))
    if count < _LARGE:
        return
    settings.clock.stage("first point")
    found = known_point(settings.model, blocks)
    if found is not None:
        settings.known = found[1]


def ended_by(error: BaseException, settings: Settings) -> BilevelResult:
    """The result, without a point, of a call that `Stopped` or Ctrl-C has ended.

    Parameters
    ----------
    error
        What was caught; it goes on where it is Ctrl-C and no point was kept.
    settings
        The call.

    Returns
    -------
    BilevelResult
    """
    status = limits.why(error)
    if status is None or (isinstance(error, KeyboardInterrupt) and settings.known is None):
        raise error
    return ended_before_a_point(status, settings.interface.name, settings.clock)


def answer_so_far(settings: Settings, ended: BilevelResult) -> BilevelResult:
    """The audited result of the point that was kept, where the call has ended without another.

    Parameters
    ----------
    settings
        The call; its model is not transformed. The point is loaded onto it.
    ended
        What the call would return: its status, bound and size stay.

    Returns
    -------
    BilevelResult
        `ended` where it has a point, none was kept, or the search has ended by itself.
    """
    if (ended.objective is not None or settings.known is None
            or ended.status not in _BEFORE_THE_END):
        return ended
    model, stage = settings.model, settings.clock.last
    settings.clock.stage("audit")  # which no limit ends
    try:
        for var in model.component_data_objects(pyo.Var, descend_into=pyo.Block):
            if id(var) in settings.known and not var.fixed:
                var.set_value(settings.known[id(var)], skip_validation=True)
        record = SingleLevel()
        record.original = upper_objective(model)
        for block in lower_levels(model):
            kkt = build_kkt(compile_lower(block))
            solver = LowerSolver(kkt)
            solution = solver.solve_here()
            solution.load()
            record.lowers.append(LowerPoint(kkt, solver, solution.y, solution.mu))
        claim = Claim(ended.status, None, ended.bound, ended.size, notes=[
            f"the call was ended in '{stage}' before its search had a point: this "
            "is the first feasible one that was found, and nothing is known of how good it is"])
        return finalize_result(model, record, claim, settings.interface.name, settings.clock,
                               settings.gap)
    except DlmpError:  # it is none after all
        return ended
