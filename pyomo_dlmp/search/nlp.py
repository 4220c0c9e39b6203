"""Local solution of a single level by an NLP solver: complementarity products driven to zero.

Scholtes' relaxation (SIAM J. Optim. 11 (2001)): solve with slack x multiplier <= eps for a falling
eps, each solve started from the one before. What is found is a local optimum; nothing is proved.
"""

from __future__ import annotations

from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.solvers.by_pyomo import PyomoResult, solve_by_pyomo
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import POLISHED, PROOF_MARGIN
from pyomo_dlmp.transform.complementarity import MODES
from pyomo_dlmp.transform.record import SingleLevel

_STEPS = (0.1, PROOF_MARGIN, POLISHED)


def solve_local(settings: Settings, record: SingleLevel, started: bool = False) -> PyomoResult:
    """Local solution by continuation in the Params that the complementarity modes offer.

    Parameters
    ----------
    settings
        Of the call; its model is transformed.
    record
        Of the transformation.
    started
        Whether to start from the values on the Vars, else from the middle of the upper box.

    Returns
    -------
    PyomoResult
        Without a bound; its status is 'locally optimal' at best.
    """
    if not started:
        _start_in_the_middle(record)
    answer = PyomoResult(Status.GAP_NOT_REACHED, None, None)
    params = [param for lower in record.lowers for name in lower.pairs_by_mode()
              if (param := MODES[name].continuation(lower)) is not None]
    for eps in _STEPS:
        for param in params:
            param.set_value(eps)
        if settings.over:
            answer.status = Status.TIME_LIMIT
            break
        found = solve_by_pyomo(settings.interface, settings.model, 0.0, settings.left(),
                               options=settings.mip_options)
        if found.objective is None:
            # a local solver's "infeasible" does not prove infeasibility
            note = f"{settings.interface.name} stopped at eps={eps:g}: {found.status}"
            return PyomoResult(Status.GAP_NOT_REACHED, answer.objective, None, note)
        answer = found
    return answer


def _start_in_the_middle(record: SingleLevel) -> None:
    """Upper Vars between their bounds, the lower levels solved there where they can be."""
    for lower in record.lowers:
        for var in lower.kkt.form.u:
            if var.value is None:
                low = -1.0 if var.lb is None else var.lb
                high = low + 2.0 if var.ub is None else var.ub
                var.set_value(0.5 * (low + high), skip_validation=True)
    for lower in record.lowers:
        kkt = lower.kkt
        try:
            solution = LowerSolver(kkt).solve_here()
        except SolverError:
            continue
        solution.load()
        load_values(lower.y, solution.y)
        live = [p for p, var in enumerate(lower.mu) if var is not None]
        load_values([lower.mu[p] for p in live], solution.mu[live])
