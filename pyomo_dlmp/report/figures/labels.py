"""Places names next to points so that they cover neither each other nor points nor lines.

Of eight directions and four distances each name takes the cheapest place, one name after the other,
and then once more with all others in their places. This is the usual way of maps, where a name
stands close to its point; it is deterministic and takes a tenth of a second for a hundred names.
The library adjustText was tried instead: it pushes names apart by forces from where they start,
so that most come to lie on their own point or line, and takes three to ten times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from pyomo_dlmp.report.figures.style import INK

_DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
_DISTANCES = (1.0, 1.8, 2.8, 4.2)
_MARKER = 4.0  # pt that a device's marker stands out beyond the dot of a bus
_DOT = 2.5  # pt, radius of the dot of a bus

# What a place costs, against a step of one distance further out (1.2).
_CLIPPED, _ON_NAME, _ON_MARKER, _ON_DOT, _ON_LINE = 1000.0, 50.0, 12.0, 8.0, 2.0
_FURTHER, _SLANTED = 1.2, 0.2

Box = tuple[float, float, float, float]
"""Left, right, bottom, top (pt)."""


@dataclass
class _Sheet:
    """The paper with what is drawn on it (pt from its lower left corner)."""

    paper: Box
    dots: np.ndarray
    markers: np.ndarray
    lines: np.ndarray
    names: dict[str, Box] = field(default_factory=dict)

    def cost(self, box: Box, text: str) -> float:
        """What a name in this box hides, or loses beyond the paper."""
        left, right, bottom, top = self.paper
        cost = 0.0
        if box[0] < left or box[1] > right or box[2] < bottom or box[3] > top:
            cost += _CLIPPED
        cost += _ON_DOT * _inside(box, self.dots, _DOT)
        cost += _ON_MARKER * _inside(box, self.markers, _MARKER + _DOT)
        cost += _ON_LINE * _inside(box, self.lines, 0.0)
        for other, b in self.names.items():
            wide = min(box[1], b[1]) - max(box[0], b[0])
            high = min(box[3], b[3]) - max(box[2], b[2])
            if other != text and wide > 0 and high > 0:
                cost += _ON_NAME + wide * high
        return cost


def place_labels(
    figure: Figure,
    ax: Axes,
    names: Mapping[str, tuple[float, float]],
    points: np.ndarray,
    lines: np.ndarray,
    *,
    size: float = 8.0,
    gap: float = 6.0,
    bold: frozenset[str] = frozenset(),
) -> None:
    """Write each name at the free place nearest to its point.

    The figure's layout must be done (`Drawing.lay_out`), so that points have their
    places on paper.

    Parameters
    ----------
    figure, ax : Figure, Axes
        Where to write.
    names : mapping of str to (float, float)
        Text -> point (data units). The first get the best places.
    points, lines : ndarray, shape (n, 2)
        Points, and samples along lines, that names should not cover (data units).
    size : float
        Of the letters (pt).
    gap : float
        From a point to its name (pt).
    bold : frozenset of str
        Names whose points wear a device's marker: bold, and a little further from the point.
    """
    if not names:
        return
    scale = 72.0 / figure.dpi
    on_paper = {text: ax.transData.transform(point) * scale for text, point in names.items()}
    width, height = (float(x) * 72.0 for x in figure.get_size_inches())
    marked = [on_paper[text] for text in names if text in bold]
    sheet = _Sheet((0.0, width, 0.0, height), _to_pt(ax, points, scale),
                   np.reshape(marked, (-1, 2)), _to_pt(ax, lines, scale))
    notes = {text: _written(ax, text, point, size, text in bold) for text, point in names.items()}
    offset: dict[str, tuple[float, float]] = {}
    reach = {text: gap + _MARKER * (text in bold) for text in names}
    extent = {text: _extent(note, scale) for text, note in notes.items()}
    for _ in range(2):
        for text in names:
            offset[text], sheet.names[text] = _best_place(
                sheet, text, on_paper[text], extent[text], reach[text])
    for text, note in notes.items():
        note.xyann = offset[text]
        _add_leader(ax, note, offset[text], extent[text], gap + _MARKER)


def _to_pt(ax: Axes, points: np.ndarray, scale: float) -> np.ndarray:
    return ax.transData.transform(points) * scale if len(points) else np.empty((0, 2))


def _inside(box: Box, points: np.ndarray, around: float) -> int:
    """How many points lie in a box, or so near to it (pt)."""
    x, y = points[:, 0], points[:, 1]
    hit = (x > box[0] - around) & (x < box[1] + around)
    hit &= (y > box[2] - around) & (y < box[3] + around)
    return int(hit.sum())


def _written(ax: Axes, text: str, point: tuple[float, float], size: float,
             bold: bool) -> Annotation:
    note = ax.annotate(
        text, point, xytext=(0.0, 0.0), textcoords="offset points", ha="center", va="center",
        fontsize=size, color=INK, zorder=6, fontweight="bold" if bold else "normal",
    )  # fmt: skip
    note.set_in_layout(False)  # else the layout would move the points away from their names
    return note


def _extent(note: Annotation, scale: float) -> tuple[float, float]:
    """Width and height of a name (pt)."""
    box = note.get_window_extent()
    return box.width * scale, box.height * scale


def _best_place(sheet: _Sheet, text: str, point: np.ndarray, extent: tuple[float, float],
                reach: float) -> tuple[tuple[float, float], Box]:
    """The cheapest offset of the name's middle from its point, and the box it takes (pt)."""
    (x, y), (width, height) = point, extent
    best: tuple[float, tuple[float, float], Box] | None = None
    for far in _DISTANCES:
        for dx, dy in _DIRECTIONS:
            slanted = bool(dx and dy)
            least = _FURTHER * far + _SLANTED * slanted
            if best is not None and least >= best[0]:
                continue
            out = reach * far * (0.75 if slanted else 1.0)
            shift = (dx * (out + width / 2), dy * (out + height / 2))
            cx, cy = x + shift[0], y + shift[1]
            box = (cx - width / 2, cx + width / 2, cy - height / 2, cy + height / 2)
            cost = least + sheet.cost(box, text)
            if best is None or cost < best[0]:
                best = cost, shift, box
    assert best is not None
    return best[1], best[2]


def _add_leader(ax: Axes, note: Annotation, offset: tuple[float, float],
                extent: tuple[float, float], near: float) -> None:
    """A thin line from point to name where the name had to go far."""
    clear = max(abs(offset[0]) - extent[0] / 2, abs(offset[1]) - extent[1] / 2)
    if clear < 1.5 * near:
        return
    ax.annotate(
        "", note.xy, xytext=offset, textcoords="offset points", zorder=5,
        arrowprops={"arrowstyle": "-", "color": "#9aa5b1", "lw": 0.7, "shrinkA": 4, "shrinkB": 3},
    ).set_in_layout(False)  # fmt: skip
