"""Transformations ``dlmp.mccormick`` and ``dlmp.binary_expansion`` for any bilinear Pyomo model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.common.collections import ComponentSet
from pyomo.common.config import ConfigDict, ConfigValue, In, PositiveInt
from pyomo.common.modeling import unique_component_name
from pyomo.core import Transformation, TransformationFactory
from pyomo.core.base.var import VarData

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.tolerances import ROUNDING
from pyomo_dlmp.transform.options import SEGMENTS, configured
from pyomo_dlmp.transform.products.bilinear import range_of
from pyomo_dlmp.transform.products.binary_expansion import add_expanded_product, add_expansion_of
from pyomo_dlmp.transform.products.mccormick import add_division, add_mccormick, pieces_of
from pyomo_dlmp.transform.products.pairs import (
    KEEP_CONVEX,
    rows_with_products,
    shared_products,
)


class _ProductTransformation(Transformation):
    """Replace every row and objective that has products by one with linear stand-ins.

    Adds one block; source rows are deactivated, never deleted. `block.product[...]` has one entry
    for each pair of Vars ("x * y", "x ** 2"), shared by all rows, with the error of its stand-in in
    `error_bound`; `block.rows[name]` is the row that replaces the one of that name. Mutable Params
    and fixed Vars count with the values that they have at the call. Nothing is changed where an
    error is raised.
    """

    CONFIG = ConfigDict(implicit=False)
    CONFIG.declare("expand", ConfigValue(
        default=None, description="Vars to envelope or expand where a product offers a choice"))
    CONFIG.declare("keep_convex", ConfigValue(
        default="objective", domain=In(KEEP_CONVEX),
        description="where convex quadratic terms stay: in the objective, in all rows too, or in "
                    "none (for a solver of MILPs)"))
    block_name = "dlmp_products"
    name = ""

    def _apply_to(self, model, **kwds):
        config = configured(self.CONFIG, {**kwds.pop("options", {}), **kwds}, self.name)
        prefer = ComponentSet()
        for var in config.expand or ():
            prefer.update(var.values() if hasattr(var, "values") else [var])
        rows = rows_with_products(model, config.keep_convex)
        products = shared_products(rows, prefer, lambda v: self.fits(v, config))
        if not products:
            return
        block = pyo.Block(concrete=True)
        model.add_component(unique_component_name(model, self.block_name), block)
        stand_ins = dict(zip(
            products, self.stand_ins(block, list(products.values()), config), strict=True))
        for row in rows:
            replace_row(block, row.data, row.parts.expression(
                row.kept, [coef * stand_ins[pair] for pair, coef in row.products.items()]))

    def stand_ins(self, block, products, config) -> list:
        """Linear expressions that stand for the products, with their rows written on `block`."""
        raise NotImplementedError

    def fits(self, v, config) -> bool:
        """Whether the products of a Var become exact if it is the one expanded or divided."""
        raise NotImplementedError


@TransformationFactory.register("dlmp.mccormick", doc="McCormick envelopes of bilinear products")
class McCormick(_ProductTransformation):
    """``dlmp.mccormick``: McCormick envelopes, plain (segments=1) or piecewise; a relaxation.

    Raises
    ------
    ModelError
        A row or objective is neither linear nor quadratic, or stands in a Disjunct.
    BoundError
        A factor of a product has no finite bounds; before the model is changed.
    """

    name = "dlmp.mccormick"

    CONFIG = _ProductTransformation.CONFIG()
    CONFIG.declare("segments", ConfigValue(default=1, **SEGMENTS))
    CONFIG.declare("both", ConfigValue(
        default=False, domain=bool,
        description="divide both Vars of each product; the error falls with segments squared"))

    def stand_ins(self, block: Any, products: list, config: Any) -> list:
        """Linear expressions that stand for the products; see `envelopes`."""
        return envelopes(block, products, config.segments, config.both)

    def fits(self, v: Any, config: Any) -> bool:
        """Whether each piece holds two whole numbers at most."""
        lo, hi = range_of(v)
        return not v.is_continuous() and hi - lo <= 2 * config.segments - 1


@TransformationFactory.register(
    "dlmp.binary_expansion", doc="Binary expansion of one factor of each bilinear product")
class BinaryExpansion(_ProductTransformation):
    """``dlmp.binary_expansion``: a grid of 2^bits points, or with a continuous remainder.

    The grid is a restriction, the expansion with a remainder a relaxation.

    Raises
    ------
    ModelError
        A row or objective is neither linear nor quadratic, or stands in a Disjunct.
    BoundError
        A factor of a product has no finite bounds; before the model is changed.
    """

    name = "dlmp.binary_expansion"

    CONFIG = _ProductTransformation.CONFIG()
    CONFIG.declare("bits", ConfigValue(
        default=8, domain=PositiveInt, description="bits of the expanded Var"))
    CONFIG.declare("remainder", ConfigValue(
        default=False, domain=bool,
        description="continuous remainder in a McCormick envelope: a relaxation"))

    def stand_ins(self, block: Any, products: list, config: Any) -> list:
        """Linear expressions that stand for the products; see `expansions`."""
        return expansions(block, products, config.bits, config.remainder)

    def fits(self, v: Any, config: Any) -> bool:
        """Whether the bits number all its values."""
        lo, hi = range_of(v)
        return not v.is_continuous() and hi - lo <= 2**config.bits - 1


def envelopes(block: Any, products: list, segments: int, both: bool = False) -> list:
    """McCormick stand-ins of products; a Var in several products is divided once.

    Parameters
    ----------
    block
        Gets a sub-block for each product on `block.product`, for each divided Var on
        `block.division`.
    products
        `Product` objects.
    segments
        Pieces of each envelope; 1: plain.
    both
        Whether Y is divided, too, where it is a Var.

    Returns
    -------
    list
        A linear expression for each product.
    """
    subs = _blocks(block, "product")
    found = []
    for product in products:
        second = both and isinstance(product.Y, VarData) and not product.is_square
        found.append(add_mccormick(
            subs[name_of(product)], product, _division(block, product.v, segments),
            _division(block, product.Y, segments) if second else None))
    return found


def _division(block, var, segments: int):
    """The Block on which a Var is divided; None where it stays in one piece."""
    pieces = pieces_of(var, segments)
    if len(pieces) == 1:
        return None
    divisions = _blocks(block, "division")
    if var.name not in divisions:
        add_division(divisions[var.name], var, pieces)
    return divisions[var.name]


def expansions(block: Any, products: list, bits: int, remainder: bool) -> list:
    """Binary-expansion stand-ins of products; a Var in several products is expanded once.

    Parameters
    ----------
    block
        Gets a sub-block for each product on `block.product`, for each Var on `block.expansion`.
    products
        `Product` objects.
    bits, remainder
        As of `add_expansion_of`.

    Returns
    -------
    list
        A linear expression for each product.
    """
    subs, by_var = _blocks(block, "product"), _blocks(block, "expansion")
    found = []
    for product in products:
        name = product.v.name
        if name not in by_var:
            add_expansion_of(by_var[name], product.v, bits, remainder)
        found.append(add_expanded_product(subs[name_of(product)], product, by_var[name]))
    return found


def _blocks(block, name: str):
    """An indexed Block of that name, made where there is none."""
    if block.component(name) is None:
        block.add_component(name, pyo.Block(pyo.Any))
    return block.component(name)


def name_of(product: Any) -> str:
    """Name of a product's block: its two Vars, or its Var and the row that it stands in."""
    if product.is_square:
        return f"{product.v.name} ** 2"
    if product.where:
        return f"{product.v.name} in {product.where}"
    return f"{product.v.name} * {product.Y.name}"


