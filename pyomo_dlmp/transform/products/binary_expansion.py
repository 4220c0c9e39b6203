"""Binary expansion of one factor of a product.

Source: ``w = v Y``, v in [l, u], Y in [L, U]. Target with K bits:

    v = l + d sum_k 2^k b_k (+ r),   w = l Y + d sum_k 2^k t_k (+ w_r),   t_k = b_k Y exactly by
    L b <= t <= U b,   Y - U (1 - b) <= t <= Y - L (1 - b)

Without remainder, d = (u - l) / (2^K - 1): a restriction of v to a grid, exact on it; v moves by
at most d/2. With remainder, d = (u - l) / 2^K, r in [0, d] and w_r in the McCormick envelope of
r Y: a relaxation with error at most d (U - L) / 4. Integer v with u - l <= 2^K - 1 uses d = 1; with
a wider range and no remainder d is rounded up, so that the grid is of whole numbers. A square is
the product of v with Y = v.
"""

from __future__ import annotations

import math
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.transform.products.bilinear import Product, range_of
from pyomo_dlmp.transform.products.mccormick import envelope, factor_var


def add_expansion_of(block: Any, v: Any, bits: int, remainder: bool) -> None:
    """Write the expansion of one Var on an empty block: `bit`, `expansion`, maybe `r`.

    Parameters
    ----------
    block
        An empty Block.
    v
        A VarData with finite bounds.
    bits
        Number of binaries K.
    remainder
        Whether a continuous remainder covers the steps of the grid.

    Raises
    ------
    ModelError
        There are neither bits nor a remainder.
    """
    lo, hi = range_of(v)
    if bits == 0 and not remainder:
        raise ModelError.at(v.name, "would be expanded in 0 bits without a remainder",
                            "Use bits of at least 1, or remainder=True.")
    if hi <= lo:
        bits, step, remainder = 0, 0.0, False
    elif not v.is_continuous() and hi - lo <= 2**bits - 1:
        step, remainder = 1.0, False
    elif not v.is_continuous() and not remainder:  # only whole numbers are on a grid of its own
        step = float(math.ceil((hi - lo) / (2**bits - 1)))
    else:
        step = (hi - lo) / (2**bits if remainder else 2**bits - 1)
    block.bit = pyo.Var(range(bits), domain=pyo.Binary, initialize=0)
    total = sum(step * 2**k * block.bit[k] for k in range(bits))
    if remainder:
        block.r = pyo.Var(bounds=(0.0, step), initialize=0.0)
        total = total + block.r
    block.expansion = pyo.Constraint(expr=total - v == -lo)
    if remainder:  # the last grid cell ends at hi
        block.inside = pyo.Constraint(expr=v <= hi)
    block.step, block.lo = step, lo


def add_expanded_product(block: Any, product: Product, expansion: Any) -> Any:
    """Write w = v Y on an empty block.

    Parameters
    ----------
    block
        An empty Block.
    product
        v and Y.
    expansion
        The Block on which v is expanded.

    Returns
    -------
    Pyomo expression
        w, linear.
    """
    L, U = product.lo, product.hi
    bits = list(expansion.bit.index_set())
    Y = factor_var(block, product)
    block.t = pyo.Var(bits, bounds=(min(L, 0.0), max(U, 0.0)), initialize=0.0)
    block.product = pyo.Constraint(pyo.Any)
    for k in bits:
        t, b = block.t[k], expansion.bit[k]
        block.product[f"bit {k}: zero from above"] = t - L * b >= 0
        block.product[f"bit {k}: zero from below"] = t - U * b <= 0
        block.product[f"bit {k}: Y from above"] = t - Y - U * b >= -U
        block.product[f"bit {k}: Y from below"] = t - Y - L * b <= -L
    w = expansion.lo * Y + sum(expansion.step * 2**k * block.t[k] for k in bits)
    remainder = expansion.component("r")
    block.error_bound = 0.0
    if remainder is not None:
        step = expansion.step
        block.w_r = pyo.Var(bounds=(min(0.0, L * step), max(0.0, U * step)), initialize=0.0)
        rows = envelope(block.w_r, remainder, Y, (0.0, step), (L, U))
        for name, row in rows.items():
            block.product[f"remainder: {name}"] = row
        w = w + block.w_r
        block.error_bound = step * (U - L) / 4.0
    return w
