"""Indicator constraints, handed to a solver's own model, since Pyomo has none.

A Pyomo model states them as inactive rows and the Suffix `implied_by` (see
`transform.complementarity.indicator`). Pyomo's direct interfaces build the solver's model and run
it in one call; here the building is extended, so that the implied rows are in it before it runs.

| through (Pyomo) | call of the solver      |
|-----------------|-------------------------|
| `scip_direct`   | `addConsIndicator`      |
| `gurobi_direct` | `addGenConstrIndicator` |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyomo_dlmp.transform.complementarity.indicator import guards_off, implications_of


@dataclass(frozen=True)
class Native:
    """How one of Pyomo's interfaces takes indicator constraints.

    Attributes
    ----------
    builder : str
        Its method that builds the solver's model.
    add : callable
        (Pyomo solver, row, binary, value) -> None, adds one constraint to that model.
    """

    builder: str
    add: Callable[[Any, Any, Any, int], Any]


def _scip(solver, row, binary, value: int) -> None:
    seen = solver._pyomo_var_to_solver_var_map
    column = seen[binary] if binary in seen else solver._add_var(binary)
    solver._solver_model.addConsIndicator(
        solver._expr_visitor.walk_expression(row.expr), column, activeone=bool(value))


def _gurobi(solver, row, binary, value: int) -> None:
    body, used, _ = solver._get_expr_from_pyomo_expr(row.body, 1)
    column = solver._pyomo_var_to_solver_var_map[binary]
    solver._solver_model.addGenConstrIndicator(column, bool(value), body <= row.ub)
    for var in (*used, binary):
        solver._referenced_variables[var] += 1


NATIVE: dict[str, Native] = {
    "scip_direct": Native("_create_solver_model", _scip),
    "gurobi_direct": Native("_set_instance", _gurobi),
}


@contextmanager
def implications(factory: str | None, solver: Any, model: Any) -> Iterator[None]:
    """Let a Pyomo solver take the rows that the binaries of a model imply.

    Parameters
    ----------
    factory : str or None
        Its name in Pyomo's SolverFactory.
    solver : object
        Pyomo's solver; within the context it solves this model alone.
    model : Block
        The model. One without implied rows is solved as it is.

    Raises
    ------
    NotImplementedError
        The interface is not a row of `NATIVE`.
    """
    found = implications_of(model)
    if not found:
        yield
        return
    native = NATIVE.get(factory or "")
    if native is None:
        raise NotImplementedError(f"Pyomo's {factory} has no indicator constraints")
    build = getattr(solver, native.builder)

    def built(*args, **kwds):
        answer = build(*args, **kwds)
        for row, binary, value in found:
            native.add(solver, row, binary, value)
        return answer

    setattr(solver, native.builder, built)
    try:
        with guards_off(model):
            yield
    finally:
        delattr(solver, native.builder)
