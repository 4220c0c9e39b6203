"""A single-level Pyomo model as sparse arrays: the hand-over to the embedded solver.

    min  c'z + 1/2 z'Qz + constant    s.t.  lo <= A z <= hi,   lb <= z <= ub,   some z integer

A maximisation is stored as the minimisation of its negative (`sign` = -1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel.components import statements
from pyomo_dlmp.bilevel.quadratics import quadratic_parts
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.sparse import csr_of


def compile_program(model: Any, implied: Iterable = ()) -> Program:
    """Compile a model with linear rows and a linear or quadratic objective.

    Parameters
    ----------
    model
        A Pyomo model with one active objective.
    implied
        VarData whose bounds follow from the rows and are left out.

    Returns
    -------
    Program
        Its columns are the VarData in use, its rows the active ConstraintData.

    Raises
    ------
    ModelError
        A row is not linear, there are SOS sets, Disjunctions or the like, or not one active
        objective.
    """
    for step, components in statements(model).items():
        raise ModelError.at(
            components[0].name, f"is a {components[0].ctype.__name__}, which HiGHS does not take",
            "Use a complementarity mode without it, or a solver with SOS1." if step == "sos" else
            f"Apply TransformationFactory('{step}') to the model first.")
    reader = RowReader()
    rows = list(model.component_data_objects(pyo.Constraint, active=True, descend_into=pyo.Block))
    coefs, lo, hi = [], np.empty(len(rows)), np.empty(len(rows))
    for i, con in enumerate(rows):
        limits.check()
        read = reader.read(con)
        if read is None:
            raise ModelError.at(
                con.name, "is not linear",
                "Linearise products (dlmp.mccormick, dlmp.binary_expansion) or use a solver "
                "that takes quadratic rows.")
        terms, lo[i], hi[i] = read
        coefs.append(terms)
    return _assemble(model, rows, coefs, lo, hi, reader.var_map, implied)


def _assemble(model, rows, coefs, lo, hi, var_map, implied) -> Program:
    objectives = list(model.component_data_objects(pyo.Objective, active=True))
    if len(objectives) != 1:
        raise ModelError.at(
            model.name, f"has {len(objectives)} active objectives",
            "Apply dlmp.single_level to a bilevel model first; keep one objective.")
    objective = objectives[0]
    parts = quadratic_parts(objective.expr, objective.name)
    used = {i for row in coefs for i, v in row.items() if v} | set(parts.linear)
    used |= {i for key in parts.quadratic for i in key}
    var_map = {**var_map, **parts.var_map}
    columns = [var for i, var in var_map.items() if i in used]
    position = {id(var): j for j, var in enumerate(columns)}
    n, sign = len(columns), (1 if objective.sense == pyo.minimize else -1)
    entries = [(i, position[k], v) for i, row in enumerate(coefs) for k, v in row.items() if v]
    c = np.zeros(n)
    for k, v in parts.linear.items():
        c[position[k]] = v
    quad = []
    for (i, j), v in parts.quadratic.items():
        quad += [(position[i], position[j], v), (position[j], position[i], v)]
    lb, ub = bounds_of(columns)
    drop = [position[id(v)] for v in implied if id(v) in position]
    lb[drop], ub[drop] = -np.inf, np.inf
    return Program(
        A=csr_of(entries, (len(rows), n)), lo=lo, hi=hi, lb=lb, ub=ub, c=sign * c,
        Q=sign * csr_of(quad, (n, n)), constant=sign * float(parts.constant),
        integer=np.array([not v.is_continuous() for v in columns], dtype=bool), sign=sign,
        columns=columns, rows=rows)
