"""Whether a model with implied rows is unbounded, decided by a model that cannot be.

A branch and bound that gives up a node for its unbounded relaxation reports another node's optimum,
or infeasibility (SCIP 10.0). Whether the claim holds is asked of the model together with a
direction d, under the same binaries:

    min  c'd   s.t.  z obeys the model;   d obeys its rows without their constants,
                     implied rows as z does,   Q d = 0,   -1 <= d <= 1

Negative: unbounded (with z, a feasible point). Zero: no feasible point has such a direction, so
that every relaxation in which all binaries are fixed is bounded. Infeasible: so is the model.
Directions of multipliers without bounds are what this is about; a Var with both bounds has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.modeling import unique_component_name
from pyomo.core.expr import LinearExpression

from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.complementarity.indicator import guards_off, implications_of, state
from pyomo_dlmp.transform.products.bilinear import QuadraticParts, quadratic_parts


def judged(model: Any, claim: str, solve: Callable[[Any], tuple[str, float | None]]) -> str:
    """What is true of a claim that a model has an optimum, none, or no feasible point.

    Parameters
    ----------
    model : Block
        With one active objective and implied rows; the same afterwards.
    claim : str
        The solver's status.
    solve : callable
        Model -> (status, objective), by the same solver; loads no values.

    Returns
    -------
    str
        The claim where it holds or nothing can be said against it; `Status.UNBOUNDED`,
        `Status.INFEASIBLE`, or, where the solver contradicts itself, `Status.GAP_NOT_REACHED`.
    """
    if claim not in (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED,
                     Status.INFEASIBLE_OR_UNBOUNDED):
        return claim
    with _with_direction(model) as block:
        if block is None:
            return claim
        if not _falls(block) and claim in (Status.OPTIMAL, Status.INFEASIBLE):
            return claim
        status, objective = solve(model)
    if status == Status.INFEASIBLE:
        return Status.INFEASIBLE if claim != Status.OPTIMAL else Status.GAP_NOT_REACHED
    if status != Status.OPTIMAL or objective is None:
        return Status.GAP_NOT_REACHED
    if objective < -ROW_HOLDS:
        return Status.UNBOUNDED
    return claim if claim == Status.OPTIMAL else Status.GAP_NOT_REACHED


@contextmanager
def _with_direction(model: Any) -> Iterator[Any]:
    """A block with the direction, its objective for the model's; None where a row is not linear."""
    objective = next(iter(model.component_data_objects(pyo.Objective, active=True)))
    direction = _Direction(model, quadratic_parts(objective.expr, objective.name))
    if not direction.complete:
        yield None
        return
    name = unique_component_name(model, "dlmp_direction")
    block = pyo.Block(concrete=True)
    model.add_component(name, block)
    try:
        direction.write(block, 1.0 if objective.sense == pyo.minimize else -1.0)
        objective.deactivate()
        yield block
    finally:
        objective.activate()
        model.del_component(name)


class _Direction:
    """The rows of a model without constants; `complete`: all could be read."""

    def __init__(self, model: Any, parts: QuadraticParts):
        reader = RowReader()
        self.parts, self.implied, rows = parts, [], []
        with guards_off(model):
            for row in model.component_data_objects(
                    pyo.Constraint, active=True, descend_into=pyo.Block):
                rows.append(reader.read(row))
        for row, binary, value in implications_of(model):
            self.implied.append((reader.read(row), binary, value))
        self.complete = None not in rows
        self.rows = [row for row in rows if row is not None]
        for i in {key for pair in parts.quadratic for key in pair}:  # Q d = 0
            terms: dict[int, float] = {}
            for (first, second), c in parts.quadratic.items():
                for one, other in ((first, second), (second, first)):
                    if one == i:
                        terms[other] = terms.get(other, 0.0) + c
            self.rows.append((terms, 0.0, 0.0))
        self.free = {key: var for key, var in {**reader.var_map, **parts.var_map}.items()
                     if not var.fixed and not (var.has_lb() and var.has_ub())}

    def write(self, block: Any, sign: float) -> None:
        """Vars `d`, `rows`, `implied` and the objective `falls` on an empty block."""
        number = {key: k for k, key in enumerate(self.free)}
        block.d = pyo.Var(range(len(number)), bounds=(-1.0, 1.0), initialize=0.0)
        for key, var in self.free.items():
            if var.has_lb():
                block.d[number[key]].setlb(0.0)
            if var.has_ub():
                block.d[number[key]].setub(0.0)

        def along(terms):
            live = [(c, block.d[number[key]]) for key, c in terms.items() if key in number]
            return LinearExpression(constant=0.0, linear_coefs=[c for c, _ in live],
                                    linear_vars=[d for _, d in live])

        block.rows, block.implied = pyo.ConstraintList(), pyo.ConstraintList()
        for terms, low, high in self.rows:
            change = along(terms)
            if change.linear_vars and (np.isfinite(low) or np.isfinite(high)):
                block.rows.add((0.0 if np.isfinite(low) else None, change,
                                0.0 if np.isfinite(high) else None))
        conditions = {}
        for (terms, _, _), binary, value in self.implied:
            change = along(terms)
            if change.linear_vars:
                conditions[block.implied.add(change <= 0.0)] = (binary, value)
        if conditions:
            state(block, conditions)
        change = along(self.parts.linear)
        block.falls = pyo.Objective(expr=sign * change)


def _falls(block: Any) -> bool:
    """Whether the objective falls along a direction, the implied rows left out."""
    with guards_off(block):
        outcome = solve_outer(compile_program(block))
    return outcome.objective is None or outcome.objective < -ROW_HOLDS
