"""What a solver cannot take of a single level, reported before it runs."""

from __future__ import annotations

import pyomo.environ as pyo

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.solvers.interfaces import SolverInterface
from pyomo_dlmp.transform.complementarity import MODES
from pyomo_dlmp.transform.record import SingleLevel


def refuse_solver(record: SingleLevel, interface: SolverInterface) -> None:
    """Check before the search that a solver can take a single level.

    Parameters
    ----------
    record
        Of the transformation.
    interface
        The solver.

    Raises
    ------
    SolverError
        It cannot take a complementarity mode, the objective, or integers.
    """
    where, able = f"solver '{interface.name}'", interface.capabilities
    # the embedded solver takes quadratic rows of the upper level, and none of a mode's
    rows = able - {"qcp", "nonconvex"} if interface.embedded else able
    for lower in record.lowers:
        for name in lower.pairs_by_mode():
            needs = MODES[name].needs
            if not needs & able:
                raise SolverError.at(
                    where, f"cannot do complementarity='{name}', which needs "
                    + " or ".join(sorted(needs)) + _why_not(interface, needs),
                    "See `pyomo-dlmp solvers` for what each solver can do.")
            refusal = MODES[name].refuse(lower, rows)
            if refusal is not None:
                raise SolverError.at(where, *refusal)
    if not {"miqp", "nlp"} & able and record.objective.expr.polynomial_degree() not in (0, 1):
        raise SolverError.at(
            where, "takes linear objectives only and this one is quadratic",
            "Use solver='highs' (outer approximation), 'gurobi' or 'scip'.")
    if interface.local:
        for var in record.block.model().component_data_objects(pyo.Var, descend_into=pyo.Block):
            if not var.fixed and not var.is_continuous():
                raise SolverError.at(
                    where, f"drops integrality, and '{var.name}' is {var.domain}",
                    "Use a solver with integers, such as 'highs'.")


def _why_not(interface: SolverInterface, needs) -> str:
    reasons = [f"its probe of {n}: {interface.reasons[n]}" for n in sorted(needs)
               if n in interface.reasons]
    return f" ({'; '.join(reasons)})" if reasons else ""
