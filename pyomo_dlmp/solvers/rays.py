"""Whether a model with implied rows is unbounded, decided by a model that cannot be.

A branch and bound that gives up a node for its unbounded relaxation reports another node's optimum,
or infeasibility (SCIP 10.0). Whether the claim holds is asked of the model together with a
direction d, under the same binaries:

    min  c'd + z'Qd   s.t.  z obeys the model;   d obeys its rows without their constants,
                            implied rows as z does,   -1 <= d <= 1

Negative: unbounded (with z, a feasible point). Zero: no feasible point has such a direction, so
that every relaxation in which all binaries are fixed is bounded. Infeasible: so is the model.
A Var with both bounds has no direction. Between two Vars that have one, Q must be semidefinite, and
d is flat: Qd = 0; a product with a bounded Var stays in z'Qd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.modeling import unique_component_name
from pyomo.core.expr import LinearExpression

from pyomo_dlmp.bilevel.quadratics import QuadraticParts, quadratic_parts
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import CONVEX, ROW_HOLDS
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.complementarity.indicator import guards_off, implications_of, state


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
            return Status.GAP_NOT_REACHED if claim == Status.OPTIMAL else claim
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
    name = unique_component_name(model, "dlmp_direction")
    block = pyo.Block(concrete=True)
    model.add_component(name, block)
    try:
        direction.write(block, 1.0 if objective.sense == pyo.minimize else -1.0)
        objective.deactivate()
        yield block if direction.complete else None
    finally:
        objective.activate()
        model.del_component(name)


class _Direction:
    """The rows of a model without constants; `complete`: they say all of a direction."""

    def __init__(self, model: Any, parts: QuadraticParts):
        reader, nonlinear = RowReader(), []
        self.parts, self.rows = parts, []
        self.implied: list[tuple[dict, Any, int]] = []
        with guards_off(model):
            for row in model.component_data_objects(
                    pyo.Constraint, active=True, descend_into=pyo.Block):
                read = reader.read(row)
                if read is None:
                    nonlinear.append((quadratic_parts(row.body, row.name), row.lb, row.ub))
                else:
                    self.rows.append(read)
        for row, binary, value in implications_of(model):
            read = reader.read(row)
            assert read is not None  # implied rows are linear
            self.implied.append((read[0], binary, value))
        found = {**reader.var_map, **parts.var_map}
        for other, _, _ in nonlinear:
            found |= other.var_map
        self.free = {key: var for key, var in found.items()
                     if not var.fixed and not (var.has_lb() and var.has_ub())}
        self.complete = True
        for other, low, high in nonlinear:
            self.complete &= not any(key in self.free for pair in other.quadratic for key in pair)
            self.rows.append((other.linear, -np.inf if low is None else low,
                              np.inf if high is None else high))

    def flat(self, sign: float) -> list:
        """(coefficient, bounded Var, id of a free Var) of products; writes Q d = 0 of free Vars."""
        ids = list(dict.fromkeys(key for pair in self.parts.quadratic for key in pair))
        place = {key: k for k, key in enumerate(ids)}
        Q = np.zeros((len(ids), len(ids)))
        for (i, j), c in self.parts.quadratic.items():
            Q[place[i], place[j]] += sign * c
            Q[place[j], place[i]] += sign * c
        inner = [place[key] for key in ids if key in self.free]
        if not inner:
            return []
        self.complete &= _semidefinite(Q[np.ix_(inner, inner)])
        whole = _semidefinite(Q)  # then Q d = 0 of the free Vars implies it of all
        for i in range(len(ids)) if whole else inner:
            terms = {ids[j]: Q[i, j] for j in inner if Q[i, j]}
            if terms:
                self.rows.append((terms, 0.0, 0.0))
        if whole:
            return []
        outer = [k for k, key in enumerate(ids) if key not in self.free]
        return [(Q[i, j], self.parts.var_map[ids[i]], ids[j])
                for i in outer for j in inner if Q[i, j]]

    def write(self, block: Any, sign: float) -> None:
        """Vars `d`, `rows`, `implied` and the objective `falls` on an empty block."""
        products = self.flat(sign)
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
        for terms, binary, value in self.implied:
            change = along(terms)
            if change.linear_vars:
                conditions[block.implied.add(change <= 0.0)] = (binary, value)
        if conditions:
            state(block, conditions)
        change = sign * along(self.parts.linear)
        block.falls = pyo.Objective(expr=change + sum(
            c * var * block.d[number[key]] for c, var, key in products))


def _semidefinite(Q: np.ndarray) -> bool:
    values = np.linalg.eigvalsh(Q)
    return bool(values[0] >= -CONVEX * max(values[-1], 0.0))


def _falls(block: Any) -> bool:
    """Whether the objective may fall along a direction, the implied rows left out."""
    if block.falls.expr.polynomial_degree() == 2:
        return True
    with guards_off(block):
        outcome = solve_outer(compile_program(block))
    return outcome.objective is None or outcome.objective < -ROW_HOLDS
