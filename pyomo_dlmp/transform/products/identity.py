"""Price times quantity, exactly: strong duality as an identity.

For a connected part of a lower level whose objective has no upper Vars, stationarity multiplied by
x and complementarity give

    sum_r y_r (B u)_r = sum_r (lo_r y_r^lo + hi_r y_r^hi) + (bounds' terms) - x'Qx - c'x

If the upper level pays  kappa y_r B_rj u_j  for every entry of B, the payment is the right-hand
side: a quadratic that is convex when kappa has the sign of a payer. Where some entries are not paid
(only active power, say), the missing products are subtracted again, so that only they stay
bilinear. The property is detected on the model, never assumed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyomo.core.expr import LinearExpression

from pyomo_dlmp.bilevel.quadratics import QuadraticParts
from pyomo_dlmp.numerics.components import component_labels
from pyomo_dlmp.tolerances import ENTRY
from pyomo_dlmp.transform.kkt import LowerKkt
from pyomo_dlmp.transform.products.bilinear import Product, linear_range


@dataclass
class Payment:
    """What became of the products of one upper expression.

    Attributes
    ----------
    exact
        Terms of convex quadratic expressions that replace products.
    left
        Products that remain, as (coefficient, dual expression, upper VarData).
    complete, partial
        Number of connected parts of lower levels without and with products that remain.
    refused
        Parts where the identity does not apply, with the reason.
    """

    exact: list[QuadraticParts] = field(default_factory=list)
    left: list = field(default_factory=list)
    complete: int = 0
    partial: int = 0
    refused: list[str] = field(default_factory=list)


def rewrite_payment(quadratic: dict, var_map: dict, lowers: list[LowerKkt],
                    sense: int) -> tuple[Payment, dict]:
    """Replace the products dual x upper Var of an upper expression by the identity.

    Parameters
    ----------
    quadratic
        {(id, id): coefficient}, the expression's quadratic terms.
    var_map
        {id of a Var: Var}.
    lowers
        The lower levels.
    sense
        +1 when the upper level minimises, else -1.

    Returns
    -------
    tuple
        (what became of the products, the other quadratic terms).
    """
    payment = Payment()
    rest = dict(quadratic)
    for lower in lowers:
        paid = _paid_entries(rest, lower)
        for key in paid.values():
            for term, _ in key:
                rest.pop(term, None)
        if paid:
            _rewrite_lower(lower, paid, sense, payment)
    return payment, rest


def dual_products(quadratic: dict, var_map: dict, lowers: list[LowerKkt]) -> tuple[list, dict]:
    """The products dual x upper Var of an upper expression, without any identity.

    Parameters
    ----------
    quadratic, var_map, lowers
        As of `rewrite_payment`.

    Returns
    -------
    tuple
        ([(coefficient, dual VarData, upper VarData)], other quadratic terms).
    """
    left, rest = [], dict(quadratic)
    for lower in lowers:
        for terms in _paid_entries(rest, lower).values():
            for (i, j), coef in terms:
                rest.pop((i, j), None)
                duals = {id(v) for v in form_duals(lower)}
                y, u = (i, j) if i in duals else (j, i)
                left.append((coef, var_map[y], var_map[u]))
    return left, rest


def form_duals(lower: LowerKkt) -> list:
    """All dual Vars of a lower level: of equality rows, and those that `dual_of` gave."""
    return [*lower.y, *(dual.var for dual in lower.kkt.duals.asked())]


def products_of(left: Iterable[tuple], where: str) -> list[Product]:
    """Group products by their upper Var u, as u * Y.

    Parameters
    ----------
    left
        (coefficient, dual VarData or expression, upper VarData).
    where
        Name of the row or objective they stand in.

    Returns
    -------
    list of Product

    Raises
    ------
    BoundError
        A factor has no finite bounds.
    """
    grouped: dict[int, tuple[object, list[float], list]] = {}
    for coef, dual, u in left:
        _, coefs, variables = grouped.setdefault(id(u), (u, [], []))
        if hasattr(dual, "linear_vars"):
            coefs.extend(coef * c for c in dual.linear_coefs)
            variables.extend(dual.linear_vars)
        else:
            coefs.append(coef)
            variables.append(dual)
    products = []
    for u, coefs, variables in grouped.values():
        lo, hi = linear_range(coefs, variables, where)
        linear_range([1.0], [u], where)
        products.append(Product(where, u, LinearExpression(
            constant=0.0, linear_coefs=coefs, linear_vars=variables), lo, hi))
    return products


def _paid_entries(quadratic: dict, lower: LowerKkt) -> dict:
    """{(row, u number): [(term key, coefficient)]} of the products with this lower's duals."""
    form = lower.kkt.form
    row_of: dict[int, int] = {
        id(var): int(r) for var, r in zip(lower.y, lower.kkt.equality_rows, strict=True)}
    row_of.update({id(dual.var): dual.row for dual in lower.kkt.duals.asked()
                   if dual.row is not None})
    u_of = {id(var): j for j, var in enumerate(form.u)}
    paid: dict = {}
    for key, coef in quadratic.items():
        i, j = key
        if j in row_of and i in u_of:
            i, j = j, i
        if i in row_of and j in u_of and coef:
            paid.setdefault((row_of[i], u_of[j]), []).append((key, coef))
    return paid


