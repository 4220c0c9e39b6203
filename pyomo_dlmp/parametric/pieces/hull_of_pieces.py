"""The hull master over the pieces that can still be part of a better solution.

A piece whose bound, at the multipliers of the best bound, lies above that of its part by more than
the gap is in no better solution. Over the others the hull's MILP closes the duality gap; where
they are too many, it looks for better decisions among the most promising ones only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.parametric.master import solve_master
from pyomo_dlmp.parametric.pieces.lazy_part import LazyPart
from pyomo_dlmp.parametric.pieces.piece import Piece
from pyomo_dlmp.parametric.region_costs import RegionCost
from pyomo_dlmp.tolerances import ABSOLUTE_GAP

_MOST = 800  # pieces of all parts together in a proof
_BEST = 12  # of each part in a search for better decisions


class PieceCost(RegionCost):
    """A piece as the hull sees it.

    Parameters
    ----------
    part
        Its part.
    piece
        A leaf of it.
    """

    def __init__(self, part: LazyPart, piece: Piece):
        self.part, self.piece = part, piece
        cost = piece.cost if piece.steps is not None else self._of_part
        super().__init__(piece.cell.as_polytope(), 0, cost, _Below(piece),  # type: ignore[arg-type]
                         np.inf, np.zeros((part.m, 0)))

    @property
    def first_tangents(self) -> np.ndarray:  # type: ignore[override]
        """As of `RegionCost`; its bound is raised by others."""
        return self.tangents_now()

    def _of_part(self, v: np.ndarray) -> float:
        """The part's cost at v; infinite without a solution, so that the piece is cut there."""
        value = self.part.value(v)
        return np.inf if value is None else value

    def halves(self, v: np.ndarray) -> list[RegionCost]:
        """The piece cut in two near a point v; the same one where it cannot be cut."""
        made = self.part.cut(self.piece, v)
        if made == [self.piece]:  # its affine bounds were missing
            made = self.part.cut(self.piece, v)
        return [PieceCost(self.part, child) for child in made] or [self]


class _Below:
    """The convex bound of a piece."""

    def __init__(self, piece: Piece):
        self.piece = piece

    def __call__(self, v: np.ndarray) -> float:
        return self.piece.below(v)[0]

    def tangent(self, v: np.ndarray) -> tuple[np.ndarray, float]:
        """(slope, value at 0) of the tangent at v."""
        value, slope = self.piece.below(v)
        return slope, value - float(slope @ v)


@dataclass
class LazyHull(Hull):
    """A hull over some of the pieces; its costs are those of all.

    Attributes
    ----------
    exact
        Upper objective at upper decisions, or None where a part has no solution.
    """

    exact: Callable[[np.ndarray], float | None] = lambda u: None

    @classmethod
    def of(cls, hull: Hull, exact: Callable) -> LazyHull:
        """The same hull with exact costs."""
        return cls(**{f.name: getattr(hull, f.name) for f in fields(Hull)}, exact=exact)

    def cost_at(self, u: np.ndarray) -> tuple[float, list[int]]:
        """As of `Hull`; the regions are not told."""
        found = self.exact(u)
        return (np.inf if found is None else found), []

    def cut(self, z: np.ndarray, tolerance: float) -> LazyHull | None:
        """As of `Hull`."""
        hull = super().cut(z, tolerance)
        return None if hull is None else LazyHull.of(hull, self.exact)


def over_pieces(master: Any) -> bool:
    """One search over pieces; the master's outcome is improved.

    Parameters
    ----------
    master
        A `lazy_master.LazyMaster`, after its multipliers were found.

    Returns
    -------
    bool
        Whether the bound or the decisions became better.
    """
    out, joined = master.outcome, master.joined
    before = out.objective, out.bound
    pieces = [_open_pieces(master, k) for k in range(len(joined.parts))]
    whole = sum(map(len, pieces)) <= _MOST and out.z is not None
    if not whole:
        pieces = [mine[:_BEST] for mine in pieces]
    if any(not mine or not np.isfinite(mine[0].bound) for mine in pieces):
        return False
    hull = build_hull(joined.program, [part.cost.part for part in joined.parts],
                      [[PieceCost(part, piece) for piece in mine]
                       for part, mine in zip(joined.parts, pieces, strict=True)], joined.columns)
    left = limits.left()
    found = solve_master(LazyHull.of(hull, master.cost_at), 0.7 * master.gap,
                         left if np.isfinite(left) else None, master.threads,
                         lambda stage, objective, bound: master.on_progress(
                             stage, out.objective, out.bound),
                         master.options, None, out.z)
    if found.z is not None and found.objective < out.objective:
        out.z, out.objective = found.z, found.objective
        master.on_incumbent(out.z, out.objective, out.bound)
    if whole and not found.status.startswith("infeasible"):
        out.bound = max(out.bound, min(found.bound, out.objective))
    least = ABSOLUTE_GAP + 0.01 * master.gap * abs(out.objective)
    return out.objective < before[0] - least or out.bound > before[1] + least


def _open_pieces(master: Any, k: int) -> list[Piece]:
    """Leaves of a part that a better solution may use, the most promising ones first."""
    part, joined, out = master.joined.parts[k], master.joined, master.outcome
    slope = joined.slope(k, master.p)
    room = max(0.0, out.objective - master.lagrange)
    limit = (master.least[k] if master.least else -np.inf) + room
    found = []
    for piece in part.leaves.values():
        piece.bound = piece.quick_bound(slope)
        if piece.bound <= limit:
            piece.minimise(slope)
            if piece.bound <= limit:
                found.append(piece)
    return sorted(found, key=lambda piece: piece.bound)
