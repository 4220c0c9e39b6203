"""A scenario as a Pyomo MILP, as mpi-sppy takes it: hull, tangents and its own first stage.

Needs the extra `mpi`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mpisppy.utils.sputils as sputils
import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.core.expr.numeric_expr import LinearExpression

from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.uncertainty.shipment import RiskRows, Shipment


@dataclass
class Written:
    """What a scenario's model stands for.

    Attributes
    ----------
    number
        Of the scenario.
    hull
        Its columns ``z`` and its pieces.
    own
        Number of columns that are the scenario's, before those of the pieces.
    weight
        Of its cost in its objective.
    """

    number: int
    hull: Hull
    own: int
    weight: float


def scenario_name(s: int) -> str:
    """Name of a scenario's model by its number."""
    return f"scen{s}"


def scenario_model(name: str, shipment: Shipment, risk: list[RiskRows]) -> pyo.ConcreteModel:
    """A scenario as a Pyomo MILP; `x` is the first stage.

    Parameters
    ----------
    name
        As of `scenario_name`.
    shipment
        The problem.
    risk
        Its `risk_rows`.

    Returns
    -------
    ConcreteModel
    """
    s, problem = sputils.extract_num(name), shipment.problem
    first, recourse, mine = problem.first, problem.recourses[s], risk[s]
    one, measure = recourse.scenario, problem.measure.rows(problem.probabilities)
    hull = build_hull(recourse.program, one.parts, one.pieces, one.u)  # type: ignore[arg-type]
    p, n, shared = hull.linear, first.size, mine.shared
    m = pyo.ConcreteModel(name)
    m.x = _columns(np.concatenate([first.lb, measure.lb[shared]]),
                   np.concatenate([first.ub, measure.ub[shared]]),
                   np.append(first.integer, np.zeros(len(shared), bool)))
    m.z = _columns(p.lb, p.ub, p.integer)
    wide = sp.vstack([recourse.B, sp.csr_matrix((p.A.shape[0] - recourse.B.shape[0], n))])
    x, z = list(m.x.values()), list(m.z.values())
    m.rows = _rows(sp.hstack([wide, p.A], format="csr"), p.lo, p.hi, x[:n] + z)
    m.tangents = pyo.ConstraintList()
    add_tangents(m.tangents, hull, z, shipment.tangents[s])
    m.cost = pyo.Expression(expr=_linear(p, z))
    paid = float(mine.weight) * m.cost
    probability = float(problem.probabilities[s])
    if len(measure.c):
        m.e = _columns(measure.lb[mine.own], measure.ub[mine.own], np.zeros(len(mine.own), bool))
        own = list(m.e.values())
        m.risk = pyo.ConstraintList()
        A = sp.hstack([mine.A[:, shared], mine.A[:, mine.own]], format="csr")
        for i, at in enumerate(mine.cost):
            body = _sum(A[i], x[n:] + own) + float(at) * m.cost
            m.risk.add(pyo.inequality(_limit(mine.lo[i]), body, _limit(mine.hi[i])))
        scale = 1.0 / probability if probability > 0 else 0.0
        paid += sum(scale * float(c) * e for c, e in zip(measure.c[mine.own], own, strict=True))
    m.first_cost = pyo.Expression(expr=sum(
        float(c) * v for c, v in zip([*first.c, *measure.c[shared]], x, strict=True)))
    m.objective = pyo.Objective(expr=m.first_cost + paid)
    m._mpisppy_probability = probability
    m._written = Written(s, hull, len(recourse.program.c), mine.weight)
    sputils.attach_root_node(m, m.first_cost, [m.x])
    return m


def _columns(lb: np.ndarray, ub: np.ndarray, integer: np.ndarray) -> pyo.Var:
    return pyo.Var(range(len(lb)), bounds=lambda _, j: (_limit(lb[j]), _limit(ub[j])),
                   domain=lambda _, j: pyo.Integers if integer[j] else pyo.Reals)


def _limit(x: Any) -> float | None:
    return float(x) if np.isfinite(x) else None


def _sum(row: sp.csr_matrix, columns: list) -> LinearExpression:
    return LinearExpression(constant=0.0, linear_coefs=row.data.tolist(),
                            linear_vars=[columns[j] for j in row.indices])


def _linear(p: Program, z: list) -> LinearExpression:
    at = np.flatnonzero(p.c)
    return LinearExpression(constant=float(p.constant), linear_coefs=p.c[at].tolist(),
                            linear_vars=[z[j] for j in at])


def _rows(A: sp.csr_matrix, lo: np.ndarray, hi: np.ndarray, columns: list) -> pyo.Constraint:
    kept = np.flatnonzero((np.diff(A.indptr) > 0) & (np.isfinite(lo) | np.isfinite(hi)))

    def row(_, i: int):
        body = _sum(A[i], columns)
        if lo[i] == hi[i]:
            return body == float(lo[i])
        return pyo.inequality(_limit(lo[i]), body, _limit(hi[i]))

    return pyo.Constraint(kept.tolist(), rule=row)


def add_tangents(rows: pyo.ConstraintList, hull: Hull, z: list, at: list) -> None:
    """Add tangents of pieces; `at` as of `Hull.tangents`, `z` the columns' Vars."""
    if not at:
        return
    A, _ = hull.tangents(at)
    for i in range(A.shape[0]):
        rows.add(_sum(A[i], z) >= 0.0)


def scenarios_in(model: pyo.ConcreteModel) -> Iterator[pyo.ConcreteModel]:
    """The scenarios of a model of mpi-sppy: itself, or those of a bundle."""
    if hasattr(model, "_written"):
        yield model
        return
    for name in model._ef_scenario_names:
        yield model.component(name)


def refine(model: pyo.ConcreteModel, aim: float) -> float:
    """Add tangents where a model's point is, and set its costs t to the exact ones there.

    Parameters
    ----------
    model
        With a point.
    aim
        $ by which costs may be too low before tangents are added.

    Returns
    -------
    float
        By how much costs were too low ($).
    """
    total = 0.0
    for m in scenarios_in(model):
        hull, z = m._written.hull, list(m.z.values())
        values = np.array([v.value for v in z])
        found = hull.missing(values)
        short = sum(max(0.0, one[0]) for one in found)
        if short > aim:
            add_tangents(m.tangents, hull, z, [
                (k, r, v) for d, k, r, v in found if d > 0.1 * aim / len(found)])
        for k, r, share, v in hull.shares(values):
            z[hull.first[k][r] + hull.parts[k].m + 1].set_value(
                share * hull.pieces[k][r].cost(v), skip_validation=True)
        total += short * (m._mpisppy_probability if model is not m else 1.0)
    return total


def point_of(model: pyo.ConcreteModel) -> tuple[int, np.ndarray, np.ndarray]:
    """(number, first stage, own columns) of a scenario's model."""
    written = model._written
    return (written.number, np.array([v.value for v in model.x.values()]),
            np.array([model.z[j].value for j in range(written.own)]))