def replace_row(block: Any, data: Any, expression: Any) -> None:
    """Deactivate a row or objective and write its new form on the block.

    Parameters
    ----------
    block
        Gets the row on `block.rows`, or the Objective `objective`.
    data
        ConstraintData or ObjectiveData.
    expression
        Its new body; limits and sense stay.

    Raises
    ------
    ModelError
        It is a second objective.
    """
    if data.ctype is pyo.Objective:
        if block.component("objective") is not None:
            raise ModelError.at(data.name, "is a second active objective", "Deactivate one.")
        block.objective = pyo.Objective(expr=expression, sense=data.sense)
    else:
        if block.component("rows") is None:
            block.rows = pyo.Constraint(pyo.Any)
        lower, _, upper = data.to_bounded_expression(evaluate_bounds=True)
        block.rows[data.name] = (lower, expression, upper)
    data.deactivate()


def stand_in_values(block: Any, product: Any,
                    value: Callable[[Any], float]) -> Iterator[tuple[Any, float]]:
    """Values of all Vars that stand for a product, where its factors are known.

    Parameters
    ----------
    block
        With the product's stand-ins.
    product
        The `Product`.
    value
        value(Var): the known value of a Var of its factors.

    Returns
    -------
    iterator
        (VarData, value); nothing for a piecewise envelope.
    """
    if block.component("product") is None or name_of(product) not in block.product:
        return
    sub = block.product[name_of(product)]
    v, Y = value(product.v), product.factor_at(value)
    if sub.component("w_part") is not None:
        return
    if sub.component("Y") is not None:
        yield sub.Y, Y
    if sub.component("w") is not None:
        yield sub.w, v * Y
        return
    expansion = block.expansion[product.v.name]
    steps = (v - expansion.lo) / expansion.step if expansion.step else 0.0
    whole = min(2 ** len(expansion.bit) - 1, max(0, int(steps + ROUNDING)))
    rest = min(max(0.0, (steps - whole) * expansion.step), expansion.step)
    for k, bit in expansion.bit.items():
        on = float(whole >> k & 1)
        yield bit, on
        yield sub.t[k], on * Y
    if expansion.component("r") is not None:
        yield expansion.r, rest
        yield sub.w_r, rest * Y
