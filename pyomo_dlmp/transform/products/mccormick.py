"""McCormick envelopes of a product, plain or piecewise. Always a relaxation.

Source: ``w = v Y`` with v in [l, u], Y in [L, U]. Target (McCormick, Math. Prog. 10 (1976)):

    w >= l Y + L v - l L,    w >= u Y + U v - u U,
    w <= u Y + L v - u L,    w <= l Y + U v - l U

Its error is at most (u-l)(U-L)/4. Of a square (Y = v) the two rows above are tangents and the two
below are the same secant.

Piecewise: the range of v is divided in P pieces of which one is on, the same for all products of
v, and v, Y and w are split into parts that are zero where their piece is off; the error is a P-th.
With Y, too, in R pieces there is a part for each of the P R cells, and the error is a PR-th; so is
that of a square, with P = R. Pieces of an integer Var hold whole numbers; one of two neighbours is
exact.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.var import VarData

from pyomo_dlmp.transform.products.bilinear import Product, range_of


@dataclass
class _Cell:
    """A part of a product: its Vars, where they may lie, and what is 0 where it is off, else 1."""

    name: str
    w: Any
    v: Any
    Y: Any
    v_range: tuple[float, float]
    Y_range: tuple[float, float]
    on: Any = None


def pieces_of(v: Any, segments: int) -> list[tuple[float, float]]:
    """The pieces of a Var's range.

    Parameters
    ----------
    v
        A VarData with finite bounds.
    segments
        How many at most; an integer Var has no more than one for two of its values.

    Returns
    -------
    list of tuple
        (least, greatest) value of each, ascending; whole numbers for an integer Var.
    """
    lo, hi = range_of(v)
    if v.is_continuous() or hi <= lo:
        ends = np.linspace(lo, hi, segments + 1)
        return list(itertools.pairwise(map(float, ends))) if hi > lo else [(lo, hi)]
    values = round(hi - lo) + 1
    ends = np.linspace(0, values, min(segments, math.ceil(values / 2)) + 1).round()
    return [(lo + float(a), lo + float(b) - 1.0) for a, b in itertools.pairwise(ends)]


def add_division(block: Any, v: Any, pieces: list[tuple[float, float]]) -> None:
    """Write the pieces of a Var on an empty block: exactly one is on and holds its value.

    Parameters
    ----------
    block
        An empty Block; gets `piece[k]` (binary), `part[k]` and their rows.
    v
        The VarData.
    pieces
        As of `pieces_of`.
    """
    K = range(len(pieces))
    block.piece = pyo.Var(K, domain=pyo.Binary)
    block.part = pyo.Var(K)
    block.one_piece = pyo.Constraint(expr=sum(block.piece[k] for k in K) == 1)
    block.sum = pyo.Constraint(expr=sum(block.part[k] for k in K) - v == 0.0)
    block.inside = pyo.Constraint(pyo.Any)
    for k, ends in enumerate(pieces):
        _inside(block.inside, f"piece {k}", block.part[k], ends, block.piece[k])
    block.ends = pieces


def add_mccormick(block: Any, product: Product, of_v: Any = None, of_Y: Any = None) -> Any:
    """Write the envelope of one product on an empty block.

    Parameters
    ----------
    block
        An empty Block.
    product
        v and Y, both with finite ranges.
    of_v, of_Y
        Blocks of `add_division` of v and of Y (a Var); None: in one piece.

    Returns
    -------
    Var
        w for v * Y.
    """
    v, Y = product.v, factor_var(block, product)
    v_range, Y_range = range_of(v), (product.lo, product.hi)
    _ranged_var(block, "w", *product.range_of_product())
    if of_v is None and of_Y is None:
        cells = [_Cell("", block.w, v, Y, v_range, Y_range)]
    elif of_v is None:
        cells = _strips(block, of_Y, Y, v, v_range)
    elif of_Y is None:
        cells = _strips(block, of_v, v, Y, Y_range)
    else:
        cells = _grid(block, of_v, of_Y)
    if len(cells) > 1:
        block.w_sum = pyo.Constraint(expr=sum(cell.w for cell in cells) - block.w == 0.0)
    block.envelope = pyo.Constraint(pyo.Any)
    for cell in cells:
        rows = envelope(cell.w, cell.v, cell.Y, cell.v_range, cell.Y_range, cell.on)
        if product.is_square:
            del rows["below, at low high"]  # the same secant again
        for name, row in rows.items():
            block.envelope[f"{cell.name}{name}"] = row
    block.error_bound = max(
        0.0 if _exact(v, cell.v_range) or _exact(product.Y, cell.Y_range)
        else (cell.v_range[1] - cell.v_range[0]) * (cell.Y_range[1] - cell.Y_range[0]) / 4.0
        for cell in cells)
    return block.w


def _exact(var: Any, ends: tuple[float, float]) -> bool:
    """Whether a factor takes only the two ends of a piece, where an envelope is exact."""
    whole = isinstance(var, VarData) and not var.is_continuous()
    return ends[0] == ends[1] or (whole and ends[1] - ends[0] <= 1.0)


def factor_var(block: Any, product: Product) -> Any:
    """The Var Y of a product: its own where it is one, else `block.Y` with its definition.

    Parameters
    ----------
    block
        The product's Block.
    product
        The product.

    Returns
    -------
    VarData or Var
    """
    if isinstance(product.Y, VarData):
        return product.Y
    _ranged_var(block, "Y", product.lo, product.hi)
    block.Y_definition = pyo.Constraint(expr=product.Y - block.Y == 0.0)
    return block.Y


def envelope(w: Any, v: Any, Y: Any, v_range: tuple[float, float], Y_range: tuple[float, float],
             on: Any = None) -> dict[str, Any]:
    """The four McCormick rows of w = v Y, named by the corner of (v, Y) that they touch.

    Parameters
    ----------
    w, v, Y
        Vars of the product and its factors.
    v_range, Y_range
        (least, greatest) value of v and of Y.
    on
        A Var: where it is 0, so are v, Y and w; where it is 1, the rows are those of w = v Y.

    Returns
    -------
    dict
        {name: relational expression}.
    """
    (l, u), (L, U) = v_range, Y_range  # noqa: E741 (the formula's letters)

    def touching(a: float, b: float) -> tuple[Any, float]:
        body = w - a * Y - b * v
        return (body, -a * b) if on is None else (body + a * b * on, 0.0)

    rows = {}
    for name, corner in (("low low", (l, L)), ("high high", (u, U))):
        body, limit = touching(*corner)
        rows[f"above, at {name}"] = body >= limit
    for name, corner in (("high low", (u, L)), ("low high", (l, U))):
        body, limit = touching(*corner)
        rows[f"below, at {name}"] = body <= limit
    return rows


def _ranged_var(block, name: str, lo: float, hi: float) -> None:
    block.add_component(name, pyo.Var(bounds=(lo, hi), initialize=0.5 * (lo + hi)))


def _inside(rows, name: str, part, ends: tuple[float, float], on) -> None:
    rows[f"{name} at least"] = part - ends[0] * on >= 0
    rows[f"{name} at most"] = part - ends[1] * on <= 0


def _strips(block, division, divided, other, other_range) -> list[_Cell]:
    """A cell for each piece of one factor; the other factor is split into parts (a square: is the
    same one, and so are its parts)."""
    K = list(division.piece.index_set())
    block.w_part = pyo.Var(K)
    parts = division.part
    if other is not divided:
        parts = block.other_part = pyo.Var(K)
        block.other_sum = pyo.Constraint(expr=sum(parts[k] for k in K) - other == 0.0)
        block.inside = pyo.Constraint(pyo.Any)
        for k in K:
            _inside(block.inside, f"piece {k}", parts[k], other_range, division.piece[k])
    return [_Cell(f"piece {k}: ", block.w_part[k], division.part[k], parts[k], division.ends[k],
                  division.ends[k] if other is divided else other_range, division.piece[k])
            for k in K]


def _grid(block, of_v, of_Y) -> list[_Cell]:
    """A cell for each pair of pieces; it is on, in 0-1 points alone, where both pieces are."""
    P, R = list(of_v.piece.index_set()), list(of_Y.piece.index_set())
    K = list(itertools.product(P, R))
    block.cell = pyo.Var(K, bounds=(0.0, 1.0))
    block.v_part, block.Y_part, block.w_part = pyo.Var(K), pyo.Var(K), pyo.Var(K)
    block.sums = pyo.Constraint(pyo.Any)
    block.inside = pyo.Constraint(pyo.Any)
    for name, of, mine, part in (("v", of_v, P, block.v_part), ("Y", of_Y, R, block.Y_part)):
        for p in mine:
            here = [key for key in K if key[name == "Y"] == p]
            block.sums[f"{name} piece {p}: cells"] = (
                sum(block.cell[key] for key in here) - of.piece[p] == 0.0)
            block.sums[f"{name} piece {p}: parts"] = (
                sum(part[key] for key in here) - of.part[p] == 0.0)
            for key in here:
                _inside(block.inside, f"cell {key}: {name}", part[key], of.ends[p],
                        block.cell[key])
    return [_Cell(f"cell {key}: ", block.w_part[key], block.v_part[key], block.Y_part[key],
                  of_v.ends[key[0]], of_Y.ends[key[1]], block.cell[key]) for key in K]
