"""Recognised totally unimodular matrices, and ranges of many maps at once."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from pyomo_dlmp.numerics.boxes import batch_ranges, row_ranges
from pyomo_dlmp.numerics.unimodular import unit_scale

INCIDENCE = np.array([[1, 1, 0, 0], [-1, 0, 1, 0], [0, -1, -1, 1.0]])
TRIANGLE = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1.0]])  # determinant 2


@pytest.mark.parametrize("M, is_one", [
    (INCIDENCE, True), (INCIDENCE.T, True), (TRIANGLE, False), (-TRIANGLE, False),
    (np.hstack([INCIDENCE, 5 * np.eye(3)]), True), (2 * INCIDENCE, False),
    (np.ones((3, 3)), False)])
def test_unit_scale(M, is_one):
    scale = unit_scale(sp.csr_matrix(M))
    assert (scale is not None) == is_one
    if is_one:
        N = M / scale
        for k in range(1, min(N.shape) + 1):
            for rows in itertools.combinations(range(N.shape[0]), k):
                for columns in itertools.combinations(range(N.shape[1]), k):
                    value = np.linalg.det(N[np.ix_(rows, columns)])
                    assert abs(value) < 1e-9 or abs(abs(value) - 1) < 1e-9


def test_batches_are_row_ranges():
    rng = np.random.default_rng(3)
    M = np.where(rng.random((6, 4, 5)) < 0.5, rng.normal(size=(6, 4, 5)), 0.0)
    m0 = rng.normal(size=(6, 4))
    lo, hi = np.array([-1, 0, -np.inf, 2, -3.0]), np.array([1, 4, 2, np.inf, -1.0])
    low, high = batch_ranges(M, m0, lo, hi)
    for k in range(6):
        a, b = row_ranges(sp.csr_matrix(M[k]), m0[k], lo, hi)
        assert np.allclose(low[k], a, atol=1e-12) and np.allclose(high[k], b, atol=1e-12)