def _rewrite_lower(lower: LowerKkt, paid: dict, sense: int, payment: Payment) -> None:
    kkt, form = lower.kkt, lower.kkt.form
    column_part, row_part = _parts(lower)
    coefs = {entry: sum(c for _, c in terms) for entry, terms in paid.items()}
    by_part: dict[int, dict] = {}
    for (r, j), coef in coefs.items():
        by_part.setdefault(int(row_part[r]), {})[r, j] = coef
    B = form.B.tocsr()
    members = {part: np.flatnonzero(row_part == part) for part in by_part}
    for part, entries in by_part.items():
        needed = {
            (int(r), int(B.indices[k])): float(B.data[k])
            for r in members[part] for k in range(B.indptr[r], B.indptr[r + 1])}
        columns = np.flatnonzero(column_part == part)
        kappa, why = _scale(entries, needed, form, columns, kkt.sigma * sense)
        if kappa is None:
            payment.refused.append(f"{form.block.name} (part {part}): {why}")
            left = entries
        else:
            payment.exact.append(_identity(lower, members[part], columns, kappa))
            left = {
                key: entries.get(key, 0.0) - kappa * needed.get(key, 0.0)
                for key in {*entries, *needed}}
            left = {k: v for k, v in left.items() if abs(v) > ENTRY * abs(kappa)}
            payment.complete += not left
            payment.partial += bool(left)
        for (r, j), coef in sorted(left.items()):
            payment.left.append((coef, lower.row_dual(r), form.u[j]))


def _parts(lower: LowerKkt) -> tuple[np.ndarray, np.ndarray]:
    """Connected part of each column and each row of the form."""
    form = lower.kkt.form
    return component_labels(form.A, form.Q)


def _scale(entries, needed, form, columns, direction):
    """(kappa, reason if None): the commonest ratio of paid to needed, if it gives convexity."""
    if form.D[columns].nnz:
        return None, "the lower objective contains upper Vars"
    ratios = [round(coef / needed[key], 9) for key, coef in entries.items() if key in needed]
    if not ratios:
        return None, "no paid product belongs to a row with the upper Var"
    kappa = Counter(ratios).most_common(1)[0][0]
    if form.Q[columns].nnz and -kappa * direction < 0:
        return None, "the identity would be nonconvex (the upper level receives the price)"
    return kappa, ""


def _identity(lower: LowerKkt, rows, columns, kappa: float) -> QuadraticParts:
    """kappa times the right-hand side of the identity."""
    kkt, form = lower.kkt, lower.kkt.form
    terms = _Terms()
    for r in rows:
        equality = kkt.duals.equality_of(r)
        if equality is not None:
            terms.add(kappa * form.lo[r], lower.y[equality])
            continue
        for p in kkt.duals.pairs_of(int(r), of_row=True):
            _pair_term(lower, p, kappa, form.lo[r], form.hi[r], terms)
    for j in columns:
        for p in kkt.duals.pairs_of(int(j), of_row=False):
            _pair_term(lower, p, kappa, form.lb[j], form.ub[j], terms)
        terms.add(-kappa * form.c[j], form.x[j])
    Q = form.Q[columns].tocoo()
    for i, j, v in zip(columns[Q.row].tolist(), Q.col.tolist(), Q.data.tolist(), strict=True):
        terms.square(-kappa * v, form.x[i], form.x[j])
    return QuadraticParts(0.0, terms.linear, terms.quadratic, terms.var_map)


class _Terms:
    """Linear and quadratic terms that add up."""

    def __init__(self):
        self.linear: dict[int, float] = {}
        self.quadratic: dict[tuple[int, int], float] = {}
        self.var_map: dict[int, Any] = {}

    def add(self, coef: float, var: Any) -> None:
        """A linear term."""
        if coef:
            self.var_map[id(var)] = var
            self.linear[id(var)] = self.linear.get(id(var), 0.0) + float(coef)

    def square(self, coef: float, one: Any, other: Any) -> None:
        """A product of two Vars."""
        self.var_map[id(one)], self.var_map[id(other)] = one, other
        key = (id(one), id(other)) if (id(other), id(one)) not in self.quadratic else (
            id(other), id(one))
        self.quadratic[key] = self.quadratic.get(key, 0.0) + float(coef)


def _pair_term(lower, p, kappa, low, high, terms: _Terms) -> None:
    kkt = lower.kkt
    if lower.mu[p] is not None:
        value = low if kkt.is_lower[p] else -high
        terms.add(kappa * kkt.sigma * value, lower.mu[p])
