"""Among nearly optimal decisions some near those of before: optima may be flat.

The least of  cost + w/2 |movement|^2  over the pieces that hold the best decisions, w such that the
best ones themselves would just use up the cost that is allowed: the answer then costs no more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyomo_dlmp.parametric.condensed import width
from pyomo_dlmp.parametric.hull import Hull
from pyomo_dlmp.parametric.polish import polished
from pyomo_dlmp.parametric.region_costs import Quadratic
from pyomo_dlmp.tolerances import ENTRY


def nearby(hull: Hull, best: np.ndarray, start: np.ndarray, most: float) -> np.ndarray:
    """Decisions that cost at most `most`, nearer to others than the best ones are.

    Parameters
    ----------
    hull
        The master problem.
    best
        Its best decisions, shape (upper Vars,).
    start
        Those to be near to.
    most
        Greatest cost.

    Returns
    -------
    ndarray
        `best` itself where nothing nearer was found.
    """
    moved = [best[at] - start[at] for at in hull.u]
    size = sum(float(d @ d) for d in moved)
    cost = hull.cost_at(best)[0]
    if size <= ENTRY or most <= cost:
        return best
    weight = 2.0 * (most - cost) / size
    pieces = []
    for part, mine, at in zip(hull.parts, hull.pieces, hull.u, strict=True):
        span = width(part)
        d = part.lo - start[at]  # movement: span v + d
        pieces.append([replace(piece, cost=Quadratic(
            piece.cost.P + weight * np.diag(span**2), piece.cost.p + weight * span * d,
            piece.cost.c + 0.5 * weight * float(d @ d))) for piece in mine])
    near = polished(replace(hull, pieces=pieces), best)
    return near if hull.cost_at(near)[0] <= most else best
