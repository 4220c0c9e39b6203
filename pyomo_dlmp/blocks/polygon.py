"""A circle as an inscribed polygon: linear rows that are safe for  x^2 + y^2 <= r^2.

    cos(t_k) x + sin(t_k) y <= r cos(pi/K),   t_k = 2 pi k / K,   k = 0 .. K-1
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Polygon:
    """A regular polygon of `sides` sides."""

    sides: int

    @property
    def inscribed(self) -> float:
        """Distance of its sides from the centre, in shares of the circle's radius: cos(pi/K)."""
        return math.cos(math.pi / self.sides)

    def direction(self, k: int) -> tuple[float, float]:
        """(cos t_k, sin t_k) of side k, rounded so that 0 and 1 are exact."""
        turn = 2 * math.pi * k / self.sides
        return round(math.cos(turn), 15), round(math.sin(turn), 15)

    def along(self, k: int, x, y):
        """The left-hand side of row k: how far (x, y) reaches towards side k."""
        cos, sin = self.direction(k)
        return cos * x + sin * y
