"""Transformations ``dlmp.mccormick`` and ``dlmp.binary_expansion`` for any bilinear Pyomo model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.common.collections import ComponentSet
from pyomo.common.config import ConfigDict, ConfigValue, PositiveInt
from pyomo.common.modeling import unique_component_name
from pyomo.core import Transformation, TransformationFactory

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.tolerances import ROUNDING
from pyomo_dlmp.transform.options import SEGMENTS, configured
from pyomo_dlmp.transform.products.bilinear import bilinear_rows, group_products
from pyomo_dlmp.transform.products.binary_expansion import add_expanded_product, add_expansion_of
from pyomo_dlmp.transform.products.mccormick import add_mccormick


class _ProductTransformation(Transformation):
    """Replace every row and objective that has products by one with linear stand-ins.

    Adds one block; source rows are deactivated, never deleted. Raises BoundError when a factor has
    no finite bounds, before anything is changed.
    """

    CONFIG = ConfigDict(implicit=False)
    CONFIG.declare("expand", ConfigValue(
        default=None, description="Vars to envelope or expand where a product offers a choice"))
    block_name = "dlmp_products"
    name = ""

    def _apply_to(self, model, **kwds):
        config = configured(self.CONFIG, {**kwds.pop("options", {}), **kwds}, self.name)
        prefer = ComponentSet()
        for var in config.expand or ():
            prefer.update(var.values() if hasattr(var, "values") else [var])
        work = [
            (data, parts, *group_products(parts, data.name, prefer))
            for data, parts in bilinear_rows(model)]
        work = [item for item in work if item[2]]
        if not work:
            return
        block = pyo.Block(concrete=True)
        model.add_component(unique_component_name(model, self.block_name), block)
        self.write(block, work, config)

    def write(self, block, work, config) -> None:
        """Add the linear rows; `work`: (component data, parts, products, other quadratic)."""
        block.rows = pyo.Constraint(pyo.Any)
        for data, parts, products, rest in work:
            stand_ins = self.stand_ins(block, products, config)
            replace_row(block, data, parts.expression(rest, stand_ins))

    def stand_ins(self, block, products, config) -> list:
        """Linear expressions that stand for the products, with their rows written on `block`."""
        raise NotImplementedError


@TransformationFactory.register("dlmp.mccormick", doc="McCormick envelopes of bilinear products")
class McCormick(_ProductTransformation):
    """``dlmp.mccormick``: McCormick envelopes, plain (segments=1) or piecewise; a relaxation.

    Raises
    ------
    BoundError
        A factor of a product has no finite bounds; before the model is changed.
    """

    name = "dlmp.mccormick"

    CONFIG = _ProductTransformation.CONFIG()
    CONFIG.declare("segments", ConfigValue(default=1, **SEGMENTS))

    def stand_ins(self, block: Any, products: list, config: Any) -> list:
        """Linear expressions that stand for the products; see `envelopes`."""
        return envelopes(block, products, config.segments)


@TransformationFactory.register(
    "dlmp.binary_expansion", doc="Binary expansion of one factor of each bilinear product")
class BinaryExpansion(_ProductTransformation):
    """``dlmp.binary_expansion``: a grid of 2^bits points, or with a continuous remainder.

    The grid is a restriction, the expansion with a remainder a relaxation.

    Raises
    ------
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


def envelopes(block: Any, products: list, segments: int) -> list:
    """McCormick stand-ins of products.

    Parameters
    ----------
    block
        Gets a sub-block for each product on `block.product`.
    products
        `Product` objects.
    segments
        Pieces of each envelope; 1: plain.

    Returns
    -------
    list
        A linear expression for each product.
    """
    subs = _product_blocks(block)
    return [add_mccormick(subs[name_of(p)], p, segments) for p in products]


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
    subs = _product_blocks(block)
    if block.component("expansion") is None:
        block.expansion = pyo.Block(pyo.Any)
    found = []
    for product in products:
        name = product.v.name
        if name not in block.expansion:
            add_expansion_of(block.expansion[name], product.v, bits, remainder)
        found.append(
            add_expanded_product(subs[name_of(product)], product, block.expansion[name]))
    return found


def _product_blocks(block):
    if block.component("product") is None:
        block.product = pyo.Block(pyo.Any)
    return block.product


def name_of(product: Any) -> str:
    """Name of a product's block: its Var and the row that it stands in."""
    return f"{product.v.name} in {product.where}"


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
    v = value(product.v)
    Y = sum(c * value(var) for c, var in zip(
        product.Y.linear_coefs, product.Y.linear_vars, strict=True))
    if sub.component("piece") is not None:
        return
    yield sub.Y, Y
    if sub.component("w") is not None:
        yield sub.w, v * Y
        return
    expansion = block.expansion[product.v.name]
    steps = (v - expansion.lo) / expansion.step
    whole = min(2 ** len(expansion.bit) - 1, max(0, int(steps + ROUNDING)))
    rest = min(max(0.0, (steps - whole) * expansion.step), expansion.step)
    for k, bit in expansion.bit.items():
        on = float(whole >> k & 1)
        yield bit, on
        yield sub.t[k], on * Y
    if expansion.component("r") is not None:
        yield expansion.r, rest
        yield sub.w_r, rest * Y
