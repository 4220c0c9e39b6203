"""Places names next to points so that they cover neither each other nor the lines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyomo_dlmp.report.figures.style import INK

_DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]


def place_labels(
    figure: Figure,
    ax: Axes,
    names: Mapping[str, tuple[float, float]],
    obstacles: np.ndarray,
    *,
    size: float = 8.0,
    gap: float = 6.0,
    bold: frozenset[str] = frozenset(),
) -> None:
    """Writes each name (text -> data point) at the free place nearest to its point.

    `obstacles`: data points (n x 2) that names should not cover; `size` (pt) of the letters, `gap`
    (pt) from point to name, 4 more for those in `bold`, whose points wear a device's marker.
    Greedy, in the order of `names`: the first get the best places. The figure's layout must be
    settled (`Figure.draw_without_rendering`), so that points have their places on paper.
    """
    if not names:
        return
    scale = 72.0 / figure.dpi
    to_pt = lambda xy: ax.transData.transform(np.atleast_2d(xy)) * scale  # noqa: E731
    blocked = to_pt(obstacles) if len(obstacles) else np.empty((0, 2))
    boxes: list[tuple[float, float, float, float]] = []
    for text, point in names.items():
        (x, y), *_ = to_pt(point).tolist()
        width, height = 0.64 * size * len(text), 1.1 * size
        best: tuple[float, float, float, tuple[float, float, float, float]] | None = None
        for far in (1.0, 1.8, 2.8, 4.2):
            for dx, dy in _DIRECTIONS:
                reach = (gap + 4.0 * (text in bold)) * far * (0.75 if dx and dy else 1.0)
                cx, cy = x + dx * (reach + width / 2), y + dy * (reach + height / 2)
                box = (cx - width / 2, cx + width / 2, cy - height / 2, cy + height / 2)
                cost = _cost(box, boxes, blocked) + 1.2 * far + (0.2 if dx and dy else 0.0)
                if best is None or cost < best[0]:
                    best = (cost, cx - x, cy - y, box)
        assert best is not None
        _, offset_x, offset_y, box = best
        boxes.append(box)
        note = ax.annotate(
            text, point, xytext=(offset_x, offset_y), textcoords="offset points",
            ha="center", va="center", fontsize=size, color=INK, zorder=6,
            fontweight="bold" if text in bold else "normal",
            arrowprops=_leader(offset_x, offset_y, width, height, gap + 4.0),
        )  # fmt: skip
        note.set_in_layout(False)  # else the layout would move the points away from their names


def _cost(
    box: tuple[float, float, float, float],
    boxes: list[tuple[float, float, float, float]],
    blocked: np.ndarray,
) -> float:
    left, right, bottom, top = box
    cost = 0.0
    for a, b, c, d in boxes:
        wide, high = min(right, b) - max(left, a), min(top, d) - max(bottom, c)
        if wide > 0 and high > 0:
            cost += 50.0 + wide * high
    if len(blocked):
        inside = (blocked[:, 0] > left) & (blocked[:, 0] < right)
        inside &= (blocked[:, 1] > bottom) & (blocked[:, 1] < top)
        cost += 2.0 * float(inside.sum())
    return cost


def _leader(dx: float, dy: float, width: float, height: float, gap: float) -> dict | None:
    """A thin line from point to name where the name had to go far."""
    clear = max(abs(dx) - width / 2, abs(dy) - height / 2)
    if clear < 1.5 * gap:
        return None
    return {"arrowstyle": "-", "color": "#9aa5b1", "lw": 0.7, "shrinkA": 0, "shrinkB": 3}
