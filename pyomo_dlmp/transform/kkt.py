"""Write the KKT conditions of a compiled lower level onto a Pyomo block, every row with a name.

Added for each lower level: `y` (duals of equality rows without a Var of the user), `mu` (one
multiplier >= 0 for each pair that can bind), `stationarity` by column, and `dual_definition` for
the duals of inequality rows and bounds that the user asked for. The lower rows stay as they are;
the lower objective is deactivated. Complementarity is added by a mode (`complementarity/`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr import LinearExpression
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.bilevel import upper_data
from pyomo_dlmp.bounds.labels import PairState
from pyomo_dlmp.bounds.pair_bounds import PairBounds
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.duals import AskedDual
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.tolerances import ROW_HOLDS


@dataclass
class LowerKkt:
    """One lower level after its KKT conditions were written.

    Attributes
    ----------
    kkt, bounds
        Its KKT arrays, and what was proved of its pairs.
    block
        The Pyomo Block with the multipliers and rows.
    y
        VarData of each equality row.
    mu
        VarData of each pair, None where it never binds.
    pair_mode
        Name of the complementarity mode of each pair, "" where none was needed.
    implied
        Dual Vars whose bounds were proved, not stated by the user.
    before
        (Var, lb, ub) of the user's dual Vars before their bounds were changed.
    """

    kkt: KktSystem
    bounds: PairBounds
    block: Any  # a Pyomo Block
    y: list
    mu: list
    pair_mode: list[str] = field(default_factory=list)
    implied: list = field(default_factory=list)
    before: list = field(default_factory=list)

    def multipliers(self) -> tuple[np.ndarray, np.ndarray]:
        """(y, mu) as loaded on the Vars, shapes (e,) and (pairs,); 0 where a pair has no Var."""
        return (np.array([v.value or 0.0 for v in self.y]),
                np.array([0.0 if v is None else v.value or 0.0 for v in self.mu]))

    def pairs_by_mode(self) -> dict[str, list[int]]:
        """{name of a complementarity mode: numbers of the pairs in it}."""
        found: dict[str, list[int]] = {}
        for p, name in enumerate(self.pair_mode):
            if name:
                found.setdefault(name, []).append(p)
        return {name: found[name] for name in sorted(found)}

    def restore(self) -> None:
        """Restore the user's own bounds of the dual Vars."""
        for var, low, high in self.before:
            var.setlb(low)
            var.setub(high)

    def slack_expression(self, p: int, extra: Iterable[tuple[float, Any]] = ()) -> LinearExpression:
        """Pyomo expression of the slack of a pair.

        Parameters
        ----------
        p
            Number of the pair.
        extra
            Further (coefficient, VarData) terms.
        """
        rows = getattr(self, "_slack_rows", None)
        if rows is None:
            kkt, form = self.kkt, self.kkt.form
            rows = self._slack_rows = LinearRows([(kkt.S, form.x), (kkt.T, form.u)])
        return rows.row(p, float(self.kkt.s0[p]), extra)

    def row_dual(self, r: int) -> Any:
        """Pyomo expression of the dual of row r of the form, in the user's sign."""
        return self.dual_at(self.kkt.duals.terms_of_row(r))

    def dual_at(self, terms: list[tuple[int, float]]) -> Any:
        """Pyomo expression of a dual from its `terms` over (y, mu), see `lower.duals.Terms`."""
        e = len(self.y)
        if len(terms) == 1 and terms[0][0] < e:
            return self.y[terms[0][0]]
        live = [(sign, self.mu[column - e]) for column, sign in terms
                if self.mu[column - e] is not None]
        return LinearExpression(
            constant=0.0, linear_coefs=[sign for sign, _ in live],
            linear_vars=[var for _, var in live])


