"""Write the KKT conditions of a compiled lower level by a `RowWriter`, every row with a name.

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
import scipy.sparse as sp
from pyomo.core.expr import LinearExpression
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.bilevel import upper_data
from pyomo_dlmp.bounds.labels import PairState
from pyomo_dlmp.bounds.pair_bounds import PairBounds
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.duals import AskedDual
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.transform.rows import LinearRows, Rows, RowWriter


@dataclass
class LowerKkt:
    """One lower level after its KKT conditions were written.

    Attributes
    ----------
    kkt, bounds
        Its KKT arrays, and what was proved of its pairs.
    block
        The Pyomo Block with the multipliers and rows.
    writer
        What writes them.
    y
        VarData of each equality row.
    mu
        VarData of each pair, None where it never binds.
    stationarity
        The row of each column (as in `Program.rows`), None where it has none.
    pair_mode
        Name of the complementarity mode of each pair, "" where none was needed.
    own
        {name of a mode: {pair: its VarData}}.
    implied
        Dual Vars whose bounds were proved, not stated by the user.
    before
        (Var, lb, ub) of the user's dual Vars before their bounds were changed.
    """

    kkt: KktSystem
    bounds: PairBounds
    block: Any  # a Pyomo Block
    writer: RowWriter
    y: list
    mu: list
    stationarity: list = field(default_factory=list)
    pair_mode: list[str] = field(default_factory=list)
    own: dict[str, dict[int, Any]] = field(default_factory=dict)
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

    def slack_parts(self, pairs: Any) -> list:
        """Slacks of some pairs but their constant `kkt.s0`, as `Rows.parts`."""
        kkt = self.kkt
        return [(kkt.S[pairs], kkt.form.x), (kkt.T[pairs], kkt.form.u)]

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


def emit_kkt(writer: RowWriter, block: Any, kkt: KktSystem, bounds: PairBounds) -> LowerKkt:
    """Write multipliers and stationarity of a lower level; see the module's text.

    Parameters
    ----------
    writer
        What writes them.
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
    lower = LowerKkt(kkt, bounds, block, writer, [], [])
    lower.before = [(dual.var, dual.var.lb, dual.var.ub) for dual in kkt.duals.asked()]
    _equality_duals(lower)
    state = bounds.state
    dead = (state == PairState.NEVER_BINDS) & ~_only_terms(kkt, state == PairState.NEVER_BINDS)
    live = np.flatnonzero(~dead)
    top = bounds.mu[live]
    lower.mu = [None] * kkt.pairs
    for p, var in zip(live, writer.columns(
            "mu", PairLabels(kkt, live), np.zeros(len(live)), top), strict=True):
        lower.mu[p] = var
    _stationarity(lower, live)
    # that a row always binds may follow from the lower level's optimality only, so it is written
    tight = np.flatnonzero(state == PairState.ALWAYS_BINDS)
    most = np.maximum(0.0, bounds.slack[tight])
    rows, _ = Rows("always_binds", PairLabels(kkt, tight), lower.slack_parts(tight),
                   kkt.s0[tight], np.full(len(tight), -np.inf), most).with_vars()
    writer.rows(rows)
    _settled(lower)
    _asked_duals(lower)
    kkt.form.objective.deactivate()
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


def _equality_duals(lower: LowerKkt) -> None:
    """The user's dual Var where there is one, a named one otherwise; within proved ranges.

    Where the user gave tighter bounds, they stay.
    """
    kkt, bounds = lower.kkt, lower.bounds
    own = kkt.duals.equality_vars()
    rows = kkt.equality_rows[[var is None for var in own]]
    low, high = (bounds.y_lo - ROW_HOLDS * (1 + np.abs(bounds.y_lo)),
                 bounds.y_hi + ROW_HOLDS * (1 + np.abs(bounds.y_hi)))
    mine = np.array([var is None for var in own], dtype=bool)
    made = iter(lower.writer.columns("y", RowLabels(kkt, rows), low[mine], high[mine]))
    lower.y = [next(made) if var is None else var for var in own]
    for k, var in enumerate(lower.y):
        if mine[k]:
            lower.implied.append(var)
            continue
        if var.lb is None and var.ub is None:
            lower.implied.append(var)
        if np.isfinite(low[k]) and (var.lb is None or var.lb < bounds.y_lo[k]):
            var.setlb(float(low[k]))
        if np.isfinite(high[k]) and (var.ub is None or var.ub > bounds.y_hi[k]):
            var.setub(float(high[k]))


