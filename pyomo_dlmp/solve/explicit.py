"""`explicit`: the bilevel model over the critical regions of its condensed lower levels.

Steps: compile, condense each period, enumerate its critical regions, write the upper level's cost
on each, and solve one small MILP over the regions. The lower levels are then solved again at the
decisions found, apart from all this, and the point is audited like any other.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.gc_manager import PauseGC
from pyomo.repn.linear import LinearRepnVisitor
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.condense import (
    CannotCondense,
    Upper,
    condense,
    enumerate_regions,
    pieces_of,
    read_upper,
    share_out,
)
from pyomo_dlmp.condense.hull import Hull, Linear, build_hull
from pyomo_dlmp.solve.master import solve_master
from pyomo_dlmp.transform.intervals import propagate
from pyomo_dlmp.transform.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.transform.lower_form import _bounds, compile_lower
from pyomo_dlmp.transform.single_level import upper_objective

log = logging.getLogger("pyomo_dlmp")
MOST_DECISIONS = 5  # upper decisions of a part beyond which regions are too many
_CHORDS = 0.25  # share of the gap that chords of concave costs may take


@dataclass
class Explicit:
    """A bilevel model ready for its master: `columns` are the upper Vars."""

    systems: list[KktSystem]
    upper: Upper
    columns: list
    hull: Hull
    regions: list


def prepare(model, gap: float, most: int = 500, clock=None) -> Explicit:
    """Condense a bilevel model and enumerate its regions; CannotCondense where that does not do."""
    stage = clock.stage if clock is not None else (lambda _: None)
    stage("compile")
    blocks = lower_levels(model)
    with PauseGC():
        systems = [build_kkt(compile_lower(block)) for block in blocks]
        objective = upper_objective(model, blocks)
        upper = read_upper(model, systems, objective)
        columns, linear = _upper_linear(upper, systems)
    place = {id(var): j for j, var in enumerate(columns)}
    stage("condense")
    parts, where = [], []
    for number, kkt in enumerate(systems):
        at = np.array([place[id(v)] for v in kkt.form.u], dtype=int)
        for part in condense(kkt, upper.paid(number), upper.wanted(number),
                             (linear.lb[at], linear.ub[at]), number):
            parts.append(part)
            where.append(at[part.u])
    worths = share_out(upper, systems, parts)
    used = [k for k, worth in enumerate(worths) if worth.terms]
    for k in used:
        _check_size(parts[k])
    stage("regions")
    regions = [enumerate_regions(parts[k], most) for k in used]
    stage("pieces")
    error = _CHORDS * gap * _scale(linear, worths) / max(1, len(used))
    pieces = [pieces_of(worths[k], r, systems[parts[k].lower].sigma, error)
              for k, r in zip(used, regions, strict=True)]
    hull = build_hull(linear, [parts[k] for k in used], pieces, [where[k] for k in used])
    return Explicit(systems, upper, columns, hull, regions)


def _check_size(part) -> None:
    if part.m > MOST_DECISIONS:
        raise CannotCondense(f"it has {part.m} upper decisions in one part, and regions are "
                             f"enumerated for at most {MOST_DECISIONS}")
    if not (np.isfinite(part.lo).all() and np.isfinite(part.hi).all()):
        raise CannotCondense("an upper decision in it has no finite range")
    if not part.m:
        raise CannotCondense("a part whose prices or Vars are used holds no upper decision")


def _scale(linear: Linear, worths) -> float:
    return 1.0


def _upper_linear(upper: Upper, systems: list[KktSystem]):
    """(upper Vars, their rows and objective as arrays, boxes tightened by the rows)."""
    inner = {id(v) for kkt in systems for v in kkt.form.x}
    inner |= {id(v) for kkt in systems for _, _, dual in getattr(
        kkt.form.block, "dual_vars", lambda: ())() for v in dual.values()}
    var_map: dict = {}
    visitor = LinearRepnVisitor({}, var_recorder=OrderedVarRecorder(var_map, {}, None))
    found = []
    for con in upper.rows:
        low, body, high = con.to_bounded_expression(evaluate_bounds=True)
        repn = visitor.walk_expression(body)
        if repn.nonlinear is not None:
            raise CannotCondense(f"the upper row '{con.name}' is not linear")
        if any(vid in inner for vid, v in repn.linear.items() if v):
            raise CannotCondense(f"the upper row '{con.name}' holds Vars or duals of the lower "
                                 "level")
        found.append((repn.linear, -np.inf if low is None else low - repn.constant,
                      np.inf if high is None else high - repn.constant))
    var_map = {**upper.var_map, **var_map, **{id(v): v for k in systems for v in k.form.u}}
    used = {i for row, *_ in found for i in row} | set(upper.linear)
    used |= {id(v) for kkt in systems for v in kkt.form.u}
    columns = [var for vid, var in var_map.items() if vid in used and vid not in inner]
    place = {id(var): j for j, var in enumerate(columns)}
    i = [k for k, (row, *_) in enumerate(found) for _ in row]
    j = [place[vid] for row, *_ in found for vid in row]
    A = sp.csr_matrix(([v for row, *_ in found for v in row.values()], (i, j)),
                      shape=(len(found), len(columns)))
    lo, hi = np.array([r[1] for r in found]), np.array([r[2] for r in found])
    c = np.zeros(len(columns))
    for vid, coef in upper.linear.items():
        c[place[vid]] = coef
    lb, ub = _bounds(columns)
    lb, ub = propagate((A, np.zeros(len(found)), lo, hi), lb, ub)
    integer = np.array([not v.is_continuous() for v in columns], dtype=bool)
    return columns, Linear(A, lo, hi, lb, ub, integer, c, upper.constant)