class LinearRows:
    """Rows of stacked sparse matrices as Pyomo LinearExpressions.

    The arrays are kept as lists, of which a slice costs a tenth of a slice of an array.

    Parameters
    ----------
    parts
        [(csr matrix, list of the VarData of its columns)]; row i of the result adds up row i of
        each matrix.
    """

    def __init__(self, parts):
        self.parts = [
            (m.indptr.tolist(), m.indices.tolist(), m.data.tolist(), variables)
            for m, variables in parts if m.nnz]

    def row(self, i: int, constant: float = 0.0,
            extra: Iterable[tuple[float, Any]] = ()) -> LinearExpression:
        """Row i plus a constant and further (coefficient, VarData) terms."""
        coefs: list[float] = [c for c, _ in extra]
        variables: list = [v for _, v in extra]
        for indptr, indices, values, owners in self.parts:
            first, last = indptr[i], indptr[i + 1]
            coefs += values[first:last]
            variables += [owners[j] for j in indices[first:last]]
        return LinearExpression(constant=constant, linear_coefs=coefs, linear_vars=variables)


def emit_kkt(block: Any, kkt: KktSystem, bounds: PairBounds) -> LowerKkt:
    """Write multipliers and stationarity of a lower level on a block; see the module's text.

    Parameters
    ----------
    block
        An empty Pyomo Block.
    kkt
        The lower level; its objective is deactivated.
    bounds
        What was proved of its pairs; finite bounds become bounds of Vars.

    Returns
    -------
    LowerKkt

    Raises
    ------
    ModelError
        A Var has a cost but neither rows nor bounds, or `dual_of` was called for what is not in
        the lower level now.
    """
    form = kkt.form
    lower = LowerKkt(kkt, bounds, block, _equality_duals(block, kkt), [])
    lower.before = [(dual.var, dual.var.lb, dual.var.ub) for dual in kkt.duals.asked()]
    _bound_duals(lower)
    state = bounds.state
    dead = (state == PairState.NEVER_BINDS) & ~_only_terms(kkt, state == PairState.NEVER_BINDS)
    live = [kkt.label[p] for p in range(kkt.pairs) if not dead[p]]
    block.mu = pyo.Var(pyo.Set(initialize=live), initialize=0.0)
    for data in block.mu.values():
        data.setlb(0.0)
    lower.mu = [
        None if dead[p] else block.mu[kkt.label[p]] for p in range(kkt.pairs)]
    for p, var in enumerate(lower.mu):
        if var is not None and np.isfinite(bounds.mu[p]):
            var.setub(float(bounds.mu[p]))
    _stationarity(lower)
    # that a row always binds may follow from the lower level's optimality only, so it is written
    tight = {kkt.label[p]: int(p) for p in np.flatnonzero(state == PairState.ALWAYS_BINDS)}
    block.always_binds = pyo.Constraint(
        pyo.Set(initialize=list(tight)), rule=_AlwaysBinds(lower, tight))
    _asked_duals(lower)
    form.objective.deactivate()
    lower.pair_mode = [""] * kkt.pairs
    return lower


def _only_terms(kkt: KktSystem, dead: np.ndarray) -> np.ndarray:
    """Dead pairs without which a stationarity row would be a number: they stay, fixed at zero.

    The row then states that no solution of the lower level satisfies the upper rows.
    """
    form = kkt.form
    terms = np.diff(form.Q.indptr) + np.diff(form.D.tocsr().indptr) + np.diff(
        kkt.A_eq.tocsc().indptr) + np.asarray((kkt.S[~dead] != 0).sum(axis=0)).ravel()
    empty = terms == 0
    touches = (abs(kkt.S) @ empty.astype(float)) > 0
    return dead & touches


def _equality_duals(block, kkt: KktSystem) -> list:
    """The user's dual Var where there is one, a named one otherwise."""
    own = kkt.duals.equality_vars()
    names = [kkt.form.names_row[r] for r in kkt.equality_rows]
    block.y = pyo.Var(
        pyo.Set(initialize=[name for name, var in zip(names, own, strict=True) if var is None]),
        initialize=0.0)
    return [block.y[name] if var is None else var for name, var in zip(names, own, strict=True)]


def _bound_duals(lower: LowerKkt) -> None:
    """Proved ranges of equality duals as Var bounds (kept where the user gave tighter ones)."""
    bounds = lower.bounds
    for var, lo, hi in zip(lower.y, bounds.y_lo, bounds.y_hi, strict=True):
        if var.lb is None and var.ub is None:
            lower.implied.append(var)
        if np.isfinite(lo) and (var.lb is None or var.lb < lo):
            var.setlb(float(lo - ROW_HOLDS * (1 + abs(lo))))
        if np.isfinite(hi) and (var.ub is None or var.ub > hi):
            var.setub(float(hi + ROW_HOLDS * (1 + abs(hi))))