def _stationarity(lower: LowerKkt, live: np.ndarray) -> None:
    kkt, form = lower.kkt, lower.kkt.form
    mu = [lower.mu[p] for p in live]
    At = (-kkt.A_eq.T).tocsr()
    St = (-kkt.sigma * kkt.S[live].T).tocsr()
    zero = np.zeros(len(form.x))
    rows, filled = Rows(
        "stationarity", ColumnLabels(kkt),
        [(form.Q, form.x), (form.D.tocsr(), form.u), (At, lower.y), (St, mu)], form.c, zero,
        zero).with_vars()
    for j in np.flatnonzero(~filled & (form.c != 0)):
        raise ModelError.at(
            f"{form.block.name}.{form.names_x[j]}", "has a cost but neither rows nor bounds",
            "The lower level is unbounded in it: give it a bound.")
    lower.stationarity = [None] * len(form.x)
    for j, row in zip(np.flatnonzero(filled), lower.writer.rows(rows), strict=True):
        lower.stationarity[j] = row


def _settled(lower: LowerKkt) -> None:
    """Rows Q x = Q x* where the upper decisions are given: all solutions have the same gradient."""
    kkt, at = lower.kkt, lower.bounds.settled_at
    if at is None or not kkt.form.Q.nnz:
        return
    zero = np.zeros(len(at))
    rows, _ = Rows("same_gradient", ColumnLabels(kkt), [(kkt.form.Q, kkt.form.x)],
                   -(kkt.form.Q @ at), zero, zero).with_vars()
    lower.writer.rows(rows)


class PairLabels:
    """Labels of some pairs (a class, so that models can be pickled)."""

    def __init__(self, kkt: KktSystem, pairs: Any):
        self.kkt, self.pairs = kkt, pairs

    def __call__(self) -> list[str]:
        return [self.kkt.label[p] for p in self.pairs]


class RowLabels(PairLabels):
    """Names of some rows of the form."""

    def __call__(self) -> list[str]:
        return [self.kkt.form.names_row[r] for r in self.pairs]


class ColumnLabels:
    """Names of all columns of the form."""

    def __init__(self, kkt: KktSystem):
        self.kkt = kkt

    def __call__(self) -> list[str]:
        return self.kkt.form.names_x


def _asked_duals(lower: LowerKkt) -> None:
    """Rows that define the user's dual Vars of inequality rows and of bounds."""
    duals, form = lower.kkt.duals, lower.kkt.form
    defined: list = []
    entries: list[tuple[int, int, float]] = []
    for dual in duals.asked():
        if not dual.known and not _is_used(dual.var, form.block.model()):
            continue
        refuse_unknown(dual, form)
        if dual.row is not None and duals.equality_of(dual.row) is not None:
            continue
        terms = [(column - len(lower.y), sign) for column, sign in dual.terms
                 if lower.mu[column - len(lower.y)] is not None]
        entries += [(len(defined), p, -sign) for p, sign in terms]
        defined.append(dual.var)
        if dual.var.lb is None and dual.var.ub is None:
            lower.implied.append(dual.var)
        _sign_of(dual.var, [(sign, lower.mu[p]) for p, sign in terms])
    zero = np.zeros(len(defined))
    used = sorted({p for _, p, _ in entries})
    place = {p: k for k, p in enumerate(used)}
    lower.writer.rows(Rows(
        "dual_definition", VarLabels(defined),
        [(sp.identity(len(defined), format="csr"), defined),
         (csr_of([(i, place[p], v) for i, p, v in entries], (len(defined), len(used))),
          [lower.mu[p] for p in used])], zero, zero, zero))


class VarLabels:
    """Names of Vars."""

    def __init__(self, variables: list):
        self.variables = variables

    def __call__(self) -> list[str]:
        return [var.name for var in self.variables]


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


def _sign_of(var, terms: list) -> None:
    """Interval of a defined dual from its multipliers' bounds, as Var bounds."""
    low = high = 0.0
    for coef, mu in terms:
        top = np.inf if mu.ub is None else mu.ub
        low, high = low + min(0.0, coef * top), high + max(0.0, coef * top)
    if np.isfinite(low) and (var.lb is None or var.lb < low):
        var.setlb(low)
    if np.isfinite(high) and (var.ub is None or var.ub > high):
        var.setub(high)
