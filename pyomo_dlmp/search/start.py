"""Bilevel-feasible points to start a search from."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.modeling import unique_component_name
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.bilevel import guard_of, upper_data, upper_objective
from pyomo_dlmp.bilevel.quadratics import quadratic_parts
from pyomo_dlmp.errors import DlmpError, SolverError
from pyomo_dlmp.lower.form import LowerForm, compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.elimination import Elimination
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.search.completing import complete_lower, completed
from pyomo_dlmp.search.simple_decisions import at_simple_decisions
from pyomo_dlmp.tolerances import FIRST_POINT_GAP, HIGH_POINT_GAP, ROW_HOLDS
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.record import SingleLevel

log = logging.getLogger("pyomo_dlmp")
_SHARE = 0.2  # of the time limit, for a relaxation that suggests a first point
_AUDITS = 2.0  # how much longer an audit takes than the first solution of the lower levels
_HIGH_POINT = 10_000.0  # units of work for the relaxation without lower-level optimality


def first_point(record: SingleLevel, program: Program, small: Program,
                elimination: Elimination) -> tuple[np.ndarray | None, float]:
    """A first bilevel-feasible point of a single level.

    The relaxation without integrality suggests upper decisions; the lower levels are solved there,
    and the point is kept if all rows of the single level hold. Otherwise the best of some simple
    decisions is taken (`simple_decisions`).

    Parameters
    ----------
    record
        Of the transformation.
    program, small, elimination
        The single level, its reduced program and the map between them (`reduce_program`).

    Returns
    -------
    tuple
        (point of the reduced program or None, lower bound of its minimum).
    """
    # without an incumbent the search may end without a point: the last seconds are for it
    left, last = limits.left(), limits.last_left()
    limit = None if np.isinf(left) else max(_SHARE * left, last - left)
    outcome = solve_outer(small.relaxed(), FIRST_POINT_GAP, limit)
    if outcome.z is None:
        return None, outcome.bound
    began = time.monotonic()
    point = completed(record, program, small, elimination, outcome.z)
    if point is None:
        point = at_simple_decisions(record, program, small, elimination, outcome.z)
    limits.reserve(_AUDITS * (time.monotonic() - began))  # the audit solves the same lower levels
    return point, outcome.bound


def known_point(model: Any, blocks: list) -> tuple[float, dict[int, float]] | None:
    """A bilevel-feasible point of the untransformed model; its values are not changed.

    The upper decisions come from the relaxation without the lower levels' optimality (their rows
    stay), or those that the lower levels see are zero or at their bounds; the lower levels are
    solved there, and the upper rows must hold.

    Parameters
    ----------
    model
        The bilevel model.
    blocks
        Its LowerLevels.

    Returns
    -------
    tuple or None
        (upper objective, {id of Var: value}); None where none was found with little work.
    """
    if any(True for _ in upper_data(model, pyo.SOSConstraint)):
        return None  # whether a point obeys them is not checked here
    systems = [build_kkt(compile_lower(block)) for block in blocks]
    saved = [(v, v.value) for v in model.component_data_objects(pyo.Var, descend_into=pyo.Block)]
    try:
        point = high_point(model, systems)
        if point is None:
            return None
        solvers = [LowerSolver(kkt) for kkt in systems]
        if not any(_answered(model, solvers) for _ in _decisions(systems)):
            return None
        upper = upper_objective(model)
        value = pyo.value(upper.expr, exception=False)
        if value is None:
            return None
        return float(value), {id(var): var.value for var, _ in saved if var.value is not None}
    except DlmpError:
        return None
    finally:
        with limits.shield():
            for var, value in saved:
                var.set_value(value, skip_validation=True)


def _decisions(systems: list) -> Iterator[None]:
    """Load decisions of which one may give a point: those that are there, zero, bounds."""
    yield
    seen = {id(v): v for kkt in systems for v in kkt.form.u}.values()
    for want in (lambda v: 0.0, lambda v: v.lb, lambda v: v.ub):
        for var in seen:
            value = want(var)
            if value is not None:
                value = max(value, -np.inf if var.lb is None else var.lb)
                var.set_value(min(value, np.inf if var.ub is None else var.ub))
        yield


def _answered(model: Any, solvers: list[LowerSolver]) -> bool:
    """Load the lower levels' solutions at the loaded decisions; whether all rows hold."""
    try:
        for solver in solvers:
            solver.solve_here().load()
    except SolverError:
        return False
    return all(_most_violated(solver.kkt.form) <= ROW_HOLDS for solver in solvers) and all(
        _violation(row) <= ROW_HOLDS for row in upper_data(model, pyo.Constraint))


