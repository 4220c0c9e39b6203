"""A bilevel Pyomo model as a `PairProgram`: every lower level replaced by its KKT conditions.

Columns are the Vars of the upper level, and of each lower level x, y (duals of its equality rows)
and mu (multipliers of its pairs). A dual Var of the user has no column: it is the signed sum of y
and mu that `lower.duals` says. The model itself is not changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp

from pyomo_dlmp.bilevel import guard_of, upper_objective
from pyomo_dlmp.bilevel.quadratics import quadratic_parts
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.bounds.labels import PairState
from pyomo_dlmp.bounds.pair_bounds import PairBounds
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.pairs import OFF, TIGHT, PairProgram, Pairs
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.transform.kkt import refuse_unknown

Terms = list[tuple[int, float]]


@dataclass
class CompiledPairs:
    """A `PairProgram`, and where the model stands in it.

    Attributes
    ----------
    problem
        The program; its `columns` are VarData for u and x, None for y and mu.
    systems
        The compiled lower levels.
    y, mu
        Columns of each lower level's y and mu, shapes (e,) and (pairs,).
    """

    problem: PairProgram
    systems: list[KktSystem]
    y: list[np.ndarray]
    mu: list[np.ndarray]

    def names(self) -> list[str]:
        """What each column is called: a Var, or the dual of a row or bound."""
        found = [None if var is None else var.name for var in self.problem.program.columns]
        for kkt, y, mu in zip(self.systems, self.y, self.mu, strict=True):
            block = kkt.form.block.name
            for column, row in zip(y, kkt.equality_rows, strict=True):
                found[column] = f"the dual of {block}.{kkt.form.names_row[row]}"
            for column, label in zip(mu, kkt.label, strict=True):
                found[column] = f"the dual of {block}.{label}"
        return [name or "" for name in found]


def compile_pairs(model: Any, systems: list[KktSystem],
                  bounds: list[PairBounds] | None = None, without: Any = None) -> CompiledPairs:
    """Compile a bilevel model; see the module's text.

    Parameters
    ----------
    model
        A bilevel model, not transformed.
    systems
        Its compiled lower levels.
    bounds
        What is proved of each one's pairs and duals, used where it is finite; None: nothing.
    without
        A Block whose rows are left out: what a transformation has written so far.

    Returns
    -------
    CompiledPairs

    Raises
    ------
    ModelError
        An upper row or the upper objective is neither linear nor quadratic, or uses a dual that
        does not exist.
    """
    return _Compiler(model, systems, without).compile(bounds)


class _Compiler:
    """Collects columns and rows."""

    def __init__(self, model: Any, systems: list[KktSystem], without: Any):
        self.model, self.systems = model, systems
        self.objective = upper_objective(model)
        self.parts = quadratic_parts(self.objective.expr, self.objective.name)
        reader = RowReader()
        self.linear, self.quadratic = _upper_rows(model, systems, reader, without)
        maps = [reader.var_map, self.parts.var_map, *(p.var_map for *_, p in self.quadratic)]
        self.duals = [dual for kkt in systems for dual in kkt.duals.asked()]
        self.used = {i for found in maps for i in found}
        dual_ids = {id(dual.var) for dual in self.duals}
        inner = {id(v): v for kkt in systems for v in kkt.form.x}
        upper = {id(v): v for kkt in systems for v in kkt.form.u}
        for found in maps:
            upper |= found
        # a Var of one lower level may be a constant of another: it has one column
        upper = {i: v for i, v in upper.items() if i not in inner and i not in dual_ids}
        self.columns = [*upper.values(), *inner.values()]
        self.first = len(self.columns)
        self.place: dict[int, Terms] = {id(v): [(j, 1.0)] for j, v in enumerate(self.columns)}
        self.y: list[np.ndarray] = []
        self.mu: list[np.ndarray] = []
        self.n = self.first
        for kkt in systems:
            self._add_multipliers(kkt)
        self.entries: list[tuple[int, int, float]] = []
        self.lo: list[float] = []
        self.hi: list[float] = []

    def _add_multipliers(self, kkt: KktSystem) -> None:
        """Columns y and mu of a lower level, and where its dual Vars stand in them."""
        e = len(kkt.equality_rows)
        columns = np.arange(self.n, self.n + e + kkt.pairs)
        self.y.append(columns[:e])
        self.mu.append(columns[e:])
        for dual in kkt.duals.asked():
            if not dual.known and id(dual.var) not in self.used:
                continue
            refuse_unknown(dual, kkt.form)
            self.place[id(dual.var)] = [(self.n + k, sign) for k, sign in dual.terms]
        self.n += len(columns)

    def compile(self, bounds: list[PairBounds] | None) -> CompiledPairs:
        """The arrays."""
        rows_of = self._upper()
        blocks = [csr_of(self.entries, (len(self.lo), self.n))]
        lo, hi = [np.array(self.lo)], [np.array(self.hi)]
        pairs, count = [], len(self.lo)
        for k, kkt in enumerate(self.systems):
            for A, low, high in self._lower(k):
                blocks.append(A)
                lo.append(low)
                hi.append(high)
            pairs.append(self._pairs(k, count))
            count += len(kkt.form.rows) + len(kkt.form.x)
        if bounds is not None:
            cuts, right = self._cuts(bounds)
            blocks.append(cuts)
            lo.append(np.full(len(right), -np.inf))
            hi.append(right)
        lb, ub = self._bounds(bounds)
        sign = 1 if self.objective.sense == pyo.minimize else -1
        c, Q = self._terms(self.parts)
        program = Program(
            A=sp.vstack(blocks, format="csr"), lo=np.concatenate(lo), hi=np.concatenate(hi),
            lb=lb, ub=ub, c=sign * c, Q=sign * Q, constant=sign * float(self.parts.constant),
            integer=np.array([not v.is_continuous() for v in self.columns]
                             + [False] * (self.n - self.first), dtype=bool),
            sign=sign, columns=[*self.columns, *[None] * (self.n - self.first)])
        problem = PairProgram(program, _joined(pairs), np.arange(self.n) >= self.first, rows_of,
                              upper_rows=len(self.lo))
        if bounds is not None:
            states = np.concatenate([b.state for b in bounds]) if bounds else np.empty(0, object)
            problem.state[states == PairState.NEVER_BINDS] = OFF
            problem.state[states == PairState.ALWAYS_BINDS] = TIGHT
        return CompiledPairs(problem, self.systems, self.y, self.mu)

    def _row(self, terms: dict[int, float], lo: float, hi: float) -> int:
        number = len(self.lo)
        for vid, coef in terms.items():
            self.entries += [(number, column, coef * sign) for column, sign in self.place[vid]]
        self.lo.append(lo)
        self.hi.append(hi)
        return number

    def _upper(self) -> dict[int, sp.csr_matrix]:
        """Upper rows, and what the user states of dual Vars; {row: its quadratic part}."""
        for terms, lo, hi in self.linear:
            self._row(terms, lo, hi)
        found = {}
        for lo, hi, parts in self.quadratic:
            number = self._row(parts.linear, lo - parts.constant, hi - parts.constant)
            found[number] = self._terms(parts)[1]
        for dual in self.duals:
            var = dual.var
            low, high = (var.value, var.value) if var.fixed else (var.lb, var.ub)
            if low is not None or high is not None:
                self._row({id(var): 1.0}, -np.inf if low is None else low,
                          np.inf if high is None else high)
        return found

    def _terms(self, parts) -> tuple[np.ndarray, sp.csr_matrix]:
        """(c, Q) over the columns, of an expression's linear and quadratic parts."""
        c, entries = np.zeros(self.n), []
        for vid, coef in parts.linear.items():
            for column, sign in self.place[vid]:
                c[column] += coef * sign
        for (i, j), coef in parts.quadratic.items():
            for a, s in self.place[i]:
                for b, t in self.place[j]:
                    entries += [(a, b, coef * s * t), (b, a, coef * s * t)]
        return c, csr_of(entries, (self.n, self.n))

    def _lower(self, k: int):
        """(A, lo, hi) of a lower level's rows and of its stationarity."""
        kkt = self.systems[k]
        form = kkt.form
        at = [np.array([self.place[id(v)][0][0] for v in side], dtype=int)
              for side in (form.u, form.x)]
        yield self._placed([(form.B, at[0]), (form.A, at[1])], len(form.rows)), form.lo, form.hi
        stationarity = self._placed(
            [(form.D.tocsr(), at[0]), (form.Q, at[1]), (-kkt.A_eq.T, self.y[k]),
             (-kkt.sigma * kkt.S.T, self.mu[k])], len(form.x))
        yield stationarity, -form.c, -form.c

    def _cuts(self, bounds: list[PairBounds]) -> tuple[sp.csr_matrix, np.ndarray]:
        """(A, right):  s / s_max + mu / mu_max <= 1  for open pairs where both are proved.

        Valid as one of the two is zero; it is the linear relaxation of a big-M form.
        """
        parts, right = [sp.csr_matrix((0, self.n))], [np.empty(0)]
        for k, (kkt, bound) in enumerate(zip(self.systems, bounds, strict=True)):
            both = np.flatnonzero(
                (bound.state == PairState.OPEN) & np.isfinite(bound.slack) & np.isfinite(bound.mu))
            if not len(both):
                continue
            at = [np.array([self.place[id(v)][0][0] for v in side], dtype=int)
                  for side in (kkt.form.u, kkt.form.x)]
            scale = sp.diags(1.0 / bound.slack[both])
            unit = sp.diags(1.0 / bound.mu[both])
            parts.append(self._placed(
                [(scale @ kkt.T[both], at[0]), (scale @ kkt.S[both], at[1]),
                 (unit, self.mu[k][both])], len(both)))
            right.append(1.0 - kkt.s0[both] / bound.slack[both])
        return sp.vstack(parts, format="csr"), np.concatenate(right)

    def _placed(self, parts, rows: int) -> sp.csr_matrix:
        """Matrices with their columns moved to the program's."""
        found = [sp.coo_matrix(matrix) for matrix, _ in parts]
        i = np.concatenate([m.row for m in found])
        j = np.concatenate([at[m.col] for m, (_, at) in zip(found, parts, strict=True)])
        v = np.concatenate([m.data for m in found])
        return sp.coo_matrix((v, (i, j)), shape=(rows, self.n)).tocsr()

    def _pairs(self, k: int, first_row: int) -> Pairs:
        kkt = self.systems[k]
        column = np.array([self.place[id(v)][0][0] for v in kkt.form.x], dtype=int)
        index = kkt.index + first_row
        index[~kkt.is_row] = column[kkt.index[~kkt.is_row]]
        return Pairs(self.mu[k], kkt.is_row, index, kkt.is_lower)

    def _bounds(self, bounds: list[PairBounds] | None) -> tuple[np.ndarray, np.ndarray]:
        lb, ub = np.full(self.n, -np.inf), np.full(self.n, np.inf)
        lb[: self.first], ub[: self.first] = bounds_of(self.columns)
        for k, (y, mu) in enumerate(zip(self.y, self.mu, strict=True)):
            lb[mu] = 0.0
            if bounds is not None:
                lb[y], ub[y], ub[mu] = bounds[k].y_lo, bounds[k].y_hi, bounds[k].mu
        return lb, ub


def _upper_rows(model: Any, systems: list[KktSystem], reader: RowReader, without: Any):
    """(linear rows as read, [(lo, hi, parts)] of the quadratic ones) of the upper level."""
    inside = {id(row) for kkt in systems for row in kkt.form.rows}
    inside |= {id(guard_of(kkt.form.block)) for kkt in systems}
    if without is not None:
        inside |= {id(row) for row in without.component_data_objects(
            pyo.Constraint, active=True, descend_into=pyo.Block)}
    linear, quadratic = [], []
    for row in model.component_data_objects(
            pyo.Constraint, active=True, descend_into=pyo.Block):
        if id(row) in inside:
            continue
        read = reader.read(row)
        if read is not None:
            linear.append(read)
            continue
        low, body, high = row.to_bounded_expression(evaluate_bounds=True)
        quadratic.append((-np.inf if low is None else low, np.inf if high is None else high,
                          quadratic_parts(body, row.name)))
    return linear, quadratic


def _joined(pairs: list[Pairs]) -> Pairs:
    """The pairs of all lower levels."""
    return Pairs(*(np.concatenate([getattr(p, name) for p in pairs])
                   for name in ("mu", "of_row", "index", "is_lower")))
