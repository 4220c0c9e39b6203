"""The polygon inside a circle: safe, and never further from it than cos(pi/K)."""

import math

import pytest

from pyomo_dlmp.blocks.polygon import Polygon


@pytest.mark.parametrize("sides", [4, 8, 12, 16])
def test_a_point_on_every_side(sides):
    circle = Polygon(sides)
    for turn in range(360):
        x, y = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        reach = max(circle.along(k, x, y) for k in range(sides))
        assert circle.inscribed - 1e-12 <= reach <= 1 + 1e-12
    corner = [math.cos(math.pi / sides), math.sin(math.pi / sides)]
    assert circle.along(0, *corner) == pytest.approx(circle.inscribed)
    assert circle.direction(sides // 4) == (0.0, 1.0)
