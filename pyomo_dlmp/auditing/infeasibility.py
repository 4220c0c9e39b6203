"""Why is a bilevel problem infeasible? Four questions, each of them a smaller problem.

1. Is a lower level feasible for any upper decision within its bounds?
2. Is a lower level bounded for any upper decision?
3. Do upper decisions within their bounds meet the linear rows over them alone?
4. Which upper rows does the lower levels' solution violate, at the upper decision that violates
   them least?
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.collections import ComponentMap, ComponentSet
from pyomo.core.expr.visitor import identify_variables
from pyomo.repn import generate_standard_repn

from pyomo_dlmp.bilevel import guard_of, lower_levels
from pyomo_dlmp.bilevel.values import bounds_of, load_values
from pyomo_dlmp.errors import DlmpError, Fault, SolverError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.point import decisions_of
from pyomo_dlmp.lower.solver import LowerSolution, LowerSolver
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import HIGH_POINT_GAP, ROW_HOLDS
from pyomo_dlmp.transform.compile import compile_program

_SHOWN = 5


def explain_infeasibility(model: Any, solve: Callable) -> list[str]:
    """Sentences that explain why a bilevel model is infeasible; the model is not changed.

    Parameters
    ----------
    model
        The bilevel model.
    solve
        solve(model): `solve_bilevel` with the caller's solver, used to find the
        upper rows that conflict with the lower levels.

    Returns
    -------
    list of str
        Empty where nothing was found.
    """
    try:
        return _explained(model, solve)
    except limits.Stopped as err:
        return [f"why the model is infeasible is not known: the {err.status} was passed"]


def _explained(model: Any, solve: Callable) -> list[str]:
    systems = [build_kkt(compile_lower(block)) for block in lower_levels(model)]
    found = [text for kkt in systems for text in _no_answer(kkt)]
    if found:
        return found
    found = [text for kkt in systems for text in _unbounded(kkt)]
    if found:
        return found
    return _upper_alone(model) or _broken(model, solve)


def _upper_alone(model: Any) -> list[str]:
    """Linear rows over the leader's own decisions that none meets, with the least violation."""
    blocks = lower_levels(model)
    own = ComponentSet(v for b in blocks for v in _decisions(b))
    below = ComponentSet(v for b in blocks for v in b.component_data_objects(
        pyo.Var, descend_into=pyo.Block) if v not in own)
    below.update(v for b in blocks for _, _, dual in b.dual_vars() for v in dual.values())
    guards = ComponentSet(guard_of(b) for b in blocks)
    columns = ComponentMap()
    names: list[str] = []
    limit: list[list[float]] = []
    entries: list[tuple[int, int, float]] = []
    for row in model.component_data_objects(pyo.Constraint, active=True, descend_into=pyo.Block):
        if row in guards:
            continue
        lower, body, upper = row.to_bounded_expression(evaluate_bounds=True)
        terms = generate_standard_repn(body, quadratic=False)
        if not terms.is_linear() or any(v in below for v in terms.linear_vars):
            continue
        k = len(names)
        names.append(row.name)
        limit.append([side - terms.constant if side is not None else none for side, none in (
            (lower, -np.inf), (upper, np.inf))])
        entries += [(k, columns.setdefault(v, len(columns)), c) for v, c in zip(
            terms.linear_vars, terms.linear_coefs, strict=True)]
    if not entries:
        return []
    at, column, coef = map(np.array, zip(*entries, strict=True))
    rows, n = len(names), len(columns)
    A = sp.hstack([sp.csr_matrix((coef, (at, column)), shape=(rows, n)),
                   sp.identity(rows), -sp.identity(rows)], format="csr")
    lo, hi = np.array(limit, dtype=float).T
    lb, ub = bounds_of(columns)
    answer = Highs(np.r_[np.zeros(n), np.ones(2 * rows)], A, lo, hi, np.r_[lb, np.zeros(2 * rows)],
                   np.r_[ub, np.full(2 * rows, np.inf)]).solve_lp()
    if answer.z is None or answer.objective is None:
        return []
    moved = answer.z[n: n + rows] + answer.z[n + rows:]
    worst = [i for i in np.argsort(-moved)[:_SHOWN] if moved[i] > ROW_HOLDS * (1 + _size(limit[i]))]
    return [f"no decision of the upper level meets its own rows within its bounds: row "
            f"'{names[i]}' is broken by {moved[i]:.4g} at least" for i in worst]


def _size(limits_of_row: list[float]) -> float:
    return max((abs(side) for side in limits_of_row if np.isfinite(side)), default=0.0)


