"""Names of devices on the map, each on that side of its mark where it covers the least."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.tolerances import ROUNDING

SMALLEST, LETTER = (460.0, 380.0), 8.0
"""Size of the map on a narrow screen, and width of a letter (px)."""
_MANY = 1000  # buses that are drawn too small to be in the way
_MARK, _BUS = 10.0, 6.0  # half of what a mark and a bus take (px)
Box = tuple[float, float, float, float]  # left, below, right, above (px)


def labelled(marks: list[dict[str, Any]], points: np.ndarray) -> list[dict[str, Any]]:
    """The marks with the side of their names, where these cover the least of all else.

    Parameters
    ----------
    marks : list of dict
        name, at (place in `points`), named (whether its name is written), label (is set).
    points : ndarray, shape (n, 2)
        Places of the buses (drawing units).

    Returns
    -------
    list of dict
        `marks`.
    """
    places = scaled(points)
    taken = {mark["name"]: _around(places[mark["at"]], _MARK) for mark in marks}
    near = [_around(place, _BUS) for place in places] if len(points) <= _MANY else []
    written: list[Box] = []
    for mark in marks:
        if not mark["named"]:
            continue
        others = [box for name, box in taken.items() if name != mark["name"]] + written
        sides = boxes(places[mark["at"]], LETTER * len(mark["name"]))
        covered = {side: sum(common(box, other) for other in others)
                   + 0.5 * sum(common(box, other) for other in near)
                   for side, box in sides.items()}
        mark["label"] = min(covered, key=covered.__getitem__)
        written.append(sides[mark["label"]])
    return marks


def scaled(points: np.ndarray) -> np.ndarray:
    """Places on a narrow screen.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        In drawing units.

    Returns
    -------
    ndarray, shape (n, 2)
        In px, from the lower left.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    scale = min(np.array(SMALLEST) / np.maximum(high - low, ROUNDING))
    return scale * (points - low)


def boxes(place: np.ndarray, wide: float) -> dict[str, Box]:
    """Where plotly writes a name beside a mark, by side; the first sides are better.

    Parameters
    ----------
    place : ndarray, shape (2,)
        Of the mark (px).
    wide : float
        Of the name (px).

    Returns
    -------
    dict of str to (float, float, float, float)
        textposition of plotly -> left, below, right, above (px).
    """
    x, y = place
    across = {"center": (x - wide / 2, x + wide / 2), "right": (x + 9, x + 9 + wide),
              "left": (x - 9 - wide, x - 9)}
    up = {"top": (y + 10, y + 26), "bottom": (y - 26, y - 10), "middle": (y - 8, y + 8)}
    return {f"{v} {h}": (across[h][0], up[v][0], across[h][1], up[v][1])
            for h in across for v in up if (v, h) != ("middle", "center")}


def common(one: Box, other: Box) -> float:
    """Area that two boxes share.

    Parameters
    ----------
    one, other : (float, float, float, float)
        Left, below, right, above (px).

    Returns
    -------
    float
        In px^2.
    """
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)


def _around(place: np.ndarray, half: float) -> Box:
    x, y = place
    return x - half, y - half, x + half, y + half
