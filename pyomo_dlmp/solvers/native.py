"""What is added to the models that Pyomo's direct interfaces build for a solver.

Rows that a binary implies, which Pyomo has not: a model states them as inactive rows and the Suffix
`implied_by` (see `transform.complementarity.indicator`). The interfaces build the solver's own
model and run it in one call; here the building is extended, so that the implied rows are in it
before it runs.

| through (Pyomo) | indicator constraints   |
|-----------------|-------------------------|
| `scip_direct`   | `addConsIndicator`      |
| `gurobi_direct` | `addGenConstrIndicator` |

SCIP gets a convex objective as a sum of squares (`solvers.sum_of_squares`) where Vars in its
products have no bounds: it sees the convexity of the whole too rarely, and has no bound of a
product then.
SCIP runs without the interpreter lock: Pyomo reads its output through a pipe in another thread, and
once the pipe is full (64 kB: some thousand nodes) the two would wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.bilevel.quadratics import quadratic_parts
from pyomo_dlmp.solvers.sum_of_squares import squares
from pyomo_dlmp.transform.complementarity.indicator import guards_off, implications_of


@dataclass(frozen=True)
class Native:
    """How one of Pyomo's interfaces is extended.

    Attributes
    ----------
    builder : str
        Its method that builds the solver's model.
    add : callable
        (Pyomo solver, row, binary, value) -> None, adds an indicator constraint to that model.
    options : dict
        Options that a model with indicator constraints needs, where the user gives no other.
    prunes_unbounded : bool
        Whether its tree gives up nodes with an unbounded relaxation (see `solvers.rays`).
    answer : callable
        (Pyomo solver, what the builder returned) -> what takes its place.
    """

    builder: str
    add: Callable[[Any, Any, Any, int], None]
    options: dict = field(default_factory=dict)
    prunes_unbounded: bool = False
    answer: Callable[[Any, Any], Any] = lambda solver, answer: answer


class _Unlocked:
    """A SCIP model that runs without the interpreter lock; otherwise the model itself."""

    def __init__(self, model):
        self._model = model

    def __getattr__(self, name):
        return getattr(self._model, name)

    def optimize(self):
        self._model.optimizeNogil()


def _scip_indicator(solver, row, binary, value: int) -> None:
    seen = solver._pyomo_var_to_solver_var_map
    column = seen[binary] if binary in seen else solver._add_var(binary)
    solver._solver_model.addConsIndicator(
        solver._expr_visitor.walk_expression(row.expr), column, activeone=bool(value))


def _scip_answer(solver, answer):
    model, *others = answer
    _objective_as_squares(solver, model)
    return (_Unlocked(model), *others)


def _objective_as_squares(solver, model) -> None:
    from pyscipopt import quicksum

    objective = solver._objective
    if objective.expr.polynomial_degree() != 2:
        return
    parts = quadratic_parts(objective.expr, objective.name)
    found = squares(parts, objective.sense)
    if found is None:
        return
    column, free = solver._pyomo_var_to_solver_var_map, model.infinity()
    value = parts.constant + quicksum(c * column[parts.var_map[k]] for k, c in parts.linear.items())
    for weight, form in found:
        root = model.addVar(lb=-free, ub=free)
        model.addCons(root == quicksum(f * column[var] for f, var in form))
        value += weight * root * root
    model.delCons(solver._obj_con)
    least = objective.sense == pyo.minimize
    solver._obj_con = model.addCons(
        solver._obj_var >= value if least else solver._obj_var <= value)


def _gurobi_indicator(solver, row, binary, value: int) -> None:
    body, used, _ = solver._get_expr_from_pyomo_expr(row.body, 1)
    column = solver._pyomo_var_to_solver_var_map[binary]
    solver._solver_model.addGenConstrIndicator(column, bool(value), body <= row.ub)
    for var in (*used, binary):
        solver._referenced_variables[var] += 1


# SCIP 10.0 with indicator constraints: what its probing infers from strong dual reductions (which
# keep one optimal solution, not all) is not valid, and it returns other optima than the model's
NATIVE: dict[str, Native] = {
    "scip_direct": Native("_create_solver_model", _scip_indicator,
                          {"misc/allowstrongdualreds": False}, True, _scip_answer),
    "gurobi_direct": Native("_set_instance", _gurobi_indicator),
}


def prunes_unbounded_nodes(factory: str | None) -> bool:
    """Whether claims of a solver about a model with implied rows are to be judged by `rays`."""
    native = NATIVE.get(factory or "")
    return native is not None and native.prunes_unbounded


@contextmanager
def extended(factory: str | None, solver: Any, model: Any) -> Iterator[None]:
    """Let a Pyomo solver take a model with the rows that its binaries imply.

    Parameters
    ----------
    factory : str or None
        Its name in Pyomo's SolverFactory.
    solver : object
        Pyomo's solver, its options set; within the context it solves this model alone.
    model : Block
        The model.

    Raises
    ------
    NotImplementedError
        The model has implied rows and the interface is not a row of `NATIVE`.
    """
    found = implications_of(model)
    native = NATIVE.get(factory or "")
    if native is None:
        if found:
            raise NotImplementedError(f"Pyomo's {factory} has no indicator constraints")
        yield
        return
    build = getattr(solver, native.builder)

    def built(*args, **kwds):
        answer = build(*args, **kwds)
        for row, binary, value in found:
            native.add(solver, row, binary, value)
        return native.answer(solver, answer)

    for key, option in native.options.items() if found else ():
        if key not in solver.options:
            solver.options[key] = option
    setattr(solver, native.builder, built)
    try:
        with guards_off(model):
            yield
    finally:
        delattr(solver, native.builder)
