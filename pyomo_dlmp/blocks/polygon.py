"""A circle as an inscribed polygon: linear rows that are safe for  x^2 + y^2 <= r^2.

    cos(t_k) x + sin(t_k) y <= r cos(pi/K),   t_k = 2 pi k / K,   k = 0 .. K-1
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Polygon:
    """A regular polygon inside a circle.

    Parameters
    ----------
    sides : int
        K.
    """

    sides: int

    @property
    def inscribed(self) -> float:
        """Distance of its sides from the centre, as a share of the circle's radius: cos(pi/K)."""
        return math.cos(math.pi / self.sides)

    def direction(self, k: int) -> tuple[float, float]:
        """The direction of a side, rounded so that 0 and 1 are exact.

        Parameters
        ----------
        k : int
            Number of the side, from 0.

        Returns
        -------
        (float, float)
            cos t_k and sin t_k.
        """
        turn = 2 * math.pi * k / self.sides
        return round(math.cos(turn), 15), round(math.sin(turn), 15)

    def along(self, k: int, x: Any, y: Any) -> Any:
        """The left-hand side of a row: how far (x, y) reaches towards a side.

        Parameters
        ----------
        k : int
            Number of the side, from 0.
        x, y : expression or float
            In the unit of the radius.

        Returns
        -------
        expression or float
        """
        cos, sin = self.direction(k)
        return cos * x + sin * y