def load_start(model: Any, record: SingleLevel, values: dict[int, float]) -> None:
    """Load a known point onto the Vars of a single level, multipliers and binaries included.

    Parameters
    ----------
    model, record
        The transformed model and its record.
    values
        {id of Var: value} of a bilevel-feasible point.
    """
    variables = list(model.component_data_objects(pyo.Var, active=True, descend_into=pyo.Block))
    place = {id(var): j for j, var in enumerate(variables)}
    z = np.array([values.get(id(var), var.value or 0.0) for var in variables])
    for lower in record.lowers:
        for var in lower.kkt.form.u:
            var.set_value(float(z[place[id(var)]]), skip_validation=True)
        complete_lower(lower, z, place)
    for var, value in zip(variables, z, strict=True):
        if not var.fixed:
            var.set_value(float(value), skip_validation=True)


def high_point(model: Any, systems: list) -> float | None:
    """Load the optimum of the relaxation without lower-level optimality onto the Vars.

    Terms of the upper objective beyond its linear ones, and rows with duals, are left out.

    Parameters
    ----------
    model, systems
        The untransformed model and its compiled lower levels.

    Returns
    -------
    float or None
        Objective of the relaxation; None where no optimum was found.
    """
    upper = upper_objective(model)
    parts = quadratic_parts(upper.expr, upper.name)
    duals = {id(dual.var) for kkt in systems for dual in kkt.duals.asked()}
    cost = sum(c * parts.var_map[k] for k, c in parts.linear.items() if k not in duals) + 0.0
    guards = [guard_of(kkt.form.block) for kkt in systems]
    aside = [*(kkt.form.objective for kkt in systems), upper, *guards,
             *_rows_beyond(model, duals)]
    name = unique_component_name(model, "dlmp_high_point")
    with _switched_off(aside):
        try:
            model.add_component(name, pyo.Objective(expr=cost, sense=upper.sense))
            program = compile_program(model, forms=[kkt.form for kkt in systems])
            share = _SHARE * limits.left()
            with limits.work(_HIGH_POINT):
                outcome = solve_outer(program, HIGH_POINT_GAP,
                                      share if np.isfinite(share) else None)
        finally:
            with limits.shield():
                model.del_component(name)
    if outcome.z is None:
        return None
    for var, value in zip(program.columns, outcome.z, strict=True):
        var.set_value(float(value), skip_validation=True)
    for var in (v for kkt in systems for v in kkt.form.u if v.value is None):
        var.set_value(min(max(0.0, var.lb or 0.0), np.inf if var.ub is None else var.ub))
    return outcome.objective


def _rows_beyond(model, duals: set[int]) -> list:
    """Active upper rows that are not linear or use one of the duals (ids)."""
    return [
        row for row in upper_data(model, pyo.Constraint)
        if row.body.polynomial_degree() not in (0, 1) or any(
            id(v) in duals for v in identify_variables(row.body, include_fixed=False))]


@contextmanager
def _switched_off(components):
    try:
        for component in components:
            component.deactivate()
        yield
    finally:
        with limits.shield():
            for component in components:
                component.activate()


def _most_violated(form: LowerForm) -> float:
    """How far a row of a lower level is from holding at the values on the Vars."""
    value = form.A @ np.array([v.value for v in form.x], dtype=float) + (
        form.B @ np.array([v.value for v in form.u], dtype=float))
    over = np.maximum(form.lo - value, value - form.hi) / (1.0 + np.abs(value))
    return np.inf if np.isnan(over).any() else float(over.max(initial=0.0))


def _violation(row) -> float:
    value = pyo.value(row.body, exception=False)
    if value is None:
        return np.inf
    low = -np.inf if row.lb is None else row.lb
    high = np.inf if row.ub is None else row.ub
    return max(low - value, value - high) / (1.0 + abs(value))