def _stationarity(lower: LowerKkt) -> None:
    kkt, form, block = lower.kkt, lower.kkt.form, lower.block
    live = np.array([p for p, v in enumerate(lower.mu) if v is not None], dtype=int)
    mu = [lower.mu[p] for p in live]
    At = (-kkt.A_eq.T).tocsr()
    St = (-kkt.sigma * kkt.S[live].T).tocsr()
    rows = LinearRows([(form.Q, form.x), (form.D.tocsr(), form.u), (At, lower.y), (St, mu)])
    number = {name: j for j, name in enumerate(form.names_x)}

    block.stationarity = pyo.Constraint(
        pyo.Set(initialize=form.names_x), rule=_Stationarity(form, rows, number))


class _AlwaysBinds:
    """slack <= its bound, which is zero to rounding."""

    def __init__(self, lower: LowerKkt, number: dict[str, int]):
        self.lower, self.number = lower, number

    def __call__(self, _, label):
        p = self.number[label]
        slack = self.lower.slack_expression(p)
        if not slack.linear_vars:
            return pyo.Constraint.Skip
        return slack <= max(0.0, float(self.lower.bounds.slack[p]))


class _Stationarity:
    """One stationarity row (a class, so that models can be pickled)."""

    def __init__(self, form, rows: LinearRows, number: dict[str, int]):
        self.form, self.rows, self.number = form, rows, number

    def __call__(self, _, name):
        limits.check()
        form, j = self.form, self.number[name]
        expression = self.rows.row(j, float(form.c[j]))
        if expression.linear_vars:
            return expression == 0
        if abs(form.c[j]) > 0:
            raise ModelError.at(
                f"{form.block.name}.{name}", "has a cost but neither rows nor bounds",
                "The lower level is unbounded in it: give it a bound.")
        return pyo.Constraint.Skip


def _asked_duals(lower: LowerKkt) -> None:
    """Rows that define the user's dual Vars of inequality rows and of bounds."""
    duals, block = lower.kkt.duals, lower.block
    block.dual_definition = pyo.Constraint(pyo.Any)
    for dual in duals.asked():
        if not dual.known and not _is_used(dual.var, lower.kkt.form.block.model()):
            continue
        refuse_unknown(dual, lower.kkt.form)
        if dual.row is not None and duals.equality_of(dual.row) is not None:
            continue
        value, var = lower.dual_at(dual.terms), dual.var
        block.dual_definition[var.name] = var == value
        if var.lb is None and var.ub is None:
            lower.implied.append(var)
        _sign_of(var, value)


def _is_used(var, model) -> bool:
    """Whether the upper level uses a dual."""
    parts = chain(upper_data(model, pyo.Objective), upper_data(model, pyo.Constraint))
    return any(v is var for part in parts for v in identify_variables(
        part.expr if part.ctype is pyo.Objective else part.body))


def refuse_unknown(dual: AskedDual, form) -> None:
    """ModelError for the dual of what is not in the lower level as it is now."""
    if dual.known:
        return
    if dual.bound is not None:
        raise ModelError.at(
            dual.owner.name, "is not a decision of the lower level, its bounds have no dual",
            "It is fixed, unused, or declared as the upper level's.")
    why = "is not an active row" if dual.row is None else "has no lower-level Var"
    raise ModelError.at(
        dual.owner.name, f"{why}, so it has no dual in '{form.block.name}'",
        "Activate it, or do not use its dual.")


def _sign_of(var, value) -> None:
    """Interval of a defined dual from its multipliers' bounds, as Var bounds."""
    low = high = 0.0
    for coef, mu in zip(value.linear_coefs, value.linear_vars, strict=True):
        top = np.inf if mu.ub is None else mu.ub
        low, high = low + min(0.0, coef * top), high + max(0.0, coef * top)
    if np.isfinite(low) and (var.lb is None or var.lb < low):
        var.setlb(low)
    if np.isfinite(high) and (var.ub is None or var.ub > high):
        var.setub(high)
