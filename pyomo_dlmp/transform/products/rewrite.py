"""What becomes of the products of a bilevel model: identity first, then kept or replaced.

In the upper objective and rows, products of a dual and an upper Var go through the strong-duality
identity where it holds (`identity`); what it leaves is kept for a solver of nonconvex quadratics or
replaced by linear stand-ins (`linearise`). For a solver without nonconvex quadratics, products of
an upper Var and a lower Var that make an expression nonconvex are replaced too.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.collections import ComponentSet
from pyomo.core.expr import SumExpression

from pyomo_dlmp.bilevel.quadratics import QuadraticParts
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.numerics.identities import convexify
from pyomo_dlmp.transform.complementarity.mode import LevelRow
from pyomo_dlmp.transform.implied_ranges import lend_ranges
from pyomo_dlmp.transform.pairs import compile_pairs
from pyomo_dlmp.transform.products.bilinear import (
    bilinear_rows,
    group_products,
    is_convex,
)
from pyomo_dlmp.transform.products.identity import (
    Payment,
    dual_products,
    form_duals,
    products_of,
    rewrite_payment,
)
from pyomo_dlmp.transform.products.linearise import (
    envelopes,
    expansions,
    name_of,
    replace_row,
)
from pyomo_dlmp.transform.record import SingleLevel

log = logging.getLogger("pyomo_dlmp")


def residual_treatment(config: Any) -> str:
    """What becomes of products that no identity removes.

    Parameters
    ----------
    config
        Options as of `SINGLE_LEVEL`.

    Returns
    -------
    str
        "keep", "binary_expansion" or "mccormick".
    """
    if config.products not in ("auto", "strong_duality"):
        return config.products
    keeps = {"nonconvex", "nlp"} & config.capabilities
    return "keep" if keeps else "binary_expansion"


def write_level_row(block: Any, record: SingleLevel, lower: Any, row: LevelRow,
                    config: Any) -> None:
    """Write a mode's row of a whole lower level, its products treated as the options state.

    Parameters
    ----------
    block
        The transformation's block.
    record
        Of the transformation; completed.
    lower, row
        The lower level and its row.
    config
        Options as of `SINGLE_LEVEL`.
    """
    how = residual_treatment(config)
    lend_ranges(record.lowers, [u for *_, u in row.products])
    where = f"{row.name} of {lower.kkt.form.block.name}".replace("_", " ", 1)
    if how == "keep" or not row.products:
        if row.products and "nlp" not in config.capabilities:
            products_of(row.products, where)  # a global solver needs the factors' bounds
        stand_ins = [c * (dual * u) for c, dual, u in row.products]
    else:
        grouped = products_of(row.products, where)
        stand_ins = _linearised(block, record, grouped, how, config)
        whole = how == "binary_expansion" and (
            not config.remainder or all(not p.v.is_continuous() for p in grouped))
        record.exact &= whole
    lower.block.add_component(row.name, pyo.Constraint(
        expr=SumExpression([row.expression, *stand_ins]) <= row.limit))


def _linearised(block, record: SingleLevel, products, how: str, config) -> list:
    """Linear expressions for products, and what that makes of the model."""
    whole = how == "binary_expansion" and all(not p.v.is_continuous() for p in products)
    products = [_within(p, config.ranges or {}) for p in products]
    record.products += products
    record.relaxed |= bool(products) and (how == "mccormick" or (config.remainder and not whole))
    record.restricted |= how == "binary_expansion" and not config.remainder and not whole
    if how == "mccormick":
        return envelopes(block, products, config.segments)
    return expansions(block, products, config.bits, config.remainder)


def _within(product, ranges):
    """A product with its proved range, where one is given."""
    lo, hi = ranges.get(name_of(product), (product.lo, product.hi))
    return replace(product, lo=max(lo, product.lo), hi=min(hi, product.hi))


def rewrite_products(block: Any, record: SingleLevel, config: Any) -> None:
    """Rewrite the products in the upper objective and rows.

    Parameters
    ----------
    block
        The transformation's block.
    record
        Of the transformation; its `payment`, `objective`, `relaxed` and others are filled in.
    config
        Options as of `SINGLE_LEVEL`.

    Raises
    ------
    ModelError
        An upper row is neither linear nor quadratic, or ``products="strong_duality"`` leaves
        products.
    BoundError
        A factor of a product has no finite bounds.
    """
    how = residual_treatment(config)
    known = {id(row) for row in block.component_data_objects(pyo.Constraint, active=True)}
    known |= {id(row) for lower in record.lowers for row in lower.kkt.form.rows}
    for upper, parts in list(bilinear_rows(block.model(), known)):
        paid = None
        if upper is record.original and config.products in ("auto", "strong_duality"):
            sense = 1 if upper.sense == pyo.minimize else -1
            paid = rewrite_payment(parts.quadratic, parts.var_map, record.lowers, sense)
            if _by_identities(block, record, paid, sense):
                continue
        new = _rewritten(block, record, config, upper, parts, paid, how)
        if new is None:
            continue
        if upper is record.original:
            record.replace_goal(new)
            continue
        replace_row(block, upper, new.expression())
        record.deactivated.append(upper)
    log.info("products: %s", how)


def _by_identities(block, record: SingleLevel, paid: tuple[Payment, dict], sense: int) -> bool:
    """Write the upper objective in a convex form, where identities of KKT points give one.

    What strong duality for a whole lower level (`identity`) rewrites completely is left to it: its
    form is sparse, for lower levels of any size.
    """
    payment, rest = paid
    if not payment.left and is_convex(rest, sense):
        return False
    systems = [lower.kkt for lower in record.lowers]
    compiled = compile_pairs(block.model(), systems, [lower.bounds for lower in record.lowers],
                             without=block)
    found = convexify(compiled.problem)
    if not (found.parts and found.convex):
        return False
    columns = list(compiled.problem.program.columns)
    for lower, y, mu in zip(record.lowers, compiled.y, compiled.mu, strict=True):
        for j, var in [*zip(y, lower.y, strict=True), *zip(mu, lower.mu, strict=True)]:
            columns[j] = var
    record.replace_goal(_parts_of(found.problem.program, columns, sense))
    record.payment = Payment(complete=found.parts)
    log.info("products: %d parts of the objective are convex by identities", found.parts)
    return True


def _parts_of(program, columns: list, sense: int) -> QuadraticParts:
    """The objective of a program over some Vars (None: a column that is zero)."""
    live = [j for j in np.flatnonzero(program.c) if columns[j] is not None]
    Q = sp.triu(program.Q).tocoo()
    quadratic = {
        (id(columns[i]), id(columns[j])): sense * (0.5 if i == j else 1.0) * v
        for i, j, v in zip(Q.row.tolist(), Q.col.tolist(), Q.data.tolist(), strict=True)
        if columns[i] is not None and columns[j] is not None}
    return QuadraticParts(
        sense * program.constant, {id(columns[j]): sense * float(program.c[j]) for j in live},
        quadratic, {id(var): var for var in columns if var is not None})


def _rewritten(block, record: SingleLevel, config, upper, parts: QuadraticParts,
               paid: tuple[Payment, dict] | None, how: str) -> QuadraticParts | None:
    """The new terms of an upper row or objective, None where it stays as it is."""
    is_objective = upper is record.original
    if paid is not None:
        payment, rest = paid
        record.payment = payment
        _require_complete(upper, payment, config.products)
    else:
        payment = Payment()
        payment.left, rest = dual_products(parts.quadratic, parts.var_map, record.lowers)
    lend_ranges(record.lowers, [u for *_, u in payment.left])
    if how == "keep":
        if not {"nlp", "indicator"} & config.capabilities:
            products_of(payment.left, upper.name)  # a global solver needs the factors' bounds
        left = [c * (y * u) for c, y, u in payment.left]
        if not payment.exact:
            return None
        return parts.plus(rest, payment.exact, left, upper.name)
    products = products_of(payment.left, upper.name)
    others, rest = _nonconvex_products(record, upper, replace(parts, quadratic=rest), is_objective)
    if not (payment.exact or products or others):
        return None
    left = _linearised(block, record, [*products, *others], how, config)
    return parts.plus(rest, payment.exact, left, upper.name)


def _nonconvex_products(record: SingleLevel, upper, parts: QuadraticParts, is_objective: bool):
    """(products that keep an expression from being convex, the other quadratic terms)."""
    sense = 1 if is_objective and upper.sense == pyo.minimize else -1
    mixed = any(i != j for i, j in parts.quadratic)
    if not mixed or (is_objective and is_convex(parts.quadratic, sense)):
        return [], parts.quadratic
    decided = ComponentSet(u for lower in record.lowers for u in lower.kkt.form.u)
    duals = {id(v) for lower in record.lowers for v in form_duals(lower)}
    if any(i in duals and j in duals for i, j in parts.quadratic):
        return [], parts.quadratic  # of two duals: left to the solver, which may refuse
    lend_ranges(record.lowers, [parts.var_map[k] for i, j in parts.quadratic if i != j
                                for k in (i, j)])
    return group_products(parts, f"{upper.name}, without duals", decided)


def _require_complete(upper, payment: Payment, how: str) -> None:
    if how == "strong_duality" and payment.left:
        reasons = "; ".join(payment.refused) or "some products are not paid"
        raise ModelError.at(
            upper.name, f"the strong-duality identity leaves {len(payment.left)} products "
            f"({reasons})", "Use products='auto', 'binary_expansion' or 'mccormick'.")
