"""What the upper level states about one lower level: its linear rows, and how it uses the duals.

Bounds on multipliers need to hold at points that satisfy the upper rows only (and, with a cutoff,
at points at least as good as a known one). In R the terms of Vars that do not belong to this lower
level are replaced by their ranges, so that every row there is implied by the user's; `Stated` has
the rows as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.bilevel import guard_of
from pyomo_dlmp.bilevel.quadratics import quadratic_parts
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.columns import columns_of
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.tolerances import ROW_HOLDS


@dataclass
class Stated:
    """All linear upper rows as they are:  lo <= own z + others o <= hi,   o_lo <= o <= o_hi.

    Attributes
    ----------
    own, others
        Coefficients of z = (u, x, y, mu) of one lower level and of the other Vars o, csr matrices.
    lo, hi
        Limits, shape (rows,).
    o_lo, o_hi
        Bounds of the other Vars.
    """

    own: sp.csr_matrix
    others: sp.csr_matrix
    lo: np.ndarray
    hi: np.ndarray
    o_lo: np.ndarray
    o_hi: np.ndarray


@dataclass
class UpperView:
    """Upper rows over the columns z = (u, x, y, mu) of one lower level:  lo <= R z <= hi.

    The derivative of the upper objective (as minimised) by the duals (y, mu) is
    slope + slope_u u.

    Attributes
    ----------
    R, lo, hi
        Shapes (rows, columns), (rows,), (rows,).
    has_lo, has_hi
        Whether the user's row has that limit (which may be infinite here, where other Vars have
        no bounds); False for the row of the cutoff, which is no limit of the user's. Shape (rows,).
    spread
        How far the sum of the terms of other Vars may vary in each row, shape (rows,).
    slope, slope_u
        Shapes (e + pairs,) and (e + pairs, m).
    slope_unknown
        Mask of the duals whose derivative is another function, or that a row which is not linear
        uses, shape (e + pairs,).
    stated
        The rows without ranges in place of other Vars; not the cutoff's.
    """

    R: sp.csr_matrix
    lo: np.ndarray
    hi: np.ndarray
    has_lo: np.ndarray
    has_hi: np.ndarray
    spread: np.ndarray
    slope: np.ndarray
    slope_u: sp.csr_matrix
    slope_unknown: np.ndarray
    stated: Stated

    @property
    def of_duals(self) -> sp.csr_matrix:
        """The rows' coefficients of the duals (y, mu), shape (rows, e + pairs)."""
        return self.R[:, self.R.shape[1] - len(self.slope):]

    @property
    def used_duals(self) -> np.ndarray:
        """Mask of the duals that the upper level uses, shape (e + pairs,)."""
        in_rows = np.diff(self.of_duals.tocsc().indptr) > 0
        return (self.slope != 0) | (np.diff(self.slope_u.indptr) > 0) | self.slope_unknown | in_rows

    @property
    def uses_duals(self) -> bool:
        """Whether the upper level uses a dual of this lower level anywhere."""
        return bool(self.used_duals.any())


def upper_views(model: Any, systems: list[KktSystem],
                cutoff: float | None = None) -> list[UpperView]:
    """What the upper level states about each lower level.

    Parameters
    ----------
    model
        The bilevel model.
    systems
        Its compiled lower levels.
    cutoff
        Upper objective of a known bilevel-feasible point, of which a row is made; None: no row.

    Returns
    -------
    list of UpperView
        One for each lower level.
    """
    inside = {id(row) for kkt in systems for row in kkt.form.rows}
    inside |= {id(guard_of(kkt.form.block)) for kkt in systems}
    rows = [
        con for con in model.component_data_objects(
            pyo.Constraint, active=True, descend_into=pyo.Block) if id(con) not in inside]
    own = {id(kkt.form.objective) for kkt in systems}
    objectives = [o for o in model.component_data_objects(pyo.Objective, active=True)
                  if id(o) not in own]
    compiled, var_map, odd = _compile(rows)
    parts = _objective_parts(objectives)
    return [_view(kkt, compiled, var_map, odd, objectives, parts, cutoff) for kkt in systems]


def _compile(rows):
    """([(coefficients, lo, hi)] of the linear rows, Vars by id, ids of Vars in other rows)."""
    reader = RowReader()
    found, odd = [], set()
    for con in rows:
        read = reader.read(con)
        if read is None:
            odd |= {id(v) for v in identify_variables(con.body, include_fixed=False)}
        else:
            found.append(read)
    return found, reader.var_map, odd


def _objective_parts(objectives):
    """Quadratic parts of the upper objective, None where there is none or it is of higher order."""
    if len(objectives) != 1:
        return None
    try:
        return quadratic_parts(objectives[0].expr, objectives[0].name)
    except ModelError:
        return None


