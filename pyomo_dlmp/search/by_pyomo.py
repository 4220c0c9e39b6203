"""Search of a single level by a solver that Pyomo reaches, started from a known point."""

from __future__ import annotations

import logging

import pyomo.environ as pyo

from pyomo_dlmp.auditing.finalize import Claim
from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.errors import DlmpError, SolverError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.search.nlp import solve_local
from pyomo_dlmp.search.rays import along
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.search.start import known_point, load_start
from pyomo_dlmp.solvers.by_pyomo import PyomoResult, solve_by_pyomo
from pyomo_dlmp.status import STOPPED, Status
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.record import SingleLevel

log = logging.getLogger("pyomo_dlmp")


def start_point(settings: Settings) -> dict | None:
    """A bilevel-feasible point for a solver that takes a start, where the call asks for one.

    Parameters
    ----------
    settings
        Of the call; its model is not transformed yet.

    Returns
    -------
    dict or None
        {id of Var: value}; None where none is known.
    """
    interface = settings.interface
    if not (settings.own and settings.start) or interface.embedded or not (
            {"warmstart", "nlp"} & interface.capabilities):
        return None
    settings.clock.stage("first point")
    known = known_point(settings.model, lower_levels(settings.model))
    return None if known is None else known[1]


def search_by_pyomo(settings: Settings, record: SingleLevel, start: dict | None) -> Claim:
    """Solve a transformed model by the call's solver.

    Parameters
    ----------
    settings : Settings
        Of the call.
    record : SingleLevel
        Of the transformation.
    start : dict or None
        {id of Var: value} of a bilevel-feasible point; it is left out where it cannot be used.

    Returns
    -------
    Claim
        The point is on the model's Vars.
    """
    started = False
    if start is not None:
        try:
            load_start(settings.model, record, start)
            started = True
        except SolverError as err:
            log.info("no start: %s", err)
    settings.clock.stage("search")
    try:
        with limits.at_once():  # no solver of Pyomo's asks for a Ctrl-C that is only remembered
            answer = _solved(settings, record, started)
    except KeyboardInterrupt as err:
        if not started or limits.why(err) is None:
            raise
        answer = PyomoResult(Status.INTERRUPTED, None, None)
    except Exception:
        if not limits.pressed():
            raise
        answer = PyomoResult(Status.INTERRUPTED, None, None)  # its interface's own kind of end
    if answer.objective is None and started and answer.status in STOPPED:
        limits.enter("audit")  # a point is known, and loaded whatever the time
        answer.objective = _load_start(settings, record, start or {})
    return Claim(answer.status, answer.objective, answer.bound,
                 {"pairs": sum(lower.kkt.pairs for lower in record.lowers)},
                 [answer.note] if answer.note else _along(settings, record, answer.status))


def _solved(settings: Settings, record: SingleLevel, started: bool) -> PyomoResult:
    if settings.interface.local:
        return solve_local(settings, record, started)
    if settings.over:  # most solvers take a limit of 0 for none
        return PyomoResult(limits.stopped() or Status.TIME_LIMIT, None, None)
    return solve_by_pyomo(settings.interface, settings.model, settings.gap, settings.left(),
                          started, settings.mip_options)


def _along(settings: Settings, record: SingleLevel, status: str) -> list[str]:
    """Where a solver calls the single level unbounded: the Vars along which it is."""
    if status != Status.UNBOUNDED:
        return []
    try:
        return along(compile_program(settings.model, record))
    except DlmpError:  # it has more than linear rows, such as SOS sets
        return []


def _load_start(settings: Settings, record: SingleLevel, start: dict) -> float:
    """Load the point that the search was started from, all that is known; its objective."""
    load_start(settings.model, record, start)
    return float(pyo.value(record.objective))