def solve_or_explain(kkt: KktSystem) -> LowerSolution:
    """The solution at the upper Vars' values; where there is none, the error names why.

    Parameters
    ----------
    kkt : KktSystem

    Returns
    -------
    LowerSolution

    Raises
    ------
    SolverError
        With `conflict_faults` where rows conflict.
    """
    try:
        return LowerSolver(kkt).solve_here()
    except SolverError as err:
        raise SolverError(conflict_faults(kkt) or err.faults) from None


def conflict_faults(kkt: KktSystem) -> list[Fault]:
    """Why a lower level has no answer at its upper Vars' values: rows that must be broken.

    Parameters
    ----------
    kkt : KktSystem

    Returns
    -------
    list of Fault
        Of `conflicting_rows`, the first few by name; empty where nothing must be broken.
    """
    rows, name = conflicting_rows(kkt), str(kkt.form.block.name)
    cure = ("Make limits soft or wider, or change what they depend on; for a bilevel model "
            "dlmp.why_infeasible(m) asks whether any decision of its upper level would do.")
    faults = [Fault(f"{name}, row {row.name!r}", "cannot be kept, whatever is decided here: it is "
                    f"broken by {moved:.3g} at least", cure) for row, moved in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        faults.append(Fault(name, f"is infeasible: {len(rows) - _SHOWN} further rows are broken, "
                            "too", cure))
    return faults


def conflicting_rows(kkt: KktSystem) -> list[tuple[Any, float]]:
    """Rows of a lower level that must be broken at its upper Vars' values, and by how much.

    Parameters
    ----------
    kkt : KktSystem

    Returns
    -------
    list of (ConstraintData, float)
        Of the least sum of violations; those that are broken furthest first. Equalities are kept
        where that is possible. Empty where nothing must be broken.
    """
    form, u = kkt.form, decisions_of(kkt.form)
    moved = _least_violation(kkt, u, u)
    return [] if moved is None else [
        (form.rows[r], float(moved[r])) for r in np.argsort(-moved, kind="stable")
        if moved[r] > ROW_HOLDS]


def _least_violation(kkt: KktSystem, u_lo: np.ndarray, u_hi: np.ndarray) -> np.ndarray | None:
    """By how much rows are broken where the sum is least, over upper decisions in a box.

    Equalities are kept where that is possible. None where bounds of Vars contradict each other.
    """
    form = kkt.form
    rows, n, m = len(form.rows), len(form.x), len(form.u)
    # lo <= A x + B u + up - down <= hi, least up + down
    A = sp.hstack([form.A, form.B, sp.identity(rows), -sp.identity(rows)], format="csr")
    cost = np.concatenate([np.zeros(n + m), np.ones(2 * rows)])
    room = np.full(rows, np.inf)
    for most in (np.where(form.lo == form.hi, 0.0, room), room):
        answer = Highs(
            cost, A, form.lo, form.hi, np.concatenate([form.lb, u_lo, np.zeros(2 * rows)]),
            np.concatenate([form.ub, u_hi, most, most])).solve_lp()
        if answer.z is not None and answer.objective is not None:
            return answer.z[n + m: n + m + rows] + answer.z[n + m + rows:]
    return None


def _no_answer(kkt: KktSystem) -> list[str]:
    """Rows that conflict where the lower level is infeasible for every upper decision."""
    form = kkt.form
    moved = _least_violation(kkt, *form.u_box())
    if moved is None:
        return [f"{form.block.name}: the bounds of its Vars contradict each other"]
    if moved.sum() <= ROW_HOLDS:
        return []
    worst = np.argsort(-moved)[:_SHOWN]
    listed = ", ".join(
        f"{form.names_row[r]} (by {moved[r]:.3g})" for r in worst if moved[r] > ROW_HOLDS)
    return [f"{form.block.name} has no feasible answer for any upper decision within its bounds; "
            f"it becomes feasible if these constraints are relaxed: {listed}"]


def _unbounded(kkt: KktSystem) -> list[str]:
    """The lower level whose dual has no point for any u: it is unbounded wherever feasible."""
    form = kkt.form
    n, e = len(form.x), len(kkt.equality_rows)
    u_lo, u_hi = form.u_box()
    A = sp.hstack([form.Q, form.D, -kkt.A_eq.T, -kkt.sigma * kkt.S.T], format="csr")
    free = np.full(n, np.inf)
    answer = Highs(
        np.zeros(A.shape[1]), A, -form.c, -form.c,
        np.concatenate([-free, u_lo, np.full(e, -np.inf), np.zeros(kkt.pairs)]),
        np.concatenate([free, u_hi, np.full(e + kkt.pairs, np.inf)])).solve_lp()
    if answer.status != Status.INFEASIBLE:
        return []
    return [f"{form.block.name} is unbounded for every upper decision within its bounds: its cost "
            f"falls without limit (objective '{form.objective.name}')"]


def _broken(model, solve: Callable) -> list[str]:
    """Upper rows that need the least relaxation, with the lower levels' exact solutions."""
    copy = model.clone()
    blocks = lower_levels(copy)
    inside = ComponentSet(
        c for b in blocks for c in b.component_data_objects(
            (pyo.Constraint, pyo.Objective), active=True, descend_into=pyo.Block))
    total, moved = _soften(copy, blocks, inside)
    if not moved:
        return []
    for objective in list(copy.component_data_objects(pyo.Objective, active=True)):
        if objective not in inside:
            objective.deactivate()
    copy.dlmp_least_violation = pyo.Objective(expr=total)
    try:
        found = (_solved_at_known_answers(copy, blocks) if _answers_are_known(copy, blocks)
                 else solve(copy).objective is not None)
    except DlmpError as err:
        return [f"the upper rows could not be examined ({err.faults[0]})"]
    if not found:
        return ["the upper rows contradict each other, or the lower levels' rows, before any "
                "optimality of the lower level"]
    broken = [(name, up.value + down.value) for name, up, down in moved
              if (up.value or 0.0) + (down.value or 0.0) > ROW_HOLDS]
    broken.sort(key=lambda item: -item[1])
    at = ", ".join(
        f"{v.name} = {v.value:.4g}" for b in blocks for v in _decisions(b)[:_SHOWN])
    return [f"the lower level's answer breaks the upper row '{name}' by {value:.4g}"
            + (f" (at {at}, where the upper rows are broken least)" if at else "")
            for name, value in broken[:_SHOWN]]


def _answers_are_known(copy, blocks) -> bool:
    """Whether no upper decision reaches a lower level, and upper rows are linear without duals."""
    duals = ComponentSet(v for b in blocks for _, _, dual in b.dual_vars() for v in dual.values())
    rows = copy.component_data_objects(pyo.Constraint, active=True, descend_into=pyo.Block)
    guards = ComponentSet(guard_of(b) for b in blocks)
    return not any(compile_lower(b).u for b in blocks) and all(
        row.body.polynomial_degree() in (0, 1)
        and not any(v in duals for v in identify_variables(row.body))
        for row in rows if row not in guards)


def _solved_at_known_answers(copy, blocks) -> bool:
    """Load the least violation over the lower levels' answers; False where there is none.

    The answers of a convex QP are its feasible points with the Q x and c'x of any one of them.
    """
    copy.dlmp_answers = pyo.ConstraintList()
    for block in blocks:
        kkt = build_kkt(compile_lower(block))
        form = kkt.form
        best = LowerSolver(kkt).solve(np.zeros(0)).x
        for entries, value in zip(sp.vstack([form.Q, sp.csr_matrix(form.c)], format="csr"),
                                  [*(form.Q @ best), form.c @ best], strict=True):
            if entries.nnz:
                copy.dlmp_answers.add(float(value) == sum(
                    float(c) * form.x[j]
                    for j, c in zip(entries.indices, entries.data, strict=True)))
        form.objective.deactivate()
        guard_of(block).deactivate()
    program = compile_program(copy)
    outcome = solve_outer(program, HIGH_POINT_GAP)
    if outcome.z is None:
        return False
    load_values(program.columns, outcome.z)
    return True


def _soften(copy, blocks, inside):
    """(sum of violations, [(row, up, down)]) of the upper rows, replaced by elastic ones."""
    rows = [row for row in copy.component_data_objects(
        pyo.Constraint, active=True, descend_into=pyo.Block) if row not in inside]
    copy.dlmp_up = pyo.Var(range(len(rows)), bounds=(0, None))
    copy.dlmp_down = pyo.Var(range(len(rows)), bounds=(0, None))
    copy.dlmp_soft = pyo.Constraint(range(len(rows)))
    moved = []
    answers = ComponentSet(
        v for b in blocks for v in b.component_data_objects(pyo.Var, descend_into=pyo.Block)
        if not v.fixed)
    decided = ComponentSet(v for b in blocks for v in _decisions(b))
    total = 0.0
    for k, row in enumerate(rows):
        uses = any(v in answers and v not in decided
                   for v in identify_variables(row.body, include_fixed=False))
        if not uses:
            continue
        up, down = copy.dlmp_up[k], copy.dlmp_down[k]
        lower, body, upper = row.to_bounded_expression(evaluate_bounds=True)
        copy.dlmp_soft[k] = (lower, body + up - down, upper)
        row.deactivate()
        total = total + up + down
        moved.append((row.name, up, down))
    return total, moved


def _decisions(block) -> list:
    """Upper Vars that a lower level reads."""
    try:
        return compile_lower(block).u
    except DlmpError:
        return []