def _view(kkt, compiled, var_map, odd, objectives, parts, cutoff) -> UpperView:
    where = columns_of(kkt)
    width = len(kkt.form.u) + len(kkt.form.x) + len(kkt.equality_rows) + kkt.pairs
    first_dual = len(kkt.form.u) + len(kkt.form.x)
    entries: list[tuple[int, int, float]] = []
    ends: list[tuple[float, float, bool, bool, float]] = []
    for coefs, low, high in [*compiled, *_bounds_of_duals(kkt)]:
        terms, rest_lo, rest_hi = _split(coefs, var_map, where)
        if terms:
            entries += [(len(ends), column, value) for column, value in terms]
            ends.append((low - rest_hi, high - rest_lo, np.isfinite(low), np.isfinite(high),
                         rest_hi - rest_lo))
    if cutoff is not None and parts is not None:
        sense = 1.0 if objectives[0].sense == pyo.minimize else -1.0
        terms, rest = _cutoff_terms(parts, where, sense)
        if terms and np.isfinite(rest):
            entries += [(len(ends), column, value) for column, value in terms]
            limit = sense * cutoff - rest + ROW_HOLDS * (1 + abs(cutoff))
            ends.append((-np.inf, limit, False, False, 0.0))
    i, j, v = zip(*entries, strict=True) if entries else ((), (), ())
    R = sp.coo_matrix((np.array(v, float), (i, j)), shape=(len(ends), width)).tocsr()
    lo, hi, has_lo, has_hi, spread = zip(*ends, strict=True) if ends else ((),) * 5
    slope, slope_u, unknown = _slopes(kkt, where, first_dual, objectives, parts)
    for vid in odd & where.keys():
        columns = np.array([column for column, _ in where[vid]])
        unknown[columns[columns >= first_dual] - first_dual] = True
    return UpperView(R, np.array(lo, float), np.array(hi, float), np.array(has_lo, bool),
                     np.array(has_hi, bool), np.array(spread, float), slope, slope_u, unknown,
                     _stated(compiled, var_map, where, width))


def _stated(compiled, var_map, where, width: int) -> Stated:
    """The rows over own columns and other Vars, which are numbered as they come."""
    place: dict[int, int] = {}
    own: list[tuple[int, int, float]] = []
    others: list[tuple[int, int, float]] = []
    for i, (coefs, _, _) in enumerate(compiled):
        for vid, coef in coefs.items():
            if vid in where:
                own += [(i, column, coef * sign) for column, sign in where[vid]]
            else:
                others.append((i, place.setdefault(vid, len(place)), coef))
    o_lo, o_hi = bounds_of([var_map[vid] for vid in place])
    lo, hi = (np.array([row[k] for row in compiled], float) for k in (1, 2))
    return Stated(csr_of(own, (len(compiled), width)), csr_of(others, (len(compiled), len(place))),
                  lo, hi, o_lo, o_hi)


def _bounds_of_duals(kkt) -> list[tuple[dict[int, float], float, float]]:
    """Bounds that the user gave the dual Vars, or their fixed values, as rows of one dual each."""
    ranges = [({id(dual.var): 1.0}, *((dual.var.value,) * 2 if dual.var.fixed
                                      else _range(dual.var)))
              for dual in kkt.duals.asked() if dual.terms]
    return [row for row in ranges if np.isfinite(row[1:]).any()]


def _split(coefs, var_map, where):
    """(terms on own columns, least and greatest value of the others)."""
    terms: list[tuple[int, float]] = []
    rest_lo = rest_hi = 0.0
    for vid, coef in coefs.items():
        if vid in where:
            terms += [(column, coef * sign) for column, sign in where[vid]]
        elif coef:
            low, high = _range(var_map[vid])
            ends = sorted((coef * low, coef * high))
            rest_lo, rest_hi = rest_lo + ends[0], rest_hi + ends[1]
    return terms, rest_lo, rest_hi


def _range(var) -> tuple[float, float]:
    return (-np.inf if var.lb is None else var.lb, np.inf if var.ub is None else var.ub)


def _cutoff_terms(parts, where, sense):
    """Own linear terms of the minimised objective, and the least value of all that remains."""
    scaled = {vid: sense * coef for vid, coef in parts.linear.items()}
    terms, least, _ = _split(scaled, parts.var_map, where)
    least += sense * parts.constant
    for (i, j), coef in parts.quadratic.items():
        (a, b), (c, d) = _range(parts.var_map[i]), _range(parts.var_map[j])
        with np.errstate(invalid="ignore"):
            corners = np.nan_to_num(
                np.array([a * c, a * d, b * c, b * d]), nan=0.0, posinf=np.inf, neginf=-np.inf)
        if i == j:
            corners = np.maximum(corners, 0.0)
            corners = np.append(corners, 0.0) if a <= 0.0 <= b else corners
        least += float(min(sense * coef * corners.min(), sense * coef * corners.max()))
    return terms, least


def _slopes(kkt, where, first_dual, objectives, parts):
    """(slope, slope_u, slope_unknown) of the class, over the duals (y, mu)."""
    m, count = len(kkt.form.u), len(kkt.equality_rows) + kkt.pairs
    slope, unknown = np.zeros(count), np.zeros(count, dtype=bool)
    entries: list[tuple[int, int, float]] = []
    if parts is None:
        for objective in objectives:
            for var in identify_variables(objective.expr, include_fixed=False):
                for column, _ in where.get(id(var), []):
                    if column >= first_dual:
                        unknown[column - first_dual] = True
        return slope, sp.csr_matrix((count, m)), unknown
    sense = 1.0 if objectives[0].sense == pyo.minimize else -1.0
    for vid, coef in parts.linear.items():
        for column, sign in where.get(vid, []):
            if column >= first_dual:
                slope[column - first_dual] += sense * coef * sign
    for (i, j), coef in parts.quadratic.items():
        for one, other in ((i, j), (j, i)):
            for column, sign in where.get(one, []):
                if column < first_dual:
                    continue
                partner = where.get(other, [])
                if len(partner) == 1 and partner[0][0] < m:
                    entries.append((column - first_dual, partner[0][0], sense * coef * sign))
                else:
                    unknown[column - first_dual] = True
    r, c, v = zip(*entries, strict=True) if entries else ((), (), ())
    return slope, sp.coo_matrix((np.array(v, float), (r, c)), shape=(count, m)).tocsr(), unknown
