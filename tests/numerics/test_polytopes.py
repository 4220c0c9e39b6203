"""Polytopes and their differences: volumes by hand."""

import numpy as np
import pytest

from pyomo_dlmp.numerics.polytopes import make_polytope
from pyomo_dlmp.parametric.critical_regions import _without


def box(m, low=0.0, high=1.0):
    eye = np.eye(m)
    return np.vstack([eye, -eye]), np.concatenate([np.full(m, high), np.full(m, -low)])


@pytest.mark.parametrize("m", [1, 2, 3, 8])
def test_a_box_has_all_corners_and_facets(m):
    A, b = box(m)
    shape = make_polytope(np.vstack([A, A]), np.concatenate([b, b + 1.0]))  # twice, once looser
    assert len(shape.vertices) == 2**m and len(shape.b) == 2 * m
    assert all(len(on) == 2 ** (m - 1) for on in shape.facet_vertices)
    assert shape.radius == pytest.approx(0.5)
    if m <= 3:
        assert shape.volume == pytest.approx(1.0)


def test_a_cut_box_and_a_row_that_touches_a_corner_only():
    A, b = box(2)
    shape = make_polytope(np.vstack([A, [[1.0, 1.0]], [[-1.0, -1.0]]]), np.append(b, [1.0, 0.0]))
    assert shape.volume == pytest.approx(0.5)
    assert sorted(shape.row) == [2, 3, 4]  # -x <= 0, -y <= 0, x + y <= 1


def test_flat_and_empty_ones_are_none():
    A, b = box(2)
    assert make_polytope(np.vstack([A, [[1.0, 1.0]]]), np.append(b, -0.1)) is None
    assert make_polytope(np.vstack([A, [[1.0, 0.0]]]), np.append(b, 0.0)) is None


def test_an_open_one_is_refused():
    with pytest.raises(ValueError, match="unbounded"):
        make_polytope(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), np.ones(3))


def test_a_difference_keeps_the_volume():
    one = make_polytope(*box(2, 0.0, 1.0))
    for other, left in ((box(2, 0.25, 0.5), 1 - 0.0625), (box(2, 0.5, 3.0), 0.75),
                        (box(2, 2.0, 3.0), 1.0), (box(2, -1.0, 2.0), 0.0)):
        pieces = _without(one, make_polytope(*other))
        assert sum(piece.volume for piece in pieces) == pytest.approx(left)
