"""McCormick envelopes of a product, plain or piecewise. Always a relaxation.

Source: ``w = v Y`` with v in [l, u], Y in [L, U]. Target (McCormick, Math. Prog. 10 (1976)):

    w >= l Y + L v - l L,    w >= u Y + U v - u U,
    w <= u Y + L v - u L,    w <= l Y + U v - l U

Piecewise with P segments of v: one binary for each segment (exactly one is on), v and Y split into
parts; the envelope's error falls from (u-l)(U-L)/4 to (u-l)(U-L)/(4 P).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.transform.products.bilinear import Product


def add_mccormick(block: Any, product: Product, segments: int = 1) -> Any:
    """Write the envelope of one product on an empty block.

    Parameters
    ----------
    block
        An empty Block.
    product
        v and Y, both with finite ranges.
    segments
        Pieces over the range of v; 1: plain.

    Returns
    -------
    Var
        w for v * Y.
    """
    lo, hi = float(product.v.lb), float(product.v.ub)
    _ranged_var(block, "Y", product.lo, product.hi)
    block.Y_definition = pyo.Constraint(expr=product.Y - block.Y == 0.0)
    corners = [a * b for a in (lo, hi) for b in (product.lo, product.hi)]
    _ranged_var(block, "w", min(corners), max(corners))
    if segments <= 1:
        block.envelope = pyo.Constraint(pyo.Any)
        rows = envelope(block.w, product.v, block.Y, lo, hi, product.lo, product.hi)
        for name, row in rows.items():
            block.envelope[name] = row
    else:
        _piecewise(block, product, np.linspace(lo, hi, segments + 1))
    block.error_bound = (hi - lo) * (product.hi - product.lo) / (4.0 * max(segments, 1))
    return block.w


def envelope(w: Any, v: Any, Y: Any, l: float, u: float,  # noqa: E741 (the formula's letters)
             L: float, U: float) -> dict[str, Any]:
    """The four McCormick rows of w = v Y, named by the corner of (v, Y) that they touch.

    Parameters
    ----------
    w, v, Y
        Vars of the product and its factors.
    l, u, L, U
        Range of v and of Y.

    Returns
    -------
    dict
        {name: relational expression}.
    """
    return {
        "above, at low low": w - l * Y - L * v >= -l * L,
        "above, at high high": w - u * Y - U * v >= -u * U,
        "below, at high low": w - u * Y - L * v <= -u * L,
        "below, at low high": w - l * Y - U * v <= -l * U,
    }


def _ranged_var(block, name: str, lo: float, hi: float) -> None:
    block.add_component(name, pyo.Var(bounds=(lo, hi), initialize=0.5 * (lo + hi)))


def _piecewise(block, product: Product, ends: np.ndarray) -> None:
    """Disaggregated envelopes: v = sum v_k, Y = sum Y_k, each zero unless its piece is on."""
    L, U = product.lo, product.hi
    K = range(len(ends) - 1)
    block.piece = pyo.Var(K, domain=pyo.Binary)
    block.v_part, block.Y_part, block.w_part = pyo.Var(K), pyo.Var(K), pyo.Var(K)
    block.one_piece = pyo.Constraint(expr=sum(block.piece[k] for k in K) == 1)
    block.v_sum = pyo.Constraint(expr=sum(block.v_part[k] for k in K) - product.v == 0.0)
    block.Y_sum = pyo.Constraint(expr=sum(block.Y_part[k] for k in K) - block.Y == 0.0)
    block.w_sum = pyo.Constraint(expr=sum(block.w_part[k] for k in K) - block.w == 0.0)
    block.envelope = pyo.Constraint(pyo.Any)
    for k in K:
        low, high = float(ends[k]), float(ends[k + 1])
        v, Y, w, on = block.v_part[k], block.Y_part[k], block.w_part[k], block.piece[k]
        rows = {
            "v at least": v - low * on >= 0, "v at most": v - high * on <= 0,
            "Y at least": Y - L * on >= 0, "Y at most": Y - U * on <= 0,
            "above, at low low": w - low * Y - L * v + low * L * on >= 0,
            "above, at high high": w - high * Y - U * v + high * U * on >= 0,
            "below, at high low": w - high * Y - L * v + high * L * on <= 0,
            "below, at low high": w - low * Y - U * v + low * U * on <= 0}
        for name, row in rows.items():
            block.envelope[f"piece {k}: {name}"] = row
